"""Exact search over vectors that do not lie in one matrix: in a file, or in a graph and beside it. They are read in runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import StoreFullError, VectorError
from lamina.index.flat import FlatIndex, inner_products, top
from lamina.index.growing import GrowingArray

RUN: Final = 8192  # rows that are read and compared at once


class ScatteredIndex(FlatIndex):
    """A `FlatIndex` that knows which slots have a vector, and leaves to others where the vectors are: they fill in `add`, `remove` and `rows`."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self._place = GrowingArray(np.int64)  # (slots,): where a vector lies, -1 where it does not

    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._present.reserve(slots)
        self._place.reserve(slots)

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        missing = slots - len(self._present)
        if missing > 0:
            self._present.fill(missing, False)
            self._place.fill(missing, -1)

    def _runs(self, wanted: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        slots = np.flatnonzero(wanted)
        slots = slots[np.argsort(self._place.view[slots], kind="stable")]
        for start in range(0, len(slots), RUN):
            part = slots[start : start + RUN]
            yield part, self.rows(part)

    def scores(self, query: NDArray[np.float32], allow: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Inner products with one query, shape (slots,); 0 where a slot has no vector or is not allowed. Reads all of them."""
        out = np.zeros(len(self._present), np.float32)
        for slots, rows in self._runs(self._wanted(allow)):
            out[slots] = inner_products(rows, query)
        return out

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`. Reads all that is allowed once."""
        self._check_queries(vectors, k)
        wanted = self._wanted(allow)
        found = np.full((len(vectors), k), -1, np.int64)
        best = np.full((len(vectors), k), -np.inf, np.float32)
        scores = np.full((len(vectors), len(wanted)), -np.inf, np.float32)
        for slots, rows in self._runs(wanted):
            for row, query in enumerate(vectors):
                scores[row, slots] = inner_products(rows, query)
        for row in range(len(vectors)):
            slots = top(scores[row], k)
            slots = slots[wanted[slots]]
            found[row, : len(slots)], best[row, : len(slots)] = slots, scores[row, slots]
        return found, best

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"vectors": self.rows(np.arange(len(self._present))), "present": self._present.view}

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.remove(np.flatnonzero(self._present.view))
        there = np.flatnonzero(arrays["present"])
        self.grow(len(arrays["present"]))
        self.add(there, arrays["vectors"][there])


class FileRows(ScatteredIndex):
    """A `FlatIndex` whose vectors lie in a file without a name, gone with the process; only a place of 8 bytes for each is in memory.

    Vectors are read with `pread`: pages that are mapped would count as the process's own. What was taken away is overwritten.

    Parameters: `dim`; `folder`, where there is room for the file. Values beyond float16 are refused with a `VectorError`.

    >>> index = FileRows(2, Path(tempfile.gettempdir()))
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist()
    [[2]]
    """

    def __init__(self, dim: int, folder: Path) -> None:
        super().__init__(dim)
        with tempfile.TemporaryFile(dir=folder, prefix="rows.", buffering=0) as file:
            self._handle = os.dup(file.fileno())
        self._rows = 0  # in the file

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        self._check_rows(slots, vectors)
        if not len(slots):
            return
        with np.errstate(over="ignore"):
            half = np.ascontiguousarray(vectors, np.float16)
        if not np.isfinite(half).all():
            raise VectorError("vectors on disk are float16 and must lie within ±65504: normalise them")
        self.grow(int(slots.max()) + 1)
        self._forget(slots)
        self._write(self._rows, half)
        places = np.arange(self._rows, self._rows + len(slots))
        self._place.view[slots] = places
        lost = places[self._place.view[slots] != places]  # of slots that are named twice
        self._rows += len(slots)
        self._wipe(lost)
        self._present.view[slots] = True

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        inside = np.unique(slots[(slots >= 0) & (slots < len(self._present))])
        self._forget(inside)
        self._present.view[inside] = False
        self._place.view[inside] = -1

    def _forget(self, slots: NDArray[np.int64]) -> None:
        """Overwrite what slots have had."""
        places = self._place.view[slots]
        self._wipe(places[places >= 0])

    def _wipe(self, places: NDArray[np.int64]) -> None:
        nothing = np.zeros((1, self.dim), np.float16)
        for place in places.tolist():
            self._write(place, nothing)

    def _write(self, row: int, rows: NDArray[np.float16]) -> None:
        data, at = memoryview(rows.tobytes()), row * self.dim * 2
        try:
            while data:
                done = os.pwrite(self._handle, data, at)
                data, at = data[done:], at + done
        except OSError as error:
            raise StoreFullError(f"the vectors of a view could not be written beside the store: {error.strerror}") from error

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim)."""
        out = np.zeros((len(slots), self.dim), np.float32)
        places = self._place.view[slots]
        order = np.argsort(places, kind="stable")
        order = order[places[order] >= 0]
        if not len(order):
            return out
        sorted_places = places[order]
        breaks = np.flatnonzero(np.diff(sorted_places) != 1) + 1
        for run, first in zip(np.split(order, breaks), sorted_places[np.append(0, breaks)].tolist(), strict=True):
            raw = os.pread(self._handle, len(run) * self.dim * 2, first * self.dim * 2)
            out[run] = np.frombuffer(raw, np.float16).reshape(len(run), self.dim)
        return out

    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._present.nbytes() + self._place.nbytes()

    def file_bytes(self) -> int:
        """Bytes held on disk."""
        return self._rows * self.dim * 2


class GraphRows(ScatteredIndex):
    """Vectors that a graph holds, and beside it those that it does not hold yet.

    Parameters: `before`, the index that has all vectors now; `graph` (an `HNSW` or a `SPANN`), which has those of the slots in `linked`.
    """

    def __init__(self, before: FlatIndex, graph: Any, linked: NDArray[np.int64]) -> None:
        super().__init__(before.dim)
        self.graph = graph
        self._changes = 0
        self._known = -1, np.empty(0, np.bool_), np.empty(0, np.int64)
        self._late = GrowingArray(np.float32, before.dim)
        self.grow(len(before.present))
        rest = before.present.copy()
        rest[linked] = False
        slots = np.flatnonzero(rest)
        self.add(slots, before.rows(slots))
        self._present.view[linked] = before.present[linked]
        self._changes += 1

    def handed_over(self, slots: NDArray[np.int64]) -> GraphRows:
        """The same, now that the graph has the vectors of some slots; whoever reads this one can go on."""
        return GraphRows(self, self.graph, np.union1d(slots, np.flatnonzero(self.linked)))

    def _current(self) -> tuple[int, NDArray[np.bool_], NDArray[np.int64]]:
        """What `linked` and `late` say, made anew after a change."""
        if self._known[0] != self._changes:
            changes, late = self._changes, self._place.view >= 0
            self._known = changes, self._present.view[: len(late)] & ~late, np.flatnonzero(late)
        return self._known

    @property
    def linked(self) -> NDArray[np.bool_]:
        """The slots whose vector is in the graph, shape (slots,)."""
        return self._current()[1]

    @property
    def late(self) -> NDArray[np.int64]:
        """The slots whose vector is not in the graph yet, ascending."""
        return self._current()[2]

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        super().grow(slots)
        self._changes += 1

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        self._check_rows(slots, vectors)
        if not len(slots):
            return
        self.grow(int(slots.max()) + 1)
        places = np.arange(len(self._late), len(self._late) + len(slots))
        self._late.extend(vectors)
        self._place.view[slots] = places
        self._present.view[slots] = True
        self._changes += 1

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        inside = slots[(slots >= 0) & (slots < len(self._present))]
        places = self._place.view[inside]
        self._late.view[places[places >= 0]] = 0
        self._place.view[inside] = -1
        self._present.view[inside] = False
        self._changes += 1

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim)."""
        places, there = self._place.view[slots], self._present.view[slots]
        late = places >= 0
        if there.all() and not late.any():
            rows: NDArray[np.float32] = self.graph.rows(slots)
            return rows
        out = np.zeros((len(slots), self.dim), np.float32)
        out[late] = self._late.view[places[late]]
        linked = np.flatnonzero(there & ~late)
        if len(linked):
            out[linked] = self.graph.rows(np.asarray(slots)[linked])
        return out

    def nbytes(self) -> int:
        """Bytes held, the graph's included."""
        return self._present.nbytes() + self._place.nbytes() + self._late.nbytes() + int(self.graph.nbytes())
