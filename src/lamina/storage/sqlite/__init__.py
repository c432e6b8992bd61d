"""The SQLite store: one file, write-ahead log, safe with many processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lamina.errors import StoreBusyError, TransferError
from lamina.storage.protocol import Durability, ScrubReport, Version
from lamina.storage.sqlite.connection import Connection, translated
from lamina.storage.sqlite.edges import SQLiteEdges
from lamina.storage.sqlite.items import SQLiteItems, indexed_terms
from lamina.storage.sqlite.ledgers import SQLiteArtifacts, SQLiteStrengths, SQLiteWatermarks
from lamina.storage.sqlite.schema import MIGRATIONS, Migration
from lamina.storage.sqlite.vectors import SQLiteVectors
from lamina.text import ANALYSER

CHANGES_KEPT = 100_000  # rows of the change log; whoever is further behind reads its view anew


class _Items(SQLiteItems):
    """Items whose artifacts' files go with them."""

    def __init__(self, connection: Connection, artifacts: SQLiteArtifacts) -> None:
        super().__init__(connection)
        self._artifacts = artifacts

    def delete(self, keys: Sequence[int]) -> int:
        self._artifacts.forget_files(self._artifacts.files_of(keys))
        return super().delete(keys)

    def blank(self, keys: Sequence[int]) -> None:
        self._artifacts.forget_files(self._artifacts.files_of(keys))
        super().blank(keys)
        for key in keys:
            self._db.execute("DELETE FROM artifact WHERE item = ?", (key,))


