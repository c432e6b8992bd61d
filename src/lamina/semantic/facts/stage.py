"""The stage that keeps found facts in step with what people say."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.records import EVENT, FORGOTTEN, Edge, EdgeKind, Filter, Item, Report, Run, derived_id
from lamina.semantic.facts.claims import SESSION, Claim, Group, key_of
from lamina.semantic.facts.gathering import Gathering
from lamina.semantic.facts.timeline import Version, versions
from lamina.semantic.facts.wording import data_of, text_of
from lamina.storage.protocol import Store

BATCH: Final = 200  # groups that are settled in one transaction
MADE_BY: Final = "facts/1"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An item as it should be, the keys of the traces it cites, and what it says no longer holds: (id or key of the older, since, why)."""

    item: Item
    cites: frozenset[int]
    supersedes: tuple[tuple[str | int, int, str], ...] = ()


@dataclass(frozen=True)
class FactStage:
    """Derives facts from what people say of themselves and each other, and settles which of them hold.

    Rules read claims out of each trace (see `lamina.semantic.facts.rules`); the claims about one attribute of somebody are settled together, from all traces that make any.
    Exact: the order in which traces arrive does not matter, and what is left after a deletion is what a rebuild gives. For each group there is also a ledger: an item that was
    never in force and cites every trace of the group, so that a change to any of them is noticed.
    """

    stage: str = "facts"
    made_by: str = MADE_BY

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the found facts of exactly this scope up to date."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        sessions = store.items.sessions_since(scope, since)
        touched = {one for one in sessions if one is not None and one.startswith(SESSION)}
        touched |= {str(item.session) for item in self._stale(store, scope)}
        if force:
            touched |= {str(item.session) for item in self.derived(store, scope)}
        reader = Gathering(store, scope)
        back = self._came_back(store, scope, since)
        read = 0
        waiting = [one for one in sessions if one is None or not one.startswith(SESSION)]
        for done, session in enumerate(waiting):
            run.report(self.stage, done, len(waiting))
            traces = reader.look(session, since, back)
            read += len(traces)
            touched |= self._citing(store, scope, traces)
        touched |= reader.groups
        touched |= reader.moved(self.derived(store, scope, sorted(touched)))
        made = removed = 0
        names = sorted(touched)
        entities = self._entities(store, scope)
        for start in range(0, len(names), BATCH):
            run.report(self.stage, start, len(names))
            with store.transaction():
                counts = self._settle(store, scope, names[start : start + BATCH], reader, entities)
            made, removed = made + counts[0], removed + counts[1]
        self._join(store, scope, entities, since)
        if sessions or newest > since:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, read, made, 0, removed, time.monotonic() - began)

    def derived(self, store: Store, scope: str, sessions: Sequence[str] | None = None) -> list[Item]:
        """What this stage has made in exactly this scope, whatever its state."""
        where = Filter(
            scope=scope,
            kinds=("fact",),
            sessions=None if sessions is None else tuple(sessions),
            stale=True,
            forgotten=True,
            retired=True,
            events=True,
        )
        return [item for item in store.items.each(where) if item.made_by == self.made_by and item.scope == scope]

    # --------------------------------------------------------------------------------------------- what is touched
    def _stale(self, store: Store, scope: str) -> list[Item]:
        seen = Filter(scope=scope, kinds=("fact",), forgotten=True, retired=True, events=True)
        keys = set(store.items.matching(seen.within(stale=True)).tolist()) - set(store.items.matching(seen).tolist())
        return [
            item for item in store.items.by_key(sorted(keys)).values() if item.made_by == self.made_by and item.scope == scope
        ]

    def _came_back(self, store: Store, scope: str, since: int) -> set[str]:
        """The ids of traces that events of late speak of: restored ones may say something again."""
        where = Filter(scope=scope, kinds=("trace",), roles=(EVENT,), events=True)
        keys = [key for key in store.items.matching(where).tolist() if key > since] if since else []
        return {id for event in store.items.by_key(keys).values() if event.scope == scope for id in event.data.get("targets", ())}

    def _citing(self, store: Store, scope: str, traces: Sequence[Item]) -> set[str]:
        """The groups that cite traces which were read again: what these said there may be read otherwise now."""
        keys = [trace.key for trace in traces]
        sources = {edge.src for edge in store.edges.into(keys, ["cites"])} if keys else set()
        found = store.items.by_key(sorted(sources)).values() if sources else ()
        return {str(item.session) for item in found if item.made_by == self.made_by and item.scope == scope}

    def _entities(self, store: Store, scope: str) -> dict[str, Item]:
        """The entities of a scope by their names."""
        found = [item for item in store.items.each(Filter(scope=scope, kinds=("entity",))) if item.scope == scope]
        return {key_of(str(item.data["name"])): item for item in found if item.data.get("name")}

    # ------------------------------------------------------------------------------------------------ what is made
    def _settle(
        self, store: Store, scope: str, names: Sequence[str], reader: Gathering, entities: Mapping[str, Item]
    ) -> tuple[int, int]:
        """Make the items of some groups what the claims say; returns how many were made and removed."""
        there: dict[str, dict[str, Item]] = {name: {} for name in names}
        for item in self.derived(store, scope, names):
            there[str(item.session)][item.id] = item
        retracted = self._retracted(store, scope, names)
        claims = reader.claims(names, [item for some in there.values() for item in some.values()])
        made = removed = 0
        for name in names:
            wanted = self._wanted(scope, name, claims.get(name, ()))
            keys: dict[str, int] = {}
            for one in wanted:
                if one.item.id in retracted and max(one.cites) < retracted[one.item.id]:
                    continue  # deleted on purpose, and not said again since
                old = there[name].pop(one.item.id, None)
                keys[one.item.id], new = self._put(store, one, old)
                made += new
            removed += store.items.delete([item.key for item in there[name].values()])
            for one in wanted:
                if one.item.id in keys:
                    self._relate(store, keys, one, entities)
        return made, removed

    def _wanted(self, scope: str, name: str, claims: Sequence[Claim]) -> list[_Wanted]:
        """The items of one group: a fact for each version, and the ledger."""
        if not claims:
            return []
        group = claims[0].group
        found = versions(claims)
        now = [one for one in found if one.retired is None]
        ids = {id(one): self._id(scope, group, one) for one in found}
        wanted = []
        for one in found:
            span = one.span
            sources = {claim.trace.key for claim in span.claims} | ({span.closer.trace.key} if span.closer is not None else set())
            item = Item(
                id=ids[id(one)], kind="fact", text=text_of(one, now), at=span.start, until=span.end, recorded_at=one.known, retired_at=one.retired, scope=scope, session=name,
                precision="instant" if span.founded.start is None else "day", offset=span.founded.trace.offset, made_by=self.made_by, data=data_of(one, now),
            )  # fmt: skip
            wanted.append(_Wanted(item, frozenset(sources), tuple(_older(one, found, ids))))
        traces = {claim.trace.key: claim.trace for claim in claims}
        first = min(trace.recorded_at for trace in traces.values())
        ledger = Item(
            id=derived_id("fact", scope, self.made_by, (), "\0".join(("ledger", *group))), kind="fact", text="", at=first, recorded_at=first, retired_at=first,
            scope=scope, session=name, made_by=self.made_by, data={"ledger": True}, status=FORGOTTEN, role=EVENT,  # for nobody's eyes
        )  # fmt: skip
        return [*wanted, _Wanted(ledger, frozenset(traces))]

    def _id(self, scope: str, group: Group, version: Version) -> str:
        span = version.span
        salt = "\0".join(str(part) for part in (*group, *span.identity, version.number))
        sources = [span.founded.trace.id, *([span.closer.trace.id] if span.closer is not None else [])]
        return derived_id("fact", scope, self.made_by, sources, salt)

    def _put(self, store: Store, wanted: _Wanted, old: Item | None) -> tuple[int, bool]:
        """Store an item where it is new or changed, and have it cite its sources; returns its key and whether it was written."""
        item = wanted.item
        if old is not None and old.recorded_at != item.recorded_at:
            store.items.delete([old.key])  # what is renewed keeps its time of recording
            old = None
        same = old is not None and not old.stale and _content(old) == _content(item)
        key = old.key if same and old is not None else store.items.put(item)
        cited = {edge.dst for edge in store.edges.out([key], ["cites"])} if old is not None else set()
        if cited - wanted.cites:
            store.edges.remove_from([key], ["cites"])
            cited = set()
        store.edges.add(
            Edge(key, source, "cites", made_by=self.made_by, recorded_at=item.recorded_at)
            for source in sorted(wanted.cites - cited)
        )
        return key, not same

    def _relate(self, store: Store, keys: Mapping[str, int], wanted: _Wanted, entities: Mapping[str, Item]) -> None:
        """Give a fact its edges to what it supersedes and to its subject."""
        key = keys[wanted.item.id]
        edges: dict[tuple[EdgeKind, int], Edge] = {}
        for target, since, why in wanted.supersedes:
            end = keys.get(target) if isinstance(target, str) else target
            if end is not None:
                kind: EdgeKind = "supersedes" if isinstance(target, str) else "refutes"
                edges[kind, end] = Edge(key, end, kind, data={"why": why}, made_by=self.made_by, recorded_at=since)
        entity = entities.get(key_of(str(wanted.item.data.get("subject", ""))))
        if entity is not None:
            edges["subject", entity.key] = Edge(
                key, entity.key, "subject", made_by=self.made_by, recorded_at=wanted.item.recorded_at
            )
        there = {(edge.kind, edge.dst): edge for edge in store.edges.out([key], ["supersedes", "refutes", "subject"])}
        store.edges.remove(edge for place, edge in there.items() if edges.get(place) != edge)
        store.edges.add(edge for place, edge in edges.items() if there.get(place) != edge)

    def _join(self, store: Store, scope: str, entities: Mapping[str, Item], since: int) -> None:
        """Give facts that were there before their subject was declared their edges to it."""
        new = {name: item for name, item in entities.items() if item.key > since}
        if not new:
            return
        facts = [item for item in self.derived(store, scope) if key_of(str(item.data.get("subject", ""))) in new]
        with store.transaction():
            store.edges.add(
                Edge(
                    item.key,
                    new[key_of(str(item.data["subject"]))].key,
                    "subject",
                    made_by=self.made_by,
                    recorded_at=item.recorded_at,
                )
                for item in facts
            )

    def _retracted(self, store: Store, scope: str, names: Sequence[str]) -> dict[str, int]:
        """Ids of facts that were deleted on purpose, with the key of the event."""
        where = Filter(scope=scope, kinds=("trace",), roles=(EVENT,), sessions=tuple(names), events=True)
        events = [event for event in store.items.each(where) if event.scope == scope and event.data.get("event") == "retract"]
        return {id: event.key for event in events for id in event.data.get("targets", ())}


