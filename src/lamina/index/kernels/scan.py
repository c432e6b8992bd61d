"""Comparing many nodes without a graph: all of a list exactly, or by their sketches first, of which the likely best are compared exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph
from lamina.index.kernels.guessing import PLANES, WORDS, Guess, sum_where
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.search import LOW, ONE, WORST, place

AHEAD = 16  # rows that are fetched before they are compared
BLOCK = 64  # rows that all queries are compared with while they lie in the nearest cache
ROWS = 512  # sketches that queries are compared with while they lie in the nearest cache
TOGETHER = 64  # queries that go over the sketches at once
SAMPLE = 512  # sketches from which it is seen how near the likely best are


@compiled
def scan_nodes(graph: Graph, queries: Any, norms: Any, first: int, last: int, allowed: Any, keys: Any, counts: Any) -> None:
    """The nearest of the nodes `allowed` (any,) int32 for the queries first..last: all are compared.

    `queries` (rows, width) of the type of the vectors, `norms` (rows,) float32. Written: `keys` (rows, want), sorted; `counts` (rows, 3): how many,
    distances, lists read (0).
    """
    vectors, squares = graph.vectors, graph.norms
    width, euclidean = vectors.shape[1], squares.shape[0] > 0
    size = width * vectors.itemsize
    lines = (size + 63) // 64
    base = vectors.ctypes.data
    stride = queries.shape[1] * queries.itemsize
    want = keys.shape[1]
    total = allowed.shape[0]
    counts[first:last, 0] = 0
    for start in range(0, total, BLOCK):
        stop = min(start + BLOCK, total)
        for q in range(first, last):
            pool = keys[q]
            count = counts[q, 0]
            worst = pool[count - 1] if count == want else WORST
            query = queries.ctypes.data + np.intp(q) * stride
            for j in range(start, stop):
                if q == first and j + AHEAD < total:
                    at = base + np.intp(allowed[j + AHEAD]) * size
                    for t in range(lines):
                        fetch_ahead(at + t * 64)
                node = allowed[j]
                d = -inner_product(vectors, base + np.intp(node) * size, query, width)
                if euclidean:
                    d = norms[q] + squares[node] + 2 * d
                key = as_key(d, np.uint32(node << 1))
                if key < worst:
                    place(pool, count, want, key)
                    count += count < want
                    if count == want:
                        worst = pool[count - 1]
            counts[q, 0] = count
    counts[first:last, 1] = total
    counts[first:last, 2] = 0


@compiled
def part(keys: Any, count: int, least: int) -> None:
    """Order `count` keys so that the `least` smallest come first (C. A. R. Hoare, "Algorithm 65: Find", 1961)."""
    low, high = 0, count - 1
    while low < high:
        middle = keys[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while keys[i] < middle:
                i += 1
            while middle < keys[j]:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                i += 1
                j -= 1
        if least - 1 <= j:
            high = j
        elif least - 1 >= i:
            low = i
        else:
            return


@compiled
def skim(
    guess: Guess, q: int, squares: Any, allowed: Any, start: int, stop: int, likely: int, held: Any, count: int, edge: float
) -> tuple[int, float]:
    """Go over the sketches of allowed[start:stop] and hold those that come nearer than `edge`; returns how many are held, and the new edge."""
    row, size, steps = guess.bits.ctypes.data, guess.bits.shape[1] * 8, guess.bits.shape[1] // WORDS
    plane = guess.planes.ctypes.data + np.intp(q) * guess.planes.shape[1] * PLANES * 8
    factors, scale, whole = guess.factors, guess.scales[q], guess.wholes[q]
    euclidean = squares.shape[0] > 0
    room = held.shape[0]
    last = allowed.shape[0] - 1
    for j in range(start, stop):
        fetch_ahead(row + np.intp(allowed[min(j + AHEAD, last)]) * size)
        node = np.uintp(allowed[j])
        d = factors[node] * (scale * sum_where(row + np.intp(node) * size, plane, steps) + whole)
        if euclidean:
            d = squares[node] + d + d
        if d < edge:
            held[count] = as_key(d, np.uint32(node << ONE))
            count += 1
            if count == room:
                part(held, count, likely)
                count = likely
                edge = as_distance(held[:likely].max())
    return count, edge


@compiled
def compare(graph: Graph, query: int, norm: float, held: Any, count: int, keys: Any) -> int:
    """Compare what is held exactly; the nearest come into `keys`, sorted; returns how many."""
    vectors, squares = graph.vectors, graph.norms
    width, euclidean = vectors.shape[1], squares.shape[0] > 0
    size = width * vectors.itemsize
    lines = (size + 63) // 64
    base = vectors.ctypes.data
    want = keys.shape[0]
    found = 0
    for j in range(-AHEAD, count):
        if j + AHEAD < count:
            at = base + np.intp((held[j + AHEAD] & LOW) >> ONE) * size
            for t in range(lines):
                fetch_ahead(at + t * 64)
        if j < 0:
            continue
        node = np.uintp((held[j] & LOW) >> ONE)
        d = -inner_product(vectors, base + np.intp(node) * size, query, width)
        if euclidean:
            d = norm + squares[node] + d + d
        key = as_key(d, np.uint32(node << ONE))
        if found < want or key < keys[found - 1]:
            place(keys, found, want, key)
            found += found < want
    return found


@compiled
def scan_sketches(
    graph: Graph, guess: Guess, queries: Any, norms: Any, first: int, last: int, allowed: Any, likely: int, keys: Any, counts: Any
) -> None:
    """The same as `scan_nodes` where only the `likely` best by their sketches are compared exactly.

    `guess` has sketches of all nodes, and the queries. `counts`: how many, exact distances, sketches.
    """
    squares, total = graph.norms, allowed.shape[0]
    held = np.empty((min(last - first, TOGETHER), max(2 * likely, SAMPLE)), np.uint64)
    edges = np.empty(TOGETHER, np.float32)
    count = np.empty(TOGETHER, np.int64)
    none = np.float32(np.inf)
    rank = 3 * likely * SAMPLE // (2 * max(total, 1)) + 1
    picked = np.empty(SAMPLE if rank < SAMPLE // 4 else 0, np.int32)
    for s in range(picked.shape[0]):
        picked[s] = allowed[s * total // SAMPLE]
    for begin in range(first, last, TOGETHER):
        end = min(begin + TOGETHER, last)
        for q in range(begin, end):  # how near the likely best are is seen from some of all
            r = q - begin
            count[r], edges[r] = 0, none
            if picked.shape[0]:
                skim(guess, q, squares, picked, 0, SAMPLE - 1, SAMPLE, held[r], 0, none)
                part(held[r], SAMPLE - 1, rank)
                edges[r] = as_distance(held[r, :rank].max())
        for start in range(0, total, ROWS):
            stop = min(start + ROWS, total)
            for q in range(begin, end):
                r = q - begin
                count[r], edges[r] = skim(guess, q, squares, allowed, start, stop, likely, held[r], count[r], edges[r])
        for q in range(begin, end):
            r = q - begin
            if 2 * count[r] < min(likely, total):  # the sample misled
                count[r], _ = skim(guess, q, squares, allowed, 0, total, likely, held[r], 0, none)
            query = queries.ctypes.data + np.intp(q) * queries.shape[1] * queries.itemsize
            counts[q, 0] = compare(graph, query, norms[q], held[r], count[r], keys[q])
            counts[q, 1] = count[r]
            counts[q, 2] = total
