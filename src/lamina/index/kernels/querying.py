"""Batches of queries in one call: down the layers, through the bottom layer, and the best once more by their full rows.

Nodes that are barred (dead, or not allowed) are passed through but never returned; the search goes on until it has found as many others as it
is to keep. Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
World graphs", 2018. Full rows are read by `pread`: pages that are mapped would count as memory of the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lamina.index.kernels.among import grow_among
from lamina.index.kernels.distances import Graph
from lamina.index.kernels.guessing import Guess
from lamina.index.kernels.intrinsics import as_distance, as_key, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH
from lamina.index.kernels.search import LOW, ONE, descend, grow, place
from lamina.index.kernels.twins import shut, unfold

pread = types.ExternalFunction("pread", types.int64(types.int32, types.intp, types.uint64, types.int64))
JUDGED = 8  # rows, at least, that tell how far off the keys are
FAILED = -1  # instead of a count: a row could not be read


@compiled
def refine(pool: Any, count: int, k: int, rerank: int, full: Any, handle: int, start: int, query: int, euclidean: bool) -> int:
    """Order up to `rerank` keys of a pool by the rows as float16, and cut it there; returns how many are left, or FAILED.

    The first k rows (at least 8) tell how far the keys' distances are from those of the rows (these are in proportion): what lies farther beyond the k-th
    best than twice the largest error seen is not read. `full` (nodes, dim) uint16 holds the rows; where it has none, they lie in the file
    `handle` from byte `start` on. `query` is the address of the query in float16.
    """
    width = full.shape[1]
    size = width * 2
    row = np.empty(width, np.uint16)
    norm = inner_product(full, query, query, width) if euclidean else np.float32(0)
    count = min(count, rerank)
    first = min(max(k, JUDGED), count)
    coded, exact = np.empty(first, np.float32), np.empty(first, np.float32)
    scale, error = np.float32(0), np.float32(1e30)
    for j in range(count):
        near = as_distance(pool[j])
        if j == first:
            products, squares = np.float32(0), np.float32(0)
            for i in range(first):
                products += coded[i] * exact[i]
                squares += coded[i] * coded[i]
            if squares > 0:
                scale, error = products / squares, np.float32(0)
                for i in range(first):
                    error = max(error, abs(exact[i] - scale * coded[i]))
        if j >= first and scale * near - (error + error) > as_distance(pool[k - 1]):
            return j
        node = np.int64((pool[j] & LOW) >> ONE)
        if full.shape[0]:
            at = full.ctypes.data + node * size
        else:
            at = row.ctypes.data
            if pread(handle, at, size, start + node * size) != size:
                return FAILED
        d = -inner_product(full, at, query, width)
        if euclidean:
            d = max(norm + (d + d) + inner_product(full, at, at, width), np.float32(0))
        if j < first:
            coded[j], exact[j] = near, d
        place(pool, j, count, as_key(d, np.uint32(node << 1)))
    return count


@compiled
def answer(
    graph: Graph, top: int, entry: int, queries: Any, norms: Any, barred: Any, twins: Any, ef: int, visited: Any, epoch: int,
    rerank: int, full: Any, handle: int, start: int, full_queries: Any, guess: Guess, nodes: Any, near: Any, found: Any,
) -> tuple[int, int]:  # fmt: skip
    """Search for many queries; returns the epoch used last and how many distances were computed.

    `queries` (queries, width) of the type of the vectors, with their squared lengths `norms` where these matter. `barred` (nodes,) uint8, or of
    shape (0,). Written: the best `nodes` (queries, k) with their distances `near`, and how many were `found` (queries,). With `rerank` > 0 the
    best so many are ordered by their full rows (see `refine`). `guess` has the queries and sketches, or none of these.
    """
    k = nodes.shape[1]
    pool = np.empty(ef, np.uint64)
    wide = np.empty(max(k, rerank) if twins.shape[0] else 0, np.uint64)
    fresh = np.empty(graph.links.shape[1] + 1, np.int32)
    heap = np.empty(4 * ef + 64 if barred.shape[0] else 0, np.uint64)
    stride = queries.shape[1] * queries.itemsize
    full_stride = full_queries.shape[1] * 2
    total = 0
    for q in range(queries.shape[0]):
        if epoch == LAST_EPOCH:
            visited[:] = 0
            epoch = 0
        epoch += 1
        query = queries.ctypes.data + q * stride
        norm = norms[q] if norms.shape[0] else np.float32(0)
        current, best, computed = descend(graph, top, entry, query, norm, 0)
        total += computed
        if barred.shape[0]:
            visited[current] = np.uint8(epoch)
            heap[0] = as_key(best, np.uint32(current << 1))
            count, before = 0, guess.spared[0]
            if not shut(barred, twins, current):
                pool[0] = heap[0]
                count = 1
            count, computed, _ = grow_among(
                graph, query, norm, barred, twins, 0, pool, count, ef, heap, 1, visited, np.uint8(epoch), fresh, fresh, 0.0,
                np.inf, guess, q,
            )  # fmt: skip
            computed -= guess.spared[0] - before
        else:
            visited[current] = np.uint8(epoch)
            pool[0] = as_key(best, np.uint32(current << 1))
            if guess.bits.shape[0]:
                count, computed = grow(graph, query, norm, pool, 1, ef, visited, np.uint8(epoch), fresh, guess, q)
            else:
                count, computed = grow(graph, query, norm, pool, 1, ef, visited, np.uint8(epoch), fresh)
        total += computed
        best_keys = pool
        if twins.shape[0]:
            count = unfold(pool, count, barred, twins, wide)
            best_keys = wide
        if rerank:
            at = full_queries.ctypes.data + q * full_stride
            count = refine(best_keys, count, k, rerank, full, handle, start, at, graph.norms.shape[0] > 0)
        found[q] = min(k, count)
        for j in range(min(k, count)):
            nodes[q, j] = np.int64((best_keys[j] & LOW) >> ONE)
            near[q, j] = as_distance(best_keys[j])
    return epoch, total


@compiled
def read_rows(handle: int, start: int, nodes: Any, out: Any) -> int:
    """Read the rows of `nodes` from a file of float16 rows into `out` (nodes, dim) uint16; returns how many could be read."""
    size = out.shape[1] * 2
    for j in range(nodes.shape[0]):
        if pread(handle, out.ctypes.data + j * size, size, start + nodes[j] * size) != size:
            return j
    return nodes.shape[0]
