"""Vectors come and go: nodes for slots, equal vectors behind one node, tombstones, repair, re-use, packing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.flat import check_finite, whole_slots
from lamina.index.graphs import removal
from lamina.index.graphs.construction import Linker, levels_of, workers
from lamina.index.graphs.full import FullFile
from lamina.index.graphs.held import HeldGraph
from lamina.index.graphs.layers import MOST_NODES
from lamina.records import Run

FEWEST_DEAD = 64  # tombstones below which no repair begins by itself
FEWEST_NEW = 64  # additions after which no ways are looked for by themselves
NEW = 1 / 16  # … nor below this share of all
FITTED = 1 << 16  # vectors from which on the step of int8 vectors is fitted anew only where many do not fit
CLIPPED = 1e-3  # share of components beyond the step from which it is fitted anew
SAMPLED = 8192  # vectors, new and old, that the step is fitted to


class ChangingGraph(HeldGraph):
    """How an `HNSW` changes. One thread at a time may do so."""

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32], run: Run | None = None) -> None:
        """Set the vectors of slots, shape (slots, dim); of a slot named twice the last one counts.

        Whenever a sixteenth of all has been added, vectors that no way leads to any more are named anew (not with selection="simple"). `run` is
        told of the progress and may cancel: what was linked by then stays, the rest is as it was.
        Raises `VectorError` for another width, NaN, infinity, a zero vector under "cosine", or what float16 cannot hold, `InputError` for a
        slot that is negative or no whole number (nothing is then set), `StoreFullError` where the file of full rows cannot grow (as if cancelled).
        """
        slots = whole_slots(slots)
        vectors = self._prepared(vectors, len(slots))
        if not len(slots):
            return
        if int(slots.min()) < 0:
            raise InputError(f"a slot is a number from 0, not {int(slots.min())}")
        _, last = np.unique(slots[::-1], return_index=True)
        order = np.sort(len(slots) - 1 - last)
        if len(order) > 1:
            order = self._generator.permutation(order)
        self._release()
        new = max(len(order) - len(self._free), 0)
        if self._layers.count + new > MOST_NODES:
            raise InputError(f"a graph holds at most {MOST_NODES:,} vectors: split the set")
        levels = levels_of(self._generator, new, self.M, self.flat)
        self._full_file()
        self._fit(vectors)
        self.grow(int(slots.max()) + 1)
        certain = max(int((self._node_of[slots[order]] < 0).sum()) - len(self._free), 0)
        self._layers.reserve(self._layers.count + certain, self._layers.rows + int(levels[:certain].sum(dtype=np.int64)))
        self._publish()
        try:
            self._link(slots, vectors, order, levels, run)
        finally:
            self._publish()
        self._new += len(order)
        self._tidy()

    def _prepared(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        if vectors.shape != (count, self.dim):
            raise VectorError(f"expected {count} vectors of {self.dim} dimensions, got an array of shape {vectors.shape}")
        vectors = np.asarray(vectors, np.float32)
        check_finite(vectors)
        self._layers.form.check(vectors)
        return self._normalised(vectors, "vector")

    def _link(
        self,
        slots: NDArray[np.int64],
        vectors: NDArray[np.float32],
        order: NDArray[np.int64],
        levels: NDArray[np.int8],
        run: Run | None,
    ) -> None:
        done, rest = 0, levels
        with workers(self.threads) as each:
            linker = self._linker(each)
            while done < len(order):
                if run is not None:
                    run.report("linking vectors", done, len(order))
                size = linker.size(self._layers.count - len(self._free))
                part = order[done : done + size]
                rest = self._link_batch(linker, slots[part], vectors[part], rest, len(order) - done)
                self._publish()
                done += len(part)

    def _link_batch(
        self, linker: Linker, slots: NDArray[np.int64], vectors: NDArray[np.float32], levels: NDArray[np.int8], coming: int
    ) -> NDArray[np.int8]:
        """Give nodes to some slots; returns the levels that were not used."""
        layers = self._layers
        encoded = layers.form.encode(vectors)
        heads = layers.equal(encoded, coming, self._outside())
        seen: dict[bytes, int] = {}
        same = np.array([i if heads[i] >= 0 else seen.setdefault(encoded[i].tobytes(), i) for i in range(len(slots))])
        fresh = np.flatnonzero((heads < 0) & (same == np.arange(len(slots))))
        at = 0
        while at < len(fresh):
            first, tall = self._room_for(len(fresh) - at, levels)
            higher = np.flatnonzero(tall > layers.top) if layers.count else np.zeros(1, np.int64)
            tall = tall[: int(higher[0]) + 1] if len(higher) else tall  # one that is higher becomes the entry of those after it
            part = fresh[at : at + len(tall)]
            levels = self._put(first, slots[part], vectors[part], tall, levels)
            if layers.count == 1:
                layers.entry, layers.top = 0, int(tall[0])
            else:
                linker.link(first, first + len(part))
            layers.enter(first, first + len(part))
            heads[part] = np.arange(first, first + len(part))
            at += len(part)
        for i in np.setdiff1d(np.arange(len(slots)), fresh, assume_unique=True).tolist():
            self._pair(slots[i : i + 1], vectors[i : i + 1], int(heads[same[i]]))
        return levels

    def _pair(self, slot: NDArray[np.int64], vector: NDArray[np.float32], head: int) -> None:
        """Give a slot a node behind another one with the same vector; nothing changes where it has that vector already."""
        layers, before = self._layers, int(self._node_of[slot[0]])
        same = before >= 0 and (before == head or (len(layers.head) > 0 and layers.head[before] == head + 1))
        if same and (
            layers.full is None or np.array_equal(layers.full.read(np.array([before]))[0], vector[0].astype(np.float16))
        ):
            return
        none = np.zeros(1, np.int8)
        first, _ = self._room_for(1, none)
        self._put(first, slot, vector, none, none)
        layers.pair(first, head)

    def _room_for(self, count: int, levels: NDArray[np.int8]) -> tuple[int, NDArray[np.int8]]:
        """The first of up to `count` nodes in a row to use next, and the levels of these."""
        if not len(self._free):
            return self._layers.count, levels[:count]
        some = self._free[:count]
        some = some[: int(np.argmax(np.append(np.diff(some) != 1, True))) + 1]
        return int(some[0]), self._layers.graph.levels[some]

    def _put(
        self, first: int, slots: NDArray[np.int64], vectors: NDArray[np.float32], tall: NDArray[np.int8], levels: NDArray[np.int8]
    ) -> NDArray[np.int8]:
        """Let the nodes from `first` on be those of these slots; returns the levels that are left."""
        layers = self._layers
        layers.reserve(first + len(slots), layers.rows + int(tall.sum(dtype=np.int64)))
        layers.put(first, vectors, slots)
        if first < layers.count:
            self._free = self._free[len(slots) :]
        else:
            layers.append(tall)
            levels = levels[len(tall) :]
        self._let_die(slots)
        self._node_of[slots] = np.arange(first, first + len(slots))
        self._live += len(slots)
        return levels

    def _linker(self, each: Any) -> Linker:
        return Linker(self._layers, self.ef_construction, self.selection == "simple", self.threads, each)

    def _let_die(self, slots: NDArray[np.int64]) -> None:
        nodes = self._node_of[slots]
        nodes = nodes[nodes >= 0]
        self._node_of[slots] = -1
        self._layers.dead[nodes] = True
        self._layers.changes += 1
        self._layers.tombstones += len(nodes)
        self._live -= len(nodes)
        if len(nodes):
            self._publish()

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over. Raises `InputError` for slots that are no whole numbers.

        Searches pass through them until `repair`; after it and the next `save` neither memory nor the files hold anything of them.
        """
        slots = np.unique(whole_slots(slots))
        self._let_die(slots[(slots >= 0) & (slots < self._slots)])
        self._tidy()

    def _tidy(self) -> None:
        layers = self._layers
        if layers.count and not self._live:
            self._begin()
        elif layers.tombstones > max(FEWEST_DEAD, self.share * (layers.count - len(self._free))):
            self.repair()
        elif self._new >= max(FEWEST_NEW, NEW * layers.count) and self.selection != "simple":
            self._reconnect()

    def _reconnect(self) -> None:
        """Let every vector be reached: a list that is full drops the farthest for a nearer one, and may have been the last to name it."""
        with workers(self.threads) as each:
            removal.reconnect(self._layers, self._linker(each))
        self._new = 0

    def repair(self) -> int:
        """Choose the lists that name removed vectors anew, let every vector be reached, and free the nodes; returns how many lists were healed."""
        layers = self._layers
        if not self._live:
            return 0
        with workers(self.threads) as each:
            linker = self._linker(each)
            healed = removal.heal(layers, linker) if layers.tombstones else 0
            removal.reconnect(layers, linker)
        known = self._outside()
        gone = np.setdiff1d(np.flatnonzero(layers.dead[: layers.count]), known).astype(np.int32)
        layers.tombstones = self._new = 0
        self._publish()
        if len(gone):
            self._waiting.append((self._active.copy(), gone))
        self._release()
        return healed

    def compact(self) -> None:
        """Pack the arrays: no room is left for nodes that are gone, nor ahead. Takes the memory of a second index while it runs."""
        self.repair()
        if not self._live:
            return
        old = self._layers
        keep = np.flatnonzero(~old.dead[: old.count])
        self._layers = removal.packed(old, keep)
        self._node_of = np.full(self._slots, -1, np.int32)
        self._node_of[self._layers.slot_of[: len(keep)]] = np.arange(len(keep))
        self._forget_dead()
        self._spare = []
        self._publish()

    def _full_file(self) -> None:
        """Let there be a file of full rows, where one is wanted."""
        if self.full is not None and not isinstance(self._layers.full, FullFile):
            self._layers.full = FullFile.fresh(self.full, self.dim)

    def _fit(self, vectors: NDArray[np.float32]) -> None:
        """Let the step of int8 vectors fit those there are."""
        layers = self._layers
        if self.form != "int8":
            return
        if layers.form.step:
            self._seen += vectors.size
            self._clipped += int((np.abs(vectors) > 127.5 * layers.form.step).sum())
        total = layers.count + len(vectors)
        many = self._seen > 1e5 and self._clipped > CLIPPED * self._seen
        if layers.form.step and not many and (self._fitted >= FITTED or total < 2 * self._fitted):
            return
        assert layers.full is not None
        living = np.flatnonzero(~layers.dead[: layers.count])
        rows = [vectors[:: max(len(vectors) // SAMPLED, 1)], layers.full.read(living[:: max(len(living) // SAMPLED, 1)])]
        fitted = layers.form.fitted(np.concatenate(rows), self._euclidean)
        if not layers.count or not layers.form.step:
            layers.form = fitted
        elif not 0.9 < fitted.step / layers.form.step < 1.1:
            layers.refit(fitted)
        self._fitted, self._seen, self._clipped = total, 0, 0
