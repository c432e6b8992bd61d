"""Comparing many nodes without a graph: all of a list exactly, or by their sketches first.

A sketch holds the sign of each component, one bit, and one number for the length. A query is compared with it by counting bits: of the 4 planes
of bits of the query in small whole numbers, each is cut with the sketch. The likely best are compared exactly.

Source of the estimate: J. Gao and C. Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
Neighbor Search", 2024; here without its rotation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lamina.index.kernels.distances import Graph
from lamina.index.kernels.intrinsics import as_distance, as_key, fetch_ahead, inner_product
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.search import LOW, ONE, WORST, place

AHEAD = 16  # rows that are fetched before they are compared
BLOCK = 64  # rows that all queries are compared with while they lie in the nearest cache
ROWS = 512  # sketches that queries are compared with while they lie in the nearest cache
TOGETHER = 64  # queries that go over the sketches at once
PLANES = 4  # bits of a component of the query; more of them make no better guesses
SAMPLE = 512  # sketches from which it is seen how near the likely best are
WORDS = 4  # words of a sketch a step


@intrinsic
def sum_where(typingctx: Any, sketch: Any, planes: Any, steps: Any) -> Any:
    """Sum of the query's components, whole numbers from -8 to 7, where the sketch has a 1.

    `sketch` is the address of `steps` times 4 words of 64 bits, `planes` that of 4 words for each of these: plane b holds bit b of 64 components.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sketch, planes, steps = args
        word, lane = ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(word, PLANES)
        none, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0] * PLANES)
        bits, cuts = builder.inttoptr(sketch, word.as_pointer()), builder.inttoptr(planes, vector.as_pointer())
        counts = cgutils.alloca_once_value(builder, zeros)
        count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), "llvm.ctpop.v4i64")
        with cgutils.for_range(builder, steps) as loop:
            found = builder.load(counts)
            for part in range(WORDS):
                at = builder.add(builder.mul(loop.index, word(WORDS)), word(part))
                one = builder.insert_element(none, builder.load(builder.gep(bits, [at]), align=1), lane(0))
                spread = builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(lane, PLANES), [0] * PLANES))
                cut = builder.and_(spread, builder.load(builder.gep(cuts, [at]), align=1))
                found = builder.add(found, builder.call(count, [cut]))
            builder.store(found, counts)
        weighed = builder.shl(builder.load(counts), ir.Constant(vector, list(range(PLANES))))
        sign = ir.Constant(vector, [0] * (PLANES - 1) + [-1])  # the highest bit counts -8
        weighed = builder.sub(builder.xor(weighed, sign), sign)
        add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(word, [vector]), "llvm.vector.reduce.add.v4i64")
        return builder.sitofp(builder.call(add, [weighed]), ir.FloatType())

    return types.float32(types.intp, types.intp, types.intp), codegen


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
def split(queries: Any, planes: Any, steps: Any, sums: Any) -> None:
    """Turn queries (rows, width) float32 into whole numbers and these into `planes` (rows, words, 4) uint64 of bits, zeros so far.

    Written besides: the `steps` of the queries, and the `sums` of their whole components, (rows,) float32.
    """
    for q in range(queries.shape[0]):
        largest = np.float32(1e-30)
        for i in range(queries.shape[1]):
            largest = max(largest, abs(queries[q, i]))
        steps[q] = largest / np.float32(7)
        total = np.int64(0)
        for i in range(queries.shape[1]):
            whole = np.int64(np.rint(queries[q, i] / steps[q]))
            total += whole
            for b in range(PLANES):
                planes[q, i >> 6, b] |= np.uint64((whole >> b) & 1) << np.uint64(i & 63)
        sums[q] = total


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
    row: int, steps_of_row: int, factors: Any, squares: Any, plane: int, scale: float, whole: float, allowed: Any, start: int, stop: int,
    likely: int, held: Any, count: int, edge: float,
) -> tuple[int, float]:  # fmt: skip
    """Go over the sketches of allowed[start:stop] and hold those that come nearer than `edge`; returns how many are held, and the new edge."""
    size = steps_of_row * WORDS * 8
    euclidean = squares.shape[0] > 0
    room = held.shape[0]
    last = allowed.shape[0] - 1
    for j in range(start, stop):
        fetch_ahead(row + np.intp(allowed[min(j + AHEAD, last)]) * size)
        node = np.uintp(allowed[j])
        d = factors[node] * (scale * sum_where(row + np.intp(node) * size, plane, steps_of_row) + whole)
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
    graph: Graph, sketches: Any, factors: Any, queries: Any, norms: Any, planes: Any, steps: Any, sums: Any, first: int, last: int, allowed: Any,
    likely: int, keys: Any, counts: Any,
) -> None:  # fmt: skip
    """The same as `scan_nodes` where only the `likely` best by their sketches are compared exactly.

    `sketches` (nodes, words) uint64 and `factors` (nodes,) float32: see `lamina.index.sketches`; `planes`, `steps` and `sums` as `split` writes
    them. `counts`: how many, exact distances, sketches.
    """
    words, squares, total = sketches.shape[1], graph.norms, allowed.shape[0]
    row, steps_of_row = sketches.ctypes.data, words // WORDS
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
                plane = planes.ctypes.data + np.intp(q) * words * PLANES * 8
                scale, whole = np.float32(-2) * steps[q], sums[q] * steps[q]
                skim(row, steps_of_row, factors, squares, plane, scale, whole, picked, 0, SAMPLE - 1, SAMPLE, held[r], 0, none)
                part(held[r], SAMPLE - 1, rank)
                edges[r] = as_distance(held[r, :rank].max())
        for start in range(0, total, ROWS):
            stop = min(start + ROWS, total)
            for q in range(begin, end):
                r = q - begin
                plane = planes.ctypes.data + np.intp(q) * words * PLANES * 8
                scale, whole = np.float32(-2) * steps[q], sums[q] * steps[q]
                count[r], edges[r] = skim(
                    row,
                    steps_of_row,
                    factors,
                    squares,
                    plane,
                    scale,
                    whole,
                    allowed,
                    start,
                    stop,
                    likely,
                    held[r],
                    count[r],
                    edges[r],
                )
        for q in range(begin, end):
            r = q - begin
            if 2 * count[r] < min(likely, total):  # the sample misled
                plane = planes.ctypes.data + np.intp(q) * words * PLANES * 8
                scale, whole = np.float32(-2) * steps[q], sums[q] * steps[q]
                count[r], _ = skim(
                    row, steps_of_row, factors, squares, plane, scale, whole, allowed, 0, total, likely, held[r], 0, none
                )
            query = queries.ctypes.data + np.intp(q) * queries.shape[1] * queries.itemsize
            counts[q, 0] = compare(graph, query, norms[q], held[r], count[r], keys[q])
            counts[q, 1] = count[r]
            counts[q, 2] = total
