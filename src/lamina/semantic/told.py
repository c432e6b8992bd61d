"""Entities and relations that somebody told us of: declared by an agent, not found in a text.

What is told is a trace like any other: "Ana (person)", "Ana: likes sardines", "Ana lives in Braga". Entities and facts are derived from these traces,
with `cites` edges to them, so a rebuild gives the same ones, and a deleted trace takes with it what rested on it alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.records import EVENT, Edge, EdgeKind, Filter, Item, Report, Run, derived_id
from lamina.storage.consents import in_force
from lamina.storage.protocol import Store

FIELD: Final = "told"
"""The field of a trace's metadata that holds what was told, as a mapping."""
SESSION: Final = "entity/"
"""What the sessions of these traces, and of what is derived from them, begin with; the name of the entity they are about follows."""
ENDS: Final[Sequence[tuple[str, EdgeKind]]] = (("from", "subject"), ("to", "object"))
FORMS: Final[Sequence[Sequence[str]]] = (("entity", "type"), ("of", "observation"), ("from", "relation", "to"))
"""The fields of what can be told; the first of each names the entity that the trace is about."""
BATCH: Final = 500  # names that are settled in one transaction

Told = Mapping[str, str]


def entity_told(name: str, kind: str) -> tuple[str, dict[str, Any]]:
    """The text and the metadata of the trace that declares an entity.

    >>> entity_told("Ana", "person")[0]
    'Ana (person)'
    """
    return f"{name} ({kind})" if kind else name, {FIELD: {"entity": name, "type": kind}}


def observation_told(name: str, observation: str) -> tuple[str, dict[str, Any]]:
    """The text and the metadata of the trace of something observed of an entity."""
    return f"{name}: {observation}", {FIELD: {"of": name, "observation": observation}}


def relation_told(source: str, relation: str, target: str) -> tuple[str, dict[str, Any]]:
    """The text and the metadata of the trace of a relation between two entities.

    >>> relation_told("Ana", "lives_in", "Braga")[0]
    'Ana lives in Braga'
    """
    return f"{source} {relation.replace('_', ' ')} {target}", {FIELD: {"from": source, "relation": relation, "to": target}}


def name_of(item: Item) -> str | None:
    """The name of the entity that an item stands under, by its session; None where it stands under none."""
    return item.session[len(SESSION) :] if item.session is not None and item.session.startswith(SESSION) else None


def told_in(trace: Item) -> Told | None:
    """What a trace tells of the entity it stands under; None where it tells nothing of it.

    Metadata is the caller's own, so anything may stand in it: what is not of one of the FORMS is nobody's word. Where the text was corrected since, the
    text counts.
    """
    given, name = trace.metadata.get(FIELD), name_of(trace)
    if not isinstance(given, Mapping) or name is None:
        return None
    for fields in FORMS:
        if fields[0] in given:
            what = {field: given.get(field) for field in fields}
            if what[fields[0]] == name and all(isinstance(value, str) for value in what.values()):
                return _as_corrected(trace, name, {field: str(value) for field, value in what.items()})
    return None


def _as_corrected(trace: Item, name: str, what: dict[str, str]) -> Told | None:
    """What was told, in the words of the trace's text where these are others by now."""
    text = trace.text
    if "part" in trace.data:
        return what  # a long text in pieces
    if "observation" in what:
        start = f"{name}: "
        return {**what, "observation": text.removeprefix(start)} if text != start + what["observation"] else what
    if "entity" in what:
        if text == entity_told(name, what["type"])[0]:
            return what
        start = f"{name} ("
        return {**what, "type": text[len(start) : -1]} if text.startswith(start) and text.endswith(")") else what
    if text == relation_told(what["from"], what["relation"], what["to"])[0]:
        return what
    start, end = f"{name} ", f" {what['to']}"
    relation = text[len(start) : -len(end)] if text.startswith(start) and text.endswith(end) else ""
    return {**what, "relation": relation} if relation else None  # the new words are a trace like any other


