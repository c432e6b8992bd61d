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


class Sketches:
    """One bit a component for each row of a matrix, in the order of the rows.

    Parameters: `width`, components of a vector.

    >>> sketches = Sketches(2)
    >>> sketches.put(0, np.array([[3, -4], [-1, 1]], np.float32))
    >>> sketches.bits.tolist(), [round(factor, 3) for factor in sketches.factors.tolist()]
    ([[1, 0, 0, 0], [2, 0, 0, 0]], [3.571, 1.0])
    """

    def __init__(self, width: int) -> None:
        self._bits = GrowingArray(np.uint64, words(width))
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
        """What the inner product of a query with the signs is multiplied by to estimate that with the vector, shape (rows,)."""
        factors: NDArray[np.float32] = self._factors.view
        return factors

    def put(self, first: int, vectors: NDArray[Any]) -> None:
        """Sketch the rows from `first` on, at most as many as there are, shape (rows, width): float32, int8, or uint16 as the bits of float16."""
        missing = first + len(vectors) - len(self)
        if missing > 0:
            self._bits.fill(missing, 0)
            self._factors.fill(missing, 0)
        for start in range(0, len(vectors), ROWS):
            rows = vectors[start : start + ROWS]
            rows = (rows.view(np.float16) if rows.dtype == np.uint16 else rows).astype(np.float32)
            at = slice(first + start, first + start + len(rows))
            lengths = np.einsum("ij,ij->i", rows, rows)
            self._bits.view[at] = packed(rows > 0)
            self._factors.view[at] = lengths / np.maximum(np.abs(rows).sum(axis=1), np.float32(1e-30))

    def clear(self, rows: NDArray[Any]) -> None:
        """Leave nothing of some rows."""
        self._bits.view[rows[rows < len(self)]] = 0
        self._factors.view[rows[rows < len(self)]] = 0

    def nbytes(self) -> int:
        """Bytes held."""
        return self._bits.nbytes() + self._factors.nbytes()


def words(width: int) -> int:
    """How many words of 64 bits a row of so many components takes."""
    return -(-width // (WORD * WORDS)) * WORDS


def packed(flags: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Flags (rows, width) as words of 64 bits (rows, words), the first flag in the lowest bit.

    >>> packed(np.array([[True, False, True]])).tolist()
    [[5, 0, 0, 0]]
    """
    packs = np.packbits(flags, axis=1, bitorder="little")
    out = np.zeros((len(packs), 8 * words(flags.shape[1])), np.uint8)
    out[:, : packs.shape[1]] = packs
    return out.view("<u8").astype(np.uint64, copy=False)
