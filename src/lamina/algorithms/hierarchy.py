"""A forest of clusters over meaning, place and time, level by level from the leaves up, and a descent of it with a beam.

Source: Q. Xie, S. Y. Min, T. Zhang, K. Xu, A. Bajaj, R. Salakhutdinov, M. Johnson-Roberson, Y. Bisk, "Embodied-RAG: General
Non-parametric Embodied Memory for Retrieval and Generation", 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.agglomeration import agglomerate
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError

EARTH: Final = 6_371_008.8
"""Mean radius of the Earth in metres."""
DAY: Final = 86_400_000_000  # microseconds
_ROUNDING: Final = 1e-6  # of a likeness in 32 bits: what is exactly at the threshold stays apart

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Points:
    """What is clustered, in order; the order matters only between equals and for where large sets are cut.

    `vectors` (n, dim): meanings, of any length, a zero row where there is none. `positions` (n, 2): metres, or latitude and longitude
    where `degrees`; NaN where unknown. `times` (n,): UTC microseconds. `marks` (n,): numbers that belong to the points and
    stay theirs, such as hashes of ids. `places` (n,): numbers of named places, -1 where unknown; default: all unknown. Raises `InputError` for values
    that cannot be.
    """

    vectors: Vectors
    positions: NDArray[np.float64]
    times: NDArray[np.int64]
    marks: NDArray[np.uint64]
    degrees: bool = False
    places: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        size = len(self.vectors)
        if self.places is None:
            object.__setattr__(self, "places", np.full(size, -1, np.int64))
        if self.vectors.ndim != 2 or self.positions.shape != (size, 2) or len(self.times) != size or len(self.marks) != size:
            raise InputError("points need a vector, a position of two numbers, a time and a mark each")
        if not np.isfinite(self.vectors).all():
            raise InputError("vectors must be finite in every place")
        if np.isinf(self.positions).any() or (np.isnan(self.positions[:, 0]) != np.isnan(self.positions[:, 1])).any():
            raise InputError("a position must be two finite numbers, or be unknown (two NaN)")
        known = self.positions[~np.isnan(self.positions[:, 0])]
        if self.degrees and len(known) and (np.abs(known).max(axis=0) > (90, 180)).any():
            raise InputError("a latitude must lie within ±90 and a longitude within ±180: are these metres?")

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.int64]) -> Points:
        """Some of them."""
        return replace(
            self, vectors=self.vectors[rows], positions=self.positions[rows], times=self.times[rows], marks=self.marks[rows],
            places=self.named[rows],
        )  # fmt: skip

    @property
    def named(self) -> NDArray[np.int64]:
        """The numbers of named places (n,), -1 where unknown."""
        return np.full(len(self), -1, np.int64) if self.places is None else self.places


def distances(points: Points, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each point is from a place (2,), in metres, shape (n,); NaN where a position is unknown."""
    return _apart(points.positions, np.asarray(place, np.float64)[None], points.degrees)[:, 0]


def _apart(one: NDArray[np.float64], other: NDArray[np.float64], degrees: bool) -> NDArray[np.float64]:
    """Metres between positions, shape (n, m)."""
    if not degrees:
        squares = [(one[:, None, axis] - other[None, :, axis]) ** 2 for axis in (0, 1)]
        return np.asarray(np.sqrt(squares[0] + squares[1]), np.float64)
    first, second = np.radians(one), np.radians(other)
    half = np.sin((first[:, None] - second[None]) / 2) ** 2  # (n, m, 2)
    inner = half[..., 0] + np.cos(first[:, 0])[:, None] * np.cos(second[:, 0])[None] * half[..., 1]
    return np.asarray(2 * EARTH * np.arcsin(np.sqrt(np.clip(inner, 0, 1))), np.float64)


