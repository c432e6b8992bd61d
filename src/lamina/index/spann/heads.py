"""Choosing the points that stand for the lists out of a tree of clusters.

Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021 (and its published code).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.kernels.clusters import walk
from lamina.index.spann.clustering import Tree


def choose_heads(tree: Tree, ratio: float) -> NDArray[np.int64]:
    """Points, ascending, about `ratio` of all: one for so many that are not covered from below, more where a cluster is large.

    A walk from below gives each cluster its own centre and the points that its children left uncovered. From a threshold on its centre is chosen,
    from a second one on also the centres of its largest children, and it counts as covered. Both thresholds are searched so that as many heads
    come out as are wanted.

    >>> rows = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    >>> from lamina.index.spann.clustering import BalancedTree
    >>> heads = choose_heads(BalancedTree().grow(1000, lambda points: rows[points]), 0.1)
    >>> 80 < len(heads) < 120
    True
    """
    if not 0 < ratio <= 1:
        raise InputError(f"the share of heads lies above 0 and up to 1, not {ratio}")
    wanted = max(1, round(ratio * int(tree.size[0])))
    part = max(2, round(1 / ratio))
    best = np.array([int(tree.centre[0])], np.int64)
    for select in sorted({max(2, round(share / ratio)) for share in (0.25, 0.5, 0.75, 1, 1.5, 2)}):
        low, high = part, int(tree.size[0]) + 1
        while True:
            split = (low + high) // 2
            heads = _walk(tree, select, split, part)
            if abs(len(heads) - wanted) < abs(len(best) - wanted):
                best = heads
            if high - low <= 1:
                break
            low, high = (split, high) if len(heads) > wanted else (low, split)
    return best


def _walk(tree: Tree, select: int, split: int, part: int) -> NDArray[np.int64]:
    heads = np.empty(2 * len(tree.size), np.int64)
    count = walk(tree.centre, tree.size, tree.first, tree.children, select, split, part, heads)
    return np.unique(heads[:count])
