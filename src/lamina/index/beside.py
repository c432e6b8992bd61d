"""Files beside a store that spare reading a view and building its graph: caches, each thrown away when it does not fit the store.

A file is whole before the store names it, in one transaction; what the store does not name is not read. So a kill at any moment leaves the files of
the last commit, and a store that was put back from a backup names none that tell another story.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lamina.errors import CorruptStoreError, LaminaError, NotFoundError, StoreError
from lamina.index.arrays import read_arrays, write_arrays
from lamina.index.packing import pack, unpack
from lamina.index.planned import PlannedIndex
from lamina.index.view import ScopeView
from lamina.storage.index_files import LISTS, LOCK, remove_file, remove_index_files, remove_lists, remove_workplaces
from lamina.storage.protocol import Space, Store

log = logging.getLogger("lamina.index")

SETTING: Final = "index"
"""The setting of the store that names the files: by scope (hashed), and below which change they are not to be trusted."""
KIND: Final = "view/1"
LEAST: Final = 20_000  # items below which a view is read from the store as quickly
GROWN: Final = 0.05  # share of the items that must be new or gone before a file is written anew
PATIENCE: Final = 10.0  # seconds that throwing files away waits for somebody who is writing one


class Beside:
    """The index files of one store.

    Parameters: `store`; `folder` (None: nothing is kept, as for memories in RAM and encrypted files); `least`, items from which a view is kept.
    """

    def __init__(self, store: Store, folder: Path | None, *, least: int | None = None) -> None:
        self._store = store
        self.folder = folder
        self.least = LEAST if least is None else least

    # ------------------------------------------------------------------------------------------------------ reading
    def restore(self, view: ScopeView) -> bool:
        """Fill a view that was just made from its file; False where there is none that fits. What is newer it learns from the store."""
        if self.folder is None:
            return False
        for _ in range(2):  # once more where a newer one takes the place of a file just now
            named = self._named().get(_name(view.scope))
            if named is None:
                return False
            try:
                return self._read(view, named)
            except NotFoundError:
                continue
            except LaminaError as error:
                log.warning("the index file of scope %r is made anew (%s)", view.scope, error)
                return False
        return False

    def _read(self, view: ScopeView, named: dict[str, Any]) -> bool:
        assert self.folder is not None
        token, space = str(named.get("token")), self._store.vectors.active()
        header, arrays = read_arrays(self.folder / f"{token}.view", KIND)
        fits = (
            header.get("token") == token and header.get("scope") == view.scope and header.get("language") == self._store.language
        )
        recorded = header.get("space")
        if not fits or (None if recorded is None else Space(*recorded)) != space or header.get("version") != named.get("version"):
            raise CorruptStoreError("it stands for another state of the store")
        with view.lock:
            view._clear(space)
            unpack(view, header, arrays)
            view.kept = len(view), header["version"]
            if isinstance(named.get("graph"), str) and isinstance(view.flat, PlannedIndex):
                view.flat.open_graph(self.folder / Path(named["graph"]).name, header.get("tuned") or {})
        return True

    def has(self, scope: str) -> bool:
        """Whether there are files for a scope."""
        named = self._named().get(_name(scope)) if self.folder is not None else None
        return named is not None and self.folder is not None and (self.folder / f"{named.get('token')}.view").exists()

    def _setting(self) -> dict[str, Any]:
        try:
            found = json.loads(self._store.meta(SETTING) or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _named(self) -> dict[str, dict[str, Any]]:
        files = self._setting().get("files")
        return {name: one for name, one in files.items() if isinstance(one, dict)} if isinstance(files, dict) else {}

    # ------------------------------------------------------------------------------------------------------ writing
    def due(self, view: ScopeView) -> bool:
        """Whether enough has changed since the view was read from a file or written to one."""
        if self.folder is None or self._store.read_only or len(view) < self.least:
            return False
        kept = view.kept
        if kept is None or (isinstance(view.flat, PlannedIndex) and view.flat.unsaved):
            return True
        changes = len(view) - kept[0] + view.version.change - kept[1][2]
        return changes > GROWN * len(view)

    def keep(self, view: ScopeView, *, patience: float = 0) -> bool:
        """Write the files of a view, and have the store name them; False where it is not to be kept, or somebody else is at it for longer than
        `patience` seconds.

        Raises `StoreFullError` where the disk is full; what was kept before stays.
        """
        if self.folder is None or self._store.read_only or not len(view):
            return False
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with self._locked(patience) as mine:
            return mine and self._write(view)

    def _write(self, view: ScopeView) -> bool:
        assert self.folder is not None
        token = secrets.token_hex(8)
        graph: str | None = None
        paths, committed = (self.folder / f"{token}.view", self.folder / f"{token}.graph"), False
        try:
            with view.lock:
                header, arrays = pack(view)
            if isinstance(view.flat, PlannedIndex):
                graph = view.flat.save_graph(paths[1])
                header["tuned"] = view.flat.tuned
            write_arrays(paths[0], KIND, {**header, "token": token}, arrays)
            committed = self._commit(view.scope, {"token": token, "version": header["version"], "graph": graph})
        finally:
            if not committed:
                for path in self.folder.glob(token + ".*"):
                    remove_file(path)
                if (
                    graph is not None
                    and graph.endswith(LISTS)
                    and graph not in {one.get("graph") for one in self._named().values()}
                ):
                    remove_lists(self.folder / graph)
        if not committed:
            return False
        view.kept = len(arrays["_keys"]), header["version"]
        if isinstance(view.flat, PlannedIndex):
            view.flat.unsaved = False
        self._tidy()
        return True

    def _commit(self, scope: str, named: dict[str, Any]) -> bool:
        """Have the store name new files; not where what they hold may have been scrubbed meanwhile."""
        with self._store.transaction():
            setting = self._setting()
            floor = setting.get("floor")
            if isinstance(floor, int) and named["version"][2] < floor:
                return False
            files = {**self._named(), _name(scope): named}
            self._store.set_meta(SETTING, json.dumps({**setting, "files": files}))
        return True

    def _tidy(self) -> None:
        """Remove what the store does not name: older files, and those of writers that were killed."""
        assert self.folder is not None
        named = list(self._named().values())
        tokens, graphs = {one.get("token") for one in named}, {one.get("graph") for one in named}
        for path in self.folder.iterdir():
            if path.name != LOCK and path.is_file() and path.name.split(".")[0] not in tokens:
                path.unlink(missing_ok=True)
            if path.suffix == LISTS and path.name not in graphs:
                remove_lists(path)
        remove_workplaces(self.folder)

    # ------------------------------------------------------------------------------------------------------ removing
    def purge(self) -> None:
        """Throw all files away, overwritten: what is deleted must not be found in them. Nothing older is kept from now on."""
        if self.folder is None or self._store.read_only:
            return
        if not self.folder.is_dir() and self._store.meta(SETTING) is None:
            return
        with self._store.transaction():
            floor = self._store.version().change
            self._store.set_meta(SETTING, json.dumps({"floor": floor, "files": {}}))
        with self._locked(PATIENCE):
            remove_index_files(self.folder)

    @contextmanager
    def _locked(self, patience: float) -> Iterator[bool]:
        """Whether this process is the one that may write now; released in the end, also in what was forked meanwhile."""
        assert self.folder is not None
        if not self.folder.is_dir():
            yield True
            return
        try:
            handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"the index folder {self.folder} cannot be written to: {error.strerror}") from error
        deadline, mine = time.monotonic() + patience, False
        try:
            while not mine:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    mine = True
                except OSError:
                    if time.monotonic() >= deadline:
                        break
                    time.sleep(0.05)
            yield mine
        finally:
            if mine:
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)

    def nbytes(self) -> int:
        """Bytes on disk."""
        if self.folder is None or not self.folder.is_dir():
            return 0
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def _name(scope: str) -> str:
    """What the store's setting calls a scope: it does not tell the scope's own name."""
    return hashlib.blake2b(scope.encode(), digest_size=8).hexdigest()
