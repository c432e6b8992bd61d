"""HNSW: a proximity graph in layers, searched from its sparse top down."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, StoreError, VectorError
from lamina.index.arrays import damaged, read_arrays, write_arrays
from lamina.index.flat import check_finite
from lamina.index.forms import Form, halves
from lamina.index.graphs import checking, removal, saving
from lamina.index.graphs.construction import Linker, levels_of, workers
from lamina.index.graphs.exact import best_of
from lamina.index.graphs.filtering import search_filtered
from lamina.index.graphs.full import FullFile, FullRows
from lamina.index.graphs.layers import MOST_NODES, Layers, Snapshot, rows_of
from lamina.index.kernels.distances import Graph
from lamina.index.kernels.querying import FAILED, answer
from lamina.index.planning import Planner
from lamina.records import Run

KIND = "hnsw"
METRICS = ("ip", "cosine", "l2")
SELECTIONS = ("heuristic", "simple")
FEWEST_DEAD = 64  # tombstones below which no repair begins by itself
RERANKED = 6  # vectors ordered by their full rows beyond the k that are wanted, at least; half of k
FITTED = 1 << 16  # vectors from which on the step of int8 vectors is fitted anew only where many do not fit
CLIPPED = 1e-3  # share of components beyond the step from which it is fitted anew
NEVER = np.zeros(0, np.uint8)


class HNSW:
    """Finds nearly all of the best slots while it looks at few of them; vectors come and go one at a time or in batches.

    Scores are inner products ("ip"), those of normalised vectors ("cosine") or negative squared distances ("l2"): larger is better.
    Adding a batch shuffles it, so that sorted vectors make as good a graph; the same calls give the same graph, whatever the number of threads.
    One thread may change the index while others search. Removed vectors are passed through but never returned; when they are more than `share` of
    all, the lists that name them are healed and their nodes used again.

    Parameters:
        dim: components of a vector.
        metric: "ip", "cosine" or "l2".
        M: links of a node in the upper layers, at least 2; twice as many in the bottom layer.
        ef_construction: candidates among which a node's links are chosen; never fewer than M.
        ef: candidates of a search; never fewer than k.
        form: of the vectors in memory: "float32", "float16", or "int8" (the best found are then ordered by float16 rows).
        full: int8 only: where the file of the float16 rows lies (its name is this with an id behind); without one they stay in memory. It belongs
            to the index file that is saved last, and one index alone may name it.
        rerank: int8 only: vectors that are ordered by their float16 rows (None: half as many again as are wanted).
        seed: of the levels and of the order of linking.
        threads: for adding, repairing, and batches of queries; they end with the call.
        selection: "heuristic" (links in different directions) or "simple" (to the nearest; for comparison).
        flat: all nodes in the bottom layer alone (for comparison).
        share: of tombstones above which `repair` runs by itself.

    Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
    graphs", 2018. Linking in batches, the forms, repair and re-use are additions.

    >>> index = HNSW(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> slots, scores = index.search(np.array([[0.0, 1.0]], np.float32), k=3)
    >>> slots.tolist(), scores.tolist()
    ([[2, 0, -1]], [[1.0, 0.0, -inf]])
    """

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
        self.plan = "graph"  # what the last search did
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
        full: FullRows | None = None
        if self.form == "int8":
            full = FullRows(self.dim)
        self._layers = Layers(Form(self.form, self.dim), self.M, self._euclidean, full)
        self._fitted = self._seen = self._clipped = 0
        self._forget_dead()
        self._publish()

    def _forget_dead(self) -> None:
        self._free = np.zeros(0, np.int32)  # nodes to use again, ascending
        self._waiting: list[tuple[set[object], NDArray[np.int32]]] = []  # … once these searches are over
        self._unsaved = np.zeros(0, np.int32)  # … once a save does not name their full rows any more

    def _publish(self) -> None:
        self._now: Snapshot = self._layers.snapshot()

    # ------------------------------------------------------------------------------------------------- what there is
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
        nodes = self._node_of[: self._slots][slots]
        out = np.zeros((len(nodes), self.dim), np.float32)
        out[nodes >= 0] = rows_of(self._now, nodes[nodes >= 0].astype(np.int64))
        return out

    def nbytes(self) -> int:
        """Bytes of memory held, with the room ahead."""
        return (
            self._layers.nbytes()
            + int(self._node_of.nbytes)
            + sum(int(marks.nbytes) for marks, _ in self._spare)
            + self.planner.nbytes()
        )

    @staticmethod
    def estimate(count: int, dim: int, *, M: int = 16, form: str = "float32", full: bool = False) -> int:
        """Bytes of memory of so many vectors; `full` says whether int8 vectors have their full rows in a file.

        >>> HNSW.estimate(1_000_000, 256) // 2**20, HNSW.estimate(1_000_000, 256, form="int8", full=True) // 2**20
        (1128, 396)
        """
        kept = Form(form, dim)
        row = kept.width * np.dtype(kept.dtype).itemsize + (2 * dim if form == "int8" and not full else 0)
        links, upper = 4 * (2 * M + 1), 4 * (M + 1) / (M - 1)
        own = (
            8 + 8 + 4 + 1 + 1 + 1
        )  # slot, place of the upper lists, node of the slot, level, mark of the dead, mark of the visited
        return math.ceil(count * (float(row) + links + upper + own))

    @classmethod
    def from_graph(
        cls,
        vectors: NDArray[np.float32],
        slots: NDArray[np.int64],
        links: NDArray[np.int32],
        levels: NDArray[np.int8],
        upper: NDArray[np.int32],
        entry: int,
        **settings: Any,  # those of the class
    ) -> HNSW:
        """An index of a graph that was made elsewhere.

        Parameters: `vectors` (nodes, dim); `slots` (nodes,), each once; `links` (nodes, 1 + 2M), how many neighbours a node has in the bottom
        layer, then which; `levels` (nodes,), the highest layer of each; `upper` (rows, 1 + M), the lists above the bottom, of each node in turn
        from layer 1 up; `entry`, a node of the highest layer.
        Raises `InputError` where these do not fit each other, and what `add` raises.
        """
        index = cls(vectors.shape[1] if vectors.ndim == 2 else 0, **settings)
        vectors = index._prepared(vectors, len(slots))
        tall = levels.astype(np.int64)
        index._full_file()
        index._fit(vectors)
        layers = index._layers
        try:
            checking.expect(links.shape == (len(slots), 2 * index.M + 1), f"the links are not those of M={index.M}")
            checking.expect(upper.shape == (int(tall.sum()), index.M + 1), "the upper lists are not as many as the levels say")
            checking.expect(
                len(slots) > 0 and len(np.unique(slots)) == len(slots) and int(slots.min()) >= 0,
                "the slots are not numbers, each once",
            )
            layers.reserve(len(slots), len(upper))
            layers.append(levels)
            layers.put(0, vectors, np.asarray(slots, np.int64))
            layers.graph.links[: len(slots)] = links
            layers.graph.upper[: len(upper)] = upper
            layers.entry, layers.top = entry, int(levels.max())
            index.grow(int(slots.max()) + 1)
            index._node_of[slots] = np.arange(len(slots))
            checking.check_structure(saving.packed(layers, index.node_of, index._free), layers.entry, layers.top)
        except (ValueError, IndexError) as error:
            raise InputError(f"that is no graph: {error}") from None
        index._live = len(slots)
        index._publish()
        return index

    # ------------------------------------------------------------------------------------------------------- changes
    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32], run: Run | None = None) -> None:
        """Set the vectors of slots, shape (slots, dim); of a slot named twice the last one counts.

        `run` is told of the progress and may cancel: what was linked by then stays, the rest is as it was.
        Raises `VectorError` for another width, NaN, infinity, a zero vector under "cosine", or what float16 cannot hold, `InputError` for a
        negative slot (nothing is then set), `StoreFullError` where the file of full rows cannot grow (as if cancelled).
        """
        slots = np.asarray(slots, np.int64)
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
        self._layers.reserve(self._layers.count + new, self._layers.rows + int(levels.sum(dtype=np.int64)))
        self.grow(int(slots.max()) + 1)
        self._publish()
        try:
            self._link(slots, vectors, order, levels, run)
        finally:
            self._publish()
        self._tidy()

    def _prepared(self, vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        if vectors.shape != (count, self.dim):
            raise VectorError(f"expected {count} vectors of {self.dim} dimensions, got an array of shape {vectors.shape}")
        vectors = np.asarray(vectors, np.float32)
        check_finite(vectors)
        self._layers.form.check(vectors)
        return self._normalised(vectors, "vector")

    def _normalised(self, vectors: NDArray[np.float32], what: str) -> NDArray[np.float32]:
        if self.metric != "cosine" or not len(vectors):
            return vectors
        wide = vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        if not lengths.all():
            raise VectorError(f"{what} {int(np.flatnonzero(lengths == 0)[0])} is zero: it has no direction, leave it out")
        return np.asarray(wide / lengths, np.float32)

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
        if before >= 0 and layers.full is None and (before == head or (len(layers.head) and layers.head[before] == head + 1)):
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

    def _outside(self) -> NDArray[np.int32]:
        """The nodes that are in no list, ascending."""
        return np.sort(np.concatenate([self._free, self._unsaved, *(nodes for _, nodes in self._waiting)]))

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
        """Take the vectors of slots away; a slot without one is passed over.

        Searches pass through them until `repair`; after it and the next `save` neither memory nor the files hold anything of them.
        """
        slots = np.unique(np.asarray(slots, np.int64))
        self._let_die(slots[(slots >= 0) & (slots < self._slots)])
        self._tidy()

    def _tidy(self) -> None:
        layers = self._layers
        if layers.count and not self._live:
            self._begin()
        elif layers.tombstones > max(FEWEST_DEAD, self.share * (layers.count - len(self._free))):
            self.repair()

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
        layers.tombstones = 0
        self._publish()
        if len(gone):
            self._waiting.append((self._active.copy(), gone))
        self._release()
        return healed

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

    # ---------------------------------------------------------------------------------------------------- int8 forms
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
        rows = [vectors[:: max(len(vectors) // 8192, 1)], layers.full.read(living[:: max(len(living) // 8192, 1)])]
        fitted = layers.form.fitted(np.concatenate(rows), self._euclidean)
        if not layers.count or not layers.form.step:
            layers.form = fitted
        elif not 0.9 < fitted.step / layers.form.step < 1.1:
            layers.refit(fitted)
        self._fitted, self._seen, self._clipped = total, 0, 0

    # -------------------------------------------------------------------------------------------------------- search
    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None, *, ef: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first, with their scores, each of shape (queries, k); -1 and -inf where there are fewer.

        `allow` is a mask over slots: what it forbids, and what lies beyond it, is never returned. `ef`: candidates, in place of the index's own.
        Raises `VectorError` for queries of another width, NaN, infinity or (under "cosine") zero, `InputError` for k or ef below 1.
        """
        ef = self.ef if ef is None else ef
        if min(k, ef) < 1:
            raise InputError(f"k must be at least 1, not {k}" if k < 1 else f"ef must be at least 1, not {ef}")
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise VectorError(f"expected queries of {self.dim} dimensions, shape (queries, {self.dim}), got {vectors.shape}")
        queries = np.ascontiguousarray(vectors, np.float32)
        check_finite(queries, "query")
        queries = self._normalised(queries, "query")
        token = object()
        self._active.add(token)
        try:
            now = self._now
            nodes, scores = self._search(now, queries, k, max(ef, k), allow)
            slots = np.where(nodes >= 0, now.slot_of[nodes] if now.used else -1, -1)
            if self._now is not now or len(now.twins):
                _drop_repeated(slots, scores)
            return slots, scores
        finally:
            self._active.discard(token)

    def _search(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, ef: int, allow: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if allow is not None:
            if now.used > 2 * ef:
                return search_filtered(self, now, queries, k, allow, ef)
            self.plan = "exact"
            return self._exact(now, queries, k, barred_by(now, allow))
        barred, there = now.dead.view(np.uint8) if now.tombstones else NEVER, self._live
        if there <= 2 * ef:
            self.plan = "exact"
            return self._exact(now, queries, k, barred)
        self.plan = "graph"
        nodes, scores, found = self.ask(now, queries, k, ef, barred)
        short = np.flatnonzero(found < min(k, there))
        if len(short):
            nodes[short], scores[short] = self._exact(now, queries[short], k, barred)
        return nodes, scores

    def _exact(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, barred: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        nodes = np.flatnonzero(~now.dead[: now.used] if not len(barred) else barred[: now.used] == 0)
        self.computed += len(queries) * len(nodes)
        return best_of(now, queries, nodes, k, self._euclidean)

    def ask(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, ef: int, barred: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Search the graph alone: nodes, scores, and how many there are for each query.

        Parameters: `now`, of `snapshot`; `queries`, normalised where the metric asks for it; `barred` (nodes,), which are never returned, or empty.
        """
        full = now.full
        encoded = now.form.encode_queries(queries, self._euclidean)
        norms = now.form.norms(encoded) if self._euclidean else np.zeros(0, np.float32)
        rerank, full_rows, full_queries, handle, start = (
            0,
            np.zeros((0, self.dim), np.uint16),
            np.zeros((0, self.dim), np.uint16),
            -1,
            0,
        )
        if full is not None:
            rerank = self.reranked(k)
            ef = max(ef, rerank)
            full_rows, handle, start = full.array, full.handle, full.start
            full_queries = halves(np.clip(queries, -65504, 65504))
        nodes = np.full((len(queries), k), -1, np.int64)
        near = np.full((len(queries), k), np.inf, np.float32)
        found = np.zeros(len(queries), np.int64)

        def work(part: slice) -> int:
            marks, epoch = self.room(now)
            epoch, total = answer(
                now.graph, now.top, now.entry, encoded[part], norms[part], barred, now.twins, ef, marks, epoch, rerank, full_rows, handle, start,
                full_queries[part], nodes[part], near[part], found[part],
            )  # fmt: skip
            self.give_back(marks, epoch)
            return int(total)

        parts = min(self.threads, max(len(queries) // 4, 1))
        cuts = np.linspace(0, len(queries), parts + 1).astype(int)
        slices = [slice(a, b) for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]
        if parts == 1:
            self.computed += work(slices[0])
        else:
            with ThreadPoolExecutor(parts) as pool:
                self.computed += sum(pool.map(work, slices))
        if full is not None and (found == FAILED).any():
            assert isinstance(full, FullFile)
            raise full.short()
        return nodes, -np.maximum(near, 0) if self._euclidean else -near, found

    def reranked(self, k: int) -> int:
        """How many of the best are ordered by their full rows."""
        return max(self.rerank or k + max(RERANKED, k // 2), k)

    def give_back(self, marks: NDArray[np.uint8], epoch: int) -> None:
        """Room that is not used any more, with the epoch used last."""
        self._spare.append((marks, epoch))

    def room(self, now: Snapshot) -> tuple[NDArray[np.uint8], int]:
        """Room for the marks of visited nodes that no other search uses."""
        size = len(now.slot_of)
        while True:
            try:
                marks, epoch = self._spare.pop()
            except IndexError:
                return np.zeros(size, np.uint8), 0
            if len(marks) == size:
                return marks, epoch

    # --------------------------------------------------------------------------------------------------------- files
    def save(self, path: Path) -> None:
        """Write the index to a file (readable by its owner only); an older one stays until it is whole.

        Raises `StoreFullError` where the disk is full; the older file is then unharmed.
        """
        self._release()
        layers, full = self._layers, self._layers.full
        free = self._outside()
        meta = {
            "dim": self.dim, "metric": self.metric, "form": self.form, "M": self.M, "ef_construction": self.ef_construction, "ef": self.ef,
            "seed": self.seed, "selection": self.selection, "flat": self.flat, "entry": layers.entry, "top": layers.top,
            "step": layers.form.step, "fit": [self._fitted, self._seen, self._clipped], "generator": self._generator.bit_generator.state,
            "save": self._saves + 1, "full": str(full.path.name) if isinstance(full, FullFile) and full.path else None,
            "full_id": full.id.hex() if isinstance(full, FullFile) else None,
        }  # fmt: skip
        if full is not None:
            full.sync()
        write_arrays(path, KIND, meta, saving.packed(layers, self.node_of, free))
        self._saves += 1
        self._leave_behind()

    def _leave_behind(self) -> None:
        """After a save: what only the save before it named may be overwritten."""
        full = self._layers.full
        if isinstance(full, FullFile):
            full.remove_others()
        if isinstance(full, FullFile) and len(self._unsaved):
            full.keep_from(self._saves)
            for node in self._unsaved.tolist():
                full.write(node, np.zeros((1, self.dim), np.float32))
            self._free = np.union1d(self._free, self._unsaved)
            self._unsaved = np.zeros(0, np.int32)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; later additions are the same as if the index had never left the memory.

        Raises `NotFoundError` for no file, `VectorError` for vectors of another width, `StoreError` for another metric or form, `SchemaError` for
        a file of a newer version, `CorruptStoreError` for anything that `save` did not write; the index then stays as it was.
        """
        self._load(path, mapped=False, check=True)

    @classmethod
    def open(cls, path: Path, mapped: bool = False, *, check: bool = True, full: Path | None = None, threads: int = 1) -> HNSW:
        """The index of a file, with the settings it was saved with.

        Parameters: `mapped` leaves the arrays in the file, from which they are read when needed (changes stay in memory until `save`); `check`
        compares checksums and looks for NaN, which reads all of the file (the links are checked in any case); `full`, the file of full rows
        (default: beside the index file).
        """
        meta, arrays = read_arrays(path, KIND, mapped=mapped, check=check)
        try:
            names = ("metric", "M", "ef_construction", "ef", "form", "seed", "selection", "flat")
            if full is None and meta["full"] is not None:
                full = path.parent / Path(str(meta["full"])).name.rpartition(".")[0]
            index = cls(meta["dim"], full=full, threads=threads, **{name: meta[name] for name in names})
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, str(error)) from None
        index._restore(path, meta, arrays, check)
        return index

    def _load(self, path: Path, *, mapped: bool, check: bool) -> None:
        meta, arrays = read_arrays(path, KIND, mapped=mapped, check=check)
        self._restore(path, meta, arrays, check)

    def _restore(self, path: Path, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], check: bool) -> None:
        """Take over what was saved; raises before anything is changed."""
        try:
            dim, metric, form, M, name = meta["dim"], meta["metric"], meta["form"], meta["M"], meta["full"]
            if dim != self.dim:
                raise VectorError(f"{path} holds vectors of {dim} dimensions, not {self.dim}")
            if (metric, form) != (self.metric, self.form):
                raise StoreError(
                    f"{path} was made with metric={metric!r} and form={form!r}, not {self.metric!r} and {self.form!r}: delete it"
                )
            if (name is None) != (self.full is None) and len(arrays["slot_of"]):
                raise StoreError(
                    f"{path} has its full rows {'in the file itself' if name is None else 'in another file'}: name none or one"
                )
            checking.expect(type(M) is int and 2 <= M <= 512, "its M is no number")
            step, (fitted, seen, clipped) = float(meta["step"]), (int(number) for number in meta["fit"])
            saves, efc, seed = int(meta["save"]), int(meta["ef_construction"]), int(meta["seed"])
            generator = np.random.default_rng()
            generator.bit_generator.state = meta["generator"]
            generator.random()
            generator.bit_generator.state = meta["generator"]
            where = None if self.full is None or name is None else self.full.parent / Path(str(name)).name
        except (KeyError, TypeError, OverflowError, ValueError) as error:
            if isinstance(error, VectorError):
                raise
            raise damaged(path, str(error)) from None
        layers = saving.unpacked(path, meta, arrays, Form(form, dim, step), M, self._euclidean, where, check)
        free = np.asarray(arrays["free"], np.int32)
        layers.tombstones = int(layers.dead.sum()) - len(free)
        self.M, self.ef_construction, self.seed = M, max(efc, M), seed
        self._layers, self._generator = layers, generator
        self._fitted, self._seen, self._clipped, self._saves = fitted, seen, clipped, saves
        self._forget_dead()
        self._free, self._node_of, self._spare = free, arrays["node_of"], []
        self._slots = len(self._node_of)
        self._live = int((self._node_of >= 0).sum())
        self._publish()

    def stats(self) -> dict[str, Any]:
        """Figures: settings, nodes, tombstones, degrees, vectors that can be reached, bytes."""
        settings = {"dim": self.dim, "metric": self.metric, "form": self.form, "M": self.M, "ef": self.ef}
        return {
            **settings,
            **checking.shape_of(self._layers),
            "free": len(self._free) + len(self._unsaved),
            "bytes": self.nbytes(),
        }

    def verify(self) -> list[str]:
        """What is wrong with the index, in words (nothing: all is well): ids in range, layers, slots, ways to all vectors, the vectors themselves."""
        free = self._outside()
        return checking.problems(self._layers, saving.packed(self._layers, self.node_of, free))


def barred_by(now: Snapshot, allow: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which nodes are dead or of a slot that a mask over slots does not allow, shape (nodes,)."""
    slots = now.slot_of[: now.used]
    wide = np.append(np.asarray(allow, np.bool_), False)
    barred: NDArray[np.bool_] = now.dead[: now.used] | ~wide[np.minimum(slots, len(allow))]
    return barred.view(np.uint8)


def _drop_repeated(slots: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
    """Leave the first of equal slots in each row: a vector that was replaced during the search may have been found twice."""
    for row in range(len(slots)):
        here = slots[row]
        _, first = np.unique(here, return_index=True)
        if len(first) == len(here):
            continue
        keep = np.sort(first[here[first] >= 0])
        kept, given = here[keep], scores[row, keep]
        slots[row], scores[row] = -1, -np.inf
        slots[row, : len(kept)], scores[row, : len(kept)] = kept, given
