"""The stage that keeps thoughts in step with the traces: what is held of each head and relation, with all it rests on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from lamina.records import EVENT, Edge, Filter, Item, Report, Run, derived_id
from lamina.semantic.statements import RuleOrganiser, Thought, Told, Triple, slot_of
from lamina.semantic.thoughts import RuleReader, ThoughtReader
from lamina.storage.protocol import Store
from lamina.text import fold

BATCH: Final = 64  # traces whose thoughts are settled in one transaction


@dataclass(frozen=True)
class ThoughtConsolidator:
    """Reads the statements of traces, and keeps one thought for each head, relation and sign: the newest where only one can hold, all joined
    where several can.

    A thought cites every trace that was told of its head and relation, also those that it replaced: it rests on them too, and when the newest
    is deleted, what it had replaced comes back. With rules it is exact: the thoughts are always those that a rebuild makes. A language model
    reads each trace once, with the one before it in the session, which the thought then cites too; what it answered stays until one of these
    goes. A thought that was deleted by its own id comes back only when something is told of its head and relation again (or when all traces of
    the session it stood in are gone, and the event with them). Echoes are never derived from.

    Interrupted, it goes on where it was. A model that fails stops it; what was read is kept.

    Parameters: `reader` and `organiser` (its `forget` and `merge`).
    """

    reader: ThoughtReader = field(default_factory=RuleReader)
    organiser: RuleOrganiser = field(default_factory=RuleOrganiser)
    stage: str = field(default="thoughts", init=False)

    @property
    def made_by(self) -> str:
        """Mechanism and version, with the model that reads."""
        return f"thoughts/1:{self.reader.name}" if self.reader.name else "thoughts/1"

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the thoughts of exactly this scope up to date; `force` makes all of them anew, with the same ids."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        touched = store.items.sessions_since(scope, since)
        if not touched and not _has_stale(store, scope):
            return Report(self.stage, scope, seconds=time.monotonic() - began)
        work = _Work(self, store, scope)
        if force or work.has_others():
            since = 0
            touched = store.items.sessions_since(scope, 0)
            work.clear()
        again, fresh = work.unread(touched, since)
        work.settle({}, work.heads_of_deleted())
        work.go(again, run, total=len(again) + len(fresh), mark=False)
        work.go(fresh, run, done=len(again), total=len(again) + len(fresh), mark=True)
        with store.transaction():
            work.tidy()
            store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, len(again) + len(fresh), work.made, work.kept, work.removed, time.monotonic() - began)


class _Work:
    """One run of the stage in one scope."""

    def __init__(self, stage: ThoughtConsolidator, store: Store, scope: str) -> None:
        self.stage, self.store, self.scope = stage, store, scope
        self.made = self.kept = self.removed = 0
        self.retracted = _retracted(store, scope)
        self.there: dict[str, dict[str, Item]] = {}  # folded head → its thoughts by id
        self.stale: dict[str, Item] = {}
        for item in _thoughts(store, scope):
            if item.stale:
                self.stale[item.id] = item
            else:
                self.there.setdefault(fold(item.data["head"]), {})[item.id] = item

    def has_others(self) -> bool:
        """Whether there are thoughts of other versions or models."""
        every = [*self.stale.values(), *(item for some in self.there.values() for item in some.values())]
        return any(item.made_by != self.stage.made_by for item in every)

    def clear(self) -> None:
        """Forget what was derived before; the items stay where they are, to be renewed under the same ids."""
        with self.store.transaction():
            self.store.items.blank([item.key for item in _thoughts(self.store, self.scope)])
            self.store.watermarks.set(self.stage.stage, self.scope, 0)
        self.stale |= {id: item for some in self.there.values() for id, item in some.items()}
        self.there = {}

    def heads_of_deleted(self) -> set[str]:
        """Heads of whose thoughts some were deleted on purpose, while others of the same relation are there."""
        live = [thought for some in self.there.values() for thought in some.values()]
        slots = {(fold(item.data["head"]), fold(item.data["relation"])) for item in live}
        return {slot[0] for slot in slots if any(self._id(slot, sign) in self.retracted for sign in (True, False))}

    def unread(self, touched: Iterable[str | None], since: int) -> tuple[list[Item], list[Item]]:
        """Traces that are read again (brought back, or cited by what was blanked), and new ones in the order of recording."""
        sessions: dict[str | None, None] = dict.fromkeys(touched)
        named = self._named_by_events(since)
        cited = {edge.dst for edge in self.store.edges.out([item.key for item in self.stale.values()], ["cites"])}
        sessions.update(dict.fromkeys(item.session for item in self.store.items.by_key(sorted(cited)).values()))
        self.before: dict[str, Item] = {}
        again, fresh = [], []
        for session in sessions:
            last: Item | None = None
            for trace in sorted(self.store.items.session_traces(self.scope, session), key=lambda trace: trace.key):
                if trace.data.get("echo"):
                    continue
                if last is not None and session is not None:
                    self.before[trace.id] = last
                last = trace
                if trace.key > since:
                    fresh.append(trace)
                elif trace.key in cited or trace.id in named:
                    again.append(trace)
        return again, sorted(fresh, key=lambda trace: trace.key)

    def _named_by_events(self, since: int) -> set[str]:
        events = self.store.items.each(Filter(scope=self.scope, roles=(EVENT,), events=True))
        return {id for event in events if event.scope == self.scope and event.key > since for id in event.data.get("targets", ())}

    def go(self, traces: Sequence[Item], run: Run, *, done: int = 0, total: int = 0, mark: bool) -> None:
        """Read traces and settle what they are about, in batches; `mark` says how far after each."""
        read: list[tuple[Item, list[Triple]]] = []
        try:
            for place, trace in enumerate(traces):
                run.report(self.stage.stage, done + place, total)
                before = self._before(trace)
                triples = self.stage.reader.read(trace.text, trace.speaker or "", before.text if before is not None else "")
                read.append((trace, triples))
                if len(read) >= BATCH:
                    self._settle_read(read, mark)
                    read = []
        finally:  # what was read stays, also where a model fails or somebody cancels
            self._settle_read(read, mark)

    def _before(self, trace: Item) -> Item | None:
        return self.before.get(trace.id) if self.stage.reader.reads_before else None

    def _settle_read(self, read: Sequence[tuple[Item, Sequence[Triple]]], mark: bool) -> None:
        if not read:
            return
        told = {}
        for trace, triples in read:
            before = self._before(trace)
            sources = (trace.id,) if before is None else (trace.id, before.id)
            told[trace.id] = [Told(triple, sources, trace.at, trace.key) for triple in triples]
        with self.store.transaction():
            self.settle(told, set())
            if mark:
                self.store.watermarks.set(self.stage.stage, self.scope, max(trace.key for trace, _ in read))

    # ------------------------------------------------------------------------------------------------------ settling
    def settle(self, told: Mapping[str, Sequence[Told]], heads: set[str]) -> None:
        """Make the thoughts of some heads, and of those that are newly told of, what all that was told of them says.

        `told`: for each trace that was read what it says; it takes the place of what was known from that trace before.
        """
        new: dict[str, list[Told]] = {head: [] for head in heads}
        for some in told.values():
            for one in some:
                new.setdefault(fold(one.triple.head), []).append(one)
        with self.store.transaction():
            for head, fresh in new.items():
                known = [one for item in self.there.get(head, {}).values() for one in read_told(item.data)]
                kept = {_print(one): one for one in known if one.sources[0] not in told}
                kept.update({_print(one): one for one in fresh})
                self._write(head, self._wanted(self._ordered(kept.values())))

    def _ordered(self, told: Iterable[Told]) -> list[Told]:
        """Statements with their places in the order of recording, those whose trace is gone left out."""
        every = list(told)
        keys = self.store.items.keys_of(list({one.sources[0] for one in every}))
        return [replace(one, order=keys[one.sources[0]]) for one in every if one.sources[0] in keys]

    def _wanted(self, told: Iterable[Told]) -> dict[str, Thought]:
        """The thoughts of a head by id; what was told before one of its slot was deleted on purpose no longer counts."""
        slots: dict[tuple[str, str], list[Told]] = {}
        for one in told:
            slots.setdefault(slot_of(one.triple), []).append(one)
        found = {}
        for slot, some in slots.items():
            ids = {sign: self._id(slot, sign) for sign in (True, False)}
            after = max(self.retracted.get(id, 0) for id in ids.values())
            for thought in self.stage.organiser.organise([one for one in some if one.order > after]):
                id = ids[thought.positive]
                found[id if self.stage.organiser.merge else self._id(slot, thought.positive, *thought.tails)] = thought
        return found

    def _id(self, slot: tuple[str, str], positive: bool, *tails: str) -> str:
        return derived_id(
            "thought", self.scope, self.stage.made_by, (), "\0".join((*slot, "+" if positive else "-", *map(fold, tails)))
        )

    def _write(self, head: str, wanted: Mapping[str, Thought]) -> None:
        there = self.there.pop(head, {})
        sources = self.store.items.keys_of(
            list({id for thought in wanted.values() for one in thought.rests_on for id in one.sources})
        )
        traces = self.store.items.by_key(list(sources.values()))
        now: dict[str, Item] = {}
        for id, thought in wanted.items():
            own = {sources[one] for told in thought.rests_on for one in told.sources if one in sources}
            item = now[id] = self._item(id, thought, traces[max(own, key=lambda key: (traces[key].at, key))])
            old = there.get(id)
            if old is not None and (old.text, old.at, dict(old.data)) == (item.text, item.at, dict(item.data)):
                self.kept += 1
                now[id] = old
                continue
            self.stale.pop(id, None)
            key = self.store.items.put(item)
            now[id] = replace(item, key=key)
            self.store.edges.remove_from([key], ["cites"])
            self.store.edges.add(
                Edge(key, source, "cites", made_by=item.made_by, recorded_at=item.recorded_at) for source in sorted(own)
            )
            self.made += 1
        if now:
            self.there[head] = now
        self.removed += self.store.items.delete([item.key for id, item in there.items() if id not in wanted])

    def tidy(self) -> None:
        """Remove what was blanked and was not made anew: nothing carries it any more. Inside a transaction."""
        self.removed += self.store.items.delete([item.key for item in self.stale.values()])

    def _item(self, id: str, thought: Thought, newest: Item) -> Item:
        told = sorted(thought.rests_on, key=lambda one: (one.order, one.triple.tail))
        data = {
            "head": thought.head, "relation": thought.relation, "tails": list(thought.tails), "positive": thought.positive,
            "told": [{"triple": asdict(one.triple), "sources": list(one.sources), "at": one.at} for one in told],
        }  # fmt: skip
        return Item(
            id=id, kind="thought", text=thought.text, at=newest.at, precision=newest.precision, offset=newest.offset,
            recorded_at=newest.recorded_at, scope=self.scope, session=newest.session, made_by=self.stage.made_by, data=data,
        )  # fmt: skip


def read_told(data: Mapping[str, Any]) -> list[Told]:
    """All that was told of a thought's head and relation, as its item keeps it (JSON)."""
    return [Told(Triple(**one["triple"]), tuple(one["sources"]), one["at"]) for one in data.get("told", ())]


def _print(told: Told) -> tuple[Any, ...]:
    """What tells two statements apart."""
    return (told.sources[0], *slot_of(told.triple), fold(told.triple.tail), told.triple.positive)


def _thoughts(store: Store, scope: str) -> list[Item]:
    """What this stage has made in exactly this scope, whatever its state."""
    where = Filter(scope=scope, kinds=("thought",), stale=True, forgotten=True)
    return [item for item in store.items.each(where) if item.scope == scope and (item.made_by or "").startswith("thoughts/")]


def _has_stale(store: Store, scope: str) -> bool:
    where = Filter(scope=scope, kinds=("thought",), forgotten=True)
    return store.items.count(where.within(stale=True)) > store.items.count(where)


def _retracted(store: Store, scope: str) -> dict[str, int]:
    """Ids of thoughts that were deleted on purpose, with the key of the event."""
    found: dict[str, int] = {}
    for event in _events(store, scope):
        if event.data.get("event") == "retract":
            found |= dict.fromkeys(event.data.get("targets", ()), event.key)
    return found


def _events(store: Store, scope: str) -> Iterator[Item]:
    for event in store.items.each(Filter(scope=scope, roles=(EVENT,), events=True)):
        if event.scope == scope:
            yield event
