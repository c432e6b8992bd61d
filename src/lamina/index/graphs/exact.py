"""Scores of all of some nodes: for what a graph cannot find, and where few nodes are in question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.index.graphs.layers import Snapshot, rows_of

BLOCK = 1 << 13  # nodes scored at a time


def best_of(
    now: Snapshot, queries: NDArray[np.float32], nodes: NDArray[np.int64], k: int, euclidean: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k of `nodes` for each query with their scores, -1 and -inf where there are fewer."""
    found = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(nodes), BLOCK):
        part = nodes[start : start + BLOCK]
        rows = rows_of(now, part)
        given = queries @ rows.T
        if euclidean:
            lengths = np.einsum("ij,ij->i", rows, rows)
            given = -np.maximum(np.einsum("ij,ij->i", queries, queries)[:, None] + lengths - 2 * given, 0)
        both = np.concatenate([scores, given], axis=1)
        named = np.concatenate([found, np.broadcast_to(part, given.shape)], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(both, order, 1), np.take_along_axis(named, order, 1)
    return found, scores
