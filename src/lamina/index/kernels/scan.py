"""Comparing many nodes without a graph: all of a list exactly, or by their sketches first.

A sketch holds the sign of each component, one bit, and one number for the length. A query is compared with it by counting bits: of the 8 planes
of bits of the query as int8, each is cut with the sketch. The likely best are compared exactly.

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
PLANES = 8  # bits of a component of the query
SAMPLE = 512  # sketches from which it is seen how near the likely best are
WORDS = 4  # words of a sketch a step


@intrinsic
def sum_where(typingctx: Any, sketch: Any, planes: Any, steps: Any) -> Any:
    """Sum of the query's components (int8) where the sketch has a 1.

    `sketch` is the address of `steps` times 4 words of 64 bits, `planes` that of 8 words for each of these: plane b holds bit b of 64 components.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sketch, planes, steps = args
        word, lane = ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(word, PLANES)
        none, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0] * PLANES)
        bits, cuts = builder.inttoptr(sketch, word.as_pointer()), builder.inttoptr(planes, vector.as_pointer())
        counts = cgutils.alloca_once_value(builder, zeros)
        count = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), "llvm.ctpop.v8i64")
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
        sign = ir.Constant(vector, [0] * (PLANES - 1) + [-1])  # the highest bit of an int8 counts -128
        weighed = builder.sub(builder.xor(weighed, sign), sign)
        add = cgutils.get_or_insert_function(builder.module, ir.FunctionType(word, [vector]), "llvm.vector.reduce.add.v8i64")
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
    """Turn queries (rows, width) float32 into int8 and these into `planes` (rows, words, 8) uint64 of bits, zeros so far.

    Written besides: the `steps` of the queries, and the `sums` of their int8 components, (rows,) float32.
    """
    for q in range(queries.shape[0]):
        largest = np.float32(1e-30)
        for i in range(queries.shape[1]):
            largest = max(largest, abs(queries[q, i]))
        steps[q] = largest / np.float32(127)
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
def scan_sketches(
    graph: Graph, sketches: Any, factors: Any, queries: Any, norms: Any, planes: Any, steps: Any, sums: Any, first: int, last: int, allowed: Any,
    likely: int, keys: Any, counts: Any,
) -> None:  # fmt: skip
    """The same as `scan_nodes` where only the `likely` best by their sketches are compared exactly.

    `sketches` (nodes, words) uint64 and `factors` (nodes,) float32: see `lamina.index.sketches`; `planes` (rows, words, 8) uint64: the bits of the
    queries as int8, with their `steps` and the `sums` of their components (rows,) float32. `counts`: how many, exact distances, sketches.
    """
    vectors, squares = graph.vectors, graph.norms
    width, euclidean = vectors.shape[1], squares.shape[0] > 0
    size = width * vectors.itemsize
    lines = (size + 63) // 64
    base = vectors.ctypes.data
    words = sketches.shape[1]
    row, steps_of_row = sketches.ctypes.data, words // WORDS
    want = keys.shape[1]
    total = allowed.shape[0]
    room = max(2 * likely, SAMPLE)
    held = np.empty(room, np.uint64)
    for q in range(first, last):
        plane = planes.ctypes.data + np.intp(q) * words * PLANES * 8
        scale = np.float32(-2) * steps[q]
        whole = sums[q] * steps[q]
        edge = np.float32(np.inf)
        rank = 3 * likely * SAMPLE // (2 * max(total, 1)) + 1
        if rank < SAMPLE // 4:  # where the likely best will end is seen from some of all
            for s in range(SAMPLE):
                node = np.uintp(allowed[s * total // SAMPLE])
                d = factors[node] * (scale * sum_where(row + np.intp(node) * words * 8, plane, steps_of_row) + whole)
                if euclidean:
                    d = squares[node] + d + d
                held[s] = as_key(d, np.uint32(0))
            part(held, SAMPLE, rank)
            edge = as_distance(held[:rank].max())
        count = 0
        for _ in range(2):
            for j in range(total):
                fetch_ahead(row + np.intp(allowed[min(j + AHEAD, total - 1)]) * words * 8)
                node = np.uintp(allowed[j])
                d = factors[node] * (scale * sum_where(row + np.intp(node) * words * 8, plane, steps_of_row) + whole)
                if euclidean:
                    d = squares[node] + d + d
                if d < edge:
                    held[count] = as_key(d, np.uint32(node << ONE))
                    count += 1
                    if count == room:
                        part(held, count, likely)
                        count = likely
                        edge = as_distance(held[:likely].max())
            if 2 * count >= min(likely, total) or edge == np.float32(np.inf):
                break
            count, edge = 0, np.float32(np.inf)  # the sample misled
        pool = keys[q]
        query = queries.ctypes.data + np.intp(q) * queries.shape[1] * queries.itemsize
        found = 0
        for j in range(count):
            if j == 0:
                for i in range(min(AHEAD, count)):
                    at = base + np.intp((held[i] & LOW) >> ONE) * size
                    for t in range(lines):
                        fetch_ahead(at + t * 64)
            if j + AHEAD < count:
                at = base + np.intp((held[j + AHEAD] & LOW) >> ONE) * size
                for t in range(lines):
                    fetch_ahead(at + t * 64)
            node = np.intp((held[j] & LOW) >> ONE)
            d = -inner_product(vectors, base + node * size, query, width)
            if euclidean:
                d = norms[q] + squares[node] + 2 * d
            key = as_key(d, np.uint32(node << 1))
            if found < want or key < pool[found - 1]:
                place(pool, found, want, key)
                found += found < want
        counts[q, 0] = found
        counts[q, 1] = count
        counts[q, 2] = total
