"""Entities and relations that somebody told us of: declared by an agent, not found in a text.

What is told is a trace like any other: "Ana (person)", "Ana: likes sardines", "Ana lives in Braga". Entities and facts are derived from these traces,
with `cites` edges to them, so a rebuild gives the same ones, and a deleted trace takes with it what rested on it alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.records import Edge, EdgeKind, Filter, Item, Report, Run, derived_id
from lamina.storage.protocol import Store

FIELD: Final = "told"
"""The field of a trace's metadata that holds what was told, as a mapping."""
SESSION: Final = "entity/"
"""What the sessions of these traces, and of what is derived from them, begin with; the name of the entity they are about follows."""
ENDS: Final[Sequence[tuple[str, EdgeKind]]] = (("from", "subject"), ("to", "object"))


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


@dataclass(frozen=True)
class ToldGraph:
    """The stage that keeps entities and facts in step with what was told.

    An entity is there while a trace declares it; it cites the traces that declare and describe it. A fact cites the traces that tell it, and has edges to its
    subject and object where those are declared. Exact: the order of telling does not matter.
    """

    stage: str = "told"
    made_by: str = "told/1"

    def entity_id(self, scope: str, name: str) -> str:
        """The id of an entity: a hash of its name and scope."""
        return derived_id("entity", scope, self.made_by, (), name)

    def fact_id(self, scope: str, told: Mapping[str, Any]) -> str:
        """The id of a fact: a hash of its three words and its scope."""
        return derived_id("fact", scope, self.made_by, (), "\0".join((told["from"], told["relation"], told["to"])))

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the entities and facts of exactly this scope up to date."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        sessions = [one for one in store.items.sessions_since(scope, since) if one is not None and one.startswith(SESSION)]
        names = dict.fromkeys(one[len(SESSION) :] for one in sessions)
        names |= dict.fromkeys(_name(item) for item in self._derived(store, scope) if item.stale or force)
        read = made = removed = 0
        for done, name in enumerate(names):
            run.report(self.stage, done, len(names))
            counts = self.settle(store, scope, [name])
            read, made, removed = read + counts[0], made + counts[1], removed + counts[2]
        if names or newest > since:
            with store.transaction():
                store.watermarks.set(self.stage, scope, newest)
        return Report(self.stage, scope, read, made, 0, removed, time.monotonic() - began)

    def settle(self, store: Store, scope: str, names: Iterable[str]) -> tuple[int, int, int]:
        """Make the entities of these names, and the facts that begin at them, what the traces say; returns how many traces were read,
        items made and items removed."""
        read = made = removed = 0
        with store.transaction():
            for name in dict.fromkeys(names):
                traces = store.items.session_traces(scope, SESSION + name)
                told = [(trace, trace.metadata[FIELD]) for trace in traces if isinstance(trace.metadata.get(FIELD), Mapping)]
                read += len(told)
                counts = self._entity(store, scope, name, told)
                facts = self._facts(store, scope, name, told)
                made, removed = made + counts[0] + facts[0], removed + counts[1] + facts[1]
        return read, made, removed

    def _entity(self, store: Store, scope: str, name: str, told: Sequence[tuple[Item, Any]]) -> tuple[int, int]:
        about = [(trace, what) for trace, what in told if "entity" in what or "observation" in what]
        declared = [(trace, what) for trace, what in about if "entity" in what]
        id = self.entity_id(scope, name)
        [old] = store.items.get([id])
        if not declared:
            if old is not None:
                store.items.delete([old.key])
            return 0, int(old is not None)
        first, what = declared[0]
        item = self._item("entity", id, entity_told(name, what["type"])[0], first, {"name": name, "type": what["type"]})
        key = self._put(store, item, old, [trace for trace, _ in about])
        if old is None:  # facts that were told of it before it was declared
            facts = [fact for fact in self._derived(store, scope) if fact.kind == "fact" and not fact.stale]
            store.edges.add(
                self._edge(fact.key, key, kind, fact) for fact in facts for end, kind in ENDS if fact.data[end] == name
            )
        return int(old is None or old.stale), 0

    def _facts(self, store: Store, scope: str, name: str, told: Sequence[tuple[Item, Any]]) -> tuple[int, int]:
        wanted: dict[str, list[Item]] = {}
        words: dict[str, Mapping[str, Any]] = {}
        for trace, what in told:
            if "relation" in what:
                id = self.fact_id(scope, what)
                wanted.setdefault(id, []).append(trace)
                words[id] = what
        there = (
            {item.id: item for item in self._derived(store, scope, "fact") if item.data["from"] == name} if told or name else {}
        )
        made = 0
        for id, traces in wanted.items():
            what, old = words[id], there.get(id)
            text = relation_told(what["from"], what["relation"], what["to"])[0]
            item = self._item("fact", id, text, traces[0], {part: what[part] for part in ("from", "relation", "to")})
            key = self._put(store, item, old, traces)
            ends = store.items.keys_of([self.entity_id(scope, what[end]) for end in ("from", "to")])
            store.edges.remove_from([key], ["subject", "object"])
            store.edges.add(
                self._edge(key, ends[entity], kind, item)
                for end, kind in ENDS
                if (entity := self.entity_id(scope, what[end])) in ends
            )
            made += int(old is None or old.stale)
        gone = [item.key for id, item in there.items() if id not in wanted]
        store.items.delete(gone)
        return made, len(gone)

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

    def _edge(self, src: int, dst: int, kind: EdgeKind, item: Item) -> Edge:
        return Edge(src, dst, kind, made_by=self.made_by, recorded_at=item.recorded_at)

    def _derived(self, store: Store, scope: str, name: str | None = None) -> list[Item]:
        """What this stage has made in exactly this scope, of one name or of all."""
        sessions = None if name is None else (SESSION + name,)
        where = Filter(scope=scope, kinds=("entity", "fact"), sessions=sessions, stale=True, forgotten=True)
        return [item for item in store.items.each(where) if item.made_by == self.made_by and item.scope == scope]


def _name(item: Item) -> str:
    """The name that a derived item stands under: it is kept even where the rest was blanked."""
    return str(item.session)[len(SESSION) :]
