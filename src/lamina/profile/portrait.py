"""The stage that paints portraits: for everybody who speaks in a scope, lines of what is known of them, kept in step with the traces.

Sources: W. Zhong et al. 2023, MemoryBank: Enhancing Large Language Models with Long-Term Memory (a portrait of the user, revised as days go by); J. Wei et al. 2025,
AI-native Memory 2.0: Second Me (the layer of what can be said of somebody in words, L1, above what was said, L0).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lamina.profile.lines import Line, LineWriter, RuleWriter
from lamina.records import EVENT, FORGOTTEN, Edge, Filter, Item, Report, Run, derived_id
from lamina.storage.consents import Refusals
from lamina.storage.protocol import Store
from lamina.times import isoformat

FEW: Final = 16
"""People whose traces are asked for by name; of more, all traces are gone through once."""
MADE_BY: Final = "portraits/1"


@dataclass(frozen=True, slots=True)
class Portrait:
    """What is known of one person in one scope: `person` is "" where traces name no speaker; `id` is that of the item."""

    id: str
    scope: str
    person: str
    lines: tuple[Line, ...]


def person_of(trace: Item) -> str | None:
    """Whose self a trace tells of: its speaker's; None where it is no person's word (an assistant's, an event, an echo)."""
    if trace.role not in (None, "user") or trace.data.get("echo") or trace.kind != "trace":
        return None
    return trace.speaker or ""


@dataclass(frozen=True)
class PortraitConsolidator:
    """One item of kind "portrait" for each person and scope, with its lines in `data["lines"]` and edges `cites` to every trace they rest on.

    A person is painted anew from all that he or she said where a session of theirs got traces, corrections or events, or the portrait lost a source. Exact with the
    rules: the order of arrival does not matter, and after deletions a portrait is as if what was deleted had never been said. A portrait that was
    deleted by its own id begins again with what is said after that (its session is its id, so that the event which says so outlives the sessions of its sources). Its record time is that of the newest trace it cites.

    Parameters: `writer` of the lines; where it fails, the rules write, and it is asked again the next time.
    """

    writer: LineWriter = field(default_factory=RuleWriter)
    stage: str = field(default="portraits", init=False)
    made_by: str = field(default=MADE_BY, init=False)

    def portrait_id(self, scope: str, person: str) -> str:
        """The id of a portrait: a hash of the person's name and the scope."""
        return derived_id("portrait", scope, self.made_by, (), person)

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the portraits of exactly this scope up to date."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        sessions = store.items.sessions_since(scope, since) if newest > since else []
        people = dict.fromkeys(
            person
            for session in sessions
            for trace in store.items.session_traces(scope, session)
            if (person := person_of(trace)) is not None
        )
        again = {item.id for item in self._derived(store, scope) if force or item.stale or self._failed(item)}
        if again:
            people |= dict.fromkeys(self._people(store, scope, again))
        read = made = kept = removed = 0
        seen = store.version()
        written = self._written(store, scope, people)
        for done, person in enumerate(people):
            run.report(self.stage, done, len(people))
            lines = self.writer.lines(person, written[person], store.language) if written[person] else []
            with store.transaction():
                same = store.version() == seen  # else somebody wrote or deleted in between
                now = written[person] if same else self._written(store, scope, [person])[person]
                counts = self._paint(store, scope, person, now, lines, now != written[person])
                seen = store.version() if same else seen
            read, made, kept, removed = (a + b for a, b in zip((read, made, kept, removed), counts, strict=True))
        if people or newest > since:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, read, made, kept, removed, time.monotonic() - began)

    def _failed(self, item: Item) -> bool:
        """Whether a portrait waits for a writer that failed, and there is another one than the rules now."""
        return bool(item.data.get("failed")) and not isinstance(self.writer, RuleWriter)

    def _derived(self, store: Store, scope: str, id: str | None = None) -> list[Item]:
        where = Filter(scope=scope, kinds=("portrait",), ids=None if id is None else (id,), stale=True, forgotten=True)
        return [one for one in store.items.each(where) if one.scope == scope and one.made_by == self.made_by]

    def _people(self, store: Store, scope: str, ids: set[str]) -> list[str]:
        """Whose portraits some are: a blank one does not say. Those of nobody who has written anything that is left are removed."""
        traces = (one for one in store.items.each(Filter(scope=scope, kinds=("trace",))) if one.scope == scope)
        people = dict.fromkeys(person for one in traces if (person := person_of(one)) is not None)
        named = {self.portrait_id(scope, person): person for person in people}
        left = [one.key for one in self._derived(store, scope) if one.id in ids - named.keys()]
        if left:
            with store.transaction():
                store.items.delete(left)
        return [person for id, person in named.items() if id in ids]

    def _paint(
        self, store: Store, scope: str, person: str, traces: Sequence[Item], lines: Sequence[Line] | None, moved: bool
    ) -> tuple[int, int, int, int]:
        """Store one portrait; returns how many traces were read, and portraits made, kept and removed; inside a transaction."""
        failed = lines is None or (moved and not isinstance(self.writer, RuleWriter))
        if lines is None or moved:
            rules = self.writer if isinstance(self.writer, RuleWriter) else RuleWriter()
            lines = rules.lines(person, traces, store.language)
        there = self._derived(store, scope, self.portrait_id(scope, person))
        if not lines:
            return len(traces), 0, 0, store.items.delete([one.key for one in there])
        by_id = {one.id: one for one in traces}
        item = self._item(scope, person, lines, by_id, failed)
        old = there[0] if there else None
        if old is not None and not old.stale and (old.text, old.data) == (item.text, item.data):
            return len(traces), 0, 1, 0
        if old is not None and old.recorded_at != item.recorded_at:  # what is known now must not be found in what was known then
            store.items.delete([old.key])
            item = replace(item, status=old.status & FORGOTTEN)
        key = store.items.put(item)
        store.edges.remove_from([key], ["cites"])
        cited = sorted({by_id[id].key for line in lines for id in line.cites})
        store.edges.add(Edge(key, one, "cites", made_by=self.made_by, recorded_at=item.recorded_at) for one in cited)
        return len(traces), 1, 0, 0

    def _written(self, store: Store, scope: str, people: Iterable[str]) -> dict[str, list[Item]]:
        return written_by(store, scope, {person: deleted_at(store, scope, self.portrait_id(scope, person)) for person in people})

    def _item(self, scope: str, person: str, lines: Sequence[Line], traces: dict[str, Item], failed: bool) -> Item:
        id = self.portrait_id(scope, person)
        cited = [traces[one] for line in lines for one in line.cites]
        data: dict[str, Any] = {
            "person": person,
            "by": "rules" if failed else self.writer.name,
            "lines": [line.as_json() for line in lines],
        }
        if failed:
            data["failed"] = True
        return Item(
            id=id, kind="portrait", text=rendered(person, lines), at=max(one.at for one in cited),
            recorded_at=max(one.recorded_at for one in cited), scope=scope, session=id, made_by=self.made_by, data=data,
        )  # fmt: skip


