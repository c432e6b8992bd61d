"""Taxonomies: categories over any set of items, generated, corrected by people, and kept through every later run.

Source: C.-C. Hsu, E. Bransom, J. Sparks, B. Kuehl, C. Tan, D. Wadden, L. L. Wang, A. Naik, "CHIME: LLM-Assisted Hierarchical Organization of
Scientific Studies for Literature Review Support", 2024.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lamina.errors import InputError, ModelError, NotFoundError
from lamina.records import EVENT, Edge, Filter, Item, Report, Run, TraceIds, derived_id
from lamina.scopes import check_scope
from lamina.semantic.assignment import Corrector, Judged
from lamina.semantic.corrections import Correction, Node, apply, nodes_of
from lamina.semantic.organising import Organiser
from lamina.storage.protocol import Store

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder

log = logging.getLogger("lamina.semantic")

SESSION: Final = "taxonomy/"
"""What the sessions of the events begin with that say what people want of a taxonomy; its name follows."""
DEFINED, CORRECTED, DROPPED = "taxonomy", "categorise", "taxonomy dropped"
_IDS: Final = TraceIds()


@dataclass(frozen=True)
class TaxonomyStage:
    """The stage that keeps the taxonomies of a scope in step with their items and with what people said of them.

    A taxonomy, and each of its categories, is an item of kind "topic" whose id is a hash of its path; it `contains` the categories below it and has edges `assigned` to its items, many-to-many, which it cites. What
    belongs to a category belongs to those above it. Exact without a language model: the tree is made anew when an item came, went or changed. With one, the tree is
    asked for then; where it fails, clusters take its place and it is asked the next time.

    Parameters: `organiser` (makes trees); `corrector` with its `embedder` (judges anew what belongs where, before people's corrections).
    """

    organiser: Organiser = field(default_factory=Organiser)
    corrector: Corrector | None = None
    embedder: Embedder | None = None
    stage: str = "taxonomies"
    made_by: str = "taxonomies/1"

    def __post_init__(self) -> None:
        if (self.corrector is None) != (self.embedder is None):
            raise InputError("a corrector and the embedder of its features are given together, or not at all")

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the taxonomies of exactly this scope up to date; `force` makes every one anew, with the same ids."""
        began = time.monotonic()
        read = made = kept = removed = 0
        for name in taxonomies(store, scope):
            run.report(self.stage, read, 0)
            taxonomy = Taxonomy(store, scope, name, self)
            counts = taxonomy.settle(force)
            read, made, kept, removed = (a + b for a, b in zip((read, made, kept, removed), counts, strict=True))
        there = set(taxonomies(store, scope))
        left = [one.key for one in categories_of(store, scope, self.made_by) if one.stale or one.data["taxonomy"] not in there]
        if left:
            with store.transaction():
                removed += store.items.delete(left)
        return Report(self.stage, scope, read, made, kept, removed, time.monotonic() - began)


class Taxonomy:
    """One taxonomy of a scope.

    Parameters: `store`, `scope`, `name`, `stage` (how it is made), `run` (the clock of what people say).
    """

    def __init__(self, store: Store, scope: str, name: str, stage: TaxonomyStage | None = None, run: Run | None = None) -> None:
        self._store, self.scope, self.name = store, check_scope(scope), name
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"a taxonomy's name must be words, not {name!r}")
        self._stage = stage or TaxonomyStage()
        self._run = run or Run()

    # -------------------------------------------------------------------------------------------- what people want
    def define(self, kinds: Sequence[str] = ("trace",), ids: Sequence[str] | None = None) -> None:
        """Say what it is made of: all items of some kinds in the scope, or those with some ids. Raises `InputError` for ids that are not there, or none."""
        if ids is not None:
            if not ids:
                raise InputError("a taxonomy needs items: give their ids, or kinds")
            missing = [
                id
                for id, item in zip(ids, self._store.items.get(list(ids)), strict=True)
                if item is None or item.scope != self.scope
            ]
            if missing:
                raise InputError(f"{missing[0]!r} is no item of the scope {self.scope!r}")
        Filter(scope=self.scope, kinds=tuple(kinds)).check()
        self._tell(DEFINED, {"kinds": list(kinds), "ids": None if ids is None else list(ids)}, list(ids or ()))

    def drop(self) -> None:
        """Say that it is not wanted any more; the next run removes its categories."""
        self._tell(DROPPED, {}, [])

    def assign(self, item: str, path: Sequence[str]) -> None:
        """Say that an item belongs to the category at a path, which is made where it is not there, and to those above it."""
        self._correct(Correction("assign", tuple(path), item=self._known(item)))

    def unassign(self, item: str, path: Sequence[str]) -> None:
        """Say that an item does not belong to a category, nor to those below it."""
        self._correct(Correction("unassign", tuple(path), item=self._known(item), members=self._members(path)))

    def rename(self, path: Sequence[str], to: str) -> None:
        """Say what a category is called; one of the same name beside it takes it in."""
        self._correct(Correction("rename", tuple(path), to=to, members=self._members(path, True)))

    def move(self, path: Sequence[str], under: Sequence[str] = ()) -> None:
        """Say that a category stands under another one (() for the top)."""
        self._correct(Correction("move", tuple(path), under=tuple(under), members=self._members(path, True)))

    def remove(self, path: Sequence[str]) -> None:
        """Say that a category does not fit in; what is below it goes up."""
        self._correct(Correction("remove", tuple(path), members=self._members(path, True)))

    def _known(self, id: str) -> str:
        item = self._store.items.get([id])[0]
        if item is None or item.scope != self.scope:
            raise NotFoundError(f"{id!r} is no item of the scope {self.scope!r}")
        return id

    def _members(self, path: Sequence[str], needed: bool = False) -> tuple[str, ...]:
        """The ids in a category as it stands; `needed`: raise `NotFoundError` where it is not there."""
        found = self._store.items.get([self._id(tuple(path))])[0]
        if found is None or found.stale:
            if needed:
                raise NotFoundError(f"there is no category {' / '.join(path)!r} in the taxonomy {self.name!r}")
            return ()
        keys = [edge.dst for edge in self._store.edges.out([found.key], ["assigned"])]
        return tuple(sorted(item.id for item in self._store.items.by_key(keys).values()))

    def _correct(self, correction: Correction) -> None:
        self._tell(CORRECTED, correction.as_json(), [*([correction.item] if correction.item else []), *correction.members])
        self.settle()

    def _tell(self, event: str, data: dict[str, Any], about: Sequence[str]) -> None:
        now = self._run.clock()
        item = Item(
            id=_IDS.make(now), kind="trace", text=event, at=now, recorded_at=now, scope=self.scope, session=SESSION + self.name, role=EVENT,
            data={"event": event, **data},
        )  # fmt: skip
        with self._store.transaction():
            key = self._store.items.add([item])[0].key
            keys = self._store.items.keys_of(list(dict.fromkeys(about))) if event == CORRECTED and data["item"] else {}
            self._store.edges.add(Edge(key, keys[id], "mentions", recorded_at=now) for id in keys if id == data["item"])

    def corrections(self) -> list[Correction]:
        """What people said, in order."""
        return [
            Correction.of(event.data) for event in _events(self._store, self.scope, self.name) if event.data["event"] == CORRECTED
        ]

    # ------------------------------------------------------------------------------------------------ what it is
    def items(self) -> list[Item]:
        """What it is made of, in order of time."""
        defined = [event for event in _events(self._store, self.scope, self.name) if event.data["event"] in (DEFINED, DROPPED)]
        if not defined or defined[-1].data["event"] == DROPPED:
            raise NotFoundError(f"there is no taxonomy {self.name!r} in the scope {self.scope!r}: define it first")
        data = defined[-1].data
        where = Filter(
            scope=self.scope, kinds=None if data["ids"] else tuple(data["kinds"]), ids=tuple(data["ids"]) if data["ids"] else None
        )
        found = [
            one
            for one in self._store.items.each(where)
            if one.scope == self.scope and not one.data.get("echo") and one.made_by != self._stage.made_by
        ]
        return sorted(found, key=lambda one: (one.at, one.id))

    def categories(self) -> list[Item]:
        """Its categories as they stand, by path."""
        found = [one for one in self._there().values() if not one.status and one.data["path"]]
        return sorted(found, key=lambda item: item.data["path"])

    def _there(self) -> dict[str, Item]:
        """What is stored of it by id, itself among it, and what is blank of any taxonomy."""
        found = categories_of(self._store, self.scope, self._stage.made_by)
        return {item.id: item for item in found if item.stale or item.data["taxonomy"] == self.name}

    def members(self, path: Sequence[str]) -> list[Item]:
        """The items of a category, in order of time. Raises `NotFoundError` where it is not there."""
        ids = self._members(path, True)
        return sorted((one for one in self._store.items.get(list(ids)) if one is not None), key=lambda one: (one.at, one.id))

    def settle(self, force: bool = False) -> tuple[int, int, int, int]:
        """Make its categories what items and corrections say; returns how many items were read, and categories made, kept and removed.

        A model that fails is logged; clusters take its place, and it is asked the next time.
        """
        with self._store.transaction():
            items, there, said = self.items(), self._there(), self.corrections()
        top = there.get(self._id(()))
        sign = derived_id("topic", self.scope, self._stage.made_by, [item.id for item in items], self._writer)
        same = not force and top is not None and not top.stale and top.data["sign"] == sign
        if same and top is not None and top.data["said"] == len(said) and not any(one.stale for one in there.values()):
            return 0, 0, len(there), 0
        if same and top is not None:
            base, by = top.data["base"], top.data["by"]
        else:
            base, by = self._generated(items)  # a model may take long: no lock is held meanwhile
        roots = [_node(one) for one in base]
        apply(roots, said, frozenset(item.id for item in items))
        facts = {"sign": sign if by == self._writer else "", "said": len(said), "base": base, "by": by}
        with self._store.transaction():
            now = self._store.items.by_key([item.key for item in items])
            here = {item.id: item for item in items if item.key in now}
            wanted = list(self._wanted(roots, here, facts))
            return len(items), *self._write(wanted, {id: item.key for id, item in here.items()}, self._there(), force)

    @property
    def _writer(self) -> str:
        model = self._stage.organiser.model
        return "clusters" if model is None else model.name

    def _generated(self, items: Sequence[Item]) -> tuple[list[Any], str]:
        """The tree before corrections as nested lists (JSON, hence of any type) of a name, ids and what is below; and who made it."""
        if not items:
            return [], self._writer
        space = self._store.vectors.active()
        known = {} if space is None else self._store.vectors.get(space, [item.key for item in items])
        none = np.zeros(1 if space is None else space.dim, np.float32)
        vectors = np.stack([known.get(item.key, none) for item in items])
        texts, by = [item.text for item in items], self._writer
        try:
            trees = self._stage.organiser.organise(texts, vectors, self._store.language)
        except ModelError as error:
            log.warning("the taxonomy %s is made of clusters: %s", self.name, type(error).__name__)
            trees, by = self._stage.organiser.cluster(texts, vectors, self._store.language), "clusters"
        nodes = nodes_of(trees, [item.id for item in items])
        if self._stage.corrector is not None and self._stage.embedder is not None:
            judged = Judged.of(trees, len(items))
            labels = self._stage.corrector.labels(judged, judged.features(texts, self._stage.embedder, self._store.language))
            where = {path: row for row, path in enumerate(judged.paths)}
            for path, node in (pair for root in nodes for pair in root.walk()):
                node.items = dict.fromkeys(items[int(one)].id for one in np.flatnonzero(labels[where[path]]))
        return [_nested(node) for node in nodes], by

    def _wanted(
        self, roots: Sequence[Node], items: Mapping[str, Item], facts: Mapping[str, Any]
    ) -> Iterator[tuple[Item, list[str], list[str]]]:
        """The categories that hold something, lowest first, with the ids below them and of their items; the taxonomy itself comes last."""
        walked = [pair for root in roots for pair in root.walk()]
        for path, node in sorted(walked, key=lambda pair: (-len(pair[0]), pair[0])):
            inside = [items[id] for id in sorted(node.items) if id in items]
            if inside:
                said = sorted(id for id, yes in node.said.items() if yes and id in items)
                below = [self._id((*path, child.name)) for child in node.children if any(id in items for id in child.items)]
                yield self._category(path, inside, {"name": node.name, "said": said}), below, [one.id for one in inside]
        if items:
            below = [self._id((root.name,)) for root in roots if any(id in items for id in root.items)]
            yield self._category((), list(items.values()), {"name": self.name, **facts}), below, list(items)

    def _category(self, path: tuple[str, ...], inside: Sequence[Item], data: Mapping[str, Any]) -> Item:
        first = min(inside, key=lambda one: (one.at, one.id))
        return Item(
            id=self._id(path), kind="topic", text=" / ".join(path) or self.name, at=first.at, precision=first.precision, offset=first.offset,
            until=max(one.until or one.at + 1 for one in inside), recorded_at=max(one.recorded_at for one in inside), scope=self.scope,
            made_by=self._stage.made_by, data={"taxonomy": self.name, "path": list(path), "level": len(path), **data},
        )  # fmt: skip

    def _id(self, path: tuple[str, ...]) -> str:
        return derived_id("topic", self.scope, self._stage.made_by, (), "\0".join((self.name, *path)))

    def _write(
        self, wanted: Sequence[tuple[Item, list[str], list[str]]], keys: dict[str, int], there: dict[str, Item], force: bool
    ) -> tuple[int, int, int]:
        made = kept = 0
        for item, below, inside in wanted:
            old = there.get(item.id)
            targets = {(keys[id], kind) for id in inside for kind in ("assigned", "cites")} | {
                (keys[id], "contains") for id in below
            }
            if (
                old is None
                or force
                or old.stale
                or (old.text, old.at, old.until, old.data) != (item.text, item.at, item.until, item.data)
            ):
                keys[item.id] = self._store.items.put(item)
                made += 1
            else:
                keys[item.id] = old.key
                kept += 1
            edges = {(edge.dst, edge.kind) for edge in self._store.edges.out([keys[item.id]], ["assigned", "cites", "contains"])}
            if edges != targets:
                self._store.edges.remove_from([keys[item.id]], ["assigned", "cites", "contains"])
                self._store.edges.add(
                    Edge(keys[item.id], dst, kind, made_by=item.made_by, recorded_at=item.recorded_at)  # type: ignore[arg-type]
                    for dst, kind in sorted(targets)
                )
        stay = {item.id for item, _, _ in wanted}
        gone = [
            item.key for id, item in there.items() if id not in stay and not item.stale
        ]  # a blank one may be another taxonomy's
        return made, kept, self._store.items.delete(gone)


