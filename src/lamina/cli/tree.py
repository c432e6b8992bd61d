"""The tree of layers on a terminal: scopes → sessions → episodes → traces, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lamina.cli.output import amount, clean, line_of, when
from lamina.plain import item_json

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

    from lamina import Item, Memory

KEYWORDS: Final = 5  # keywords shown of an episode


@dataclass(frozen=True, slots=True)
class Look:
    """How much of the tree to see: levels (1 to 4), lines at each, the page of sessions, and which sessions."""

    depth: int = 3
    limit: int = 20
    page: int = 1
    sessions: tuple[str, ...] = ()


@dataclass
class Branch:
    """A session: its traces, and the episodes they were grouped into."""

    scope: str
    session: str | None
    traces: list[Item] = field(default_factory=list)
    episodes: list[Item] = field(default_factory=list)
    parts: dict[str, list[Item]] = field(default_factory=dict)

    @property
    def loose(self) -> list[Item]:
        """The traces that are in no episode."""
        grouped = {trace.id for some in self.parts.values() for trace in some}
        return [trace for trace in self.traces if trace.id not in grouped]


@dataclass
class Branches:
    """One page of the tree: counts for each scope, and the sessions of this page."""

    look: Look
    scopes: dict[str, dict[str, int]]
    sessions: list[Branch]
    total: int

    def more(self) -> list[str]:
        """What is not on this page, and how to get there."""
        if self.look.depth < 2:
            return []
        first = (self.look.page - 1) * self.look.limit
        shown = len(self.sessions)
        if shown == self.total:
            return []
        if not shown:
            return [f"there is no page {self.look.page}: the last one is --page {-(-self.total // self.look.limit)}"]
        after = f"; --page {self.look.page + 1} has the next" if first + shown < self.total else ""
        return [f"sessions {first + 1:,} to {first + shown:,} of {self.total:,}{after}"]


def branches(memory: Memory, under: str, look: Look) -> Branches:
    """The part of the tree at or below a scope that a look takes in."""
    from lamina.records import Filter

    scopes: dict[str, dict[str, int]] = {}
    all_sessions: list[tuple[str, str | None]] = []
    for scope in _scopes(memory, under):
        sessions = [one for one in memory.store.items.sessions_since(scope, 0) if not look.sessions or one in look.sessions]
        kinds = ("trace", "episode")
        scopes[scope] = {kind: memory.count(where=Filter(scope=scope, kinds=(kind,))) for kind in kinds} | {
            "session": len(sessions)
        }
        all_sessions += [(scope, session) for session in sessions]
    first = (look.page - 1) * look.limit
    shown = all_sessions[first : first + look.limit] if look.depth > 1 else []
    return Branches(look, scopes, [_branch(memory, scope, session) for scope, session in shown], len(all_sessions))


def _scopes(memory: Memory, under: str) -> list[str]:
    from lamina.scopes import ROOT

    return [ROOT] if under == ROOT else memory.scopes(under)


def _branch(memory: Memory, scope: str, session: str | None) -> Branch:
    from lamina.records import Filter

    traces = [one for one in memory.store.items.session_traces(scope, session) if one.role != "event"]
    where = Filter(scope=scope, kinds=("episode",), sessions=None if session is None else (session,))
    episodes = [one for one in memory.store.items.each(where) if one.scope == scope and one.session == session]
    episodes.sort(key=lambda one: (one.at, one.key))
    known = {trace.id: trace for trace in traces}
    parts = {one.id: [known[id] for id in one.data.get("traces", ()) if id in known] for one in episodes}
    return Branch(scope, session, traces, episodes, parts)


def as_tree(memory: Memory, found: Branches, width: int) -> Tree:
    """The page as a tree, its lines cut at `width` columns."""
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(clean(memory.config.path), style="bold"))
    for scope, counts in found.scopes.items():
        mine = [branch for branch in found.sessions if branch.scope == scope]
        if found.look.depth > 1 and not mine:
            continue
        parts = [amount(counts["session"], "session"), amount(counts["episode"], "episode"), amount(counts["trace"], "trace")]
        node = root.add(Text.assemble((clean(scope) or "(no scope)", "bold"), f"  {', '.join(parts)}"))
        for branch in mine:
            _add_session(node, branch, found.look, width - 8)
    return root


def _add_session(node: Tree, branch: Branch, look: Look, width: int) -> None:
    from rich.text import Text

    name = clean(branch.session) if branch.session is not None else "(no session)"
    counted = amount(len(branch.traces), "trace")
    here = node.add(Text.assemble((name, "bold magenta"), f"  {counted}{_span(branch.traces)}"))
    if look.depth < 3:
        return
    for episode in branch.episodes[: look.limit]:
        below = here.add(episode_line(episode, len(branch.parts[episode.id]), width))
        if look.depth > 3:
            _add_traces(below, branch.parts[episode.id], look.limit, width - 4)
    _more(here, len(branch.episodes) - look.limit, "episode")
    if branch.loose and (look.depth > 3 or not branch.episodes):
        below = here.add(Text(f"{amount(len(branch.loose), 'trace')} in no episode yet: lamina consolidate", style="yellow"))
        if look.depth > 3:
            _add_traces(below, branch.loose, look.limit, width - 4)


def episode_line(episode: Item, count: int, width: int) -> Text:
    """An episode on one line: time, traces, keywords, the beginning of its summary."""
    from rich.text import Text

    line = Text.assemble((f"{when(episode)}  ", "cyan"), f"{amount(count, 'trace')}  ")
    line.append(", ".join(clean(word) for word in episode.data.get("keywords", ())[:KEYWORDS]), style="green")
    line.append("  " + clean(" ".join(episode.text.split())), style="dim")
    line.truncate(width, overflow="ellipsis")
    return line


def _add_traces(node: Tree, traces: Sequence[Item], limit: int, width: int) -> None:
    for trace in traces[:limit]:
        node.add(line_of(trace, width))
    _more(node, len(traces) - limit, "trace")


def _more(node: Tree, left: int, what: str) -> None:
    from rich.text import Text

    if left > 0:
        node.add(Text(f"… {left:,} more {what}{'s' if left > 1 else ''} (--limit)", style="dim"))


def _span(traces: Sequence[Item]) -> str:
    if not traces:
        return ""
    first, last = min(traces, key=lambda one: one.at), max(traces, key=lambda one: one.at)
    return f"  {when(first)}" + (f" to {when(last)}" if when(first) != when(last) else "")


def tree_json(found: Branches) -> dict[str, Any]:
    """The page as JSON values."""
    look = found.look
    return {
        "scopes": [{"scope": scope, **counts} for scope, counts in found.scopes.items()],
        "page": look.page,
        "sessions_in_all": found.total,
        "sessions": [_session_json(branch, look) for branch in found.sessions],
    }


def _session_json(branch: Branch, look: Look) -> dict[str, Any]:
    made: dict[str, Any] = {"scope": branch.scope, "session": branch.session, "traces": len(branch.traces)}
    if look.depth > 2:
        made["episodes"] = [
            {name: value for name, value in item_json(one).items() if look.depth > 3 or name != "traces"}
            | ({"traces": [item_json(trace) for trace in branch.parts[one.id]]} if look.depth > 3 else {})
            for one in branch.episodes
        ]
    if look.depth > 3:
        made["in_no_episode"] = [item_json(trace) for trace in branch.loose]
    return made
