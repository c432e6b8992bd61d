"""Exact search: every allowed vector is compared, in float32."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError, InputError, NotFoundError, VectorError
from lamina.index.arrays import failed_write
from lamina.index.growing import GrowingArray

BLOCK = 16  # scores of which the largest stands for all when the best of many are looked for
BLOCKS = 64  # … from this many scores for each one wanted
MANY = 8  # queries from which they are compared together, a block of rows at a time
ROWS = 4096  # … rows of a block
TOGETHER = 128  # … queries of a block
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
        if dim < 1:
            raise InputError(f"a vector has at least 1 dimension, not {dim}")
        self.dim = dim
        self._vectors = GrowingArray(np.float32, dim)  # (slots, dim)
        self._present = GrowingArray(np.bool_)  # (slots,)

    def __len__(self) -> int:
        return int(self._present.view.sum())

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best; exact scores of single slots are to be had from `rows`."""
        return False

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
        """Set the vectors of slots, shape (slots, dim); of a slot named twice the last one counts.

        Raises `VectorError` for another width, NaN or infinity, `InputError` for a negative slot; nothing is then set.
        """
        self._check_rows(slots, vectors)
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

    def _check_rows(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        if vectors.shape != (len(slots), self.dim):
            raise VectorError(f"expected {len(slots)} vectors of {self.dim} dimensions, got an array of shape {vectors.shape}")
        if len(slots) and int(slots.min()) < 0:
            raise InputError(f"a slot is a number from 0, not {int(slots.min())}")
        check_finite(vectors)

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        inside = slots[(slots >= 0) & (slots < len(self._present))]
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
            return inner_products(vectors, query)
        count = int(allow.sum())
        if count > GATHER_BELOW * len(vectors):
            return np.where(allow, inner_products(vectors, query), np.float32(0))
        out = np.zeros(len(vectors), np.float32)
        slots = np.flatnonzero(allow)
        out[slots] = inner_products(vectors[slots], query)
        return out

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`."""
        self._check_queries(vectors, k)
        wanted = self._wanted(allow)
        found = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        together = len(vectors) >= MANY and len(wanted) >= ROWS
        done = 0
        for start in range(0, len(vectors) if together else 0, TOGETHER):
            likely = likely_best(self._vectors.view, vectors[start : start + TOGETHER], k, wanted)
            if likely is None:
                break
            for row, slots in enumerate(likely, start):
                exact = inner_products(self._vectors.view[slots], vectors[row])
                best = np.lexsort((slots, -exact))[:k]
                found[row, : len(best)], scores[row, : len(best)] = slots[best], exact[best]
            done = start + len(likely)
        for row, query in enumerate(vectors[done:], done):
            best = top(np.where(wanted, self.scores(query, wanted), -np.inf).astype(np.float32), k)
            best = best[wanted[best]]
            found[row, : len(best)] = best
            scores[row, : len(best)] = inner_products(self._vectors.view[best], query)
        return found, scores

    def _check_queries(self, vectors: NDArray[np.float32], k: int) -> None:
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}")
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise VectorError(f"expected queries of {self.dim} dimensions, shape (queries, {self.dim}), got {vectors.shape}")
        check_finite(vectors, "query")

    def _wanted(self, allow: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """What may be returned, shape (slots,): a slot beyond the mask is not allowed."""
        if allow is None:
            return self.present
        wanted = np.zeros(len(self._present), np.bool_)
        size = min(len(wanted), len(allow))
        np.logical_and(self.present[:size], allow[:size], out=wanted[:size])
        return wanted

    # ------------------------------------------------------------------------------------------------------- files
    def save(self, path: Path) -> None:
        """Write the index to a file (NumPy's own form, readable by its owner only); an older one stays until it is whole.

        Raises `StoreFullError` where the disk is full.
        """
        part = path.with_name(path.name + ".part")
        try:
            with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                np.savez(file, allow_pickle=False, **self._arrays())
            part.replace(path)
        except OSError as error:
            raise failed_write(path, error) from error
        finally:
            part.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Read what `save` wrote.

        Raises `NotFoundError` for no file, `VectorError` for vectors of another width, `CorruptStoreError` for anything
        that `save` did not write; the index then stays as it was.
        """
        try:
            with np.load(path) as saved:
                arrays = {name: saved[name] for name in saved.files}
        except FileNotFoundError:
            raise NotFoundError(f"there is no index file {path}") from None
        except Exception as error:  # noqa: BLE001 - what a damaged archive raises is not to be foreseen
            raise _not_ours(path, error) from None
        vectors, present = arrays.get("vectors"), arrays.get("present")
        if vectors is None or present is None or vectors.ndim != 2 or vectors.dtype != np.float32 or present.dtype != np.bool_:
            raise _not_ours(path)
        if vectors.shape[1] != self.dim:
            raise VectorError(f"{path} holds vectors of {vectors.shape[1]} dimensions, not {self.dim}")
        if present.shape != vectors.shape[:1] or not np.isfinite(vectors).all():
            raise _not_ours(path)
        try:
            self._restore(arrays)
        except (RuntimeError, ValueError, KeyError) as error:
            raise _not_ours(path, error) from None

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved, by name."""
        return {"vectors": self._vectors.view, "present": self._present.view}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what was saved; raises before anything is changed."""
        self._vectors, self._present = GrowingArray(np.float32, self.dim), GrowingArray(np.bool_)
        self._vectors.extend(arrays["vectors"])
        self._present.extend(arrays["present"])

    def nbytes(self) -> int:
        """Bytes held."""
        return self._vectors.nbytes() + self._present.nbytes()


def _not_ours(path: Path, error: Exception | None = None) -> CorruptStoreError:
    why = f" ({error})" if error is not None else ""
    return CorruptStoreError(f"{path} is not an index file, or is damaged{why}: delete it, an index is built anew from the store")


def whole_slots(slots: Any) -> NDArray[np.int64]:
    """Slots as 64-bit whole numbers; raises `InputError` for an array of another type, which would be cut off or be a mask.

    >>> whole_slots(np.array([2, 3], np.uint8)).tolist()
    [2, 3]
    """
    given = np.asarray(slots)
    if given.size and (given.dtype.kind not in "iu" or (given.dtype == np.uint64 and int(given.max()) >= 1 << 63)):
        raise InputError(f"slots are whole numbers, not an array of {given.dtype}: of a mask take np.flatnonzero(mask)")
    return given.astype(np.int64, copy=False)


def check_finite(vectors: NDArray[np.float32], what: str = "vector") -> None:
    """Refuse NaN and infinity with a `VectorError` that names the first bad row."""
    finite = np.isfinite(vectors)
    if not finite.all():
        row = int(np.flatnonzero(~finite.all(axis=-1))[0])
        raise VectorError(f"{what} {row} has NaN or infinite values: check the embedder")


def inner_products(rows: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inner product of each row with one vector, shape (rows,).

    Row by row: for matrices of this form that is faster than the product of matrix and vector, which moreover waits for
    threads of its own wherever the machine has other things to do.

    >>> inner_products(np.array([[1, 2], [3, 4]], np.float32), np.array([1, 10], np.float32)).tolist()
    [21.0, 43.0]
    """
    if hasattr(np, "vecdot"):  # NumPy 2
        return np.asarray(np.vecdot(rows, query), np.float32)
    return np.asarray(rows @ query, np.float32)


def likely_best(
    rows: NDArray[np.float32], queries: NDArray[np.float32], k: int, wanted: NDArray[np.bool_]
) -> list[NDArray[np.int64]] | None:
    """For each of many queries, slots among which the k best of the `wanted` ones are, whichever way products are summed up.

    The products are those of matrices, of one block of rows after the other; what comes as near to the k-th best as roundings may
    differ stays. None where the numbers are so large that roundings have no bound.

    >>> rows = np.eye(3, dtype=np.float32)
    >>> [slots.tolist() for slots in likely_best(rows, rows[:2], 1, np.array([True, False, True]))]
    [[0], [0, 2]]
    """
    few = np.flatnonzero(wanted) if int(wanted.sum()) <= GATHER_BELOW * len(wanted) else None
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    slack = np.float32(4 * (rows.shape[1] + 2) * np.finfo(np.float32).eps)  # twice the worst rounding, of both ways
    longest = np.float32(0)
    edges = np.full(len(queries), -np.inf, np.float32)
    slots: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(queries)
    held: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(queries)
    for start in range(0, len(rows) if few is None else len(few), ROWS):
        block = rows[start : start + ROWS] if few is None else rows[few[start : start + ROWS]]
        longest = max(longest, np.sqrt(np.einsum("ij,ij->i", block, block).max()))
        margins = slack * longest * lengths
        if not np.isfinite(margins).all():
            return None
        products = queries @ block.T  # (queries, rows of the block)
        if few is None:
            products[:, ~wanted[start : start + ROWS]] = -np.inf
        for row, scores in enumerate(products):
            near = np.flatnonzero((scores >= edges[row] - margins[row]) & (scores > -np.inf))
            if len(near):
                slots[row] = np.concatenate([slots[row], near + start if few is None else few[near + start]])
                held[row] = np.concatenate([held[row], scores[near]])
            if len(held[row]) > k:
                edges[row] = np.partition(held[row], len(held[row]) - k)[len(held[row]) - k]
                stay = held[row] >= edges[row] - margins[row]
                slots[row], held[row] = slots[row][stay], held[row][stay]
    return slots


def top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The indices of the k largest scores, best first; equal scores in the order of their indices.

    >>> top(np.array([1.0, 3.0, 2.0, 3.0], np.float32), 3).tolist()
    [1, 3, 2]
    """
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    if k < 1:
        return np.empty(0, np.int64)
    if len(scores) >= BLOCKS * k:
        return _top_of_many(scores, k)
    edge = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > edge)
    level = np.flatnonzero(scores == edge)[: k - len(above)]
    best = np.concatenate([above, level])
    return best[np.lexsort((best, -scores[best]))]


def _top_of_many(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The same where there are far more than k scores.

    The scores fall into blocks; at least k of them reach the k-th largest maximum of a block, so that nothing below it
    need be looked at again.
    """
    rest = len(scores) % BLOCK
    maxima = scores[rest:].reshape(BLOCK, -1).max(axis=0)
    edge = np.partition(maxima, len(maxima) - k)[len(maxima) - k]
    reached = np.flatnonzero(scores >= edge)
    if len(reached) > len(scores) // 2:  # many are equal
        below = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > below)
        reached = np.sort(np.concatenate([above, np.flatnonzero(scores == below)[: k - len(above)]]))
    best = scores[reached]
    return reached[np.lexsort((reached, -best))[:k]]