def taxonomies(store: Store, scope: str) -> list[str]:
    """The names of the taxonomies that were defined in exactly this scope, and not dropped since."""
    state: dict[str, bool] = {}
    for event in _events(store, scope, None):
        if event.data["event"] in (DEFINED, DROPPED):
            state[str(event.session)[len(SESSION) :]] = event.data["event"] == DEFINED
    return sorted(name for name, there in state.items() if there)


def categories_of(store: Store, scope: str, made_by: str) -> list[Item]:
    """What the stage has made in exactly this scope, whatever its state; what is blank does not say of which taxonomy it was."""
    where = Filter(scope=scope, kinds=("topic",), stale=True, forgotten=True)
    return [item for item in store.items.each(where) if item.made_by == made_by and item.scope == scope]


def _nested(node: Node) -> list[Any]:
    return [node.name, list(node.items), [_nested(child) for child in node.children]]


def _node(nested: Sequence[Any]) -> Node:
    return Node(nested[0], dict.fromkeys(nested[1]), [_node(child) for child in nested[2]])


def _events(store: Store, scope: str, name: str | None) -> list[Item]:
    where = Filter(scope=scope, roles=(EVENT,), sessions=None if name is None else (SESSION + name,), events=True)
    return [
        event
        for event in store.items.each(where)
        if event.scope == scope
        and (event.session or "").startswith(SESSION)
        and event.data.get("event") in (DEFINED, CORRECTED, DROPPED)
    ]
