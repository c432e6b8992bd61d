"""Searches in the graph among allowed nodes only: all neighbours are looked at, or the allowed ones within two hops.

A query whose work passes a bound is ended, and that is said: the caller then compares everything allowed instead, so that a bad guess costs no more
than about twice that. The start from a sample of allowed nodes is an addition to the source of the two hops (`lamina.index.kernels.among`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.among import grow_among, sift_up
from lamina.index.kernels.distances import Graph, distance
from lamina.index.kernels.guessing import Guess
from lamina.index.kernels.intrinsics import as_distance, as_key
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH
from lamina.index.kernels.querying import FAILED, refine
from lamina.index.kernels.search import LOW, ONE, descend, place


@compiled
def search_allowed(
    graph: Graph, top: int, entry: int, queries: Any, norms: Any, first: int, last: int, barred: Any, seeds: Any, starts: int, hops: int, ef: int,
    weight: float, bound: float, guess: Guess, visited: Any, epoch: int, keys: Any, counts: Any,
) -> int:  # fmt: skip
    """Search the graph for the queries first..last among the nodes that are not `barred` (nodes,) uint8; returns the epoch used last.

    `queries` (rows, width) of the type of the vectors, `norms` (rows,) float32; `seeds` (any,) int32 allowed nodes, of which the `starts` nearest
    join the entry; `hops`: 0 compares every neighbour, h > 0 allowed ones only, of up to two hops, until there are h; `guess` of the queries, with
    sketches or without; `visited` (nodes,) uint8.
    Written: `keys` (rows, want), nearest first, as far as there are some; `counts` (rows, 3) int64: how many (-1: the work passed `bound`),
    nodes looked at, lists.
    """
    width = graph.links.shape[1]
    want = keys.shape[1]
    pool = np.empty(ef, np.uint64)
    heap = np.empty(4 * ef + starts + width + 64, np.uint64)
    twins = np.empty(0, np.int32)
    fresh = np.empty(max(hops, 0) + 2 * width, np.int32)
    bridges = np.empty(width, np.int32)
    best = np.empty(max(starts, 1), np.uint64)
    stride = queries.shape[1] * queries.itemsize
    for q in range(first, last):
        if epoch == LAST_EPOCH:
            visited[:] = 0
            epoch = 0
        epoch += 1
        query = queries.ctypes.data + np.intp(q) * stride
        current, d, computed = descend(graph, top, entry, query, norms[q], 0)
        visited[current] = np.uint8(epoch)
        key = as_key(d, np.uint32(current << 1))
        heap[0] = key
        waiting = 1
        count = 0
        if not barred[current]:
            pool[0] = key
            count = 1
        found = 0
        for s in range(seeds.shape[0]):
            node = seeds[s]
            if starts == 0 or visited[node] == epoch:
                continue
            key = as_key(distance(graph, node, query, norms[q]), np.uint32(node << 1))
            computed += 1
            if found < starts or key < best[found - 1]:
                place(best, found, starts, key)
                found = min(found + 1, starts)
        for s in range(found):
            node = np.int64((best[s] & LOW) >> ONE)
            if visited[node] == epoch:  # drawn twice
                continue
            visited[node] = np.uint8(epoch)
            sift_up(heap, waiting, best[s])
            waiting += 1
            if count < ef:
                place(pool, count, ef, best[s])
                count += 1
            elif best[s] < pool[count - 1]:
                place(pool, count, ef, best[s])
        count, more, lists = grow_among(
            graph, query, norms[q], barred, twins, hops, pool, count, ef, heap, waiting, visited, np.uint8(epoch), fresh, bridges, weight, bound, guess,
            q,
        )  # fmt: skip
        counts[q, 0] = min(count, want)
        counts[q, 1] = computed + more
        counts[q, 2] = lists
        for j in range(min(count, want)):
            keys[q, j] = pool[j]
    return epoch


@compiled
def fold(slot_of: Any, dead: Any, allow: Any, count: int, mask: Any, nodes: Any) -> int:
    """Fold a mask over slots to the first `count` nodes: `mask` (nodes,) and the allowed `nodes`; returns how many these are."""
    m = 0
    slots = allow.shape[0]
    for node in range(count):
        slot = slot_of[node]
        passes = np.uint8(0)
        if 0 <= slot < slots:
            passes = np.uint8(allow[slot] != 0) & np.uint8(dead[node] == 0)
        mask[node] = passes
        nodes[m] = node
        m += np.int64(passes)
    return m


@compiled
def answers(
    keys: Any, counts: Any, rerank: int, full: Any, handle: int, start: int, full_queries: Any, euclidean: bool, nodes: Any, near: Any,
) -> bool:  # fmt: skip
    """Turn sorted keys into `nodes` (queries, k) int64 and distances `near`; with `rerank` > 0 the best so many are ordered by their full rows.

    False where a row could not be read. For the full rows see `lamina.index.kernels.querying.refine`.
    """
    size = full_queries.shape[1] * 2
    for q in range(keys.shape[0]):
        count = counts[q, 0]
        if rerank and count > 0:
            at = full_queries.ctypes.data + np.intp(q) * size
            count = refine(keys[q], count, nodes.shape[1], rerank, full, handle, start, at, euclidean)
            if count == FAILED:
                return False
        for j in range(min(count, nodes.shape[1])):
            nodes[q, j] = np.int64((keys[q, j] & LOW) >> ONE)
            near[q, j] = as_distance(keys[q, j])
    return True
