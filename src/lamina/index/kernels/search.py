"""Best-first search in a proximity graph. A pool holds keys: the distance in the upper half, (node << 1 | looked at) in the lower.

Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs", 2018. One sorted pool stands for the source's two heaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph, distance
from lamina.index.kernels.guessing import PLANES, WORDS, promising
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product, move
from lamina.index.kernels.jit import compiled

ONE = np.uint64(1)
LOW = np.uint64(0xFFFFFFFF)
WORST = np.uint64(0xFFFFFFFFFFFFFFFF)
LINES = 4  # cache lines of a long row that are fetched while its list is read; the rest follows one neighbour ahead
SHORT = 8  # … and of a row of no more than so many lines, all
MOST_LINES = 16


@compiled
def place(pool: Any, count: int, room: int, key: int) -> int:
    """Put a key into a sorted pool of `count` keys with `room` (the last one falls out of a full pool); returns where. The key must belong there."""
    size = count if count < room else room - 1
    last = size
    at = 0
    while size > 0:
        half = (size + 1) >> 1
        at += half * np.int64(pool[at + half - 1] <= key)
        size -= half
    start = pool.ctypes.data
    move(start + (at + 1) * 8, start + at * 8, (last - at) * 8)
    pool[at] = key
    return at


@compiled
def unvisited(links: Any, node: int, visited: Any, epoch: int, fresh: Any) -> int:
    """The neighbours of a node that are not marked yet, which are marked now; returns how many stand in `fresh`."""
    m = 0
    for j in range(1, links[node, 0] + 1):
        neighbour = links[node, j]
        fresh[m] = neighbour
        m += np.int64(visited[neighbour] != epoch)
        visited[neighbour] = epoch
    return m


@compiled
def grow(
    graph: Graph,
    query: int,
    norm: float,
    pool: Any,
    count: int,
    ef: int,
    visited: Any,
    epoch: int,
    fresh: Any,
    guess: Any = None,
    q: int = 0,
) -> tuple[int, int]:
    """Search the bottom layer from the nodes in the pool.

    `pool` has room for `ef` keys and holds `count`, sorted, whose nodes are marked; `visited` (nodes,) uint8 marks with `epoch`; `fresh` is room
    for one list of neighbours. With a `guess`, in which the query is `q`, only those nodes are compared, once the pool is full, whose sketches say
    that they may well belong there. Returns how many keys the pool holds, nearest first, and how many distances were computed.
    """
    vectors, norms, links = graph.vectors, graph.norms, graph.links
    width, euclidean = vectors.shape[1], norms.shape[0] > 0
    stride = width * vectors.itemsize
    base = vectors.ctypes.data
    at_links = links.ctypes.data
    link_stride = links.shape[1] * 4
    lines = min((stride + 63) // 64, MOST_LINES)
    first = lines if lines <= SHORT else LINES
    if guess is not None:
        bits, steps, sketched = guess.bits.ctypes.data, guess.bits.shape[1] // WORDS, guess.bits.shape[0]
        plane = guess.planes.ctypes.data + np.intp(q) * guess.planes.shape[1] * PLANES * 8
        scale, whole, shift = guess.scales[q], guess.wholes[q], guess.bases[q]
    position = 0
    computed = 0
    while position < count:
        key = pool[position]
        if key & ONE:
            position += 1
            continue
        pool[position] = key | ONE
        m = unvisited(links, np.int64((key & LOW) >> ONE), visited, epoch, fresh)
        lowest = count
        worst = pool[count - 1] if count == ef else WORST
        if guess is not None and count == ef:
            limit = as_distance(worst)
            limit = (np.float32(0.5) * (limit - norm) if euclidean else limit) - shift
            guess.spared[0] += m
            m = promising(fresh, m, bits, steps, sketched, guess.factors, norms, plane, scale, whole, limit, base, stride, first)
            guess.spared[0] -= m
            following = position + 1  # likely the next: its neighbours' sketches are fetched while these are compared
            if following < count and not pool[following] & ONE:
                ahead = np.intp((pool[following] & LOW) >> ONE)
                for j in range(1, links[ahead, 0] + 1):
                    fetch_ahead(bits + np.intp(links[ahead, j]) * steps * WORDS * 8)
        else:
            for j in range(m):
                at = base + np.intp(fresh[j]) * stride
                for t in range(first):
                    fetch_ahead(at + t * 64)
        computed += m
        for j in range(m):
            if j + 1 < m:
                at = base + np.intp(fresh[j + 1]) * stride
                for t in range(first, lines):
                    fetch_ahead(at + t * 64)
            neighbour = fresh[j]
            d = -inner_product(vectors, base + np.intp(neighbour) * stride, query, width)
            if euclidean:
                d = norm + norms[neighbour] + (d + d)
            key = as_key(d, np.uint32(neighbour << 1))
            if key >= worst:
                continue
            at = place(pool, count, ef, key)
            if count < ef:
                count += 1
            if count == ef:
                worst = pool[count - 1]
            lowest = min(lowest, at)
            if at <= position + 1:  # likely the next to be looked at
                ahead = at_links + np.intp(neighbour) * link_stride
                fetch_ahead(ahead)
                fetch_ahead(ahead + 64)
        position = lowest if lowest <= position else position + 1
        for j in range(position, min(position + 2, count)):
            at = at_links + np.intp((pool[j] & LOW) >> ONE) * link_stride
            fetch_ahead(at)
            fetch_ahead(at + 64)
    return count, computed


@compiled
def descend(graph: Graph, top: int, entry: int, query: int, norm: float, stop: int) -> tuple[int, float, int]:
    """From the entry in the layer `top` greedily down to the layer above `stop`: the node reached, its distance, distances computed."""
    vectors, norms, upper = graph.vectors, graph.norms, graph.upper
    width, euclidean = vectors.shape[1], norms.shape[0] > 0
    stride = width * vectors.itemsize
    base = vectors.ctypes.data
    lines = min((stride + 63) // 64, LINES)
    current = np.int64(entry)
    best = distance(graph, current, query, norm)
    computed = 1
    for layer in range(top, stop, -1):
        moved = True
        while moved:
            moved = False
            row = graph.upper_at[current] + layer - 1
            for j in range(1, upper[row, 0] + 1):
                at = base + np.intp(upper[row, j]) * stride
                for t in range(lines):
                    fetch_ahead(at + t * 64)
            for j in range(1, upper[row, 0] + 1):
                neighbour = np.int64(upper[row, j])
                d = -inner_product(vectors, base + np.intp(neighbour) * stride, query, width)
                if euclidean:
                    d = norm + norms[neighbour] + (d + d)
                computed += 1
                if d < best:
                    best, current, moved = d, neighbour, True
    return current, best, computed


@compiled
def grow_upper(
    graph: Graph, layer: int, query: int, norm: float, pool: Any, count: int, ef: int, visited: Any, epoch: int
) -> int:
    """The same as `grow` in a layer above the bottom; returns how many keys the pool holds."""
    upper = graph.upper
    position = 0
    while position < count:
        key = pool[position]
        if key & ONE:
            position += 1
            continue
        pool[position] = key | ONE
        row = graph.upper_at[np.int64((key & LOW) >> ONE)] + layer - 1
        lowest = count
        for j in range(1, upper[row, 0] + 1):
            neighbour = upper[row, j]
            if visited[neighbour] == epoch:
                continue
            visited[neighbour] = epoch
            key = as_key(distance(graph, neighbour, query, norm), np.uint32(neighbour << 1))
            if count == ef and key >= pool[count - 1]:
                continue
            at = place(pool, count, ef, key)
            if count < ef:
                count += 1
            lowest = min(lowest, at)
        position = lowest if lowest <= position else position + 1
    return count
