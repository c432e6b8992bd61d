"""Agglomerative clustering of a matrix of distances: the two nearest clusters become one, again and again.

Source: the chain of nearest neighbours (F. Murtagh, "A Survey of Recent Advances in Hierarchical Clustering Algorithms", 1983),
which merges as the greedy algorithm does and takes quadratic time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

Linkage = Literal["complete", "average"]


@dataclass(frozen=True, eq=False)
class Merges:
    """What became one, in the order of the distance at which it did.

    `size`: how many rows were clustered; `pairs` (merges, 2): a row of each of the two clusters; `heights` (merges,), ascending.
    """

    size: int
    pairs: NDArray[np.int64]
    heights: NDArray[np.float64]

    def labels(self, threshold: float | None = None, clusters: int | None = None) -> NDArray[np.int64]:
        """The cluster of each row (size,), numbered by their first rows: merged where they are nearer than a threshold, or until so many are left.

        >>> Merges(3, np.array([[0, 2], [0, 1]]), np.array([0.1, 0.9])).labels(threshold=0.5)
        array([0, 1, 0])
        """
        if threshold is not None and clusters is None:
            last = int(np.searchsorted(self.heights, threshold, "left"))
        elif clusters is not None and threshold is None:
            if clusters < 1:
                raise InputError(f"the number of clusters must be at least 1, not {clusters}")
            last = max(self.size - clusters, 0)
        else:
            raise InputError("cut merges either at a threshold or at a number of clusters")
        parent = list(range(self.size))

        def root(row: int) -> int:
            while parent[row] != row:
                parent[row] = parent[parent[row]]
                row = parent[row]
            return row

        for one, other in self.pairs[:last].tolist():
            first, second = sorted((root(one), root(other)))
            parent[second] = first
        roots = [root(row) for row in range(self.size)]
        numbers = {one: number for number, one in enumerate(dict.fromkeys(roots))}
        return np.array([numbers[one] for one in roots], np.int64)


def check_distances(distance: NDArray[np.floating]) -> NDArray[np.floating]:
    """A copy of pairwise distances (n, n), symmetric to the last bit and nowhere below 0; `InputError` for anything else."""
    given = np.array(distance)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not np.issubdtype(given.dtype, np.floating):
        raise InputError(f"distances must be a square matrix of numbers, not {given.dtype} of shape {given.shape}")
    if not np.isfinite(given).all():
        raise InputError("distances must be finite in every place")
    if len(given) and not np.allclose(given, given.T, rtol=1e-4, atol=1e-5 * float(np.abs(given).max())):
        raise InputError("distances must be symmetric: that from i to j is that from j to i")
    np.maximum(given, given.T, out=given)
    return np.maximum(given, 0, out=given)


def agglomerate(distance: NDArray[np.floating], linkage: Linkage = "complete", ceiling: float = np.inf) -> Merges:
    """Merge rows with pairwise `distance` (n, n) while two clusters are nearer to each other than `ceiling`.

    The distance of two clusters is the largest ("complete") or the mean ("average") between their rows. Among equals the lower row
    wins. O(n²) time; the matrix is copied once. Rounding below 0 and small asymmetries are mended. Raises `InputError`
    for a matrix that is not square, symmetric and finite.

    >>> places = np.array([0.0, 1.0, 5.0, 6.5])
    >>> agglomerate(np.abs(places[:, None] - places)).heights
    array([1. , 1.5, 6.5])
    """
    if linkage not in get_args(Linkage):
        raise InputError(f"the linkage must be one of {', '.join(get_args(Linkage))}, not {linkage!r}")
    apart = check_distances(distance)  # (n, n)
    size = len(apart)
    np.fill_diagonal(apart, np.inf)
    open_ = np.ones(size, np.bool_)
    counts = np.ones(size)
    found: list[tuple[float, int, int]] = []
    chain: list[int] = []
    start = 0
    while True:
        if not chain:
            while start < size and not open_[start]:
                start += 1
            if start == size:
                break
            chain = [start]
        row = chain[-1]
        near = int(apart[row].argmin())
        height = float(apart[row, near])
        if len(chain) > 1 and apart[row, chain[-2]] <= height:
            near = chain[-2]
        if not height < ceiling:  # all distances only grow: nothing will come near it
            _close(apart, open_, row)
            chain.pop()
        elif len(chain) > 1 and near == chain[-2]:
            kept, gone = sorted((row, near))
            _join(apart, counts, kept, gone, linkage)
            _close(apart, open_, gone)
            found.append((height, kept, gone))
            del chain[-2:]
        else:
            chain.append(near)
    found.sort()
    pairs = np.array([(kept, gone) for _, kept, gone in found], np.int64).reshape(-1, 2)
    return Merges(size, pairs, np.array([height for height, _, _ in found], np.float64))


def _join(apart: NDArray[np.floating], counts: NDArray[np.float64], kept: int, gone: int, linkage: Linkage) -> None:
    """Make one row the union of two."""
    if linkage == "complete":
        joined = np.maximum(apart[kept], apart[gone])
    else:
        joined = (apart[kept] * counts[kept] + apart[gone] * counts[gone]) / (counts[kept] + counts[gone])
    joined[kept] = np.inf
    apart[kept] = joined
    apart[:, kept] = joined
    counts[kept] += counts[gone]


def _close(apart: NDArray[np.floating], open_: NDArray[np.bool_], row: int) -> None:
    """Take a row out of reach."""
    open_[row] = False
    apart[row] = np.inf
    apart[:, row] = np.inf
