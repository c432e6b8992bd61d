"""Batches of queries in one call: down the layers, through the bottom layer, and the best once more by their full rows.

Nodes that are barred (dead, or not allowed) are passed through but never returned; the search goes on until it has found as many others as it
is to keep. Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small
World graphs", 2018. Full rows are read by `pread`: pages that are mapped would count as memory of the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from lamina.index.kernels.distances import Graph, distance
from lamina.index.kernels.guessing import PLANES, WORDS, Guess, promising
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH
from lamina.index.kernels.search import LINES, LOW, ONE, descend, grow, place, unvisited
from lamina.index.kernels.twins import shut, unfold

pread = types.ExternalFunction("pread", types.int64(types.int32, types.intp, types.uint64, types.int64))
JUDGED = 8  # rows, at least, that tell how far off the keys are
FAILED = -1  # instead of a count: a row could not be read


@compiled
def sift_up(heap: Any, size: int, key: int) -> None:
    """Put a key into a binary heap of `size` keys, smallest first."""
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap[above] <= key:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = key


@compiled
def take_first(heap: Any, size: int) -> int:
    """Take the smallest of `size` keys out of a heap."""
    first = heap[0]
    last = heap[size - 1]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size - 1:
            break
        if below + 1 < size - 1 and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= last:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = last
    return first


@compiled
def grow_past(
    graph: Graph, query: int, norm: float, barred: Any, twins: Any, start: int, best: float, pool: Any, ef: int, visited: Any, epoch: int,
    fresh: Any, guess: Guess, q: int,
) -> tuple[int, int]:  # fmt: skip
    """The same as `grow` where some nodes are `barred` (nodes,) uint8: these lead on but do not enter the pool, unless one of
    their `twins` is not barred (see `lamina.index.kernels.twins`; of shape (0,) where there are none).

    Begins at `start`, whose distance is `best`; `guess` may be without sketches. Returns how many keys the pool holds, nearest first, and how many
    distances were computed.
    """
    links, norms = graph.links, graph.norms
    euclidean = norms.shape[0] > 0
    stride = graph.vectors.shape[1] * graph.vectors.itemsize
    base = graph.vectors.ctypes.data
    lines = min((stride + 63) // 64, LINES)
    bits, steps, sketched = guess.bits.ctypes.data, guess.bits.shape[1] // WORDS, guess.bits.shape[0]
    plane = guess.planes.ctypes.data + np.intp(q) * guess.planes.shape[1] * PLANES * 8
    scale, whole, shift = np.float32(0), np.float32(0), np.float32(0)
    if sketched:
        scale, whole, shift = guess.scales[q], guess.wholes[q], guess.bases[q]
    heap = np.empty(4 * ef + 64, np.uint64)
    key = as_key(best, np.uint32(start << 1))
    heap[0] = key
    size, count, computed = 1, 0, 0
    visited[start] = epoch
    if not shut(barred, twins, start):
        pool[0] = key
        count = 1
    while size > 0:
        key = take_first(heap, size)
        size -= 1
        if count == ef and key > pool[count - 1]:
            break
        m = unvisited(links, np.int64((key & LOW) >> ONE), visited, epoch, fresh)
        if sketched and count == ef:
            limit = as_distance(pool[count - 1])
            limit = (np.float32(0.5) * (limit - norm) if euclidean else limit) - shift
            guess.spared[0] += m
            m = promising(fresh, m, bits, steps, sketched, guess.factors, norms, plane, scale, whole, limit, base, stride, lines)
            guess.spared[0] -= m
        else:
            for j in range(m):
                at = base + np.intp(fresh[j]) * stride
                for t in range(lines):
                    fetch_ahead(at + t * 64)
        computed += m
        for j in range(m):
            neighbour = np.int64(fresh[j])
            key = as_key(distance(graph, neighbour, query, norm), np.uint32(neighbour << 1))
            if count == ef and key >= pool[count - 1]:
                continue
            if size == heap.shape[0]:
                wider = np.empty(2 * size, np.uint64)
                wider[:size] = heap
                heap = wider
            sift_up(heap, size, key)
            size += 1
            if not shut(barred, twins, neighbour):
                place(pool, count, ef, key)
                if count < ef:
                    count += 1
    return count, computed


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
            count, computed = grow_past(
                graph, query, norm, barred, twins, current, best, pool, ef, visited, np.uint8(epoch), fresh, guess, q
            )
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
