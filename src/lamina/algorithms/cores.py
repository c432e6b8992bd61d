"""Clusters with a core: what lies close together is a cluster, what lies at its edge or alone is left out; and how they grow.

Source: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (its released code: linkage, clusters below the square root of the largest are dropped, the nearest four
fifths of each are kept, new items join the nearest cluster, clusters that meet are merged, what is left over is clustered again). There linkage is Ward's, and things are cut at
distances that fit one embedder; here linkage is average, and one cut that comes from quantiles of the distances serves for all four.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.agglomeration import agglomerate
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError

OUT: Final = -1
"""The label of what is in no cluster."""
CALM: Final = 10.0  # rows' worth of nothing in the middle that is taken off: of a few rows it would leave nothing

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Clustered:
    """What was clustered, and with which numbers.

    `labels` (n,): the cluster whose core a row belongs to, numbered from 0 by their first members, `OUT` for none; `members` (n,): the same with the edges of the clusters; `units`
    (n, dim): directions from the `middle` (dim,); `cut`: the mean distance (1 - cosine) at which clusters are apart; `fitted`: how many rows the cut was found on.
    """

    labels: Labels
    members: Labels
    units: Vectors
    middle: Vectors
    cut: float
    fitted: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return _count(self.members)

    def rows(self, cluster: int) -> NDArray[np.int64]:
        """The rows of the core of a cluster, the nearest to its middle first."""
        rows = np.flatnonzero(self.labels == cluster)
        return _inwards(self.units, rows)


@dataclass(frozen=True)
class CoreClusters:
    """Clusters rows of vectors, and adds more to them.

    The cut lies between two quantiles: the median distance to the `neighbours`-th nearest row, and the median distance of all pairs, `between` of the way from the first to the second. Unlike a
    fixed distance it fits any embedder.

    Parameters: `between` (chosen on written memories: see the tests); `neighbours`; `keep`, the share of a cluster that is its core (source: 0.8); `smallest` size of a
    cluster (with its edge). Raises `InputError` for values out of range.

    >>> rows = np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 0, 1, 0, 1, 2]]
    >>> CoreClusters(keep=1.0).fit(rows).labels
    array([ 0,  1,  0,  1,  0,  1,  0,  1, -1])
    """

    between: float = 0.5
    neighbours: int = 3
    keep: float = 0.8
    smallest: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.between <= 1 or not 0 < self.keep <= 1:
            raise InputError(
                f"between must lie within 0 and 1, and keep above 0 and up to 1, not {self.between!r} and {self.keep!r}"
            )
        if self.neighbours < 1 or self.smallest < 2:
            raise InputError(
                f"neighbours must be at least 1 and smallest at least 2, not {self.neighbours!r} and {self.smallest!r}"
            )

    def fit(self, vectors: Vectors) -> Clustered:
        """Cluster rows (n, dim). Raises `InputError` for what is no matrix of finite numbers."""
        given = _checked(vectors)
        middle = (given.sum(axis=0) / (len(given) + CALM)).astype(np.float32)
        units = _directions(given, middle)
        apart = 1 - units @ units.T
        cut = self._cut(apart)
        return self._cored(Clustered(_none(len(given)), self._clusters(apart, cut, 0), units, middle, cut, len(given)))

    def update(self, known: Clustered, vectors: Vectors) -> Clustered:
        """Add rows (n, dim): what is in no cluster joins the nearest one, clusters that meet become one, and what is left over is clustered again, all by the same cut.

        The cut is that of `known`: once there are twice as many rows as it was found on, `fit` them all instead (`grow` does).
        """
        given = _checked(vectors)
        if given.shape[1] != len(known.middle):
            raise InputError(f"the rows have {given.shape[1]} components where {len(known.middle)} were clustered")
        units = np.concatenate([known.units, _directions(given, known.middle)])
        members = np.concatenate([known.members, _none(len(given))])
        outside = np.flatnonzero(members == OUT)
        if known.count and len(outside):
            apart = 1 - units[outside] @ _means(units, members).T  # (outside, clusters)
            nearest = apart.argmin(axis=1)
            members[outside] = np.where(apart[np.arange(len(outside)), nearest] < known.cut, nearest, OUT)
        members = _joined(units, members, known.cut)
        outside = np.flatnonzero(members == OUT)
        largest = int(np.bincount(members[members >= 0]).max()) if _count(members) else 0
        left = units[outside]
        again = self._clusters(1 - left @ left.T, known.cut, largest)
        members[outside] = np.where(again == OUT, OUT, again + _count(members))
        return self._cored(replace(known, members=_joined(units, members, known.cut), units=units))

    def grow(self, vectors: Vectors, most: int = 1024) -> Clustered:
        """Cluster rows that came one after another (n, dim): the first `most` by `fit`, then more by `update`, a quarter as many at a time.

        It depends on the rows and their order alone. Pairs of `most` rows are compared at once, so time and space grow linearly beyond.
        """
        if most < 4:
            raise InputError(f"at least 4 rows must be compared at once, not {most!r}")
        found = self.fit(vectors[:most])
        for start in range(most, len(vectors), most // 4):
            found = self.update(found, vectors[start : start + most // 4])
        return found

    def _cut(self, apart: NDArray[np.float32]) -> float:
        """The distance at which clusters are apart, between that of neighbours and that of any two."""
        size = len(apart)
        if size < 2:
            return 0.0
        place = min(self.neighbours, size - 1)
        near = float(np.median(np.partition(apart, place, axis=1)[:, place]))
        far = float(np.median(apart[np.triu_indices(size, 1)]))
        return min(near + self.between * (far - near), 1.0)  # what is not alike at all is never together

    def _clusters(self, apart: NDArray[np.float32], cut: float, largest: int) -> Labels:
        """The cluster of each row with distances (n, n), `OUT` where it is too small beside the largest one, here or elsewhere."""
        if len(apart) < 2:
            return _none(len(apart))
        found = agglomerate(apart, "average", ceiling=cut).labels(threshold=cut)
        sizes = np.bincount(found)
        least = max(sqrt(max(largest, int(sizes.max()))), self.smallest)
        return _numbered(np.where(sizes[found] >= least, found, OUT))

    def _cored(self, found: Clustered) -> Clustered:
        """With the labels of the cores."""
        members = _numbered(found.members)
        labels = _none(len(members))
        for cluster in range(_count(members)):
            rows = _inwards(found.units, np.flatnonzero(members == cluster))
            labels[rows[: max(int(self.keep * len(rows)), 1)]] = cluster
        return replace(found, labels=labels, members=members)


def _none(size: int) -> Labels:
    return np.full(size, OUT, np.int64)


def _count(labels: Labels) -> int:
    return int(labels.max(initial=OUT)) + 1


def _inwards(units: Vectors, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of a cluster, the nearest to its middle first."""
    likeness = units[rows] @ unit_rows(units[rows].sum(axis=0)[None])[0]
    return rows[np.argsort(-np.round(likeness, 6), kind="stable")]


