"""Splitting a list that is full in two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 10
SMALLEST = 0.25  # share of a list that the smaller half has, at least


def halved(rows: NDArray[np.float32], most: int, seed: int = 0) -> NDArray[np.bool_]:
    """Two balanced clusters of vectors (points, dim): which points are in the second; neither has more than `most`, if both together hold all.

    Means that begin with two points far apart; the border is moved where a half would be smaller than a quarter. Equal points are dealt evenly.

    >>> halved(np.array([[0.0], [5.0], [0.1], [5.1]], np.float32), 3).tolist() in ([True, False, True, False], [False, True, False, True])
    True
    """
    count = len(rows)
    least = max(int(count * SMALLEST), count - most, 1)
    start = int(np.random.default_rng(seed).integers(count))
    one = rows[np.argmax(_squares(rows, rows[start]))]
    other = rows[np.argmax(_squares(rows, one))]
    second = np.zeros(count, np.bool_)
    for _ in range(ROUNDS):
        nearer = _squares(rows, other) - _squares(rows, one)
        size = min(max(int((nearer < 0).sum()), least), count - least)
        now = np.zeros(count, np.bool_)
        now[np.argsort(nearer, kind="stable")[:size]] = True
        if np.array_equal(now, second):
            break
        second = now
        one, other = rows[~second].mean(axis=0), rows[second].mean(axis=0)
    return second


def parted(rows: NDArray[np.float32], most: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """The points of clusters of up to `most` each, two or more; found by splitting again what is still too large."""
    waiting: list[NDArray[np.int64]] = [np.arange(len(rows))]
    done: list[NDArray[np.int64]] = []
    while waiting:
        points = waiting.pop()
        second = halved(rows[points], max(most, len(points) // 2 + 1), seed)
        for part in (points[~second], points[second]):
            (done if len(part) <= most else waiting).append(part)
    return done


def _squares(rows: NDArray[np.float32], point: NDArray[np.float32]) -> NDArray[np.float32]:
    apart = rows - point
    return np.asarray(np.einsum("ij,ij->i", apart, apart), np.float32)
