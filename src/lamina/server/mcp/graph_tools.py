"""The nine tools of the reference memory server, on traces, entities and facts: the same calls, answers that stay small."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import TypedDict  # that of typing will not do for pydantic before Python 3.12

from lamina.errors import InputError, NotFoundError
from lamina.records import EVENT, Filter, Item
from lamina.scopes import EVERYWHERE
from lamina.semantic.told import FIELD, SESSION, Told, ToldGraph, entity_told, name_of, observation_told, relation_told, told_in
from lamina.server.confined import Confined
from lamina.server.mcp.graph_pages import GraphPage, Place
from lamina.server.mcp.sizes import limit_of, listed, written
from lamina.storage.consents import in_force, require
from lamina.text import check_text, fold

MOST_NAMES = 1000
LONGEST_NAME = 200


class Entity(TypedDict):
    """An entity as the reference server has it."""

    name: str
    entityType: str
    observations: list[str]


Relation = TypedDict("Relation", {"from": str, "to": str, "relationType": str})
"""A relation as the reference server has it."""


class Additions(TypedDict):
    """Observations to add to an entity."""

    entityName: str
    contents: list[str]


class Deletions(TypedDict):
    """Observations to delete from an entity."""

    entityName: str
    observations: list[str]


class GraphTools:
    """What the nine tools do, each in one method that returns the text of its answer.

    Whatever is told is a trace, so recall finds it; entities and facts are derived from the traces at once.
    Parameters: `memory`, confined to the scope that the server was started for.
    """

    def __init__(self, memory: Confined) -> None:
        self.memory = memory
        self.store = memory.memory.store
        self.graph = ToldGraph()

    @property
    def scope(self) -> str:
        """The one scope that entities are told in."""
        return "" if self.memory.scope == EVERYWHERE else self.memory.scope

    # ------------------------------------------------------------------------------------------------ telling
    def create_entities(self, entities: list[Entity]) -> str:
        """Create entities with a name, a type and observations. One that exists already is left as it is. Answers with the names that are new,
        in at most 6,000 characters."""
        wanted = {_named(entity["name"]): entity for entity in reversed(entities)}  # the first of a name counts
        names = list(dict.fromkeys(entity["name"] for entity in entities))
        made: list[str] = []

        def tell() -> None:
            there = self._entities(names)
            made.extend(name for name in names if name not in there)
            for name in made:
                kind, known = _typed(wanted[name]["entityType"]), self._told(name)
                if not self._brought_back(name) or not any("entity" in what for _, what in known):
                    self._tell(name, entity_told(name, kind))
                self._observe(name, wanted[name]["observations"], known)
            self._settle(made)

        self.memory.atomically(tell)
        return listed("created", [{"name": name} for name in made], limit_of(None), {"count": len(made)}, more=False)

    def create_relations(self, relations: list[Relation]) -> str:
        """Create relations between entities, in active voice. One that exists already is not doubled. Answers with those that are new,
        in at most 6,000 characters."""
        made: list[dict[str, Any]] = []

        def tell() -> None:
            for relation in relations:
                source, target, kind = _named(relation["from"]), _named(relation["to"]), _named(relation["relationType"])
                told = relation_told(source, kind, target)
                if all(what != told[1][FIELD] for _, what in self._told(source)):
                    self._tell(source, told)
                    made.append({"from": source, "to": target, "relationType": kind})
            self._settle([row["from"] for row in made])

        self.memory.atomically(tell)
        return listed("created", made, limit_of(None), {"count": len(made)}, more=False)

    def add_observations(self, observations: list[Additions]) -> str:
        """Add observations to entities that exist. Answers with what is new, in at most 6,000 characters."""
        rows: list[dict[str, Any]] = []

        def tell() -> None:
            there = self._entities([_named(row["entityName"]) for row in observations])
            for row in observations:
                name = row["entityName"]
                if name not in there:
                    raise NotFoundError(f"there is no entity {name!r}: create it first")
                new = self._observe(name, row["contents"], self._told(name))
                rows.append({"entityName": name, "addedObservations": new})
            self._settle([row["entityName"] for row in rows])

        self.memory.atomically(tell)
        return listed("added", rows, limit_of(None), {"count": sum(len(row["addedObservations"]) for row in rows)}, more=False)

    # ------------------------------------------------------------------------------------------------ deleting
    def delete_entities(self, entityNames: list[str]) -> str:
        """Delete entities for good, with their observations and their relations in both directions. Answers with a count."""
        names = [_named(name) for name in dict.fromkeys(entityNames)]
        count = 0

        def take() -> None:
            nonlocal count
            count = len(self._entities(names))
            gone = [trace for name in names for trace in self._ever_told(name)]
            gone += self._ever({f"{FIELD}.to": {"in": names}})
            self._delete(gone)
            self._settle([*names, *(name for trace in gone if (name := name_of(trace)) is not None)])

        self.memory.atomically(take)
        return written({"deleted": count})

    def delete_observations(self, deletions: list[Deletions]) -> str:
        """Delete single observations for good. Answers with a count."""
        return self._take(
            (_named(row["entityName"]), observation_told(row["entityName"], one)[1][FIELD])
            for row in deletions
            for one in row["observations"]
        )

    def delete_relations(self, relations: list[Relation]) -> str:
        """Delete relations for good. Answers with a count."""
        return self._take(
            (_named(one["from"]), relation_told(one["from"], one["relationType"], one["to"])[1][FIELD]) for one in relations
        )

    def _take(self, rows: Iterable[tuple[str, Told]]) -> str:
        """Delete what was told of entities in exactly these words, with what it was before it was corrected."""
        wanted: dict[str, list[Told]] = {}
        for name, what in rows:
            wanted.setdefault(name, []).append(what)
        count = 0

        def take() -> None:
            nonlocal count
            gone: list[Item] = []
            for name, some in wanted.items():
                ever = [(trace, told_in(trace)) for trace in self._ever_told(name)]
                found = [(trace, what) for trace, what in ever if trace.retired_at is None and what in some]
                count += sum(any(what == one for _, what in found) for one in {tuple(one.items()): one for one in some}.values())
                gone += [version for trace, _ in found for version in self.memory.history(trace.id) if version.role != EVENT]
            self._delete(gone)
            self._settle(list(wanted))

        self.memory.atomically(take)
        return written({"deleted": count})

    # ------------------------------------------------------------------------------------------------ reading
    def read_graph(self, cursor: str | None = None, observations: bool = False, max_characters: int | None = None) -> str:
        """List what is in the graph, a page at a time: entities by name, with their type and how much is known of each, then relations.
        `observations`: with what is known of each. `open_nodes` has everything about single ones.
        Answers with at most `max_characters` (default 6,000, at most 40,000) and a cursor to the rest."""
        self._check_recall()
        size, start = limit_of(max_characters), Place.of(cursor)
        entities, facts = self._all("entity"), self._all("fact")
        page = GraphPage(size, {"entityCount": len(entities), "relationCount": len(facts)})
        if not start.relations:
            for entity in (one for one in entities if one.key >= start.at):
                seen = self._observations(entity)
                row = {"name": entity.data["name"], "entityType": entity.data["type"]}
                offset = start.within if entity.key == start.at else 0
                if observations:
                    page.entity(row, seen, [], Place(entity.key, offset))
                else:
                    page.entity({**row, "observationCount": len(seen)}, None, [], Place(entity.key))
                if page.cursor is not None:
                    return page.text()
        for fact in (one for one in facts if not start.relations or one.key >= start.at):
            page.relation(_relation(fact.data), Place(fact.key, relations=True))
            if page.cursor is not None:
                break
        return page.text()

    def search_nodes(self, query: str, limit: int = 10, cursor: str | None = None, max_characters: int | None = None) -> str:
        """Find entities by a query: by their names, and by what is known of them. With their observations and relations.
        Answers with at most `max_characters` (default 6,000, at most 40,000) and a cursor to the rest."""
        self._check_recall()
        size, start = limit_of(max_characters), Place.of(cursor)
        if not 1 <= limit <= MOST_NAMES:
            raise InputError(f"limit must lie between 1 and {MOST_NAMES}, not {limit}")
        plain = fold(check_text(query, "the query"))
        named = {entity.data["name"]: entity for entity in self._all("entity")}
        names = [name for name, entity in named.items() if plain in fold(entity.text)]
        where = Filter(scope=self.scope, kinds=("trace",), metadata={FIELD: {"exists": True}})
        hits = self.memory.memory.search(query, k=limit * 3, where=where, rerank=0)
        names += [name for hit in hits if (name := name_of(hit.item)) is not None and hit.item.scope == self.scope]
        found = [named[name] for name in dict.fromkeys(names) if name in named]
        return self._opened(found[:limit], start, GraphPage(size, {}))

    def open_nodes(self, names: list[str], cursor: str | None = None, max_characters: int | None = None) -> str:
        """Everything about the entities of these names: type, observations, relations from and to them.
        Answers with at most `max_characters` (default 6,000, at most 40,000) and a cursor to the rest."""
        self._check_recall()
        size, start = limit_of(max_characters), Place.of(cursor)
        if len(names) > MOST_NAMES:
            raise InputError(f"give at most {MOST_NAMES:,} names at once, not {len(names):,}")
        wanted = [_named(name) for name in dict.fromkeys(names)]
        there = self._entities(wanted)
        page = GraphPage(size, {})
        if start == Place():
            page.unknown([name for name in wanted if name not in there])
        return self._opened([there[name] for name in wanted if name in there], start, page)

    def _opened(self, entities: Sequence[Item], start: Place, page: GraphPage) -> str:
        """Everything about some entities, from a place on. A relation between two of them is shown with the first."""
        shown = {entity.data["name"]: place for place, entity in enumerate(entities)}
        for place, entity in enumerate(entities[start.at :], start.at):
            name = entity.data["name"]
            told = [what for _, what in self._told(name)]
            out = [_relation(what) for what in told if "relation" in what]
            into = [_relation(fact.data) for fact in self._facts_to(entity)]
            relations = [
                row
                for row in [*out, *(row for row in into if row["from"] != name)]
                if min(shown.get(row["from"], place), shown.get(row["to"], place)) == place
            ]
            row = {"name": name, "entityType": entity.data["type"]}
            page.entity(row, self._observations(entity), relations, Place(place, start.within if place == start.at else 0))
            if page.cursor is not None:
                break
        return page.text()

    # ------------------------------------------------------------------------------------------------ inside
    def _check_recall(self) -> None:
        """Raise `ConsentError` where being recalled was refused: opening an entity is recalling."""
        require(self.store, "recall", self.scope)

    def _tell(self, name: str, what: tuple[str, dict[str, Any]]) -> None:
        require(self.store, "derive", self.scope)  # an entity is derived from what is told
        text, metadata = what
        ids = self.memory.add(text, self.scope, session=SESSION + name, metadata=metadata)
        [trace] = self.store.items.get(ids[:1]) or [None]
        if (
            trace is None or trace.forgotten or told_in(trace) is None
        ):  # redacted, or junk to the gate; raised inside the transaction: nothing of it is kept
            raise InputError(f"{name!r} holds what this memory does not keep as it is: use another name")

    def _observe(self, name: str, observations: Sequence[str], told: Sequence[tuple[Item, Told]]) -> list[str]:
        """Tell what is new among some observations, and give it back."""
        known = {what.get("observation") for _, what in told}
        new = [_said(one) for one in dict.fromkeys(observations) if one not in known]
        for one in new:
            self._tell(name, observation_told(name, one))
        return new

    def _brought_back(self, name: str) -> bool:
        """Whether the entity itself was forgotten, by its id, and has been restored."""
        [old] = self.store.items.get([self.graph.entity_id(self.scope, name)])
        return old is not None and self.memory.restore([old.id]) > 0

    def _settle(self, names: Sequence[str]) -> None:
        if in_force(self.store, self.scope)["derive"].granted:
            self.graph.settle(self.store, self.scope, names)

    def _delete(self, traces: Sequence[Item]) -> None:
        if traces:
            self.memory.delete(list(dict.fromkeys(trace.id for trace in traces)))

    def _told(self, name: str) -> list[tuple[Item, Told]]:
        """The traces that tell of an entity, with what they tell."""
        traces = self.store.items.session_traces(self.scope, SESSION + name)
        return [(trace, what) for trace in traces if (what := told_in(trace)) is not None]

    def _ever_told(self, name: str) -> list[Item]:
        """The traces that tell of an entity, with those that are forgotten or were corrected."""
        return self._ever({FIELD: {"exists": True}}, (SESSION + name,))

    def _ever(self, metadata: dict[str, Any], sessions: tuple[str, ...] | None = None) -> list[Item]:
        where = Filter(scope=self.scope, kinds=("trace",), sessions=sessions, metadata=metadata, forgotten=True, retired=True)
        return [item for item in self.store.items.each(where) if item.scope == self.scope and name_of(item) is not None]

    def _entities(self, names: Sequence[str]) -> dict[str, Item]:
        """The entities of these names that are there. Those that wait for consolidation are brought up to date first."""
        ids = {name: self.graph.entity_id(self.scope, name) for name in dict.fromkeys(names)}
        found = dict(zip(ids, self.store.items.get(list(ids.values())), strict=True))
        waiting = [name for name, item in found.items() if item is None or item.stale]
        if waiting and not self.store.read_only:
            self._settle(waiting)
            found |= dict(zip(waiting, self.store.items.get([ids[name] for name in waiting]), strict=True))
        return {name: item for name, item in found.items() if item is not None and not item.status}

    def _all(self, kind: str) -> list[Item]:
        """All entities, or all facts, in the order of their keys; those that wait for consolidation are brought up to date first."""
        items = self.graph.derived(self.store, self.scope, kinds=(kind,))
        stale = [item for item in items if item.stale]
        if stale and not self.store.read_only:
            self._settle([name for item in stale if (name := name_of(item)) is not None])
            items = self.graph.derived(self.store, self.scope, kinds=(kind,))
        return [item for item in items if not item.status]

    def _facts_to(self, entity: Item) -> list[Item]:
        """Facts that end at an entity."""
        keys = [edge.src for edge in self.store.edges.into([entity.key], ["object"])]
        return [item for _, item in sorted(self.store.items.by_key(keys).items()) if not item.status]

    def _observations(self, entity: Item) -> list[str]:
        """What is known of an entity; once where a long text is kept in pieces."""
        return list(dict.fromkeys(what["observation"] for _, what in self._told(entity.data["name"]) if "observation" in what))


def _relation(told: Any) -> dict[str, str]:  # what was told, or the data of a fact
    return {"from": told["from"], "to": told["to"], "relationType": told["relation"]}


def _named(name: str) -> str:
    check_text(name, "a name")
    if len(name) > LONGEST_NAME:
        raise InputError(f"a name must have at most {LONGEST_NAME} characters, not {len(name):,} as {name[:40]!r}…")
    return name


def _typed(kind: str) -> str:
    return _named(kind) if kind else kind


def _said(observation: str) -> str:
    return check_text(observation, "an observation")
