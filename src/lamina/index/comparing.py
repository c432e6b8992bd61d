"""Comparing queries with every one of some vectors, a block at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 14  # vectors read at a time

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]


def compare(
    queries: NDArray[np.float32], k: int, slots: NDArray[np.int64], rows: Rows, *, euclidean: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best `k` of some slots with their scores, -1 and -inf where there are fewer, shape (queries, k).

    Scores are negative squared distances (`euclidean`) or inner products; of equal ones the slot named first comes first.

    >>> table = np.eye(3, dtype=np.float32)
    >>> compare(table[:1], 2, np.array([2, 0]), lambda some: table[some], euclidean=True)[0].tolist()
    [[0, 2]]
    """
    found, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(slots), BLOCK):
        part = slots[start : start + BLOCK]
        block = rows(part)
        given = queries @ block.T
        if euclidean:
            lengths = np.einsum("ij,ij->i", block, block) + np.einsum("ij,ij->i", queries, queries)[:, None]
            given = -np.maximum(lengths - 2 * given, 0)
        both = np.concatenate([scores, given], axis=1)
        names = np.concatenate([found, np.broadcast_to(part, given.shape)], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(both, order, 1), np.take_along_axis(names, order, 1)
    return found, scores
