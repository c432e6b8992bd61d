"""The index that a view holds: exact while small, with a graph beside the exact vectors when it has grown, within a budget of bytes.

The graph proposes, exact scores decide. It is built in the background; until it is there, and for what is not linked yet, search is exact.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import Cancelled, ClosedError, LaminaError, MissingExtraError
from lamina.index.filerows import FileRows
from lamina.index.flat import FlatIndex, inner_products, top
from lamina.index.growing import GrowingArray
from lamina.index.plans import EXACT, GRAPH, LISTS, Means, Plan, choose, has_kernels
from lamina.records import Run

log = logging.getLogger("lamina.index")

CROSSOVER: Final = 50_000
"""Vectors from which a graph is worth building: see docs/guides/indexes.md for the measurement."""
LINGER: Final = 1.0  # seconds the background waits first: whoever has just opened a memory wants its first answer
LEAST_PENDING: Final = 1024  # vectors that are searched one by one before they are linked
PENDING_SHARE: Final = 0.01  # … or this share of all, if that is more
CHUNK: Final = 8192  # vectors handed to the graph at once
SPARE: Final = 1.5  # how many more than wanted the graph is asked for, since its vectors are coarse
RECENT: Final = 256  # queries that are kept for tuning
TARGET: Final = 0.97  # recall that ef is tuned to
COMPILED: Final = "graph of a memory"  # what is compiled before a graph is built; see `lamina.index.warming`

_working: weakref.WeakSet[PlannedIndex] = weakref.WeakSet()
_said = False


class PlannedIndex:
    """Exact search below `crossover` vectors, a graph from there on.

    What it returns is allowed, present and exactly scored, best first. Below the crossover it is a `FlatIndex`, and nothing is compiled or imported for
    more; where the extra "index" is missing it stays one and says so once.

    Parameters:
        dim: the width of a vector.
        kind: "auto" (a graph, or lists on disk where the budget asks for them), "hnsw" (always a graph) or "spann" (always lists). The last two raise
            `MissingExtraError` without the extra.
        crossover: vectors from which there is a graph.
        means: what may be used; see `lamina.index.plans.Means`.

    >>> index = PlannedIndex(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist(), index.approximate
    ([[2]], False)
    """

    def __init__(self, dim: int, *, kind: str = "auto", crossover: int = CROSSOVER, means: Means | None = None) -> None:
        if kind != "auto" and not has_kernels():
            raise MissingExtraError.for_extra("index", f"searching with index={kind!r}", "numba")
        self._flat: FlatIndex = FlatIndex(dim)
        self.dim = dim
        self.kind = kind
        self.crossover = crossover
        self.means = means or Means()
        self.ef: int | None = None  # as tuned; None: the graph's own
        self.recall: float | None = None  # estimated when ef was tuned
        self.unsaved = False  # a graph was built that is in no file yet
        self.on_settled: Callable[[], None] | None = None  # called in the background when the graph has changed
        self._graph: Any = None  # HNSW or SPANN
        self._linked = GrowingArray(np.bool_)  # (slots,): the graph has the vector that the slot has now
        self._stale: set[int] = set()  # slots whose vector in the graph is to go
        self._touched: set[int] = set()  # slots that changed while they were being linked
        self._tail: NDArray[np.int64] | None = None
        self._recent = np.zeros((RECENT, dim), np.float32)
        self._asked = 0
        self._planned_for = 0
        self._plan: Plan | None = None
        self._lock = threading.RLock()  # of the small state above; never held for long
        self._work = threading.Lock()  # of whoever changes the graph
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._doing = ""
        self._failed = False
        self._opening: tuple[Path, Mapping[str, Any]] | None = None  # a graph in a file, still to be read
        self._changed_early: set[int] = set()  # slots that have changed since that file was written

    # ------------------------------------------------------------------------------------------------------ vectors
    def __len__(self) -> int:
        return len(self._flat)

    @property
    def approximate(self) -> bool:
        """Whether `search` may miss some of the best; exact scores of single slots are to be had from `rows`."""
        return self._graph is not None or isinstance(self._flat, FileRows)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which slots have a vector, shape (slots,)."""
        return self._flat.present

    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._make_room(slots)
        self._flat.reserve(slots)

    def grow(self, slots: int) -> None:
        """Let there be at least this many slots; the new ones have no vector."""
        self._flat.grow(slots)

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        if len(slots):
            self._make_room(int(np.max(slots)) + 1)
        self._flat.add(slots, vectors)
        self._changed(slots)

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over."""
        self._flat.remove(slots)
        self._changed(slots)

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where there is none, shape (slots, dim)."""
        return self._flat.rows(slots)

    def scores(self, query: NDArray[np.float32], allow: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Inner products with one query, shape (slots,); 0 where a slot has no vector or is not allowed."""
        return self._flat.scores(query, allow)

    def _changed(self, slots: NDArray[np.int64]) -> None:
        with self._lock:
            self._tail = None
            if self._graph is not None:
                inside = slots[(slots >= 0) & (slots < len(self._linked))]
                old = inside[self._linked.view[inside]]
                self._stale.update(old.tolist())
                self._linked.view[old] = False
            elif self._opening is not None:
                self._changed_early.update(slots.tolist())
            if self._doing:
                self._touched.update(slots.tolist())

    def _make_room(self, slots: int) -> None:
        """Plan for this many vectors, and put them on disk where there is no room for them in memory."""
        if slots <= self._planned_for:
            return
        self._planned_for = slots if slots < CHUNK else slots + slots // 8
        plan = self.plan_for(slots)
        if plan.notice and not (self._plan and self._plan.notice):
            log.warning("%s", plan.notice)
        self._plan = plan
        if plan.on_disk and not isinstance(self._flat, FileRows) and self.means.folder is not None:
            self.means.folder.mkdir(mode=0o700, exist_ok=True)
            on_disk = FileRows(self.dim, self.means.folder)
            there = np.flatnonzero(self._flat.present)
            on_disk.grow(len(self._flat.present))
            for start in range(0, len(there), CHUNK):
                part = there[start : start + CHUNK]
                on_disk.add(part, self._flat.rows(part))
            self._flat = on_disk

    # ------------------------------------------------------------------------------------------------------ planning
    def plan_for(self, count: int) -> Plan:
        """How so many vectors would be held and searched."""
        method = self._method(count)
        return choose(count, self.dim, self.means, self.means.taken(self), method=method, disk=self.kind == "auto")

    def _method(self, count: int) -> str:
        if count < self.crossover or not _kernels():
            return EXACT
        return LISTS if self.kind == "spann" else GRAPH

    @property
    def plan(self) -> Plan:
        """How the vectors that are there are (to be) held and searched."""
        return self.plan_for(len(self))

    @property
    def pending(self) -> int:
        """Vectors that a graph ought to have, and has not yet."""
        if self._graph is None:
            return len(self) if self._method(len(self)) != EXACT else 0
        return len(self._unlinked()) + len(self._stale)

    def _unlinked(self) -> NDArray[np.int64]:
        """The slots that are searched one by one, ascending."""
        with self._lock:
            if self._tail is None:
                missing = self.present.copy()
                size = min(len(missing), len(self._linked))
                missing[:size] &= ~self._linked.view[:size]
                self._tail = np.flatnonzero(missing)
            return self._tail

    # ------------------------------------------------------------------------------------------------------ searching
    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None, *, ef: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first; see `VectorIndex`. `ef`: candidates that the graph keeps, if not as tuned."""
        with self._lock:
            graph, linked, tail = self._graph, self._linked.view, self._unlinked() if self._graph is not None else None
        if graph is None or tail is None:
            return self._flat.search(vectors, k, allow)
        self._flat._check_queries(vectors, k)
        self._remember(vectors)
        wanted = self._flat._wanted(allow)
        inside = np.zeros(len(wanted), np.bool_)
        size = min(len(wanted), len(linked))
        np.logical_and(wanted[:size], linked[:size], out=inside[:size])
        count = int(np.count_nonzero(inside))
        fetch = int(SPARE * k) + 16
        if count <= 2 * fetch or not len(vectors):
            return self._flat.search(vectors, k, allow)
        proposed = graph.search(
            vectors, fetch, None if count == len(graph) else inside, ef=max(ef or self.ef or 0, fetch) if ef or self.ef else None
        )[0]
        late = tail[tail < len(wanted)]
        late = late[wanted[late]]
        found = np.full((len(vectors), k), -1, np.int64)
        scores = np.full((len(vectors), k), -np.inf, np.float32)
        for row, query in enumerate(vectors):
            slots = proposed[row]
            slots = slots[(slots >= 0) & (slots < len(inside))]
            slots = np.union1d(slots[inside[slots]], late)
            if len(slots) < min(k, count + len(late)):
                found[row : row + 1], scores[row : row + 1] = self._flat.search(query[None], k, allow)
                continue
            exact = inner_products(self.rows(slots), query)
            best = top(exact, k)
            found[row, : len(best)], scores[row, : len(best)] = slots[best], exact[best]
        return found, scores

    def _remember(self, vectors: NDArray[np.float32]) -> None:
        """Keep the newest queries: ef is tuned with them."""
        with self._lock:
            for query in vectors[-RECENT:]:
                self._recent[self._asked % RECENT] = query
                self._asked += 1

    # ------------------------------------------------------------------------------------------------------ linking
    def start(self) -> None:
        """Have a graph built or brought up to date in the background, where that is due; never in a child of the process that made the index."""
        if not self._due() or not self.means.background or self._stop.is_set() or os.getpid() != self._process:
            return
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._thread = threading.Thread(target=_settle_later, args=(weakref.ref(self), self._stop), daemon=True)
            self._thread.name = "lamina-index"
            _working.add(self)
            self._thread.start()

    def _due(self) -> bool:
        if self._failed:
            return False
        if self._graph is None:
            return self._method(len(self)) != EXACT
        return self.pending > max(LEAST_PENDING, PENDING_SHARE * len(self))

    def settle(self, run: Run | None = None) -> None:
        """Build the graph (or read it from its file), and link what is pending, now; what somebody else is doing is waited for.

        Raises `Cancelled`: what was linked stays, of a graph that was not finished nothing does.
        """
        run = run or Run()
        while not self._work.acquire(timeout=0.1):
            run.report("indexing", 0, 0)
        try:
            self._settle(run)
        finally:
            with self._lock:
                self._doing = ""
                self._touched.clear()
            self._work.release()

    def _settle(self, run: Run) -> None:
        if self._graph is None and self._method(len(self)) == EXACT:
            return
        if self._graph is None and self._opening is not None:
            self._open(*self._opening)
        before = self._graph
        removed = self._take_out()
        with self._lock:
            self._doing = "linking" if before is not None else "building"
            slots = self._unlinked() if before is not None else np.flatnonzero(self.present)
        graph = before if before is not None else self._new_graph(self.plan.method)
        graph.reserve(len(self.present))
        for start in range(0, len(slots), CHUNK):
            part = slots[start : start + CHUNK]
            graph.add(part, self.rows(part), replace(run, progress=None))
            if before is not None:
                self._link(part)
            run.report("indexing", min(start + CHUNK, len(slots)), len(slots))
        with self._lock:
            if before is None:
                self._link(slots)
            self._graph = graph
        if removed or len(slots):
            self.unsaved = self.unsaved or before is None
            self._doing = "tuning"
            self._tune(run)

    def _link(self, slots: NDArray[np.int64]) -> None:
        """The graph has the vectors of these slots; of those that changed while they were handed to it, it has old ones."""
        with self._lock:
            self._linked.fill(max(0, len(self.present) - len(self._linked)), False)
            self._linked.view[slots] = True
            again = np.array(sorted(self._touched.intersection(slots.tolist())), np.int64)
            self._linked.view[again] = False
            self._stale.update(again.tolist())
            self._tail = None

    def _take_out(self) -> int:
        """Take out of the graph what is no longer there, or is another vector now; returns how many."""
        with self._lock:
            stale, self._stale = np.array(sorted(self._stale), np.int64), set()
        if self._graph is not None and len(stale):
            self._graph.remove(stale)
        return len(stale)

    def _open(self, path: Path, tuned: Mapping[str, Any]) -> None:
        """Take a graph over from its file; where that is gone or damaged, one will be built."""
        self._opening = None
        graph = self._new_graph(GRAPH)
        try:
            graph.load(path)
        except LaminaError as error:
            log.warning("the graph of a view is built anew (%s)", error)
            return
        has = np.flatnonzero(graph.present)
        with self._lock:
            inside = has[has < len(self.present)]
            known = inside[self.present[inside] & ~np.isin(inside, list(self._changed_early))]
            self._linked = GrowingArray(np.bool_)
            self._linked.fill(len(self.present), False)
            self._linked.view[known] = True
            self._stale = set(has.tolist()) - set(known.tolist())
            self._changed_early.clear()
            self._tail, self._graph = None, graph
            self.ef, self.recall = tuned.get("ef"), tuned.get("recall")

    def _new_graph(self, method: str) -> Any:
        if method == LISTS:
            from lamina.index.spann import SPANN

            assert self.means.folder is not None
            self.means.folder.mkdir(mode=0o700, exist_ok=True)
            return SPANN(self.dim, path=self.means.folder / f"lists-{os.getpid()}-{id(self):x}.part", seed=self.means.run.seed)
        from lamina.index.hnsw import HNSW

        return HNSW(self.dim, form="int8", seed=self.means.run.seed)

    def _tune(self, run: Run) -> None:
        """Choose ef for the target recall on recent queries, or on a sample of the vectors where too few were asked."""
        from lamina.index.tuning import tune

        few = min(self._asked, RECENT)
        queries = self._recent[:few].copy()
        if few < RECENT // 8:
            there = np.flatnonzero(self.present)
            queries = self.rows(there[np.linspace(0, len(there) - 1, RECENT // 8).astype(np.int64)])
        run.report("tuning", 0, 1)
        tuned = tune(self, queries, k=10, target=TARGET)
        self.ef, self.recall = tuned.ef, tuned.recall

    # ------------------------------------------------------------------------------------------------------ the rest
    def save(self, path: Path) -> None:
        """Write the vectors to a file; see `FlatIndex.save`. A graph is built anew by whoever reads it."""
        self._flat.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; see `FlatIndex.load`."""
        self._flat.load(path)
        with self._lock:
            self._graph, self._opening, self._linked, self._tail = None, None, GrowingArray(np.bool_), None
            self._stale.clear()

    def save_graph(self, path: Path) -> bool:
        """Write the graph to a file, without a trace of what was taken out of it; False where there is none, or it cannot be kept."""
        with self._work:
            if self._graph is None or not hasattr(self._graph, "compact"):
                return False
            self._take_out()
            self._graph.compact()
            self._graph.save(path)
            return True

    def open_graph(self, path: Path, tuned: Mapping[str, Any]) -> None:
        """Read the graph that belongs to the vectors here; see `save_graph`. `tuned`: `ef` and `recall`.

        What it has that has no vector here is taken out of it later. Raises `CorruptStoreError` or `NotFoundError`; there is then no graph.
        """
        if self._method(len(self)) == EXACT:
            return
        self._opening = path, tuned

    def nbytes(self) -> int:
        """Bytes held in memory, the graph's included."""
        graph = self._graph
        return self._flat.nbytes() + self._linked.nbytes() + int(self._recent.nbytes) + (0 if graph is None else int(graph.nbytes()))

    def stats(self) -> dict[str, Any]:
        """How vectors are held and searched here: JSON values, which have no narrower type."""
        plan, graph = self.plan, self._graph
        return {
            "plan": plan.name,
            "vectors": len(self),
            "state": self._doing or ("exact" if graph is None else "ready"),
            "pending": self.pending,
            "ef": None if graph is None else self.ef or int(graph.ef),
            "recall": None if graph is None else self.recall,
            "bytes": self.nbytes(),
            "estimate": plan.nbytes,
            **({"notice": plan.notice} if plan.notice else {}),
        }

    def give_up(self) -> None:
        """Have what is done in the background end soon; nothing new is begun there."""
        self._stop.set()

    def close(self) -> None:
        """The same, and wait until it has ended; the index can go on being searched."""
        self.give_up()
        if self._thread is not None and self._thread is not threading.current_thread() and os.getpid() == self._process:
            self._thread.join(timeout=30)


def _kernels() -> bool:
    """Whether graphs can be built; says once that they cannot."""
    global _said
    there = has_kernels()
    if not there and not _said:
        _said = True
        log.warning('large scopes are searched exactly: for a graph, pip install "lamina[index]"')
    return there


def _settle_later(reference: weakref.ref[PlannedIndex], stop: threading.Event) -> None:
    """The background thread: builds or links, and ends."""
    if stop.wait(LINGER):
        return
    index = reference()
    if index is None:
        return
    outer = index.means.run.cancelled
    run = Run(cancelled=lambda: stop.is_set() or (outer is not None and outer()))
    try:
        from lamina.index.warming import warm

        if index._method(len(index)) == GRAPH:
            warm(run, (COMPILED,))
        index.settle(run)
        if index.on_settled is not None:
            index.on_settled()
    except (Cancelled, ClosedError):
        log.debug("work on a graph was given up")
    except Exception as error:  # noqa: BLE001 - what a compiler may raise is not to be foreseen, and exact search goes on
        index._failed = True
        log.warning("no graph could be built, search stays exact (%s: %s)", type(error).__name__, error)


def _stop_all() -> None:
    """At exit: no thread may be inside compiled code, or the compiler, while the process is taken down."""
    for index in list(_working):
        index.give_up()
    for index in list(_working):
        index.close()


atexit.register(_stop_all)