@dataclass(frozen=True)
class ToldGraph:
    """The stage that keeps entities and facts in step with what was told.

    An entity is there while a trace declares it; it cites the traces that declare and describe it. A fact cites the traces that tell it, and has edges to its
    subject and object where those are declared. What was deleted by its own id comes back only when it is told again. Exact: the order of telling does not
    matter.
    """

    stage: str = "told"
    made_by: str = "told/1"

    def entity_id(self, scope: str, name: str) -> str:
        """The id of an entity: a hash of its name and scope."""
        return derived_id("entity", scope, self.made_by, (), name)

    def fact_id(self, scope: str, told: Told) -> str:
        """The id of a fact: a hash of its three words and its scope."""
        return derived_id("fact", scope, self.made_by, (), "\0".join((told["from"], told["relation"], told["to"])))

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the entities and facts of exactly this scope up to date."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        sessions = [one for one in store.items.sessions_since(scope, since) if one is not None and one.startswith(SESSION)]
        found = dict.fromkeys(one[len(SESSION) :] for one in sessions)
        found |= dict.fromkeys(str(name_of(item)) for item in self.derived(store, scope) if item.stale or force)
        names = list(found)
        read = made = removed = 0
        for start in range(0, len(names), BATCH):

            def report(done: int, start: int = start) -> None:
                run.report(self.stage, start + done, len(names))

            counts = self.settle(store, scope, names[start : start + BATCH], report)
            read, made, removed = read + counts[0], made + counts[1], removed + counts[2]
        if names or newest > since:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, read, made, 0, removed, time.monotonic() - began)

    def settle_around(self, store: Store, items: Iterable[Item]) -> None:
        """Bring up to date the entities that some items stand under, where deriving is not refused."""
        places: dict[str, dict[str, None]] = {}
        for item in items:
            name = name_of(item)
            if name is not None:
                places.setdefault(item.scope, {})[name] = None
        for scope, names in places.items():
            if in_force(store, scope)["derive"].granted:
                self.settle(store, scope, names)

    def settle(
        self, store: Store, scope: str, names: Iterable[str], report: Callable[[int], None] | None = None
    ) -> tuple[int, int, int]:
        """Make the entities of these names, and the facts that begin at them, what the traces say; returns how many traces were read,
        items made and items removed. `report` is told how many names are done."""
        read = made = removed = 0
        with store.transaction():
            wanted = list(dict.fromkeys(names))
            there: dict[str, list[Item]] = {name: [] for name in wanted}
            for item in self.derived(store, scope, wanted):
                there[str(name_of(item))].append(item)
            retracted = self._retracted(store, scope, wanted)
            new: dict[str, int] = {}
            for done, name in enumerate(wanted):
                if report is not None:
                    report(done)
                traces = store.items.session_traces(scope, SESSION + name)
                told = [(trace, what) for trace in traces if (what := told_in(trace)) is not None]
                read += len(told)
                for id, item, sources in self._said(scope, name, told, retracted):
                    old = next((one for one in there[name] if one.id == id), None)
                    key = self._put(store, item, old, sources)
                    made += int(old is None or old.stale)
                    if item.kind == "fact":
                        self._join(store, key, item)
                    elif old is None or old.stale:
                        new[name] = key
                    there[name] = [one for one in there[name] if one.id != id]
                removed += store.items.delete([item.key for item in there[name]])
            self._join_earlier(store, scope, new)
        return read, made, removed

    def _said(
        self, scope: str, name: str, told: Sequence[tuple[Item, Told]], retracted: Mapping[str, int]
    ) -> Iterable[tuple[str, Item, list[Item]]]:
        """The id, the item and the sources of all that the traces of one entity give: the entity, and the facts that begin at it."""
        id = self.entity_id(scope, name)
        after = retracted.get(id, 0)
        declared = [(trace, what) for trace, what in told if "entity" in what and trace.key > after]
        if declared:
            first, what = declared[0]
            item = self._item("entity", id, entity_told(name, what["type"])[0], first, {"name": name, "type": what["type"]})
            yield id, item, [trace for trace, one in told if "relation" not in one]
        facts: dict[str, list[tuple[Item, Told]]] = {}
        for trace, what in told:
            if "relation" in what:
                facts.setdefault(self.fact_id(scope, what), []).append((trace, what))
        for id, rows in facts.items():
            kept = [(trace, what) for trace, what in rows if trace.key > retracted.get(id, 0)]
            if kept:
                first, what = kept[0]
                text = relation_told(what["from"], what["relation"], what["to"])[0]
                yield id, self._item("fact", id, text, first, what), [trace for trace, _ in kept]

    def _item(self, kind: Any, id: str, text: str, first: Item, data: Mapping[str, Any]) -> Item:
        return Item(
            id=id, kind=kind, text=text, at=first.at, precision=first.precision, offset=first.offset, recorded_at=first.recorded_at,
            scope=first.scope, session=first.session, made_by=self.made_by, data=dict(data),
        )  # fmt: skip

    def _put(self, store: Store, item: Item, old: Item | None, sources: Sequence[Item]) -> int:
        """Store an item where it is new or changed, and have it cite its sources."""
        same = old is not None and not old.stale and (old.text, old.at, old.data) == (item.text, item.at, item.data)
        key = old.key if same and old is not None else store.items.put(item)
        cited = {edge.dst for edge in store.edges.out([key], ["cites"])}
        wanted = {source.key for source in sources}
        if cited - wanted:
            store.edges.remove_from([key], ["cites"])
            cited = set()
        store.edges.add(self._edge(key, source, "cites", item) for source in sorted(wanted - cited))
        return key

    def _join(self, store: Store, key: int, fact: Item) -> None:
        """Give a fact the edges to those of its ends that are there."""
        ends = {kind: self.entity_id(fact.scope, fact.data[end]) for end, kind in ENDS}
        keys = store.items.keys_of(list(ends.values()))
        wanted = {(keys[id], kind) for kind, id in ends.items() if id in keys}
        there = {(edge.dst, edge.kind) for edge in store.edges.out([key], list(ends))}
        if there - wanted:
            store.edges.remove_from([key], list(ends))
            there = set()
        store.edges.add(self._edge(key, end, kind, fact) for end, kind in sorted(wanted - there))

    def _join_earlier(self, store: Store, scope: str, new: Mapping[str, int]) -> None:
        """Give the facts that were told of some entities before these were there their edges to them."""
        if not new:
            return
        facts = [item for item in self.derived(store, scope, kinds=("fact",)) if not item.stale]
        store.edges.add(
            self._edge(fact.key, new[fact.data[end]], kind, fact) for fact in facts for end, kind in ENDS if fact.data[end] in new
        )

    def _edge(self, src: int, dst: int, kind: EdgeKind, item: Item) -> Edge:
        return Edge(src, dst, kind, made_by=self.made_by, recorded_at=item.recorded_at)

    def derived(
        self, store: Store, scope: str, names: Sequence[str] | None = None, kinds: tuple[str, ...] = ("entity", "fact")
    ) -> list[Item]:
        """What this stage has made in exactly this scope, of some names or of all, whatever its state."""
        sessions = None if names is None else tuple(SESSION + name for name in names)
        where = Filter(scope=scope, kinds=kinds, sessions=sessions, stale=True, forgotten=True)
        return [item for item in store.items.each(where) if item.made_by == self.made_by and item.scope == scope]

    def _retracted(self, store: Store, scope: str, names: Sequence[str]) -> dict[str, int]:
        """Ids of derived items that were deleted on purpose, with the key of the event."""
        where = Filter(scope=scope, roles=(EVENT,), sessions=tuple(SESSION + name for name in names), events=True)
        found: dict[str, int] = {}
        for event in store.items.each(where):
            if event.scope == scope and event.data.get("event") == "retract":
                found |= dict.fromkeys(event.data.get("targets", ()), event.key)
        return found
