"""What a forest of topics stands on: the episodes or traces of a scope as points of meaning, place and time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.hierarchy import Points, gather
from lamina.errors import InputError
from lamina.records import Filter, Item
from lamina.semantic.naming import Hashes
from lamina.storage.protocol import Store

Of = Literal["episodes", "traces"]
POSITION: Final = "position"
"""The field of a trace's metadata that says where it happened: {"x", "y"} in metres, or {"latitude", "longitude"} in degrees."""
DEGREES: Final = ("latitude", "longitude")
METRES: Final = ("x", "y")
CALM: Final = 10.0  # leaves' worth of nothing in the mean that is taken off: of a few leaves it would leave nothing


def position_of(trace: Item) -> tuple[tuple[float, float], bool] | None:
    """Where a trace happened, and whether these are degrees; None where it does not say. Raises `InputError` for what is no position."""
    given = trace.metadata.get(POSITION)
    if given is None:
        return None
    for names, degrees in ((METRES, False), (DEGREES, True)):
        if isinstance(given, Mapping) and all(_number(given.get(name)) for name in names):
            first, second = (float(given[name]) for name in names)
            if not degrees or (abs(first) <= 90 and abs(second) <= 180):
                return (first, second), degrees
    raise InputError(
        f"trace {trace.id} has the position {given!r}: it must be {{'x', 'y'}} in metres, or {{'latitude', 'longitude'}} in degrees "
        "within ±90 and ±180; correct it with update(id, metadata=…)"
    )


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, eq=False)
class Leaves:
    """The leaves of a scope in order of time: `items`; `inside`, the keys of the traces in each; `points`; the `terms` of each; the `centre` of meanings.

    `points.vectors` are of length 1, less the centre, so that what all of a scope has in common makes nothing alike.
    """

    store: Store
    items: list[Item]
    inside: list[list[int]]
    points: Points
    terms: list[Hashes]
    centre: NDArray[np.float32]

    @classmethod
    def read(cls, store: Store, scope: str, of: Of) -> Leaves:
        """All leaves of exactly this scope, whatever the order they were added in. Echoes are none."""
        kind = "episode" if of == "episodes" else "trace"
        found = [
            item
            for item in store.items.each(Filter(scope=scope, kinds=(kind,)))
            if item.scope == scope and not item.data.get("echo")
        ]
        found.sort(key=lambda item: (item.at, item.id))
        inside = _inside(store, found, kind)
        vectors, centre = _meanings(store, inside)
        positions, degrees = _positions(store, found, inside)
        marks = np.array([int.from_bytes(blake2b(one.id.encode(), digest_size=8).digest(), "big") for one in found], np.uint64)
        names = {name: number for number, name in enumerate(sorted({one.place for one in found if one.place}))}
        places = np.array([names[one.place] if one.place else -1 for one in found], np.int64)
        points = Points(vectors, positions, np.array([one.at for one in found], np.int64), marks, degrees, places)
        return cls(store, found, inside, points, _terms(store, scope, inside), centre)

    def __len__(self) -> int:
        return len(self.items)

    def text(self, leaf: int) -> str:
        """The whole text of a leaf: of all traces in it."""
        return "\n".join(self._texts[key] for key in self.inside[leaf] if key in self._texts)

    @cached_property
    def _texts(self) -> dict[int, str]:
        keys = [key for keys in self.inside for key in keys]
        return {key: item.text for key, item in self.store.items.by_key(keys).items()}


def _inside(store: Store, found: Sequence[Item], kind: str) -> list[list[int]]:
    if kind == "trace":
        return [[item.key] for item in found]
    inside: dict[int, list[int]] = {item.key: [] for item in found}
    for edge in store.edges.out(list(inside), ["contains"]):
        inside[edge.src].append(edge.dst)
    return [sorted(inside[item.key]) for item in found]


def _meanings(store: Store, inside: Sequence[Sequence[int]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The direction of each leaf's traces' vectors without what all have in common, and that."""
    space = store.vectors.active()
    if space is None:
        return np.zeros((len(inside), 1), np.float32), np.zeros(1, np.float32)
    there = store.vectors.get(space, [key for keys in inside for key in keys])
    sums = np.zeros((len(inside), space.dim), np.float32)
    for row, keys in enumerate(inside):
        for key in keys:
            if key in there:
                sums[row] += there[key]
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    known = lengths[:, 0] > 0
    sums[known] /= lengths[known]
    centre = (sums.sum(axis=0) / (known.sum() + CALM)).astype(np.float32)
    sums[known] -= centre
    return sums, centre


def _positions(store: Store, found: Sequence[Item], inside: Sequence[Sequence[int]]) -> tuple[NDArray[np.float64], bool]:
    """The mean position of each leaf's traces, NaN where none is known, and whether these are degrees."""
    if inside and len(inside[0]) == 1 and found[0].kind == "trace":
        traces = {item.key: item for item in found}
    else:
        traces = store.items.by_key([key for keys in inside for key in keys])
    known: dict[int, tuple[float, float]] = {}
    kinds: dict[bool, str] = {}
    for key, trace in traces.items():
        position = position_of(trace)
        if position is not None:
            known[key] = position[0]
            kinds.setdefault(position[1], trace.id)
    if len(kinds) > 1:
        raise InputError(
            f"trace {kinds[False]} has a position in metres and trace {kinds[True]} one in degrees: use one of both in a scope"
        )
    degrees = next(iter(kinds), False)
    positions = np.full((len(inside), 2), np.nan)
    for row, keys in enumerate(inside):
        here = np.array([known[key] for key in keys if key in known])
        if len(here):
            zeros = np.zeros(len(here))
            alone = Points(zeros[:, None].astype(np.float32), here, zeros.astype(np.int64), zeros.astype(np.uint64), degrees)
            positions[row] = gather(alone, [np.arange(len(here))]).positions[0]
    return positions, degrees


def _terms(store: Store, scope: str, inside: Sequence[Sequence[int]]) -> list[Hashes]:
    keys = [key for one in inside for key in one]
    columns = store.items.columns(scope, keys=keys) if keys else None
    there = {} if columns is None else dict(zip(columns.keys.tolist(), columns.terms, strict=True))
    none = np.empty(0, np.uint32)
    return [np.unique(np.concatenate([none, *(there[key] for key in keys if key in there)])) for keys in inside]
