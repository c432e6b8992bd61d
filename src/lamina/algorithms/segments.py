"""Cutting a sequence of vectors into contiguous segments, each as much of one kind as can be, and how many there are.

Sources: the best cuts by dynamic programming (W. D. Fisher, "On Grouping for Maximum Homogeneity", 1958); their number where they gain most over the same rows in
random order (after R. Tibshirani, G. Walther, T. Hastie, "Estimating the Number of Clusters in a Data Set via the Gap Statistic", 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def best_cuts(vectors: NDArray[np.floating], most: int) -> tuple[FloatArray, list[IntArray]]:
    """The least spread of 1 to `most` segments of some rows (n, dim), and where each begins but the first.

    A segment's spread is the sum of the squared distances of its rows from their mean. O(n² · (dim + most)) time.

    >>> best_cuts(np.array([[0.0], [0.0], [5.0], [5.0]]), 2)[1][1]
    array([2])
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError("rows to be cut must be a matrix of finite numbers")
    size = len(rows)
    if not 1 <= most <= max(size, 1):
        raise InputError(f"the number of segments must lie between 1 and the {size} rows, not {most}")
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((rows**2).sum(axis=1))])
    inner = sums @ sums.T
    norm = np.diag(inner)
    length = np.maximum(np.arange(size + 1)[None] - np.arange(size + 1)[:, None], 1)
    spread = squares[None] - squares[:, None] - (norm[None] + norm[:, None] - 2 * inner) / length  # (start, end)
    spread[np.tril_indices(size + 1)] = np.inf
    cost = spread[0].copy()
    cost[0] = 0.0 if not size else np.inf
    costs, before = [float(cost[size])], [np.zeros(size + 1, np.int64)]
    for _ in range(most - 1):
        tried = cost[:, None] + spread
        before.append(tried.argmin(axis=0))
        cost = tried.min(axis=0)
        costs.append(float(cost[size]))
    found = []
    for parts in range(1, most + 1):
        cuts, end = [], size
        for step in range(parts - 1, 0, -1):
            end = int(before[step][end])
            cuts.append(end)
        found.append(np.array(cuts[::-1], np.int64))
    return np.array(costs), found


@dataclass(frozen=True)
class Segmentation:
    """Finds segments and how many there are.

    Parameters: `most` segments; `shuffles`, in how many random orders the rows are cut for comparison; `seed` of these. Raises `InputError` for values below 1.

    >>> Segmentation().cuts(np.repeat(np.eye(3), 6, axis=0))
    array([ 6, 12])
    """

    most: int = 12
    shuffles: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.most, self.shuffles) < 1:
            raise InputError("most and shuffles must be at least 1")

    def cuts(self, vectors: NDArray[np.floating], count: int | None = None) -> IntArray:
        """Where segments of rows (n, dim) begin, but the first; `count` segments where it is given."""
        size = len(vectors)
        if count is not None:
            return best_cuts(vectors, count)[1][-1]
        most = min(self.most, max(size // 2, 1))
        costs, found = best_cuts(vectors, most)
        chance = np.random.default_rng(self.seed)
        mixed = np.mean([best_cuts(vectors[chance.permutation(size)], most)[0] for _ in range(self.shuffles)], axis=0)
        gap = np.round(mixed - costs, 9)
        return found[int(gap.argmax())]
