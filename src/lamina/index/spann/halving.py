"""Dividing the vectors of a list that has grown too long, evenly enough that the parts are short.

Source: Y. Xu et al., "SPFresh: Incremental In-Place Update for Billion-Scale Vector Search", 2023 (a split is balanced 2-means). That no part
falls below a share, by cutting the vectors in order of how much nearer they are to the one centre, is our way of balancing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDS = 12


def halve(rows: NDArray[np.float32], share: float = 0.25) -> NDArray[np.bool_]:
    """Which of the rows (count, dim), at least two, go into the second of two parts, neither smaller than `share` of them.

    >>> halve(np.array([[0, 0], [0, 1], [9, 0], [9, 1], [8, 0]], np.float32)).tolist() in ([False, False, True, True, True], [True, True, False, False, False])
    True
    """
    count = len(rows)
    least = max(1, int(share * count))
    wide = np.asarray(rows, np.float64)
    first = wide[np.argmax(((wide - wide.mean(axis=0)) ** 2).sum(axis=1))]
    second = wide[np.argmax(((wide - first) ** 2).sum(axis=1))]
    after = np.zeros(count, np.bool_)
    for _ in range(ROUNDS):
        nearer = ((wide - first) ** 2).sum(axis=1) - ((wide - second) ** 2).sum(axis=1)  # negative: nearer to the first
        order = np.argsort(nearer, kind="stable")
        cut = min(max(int((nearer < 0).sum()), least), count - least)
        before, after = after, np.zeros(count, np.bool_)
        after[order[cut:]] = True
        if (before == after).all():
            break
        first, second = wide[~after].mean(axis=0), wide[after].mean(axis=0)
    return after


def divide(rows: NDArray[np.float32], most: int) -> list[NDArray[np.int64]]:
    """Which rows go into each part: of up to `most` rows, halved until they are.

    >>> [len(part) for part in divide(np.zeros((5, 2), np.float32), 2)]
    [2, 1, 2]
    """
    parts, waiting = [], [np.arange(len(rows))]
    while waiting:
        part = waiting.pop()
        if len(part) <= most:
            parts.append(part)
            continue
        after = halve(rows[part])
        waiting += [part[after], part[~after]]
    return parts


def middle(rows: NDArray[np.float32]) -> int:
    """The row nearest to the mean of all.

    >>> middle(np.array([[0.0], [4.0], [1.0]], np.float32))
    2
    """
    wide = np.asarray(rows, np.float64)
    return int(np.argmin(((wide - wide.mean(axis=0)) ** 2).sum(axis=1)))
