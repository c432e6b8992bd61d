"""The index that a view holds: exact while small, a graph or lists on disk when it has grown, within a budget of bytes.

What searches quickly is built in the background. Until it is there, and for what is not linked yet, search is exact; see `lamina.index.linked`.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError, MissingExtraError, NotFoundError, StateError
from lamina.index.flat import FlatIndex
from lamina.index.linked import ASKED, RECENT, LinkedIndex, fixed, setting_of
from lamina.index.plans import EXACT, GRAPH, LISTS, Means, Plan, choose, has_kernels
from lamina.index.scattered import FileRows, GraphRows
from lamina.records import Run
from lamina.storage.index_files import LISTS as LISTS_SUFFIX
from lamina.storage.index_files import copy_file, remove_workplace, workplace

log = logging.getLogger("lamina.index")

CROSSOVER: Final = 100_000
"""Vectors from which a graph is worth building: whole recalls take as long with it as without it there; see docs/guides/settings.md."""
LEAST_PENDING: Final = 1024  # vectors that are searched one by one before they are linked
PENDING_SHARE: Final = 0.01  # … or this share of all, if that is more
REBUILT_SHARE: Final = 0.1  # share of new vectors and removed ones from which lists are built anew
CHUNK: Final = 8192  # vectors handed to the graph at once
FEW: Final = 32  # queries that must be there for ef to be tuned with them, else vectors of the view stand for them
TARGET: Final = 0.97  # recall that ef is tuned to

_said = False


class PlannedIndex(LinkedIndex):
    """Exact search below `crossover` vectors, a graph (or lists on disk) from there on.

    What it returns is allowed, present and scored by the vectors themselves, best first. Below the crossover it is a `FlatIndex`, and nothing is compiled
    or imported for more; where the extra "index" is missing it stays one, and says so once.

    Parameters:
        dim: the width of a vector.
        kind: "auto" (a graph, or lists on disk where the budget asks for them), "hnsw" (always a graph) or "spann" (always lists). The last two raise
            `MissingExtraError` without the extra.
        crossover: vectors from which there is a graph (default: `CROSSOVER`).
        means: what may be used; see `lamina.index.plans.Means`.

    >>> index = PlannedIndex(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> index.search(np.array([[0.0, 1.0]], np.float32), k=1)[0].tolist(), index.approximate
    ([[2]], False)
    """

    def __init__(self, dim: int, *, kind: str = "auto", crossover: int | None = None, means: Means | None = None) -> None:
        if kind != "auto" and not has_kernels():
            raise MissingExtraError.for_extra("index", f"searching with index={kind!r}", "numba")
        super().__init__(dim)
        self.kind = kind
        self.crossover = CROSSOVER if crossover is None else crossover
        self.means = means or Means()
        self.recall: float | None = None  # estimated when ef was tuned
        self.unsaved = False  # a graph was built that is in no file yet
        self.doing = ""  # what is being done now, in a word
        self._threads = 1  # that may work on the graph now
        self._planned_for = 0
        self._plan: Plan | None = None
        self._work = threading.Lock()  # of whoever changes the graph

    # ------------------------------------------------------------------------------------------------------ planning
    def reserve(self, slots: int) -> None:
        """Make room for this many slots at once."""
        self._make_room(slots)
        super().reserve(slots)

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Set the vectors of slots, shape (slots, dim); see `FlatIndex.add`."""
        if len(slots):
            self._make_room(int(np.max(slots)) + 1)
        super().add(slots, vectors)

    def _make_room(self, slots: int) -> None:
        """Plan for this many vectors, and put them on disk where there is no room for them in memory."""
        if slots <= self._planned_for or isinstance(self._flat, GraphRows):
            return
        self._planned_for = slots if slots < CHUNK else slots + slots // 8
        plan = self.plan_for(slots)
        if plan.notice and not (self._plan and self._plan.notice):
            log.warning("%s", plan.notice)
        self._plan = plan
        if plan.on_disk and type(self._flat) is FlatIndex and self.means.folder is not None:
            self.means.folder.mkdir(mode=0o700, exist_ok=True)
            on_disk = FileRows(self.dim, self.means.folder)
            with self._lock:
                there = np.flatnonzero(self._flat.present)
                on_disk.grow(len(self._flat.present))
                for start in range(0, len(there), CHUNK):
                    part = there[start : start + CHUNK]
                    on_disk.add(part, self._flat.rows(part))
                self._flat = on_disk

    def plan_for(self, count: int) -> Plan:
        """How so many vectors would be held and searched."""
        return choose(count, self.dim, self.means, self.means.taken(self), method=self.method(count), disk=self.kind == "auto")

    def method(self, count: int) -> str:
        """What is wanted for so many vectors, whatever the budget: "exact", "graph" or "lists"."""
        if count < self.crossover or not _kernels():
            return EXACT
        return LISTS if self.kind == "spann" else GRAPH

    @property
    def plan(self) -> Plan:
        """How the vectors that are there are (to be) held and searched."""
        return self.plan_for(len(self))

    @property
    def pending(self) -> int:
        """Vectors that a graph ought to have, and has not yet; and those that it has, and ought not to."""
        flat = self._flat
        if not isinstance(flat, GraphRows):
            return len(self) if self.method(len(self)) != EXACT else 0
        return len(flat.late) + len(self._stale)

    @property
    def due(self) -> bool:
        """Whether something is to be built, or enough has come to be linked."""
        flat = self._flat
        if not isinstance(flat, GraphRows):
            return self.method(len(self)) != EXACT
        return self.pending > max(LEAST_PENDING, (REBUILT_SHARE if fixed(flat.graph) else PENDING_SHARE) * len(self))

    # ------------------------------------------------------------------------------------------------------ linking
    def settle(self, run: Run | None = None, threads: int = 1) -> None:
        """Build the graph (or read it from its file), and link what is pending, now, by so many threads; what somebody else is doing is waited for.

        Raises `Cancelled`: what was linked stays, of a graph that was not finished nothing does.
        """
        run = run or Run()
        while not self._work.acquire(timeout=0.1):
            run.report("indexing", 0, 0)
        try:
            self._threads = threads
            self._settle(run)
        finally:
            with self._lock:
                self.doing, self._touched = "", None
            self._work.release()

    def _settle(self, run: Run) -> None:
        if not isinstance(self._flat, GraphRows):
            if self.method(len(self)) == EXACT:
                return
            if self._opening is not None:
                self._open(*self._opening)
        flat = self._flat
        graph = flat.graph if isinstance(flat, GraphRows) else None
        if graph is not None and fixed(graph):
            if not self.due:
                return
            graph = None  # lists are built anew
        with self._lock:
            self.doing, self._touched = "building" if graph is None else "linking", set()
            slots = flat.late if graph is not None and isinstance(flat, GraphRows) else np.flatnonzero(self.present)
            stale, self._stale = np.array(sorted(self._stale), np.int64), set()
        if not len(slots) + len(stale):
            return
        if graph is None:
            self._build(slots, run)
            self.unsaved = True
        else:
            graph.remove(stale)
            graph.reserve(len(self.present))
            self._link(graph, slots, run)
        if len(self):
            self.doing = "tuning"
            self._tune(run)

    def _build(self, slots: NDArray[np.int64], run: Run) -> None:
        """Build what the plan says from the vectors of slots."""
        plan = self.plan
        if plan.method == LISTS and self.means.folder is not None:
            from lamina.index.lists import ViewLists, build

            lists = ViewLists(self.dim, self.means.folder, seed=self.means.run.seed, threads=self._threads)
            build(lists, self.rows, slots, run)
            self._hand_over(lists, slots)
            return
        graph = self._new_graph(plan.on_disk)
        graph.reserve(len(self.present))
        self._link(graph, slots, run, whole=True)

    def _link(self, graph: Any, slots: NDArray[np.int64], run: Run, *, whole: bool = False) -> None:
        """Have the graph link the vectors of slots, a batch at a time; it is taken over batch by batch, or when it is `whole`."""
        graph.threads = self._threads
        try:
            for start in range(0, len(slots), CHUNK):
                part = slots[start : start + CHUNK]
                graph.add(part, self.rows(part), replace(run, progress=None))
                if not whole:
                    self._hand_over(graph, part)
                run.report("indexing", min(start + CHUNK, len(slots)), len(slots))
        finally:
            graph.threads = 1
        if whole:
            self._hand_over(graph, slots)

    def _new_graph(self, on_disk: bool) -> Any:
        from lamina.index.hnsw import HNSW

        if not on_disk or self.means.folder is None:
            return HNSW(self.dim, form="int8", seed=self.means.run.seed)
        place = workplace(self.means.folder)
        graph = HNSW(self.dim, form="int8", full=place / "rows", seed=self.means.run.seed)
        weakref.finalize(graph, remove_workplace, place, os.getpid())
        return graph

    def _tune(self, run: Run) -> None:
        """Choose ef for the target recall on recent queries, or on vectors of the view where too few were asked."""
        from lamina.index.tuning import tune

        with self._lock:
            queries = self._recent[: min(self._asked, RECENT)].copy()
        flat, k, name, least = self._flat, min(ASKED, len(self)), "ef", 1
        if isinstance(flat, GraphRows) and fixed(
            flat.graph
        ):  # as many lists as hold twice what is wanted: where they hold too few they are read on
            name, least = "probes", -(-2 * k * int(flat.graph.stats()["lists"]) // len(flat.graph))
        run.report("tuning", 0, 1)
        tuned = tune(_Unheard(self), queries if len(queries) >= FEW else None, k=k, target=TARGET, name=name, least=least)
        self.ef, self.recall = int(tuned.ef), float(tuned.recall)
        if isinstance(flat, GraphRows) and name == "ef":
            from lamina.index.graphs.filtering import adopt

            adopt(flat.graph, tuned)

    # ------------------------------------------------------------------------------------------------------ files
    def save_graph(self, path: Path) -> str | None:
        """Write the graph to a file, without a trace of what was taken out of it; of lists, give them a name in the same folder.

        Returns the name of the file, or of the folder of lists; None where there is neither.
        """
        with self._work:
            flat = self._flat
            if not isinstance(flat, GraphRows):
                return None
            if fixed(flat.graph):
                name: str | None = flat.graph.kept_as()
                return name
            with self._lock:
                stale, self._stale = np.array(sorted(self._stale), np.int64), set()
            flat.graph.remove(stale)
            flat.graph.repair()
            flat.graph.save(path)
            if flat.graph.full is not None:  # others must not see what is written there from now on
                for file in flat.graph.full.parent.glob("rows.*"):
                    copy_file(file, path.with_suffix(f".{file.name}"))
            return path.name

    def open_graph(self, path: Path, tuned: Mapping[str, Any]) -> None:
        """Have the graph that belongs to the vectors here read from its file when the work of `settle` begins; see `save_graph`.

        What it has that has no vector here, or another one, is taken out of it then. `tuned`: `ef` and `recall`; and `stale`, slots whose vector in
        lists is not theirs.
        """
        with self._lock:
            self._opening = path, tuned
            self._changed_early = set(tuned.get("stale") or ())

    @property
    def tuned(self) -> dict[str, Any]:
        """What belongs to the graph and stands in no file of its own; see `open_graph`."""
        flat = self._flat
        with self._lock:
            stale = sorted(self._stale) if isinstance(flat, GraphRows) and fixed(flat.graph) else []
            return {"ef": self.ef, "recall": self.recall, "stale": stale}

    def _open(self, path: Path, tuned: Mapping[str, Any]) -> None:
        """Take a graph over from its file; where that is gone or damaged, one will be built."""
        try:
            graph = self._read(path)
            ef, recall = tuned.get("ef"), tuned.get("recall")
        except LaminaError as error:
            log.warning("the graph of a view is built anew (%s)", error)
            with self._lock:
                self._opening = None
            return
        has = np.flatnonzero(graph.present)
        with self._lock:
            self._opening = None
            inside = has[has < len(self.present)]
            known = inside[self.present[inside] & ~np.isin(inside, list(self._changed_early))]
            self._changed_early.clear()
            self._stale = set(np.setdiff1d(has, known).tolist())
            self._flat = GraphRows(self._flat, graph, known)
            self.ef, self.recall = None if ef is None else int(ef), None if recall is None else float(recall)

    def _read(self, path: Path) -> Any:
        rows = list(path.parent.glob(path.stem + ".rows.*"))
        if path.suffix == LISTS_SUFFIX:
            from lamina.index.lists import ViewLists

            if not path.is_dir():
                raise NotFoundError(f"there are no lists {path}")
            return ViewLists(self.dim, path.parent, name=path.name)
        if self.plan.method != GRAPH or (not rows and self.plan.on_disk):
            raise StateError("it would not keep the memory budget")
        graph = self._new_graph(bool(rows))
        if graph.full is not None:
            copy_file(rows[0], graph.full.parent / rows[0].name.removeprefix(path.stem + "."))
        graph.load(path)
        graph.prepare()
        return graph

    def save(self, path: Path) -> None:
        """Write the vectors to a file; see `FlatIndex.save`. A graph is built anew by whoever reads it."""
        self._flat.save(path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote; see `FlatIndex.load`."""
        read = FlatIndex(self.dim)
        read.load(path)
        with self._work, self._lock:
            self._flat, self._opening, self._stale = read, None, set()

    # ------------------------------------------------------------------------------------------------------ the rest
    def stats(self) -> dict[str, Any]:
        """How vectors are held and searched here: JSON values, which have no narrower type."""
        plan, flat = self.plan, self._flat
        graph = flat.graph if isinstance(flat, GraphRows) else None
        return {
            "plan": plan.name,
            "vectors": len(self),
            "state": self.doing or ("exact" if graph is None else "ready"),
            "pending": self.pending,
            "ef": None if graph is None else self.ef or int(getattr(graph, setting_of(graph))),
            "recall": None if graph is None else self.recall,
            "bytes": self.nbytes(),
            "estimate": plan.nbytes,
            **({"notice": plan.notice} if plan.notice else {}),
        }


class _Unheard:
    """An index that can be searched without remembering it."""

    def __init__(self, index: PlannedIndex) -> None:
        self._index = index
        self.dim, self.present, self.rows = index.dim, index.present, index.rows

    @property
    def computed(self) -> int:
        """Distances computed so far, where the graph counts them."""
        return int(self._index._flat.graph.computed)  # type: ignore[attr-defined]

    def search(self, vectors: NDArray[np.float32], k: int, **setting: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self._index._find(vectors, k, None, next(iter(setting.values())))


def _kernels() -> bool:
    """Whether graphs can be built; says once that they cannot."""
    global _said
    there = has_kernels()
    if not there and not _said:
        _said = True
        log.warning('large scopes are searched exactly: for a graph, pip install "lamina[index]"')
    return there
