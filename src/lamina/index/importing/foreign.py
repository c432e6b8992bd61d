"""What a file of another library holds, checked, in our form; and what can be made of it here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, TransferError
from lamina.index.flat import FlatIndex
from lamina.index.names import SlotNames

if TYPE_CHECKING:
    from lamina.index.hnsw import HNSW
    from lamina.records import Run

UNIT = 1e-2  # how far from 1 the length of a vector that was normalised may be (8-bit numbers are that coarse)
HIGHEST = 30  # layers above the bottom, at most: more than any set has


@dataclass(frozen=True)
class ForeignGraph:
    """The links of a layered proximity graph, in the form of `lamina.index.kernels.distances.Graph`.

    Parameters:
        M: links of a node in the layers above the bottom; twice as many in the bottom layer.
        ef_construction: candidates kept while it was built (0: the file does not say).
        links: (nodes, 1 + 2M) int32, the count first.
        upper: (rows, 1 + M) int32; the row of a node in layer l ≥ 1 is `upper_at[node] + l - 1`.
        upper_at: (nodes,) int64.
        levels: (nodes,) int8, the highest layer of each node.
        entry, top: the node that searches begin at, and its layer.
    """

    M: int
    ef_construction: int
    links: NDArray[np.int32]
    upper: NDArray[np.int32]
    upper_at: NDArray[np.int64]
    levels: NDArray[np.int8]
    entry: int
    top: int

    def problems(self) -> str:
        """What is wrong with it, "" for nothing: a link may lead only where there is a node of that layer."""
        nodes = len(self.levels)
        if not 0 <= self.entry < nodes or int(self.levels.max()) != self.top or int(self.levels[self.entry]) != self.top:
            return f"its entry {self.entry} is no node of its top layer {self.top}"
        if int(self.levels.min()) < 0 or len(self.upper) < int(self.levels.sum(dtype=np.int64)):
            return "its layers do not fit its nodes"
        if wrong := _wrong_links(self.links, np.zeros(len(self.links), np.int8), self.levels):
            return wrong
        rows = np.repeat(self.upper_at, self.levels) + _within(self.levels)
        layers = np.zeros(len(self.upper), np.int8)
        layers[rows] = _within(self.levels) + 1
        return _wrong_links(self.upper, layers, self.levels)


@dataclass(frozen=True)
class ForeignIndex:
    """Vectors with their labels, and the graph over them where the file has one.

    Parameters:
        source: the library whose file it was.
        metric: "ip", "cosine" (the vectors have length 1 then) or "l2".
        vectors: (nodes, dim) float32.
        labels: (nodes,) int64 or uint64, the numbers by which that library knows them.
        dead: (nodes,) bool, which of them were deleted (they only hold the graph together).
        graph: its links; None where there are none.
    """

    source: str
    metric: str
    vectors: NDArray[np.float32]
    labels: NDArray[Any]
    dead: NDArray[np.bool_]
    graph: ForeignGraph | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.vectors).all():
            raise TransferError(f"the vectors of this file of {self.source} have NaN or infinite values: it is damaged")
        if self.graph is not None and (wrong := self.graph.problems()):
            raise TransferError(f"the graph of this file of {self.source} is damaged: {wrong}")

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return int((~self.dead).sum())

    def names(self) -> SlotNames:
        """The labels of what is not deleted, in order: the ids of a `Collection` over `flat` or `hnsw`.

        Raises `TransferError` where one label is there twice.
        """
        live = self.labels[~self.dead]
        names, counts = np.unique(live, return_counts=True)
        if len(names) < len(live):
            twice = names[counts > 1][0]
            raise TransferError(f"the label {twice} stands for several vectors: a collection keeps one for each id")
        return SlotNames([str(label) for label in live.tolist()])

    def flat(self) -> FlatIndex:
        """An exact index of what is not deleted: slots in the order of the file.

        Raises `InputError` for the metric "l2": exact search here is by inner products.
        """
        if self.metric == "l2":
            raise InputError(
                "exact search is by inner products and this file is for Euclidean distances: make a graph of it (kind 'hnsw')"
            )
        index = FlatIndex(self.dim)
        index.add(np.arange(len(self)), np.ascontiguousarray(self.vectors[~self.dead]))
        return index

    def hnsw(self, *, relink: bool = False, run: Run | None = None, **options: Any) -> HNSW:
        """A graph index of what is not deleted: slots in the order of the file.

        With the links of the file where it has any; with `relink` they are made anew, by our own rule. `options` are those of `HNSW`; with the
        links of the file, M and ef_construction are the file's.
        """
        from lamina.index.hnsw import HNSW

        live = ~self.dead
        if self.graph is None or relink:
            index = HNSW(self.dim, metric=self.metric, **options)
            index.add(np.arange(len(self)), np.ascontiguousarray(self.vectors[live]), run)
            return index
        graph = self.graph
        vectors = self.vectors
        if self.metric == "cosine" and not vectors.any(axis=1).all():
            vectors = vectors.copy()
            vectors[~vectors.any(axis=1), 0] = 1  # deleted, and of no direction: any will do until it goes
        slots = np.where(live, np.cumsum(live) - 1, len(self) + np.cumsum(self.dead) - 1)
        settings = {"M": graph.M, "metric": self.metric, **options}
        if graph.ef_construction:
            settings.setdefault("ef_construction", graph.ef_construction)
        index = HNSW.from_graph(vectors, slots, graph.links, graph.levels, graph.upper, graph.entry, **settings)
        index.remove(slots[self.dead])
        return index


def unit_length(index: ForeignIndex) -> ForeignIndex:
    """The same with vectors of length 1, as cosines want them. Raises `TransferError` for a zero vector that was not deleted."""
    norms = np.linalg.norm(index.vectors, axis=1)
    if (zero := np.flatnonzero((norms == 0) & ~index.dead)).size:
        raise TransferError(f"vector {zero[0]} is zero and has no direction: cosines are not for this file")
    return replace(index, vectors=(index.vectors / np.where(norms, norms, 1)[:, None]).astype(np.float32))


def has_unit_length(vectors: NDArray[np.float32]) -> bool:
    """Whether these vectors were normalised."""
    return bool((np.abs(np.linalg.norm(vectors, axis=1) - 1) < UNIT).all())


def padded(lists: NDArray[Any], counts: NDArray[Any], width: int) -> NDArray[np.int32]:
    """Lists of nodes, shape (rows, any), as rows that begin with their counts, shape (rows, 1 + width)."""
    rows = np.zeros((len(lists), 1 + width), np.int32)
    rows[:, 0] = counts
    size = min(lists.shape[1], width)
    rows[:, 1 : 1 + size] = np.where(np.arange(size) < np.asarray(counts)[:, None], lists[:, :size], 0).astype(np.int32)
    return rows


def _within(levels: NDArray[np.int8]) -> NDArray[np.int64]:
    """0, 1, … for each node that has so many layers above the bottom, one after another."""
    ends = np.cumsum(levels, dtype=np.int64)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - levels, levels)


def _wrong_links(rows: NDArray[np.int32], layers: NDArray[np.int8], levels: NDArray[np.int8]) -> str:
    counts = rows[:, 0]
    if len(rows) and not (int(counts.min()) >= 0 and int(counts.max()) < rows.shape[1]):
        return "a node has more neighbours than there is room for"
    used = np.arange(rows.shape[1] - 1) < counts[:, None]
    targets = rows[:, 1:][used]
    if len(targets) and not (int(targets.min()) >= 0 and int(targets.max()) < len(levels)):
        return "a link leads to a node that is not there"
    if (levels[targets] < np.repeat(layers, counts)).any():
        return "a link leads to a node that is not in its layer"
    return ""
