"""Distances between a query and nodes, between nodes, and the rule of relative neighbourhood that chooses among them.

Sources of the rule: G. T. Toussaint, "The relative neighbourhood graph of a finite planar set", 1980; its use for links: Yu. A. Malkov and
D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2018; for copies in
several lists: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lamina.index.kernels.intrinsics import inner_product
from lamina.index.kernels.jit import compiled


class Graph(NamedTuple):
    """The arrays of a layered proximity graph; all have room for more nodes than there are.

    Parameters:
        vectors: (nodes, width), C-contiguous: float32, uint16 (the bits of float16), or int8. Components beyond the dimension are 0.
        norms: float32 squared lengths (nodes,), for squared Euclidean distance; of shape (0,) for the negative inner product.
        links: (nodes, 1 + 2M) int32: how many neighbours a node has in the bottom layer, then which.
        upper: (rows, 1 + M) int32: the same of the layers above; the row of a node in layer l ≥ 1 is `upper_at[node] + l - 1`.
        upper_at: (nodes,) int64.
        levels: (nodes,) int8, the highest layer of each node.
    """

    vectors: Any
    norms: Any
    links: Any
    upper: Any
    upper_at: Any
    levels: Any


@compiled
def distance(graph: Graph, node: int, query: int, norm: float) -> float:
    """Distance of a node to the row at the address `query`, whose squared length is `norm` (not looked at for inner products)."""
    vectors = graph.vectors
    stride = vectors.shape[1] * vectors.itemsize
    product = inner_product(vectors, vectors.ctypes.data + np.intp(node) * stride, query, vectors.shape[1])
    if graph.norms.shape[0]:
        return norm + graph.norms[node] - 2 * product
    return -product


@compiled
def between(graph: Graph, one: int, other: int) -> float:
    """Distance of two nodes."""
    vectors = graph.vectors
    norm = graph.norms[other] if graph.norms.shape[0] else np.float32(0)
    return distance(graph, one, vectors.ctypes.data + np.intp(other) * vectors.shape[1] * vectors.itemsize, norm)


@compiled
def select(graph: Graph, near: Any, nodes: Any, count: int, most: int, factor: float, out: Any) -> int:
    """Choose up to `most` of `count` candidates that lie in different directions; returns how many stand in `out`.

    `nodes` with their distances `near`, nearest first. A candidate stays unless one that was kept is nearer to it than what it is a candidate
    for is: `factor` · d(kept, candidate) < d(it, candidate).
    """
    vectors, norms = graph.vectors, graph.norms
    width, euclidean = vectors.shape[1], norms.shape[0] > 0
    stride = width * vectors.itemsize
    base = vectors.ctypes.data
    kept = 0
    for c in range(count):
        if kept == most:
            break
        good = True
        row = base + np.intp(nodes[c]) * stride
        for j in range(kept):
            d = -inner_product(vectors, base + np.intp(out[j]) * stride, row, width)
            if euclidean:
                d = norms[nodes[c]] + norms[out[j]] + 2 * d
            if np.float32(factor) * d < near[c]:
                good = False
                break
        if good:
            out[kept] = nodes[c]
            kept += 1
    return kept