class SQLiteStore:
    """A memory's storage in one SQLite file (`path=None`: in memory, gone at the end).

    >>> store = SQLiteStore(None)
    >>> with store.transaction():
    ...     store.set_meta("colour", "blue")
    >>> store.meta("colour")
    'blue'
    >>> store.close()
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        durability: Durability = "process",
        read_only: bool = False,
        patience: float = 60.0,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self.connection = Connection(
            None if path is None else Path(path), durability=durability, read_only=read_only, patience=patience, migrations=migrations
        )
        self.artifacts = SQLiteArtifacts(self.connection)
        self.items = _Items(self.connection, self.artifacts)
        self.edges = SQLiteEdges(self.connection)
        self.vectors = SQLiteVectors(self.connection)
        self.strengths = SQLiteStrengths(self.connection)
        self.watermarks = SQLiteWatermarks(self.connection)
        if not self.read_only:
            self._begin()

    def _begin(self) -> None:
        if self.meta("analyser") is None:
            with self.transaction():
                if self.meta("analyser") is None:
                    self.set_meta("analyser", ANALYSER)
        elif self.meta("analyser") != ANALYSER:
            self.relex()
        if self.meta("scrub") is not None:
            self.scrub()

    @property
    def path(self) -> Path | None:
        """The file; None for a store in memory."""
        return self.connection.path

    @property
    def read_only(self) -> bool:
        """Whether writes are refused."""
        return self.connection.read_only

    # ------------------------------------------------------------------------------------------------ transactions
    def transaction(self) -> AbstractContextManager[None]:
        """All writes inside happen together or not at all."""
        return self.connection.transaction()

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see one state."""
        return self.connection.snapshot()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something once the present transaction is on disk."""
        self.connection.after_commit(call)

    # ------------------------------------------------------------------------------------------------ change
    def version(self) -> Version:
        """How far the store has come; cheap enough to ask before every recall."""
        numbers = dict(self.connection.rows("SELECT name, seq FROM sqlite_sequence"))
        return Version(numbers.get("item", 0), numbers.get("vector", 0), numbers.get("change", 0))

    def changes(self, after: int) -> list[int] | None:
        """Keys of old items that changed or went after a change number; None where the log does not reach back so far."""
        first = self.connection.value("SELECT min(seq) FROM change")
        newest = self.version().change
        if after < newest and (first is None or first > after + 1):
            return None
        return [row[0] for row in self.connection.rows("SELECT DISTINCT item FROM change WHERE seq > ?", (after,))]

    # ------------------------------------------------------------------------------------------------ settings
    def meta(self, name: str) -> str | None:
        """A setting kept in the file."""
        value = self.connection.value("SELECT value FROM meta WHERE name = ?", (name,))
        return None if value is None else str(value)

    def set_meta(self, name: str, value: str | None) -> None:
        """Keep a setting in the file; None takes it away."""
        if value is None:
            self.connection.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            self.connection.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (name, value))

    def relex(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Build the lexicon anew from the texts (after a change of the analysis); returns the number of items."""
        total, done, last = int(self.connection.value("SELECT count(*) FROM item")), 0, 0
        with self.transaction():
            self.connection.execute("DELETE FROM lexicon")
            while True:
                keys = [r[0] for r in self.connection.rows("SELECT key FROM item WHERE key > ? ORDER BY key LIMIT 1000", (last,))]
                if not keys:
                    break
                entries = [(key, indexed_terms(item)) for key, item in self.items.by_key(keys).items()]
                self.connection.execute_many("INSERT INTO lexicon(item, terms) VALUES (?, ?)", entries)
                last, done = keys[-1], done + len(keys)
                if progress is not None:
                    progress(done, total)
            self.set_meta("analyser", ANALYSER)
            # every view must be read anew
            self.connection.execute("INSERT INTO change(item) VALUES (0)")
            self.connection.execute("DELETE FROM change")
        return done

    # ------------------------------------------------------------------------------------------------ maintenance
    def scrub(self) -> ScrubReport:
        """Remove what deletions left on disk: rewrite the file, empty the log, delete stray artifact files.

        While another connection reads an old state the log cannot be emptied: the report then says `pending`, and the
        scrub is tried again when the memory is next opened, scrubbed or closed.
        """
        before = self.nbytes()
        for path in self.artifacts.orphans():
            path.unlink(missing_ok=True)
        if self.path is None:
            return ScrubReport(False, before, before)
        with self.transaction():
            self.set_meta("scrub", "pending")
            self.connection.execute("DELETE FROM change WHERE seq <= (SELECT max(seq) FROM change) - ?", (CHANGES_KEPT,))
        patience = self.connection.value("PRAGMA busy_timeout")
        with self.connection.exclusive() as bare:
            bare.execute("VACUUM")
            bare.execute("PRAGMA busy_timeout=200")  # an open reader is reported, not waited for
            try:
                busy = self._checkpoint(bare)
            finally:
                bare.execute(f"PRAGMA busy_timeout={patience}")
        if not busy:
            with self.transaction():
                self.set_meta("scrub", None)
            with self.connection.exclusive() as bare:
                self._checkpoint(bare)
        return ScrubReport(busy, before, self.nbytes())

    @staticmethod
    def _checkpoint(bare: object) -> bool:
        """Empty the log; True where a reader was in the way."""
        row = bare.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # type: ignore[attr-defined]
        return bool(row[0])

    def backup(self, target: Path) -> Path:
        """Write one consistent state of the store to a new file, while others go on reading and writing.

        Artifacts' files are copied beside it. Raises `TransferError` where the target exists.
        """
        target = Path(target)
        if target.exists():
            raise TransferError(f"{target} exists: a backup never overwrites; choose another name")
        if not target.parent.is_dir():
            raise TransferError(f"the folder {target.parent} does not exist: create it first")
        handle, name = tempfile.mkstemp(prefix=target.name, suffix=".part", dir=target.parent)
        os.close(handle)
        part = Path(name)
        try:
            part.unlink()
            with translated(str(target)):
                copier = self.connection.detached()
                try:
                    copier.execute("VACUUM INTO ?", (str(part),))
                finally:
                    copier.close()
            os.chmod(part, 0o600)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            self._copy_artifacts(part, target)
            os.rename(part, target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _copy_artifacts(self, copy: Path, target: Path) -> None:
        """Copy the files that the copied rows name."""
        import shutil
        import sqlite3
        from contextlib import closing

        folder = self.artifacts.folder
        with closing(sqlite3.connect(copy)) as connection:
            names = [row[0] for row in connection.execute("SELECT path FROM artifact WHERE path IS NOT NULL")]
        if not names or folder is None:
            return
        beside = target.with_name(target.name + ".artifacts")
        beside.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            shutil.copy2(folder / name, beside / name)

    def nbytes(self) -> int:
        """Bytes on disk: the file, its log, its artifacts. In memory: the size of the pages."""
        path = self.path
        if path is None:
            pages = int(self.connection.value("PRAGMA page_count"))
            return pages * int(self.connection.value("PRAGMA page_size"))
        files = [path, path.with_name(path.name + "-wal")]
        folder = self.artifacts.folder
        if folder is not None and folder.is_dir():
            files += folder.iterdir()
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Close the store; a scrub that was held up is tried once more."""
        if not self.connection.closed and not self.read_only and self.meta("scrub") is not None:
            try:
                self.scrub()
            except StoreBusyError:
                pass  # it stays noted in the file
        self.connection.close()
