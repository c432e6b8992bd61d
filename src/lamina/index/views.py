"""The views of a store, one for each scope that is asked for, within a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict

from lamina.index.approximate import vector_index
from lamina.index.view import ScopeView
from lamina.storage.protocol import Store


class Views:
    """The views of a store, the least recently used given up beyond `budget` bytes (the newest always stays).

    Parameters: `store`; `budget` in bytes; `index`, how vectors are searched: "exact" or "usearch" (see `vector_index`).
    """

    def __init__(self, store: Store, budget: int = 1 << 30, index: str = "exact") -> None:
        self._store = store
        self.budget = budget
        self._make_index = vector_index(index)
        self._lock = threading.Lock()
        self._views: OrderedDict[str, ScopeView] = OrderedDict()
        self._sizes: dict[str, int] = {}  # bytes of each view when it last grew

    def get(self, scope: str) -> ScopeView:
        """The up-to-date view of a scope."""
        with self._lock:
            view = self._views.get(scope)
            if view is None:
                view = self._views[scope] = ScopeView(self._store, scope, self._make_index)
            self._views.move_to_end(scope)
        before = len(view)
        view.refresh()
        if len(view) != before:
            with self._lock:
                self._sizes[scope] = view.nbytes()
                held = sum(self._sizes.values())
                while len(self._views) > 1 and held > self.budget:
                    given_up, _ = self._views.popitem(last=False)
                    held -= self._sizes.pop(given_up, 0)
        return view

    def nbytes(self) -> int:
        """Bytes held by all views."""
        return sum(view.nbytes() for view in list(self._views.values()))

    def clear(self) -> None:
        """Give up every view."""
        with self._lock:
            self._views.clear()
            self._sizes.clear()
