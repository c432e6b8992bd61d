"""Guessing distances from sketches: which nodes come near enough to a query that their vectors are worth reading.

A sketch holds the sign of each component, one bit, and one number for the length. A query is compared with it by counting bits: of the 4 planes
of bits of the query in small whole numbers, each is cut with the sketch.

Source of the estimate: J. Gao and C. Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
Neighbor Search", 2024; here without its rotation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lamina.index.kernels.intrinsics import fetch_ahead
from lamina.index.kernels.jit import compiled

PLANES = 4  # bits of a component of the query; more of them make no better guesses
WORDS = 4  # words of a sketch a step
ONE = np.uint64(1)


class Guess(NamedTuple):
    """Sketches of nodes, and queries taken apart to be compared with them.

    Parameters:
        bits: (nodes, words) uint64, and factors: (nodes,) float32; see `lamina.index.sketches`. Of shape (0, words) where nothing is to be guessed.
        planes: (queries, words, 4) uint64, bits of the queries' components as whole numbers.
        scales, wholes: (queries,) float32: factor · (scale · sum where the sketch has a 1 + whole) guesses the negative inner product with the vector
            less the middle, or, where the whole is made smaller, says how low it may well be.
        bases: (queries,) float32, the negative inner products with the middle.
        spared: (1,) int64, in which the nodes are counted that were not compared on the word of their sketches.
    """

    bits: Any
    factors: Any
    planes: Any
    scales: Any
    wholes: Any
    bases: Any
    spared: Any


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
def split(queries: Any, middle: Any, margin: float, planes: Any, scales: Any, wholes: Any, bases: Any) -> None:
    """Take queries (rows, width) float32 apart: `planes` (rows, words, 4) uint64, zeros so far, `scales`, `wholes` and `bases` as in `Guess`.

    `margin` times the length of a query is taken from its whole.
    """
    for q in range(queries.shape[0]):
        largest = np.float32(1e-30)
        product, square = np.float32(0), np.float32(0)
        for i in range(queries.shape[1]):
            component = queries[q, i]
            largest = max(largest, abs(component))
            product += component * middle[i]
            square += component * component
        step = largest / np.float32(7)
        turn = np.float32(1) / step
        total = np.int64(0)
        for start in range(0, queries.shape[1], 64):
            one, two, three, four = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
            for i in range(start, min(start + 64, queries.shape[1])):
                whole = np.int64(np.rint(queries[q, i] * turn))
                total += whole
                bits, at = np.uint64(whole), np.uint64(i - start)
                one |= (bits & ONE) << at
                two |= ((bits >> np.uint64(1)) & ONE) << at
                three |= ((bits >> np.uint64(2)) & ONE) << at
                four |= ((bits >> np.uint64(3)) & ONE) << at
            word = start >> 6
            planes[q, word, 0], planes[q, word, 1], planes[q, word, 2], planes[q, word, 3] = one, two, three, four
        scales[q], wholes[q] = np.float32(-2) * step, total * step - np.float32(margin) * np.sqrt(square)
        bases[q] = -product


@compiled
def promising(
    fresh: Any, m: int, bits: int, steps: int, sketched: int, factors: Any, squares: Any, plane: int, scale: float, whole: float, limit: float,
    vectors: int, stride: int, lines: int,
) -> int:  # fmt: skip
    """Leave those of m nodes in `fresh` whose guesses lie below `limit`, and fetch the first `lines` of their vectors; returns how many are left.

    `bits` is the address of the sketches, `steps` times 4 words each, of which there are `sketched`: nodes beyond them stay. `plane`, `scale` and
    `whole` are the query's (see `Guess`). `squares` (nodes,) float32: half of them is added to a guess; of shape (0,) for inner products. `vectors`
    is the address of rows of `stride` bytes.
    """
    size = steps * WORDS * 8
    at_factors, at_squares, euclidean = factors.ctypes.data, squares.ctypes.data, squares.shape[0] > 0
    for j in range(m):
        node = np.intp(fresh[j])
        fetch_ahead(bits + node * size)
        fetch_ahead(at_factors + node * 4)
        if euclidean:
            fetch_ahead(at_squares + node * 4)
    kept = 0
    for j in range(m):
        node = np.intp(fresh[j])
        fresh[kept] = fresh[j]
        if node < sketched:
            d = factors[node] * (scale * sum_where(bits + node * size, plane, steps) + whole)
            if euclidean:
                d += np.float32(0.5) * squares[node]
            if d >= limit:
                continue
        at = vectors + node * stride
        for t in range(lines):
            fetch_ahead(at + t * 64)
        kept += 1
    return kept