def _means(units: Vectors, labels: Labels) -> Vectors:
    """The mean of each cluster (clusters, dim): its product with a row is the row's mean cosine to those in it."""
    means = np.zeros((_count(labels), units.shape[1]), np.float32)
    inside = labels >= 0
    np.add.at(means, labels[inside], units[inside])
    return np.asarray(means / np.maximum(np.bincount(labels[inside], minlength=len(means)), 1)[:, None], np.float32)


def _joined(units: Vectors, labels: Labels, cut: float) -> Labels:
    """With clusters made one, the nearest first, while two are nearer to each other than the cut."""
    labels = _numbered(labels)
    while _count(labels) > 1:
        means = _means(units, labels)
        apart = 1 - means @ means.T
        np.fill_diagonal(apart, np.inf)
        one, other = sorted(divmod(int(apart.argmin()), len(means)))
        if not apart[one, other] < cut:
            break
        labels = _numbered(np.where(labels == other, one, labels))
    return labels


def _numbered(labels: Labels) -> Labels:
    """Labels from 0 in the order of the first rows."""
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels[labels != OUT].tolist()))}
    return np.array([numbers.get(label, OUT) for label in labels.tolist()], np.int64)


def _checked(vectors: Vectors) -> Vectors:
    given = np.asarray(vectors, np.float32)
    if given.ndim != 2 or not isfinite(float(np.abs(given).sum(dtype=np.float64))):
        raise InputError(f"clusters are made of a matrix of finite numbers, not of an array of shape {given.shape}")
    return given


def _directions(vectors: Vectors, middle: Vectors) -> Vectors:
    """Directions from the middle; a row of nothing keeps none."""
    known = np.abs(vectors).max(axis=1, initial=0) > 0
    return np.asarray(np.where(known[:, None], unit_rows(vectors - middle), 0), np.float32)
