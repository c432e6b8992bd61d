"""Search in the graph among the allowed nodes only: all neighbours are looked at, or the allowed ones within two hops.

Each kernel ends a query whose work passes a bound, and says so: the caller then compares everything allowed instead, so that a bad guess costs no
more than about twice that.

Source of the two hops: L. Patel, P. Kraft, C. Guestrin, M. Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and
Structured Data", 2024. The start from a sample of allowed nodes and the bound are additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph, distance
from lamina.index.kernels.guessing import PLANES, WORDS, Guess, promising
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH
from lamina.index.kernels.querying import FAILED, refine, sift_up, take_first
from lamina.index.kernels.search import LINES, LOW, MOST_LINES, ONE, SHORT, WORST, descend, place, unvisited

AHEAD = 12  # lists that are fetched before they are read


@compiled
def gather(links: Any, node: int, mask: Any, hops: int, visited: Any, epoch: int, fresh: Any, bridges: Any) -> tuple[int, int]:
    """The nodes to compare next to `node`; returns how many stand in `fresh` and how many lists were read.

    Without hops, its neighbours. With hops, those of them that are allowed, and, until there are `hops`, the allowed neighbours of the others.
    """
    if hops == 0:
        return unvisited(links, node, visited, epoch, fresh), 1
    m = between = 0
    for j in range(1, links[node, 0] + 1):
        neighbour = links[node, j]
        if visited[neighbour] == epoch:
            continue
        visited[neighbour] = epoch
        passes = np.int64(mask[neighbour] != 0)
        fresh[m] = neighbour
        bridges[between] = neighbour
        m += passes
        between += 1 - passes
    start = links.ctypes.data
    stride = links.shape[1] * 4
    for b in range(min(between, AHEAD)):
        at = start + np.intp(bridges[b]) * stride
        fetch_ahead(at)
        fetch_ahead(at + 64)
    read = 1
    for b in range(between):
        if m >= hops:
            for rest in range(b, between):  # they may stand between other nodes yet
                visited[bridges[rest]] = 0
            break
        if b + AHEAD < between:
            at = start + np.intp(bridges[b + AHEAD]) * stride
            fetch_ahead(at)
            fetch_ahead(at + 64)
        bridge = bridges[b]
        read += 1
        for j in range(1, links[bridge, 0] + 1):
            neighbour = links[bridge, j]
            if mask[neighbour] != 0 and visited[neighbour] != epoch:
                visited[neighbour] = epoch
                fresh[m] = neighbour
                m += 1
    return m, read


@compiled
def grow_allowed(
    graph: Graph, query: int, norm: float, mask: Any, hops: int, pool: Any, count: int, ef: int, heap: Any, waiting: int, visited: Any, epoch: int,
    fresh: Any, bridges: Any, weight: float, bound: float, guess: Guess, q: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Search the bottom layer from the `waiting` nodes of `heap`, which are marked, with `count` keys of allowed nodes in `pool`.

    `guess` as in `grow`, of shape (0, …) for none; `q` is the query in it. Returns the keys in the pool (-1 where the work, nodes looked at +
    `weight` · lists, passed `bound`), the nodes looked at, and lists.
    """
    vectors, squares, links = graph.vectors, graph.norms, graph.links
    width, euclidean = vectors.shape[1], squares.shape[0] > 0
    stride = width * vectors.itemsize
    base = vectors.ctypes.data
    at_links = links.ctypes.data
    link_stride = links.shape[1] * 4
    lines = min((stride + 63) // 64, MOST_LINES)
    first = lines if lines <= SHORT else LINES
    bits, steps, sketched = guess.bits.ctypes.data, guess.bits.shape[1] // WORDS, guess.bits.shape[0]
    plane = guess.planes.ctypes.data + np.intp(q) * guess.planes.shape[1] * PLANES * 8
    scale, whole, shift = np.float32(0), np.float32(0), np.float32(0)
    if sketched:
        scale, whole, shift = guess.scales[q], guess.wholes[q], guess.bases[q]
    looked = 0
    lists = 0
    worst = pool[count - 1] if count == ef else WORST
    while waiting > 0:
        key = take_first(heap, waiting)
        waiting -= 1
        if key > worst:
            break
        m, read = gather(links, np.int64((key & LOW) >> ONE), mask, hops, visited, epoch, fresh, bridges)
        lists += read
        if looked + m + np.float32(weight) * lists > bound or waiting + m > heap.shape[0]:
            return -1, looked, lists
        looked += m
        if sketched and count == ef:
            limit = as_distance(worst)
            limit = (np.float32(0.5) * (limit - norm) if euclidean else limit) - shift
            guess.spared[0] += m
            m = promising(
                fresh, m, bits, steps, sketched, guess.factors, squares, plane, scale, whole, limit, base, stride, first
            )
            guess.spared[0] -= m
        else:
            for j in range(m):
                at = base + np.intp(fresh[j]) * stride
                for t in range(first):
                    fetch_ahead(at + t * 64)
        for j in range(m):
            if j + 1 < m:
                at = base + np.intp(fresh[j + 1]) * stride
                for t in range(first, lines):
                    fetch_ahead(at + t * 64)
            node = fresh[j]
            d = -inner_product(vectors, base + np.intp(node) * stride, query, width)
            if euclidean:
                d = norm + squares[node] + 2 * d
            key = as_key(d, np.uint32(node << 1))
            if key >= worst:
                continue
            sift_up(heap, waiting, key)
            waiting += 1
            if heap[0] == key:  # the next to be looked at
                at = at_links + np.intp(node) * link_stride
                fetch_ahead(at)
                fetch_ahead(at + 64)
            if mask[node] != 0:
                place(pool, count, ef, key)
                if count < ef:
                    count += 1
                if count == ef:
                    worst = pool[count - 1]
    return count, looked, lists


@compiled
def search_allowed(
    graph: Graph, top: int, entry: int, queries: Any, norms: Any, first: int, last: int, mask: Any, seeds: Any, starts: int, hops: int, ef: int,
    weight: float, bound: float, guess: Guess, visited: Any, epoch: int, keys: Any, counts: Any,
) -> int:  # fmt: skip
    """Search the graph for the queries first..last among the nodes with mask ≠ 0; returns the epoch used last.

    `queries` (rows, width) of the type of the vectors, `norms` (rows,) float32; `seeds` (any,) int32 allowed nodes, of which the `starts` nearest
    join the entry; `hops`: 0 compares every neighbour, h > 0 allowed ones only, of up to two hops, until there are h; `guess` of the queries, with
    sketches or without; `visited` (nodes,) uint8.
    Written: `keys` (rows, want), nearest first, as far as there are some; `counts` (rows, 3) int64: how many (-1: the work passed `bound`),
    nodes looked at, lists.
    """
    width = graph.links.shape[1]
    want = keys.shape[1]
    pool = np.empty(ef, np.uint64)
    heap = np.empty(min(np.int64(bound), graph.links.shape[0]) + starts + width + 2, np.uint64)
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
        if mask[current] != 0:
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
        count, more, lists = grow_allowed(
            graph, query, norms[q], mask, hops, pool, count, ef, heap, waiting, visited, np.uint8(epoch), fresh, bridges, weight, bound, guess,
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
