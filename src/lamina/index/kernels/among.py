"""Search of the bottom layer for some nodes among others, which are passed through: dead ones, or what a caller does not want.

Source of the two hops: L. Patel, P. Kraft, C. Guestrin, M. Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and
Structured Data", 2024. The bound on the work is an addition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph
from lamina.index.kernels.guessing import PLANES, WORDS, Guess, promising
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.search import LINES, LOW, MOST_LINES, ONE, SHORT, WORST, place, unvisited
from lamina.index.kernels.twins import shut

AHEAD = 12  # lists that are fetched before they are read


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
def gather(
    links: Any, node: int, barred: Any, twins: Any, hops: int, visited: Any, epoch: int, fresh: Any, bridges: Any
) -> tuple[int, int]:
    """The nodes to compare next to `node`; returns how many stand in `fresh` and how many lists were read.

    Without hops, its neighbours. With hops, those of them that are not barred, and, until there are `hops`, such neighbours of the others.
    """
    if hops == 0:
        return unvisited(links, node, visited, epoch, fresh), 1
    m = between = 0
    for j in range(1, links[node, 0] + 1):
        neighbour = links[node, j]
        if visited[neighbour] == epoch:
            continue
        visited[neighbour] = epoch
        passes = np.int64(not shut(barred, twins, neighbour))
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
            if visited[neighbour] != epoch and not shut(barred, twins, neighbour):
                visited[neighbour] = epoch
                fresh[m] = neighbour
                m += 1
    return m, read


@compiled
def grow_among(
    graph: Graph, query: int, norm: float, barred: Any, twins: Any, hops: int, pool: Any, count: int, ef: int, heap: Any, waiting: int, visited: Any, epoch: int,
    fresh: Any, bridges: Any, weight: float, bound: float, guess: Guess, q: int,
) -> tuple[int, int, int]:  # fmt: skip
    """The same as `grow` where some nodes are `barred` (nodes,) uint8: they lead on but do not enter the pool, unless one of their `twins` is not
    barred (see `lamina.index.kernels.twins`; of shape (0,) where there are none).

    Begins at the `waiting` nodes of `heap`, which are marked, with `count` keys in `pool`. `hops` as in `gather`, for which `bridges` is room; `guess`
    may be without sketches; `q` is the query in it. Returns the keys in the pool, nearest first (-1 where the work, nodes looked at + `weight` ·
    lists, passed `bound`), the nodes looked at, and lists.
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
        m, read = gather(links, np.int64((key & LOW) >> ONE), barred, twins, hops, visited, epoch, fresh, bridges)
        lists += read
        if looked + m + np.float32(weight) * lists > bound:
            return -1, looked, lists
        if waiting + m > heap.shape[0]:
            wider = np.empty(2 * (waiting + m), np.uint64)
            wider[:waiting] = heap[:waiting]
            heap = wider
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
            if not shut(barred, twins, node):
                place(pool, count, ef, key)
                if count < ef:
                    count += 1
                if count == ef:
                    worst = pool[count - 1]
    return count, looked, lists
