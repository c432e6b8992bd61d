"""Exact search: every allowed vector is compared, in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import VectorError
from lamina.index.growing import GrowingArray

GATHER_BELOW = 0.2  # share of allowed slots below which their rows are copied out instead of scoring all


class FlatIndex:
    """Vectors in slot order in one contiguous matrix.

    Parameters: `dim`, the width of a vector.

    >>> index = FlatIndex(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> slots, scores = index.search(np.array([[0.0, 1.0]], np.float32), k=1)
    >>> slots.tolist(), scores.tolist()
    ([[2]], [[1.0]])
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._vectors = GrowingArray(np.float32, dim)  # (slots, dim)
        self._present = GrowingArray(np.bool_)  # (slots,)

    def __len__(self) -> int:
        return int(self._present.view.sum())

    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._vectors.reserve(slots)
        self._present.reserve(slots)

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        missing = slots - len(self._present)
        if missing > 0:
            self._vectors.fill(missing)
            self._present.fill(missing, False)

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim)."""
        if vectors.shape != (len(slots), self.dim):
            raise VectorError(f"expected {len(slots)} vectors of {self.dim} dimensions, got an array of shape {vectors.shape}")
        if not len(slots):
            return
        first, count = int(slots[0]), len(self._present)
        if first == count and np.array_equal(slots, np.arange(first, first + len(slots))):
            self._vectors.extend(vectors)
            self._present.fill(len(slots), True)
            return
        self.grow(int(slots.max()) + 1)
        self._vectors.view[slots] = vectors
        self._present.view[slots] = True

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away."""
        inside = slots[slots < len(self._present)]
        self._present.view[inside] = False
        self._vectors.view[inside] = 0

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots have a vector, shape (slots,)."""
        return self._present.view

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim)."""
        rows: NDArray[np.float32] = self._vectors.view[slots]
        return rows

    def scores(self, query: NDArray[np.float32], allow: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Inner products with one query, shape (slots,); 0 where a slot has no vector or is not allowed."""
        vectors = self._vectors.view
        if allow is None:
            return np.asarray(vectors @ query, np.float32)
        count = int(allow.sum())
        if count > GATHER_BELOW * len(vectors):
            return np.where(allow, vectors @ query, np.float32(0))
        out = np.zeros(len(vectors), np.float32)
        slots = np.flatnonzero(allow)
        out[slots] = vectors[slots] @ query
        return out

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`."""
        wanted = self.present if allow is None else self.present & allow[: len(self.present)]
        found = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        for row, query in enumerate(vectors):
            best = top(np.where(wanted, self.scores(query, wanted), -np.inf).astype(np.float32), k)
            best = best[wanted[best]]
            found[row, : len(best)] = best
            scores[row, : len(best)] = self._vectors.view[best] @ query
        return found, scores

    def save(self, path: Path) -> None:
        """Write the vectors to a file (NumPy's own form)."""
        with path.open("wb") as file:
            np.savez(file, vectors=self._vectors.view, present=self._present.view)

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        with np.load(path) as saved:
            if saved["vectors"].ndim != 2 or saved["vectors"].shape[1] != self.dim:
                raise VectorError(f"{path} holds vectors of shape {saved['vectors'].shape}, not of {self.dim} dimensions")
            self._vectors, self._present = GrowingArray(np.float32, self.dim), GrowingArray(np.bool_)
            self._vectors.extend(saved["vectors"])
            self._present.extend(saved["present"])

    def nbytes(self) -> int:
        """Bytes held."""
        return self._vectors.nbytes() + self._present.nbytes()


def top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The indices of the k largest scores, best first; equal scores in the order of their indices.

    >>> top(np.array([1.0, 3.0, 2.0, 3.0], np.float32), 3).tolist()
    [1, 3, 2]
    """
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    edge = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > edge)
    level = np.flatnonzero(scores == edge)[: k - len(above)]
    best = np.concatenate([above, level])
    return best[np.lexsort((best, -scores[best]))]
