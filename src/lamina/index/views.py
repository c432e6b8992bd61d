"""The views of a store, one for each scope that is asked for, within a budget of bytes."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamina.config import INDEXES
from lamina.errors import ConfigError, LaminaError
from lamina.index.approximate import vector_index
from lamina.index.background import Background
from lamina.index.beside import PATIENCE, Beside
from lamina.index.planned import PlannedIndex
from lamina.index.plans import Means
from lamina.index.protocol import SlotIndex
from lamina.index.view import ScopeView
from lamina.records import Filter, Run
from lamina.storage.protocol import Store

log = logging.getLogger("lamina.index")


class Views:
    """The views of a store, the least recently used given up beyond `budget` bytes (the newest always stays).

    Parameters: `store`; `budget` in bytes; `index`, how vectors are searched: "auto", "exact", "hnsw", "spann" or "usearch"; `folder` of the index files
    beside the store (None: there are none); `run`, the seed and the cancellation of what is built.
    """

    def __init__(
        self, store: Store, budget: int = 2 * 10**9, index: str = "exact", *, folder: Path | None = None, run: Run | None = None
    ) -> None:
        self._store = store
        self.budget = budget
        disk = None if store.read_only else folder
        self._means = Means(budget=budget, taken=self._taken, folder=disk, run=run or Run())
        self._index = index
        self._make_index: Callable[[int], SlotIndex] = self._maker(index)
        self.beside = Beside(store, folder)
        self._lock = threading.Lock()
        self._views: OrderedDict[str, ScopeView] = OrderedDict()
        self._sizes: dict[str, int] = {}  # bytes of each view when it last grew
        self._workers: weakref.WeakKeyDictionary[PlannedIndex, Background] = weakref.WeakKeyDictionary()

    def _maker(self, index: str) -> Callable[[int], SlotIndex]:
        if index in ("exact", "usearch"):
            return vector_index(index)
        if index not in INDEXES:
            raise ConfigError(f"index must be {', '.join(map(repr, INDEXES[:-1]))} or {INDEXES[-1]!r}, not {index!r}")
        PlannedIndex(1, kind=index)  # raises now for what cannot be had
        return lambda dim: PlannedIndex(dim, kind=index, means=self._means)

    def _taken(self, index: object) -> int:
        """Bytes of the view that has an index, without those of the index."""
        for view in list(self._views.values()):
            if view.flat is index:
                return view.nbytes() - view.flat.nbytes()
        return 0

    def get(self, scope: str) -> ScopeView:
        """The up-to-date view of a scope."""
        with self._lock:
            view = self._views.get(scope)
            if view is None:
                view = self._views[scope] = ScopeView(self._store, scope, self._make_index, self.beside.restore)
            self._views.move_to_end(scope)
        before = len(view)
        view.refresh()
        if len(view) != before:
            self._weigh(scope, view)
        self._start(view)
        return view

    def _weigh(self, scope: str, view: ScopeView) -> None:
        """Note the size of a view, and give up those used least where all are too large."""
        with self._lock:
            self._sizes[scope] = view.nbytes()
            held = sum(self._sizes.values())
            while len(self._views) > 1 and held > self.budget:
                given_up, old = self._views.popitem(last=False)
                held -= self._sizes.pop(given_up, 0)
                if (worker := self._worker(old)) is not None:
                    worker.give_up()

    def _start(self, view: ScopeView) -> None:
        """Have what is due done in the background."""
        index = view.flat
        if not isinstance(index, PlannedIndex) or not index.due:
            return
        with self._lock:
            worker = self._workers.get(index)
            if worker is None:
                views, kept = weakref.ref(self), weakref.ref(view)
                worker = self._workers[index] = Background(index, lambda: _keep_later(views, kept))
        worker.start()

    def _worker(self, view: ScopeView) -> Background | None:
        return self._workers.get(view.flat) if isinstance(view.flat, PlannedIndex) else None

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait for what is done in the background; returns whether it is done."""
        workers = [worker for view in list(self._views.values()) if (worker := self._worker(view)) is not None]
        return all(worker.wait(seconds) for worker in workers)

    # ------------------------------------------------------------------------------------------------------ on request
    def settle(self, run: Run, scope: str | None = None) -> None:
        """Build and link now what is waiting for it: in the view of a scope, or in all that are held; keep files of them. Raises `Cancelled`."""
        views = list(self._views.values()) if scope is None else [self.get(scope)]
        for view in views:
            if isinstance(view.flat, PlannedIndex):
                view.flat.settle(run, threads=os.cpu_count() or 1)
            if self.beside.due(view):
                self.beside.keep(view, patience=PATIENCE)

    def build(self, scope: str, run: Run) -> dict[str, Any]:
        """Build what the view of a scope is to be searched with, and keep it; returns what `stats` says of it. Raises `BudgetError`, `Cancelled`."""
        view = self.get(scope)
        if isinstance(view.flat, PlannedIndex):
            view.flat.plan.require()
        self.settle(run, scope)
        return next(one for one in self.stats() if one["scope"] == scope)

    def stats(self, scope: str | None = None) -> list[dict[str, Any]]:
        """For each view that is held, how its vectors are held and searched; for a `scope` without a view, how they would be. (JSON values.)"""
        views = dict(self._views)
        found = [{"scope": name, **_told(view.flat), "kept": self.beside.has(name)} for name, view in views.items()]
        if scope is not None and scope not in views:
            space = self._store.vectors.active()
            count = self._store.items.count(Filter(scope=scope)) if space is not None else 0
            index = self._make_index(space.dim if space is not None else 1)
            plan = index.plan_for(count) if isinstance(index, PlannedIndex) else None
            found.append({
                "scope": scope, "plan": self._index if plan is None else plan.name, "vectors": count, "state": "not opened",
                "estimate": None if plan is None else plan.nbytes, "kept": self.beside.has(scope),
            })  # fmt: skip
        return found

    def nbytes(self) -> int:
        """Bytes held by all views."""
        return sum(view.nbytes() for view in list(self._views.values()))

    def clear(self) -> None:
        """Give up every view."""
        with self._lock:
            views = list(self._views.values())
            self._views.clear()
            self._sizes.clear()
        for view in views:
            self._end(view)

    def purge(self) -> None:
        """Give up every view, and throw the files beside the store away."""
        self.clear()
        self.beside.purge()

    def close(self) -> None:
        """Stop what runs in the background, and keep files of the views that have changed much."""
        for view in list(self._views.values()):
            self._end(view)
            self._keep(view)

    def _end(self, view: ScopeView) -> None:
        if (worker := self._worker(view)) is not None:
            worker.close()

    def _keep(self, view: ScopeView) -> None:
        """Write the files of a view where that is due; that they are missing costs time, nothing else."""
        try:
            if self.beside.due(view):
                self.beside.keep(view)
        except (LaminaError, OSError) as error:
            log.warning("no index file was kept beside the store (%s: %s)", type(error).__name__, error)


def _told(flat: SlotIndex) -> dict[str, Any]:
    if isinstance(flat, PlannedIndex):
        return flat.stats()
    plan, state = ("usearch", "ready") if flat.approximate else ("exact", "exact")
    return {"plan": plan, "vectors": len(flat), "state": state, "pending": 0, "bytes": flat.nbytes()}


def _keep_later(views: weakref.ref[Views], view: weakref.ref[ScopeView]) -> None:
    """What the background does after its work."""
    holder, kept = views(), view()
    if holder is not None and kept is not None:
        holder._keep(kept)