def _older(version: Version, found: Sequence[Version], ids: Mapping[int, str]) -> Iterable[tuple[str | int, int, str]]:
    """What a version says no longer holds: the ids of the versions whose place it took, and the keys of the traces that said so; since when it is known, and why."""
    span = version.span
    if version.retired is None and span.old:
        own = {claim.trace.key for claim in span.claims}
        before = {claim.trace.id for claim in span.old}
        for other in found:
            if other.span.founded.trace.id not in before or other.span.key == span.key:
                continue
            why = "newer" if other.span.why == "newer" and other.retired is None else "corrected"
            yield ids[id(other)], version.known, why
            if other.retired is None or not _holds(other, found):
                yield from ((claim.trace.key, version.known, why) for claim in other.span.claims if claim.trace.key not in own)
    if version.retired is None and span.why == "ended" and span.closer is not None:
        yield from (
            (claim.trace.key, span.closer.trace.recorded_at, "ended")
            for claim in span.claims
            if claim.trace.key != span.closer.trace.key
        )
    if version.retired is not None and not _holds(version, found):
        yield from ((claim.trace.key, version.retired, "taken back") for claim in span.claims)


def _holds(version: Version, found: Sequence[Version]) -> bool:
    """Whether what a version says is still believed, in this or in another version of it."""
    return any(
        other.retired is None
        and other.span.founded.trace.id == version.span.founded.trace.id
        and other.span.key == version.span.key
        for other in found
    )


def _content(item: Item) -> tuple[Any, ...]:
    return (item.text, item.at, item.until, item.precision, item.offset, item.retired_at, item.session, dict(item.data))
