"""The arrays of a layered graph: they grow by being replaced, so that who reads the older ones is not disturbed."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.index.arrays import aligned_zeros
from lamina.index.forms import Form
from lamina.index.graphs.full import FullRows
from lamina.index.kernels.distances import Graph
from lamina.index.kernels.twins import enter, find
from lamina.index.sketches import Sketches, widened

SKETCHED_FROM = 1 << 13  # rows whose middle is that of the sketches
MOST_NODES = 1 << 30  # the keys of a search hold a node in 31 bits


class Snapshot(NamedTuple):
    """What a reader takes once and then works with.

    Parameters:
        graph: the arrays of the kernels.
        form: of the vectors.
        full: the rows as float16 beside int8 vectors.
        slot_of: (capacity,) int64, the slot of each node.
        dead: (capacity,) bool.
        used: how many nodes there are, dead and free ones among them.
        entry, top: where searches begin, and its layer.
        tombstones: dead nodes that lists may still name.
        layers: what it was taken of.
        head: (capacity,) int32, of a node whose vector another one has that stands in the graph, that one plus 1; else 0. Of shape (0,) where no
            vectors are equal.
        twins: the same, of each node the next one with its vector, plus 1.
    """

    graph: Graph
    form: Form
    full: FullRows | None
    slot_of: NDArray[np.int64]
    dead: NDArray[np.bool_]
    used: int
    entry: int
    top: int
    tombstones: int
    layers: Layers
    head: NDArray[np.int32]
    twins: NDArray[np.int32]


class Layers:
    """The arrays, and how many of their rows are used.

    Parameters: `form` of the vectors; `M`, links of a node in the upper layers, half of those in the bottom layer; `euclidean`, whether squared
    lengths are kept; `full`, the rows as float16 beside int8 vectors.
    """

    def __init__(self, form: Form, M: int, euclidean: bool, full: FullRows | None) -> None:
        self.form, self.M, self.euclidean, self.full = form, M, euclidean, full
        self.count = self.rows = self.tombstones = 0
        self.entry = self.top = 0
        self.changes = 0  # counted whenever a slot gets or loses its node: what was made of slots before holds no longer
        self._sketches: Sketches | None = None  # made when a search first wants them
        self._sketching = threading.Lock()
        self.head, self.twins = np.zeros(0, np.int32), np.zeros(0, np.int32)
        self.table: NDArray[np.int32] | None = None  # of hashes, by which equal vectors are found
        self.dead = np.zeros(0, np.bool_)
        self.slot_of = np.zeros(0, np.int64)
        self.graph = Graph(
            aligned_zeros((0, form.width), form.dtype), np.zeros(0, np.float32), np.zeros((0, 2 * M + 1), np.int32),
            np.zeros((1, M + 1), np.int32), np.zeros(0, np.int64), np.zeros(0, np.int8),
        )  # fmt: skip

    @property
    def capacity(self) -> int:
        """Nodes that the arrays have room for."""
        return len(self.slot_of)

    def snapshot(self) -> Snapshot:
        """What a reader takes."""
        return Snapshot(
            self.graph, self.form, self.full, self.slot_of, self.dead, self.count, self.entry, self.top, self.tombstones, self,
            self.head, self.twins,
        )  # fmt: skip

    def reserve(self, nodes: int, rows: int) -> None:
        """Make room for so many nodes, and rows of the upper layers."""
        graph = self.graph
        if nodes > self.capacity:  # all is replaced: no list that an older reader holds may ever name a node beyond its arrays
            nodes = max(nodes, min(self.capacity + self.capacity // 8, MOST_NODES), 64)
            norms = larger(graph.norms, nodes) if self.euclidean else graph.norms
            graph = graph._replace(
                vectors=larger(graph.vectors, nodes), norms=norms, links=larger(graph.links, nodes),
                upper_at=larger(graph.upper_at, nodes), levels=larger(graph.levels, nodes), upper=graph.upper.copy(),
            )  # fmt: skip
            self.full = self.full.grown(nodes) if self.full is not None else None
            self.slot_of, self.dead = larger(self.slot_of, nodes), larger(self.dead, nodes)
            if len(self.twins):
                self.head, self.twins = larger(self.head, nodes), larger(self.twins, nodes)
        if rows > len(graph.upper):
            graph = graph._replace(upper=larger(graph.upper, max(rows, len(graph.upper) + len(graph.upper) // 8, 16)))
        self.graph = graph

    def append(self, levels: NDArray[np.int8]) -> None:
        """Use so many more nodes, of these levels; there must be room."""
        stop, tall = self.count + len(levels), levels.astype(np.int64)
        self.graph.levels[self.count : stop] = levels
        self.graph.upper_at[self.count : stop] = self.rows + np.cumsum(tall) - tall
        self.rows += int(tall.sum())
        self.count = stop

    def put(self, first: int, vectors: NDArray[np.float32], slots: NDArray[np.int64]) -> None:
        """Set vectors and slots of the nodes from `first` on, which no list names yet."""
        stop = first + len(slots)
        encoded = self.form.encode(vectors)
        if self.full is not None:
            self.full.write(first, vectors)
        self.graph.vectors[first:stop] = encoded
        if self.euclidean:
            self.graph.norms[first:stop] = self.form.norms(encoded)
        self.slot_of[first:stop] = slots
        self.dead[first:stop] = False
        self.changes += 1
        with self._sketching:
            if self._sketches is not None:
                self._sketches.put(min(first, len(self._sketches)), self.graph.vectors[min(first, len(self._sketches)) : stop])

    def equal(self, encoded: NDArray[Any], coming: int, outside: NDArray[np.int32]) -> NDArray[np.int64]:
        """The nodes in the graph that have these rows, or -1; `coming` nodes more are to be entered soon, those `outside` are in no list."""
        if self.table is None or 2 * (self.count + coming) > len(self.table):
            self.table = np.full(1 << max((2 * (self.count + coming)).bit_length(), 6), -1, np.int32)
            linked = ~self.behind()
            linked[outside] = False
            enter(self.graph.vectors.view(np.uint16), np.flatnonzero(linked), self.table)
        found = np.empty(len(encoded), np.int64)
        find(encoded.view(np.uint16), self.graph.vectors.view(np.uint16), self.table, found)
        return found

    def enter(self, first: int, stop: int) -> None:
        """Let the vectors of these nodes be found by `equal`."""
        assert self.table is not None
        enter(self.graph.vectors.view(np.uint16), np.arange(first, stop), self.table)

    def pair(self, node: int, head: int) -> None:
        """List a node behind one in the graph that has the same vector."""
        if not len(self.twins):
            self.head, self.twins = np.zeros(self.capacity, np.int32), np.zeros(self.capacity, np.int32)
        self.head[node] = head + 1
        self.twins[node] = self.twins[head]
        self.twins[head] = node + 1
        self.changes += 1

    def behind(self) -> NDArray[np.bool_]:
        """Which nodes are listed behind another instead of standing in the graph, shape (count,)."""
        return self.head[: self.count] > 0 if len(self.head) else np.zeros(self.count, np.bool_)

    def clear(self, nodes: NDArray[np.int64]) -> None:
        """Leave nothing of nodes that no list names."""
        graph, self.table = self.graph, None
        graph.vectors[nodes] = 0
        graph.links[nodes, 0] = 0
        with self._sketching:
            if self._sketches is not None:
                self._sketches.clear(nodes)
        if self.euclidean:
            graph.norms[nodes] = 0
        for node in nodes[graph.levels[nodes] > 0]:
            graph.upper[graph.upper_at[node] : graph.upper_at[node] + graph.levels[node], 0] = 0
        if self.full is not None and self.full.path is None:
            self.full.array[nodes] = 0

    def refit(self, form: Form) -> None:
        """Encode all int8 vectors anew, with another step."""
        assert self.full is not None
        vectors, norms = aligned_zeros(self.graph.vectors.shape, np.int8), self.graph.norms.copy()
        for start in range(0, self.count, 1 << 14):
            nodes = np.arange(start, min(start + (1 << 14), self.count))
            vectors[nodes] = form.encode(self.full.read(nodes))
            if self.euclidean:
                norms[nodes] = form.norms(vectors[nodes])
        with self._sketching:
            self.table = None
            self.form, self.graph, self._sketches = form, self.graph._replace(vectors=vectors, norms=norms), None

    def middle(self, nodes: int) -> NDArray[np.float32]:
        """The mean of some of the first rows, from which sketches of them begin; shape (width,)."""
        some = self.graph.vectors[: nodes or 1 : max(nodes // SKETCHED_FROM, 1)]
        return np.asarray(widened(some).mean(axis=0), np.float32)

    def sketched(self, nodes: int) -> Sketches:
        """Sketches of at least the first `nodes` rows; from now on they are kept in step."""
        with self._sketching:
            if self._sketches is None:
                self._sketches = Sketches(self.middle(nodes))
            if nodes > len(self._sketches):
                self._sketches.put(len(self._sketches), self.graph.vectors[len(self._sketches) : nodes])
            return self._sketches

    def nbytes(self) -> int:
        """Bytes of memory, with the room ahead."""
        arrays: list[NDArray[Any]] = [*self.graph, self.slot_of, self.dead, self.head, self.twins]
        arrays += [self.table] if self.table is not None else []
        beside = (self.full, self._sketches)
        return sum(int(array.nbytes) for array in arrays) + sum(part.nbytes() for part in beside if part is not None)


def larger(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """A copy with more rows, zeros at the end."""
    out = aligned_zeros((rows, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def rows_of(now: Snapshot, nodes: NDArray[np.int64]) -> NDArray[np.float32]:
    """The vectors of nodes, as exact as they are kept, shape (nodes, dim)."""
    if now.full is not None:
        return now.full.read(nodes)
    return now.form.decode(now.graph.vectors[nodes])