@dataclass(frozen=True)
class Likeness:
    """How alike two points are: a weighted mean of likeness in meaning, place and time, of those that both have.

    Meaning: the cosine. Place: exp(-metres / reach); where a position is unknown, whether the named places are the same. Time: exp(-time / period). Parameters: the weights `meaning`, `place` (source: 0.6 and
    0.4) and `time` (ours); `reach` in metres (source: 50); `period` in days; `widening`: by what factor reach and period grow from one level to the next
    (the source's code defines 1.2 and leaves it unused, so that places count for nothing above the first levels). Raises `InputError` for values out of range.
    """

    meaning: float = 0.6
    place: float = 0.4
    time: float = 0.0
    reach: float = 50.0
    period: float = 30.0
    widening: float = 1.2

    def __post_init__(self) -> None:
        weights = (self.meaning, self.place, self.time)
        if not all(0 <= weight <= 1 for weight in weights) or not sum(weights) > 0:
            raise InputError(f"the weights must lie within 0 and 1 and not all be 0, not {weights}")
        if not all(value > 0 and math.isfinite(value) for value in (self.reach, self.period, self.widening)):
            raise InputError("reach, period and widening must each be above 0")

    def matrix(self, points: Points, level: int = 1) -> NDArray[np.float32]:
        """Likeness of all pairs on a level (1 is the lowest), float32 (n, n); 0 where a pair has nothing in common to compare."""
        size, wider = len(points), self.widening ** (level - 1)
        likeness, weight = np.zeros((size, size), np.float32), np.zeros((size, size), np.float32)
        if self.meaning:
            units = unit_rows(points.vectors)
            likeness += np.float32(self.meaning) * (units @ units.T)
            weight += np.float32(self.meaning)
        if self.place:
            near, known = self._places(points, wider)
            likeness += np.float32(self.place) * near
            weight += np.float32(self.place) * known
        if self.time:
            days = (points.times - points.times.min()) / DAY if size else np.zeros(0)
            likeness += (self.time * np.exp(-np.abs(days[:, None] - days) / (self.period * wider))).astype(np.float32)
            weight += np.float32(self.time)
        np.divide(likeness, weight, out=likeness, where=weight > 0)
        np.fill_diagonal(likeness, 1)
        return likeness

    def _places(self, points: Points, wider: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Likeness of all pairs in place (n, n), and whether it is known."""
        names = points.named
        named = (names >= 0).astype(np.float32)
        near = (names[:, None] == names).astype(np.float32) * named
        known = named[:, None] * named
        rows = np.flatnonzero(~np.isnan(points.positions[:, 0]))
        if len(rows):
            metres = _apart(points.positions[rows], points.positions[rows], points.degrees)
            near[np.ix_(rows, rows)] = np.exp(-metres / (self.reach * wider))
            known[np.ix_(rows, rows)] = 1
        return near, known


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a forest: `members`, for each cluster the rows of the level below that are in it; and what the clusters are as `points`."""

    members: tuple[NDArray[np.int64], ...]
    points: Points


@dataclass(frozen=True)
class ForestBuilder:
    """Merges what is near and alike into clusters, and these again.

    On level l clusters are merged by complete linkage while all in them are more than 1 - threshold · (1 + growth · (l - 1)) alike. A
    single one is lifted as it is, so every leaf has an ancestor on each level; a level on which nothing merges is left out. A cluster's vector is the sum of
    those in it (so that all leaves weigh alike), its position and time are their mean.

    Of more than `most` points those near in order are compared alone: they are cut, where their marks say, into pieces of up to `most`, so that what is
    added changes one piece, and the whole is the same however it was added to. Pieces meet on the next level.

    Parameters: `likeness`; `threshold`, `growth`, `levels` (source: 0.4, 0.1, 5); `most` points whose pairs are all compared. Raises `InputError` for
    values out of range.

    >>> points = Points(np.eye(2, dtype=np.float32)[[0, 1, 0]], np.full((3, 2), np.nan), np.arange(3), np.arange(3, dtype=np.uint64))
    >>> [level.members for level in ForestBuilder().grow(points)]
    [(array([0, 2]), array([1]))]
    """

    likeness: Likeness = Likeness()
    threshold: float = 0.4
    growth: float = 0.1
    levels: int = 5
    most: int = 2048

    def __post_init__(self) -> None:
        if not (self.threshold > 0 and math.isfinite(self.threshold)):
            raise InputError(f"the threshold must be above 0, not {self.threshold!r}")
        if not (self.growth >= 0 and math.isfinite(self.growth)):
            raise InputError(f"growth must be at least 0, not {self.growth!r}")
        if self.levels < 1 or self.most < 2:
            raise InputError(f"levels must be at least 1 and most at least 2, not {self.levels!r} and {self.most!r}")

    def grow(self, points: Points) -> list[Level]:
        """The levels above some points, the lowest first; none where there is nothing to merge."""
        found: list[Level] = []
        for level in range(1, self.levels + 1):
            if len(points) < 2:
                break
            members = self._cluster(points, level)
            if len(members) == len(points):
                continue
            points = gather(points, members)
            found.append(Level(members, points))
        return found

    def _cluster(self, points: Points, level: int) -> tuple[NDArray[np.int64], ...]:
        ceiling = self.threshold * (1 + self.growth * (level - 1)) - _ROUNDING
        found: list[NDArray[np.int64]] = []
        for rows in self.pieces(points):
            apart = 1 - self.likeness.matrix(points.take(rows), level)
            labels = agglomerate(apart, ceiling=ceiling).labels(threshold=ceiling)
            order = np.argsort(labels, kind="stable")
            found += [rows[part] for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)]
        return tuple(sorted(found, key=lambda rows: int(rows[0])))

    def pieces(self, points: Points) -> list[NDArray[np.int64]]:
        """The rows that are compared with each other: all, or pieces of up to `most`."""
        size = len(points)
        if size <= self.most:
            return [np.arange(size)]
        ends = np.flatnonzero(points.marks % np.uint64(max(self.most // 4, 1)) == 0) + 1
        cuts: list[int] = [0]
        for end in [*ends.tolist(), size]:
            while end - cuts[-1] > self.most:
                cuts.append(cuts[-1] + self.most)
            if end > cuts[-1]:
                cuts.append(end)
        return [np.arange(start, end) for start, end in pairwise(cuts)]


def gather(points: Points, members: Sequence[NDArray[np.int64]]) -> Points:
    """What clusters of points are as points."""
    positions = np.full((len(members), 2), np.nan)
    for row, rows in enumerate(members):
        known = points.positions[rows][~np.isnan(points.positions[rows, 0])]
        if len(known):
            positions[row] = _mean_place(known, points.degrees)
    return Points(
        np.stack([points.vectors[rows].sum(axis=0) for rows in members]).astype(np.float32),
        positions,
        np.array(
            [points.times[rows[0]] + int((points.times[rows] - points.times[rows[0]]).mean()) for rows in members], np.int64
        ),
        np.array([points.marks[rows].min() for rows in members], np.uint64),
        points.degrees,
        np.array([_same(points.named[rows]) for rows in members], np.int64),
    )


def _same(names: NDArray[np.int64]) -> int:
    """The one place that all are in, else -1."""
    return int(names[0]) if (names == names[0]).all() else -1


def _mean_place(known: NDArray[np.float64], degrees: bool) -> NDArray[np.float64]:
    """The mean of positions; longitudes are turned first, so that two sides of the 180th meridian are neighbours."""
    if not degrees:
        return np.asarray(known.mean(axis=0))
    turned = (known[:, 1] - known[0, 1] + 180) % 360 - 180
    longitude = (known[0, 1] + turned.mean() + 180) % 360 - 180
    return np.array([known[:, 0].mean(), longitude])


@dataclass(frozen=True, eq=False)
class Descended:
    """Where a descent came out: `leaves`, best first, their `scores`, and how many nodes were `read` on the way."""

    leaves: NDArray[np.int64]
    scores: NDArray[np.float64]
    read: int


def descend(
    roots: Sequence[int],
    children: Callable[[int], Sequence[int]],
    score: Callable[[NDArray[np.int64]], NDArray[np.floating]],
    beam: int = 5,
    share: float = 0.0,
) -> Descended:
    """Down a tree from its roots: on each level the `beam` best nodes are gone into, until all that is left are leaves.

    `children` of a node are none for a leaf; `score` of nodes (n,) is better the larger. A leaf that is met early stays. With a `share` s, a node
    counts (1 - s) · its own score + s · that of its parent, which counts so in turn. Distinct paths are a matter of course: a beam holds a node once. Raises
    `InputError` for a beam below 1.

    >>> tree = {0: [2, 3], 1: [4]}
    >>> descend([0, 1], lambda node: tree.get(node, ()), lambda nodes: -np.abs(nodes - 3.0), beam=1).leaves
    array([4])
    """
    if beam < 1:
        raise InputError(f"the beam must be at least 1 node wide, not {beam}")
    if not 0 <= share < 1:
        raise InputError(f"the share must lie within 0 and 1, not {share}")
    front = np.asarray(roots, np.int64)
    scores = np.asarray(score(front), np.float64) if len(front) else np.zeros(0)
    read = len(front)
    leaves, reached = np.empty(0, np.int64), np.empty(0)
    while len(front):
        below = [np.asarray(children(int(node)), np.int64) for node in front]
        ends = np.array([not len(one) for one in below])
        leaves, reached = np.append(leaves, front[ends]), np.append(reached, scores[ends])
        inner = np.flatnonzero(~ends)
        inner = inner[np.argsort(-scores[inner], kind="stable")[:beam]]
        if not len(inner):
            break
        front = np.concatenate([below[place] for place in inner])
        above = np.repeat(scores[inner], [len(below[place]) for place in inner])
        scores = (1 - share) * np.asarray(score(front), np.float64) + share * above
        read += len(front)
    order = np.argsort(-reached, kind="stable")
    return Descended(leaves[order], reached[order], read)
