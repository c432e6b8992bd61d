"""The nine tools of the reference memory server, on traces, entities and facts: the same calls, answers that stay small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict  # that of typing will not do for pydantic before Python 3.12

from lamina.errors import InputError, NotFoundError
from lamina.records import EVERYWHERE, Filter, Item
from lamina.semantic.told import FIELD, SESSION, ToldGraph, entity_told, observation_told, relation_told
from lamina.server.confined import Confined
from lamina.server.mcp.sizes import limit_of, listed, place_of, written
from lamina.storage.consents import in_force, require
from lamina.text import fold

MOST_NAMES = 1000


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
        self.graph = ToldGraph()

    @property
    def scope(self) -> str:
        """The one scope that entities are told in."""
        return "" if self.memory.scope == EVERYWHERE else self.memory.scope

    # ------------------------------------------------------------------------------------------------ telling
    def create_entities(self, entities: list[Entity]) -> str:
        """Create entities with a name, a type and observations. One that exists already is left as it is. Answers with the names that are new."""
        made = []

        def tell() -> None:
            for entity in entities:
                name = _named(entity["name"])
                if self._entity(name) is not None or name in made:
                    continue
                self._tell(name, entity_told(name, entity["entityType"]))
                for observation in dict.fromkeys(entity["observations"]):
                    self._tell(name, observation_told(name, _said(observation)))
                made.append(name)
            self._settle(made)

        self.memory.atomically(tell)
        return listed("created", [{"name": name} for name in made], limit_of(None), {"count": len(made)})

    def create_relations(self, relations: list[Relation]) -> str:
        """Create relations between entities, in active voice. One that exists already is not doubled. Answers with those that are new."""
        made: list[dict[str, Any]] = []

        def tell() -> None:
            for relation in relations:
                source, target, kind = _named(relation["from"]), _named(relation["to"]), _named(relation["relationType"])
                told = relation_told(source, kind, target)
                known = [row for row in self._told(source) if row[1] == told[1][FIELD]]
                if not known:
                    self._tell(source, told)
                    made.append({"from": source, "to": target, "relationType": kind})
            self._settle([row["from"] for row in made])

        self.memory.atomically(tell)
        return listed("created", made, limit_of(None), {"count": len(made)})

    def add_observations(self, observations: list[Additions]) -> str:
        """Add observations to entities that exist. Answers with what is new."""
        rows: list[dict[str, Any]] = []

        def tell() -> None:
            for row in observations:
                name = _named(row["entityName"])
                self._required(name)
                known = {what["observation"] for _, what in self._told(name) if "observation" in what}
                new = [one for one in dict.fromkeys(row["contents"]) if one not in known]
                for one in new:
                    self._tell(name, observation_told(name, _said(one)))
                rows.append({"entityName": name, "addedObservations": new})
            self._settle([row["entityName"] for row in rows])

        self.memory.atomically(tell)
        return listed("added", rows, limit_of(None), {})

    # ------------------------------------------------------------------------------------------------ deleting
    def delete_entities(self, entityNames: list[str]) -> str:
        """Delete entities for good, with their observations and their relations in both directions. Answers with a count."""
        count = 0

        def take() -> None:
            nonlocal count
            for name in dict.fromkeys(entityNames):
                entity = self._entity(name)
                gone = [trace.id for trace, _ in self._told(name)]
                gone += [trace.id for fact in self._facts_to(name) for trace in self._sources(fact)]
                count += int(entity is not None)
                self._delete(gone)
                self._settle([name])

        self.memory.atomically(take)
        return written({"deleted": count})

    def delete_observations(self, deletions: list[Deletions]) -> str:
        """Delete single observations for good. Answers with a count."""
        wanted = [
            (row["entityName"], observation_told(row["entityName"], one)[1][FIELD])
            for row in deletions
            for one in row["observations"]
        ]
        return self._take(wanted)

    def delete_relations(self, relations: list[Relation]) -> str:
        """Delete relations for good. Answers with a count."""
        wanted = [(one["from"], relation_told(one["from"], one["relationType"], one["to"])[1][FIELD]) for one in relations]
        return self._take(wanted)

    def _take(self, rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
        """Delete what was told of entities in exactly these words."""
        count = 0

        def take() -> None:
            nonlocal count
            for name, wanted in rows:
                gone = [trace.id for trace, what in self._told(name) if what == wanted]
                count += len(gone)
                self._delete(gone)
                self._settle([name])

        self.memory.atomically(take)
        return written({"deleted": count})

    # ------------------------------------------------------------------------------------------------ reading
    def read_graph(self, cursor: str | None = None, observations: bool = False, max_characters: int | None = None) -> str:
        """List what is in the graph, by name: entities with their type and how much is known of each, a page at a time.
        `observations`: with what is known of each. `open_nodes` has everything about single ones.
        Answers with at most `max_characters` (default 6,000, at most 40,000) and a cursor to the rest."""
        size, start = limit_of(max_characters), place_of(cursor)
        entities = self._all("entity")
        head = {"entityCount": len(entities), "relationCount": len(self._all("fact"))}
        rows = (self._row(entity, observations) for entity in entities[start:])
        return listed("entities", rows, size, head, start)

    def search_nodes(self, query: str, limit: int = 10, max_characters: int | None = None) -> str:
        """Find entities by a query: by their names, and by what is known of them. With their observations and relations.
        Answers with at most `max_characters` (default 6,000, at most 40,000)."""
        size = limit_of(max_characters)
        if not 1 <= limit <= MOST_NAMES:
            raise InputError(f"limit must lie between 1 and {MOST_NAMES}, not {limit}")
        plain = fold(query)
        names = [entity.data["name"] for entity in self._all("entity") if plain in fold(entity.text)]
        where = Filter(scope=self.scope, kinds=("trace",), metadata={FIELD: {"exists": True}})
        hits = self.memory.memory.search(query, k=limit * 3, where=where, rerank=0)
        names += [str(hit.session)[len(SESSION) :] for hit in hits if str(hit.session).startswith(SESSION)]
        found = [entity for name in dict.fromkeys(names) if (entity := self._entity(name)) is not None]
        return listed("entities", (self._row(entity, True, True) for entity in found[:limit]), size, {})

    def open_nodes(self, names: list[str], cursor: str | None = None, max_characters: int | None = None) -> str:
        """Everything about the entities of these names: type, observations, relations from and to them.
        Answers with at most `max_characters` (default 6,000, at most 40,000) and a cursor to the rest."""
        size, start = limit_of(max_characters), place_of(cursor)
        if len(names) > MOST_NAMES:
            raise InputError(f"give at most {MOST_NAMES:,} names at once, not {len(names):,}")
        wanted = list(dict.fromkeys(names))
        found = [entity for name in wanted if (entity := self._entity(name)) is not None]
        missing = [name for name in wanted if self._entity(name) is None][:20]
        rows = (self._row(entity, True, True) for entity in found[start:])
        return listed("entities", rows, size, {"unknown": missing} if missing else {}, start)

    # ------------------------------------------------------------------------------------------------ inside
    def _tell(self, name: str, what: tuple[str, dict[str, Any]]) -> None:
        require(self.memory.memory.store, "derive", self.scope)  # an entity is derived from what is told
        text, metadata = what
        self.memory.add(text, self.scope, session=SESSION + name, metadata=metadata)

    def _settle(self, names: Sequence[str]) -> None:
        store = self.memory.memory.store
        if in_force(store, self.scope)["derive"].granted:
            self.graph.settle(store, self.scope, names)

    def _delete(self, ids: Sequence[str]) -> None:
        if ids:
            self.memory.delete(list(dict.fromkeys(ids)))

    def _told(self, name: str) -> list[tuple[Item, dict[str, Any]]]:
        traces = self.memory.memory.store.items.session_traces(self.scope, SESSION + name)
        return [(trace, trace.metadata[FIELD]) for trace in traces if FIELD in trace.metadata]

    def _entity(self, name: str) -> Item | None:
        [found] = self.memory.memory.store.items.get([self.graph.entity_id(self.scope, name)])
        return None if found is None or found.status else found

    def _required(self, name: str) -> Item:
        found = self._entity(name)
        if found is None:
            raise NotFoundError(f"there is no entity {name!r}: create it first")
        return found

    def _all(self, kind: str) -> list[Item]:
        where = Filter(scope=self.scope, kinds=(kind,))
        every = self.memory.memory.store.items.each(where)
        return [item for item in every if item.made_by == self.graph.made_by and item.scope == self.scope]

    def _facts_to(self, name: str) -> list[Item]:
        """Facts that end at an entity."""
        entity = self._entity(name)
        if entity is None:
            return [fact for fact in self._all("fact") if fact.data["to"] == name]
        store = self.memory.memory.store
        keys = [edge.src for edge in store.edges.into([entity.key], ["object"])]
        return [item for item in store.items.by_key(keys).values() if not item.status]

    def _sources(self, item: Item) -> list[Item]:
        store = self.memory.memory.store
        return list(store.items.by_key([edge.dst for edge in store.edges.out([item.key], ["cites"])]).values())

    def _row(self, entity: Item, observations: bool, relations: bool = False) -> dict[str, Any]:
        name = entity.data["name"]
        told = [what for _, what in self._told(name)]
        seen = [what["observation"] for what in told if "observation" in what]
        row: dict[str, Any] = {"name": name, "entityType": entity.data["type"]}
        if not observations:
            return {**row, "observationCount": len(seen)}
        row["observations"] = seen
        if relations:
            out = [{"from": name, "to": what["to"], "relationType": what["relation"]} for what in told if "relation" in what]
            into = [fact.data for fact in self._facts_to(name) if fact.data["from"] != name]
            row["relations"] = out + [{"from": one["from"], "to": name, "relationType": one["relation"]} for one in into]
        return row


def _named(name: str) -> str:
    if not name.strip() or len(name) > 200:
        raise InputError(f"a name must be text of 1 to 200 characters, not {name[:40]!r}")
    return name


def _said(observation: str) -> str:
    if not observation.strip():
        raise InputError("an observation must say something")
    return observation
