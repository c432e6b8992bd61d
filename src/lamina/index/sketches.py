"""Sketches of vectors: the sign of each component and one number for the length.

Source: J. Gao and C. Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest Neighbor Search",
2024; here without its rotation, which made no difference to vectors of text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.growing import GrowingArray

ROWS = 4096  # vectors sketched at once
WORD = 64  # bits
WORDS = 4  # the words of a row are a multiple of this
LEAST = 1 << 13  # vectors from which on a graph's searches are guided by sketches: fewer lie in the processor's caches
NARROW = 64  # components, below which a sketch says too little for that


class Sketches:
    """One bit a component for each row of a matrix, in the order of the rows: whether it lies above the middle.

    Parameters: `middle`, float32 (width,), from which the signs are taken: the mean of the rows, say, as that of vectors without negative components
    lies far from 0.

    >>> sketches = Sketches(np.zeros(2, np.float32))
    >>> sketches.put(0, np.array([[3, -4], [-1, 1]], np.float32))
    >>> sketches.bits.tolist(), [round(factor, 3) for factor in sketches.factors.tolist()]
    ([[1, 0, 0, 0], [2, 0, 0, 0]], [3.571, 1.0])
    """

    def __init__(self, middle: NDArray[np.float32]) -> None:
        self.middle = middle
        self._bits = GrowingArray(np.uint64, words(len(middle)))
        self._factors = GrowingArray(np.float32)

    def __len__(self) -> int:
        return len(self._factors)

    @property
    def bits(self) -> NDArray[np.uint64]:
        """Shape (rows, words): component i is positive where bit i % 64 of word i // 64 is set."""
        bits: NDArray[np.uint64] = self._bits.view
        return bits

    @property
    def factors(self) -> NDArray[np.float32]:
        """What the inner product of a query with the signs is multiplied by to estimate that with the vector less the middle, shape (rows,)."""
        factors: NDArray[np.float32] = self._factors.view
        return factors

    def put(self, first: int, vectors: NDArray[Any]) -> None:
        """Sketch the rows from `first` on, at most as many as there are, shape (rows, width): float32, int8, or uint16 as the bits of float16."""
        missing = first + len(vectors) - len(self)
        if missing > 0:
            self._bits.fill(missing, 0)
            self._factors.fill(missing, 0)
        for start in range(0, len(vectors), ROWS):
            rows = widened(vectors[start : start + ROWS]) - self.middle
            at = slice(first + start, first + start + len(rows))
            self._bits.view[at] = packed(rows > 0)
            self._factors.view[at] = factors(rows)

    def clear(self, rows: NDArray[Any]) -> None:
        """Leave nothing of some rows."""
        self._bits.view[rows[rows < len(self)]] = 0
        self._factors.view[rows[rows < len(self)]] = 0

    def nbytes(self) -> int:
        """Bytes held."""
        return self._bits.nbytes() + self._factors.nbytes()


def factors(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The factors of rows less the middle, shape (rows,)."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    return np.asarray(lengths / np.maximum(np.abs(rows).sum(axis=1), np.float32(1e-30)), np.float32)


def sketched_rows(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What sketches keep of rows less the middle: their signs as 1 and -1, shape (rows, width), and their factors.

    >>> sketched_rows(np.array([[3, -4]], np.float32))[0].tolist()
    [[1.0, -1.0]]
    """
    return np.where(rows > 0, np.float32(1), np.float32(-1)), factors(rows)


def widened(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows as float32, of whatever form."""
    return (vectors.view(np.float16) if vectors.dtype == np.uint16 else vectors).astype(np.float32)


def kept(vectors: NDArray[Any], norms: NDArray[np.float32], queries: NDArray[Any], likely: int, k: int = 10) -> float:
    """How many of the k best of some vectors for some queries, none of them among these, are among the likely best by their sketches.

    `norms`: squared lengths for squared distances, or of shape (0,). What has few components, or a few large ones, is sketched badly.

    >>> generator = np.random.default_rng(0)
    >>> round, even = generator.standard_normal((3000, 128)).astype(np.float32), generator.random((3000, 4)).astype(np.float32)
    >>> kept(round[50:], round[:0, 0], round[:50], 240) > 0.9, kept(even[50:], (even[50:] ** 2).sum(axis=1), even[:50], 240) > 0.9
    (True, False)
    """
    rows, asked = widened(vectors), widened(queries)
    signs, lengths = sketched_rows(rows - rows.mean(axis=0))
    guesses = lengths * (asked @ signs.T)
    products = asked @ rows.T
    if len(norms):
        guesses, products = 2 * guesses - norms, 2 * products - norms
    best = np.argpartition(-products, k - 1, axis=1)[:, :k]
    edges = np.partition(guesses, guesses.shape[1] - likely, axis=1)[:, -likely]
    return float((np.take_along_axis(guesses, best, axis=1) >= edges[:, None]).mean())


def words(width: int) -> int:
    """How many words of 64 bits a row of so many components takes."""
    return -(-width // (WORD * WORDS)) * WORDS


def guiding_bytes(count: int, dim: int) -> int:
    """Bytes of one sketch in a graph of so many vectors; 0 where its searches are not guided by sketches.

    >>> guiding_bytes(10_000, 256), guiding_bytes(1_000, 256)
    (36, 0)
    """
    return 8 * words(dim) + 4 if count >= LEAST and dim >= NARROW else 0


def packed(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Flags (rows, width) as words of 64 bits (rows, words), the first flag in the lowest bit.

    >>> packed(np.array([[True, False, True]])).tolist()
    [[5, 0, 0, 0]]
    """
    packs = np.packbits(flags, axis=1, bitorder="little")
    out = np.zeros((len(packs), 8 * words(flags.shape[1])), np.uint8)
    out[:, : packs.shape[1]] = packs
    return out.view("<u8").astype(np.uint64, copy=False)
