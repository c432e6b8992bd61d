"""Why an item is as it is: each correction, replacement and forgetting as a sentence, which unfolds down to the traces.

The second use of `Explanation`: nothing is weighed here, so nothing has a part or a share. Whatever is said is read from the store: edges
`supersedes` and `refutes`, the events beside the items, and the strength that a forgetting policy had noted. What is not recorded is
said not to be.

Source: V. A. Kazakova 2023, SPLAIN: Augmenting Cybersecurity Warnings with Reasons and Data (an interpretation; see `explain`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from lamina.algorithms.strength import StrengthState
from lamina.errors import InputError, NotFoundError
from lamina.recall.evidence import listed, quoted
from lamina.recall.explain import Explanation
from lamina.records import EVENT, Edge, Item
from lamina.storage.feedback import read_feedback
from lamina.storage.history import events_about, versions_of
from lamina.storage.protocol import Store
from lamina.times import isoformat

_SAID: Final[Mapping[str, str]] = {
    "restore": "it was restored",
    "revive": "it holds again, since what had taken its place was deleted",
}
"""What events that have nothing more to tell say."""


def explain_history(store: Store, item_id: str) -> Explanation:
    """How an item came to be what it is, and whether it holds: level 0 a sentence, 1 what happened to it in the order of recording,
    2 the details of each, 3 derived items, 4 the traces all of it rests on.

    Raises `NotFoundError` where there is no such item, `InputError` for an event, which is itself part of a history.
    """
    (item,) = store.items.get([item_id])
    if item is None:
        raise NotFoundError(f"there is no item {item_id!r}: it was deleted, or belongs to another memory")
    if item.role == EVENT:
        raise InputError(
            f"{item_id} is an event: ask for the history of what it is about ({listed(_targets(item)) or 'nothing'})"
        )
    return _History(store, item).told()


@dataclass(frozen=True)
class _Change:
    """One thing that happened: its place in the order of recording (time, key), its node, and what it says of the item now (if it
    still does)."""

    order: tuple[int, int]
    node: Explanation
    state: str | None = None


class _History:
    """Reads what is recorded about one item and words it."""

    def __init__(self, store: Store, item: Item) -> None:
        self._store, self._item = store, item
        self._versions = versions_of(store, item.key)
        self._by_key = {one.key: one for one in self._versions}
        self._events = events_about(store, self._versions)

    def told(self) -> Explanation:
        changes = sorted([*self._replacements(), *self._told_by_events(), *self._refuted()], key=lambda one: one.order)
        children = [self._made(), *(change.node for change in changes)]
        return Explanation(
            id="", level=0, text=self._state(changes), children=tuple(children), evidence=(self._item.id,), title=self._item.id
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ the sentence
    def _state(self, changes: Sequence[_Change]) -> str:
        """Whether the item holds; what is in force now, the latest first."""
        found = [change.state for change in reversed(changes) if change.state is not None]
        if self._item.stale:
            found.insert(
                0, "it is blank: one of its sources was deleted, corrected or hidden; the next consolidation works it out again"
            )
        if self._item.forgotten and not any("forgotten" in state or "hidden" in state for state in found):
            found.append(f"it is hidden: {self._gate()}")
        if self._item.retired_at is not None and not any("replaced" in state for state in found):
            found.append(f"it was retired on {_day(self._item.retired_at)}; what replaced it is not recorded")
        lead = f"{_name(self._item)}{self._quote(self._item)}"
        earlier = [one for one in self._versions if one.key < self._item.key and self._older(one)]
        holds = "it holds" + (f", in the place of {len(earlier)} earlier {_plural(len(earlier), 'version')}" if earlier else "")
        return f"{lead}: {'; '.join(found) or holds}."

    def _older(self, other: Item) -> bool:
        return any(edge.src == self._item.key for edge in self._store.edges.into([other.key], ["supersedes"]))

    def _gate(self) -> str:
        rule = self._item.data.get("gate")
        return f"the write gate took it for junk ({rule})" if rule else "by which call is not recorded"

    # ------------------------------------------------------------------------------------------------ what happened
    def _made(self) -> Explanation:
        """How it came to be: said by somebody, or derived from what."""
        first = self._versions[0]
        if first.kind == "trace":
            who = f" by {first.speaker}" if first.speaker else ""
            text = f"{_day(first.recorded_at)}: stored as it was said{who}"
            return Explanation(f"stored/{first.id}", 1, text, children=(self._leaf(first),), evidence=(first.id,))
        text = f"{_day(first.recorded_at)}: derived{_maker(first.made_by)}"
        return Explanation(f"derived/{first.id}", 1, text, children=self._rests(first), evidence=(first.id,))

    def _replacements(self) -> Iterator[_Change]:
        """Every version that took the place of another one."""
        edges = self._store.edges.into([one.key for one in self._versions], ["supersedes"])
        heirs: dict[int, list[Edge]] = {}
        for edge in edges:
            heirs.setdefault(edge.dst, []).append(edge)
        for old_key, some in sorted(heirs.items()):
            old = self._by_key[old_key]
            new = [self._by_key[edge.src] for edge in sorted(some, key=lambda edge: edge.src)]
            at = min([edge.recorded_at for edge in some if edge.recorded_at] or [old.retired_at or new[0].recorded_at])
            corrected = all(one.kind == "trace" for one in (old, *new))
            verb = "corrected" if corrected else "replaced"
            by = f"{listed([_name(one) for one in new])}{'' if corrected else _maker(some[0].made_by)}"
            differs = _differences(old, new)
            what = f": {listed([name for name, _ in differs])} changed" if differs else ": in the same words"
            node = Explanation(
                f"{verb}/{old.id}", 1, f"{_day(at)}: {_name(old)} was {verb} by {by}{what}",
                children=tuple(self._details(old, new, differs)), evidence=(old.id, *(one.id for one in new)),
            )  # fmt: skip
            state = f"it was replaced on {_day(at)} by {by}{self._quote(new[0])}" if old_key == self._item.key else None
            yield _Change((at, new[0].key), node, state if self._item.retired_at is not None or not corrected else None)

    def _details(self, old: Item, new: Sequence[Item], differs: Sequence[tuple[str, str]]) -> Iterator[Explanation]:
        for name, told in differs:
            yield Explanation(f"changed/{old.id}/{name}", 2, told)
        for label, some in (("what it was", [old]), ("what it is since", new)):
            for one in some:
                children = (self._leaf(one),) if one.kind == "trace" else self._rests(one)
                quote = "" if one.kind == "trace" else self._quote(one)
                yield Explanation(
                    f"version/{one.id}/{label}", 2, f"{label}: {_name(one)}{quote}", children=children, evidence=(one.id,)
                )

    def _told_by_events(self) -> Iterator[_Change]:
        """What the events say, but for those that only repeat what an edge says."""
        tellers: dict[str, Callable[[Item, Item], tuple[str, tuple[Explanation, ...]]]] = {
            "forget": self._forgotten, "feedback": self._rated
        }  # fmt: skip
        for event in self._events:
            name = str(event.data.get("event"))
            for one in self._versions:
                if one.id not in _targets(event) or (name not in tellers and name not in _SAID):
                    continue
                text, details = tellers[name](one, event) if name in tellers else (_SAID[name], ())
                which = "" if one.key == self._item.key else f" ({_name(one)})"
                record = Explanation(
                    f"event/{event.id}", 2, f"recorded as {event.id} at {isoformat(event.recorded_at)}", evidence=(event.id,)
                )
                node = Explanation(
                    f"{name}/{event.id}/{one.id}", 1, f"{_day(event.recorded_at)}: {text}{which}", children=(*details, record),
                    evidence=(one.id, event.id),
                )  # fmt: skip
                in_force = (
                    name == "forget"
                    and one.key == self._item.key
                    and self._item.forgotten
                    and not self._later_restored(one, event)
                )
                state = (
                    text.replace("it was forgotten", f"it is forgotten since {_day(event.recorded_at)}", 1) if in_force else None
                )
                yield _Change((event.recorded_at, event.key), node, state)

    def _forgotten(self, one: Item, event: Item) -> tuple[str, tuple[Explanation, ...]]:
        """By which policy, and how strong it was then; or by whom and why."""
        reason = event.data.get("reason")
        policy = event.data.get("policy", reason)
        why = f" (“{quoted(reason)}”)" if isinstance(reason, str) and reason != policy else ""
        if not isinstance(policy, str) or ("policy" not in event.data and policy not in self._store.strengths.policies()):
            return "it was forgotten" + (f" (“{quoted(policy)}”)" if isinstance(policy, str) else ", no reason was given"), ()
        lead = f"it was forgotten by the policy {policy}{why}"
        raw = self._store.strengths.get(policy, [one.key]).get(one.key)
        if raw is None or self._later_restored(one, event):
            return lead, (Explanation(f"strength/{event.id}/{one.id}", 2, "how strong it was then is no longer recorded"),)
        state = StrengthState.from_json(raw)
        days = (event.recorded_at - state.last_access) / 86_400_000_000
        layer = f" in the layer {state.layer}" if state.layer else ""
        measure = f"importance {state.importance:.2f}" if state.layer else f"strength {state.strength:.2f}"
        used = (
            f"{state.accesses} {_plural(state.accesses, 'use')}, the last {days:.1f} days before"
            if state.accesses
            else f"never used in {days:.1f} days"
        )
        told = [
            ("strength", f"{measure}{layer}"), ("uses", used), ("began", f"held since {isoformat(state.created)}"),
            ("ticked", f"time was let pass up to {isoformat(max(state.ticked_at, state.last_access))}, in {state.age} {_plural(state.age, 'step')}"),
            ("draw", f"its draw was {state.draw:.3f}: without a threshold, a policy with chance gives up what is held less firmly"),
        ]  # fmt: skip
        nodes = tuple(Explanation(f"{name}/{event.id}/{one.id}", 2, text) for name, text in told if name != "draw" or state.draw)
        return f"{lead}: {measure}{layer}, {used}", nodes

    def _later_restored(self, one: Item, event: Item) -> bool:
        return any(
            later.key > event.key and later.data.get("event") == "restore" and one.id in _targets(later) for later in self._events
        )

    def _rated(self, one: Item, event: Item) -> tuple[str, tuple[Explanation, ...]]:
        told = read_feedback(event)
        if told is None:
            return "feedback was told that cannot be read", ()
        return f"it was told that it {'answers' if told.good else 'does not answer'} the cue “{quoted(told.asked.cue)}”", ()

    def _refuted(self) -> Iterator[_Change]:
        """What speaks against it."""
        edges = self._store.edges.into([self._item.key], ["refutes"])
        there = self._store.items.by_key(sorted({edge.src for edge in edges}))
        for edge in edges:
            other = there.get(edge.src)
            if other is None or other.status:
                continue
            at = edge.recorded_at or other.recorded_at
            children = (self._leaf(other),) if other.kind == "trace" else self._rests(other)
            text = f"{_day(at)}: {_name(other)}{self._quote(other)} speaks against it"
            yield _Change((at, other.key), Explanation(f"refuted/{other.id}", 1, text, children=children, evidence=(other.id,)),
                          f"{_name(other)} speaks against it")  # fmt: skip

    # ------------------------------------------------------------------------------------------------ what it rests on
    def _rests(self, item: Item) -> tuple[Explanation, ...]:
        """The traces a derived item cites, and the derived items it cites with all the traces below them."""
        nodes = []
        for source in self._cited([item.key]):
            if source.kind == "trace":
                nodes.append(self._leaf(source))
            else:
                text = f"{_name(source)}{self._quote(source)}"
                nodes.append(
                    Explanation(
                        f"item/{source.id}", 3, text, children=self._traces(source), evidence=(source.id,), title=_name(source)
                    )
                )
        if nodes:
            return tuple(nodes)
        return (Explanation(f"sources/{item.id}", 3, f"{_name(item)} has no sources that are still there", title="sources"),)

    def _traces(self, item: Item) -> tuple[Explanation, ...]:
        seen, front = {item.key}, [item]
        traces: dict[int, Item] = {}
        while front:
            below = [one for one in self._cited([one.key for one in front]) if one.key not in seen]
            seen.update(one.key for one in below)
            traces.update({one.key: one for one in below if one.kind == "trace"})
            front = [one for one in below if one.kind != "trace"]
        return tuple(self._leaf(traces[key]) for key in sorted(traces))

    def _cited(self, keys: Sequence[int]) -> list[Item]:
        below = sorted({edge.dst for edge in self._store.edges.out(keys, ["cites"])})
        return [self._store.items.by_key(below)[key] for key in below] if below else []

    def _leaf(self, trace: Item) -> Explanation:
        who = f", {trace.speaker}" if trace.speaker else ""
        hidden = ", forgotten" if trace.forgotten else ", corrected since" if trace.retired_at is not None else ""
        text = f"trace {trace.id} ({isoformat(trace.at, trace.offset)[:10]}{who}{hidden}): “{quoted(trace.text)}”"
        return Explanation(
            f"source/{trace.id}", 4, text, evidence=(trace.id,),
            title=f"trace {trace.id}",
        )  # fmt: skip

    def _quote(self, item: Item) -> str:
        return f" “{quoted(item.text)}”" if item.text else ""


def _differences(old: Item, new: Sequence[Item]) -> list[tuple[str, str]]:
    """What a newer version says otherwise: the name of each field that changed, and from what to what."""
    first = new[0]
    whole = replace(first, text="".join(one.text for one in new)) if len(new) > 1 else first
    pairs = {
        "text": (f"“{quoted(old.text)}”", f"“{quoted(whole.text)}”", old.text == whole.text),
        "time": (
            isoformat(old.at, old.offset),
            isoformat(first.at, first.offset),
            (old.at, old.until) == (first.at, first.until),
        ),
        "session": (str(old.session), str(first.session), old.session == first.session),
        "speaker": (str(old.speaker), str(first.speaker), old.speaker == first.speaker),
        "metadata": (_fields(old), _fields(first), dict(old.metadata) == dict(first.metadata)),
    }
    return [(name, f"{name}: from {before} to {after}") for name, (before, after, same) in pairs.items() if not same]


def _fields(item: Item) -> str:
    return quoted(", ".join(f"{name}={value!r}" for name, value in sorted(item.metadata.items())) or "nothing")


def _targets(event: Item) -> list[str]:
    targets = event.data.get("targets", ())
    return [str(one) for one in targets] if isinstance(targets, (list, tuple)) else []


def _name(item: Item) -> str:
    return f"{item.kind} {item.id}"


def _maker(made_by: str | None) -> str:
    return f" by {made_by}" if made_by else ""


def _day(at: int) -> str:
    return isoformat(at)[:10]


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
