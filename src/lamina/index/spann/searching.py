"""Searching lists on disk: what a reader takes once, and how far it then goes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError, InputError, StateError, VectorError
from lamina.index.arrays import aligned_zeros
from lamina.index.comparing import compare
from lamina.index.flat import check_finite
from lamina.index.forms import Form, halves
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.kernels.lists import PAGE, Heads, Lists, Probing, probe
from lamina.index.spann.building import prepared

CANDIDATES = 256  # heads looked at in memory, at least: they cost no reading, and a list that is missed costs several others
MASKED = 1.5  # times as many lists as the share of what passes a mask would ask for: it may lie elsewhere than the query


class State(NamedTuple):
    """What a reader takes once and then works with.

    Parameters: `heads`, the graph in memory; `lists`, the file; `slots` (rows,) int32, the slot of each row or -1; `versions` (rows,) uint8: copies
    of another version do not count; `used`, rows.
    """

    heads: Heads
    lists: Lists
    slots: NDArray[np.int32]
    versions: NDArray[np.uint8]
    used: int


class ListSearch:
    """What a `SPANN` has, and the search of it; `SPANN` tells what the settings mean."""

    dim: int
    folder: Path
    metric: str
    form: str
    probes: int
    ratio: float
    guard: float
    patience: int
    margin: float
    candidates: int | None
    keep: int | None
    pages: int
    limit: int
    length: float
    codes: Form
    full: FullFile | None
    heads_read: int
    compared: int
    lists_read: int
    bytes_read: int
    plan: str
    work: NDArray[np.int64]
    _node_of: NDArray[np.int32]
    _spare: list[tuple[NDArray[np.uint8], int, NDArray[np.uint8]]]
    _heads: HNSW | None
    _state: State | None

    # ------------------------------------------------------------------------------------------------- what there is
    def __len__(self) -> int:
        return int((self._node_of >= 0).sum())

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best."""
        return True

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots have a vector, shape (slots,)."""
        return np.asarray(self._node_of >= 0)

    @property
    def heads(self) -> HNSW:
        """The graph of heads; a slot in it is the number of a list."""
        if self._heads is None:
            raise StateError("the index has not been built yet: call build or add first")
        return self._heads

    def state(self) -> State:
        """What a search works with."""
        if self._state is None:
            raise StateError("the index has not been built yet: call build or add first")
        return self._state

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots as float16 holds them, zeros where there is none, shape (slots, dim)."""
        out = np.zeros((len(slots), self.dim), np.float32)
        if self.full is None:
            return out
        inside = (slots >= 0) & (slots < len(self._node_of))
        nodes = np.where(inside, self._node_of[np.where(inside, slots, 0)], -1)
        out[nodes >= 0] = self.full.read(nodes[nodes >= 0].astype(np.int64))
        return out

    def nodes_of(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each slot, or -1; slots are not below 0."""
        inside = slots < len(self._node_of)
        return np.where(inside, self._node_of[np.where(inside, slots, 0)], -1).astype(np.int64)

    def point(self, slots: NDArray[np.int64], rows: NDArray[np.int64] | int) -> None:
        """Let slots have these rows (-1: none)."""
        most = int(slots.max(initial=-1)) + 1
        if most > len(self._node_of):
            self._node_of = np.append(self._node_of, np.full(most + most // 8 - len(self._node_of), -1, np.int32))
        self._node_of[slots] = rows

    # -------------------------------------------------------------------------------------------------------- search
    def search(
        self,
        vectors: NDArray[np.float32],
        k: int,
        allow: NDArray[np.bool_] | None = None,
        *,
        probes: int | None = None,
        ratio: float | None = None,
        patience: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query with their scores, -1 and -inf where there are fewer, shape (queries, k).

        `allow`, a mask over slots: where it lets few through, more lists are read, or all that pass are compared.
        """
        queries = np.asarray(vectors, np.float32)
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}")
        if queries.ndim != 2 or queries.shape[1] != self.dim:
            raise VectorError(f"expected queries of {self.dim} dimensions, shape (queries, {self.dim}), got {queries.shape}")
        check_finite(queries, "query")
        found, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
        if self._state is None or not len(queries) or not len(self):
            return found, scores
        if self.metric == "cosine":
            queries = prepared(queries, self.metric)
        most = probes or self.probes
        barred, few = self._barred(allow)
        if barred is not None:
            passing = len(few)
            if passing <= max(4 * k, most * self.limit // 2):
                self.plan = "exact"
                return self._exact(queries, k, few)
            most = min(math.ceil(MASKED * most * len(self) / passing), len(self._state.lists.count))
            ratio, patience = 0.0, 0
        self.plan = "lists"
        slots, near, counts = self._probe(
            queries, k, barred, most, self.ratio if ratio is None else ratio, self.patience if patience is None else patience
        )
        self._fill(queries, slots, near, counts, found, scores)
        short = np.flatnonzero(counts < min(k, len(few) if barred is not None else len(self)))
        if len(short):  # the lists that were read hold too few
            every = few if barred is not None else np.flatnonzero(self.present)
            if barred is None and most < len(self._state.lists.count):
                wider = min(8 * most + 64, len(self._state.lists.count))
                found[short], scores[short] = self.search(queries[short], k, probes=wider, ratio=0.0, patience=0)
            else:
                found[short], scores[short] = self._exact(queries[short], k, every)
        return found, scores

    def _barred(self, allow: NDArray[np.bool_] | None) -> tuple[NDArray[np.uint8] | None, NDArray[np.int64]]:
        if allow is None:
            return None, np.empty(0, np.int64)
        wide = np.zeros(len(self._node_of), np.bool_)
        size = min(len(wide), len(allow))
        wide[:size] = allow[:size]
        return (~wide).view(np.uint8), np.flatnonzero(wide & self.present)

    def _probe(
        self, queries: NDArray[np.float32], k: int, barred: NDArray[np.uint8] | None, most: int, ratio: float, patience: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        state, full = self.state(), self.full
        assert full is not None
        near_form = Form("float16", self.dim)
        head_queries = near_form.encode(np.clip(queries, -6e4, 6e4))
        codes = self.codes.encode(queries)
        ef = min(max(self.candidates or max(2 * most, CANDIDATES), most, 32), len(state.heads.number))
        keep = self.keep or 2 * k + 10
        probing = Probing(min(most, ef), ef, ratio, self.guard, patience, self.margin, False)
        unit = self.codes.step**2 if self.form == "int8" else 1.0
        shape = (len(queries), k)
        nodes, near, counts = np.full(shape, -1, np.int64), np.empty(shape, np.float32), np.zeros(len(queries), np.int64)
        work = np.zeros((len(queries), 4), np.int64)
        visited, epoch, buffer = self._room(len(state.heads.graph.links))
        guess = self.heads.guide.guess(self.heads.snapshot(), head_queries)
        epoch = probe(
            state.heads, guess, state.lists, probing, head_queries, near_form.norms(head_queries), codes, self.codes.norms(codes), unit, state.slots,
            state.versions, np.zeros(0, np.uint8) if barred is None else barred, full.handle, full.start, halves(queries),
            max(keep, k), visited, epoch, buffer, nodes, near, counts, work,
        )  # fmt: skip
        if epoch < 0:
            raise CorruptStoreError(f"a list or a row in {self.folder} cannot be read: delete the folder, an index is built anew")
        self._spare.append((visited, epoch, buffer))
        self.work = work
        heads, compared, lists, size = work.sum(axis=0).tolist()
        self.heads_read += heads
        self.compared += compared
        self.lists_read += lists
        self.bytes_read += size
        nodes[nodes >= 0] = state.slots[nodes[nodes >= 0]]
        return nodes, near, counts

    def _room(self, nodes: int) -> tuple[NDArray[np.uint8], int, NDArray[np.uint8]]:
        try:
            visited, epoch, buffer = self._spare.pop()
            if len(visited) == nodes:
                return visited, epoch, buffer
        except IndexError:
            pass
        return np.zeros(nodes, np.uint8), 0, aligned_zeros(((self.pages + 1) * PAGE,), np.uint8)

    def _fill(
        self, queries: NDArray[np.float32], slots: NDArray[np.int64], near: NDArray[np.float32], counts: NDArray[np.int64],
        found: NDArray[np.int64], scores: NDArray[np.float32],
    ) -> None:  # fmt: skip
        """Slots and squared distances as slots and scores."""
        there = np.arange(slots.shape[1]) < counts[:, None]
        found[there] = slots[there]
        if self.metric == "l2":
            scores[there] = -near[there]
            return
        lengths = np.einsum("ij,ij->i", queries, queries)
        where = np.nonzero(there)
        length = np.float32(self.length)
        scores[there] = (lengths[where[0]] + length - near[there]) / 2

    def _exact(
        self, queries: NDArray[np.float32], k: int, slots: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k of some slots, each compared by its float16 row."""
        return compare(queries, k, slots[self.nodes_of(slots) >= 0], self.rows, euclidean=self.metric == "l2")