def written_by(store: Store, scope: str, after: Mapping[str, int]) -> dict[str, list[Item]]:
    """What each of some people has written in exactly this scope, in traces with a key beyond the one given for them, in the order of time."""
    found: dict[str, list[Item]] = {person: [] for person in after}
    named = tuple(after) if 0 < len(after) <= FEW and "" not in after else None
    for one in store.items.each(Filter(scope=scope, kinds=("trace",), speakers=named)) if after else ():
        person = person_of(one)
        if one.scope == scope and person is not None and person in after and one.key > after[person]:
            found[person].append(one)
    return {person: sorted(some, key=lambda one: (one.at, one.id)) for person, some in found.items()}


def deleted_at(store: Store, scope: str, id: str) -> int:
    """The key of the last event that deleted an item on purpose whose session is its id; 0 where there is none."""
    where = Filter(scope=scope, roles=(EVENT,), sessions=(id,), events=True)
    events = (one for one in store.items.each(where) if one.scope == scope and one.data.get("event") == "retract")
    return max((one.key for one in events if id in one.data.get("targets", ())), default=0)


def rendered(person: str, lines: Iterable[Line], most: int | None = None) -> str:
    """A portrait as text, at most `most` characters of it in whole lines; what no longer holds says until when it did.

    >>> print(rendered("Ana", [Line("I live in Braga.", "home", 0.6, ("t",), 0), Line("I live in Porto.", "home", 0.6, ("s",), 0, 86_400_000_000)]))
    Portrait of Ana:
    - home: I live in Braga.
    - home, until 1970-01-02: I live in Porto.
    """
    text = f"Portrait of {person or 'who writes here'}:"
    for line in lines:
        until = "" if line.until is None else f", until {isoformat(line.until)[:10]}"
        more = f"\n- {line.aspect}{until}: {line.text}"
        if most is not None and len(text) + len(more) > most:
            break
        text += more
    return text


def portraits(store: Store, scope: str, person: str | None = None) -> list[Portrait]:
    """The portraits in a scope and below it, of everybody or of one person, by scope and name; none from where recall was refused."""
    refusals = Refusals.of(store, "recall", scope)
    items = store.items.each(Filter(scope=scope, kinds=("portrait",)))
    found = [
        Portrait(one.id, one.scope, str(one.data.get("person", "")), tuple(map(Line.from_json, one.data.get("lines", ()))))
        for one in items
        if one.made_by == MADE_BY
        and (refusals is None or not refusals.refuse(one.scope))
        and person in (None, one.data.get("person", ""))
    ]
    return sorted(found, key=lambda one: (one.scope, one.person))
