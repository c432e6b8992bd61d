"""Undoing the last consolidation: what it is about to change is written down first, in the same transaction; `undo` puts it back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.errors import InputError
from lamina.records import Edge, EdgeKind, Item
from lamina.storage.protocol import Edges, Items, Store, Stored, Watermarks


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What undoing did: derived items that are gone, those that came back or are as they were, and watermarks put back."""

    removed: int
    restored: int
    watermarks: int


class Recorded:
    """A store whose stages are watched: before the first change of a derived item or a watermark in a run, how it was is noted.

    Parameters: the `store`, and a name for the `run`. Everything else goes to the store as it is.
    """

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._run = store, run
        self._marks: dict[str, str] = {}
        self.items: Items = _Items(store, self)
        self.edges: Edges = _Edges(store, self)
        self.watermarks: Watermarks = _Watermarks(store, self)

    def __getattr__(self, name: str) -> Any:  # whatever part of the store is asked for
        return getattr(self._store, name)

    def before_items(self, keys: Iterable[int]) -> None:
        """Note how derived items are."""
        wanted = sorted(set(keys))
        for key, item in (self._store.items.by_key(wanted) if wanted else {}).items():
            if item.kind != "trace" and self._store.journal.note(self._run, f"item:{item.id}"):
                self._note(f"item:{item.id}", json.dumps(image(self._store, key, item), ensure_ascii=False))

    def before_new(self, items: Sequence[Item]) -> None:
        """Note that items are not there, or how they are."""
        there = self._store.items.keys_of([item.id for item in items])
        self.before_items(there.values())
        for item in items:
            if item.id not in there and item.kind != "trace" and self._store.journal.note(self._run, f"item:{item.id}"):
                self._note(f"item:{item.id}", "null")

    def before_watermark(self, stage: str, scope: str) -> None:
        """Note where a watermark is; it counts from the first change of an item on, so that a run without one leaves the journal as it is."""
        name = f"mark:{stage}:{scope}"
        if name not in self._marks:
            self._marks[name] = json.dumps([stage, scope, self._store.watermarks.get(stage, scope)])
            if self._store.journal.run == self._run:
                self._store.journal.put(name, self._marks[name])

    def _note(self, name: str, before: str) -> None:
        for mark, value in self._marks.items():
            if self._store.journal.note(self._run, mark):
                self._store.journal.put(mark, value)
        self._store.journal.put(name, before)


class _Part:
    """A part of the store, watched."""

    def __init__(self, store: Store, recorded: Recorded) -> None:
        self._store, self._recorded = store, recorded


class _Items(_Part):
    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.items, name)

    def add(self, items: Sequence[Item]) -> list[Stored]:
        self._recorded.before_new(items)
        return self._store.items.add(items)

    def put(self, item: Item) -> int:
        self._recorded.before_new([item])
        return self._store.items.put(item)

    def delete(self, keys: Sequence[int]) -> int:
        self._recorded.before_items(keys)
        return self._store.items.delete(keys)

    def blank(self, keys: Sequence[int]) -> None:
        self._recorded.before_items(keys)
        self._store.items.blank(keys)

    def retire(self, keys: Sequence[int], at: int | None) -> None:
        self._recorded.before_items(keys)
        self._store.items.retire(keys, at)

    def set_status(self, keys: Sequence[int], bit: int, on: bool) -> int:
        self._recorded.before_items(keys)
        return self._store.items.set_status(keys, bit, on)


class _Edges(_Part):
    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.edges, name)

    def add(self, edges: Iterable[Edge]) -> None:
        some = list(edges)
        self._recorded.before_items(edge.src for edge in some)
        self._store.edges.add(some)

    def remove_from(self, keys: Sequence[int], kinds: Sequence[EdgeKind] | None = None) -> None:
        self._recorded.before_items(keys)
        self._store.edges.remove_from(keys, kinds)

    def remove(self, edges: Iterable[Edge]) -> None:
        some = list(edges)
        self._recorded.before_items(edge.src for edge in some)
        self._store.edges.remove(some)


class _Watermarks(_Part):
    def __getattr__(self, name: str) -> Any:
        return getattr(self._store.watermarks, name)

    def set(self, stage: str, scope: str, value: int) -> None:
        self._recorded.before_watermark(stage, scope)
        self._store.watermarks.set(stage, scope, value)


def image(store: Store, key: int, item: Item) -> dict[str, Any]:
    """All of a derived item: itself, its edges in both directions by the ids of their other ends, and its strengths."""
    out, into = store.edges.out([key]), store.edges.into([key])
    ends = store.items.by_key(sorted({edge.dst for edge in out} | {edge.src for edge in into}))
    fields = {name: getattr(item, name) for name in Item.__slots__ if name != "key"}
    return {
        "item": {**fields, "data": dict(item.data)},
        "out": [_edge(edge, ends[edge.dst].id) for edge in out if edge.dst in ends],
        "into": [_edge(edge, ends[edge.src].id) for edge in into if edge.src in ends],
        "strengths": {
            policy: state for policy in store.strengths.policies() for state in store.strengths.get(policy, [key]).values()
        },
    }


def _edge(edge: Edge, end: str) -> list[Any]:
    return [end, edge.kind, edge.weight, dict(edge.data), edge.made_by, edge.recorded_at, edge.retired_at]


def undo(store: Store) -> UndoReport:
    """Put everything back that the last consolidation changed, in one transaction. Raises `InputError` where nothing is noted.

    A consolidation after it makes the same again.
    """
    with store.transaction():
        if store.journal.run is None:
            raise InputError(
                "there is nothing to undo: nothing was consolidated, it was undone already, or something was corrected, forgotten or deleted since"
            )
        noted = store.journal.each()
        images: dict[str, dict[str, Any]] = {}
        gone: list[str] = []
        marks = 0
        for name, before in noted:
            value = json.loads(before)
            if name.startswith("mark:"):
                store.watermarks.set(*value)
                marks += 1
            elif value is None:
                gone.append(name.removeprefix("item:"))
            else:
                images[name.removeprefix("item:")] = value
        removed = store.items.delete(list(store.items.keys_of(gone).values())) if gone else 0
        for value in images.values():
            _put_item(store, value)
        for id, value in images.items():  # when all of them are there
            _put_edges(store, id, value)
        store.journal.clear()
    return UndoReport(removed, len(images), marks)


def _put_item(store: Store, value: dict[str, Any]) -> None:
    item = Item(**value["item"])
    [now] = store.items.get([item.id])
    if now is not None:
        store.items.delete([now.key])  # with its edges and vectors: they are put back as they were
    [place] = store.items.add([item])
    for policy, state in value["strengths"].items():
        store.strengths.put(policy, {place.key: state})


def _put_edges(store: Store, id: str, value: dict[str, Any]) -> None:
    ends = store.items.keys_of([id, *(row[0] for row in (*value["out"], *value["into"]))])
    own = ends[id]
    edges = []
    for direction in ("out", "into"):
        for end, kind, weight, data, made_by, recorded_at, retired_at in value[direction]:
            if end in ends:
                src, dst = (own, ends[end]) if direction == "out" else (ends[end], own)
                edges.append(Edge(src, dst, kind, weight, data, made_by, recorded_at, retired_at))
    store.edges.remove_from([own])
    store.edges.add(edges)
