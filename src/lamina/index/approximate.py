"""Graph search for large sets: usearch's HNSW proposes, exact float32 scores decide.

Source of the graph: Malkov and Yashunin 2018, Efficient and Robust Approximate Nearest Neighbor Search Using
Hierarchical Navigable Small World Graphs, as implemented by the package usearch (extra "ann").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.index.flat import FlatIndex, inner_products, top
from lamina.index.growing import GrowingArray

HALF = float(np.finfo(np.float16).max)


class UsearchIndex(FlatIndex):
    """A `FlatIndex` with a graph beside it from `crossover` vectors on.

    What it returns is allowed, present and exactly scored, best first; only that some of the best may be missing sets it
    apart. Where a mask leaves too little of what the graph finds, the search is exact. Building the graph takes far
    longer than one exact search (some 0.4 ms for a vector of 256 dimensions, in each process and view): it pays off for
    many searches in a large set. It relies on vectors that lie in clusters, as those of texts do: among random directions
    it finds few of the best. The graph holds float16 copies, so the memory is a little more than half as much again.

    Parameters:
        dim: the width of a vector.
        crossover: vectors below which every search is exact and no graph is built.
        connectivity: links of a vector in the graph (M).
        expansion_add, expansion_search: candidates kept while linking and while searching (ef).
        reach: most vectors asked of the graph; a search that would need more is exact.
        threads: used for building; with 1 the same input gives the same graph, 0 takes all processors.

    >>> index = UsearchIndex(2, crossover=1)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist(), index.approximate
    ([[2]], True)
    """

    def __init__(
        self,
        dim: int,
        *,
        crossover: int = 200_000,
        connectivity: int = 16,
        expansion_add: int = 128,
        expansion_search: int = 128,
        reach: int = 2048,
        threads: int = 1,
    ) -> None:
        super().__init__(dim)
        if min(crossover, connectivity, expansion_add, expansion_search, reach) < 1 or threads < 0:
            raise InputError("crossover, connectivity, both expansions and reach must be at least 1, threads at least 0")
        self.crossover = crossover
        self.connectivity = connectivity
        self.expansion_add = expansion_add
        self.expansion_search = expansion_search
        self.reach = reach
        self.threads = threads
        self._usearch = _usearch()
        self._graph: Any = None  # usearch.index.Index
        self._forget_labels()

    def _forget_labels(self) -> None:
        # the graph never changes or loses a vector: a slot whose vector does gets a new label, the old one points nowhere
        self._slot_of = GrowingArray(np.int64)  # (labels,): the slot, or -1
        self._label_of = GrowingArray(np.int64)  # (slots,): the label, or -1
        self._dead = 0  # labels that point nowhere

    @property
    def approximate(self) -> bool:
        """Whether there is a graph."""
        return self._graph is not None

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        super().add(slots, vectors)
        if self._graph is not None:
            self._link(np.unique(slots))
        elif len(slots) and len(self) >= self.crossover:
            self._build()

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away."""
        super().remove(slots)
        if self._graph is not None:
            self._unlink(np.unique(slots[(slots >= 0) & (slots < len(self._label_of))]))
            self._tidy()

    def _build(self) -> None:
        self._graph = self._empty()
        self._forget_labels()
        self._link(np.flatnonzero(self.present))

    def _empty(self) -> Any:
        return self._usearch.Index(
            ndim=self.dim, metric="ip", dtype="f16", connectivity=self.connectivity,
            expansion_add=self.expansion_add, expansion_search=self.expansion_search,
        )  # fmt: skip

    def _link(self, slots: NDArray[np.int64]) -> None:
        """Put slots into the graph under new labels; `slots` ascending, each once."""
        if not len(slots):
            return
        missing = len(self.present) - len(self._label_of)
        if missing > 0:
            self._label_of.fill(missing, -1)
        self._unlink(slots)
        labels = np.arange(len(self._slot_of), len(self._slot_of) + len(slots))
        self._graph.add(labels.astype(np.uint64), np.clip(self.rows(slots), -HALF, HALF), threads=self.threads)
        self._slot_of.extend(slots)
        self._label_of.view[slots] = labels
        self._tidy()

    def _unlink(self, slots: NDArray[np.int64]) -> None:
        labels = self._label_of.view[slots]
        labels = labels[labels >= 0]
        self._slot_of.view[labels] = -1
        self._label_of.view[slots] = -1
        self._dead += len(labels)

    def _tidy(self) -> None:
        """Build the graph anew where most of it is dead, and give it up where little is left."""
        if 2 * self._dead > len(self._slot_of):
            self._graph = None
            self._forget_labels()
            if len(self) >= self.crossover:
                self._build()

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`."""
        self._check_queries(vectors, k)
        wanted = self._wanted(allow)
        count = int(wanted.sum())
        fetch = k + 16 if not count else int(1.5 * k * len(self._slot_of) / count) + 16
        if self._graph is None or not len(vectors) or fetch > min(self.reach, count // 2):
            return super().search(vectors, k, allow)
        found = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        for row, query in enumerate(vectors):
            labels = self._graph.search(np.clip(query, -HALF, HALF), fetch, threads=1).keys.astype(np.int64)
            slots = self._slot_of.view[labels]
            slots = slots[slots >= 0]
            slots = np.sort(slots[wanted[slots]])
            if len(slots) < k:
                found[row : row + 1], scores[row : row + 1] = super().search(query[None], k, allow)
                continue
            exact = inner_products(self.rows(slots), query)
            best = top(exact, k)
            found[row], scores[row] = slots[best], exact[best]
        return found, scores

    # ------------------------------------------------------------------------------------------------------- files
    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = super()._arrays()
        if self._graph is not None:
            arrays["graph"] = np.frombuffer(bytes(self._graph.save()), np.uint8)
            arrays["slot_of"] = self._slot_of.view
        return arrays

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        present = arrays["present"]
        graph, slot_of = None, np.empty(0, np.int64)
        if "graph" in arrays:
            graph, slot_of = self._empty(), np.asarray(arrays["slot_of"])
            graph.load(arrays["graph"].tobytes())
            live = slot_of[slot_of >= 0]
            whole = len(graph) == len(slot_of) and graph.ndim == self.dim and slot_of.dtype == np.int64 and slot_of.ndim == 1
            if not whole or not np.array_equal(np.sort(live), np.flatnonzero(present)):
                raise ValueError("its graph does not belong to its vectors")
        super()._restore(arrays)
        self._graph = graph
        self._forget_labels()
        if graph is not None:
            self._slot_of.extend(slot_of)
            self._label_of.fill(len(present), -1)
            labels = np.flatnonzero(slot_of >= 0)
            self._label_of.view[slot_of[labels]] = labels
            self._dead = len(slot_of) - len(labels)
        elif len(self) >= self.crossover:
            self._build()

    def nbytes(self) -> int:
        """Bytes held, the graph's included."""
        graph = 0 if self._graph is None else int(self._graph.memory_usage)
        return super().nbytes() + self._slot_of.nbytes() + self._label_of.nbytes() + graph


def _usearch() -> Any:
    try:
        import usearch.index
    except ImportError:
        raise MissingExtraError.for_extra("ann", "graph search (index='usearch')", "usearch") from None
    return usearch.index


def vector_index(name: str) -> Callable[[int], FlatIndex]:
    """What makes an index of a given width: "exact" or "usearch".

    Raises `ConfigError` for another name, `MissingExtraError` where the package is not installed.

    >>> vector_index("exact")(3).dim
    3
    """
    if name == "exact":
        return FlatIndex
    if name == "usearch":
        _usearch()
        return UsearchIndex
    raise ConfigError(f"index must be 'exact' or 'usearch', not {name!r}")
