"""What every vector index can do: slots in, slots out, in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class VectorIndex(Protocol):
    """Finds the slots whose vectors have the largest inner product with a query.

    `search` returns slots and scores, each of shape (queries, k), best first; places that could not be filled have slot -1.
    `allow` is a mask over slots, shape (slots,): what it forbids is never returned.
    """

    dim: int

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None: ...
    def remove(self, slots: NDArray[np.int64]) -> None: ...
    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]: ...
    def save(self, path: Path) -> None: ...
    def load(self, path: Path) -> None: ...
    def nbytes(self) -> int: ...


class SlotIndex(VectorIndex, Protocol):
    """What a view asks of the index of its vectors.

    `approximate`: whether `search` may miss some of the best, or `scores` is better not asked for all; `present`, a mask of the slots that have a
    vector; `rows`, the exact vectors of some slots; `scores`, the inner products of all slots with a query.
    """

    @property
    def approximate(self) -> bool: ...
    @property
    def present(self) -> NDArray[np.bool_]: ...
    def __len__(self) -> int: ...
    def reserve(self, slots: int) -> None: ...
    def grow(self, slots: int) -> None: ...
    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]: ...
    def scores(self, query: NDArray[np.float32], allow: NDArray[np.bool_] | None = None) -> NDArray[np.float32]: ...
