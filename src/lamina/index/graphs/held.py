"""What an index over a layered graph holds: settings, arrays, slots and nodes; and what others may look at."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.forms import Form
from lamina.index.graphs.full import FullFile, FullRows
from lamina.index.graphs.guiding import Guide
from lamina.index.graphs.layers import MOST_NODES, Layers, Snapshot, rows_of
from lamina.index.kernels.distances import Graph
from lamina.index.planning import Planner

METRICS = ("ip", "cosine", "l2")
SELECTIONS = ("heuristic", "simple")


class HeldGraph:
    """The state of an `HNSW`, whose parameters it has: one snapshot for those who search, and the books of the one who changes it."""

    def __init__(
        self,
        dim: int,
        *,
        metric: str = "ip",
        M: int = 16,
        ef_construction: int = 200,
        ef: int = 64,
        form: str = "float32",
        full: Path | None = None,
        rerank: int | None = None,
        seed: int = 0,
        threads: int = 1,
        selection: str = "heuristic",
        flat: bool = False,
        share: float = 0.2,
    ) -> None:
        if dim < 1:
            raise InputError(f"a vector has at least 1 dimension, not {dim}")
        if metric not in METRICS or selection not in SELECTIONS:
            raise InputError(f"metric is one of {METRICS} and selection one of {SELECTIONS}, not {metric!r} and {selection!r}")
        if not 2 <= M <= 512:
            raise InputError(f"M must be between 2 and 512, not {M}")
        if min(ef, ef_construction, threads) < 1 or (rerank is not None and rerank < 1):
            raise InputError(
                f"ef, ef_construction, threads and rerank must be at least 1, not {ef}, {ef_construction}, {threads}, {rerank}"
            )
        if not 0 < share < 1:
            raise InputError(f"share lies between 0 and 1, not {share}")
        if full is not None and form != "int8":
            raise InputError(f"only form='int8' has full rows beside it, not {form!r}: leave `full` out")
        self.dim, self.metric, self.M, self.ef, self.ef_construction = dim, metric, M, ef, max(ef_construction, M)
        self.form, self.full, self.rerank, self.seed, self.threads = form, full, rerank, seed, threads
        self.selection, self.flat, self.share = selection, flat, share
        self.computed = 0  # distances computed by searches so far
        self.spared = 0  # nodes that these did not compare, as their sketches lay too far off
        self.plan = "graph"  # what the last search did
        self.guide = Guide()  # of searches through the graph
        self.planner = Planner()  # of searches among some
        self._euclidean = metric == "l2"
        self._generator = np.random.default_rng(seed)
        self._node_of = np.full(0, -1, np.int32)
        self._slots = self._live = self._saves = 0
        self._spare: list[tuple[NDArray[np.uint8], int]] = []  # room for marks of visited nodes, with the epoch used last
        self._active: set[object] = set()  # searches under way
        self._begin()

    def _begin(self) -> None:
        """Start without nodes."""
        full = FullRows(self.dim) if self.form == "int8" else None
        self._layers = Layers(Form(self.form, self.dim), self.M, self._euclidean, full)
        self._fitted = self._seen = self._clipped = 0
        self._new = 0  # vectors that were added since all were last seen to be reached
        self._forget_dead()
        self._publish()

    def _forget_dead(self) -> None:
        self._free = np.zeros(0, np.int32)  # nodes to use again, ascending
        self._waiting: list[tuple[set[object], NDArray[np.int32]]] = []  # … once these searches are over
        self._unsaved = np.zeros(0, np.int32)  # … once a save does not name their full rows any more

    def _publish(self) -> None:
        self._now: Snapshot = self._layers.snapshot()

    def __len__(self) -> int:
        return self._live

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best."""
        return True

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots have a vector, shape (slots,)."""
        return np.asarray(self._node_of[: self._slots] >= 0)

    @property
    def graph(self) -> Graph:
        """The arrays of the kernels; they have room for more nodes than there are."""
        return self._now.graph

    @property
    def entry(self) -> int:
        """The node where searches begin."""
        return self._now.entry

    @property
    def top(self) -> int:
        """The layer where searches begin."""
        return self._now.top

    @property
    def slot_of(self) -> NDArray[np.int64]:
        """The slot of each node, shape (nodes,); of a dead one that which it had."""
        return self._now.slot_of[: self._now.used]

    @property
    def node_of(self) -> NDArray[np.int32]:
        """The node of each slot, or -1, shape (slots,)."""
        return self._node_of[: self._slots]

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which nodes have no slot any more, shape (nodes,)."""
        return self._now.dead[: self._now.used]

    def snapshot(self) -> Snapshot:
        """What a search works with: arrays that fit each other."""
        return self._now

    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._layers.reserve(min(slots, MOST_NODES), 1 if self.flat else math.ceil(slots / (self.M - 1) * 1.05))
        self._widen(slots)
        self._publish()

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        self._widen(slots)
        self._slots = max(self._slots, slots)

    def _widen(self, slots: int) -> None:
        if slots > len(self._node_of):
            wider = np.full(max(slots, len(self._node_of) + len(self._node_of) // 8, 64), -1, np.int32)
            wider[: len(self._node_of)] = self._node_of
            self._node_of = wider

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim): as exact as they are kept, normalised under "cosine"."""
        nodes = self._node_of[: self._slots][slots].astype(np.int64)
        there = nodes >= 0
        if there.all():
            return rows_of(self._now, nodes)
        out = np.zeros((len(nodes), self.dim), np.float32)
        out[there] = rows_of(self._now, nodes[there])
        return out

    def nbytes(self) -> int:
        """Bytes of memory held, with the room ahead."""
        return (
            self._layers.nbytes()
            + int(self._node_of.nbytes)
            + sum(int(marks.nbytes) for marks, _ in self._spare)
            + self.planner.nbytes()
        )

    def _normalised(self, vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
        if self.metric != "cosine" or not len(vectors):
            return vectors
        wide = vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        if not lengths.all():
            raise VectorError(f"{what} {int(np.flatnonzero(lengths == 0)[0])} is zero: it has no direction, leave it out")
        return np.asarray(wide / lengths, np.float32)

    def _outside(self) -> NDArray[np.int32]:
        """The nodes that are in no list, ascending."""
        return np.sort(np.concatenate([self._free, self._unsaved, *(nodes for _, nodes in self._waiting)]))

    def _release(self) -> None:
        """Let the nodes be used again that no search can see any more."""
        active, waiting = self._active.copy(), self._waiting
        self._waiting = [(tokens, nodes) for tokens, nodes in waiting if tokens & active]
        over = [nodes for tokens, nodes in waiting if not tokens & active]
        if over:
            nodes = np.sort(np.concatenate(over)).astype(np.int64)
            self._layers.clear(nodes)
            if isinstance(self._layers.full, FullFile):
                self._unsaved = np.union1d(self._unsaved, nodes).astype(np.int32)
            else:
                self._free = np.union1d(self._free, nodes).astype(np.int32)
