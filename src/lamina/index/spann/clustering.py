"""A tree of balanced clusters: each is split into up to 32 by k-means that makes large clusters dearer, down to a few points.

Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021 (and its published code). That a
cluster of few points is split into fewer parts is an addition: the source splits even forty points into thirty-two.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.kernels.clusters import assign, lengths, means
from lamina.records import Run

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""The rows of some points, shape (points, dim)."""

BLOCK = 1 << 15  # rows looked at together
GATHERED = 8192  # rows of a cluster that its rounds draw from
FACTORS = (1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3)


@dataclass(frozen=True)
class Tree:
    """Clusters in order of depth: the children of one lie together, after all of its own depth.

    Parameters: `centre` (nodes,), the point nearest to the middle; `size` (nodes,), points; `first` and `children` (nodes,), where the children
    begin and how many there are (0: the points themselves).
    """

    centre: NDArray[np.int64]
    size: NDArray[np.int64]
    first: NDArray[np.int64]
    children: NDArray[np.int64]


@dataclass(frozen=True)
class BalancedTree:
    """Builds a `Tree`.

    Parameters: `k`, parts of a split, at most; `leaf`, points that are not split any more; `sample`, rows looked at in a round; `factor`, which
    the price of a large cluster is divided by (None: of 0.001 to 1000 the one with the evenest clusters; infinity: plain k-means); `rounds`;
    `threads`; `seed`.

    >>> rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    >>> tree = BalancedTree().grow(300, lambda points: rows[points])
    >>> int(tree.size[0]), int(tree.size[tree.children == 0].sum())
    (300, 300)
    """

    k: int = 32
    leaf: int = 8
    sample: int = 1000
    factor: float | None = None
    rounds: int = 100
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k < 2 or min(self.leaf, self.sample, self.rounds, self.threads) < 1:
            raise InputError(
                f"k must be at least 2, leaf, sample, rounds and threads at least 1, not {self.k}, {self.leaf}, {self.sample}, {self.rounds}, "
                f"{self.threads}"
            )
        if self.factor is not None and not self.factor > 0:
            raise InputError(f"factor must be above 0, not {self.factor}")

    def grow(self, count: int, rows: Rows, run: Run | None = None) -> Tree:
        """The tree over the points 0 to `count` - 1."""
        run = run or Run()
        factor = self.factor if self.factor is not None else self._evenest(count, rows)
        centre, size, first, children = [0], [count], [0], [0]
        frontier = [(0, np.arange(count))]
        done = 0
        with ThreadPoolExecutor(self.threads) as pool:
            while frontier:
                wide = [(node, points) for node, points in frontier if len(points) > self.leaf]
                done += sum(len(points) for _, points in frontier) - sum(len(points) for _, points in wide)
                frontier = []
                for start in range(0, len(wide), 256):
                    part = wide[start : start + 256]
                    run.report("clustering", done, count)
                    split = pool.map(lambda one: self._split(one[1], rows, factor, self.seed + one[0]), part)
                    for (node, _), groups in zip(part, split, strict=True):
                        if len(groups) < 2:  # the points are all alike
                            continue
                        first[node], children[node] = len(size), len(groups)
                        for points, middle in groups:
                            frontier.append((len(size), points))
                            centre.append(middle)
                            size.append(len(points))
                            first.append(0)
                            children.append(0)
        run.report("clustering", count, count)
        if len(centre) > 1:
            centre[0] = centre[1]
        columns = (np.array(column, np.int64) for column in (centre, size, first, children))
        return Tree(*columns)

    def _parts(self, count: int) -> int:
        return int(min(self.k, max(2, count // self.leaf)))

    def _evenest(self, count: int, rows: Rows) -> float:
        """The factor that makes the evenest clusters of a sample of all points."""
        if count <= self.leaf:  # nothing is split
            return 1.0
        points = np.sort(np.random.default_rng(self.seed).permutation(count)[: self.sample])
        if len(points) < 2:
            return FACTORS[0]
        part = rows(points)
        spreads = []
        for factor in FACTORS:
            labels = _labels(part, self._centres(part, factor, self.seed))[0]
            sizes = np.bincount(labels)
            spreads.append(float(sizes.std() / sizes.mean()))
        return FACTORS[int(np.argmin(spreads))]

    def _centres(self, part: NDArray[np.float32], factor: float, seed: int) -> NDArray[np.float32]:
        centres = np.zeros((self._parts(len(part)), part.shape[1]), np.float32)
        norms = np.empty(len(part), np.float32)
        lengths(part, norms)
        means(part, norms, self.sample, factor, 3, self.rounds, 5, seed, centres)
        return centres

    def _split(self, points: NDArray[np.int64], rows: Rows, factor: float, seed: int) -> list[tuple[NDArray[np.int64], int]]:
        """The parts of a cluster, each with the point that stands for it."""
        step = max(1, len(points) // GATHERED)
        whole = rows(points) if len(points) <= BLOCK else None
        part = whole[::step] if whole is not None and step > 1 else whole if whole is not None else rows(points[::step])
        centres = self._centres(np.ascontiguousarray(part), factor, seed)
        blocks = [(0, len(points))] if whole is not None else [
            (start, min(start + BLOCK, len(points))) for start in range(0, len(points), BLOCK)
        ]  # fmt: skip
        nearest, labels = np.zeros(len(centres), np.int64), np.empty(len(points), np.int32)
        least = np.full(len(centres), np.inf, np.float32)
        for start, stop in blocks:
            block = whole if whole is not None else rows(points[start:stop])
            found, near = _labels(block, centres)
            order = np.lexsort((near, found))
            owners, places = np.unique(found[order], return_index=True)
            for owner, at in zip(owners.tolist(), order[places].tolist(), strict=True):
                if near[at] < least[owner]:
                    least[owner], nearest[owner] = near[at], start + at
        kept = np.unique(nearest[np.isfinite(least)])
        middles = rows(points[kept])
        for start, stop in blocks:
            block = whole if whole is not None else rows(points[start:stop])
            labels[start:stop] = _labels(block, middles)[0]
        order = np.argsort(labels, kind="stable")
        cuts = np.searchsorted(labels[order], np.arange(1, len(kept)))
        groups = np.split(points[order], cuts)
        return [(group, int(points[middle])) for group, middle in zip(groups, kept.tolist(), strict=True) if len(group)]


def _labels(rows: NDArray[np.float32], centres: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The nearest centre of each row, and its squared distance."""
    norms, centre_norms = np.empty(len(rows), np.float32), np.empty(len(centres), np.float32)
    rows, centres = np.ascontiguousarray(rows), np.ascontiguousarray(centres)
    lengths(rows, norms)
    lengths(centres, centre_norms)
    labels, near = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
    assign(rows, norms, centres, centre_norms, np.zeros(len(centres), np.float32), labels, near)
    return labels, near
