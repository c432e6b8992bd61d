"""Lists on disk for a view: built once into a folder of their own, read by every process, and built anew when much has changed."""

from __future__ import annotations

import fcntl
import os
import secrets
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.index.spann.clustering import BalancedTree
from lamina.index.spann.spann import SPANN
from lamina.records import Run
from lamina.storage.index_files import IN_USE, LISTS, remove_workplace, workplace


class ViewLists(SPANN):
    """A `SPANN` that is never changed: what it lacks its view searches one by one, what is gone its view masks.

    Parameters: `dim`; `folder` of the index files; `name` of what `kept_as` has put there (None: it is still to be built); `seed`; `threads` of building.
    """

    def __init__(self, dim: int, folder: Path, *, name: str | None = None, seed: int = 0, threads: int = 1) -> None:
        super().__init__(dim, workplace(folder) if name is None else folder / name, tree=BalancedTree(threads=threads), seed=seed)
        self._base = folder
        self._removal: Any = None
        self._held: Any = None
        if name is None:
            self._removal = weakref.finalize(self, remove_workplace, self.folder, os.getpid())
        else:
            self.read_only = True
            self._hold()
            self.load()

    def _hold(self) -> None:
        """Say that somebody reads what is here, for as long as this is there: it is then removed, and not overwritten."""
        handle = os.open(self.folder / IN_USE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._held = weakref.finalize(self, os.close, handle)

    def kept_as(self) -> str | None:
        """The name of the folder by which other processes find the lists; None where it was thrown away meanwhile."""
        if not self.folder.is_dir():
            return None
        if self._removal is not None:
            self._hold()
            place = self._base / (secrets.token_hex(8) + LISTS)
            self.folder.rename(place)
            self._removal.detach()
            self._removal, self.folder = None, place
        return self.folder.name


class Reading:
    """Vectors of a view as an array of which blocks can be taken: they are read when they are wanted.

    Parameters: `rows`, reads vectors of slots; `slots`; `dim`.
    """

    def __init__(self, rows: Callable[[NDArray[np.int64]], NDArray[np.float32]], slots: NDArray[np.int64], dim: int) -> None:
        self._rows, self._slots = rows, slots
        self.shape: Final = (len(slots), dim)

    def __getitem__(self, block: slice) -> NDArray[np.float32]:
        return self._rows(self._slots[block])


def build(graph: ViewLists, rows: Callable[[NDArray[np.int64]], NDArray[np.float32]], slots: NDArray[np.int64], run: Run) -> None:
    """Build lists of the vectors of some slots."""
    graph.build(slots, Reading(rows, slots, graph.dim), run)
