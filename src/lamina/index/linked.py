"""Vectors of which a graph (or lists on disk) has those that it was handed: all are searched together, while others are being linked."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.index.flat import FlatIndex, inner_products, top
from lamina.index.scattered import GraphRows

RECENT: Final = 256  # queries that are kept for tuning
ASKED: Final = 100  # how many a recall asks for: what ef is tuned for


class LinkedIndex:
    """All vectors, exact until a graph has them, and what has changed in that graph's back. Who builds it is another's concern.

    Parameters: `dim`, the width of a vector.

    >>> index = LinkedIndex(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist(), index.approximate
    ([[2]], False)
    """

    def __init__(self, dim: int) -> None:
        self._flat: FlatIndex = FlatIndex(dim)  # all vectors; once there is a graph, a GraphRows
        self.dim = dim
        self.ef: int | None = None  # as tuned for ASKED; None: the graph's own
        self._stale: set[int] = set()  # slots whose vector in the graph is to go
        self._touched: set[int] | None = None  # slots that changed while others were linked
        self._opening: tuple[Path, Mapping[str, Any]] | None = None  # a graph in a file, still to be read
        self._changed_early: set[int] = set()  # slots that have changed since that file was written
        self._recent = np.zeros((RECENT, dim), np.float32)
        self._asked = 0
        self._lock = threading.RLock()  # of all of this; never held for long

    # ------------------------------------------------------------------------------------------------------ vectors
    def __len__(self) -> int:
        return len(self._flat)

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best, or reading all vectors is better avoided; exact scores of some slots are to be had from `rows`."""
        return type(self._flat) is not FlatIndex

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots have a vector, shape (slots,)."""
        return self._flat.present

    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._flat.reserve(slots)

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        with self._lock:
            self._flat.grow(slots)

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        with self._lock:
            linked = self._linked(slots)
            self._flat.add(slots, vectors)
            self._note(slots, linked)

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        with self._lock:
            linked = self._linked(slots)
            self._flat.remove(slots)
            self._note(slots, linked)

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim)."""
        return self._flat.rows(slots)

    def scores(self, query: NDArray[np.float32], allow: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Inner products with one query, shape (slots,); 0 where a slot has no vector or is not allowed."""
        return self._flat.scores(query, allow)

    def _linked(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some slots whose vector is in the graph."""
        flat = self._flat
        if not isinstance(flat, GraphRows):
            return slots[:0]
        inside = slots[(slots >= 0) & (slots < len(flat.present))]
        return inside[flat.linked[inside]]

    def _note(self, slots: NDArray[np.int64], linked: NDArray[np.int64]) -> None:
        """Remember what has changed in the graph's back."""
        self._stale.update(linked.tolist())
        if self._touched is not None:
            self._touched.update(slots.tolist())
        if self._opening is not None:
            self._changed_early.update(slots.tolist())

    # ------------------------------------------------------------------------------------------------------ searching
    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None, *, ef: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`. `ef`: candidates that the graph keeps, if not as tuned."""
        found = self._find(vectors, k, allow, ef)
        if isinstance(self._flat, GraphRows):
            self._remember(vectors)
        return found

    def _find(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None, ef: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        flat = self._flat
        if not isinstance(flat, GraphRows):
            return flat.search(vectors, k, allow)
        flat._check_queries(vectors, k)
        wanted = flat._wanted(allow)
        late, linked = flat.late, flat.linked
        late = late[late < len(wanted)]
        late = late[wanted[late]]
        inside = np.zeros(len(wanted), np.bool_)
        size = min(len(wanted), len(linked))
        np.logical_and(wanted[:size], linked[:size], out=inside[:size])
        count = int(np.count_nonzero(inside))
        if count <= 2 * k or not len(vectors):
            return flat.search(vectors, k, allow)
        setting = setting_of(flat.graph)
        if ef is None and self.ef is not None:
            ef = max(self.ef, -(-self.ef * k // ASKED)) if setting == "ef" else self.ef
        every = count == len(flat.graph)
        found, scores = flat.graph.search(vectors, k, None if every else inside, **({} if ef is None else {setting: ef}))
        if len(late):
            found, scores = _merged(found, scores, late, flat.rows(late), vectors)
        for row in np.flatnonzero((found < 0).any(axis=1) & (count + len(late) >= k)).tolist():  # what is allowed lies apart
            found[row : row + 1], scores[row : row + 1] = flat.search(vectors[row : row + 1], k, allow)
        return found, scores

    def _remember(self, vectors: NDArray[np.float32]) -> None:
        """Keep the newest queries: ef is tuned with them."""
        with self._lock:
            for query in vectors[-RECENT:]:
                self._recent[self._asked % RECENT] = query
                self._asked += 1

    # ------------------------------------------------------------------------------------------------------ handing over
    def _hand_over(self, graph: Any, slots: NDArray[np.int64]) -> None:
        """The graph has the vectors of these slots now; of those that changed while they were handed to it, it has old ones."""
        with self._lock:
            touched = np.array(sorted(self._touched or ()), np.int64)
            self._stale.update(np.intersect1d(touched, slots).tolist())
            linked = np.setdiff1d(slots, touched)
            flat, known = self._flat, isinstance(self._flat, GraphRows) and self._flat.graph is graph
            self._flat = flat.handed_over(linked) if known else GraphRows(flat, graph, linked)  # type: ignore[attr-defined]

    # ------------------------------------------------------------------------------------------------------ the rest
    def nbytes(self) -> int:
        """Bytes held in memory, the graph's included."""
        return self._flat.nbytes() + int(self._recent.nbytes)


def fixed(graph: Any) -> bool:
    """Whether a graph is not changed any more: lists are not."""
    return setting_of(graph) != "ef"


def setting_of(graph: Any) -> str:
    """What says how much is looked at in a search."""
    return "probes" if hasattr(graph, "probes") else "ef"


def _merged(
    found: NDArray[np.int64],
    scores: NDArray[np.float32],
    late: NDArray[np.int64],
    rows: NDArray[np.float32],
    vectors: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """What the graph has found together with what it does not hold yet, best first, as many as before."""
    k = found.shape[1]
    for row, query in enumerate(vectors):
        slots = np.concatenate([found[row], late])
        both = np.concatenate([scores[row], inner_products(rows, query)])
        best = top(both, k)
        found[row], scores[row] = slots[best], both[best]
    return found, scores
