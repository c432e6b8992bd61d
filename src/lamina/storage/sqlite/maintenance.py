"""What is done to a store as a whole: scrubbing what deletions left on disk, and copying it while others write."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lamina.errors import StoreError, TransferError
from lamina.storage.protocol import ScrubReport
from lamina.storage.sqlite.failures import translated
from lamina.storage.sqlite.ledgers import file_name

if TYPE_CHECKING:
    from lamina.storage.sqlite import SQLiteStore

CHANGES_KEPT: Final = 100_000  # rows of the change log; whoever is further behind reads its view anew
READER_PATIENCE: Final = 200  # milliseconds a scrub waits for readers of an old state before it reports itself pending

# What the setting "scrub" says: the file is still to be rewritten, or only the log to be emptied.
_REWRITE: Final = "pending"
_EMPTY_LOG: Final = "log"


def scrub(store: SQLiteStore) -> ScrubReport:
    """See `SQLiteStore.scrub`."""
    before = store.nbytes()
    if store.path is None:
        with store.connection.exclusive() as bare:
            bare.execute("VACUUM")
        return ScrubReport(False, before, store.nbytes())
    with store.transaction():
        for path in store.artifacts.orphans():  # while nobody else can be between writing a file and naming it
            path.unlink(missing_ok=True)
        store.set_meta("scrub", _REWRITE)
        store.connection.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?", (CHANGES_KEPT,))
    return ScrubReport(finish_scrub(store), before, store.nbytes())


def finish_scrub(store: SQLiteStore) -> bool:
    """Go on with a scrub from where it was held up; returns whether it is still pending."""
    if store.meta("scrub") == _REWRITE:
        with store.connection.exclusive() as bare:
            bare.execute("VACUUM")
        with store.transaction():
            store.set_meta("scrub", _EMPTY_LOG)
    if _log_stays(store):
        return True
    with store.transaction():
        store.set_meta("scrub", None)
    _log_stays(store)
    return False


def _log_stays(store: SQLiteStore) -> bool:
    """Write the log back and empty it; True where a reader of an old state was in the way."""
    with store.connection.exclusive() as bare:
        patience = bare.execute("PRAGMA busy_timeout").fetchone()[0]
        bare.execute(f"PRAGMA busy_timeout={READER_PATIENCE}")
        try:
            return bool(bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        finally:
            bare.execute(f"PRAGMA busy_timeout={patience}")


def backup(store: SQLiteStore, target: Path) -> Path:
    """See `SQLiteStore.backup`."""
    beside = target.with_name(target.name + ".artifacts")
    for path in (target, beside):
        if path.exists():
            raise TransferError(f"{path} exists: a backup never overwrites; choose another name")
    if not target.parent.is_dir():
        raise TransferError(f"the folder {target.parent} does not exist: create it first")
    handle, name = tempfile.mkstemp(prefix=target.name + ".", suffix=".part", dir=target.parent)  # mode 0600
    os.close(handle)
    part, files = Path(name), Path(name + ".artifacts")
    outside = store.connection.value("SELECT 1 FROM artifact WHERE path IS NOT NULL LIMIT 1") is not None
    try:
        # An artifact's file goes with its row: no row may go between the copy of the rows and that of the files.
        with store.transaction() if outside and not store.read_only else nullcontext():
            with translated(str(target)), closing(store.connection.detached()) as copier:
                copier.execute("VACUUM INTO ?", (str(part),))
            _copy_files(store, part, files)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        if files.exists():
            files.rename(beside)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(files, ignore_errors=True)
    return target


def _copy_files(store: SQLiteStore, copy: Path, files: Path) -> None:
    """Copy the files that the copied rows name."""
    folder = store.artifacts.folder
    with closing(store.connection.engine.connect(str(copy))) as connection:
        names: Sequence[str] = [row[0] for row in connection.execute("SELECT path FROM artifact WHERE path IS NOT NULL")]
    if not names or folder is None:
        return
    files.mkdir(mode=0o700)
    for name in names:
        try:
            shutil.copy2(folder / file_name(name), files / name)
        except FileNotFoundError:
            raise StoreError(f"the file of artifact {name} is gone: run 'lamina doctor {store.path} --repair' first") from None
