"""Linking in batches: many nodes look for their neighbours in the graph as it was, then all links are made at once.

What comes out does not depend on how many threads shared the work. Source of the rules: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust
approximate nearest neighbor search using Hierarchical Navigable Small World graphs", 2018; the batches are an addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph, select
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.search import LINES, LOW, ONE, descend, grow, grow_upper

LAST_EPOCH = 255


@compiled
def choose(graph: Graph, near: Any, nodes: Any, count: int, most: int, simple: bool, out: Any) -> int:
    """Whom a node links to: all of a short list, else those in different directions (`simple`: the nearest)."""
    if count < most or simple:
        kept = min(count, most)
        for j in range(kept):
            out[j] = nodes[j]
        return kept
    return select(graph, near, nodes, count, most, np.float32(1), out)


@compiled
def plan(
    graph: Graph, start: int, first: int, last: int, top: int, entry: int, most: int, efc: int, simple: bool, mates: Any, visited: Any,
    epoch: int, chosen: Any, chosen_upper: Any,
) -> int:  # fmt: skip
    """Decide whom the nodes first..last of a batch that begins at `start` will link to; returns the epoch used last.

    `mates` (batch, batch) float32: distances within the batch, whose nodes the graph does not hold yet (of shape (0, 0): they are not looked at).
    Written: `chosen` (batch, 1 + most), and the nodes' rows of `chosen_upper`, which is of the shape of `graph.upper`.
    """
    vectors = graph.vectors
    stride = vectors.shape[1] * vectors.itemsize
    room = efc + mates.shape[1]
    pool = np.empty(efc, np.uint64)
    fresh = np.empty(graph.links.shape[1] + 1, np.int32)
    near, nodes, out = np.empty(room, np.float32), np.empty(room, np.int32), np.empty(most, np.int32)
    for node in range(first, last):
        query = vectors.ctypes.data + np.intp(node) * stride
        norm = graph.norms[node] if graph.norms.shape[0] else np.float32(0)
        level = np.int64(graph.levels[node])
        current, best, _ = descend(graph, top, entry, query, norm, level)
        for layer in range(min(top, level), -1, -1):
            if epoch == LAST_EPOCH:
                visited[:] = 0
                epoch = 0
            epoch += 1
            visited[current] = np.uint8(epoch)
            pool[0] = as_key(best, np.uint32(current << 1))
            if layer:
                count = grow_upper(graph, layer, query, norm, pool, 1, efc, visited, np.uint8(epoch))
            else:
                count, _ = grow(graph, query, norm, pool, 1, efc, visited, np.uint8(epoch), fresh)
            current = np.int64((pool[0] & LOW) >> ONE)
            best = as_distance(pool[0])
            for j in range(count):
                near[j] = as_distance(pool[j])
                nodes[j] = np.int32((pool[j] & LOW) >> ONE)
            if layer == 0 and mates.shape[0]:
                worst, full = near[count - 1], count >= efc
                for other in range(mates.shape[1]):
                    d = mates[node - start, other]
                    if start + other == node or (full and d >= worst):
                        continue
                    at = count
                    while at > 0 and near[at - 1] > d:
                        near[at], nodes[at] = near[at - 1], nodes[at - 1]
                        at -= 1
                    near[at], nodes[at] = d, start + other
                    count += 1
                count = min(count, efc)
            kept = choose(graph, near, nodes, count, most, simple, out)
            if layer == 0:
                chosen[node - start, 0] = kept
                for j in range(kept):
                    chosen[node - start, j + 1] = out[j]
            else:
                row = graph.upper_at[node] + layer - 1
                chosen_upper[row, 0] = kept
                for j in range(kept):
                    chosen_upper[row, j + 1] = out[j]
    return epoch


@compiled
def add_link(graph: Graph, row: Any, most: int, target: int, source: int, simple: bool, near: Any, nodes: Any, out: Any) -> None:
    """Put `source` into the list of `target` (a row: the count first); where it is full, the rule decides who stays."""
    count = row[0]
    for j in range(1, count + 1):
        if row[j] == source:
            return
    if count < most:
        row[count + 1] = source
        row[0] = count + 1
        return
    vectors, norms = graph.vectors, graph.norms
    width, euclidean = vectors.shape[1], norms.shape[0] > 0
    stride = width * vectors.itemsize
    base = vectors.ctypes.data
    lines = min((stride + 63) // 64, LINES)
    for j in range(1, count + 1):
        at = base + np.intp(row[j]) * stride
        for t in range(lines):
            fetch_ahead(at + t * 64)
    for j in range(count + 1):
        neighbour = source if j == count else row[j + 1]
        d = -inner_product(vectors, base + np.intp(neighbour) * stride, base + np.intp(target) * stride, width)
        if euclidean:
            d = norms[target] + norms[neighbour] + 2 * d
        at = j
        while at > 0 and near[at - 1] > d:
            near[at], nodes[at] = near[at - 1], nodes[at - 1]
            at -= 1
        near[at], nodes[at] = d, neighbour
    kept = choose(graph, near, nodes, count + 1, most, simple, out)
    row[0] = kept
    for j in range(kept):
        row[j + 1] = out[j]


@compiled
def join(graph: Graph, start: int, stop: int, simple: bool, chosen: Any, chosen_upper: Any, part: int, parts: int) -> None:
    """Make the links of a batch; of the lists, only those of nodes in `part` of `parts` are touched."""
    links, upper = graph.links, graph.upper
    widest, most = links.shape[1] - 1, upper.shape[1] - 1
    near, nodes, out = np.empty(widest + 1, np.float32), np.empty(widest + 1, np.int32), np.empty(widest + 1, np.int32)
    for node in range(start, stop):
        mine = node % parts == part
        for j in range(1, chosen[node - start, 0] + 1):
            target = np.int64(chosen[node - start, j])
            if mine:
                add_link(graph, links[node], widest, node, target, simple, near, nodes, out)
            if target % parts == part:
                add_link(graph, links[target], widest, target, node, simple, near, nodes, out)
        for layer in range(1, graph.levels[node] + 1):
            row = graph.upper_at[node] + layer - 1
            if mine:
                for j in range(chosen_upper[row, 0] + 1):
                    upper[row, j] = chosen_upper[row, j]
            for j in range(1, chosen_upper[row, 0] + 1):
                target = np.int64(chosen_upper[row, j])
                if target % parts == part:
                    add_link(graph, upper[graph.upper_at[target] + layer - 1], most, target, node, simple, near, nodes, out)
