"""Connections to one SQLite file: one writer with a lock, a reader for each thread, transactions, and errors in our words."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lamina.errors import (
    ClosedError,
    CorruptStoreError,
    InputError,
    NotADatabaseError,
    ReadOnlyError,
    SchemaError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from lamina.storage.protocol import Durability
from lamina.storage.sqlite.schema import APPLICATION_ID, MIGRATIONS, TABLES, Migration

log = logging.getLogger("lamina.storage")

PARAMETERS: Final = 900  # values in one statement, below every build's limit
_HEADER: Final = b"SQLite format 3\x00"


class Connection:
    """The way to one store file.

    Parameters: `path` (None: a private store in memory), `durability` ("process": what was acknowledged survives a killed
    process; "power": also a power cut, one sync a commit), `patience` (seconds to wait for another process's write lock).
    """

    def __init__(
        self,
        path: Path | None,
        *,
        durability: Durability = "process",
        read_only: bool = False,
        patience: float = 60.0,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        if durability not in ("process", "power"):
            raise InputError(f"durability must be 'process' or 'power', not {durability!r}")
        if patience < 0:
            raise InputError(f"patience must not be negative, not {patience!r} seconds")
        self.path = path
        self.durability = durability
        self.read_only = read_only
        self._patience = patience
        self._migrations = migrations
        self._lock = threading.RLock()
        self._depth = 0
        self._after_commit: list[Callable[[], None]] = []
        self._local = threading.local()
        self._readers: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._readers_lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        if path is not None:
            self._check_file(path)
        with translated(self.name):
            self._writer = self._connect()
            try:
                self._migrate()
            except BaseException:
                self._writer.close()
                raise

    # -------------------------------------------------------------------------------------------------- opening
    @property
    def name(self) -> str:
        """The file as messages call it."""
        return str(self.path) if self.path is not None else ":memory:"

    def _check_file(self, path: Path) -> None:
        if path.is_dir():
            raise NotADatabaseError(f"{path} is a folder: name a file, such as {path / 'memory.db'}")
        if not path.parent.is_dir():
            raise StoreError(f"the folder {path.parent} does not exist: create it, or choose another path")
        if not path.exists():
            if self.read_only:
                raise StoreError(f"{path} does not exist, and a read-only memory cannot create it")
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        elif not os.access(path, os.W_OK):
            self.read_only = True
        with path.open("rb") as file:
            head = file.read(len(_HEADER))
        if head and head != _HEADER:
            raise NotADatabaseError(f"{path} is not a Lamina store (it is no SQLite file): choose another path")

    def _connect(self) -> sqlite3.Connection:
        if self.path is None:
            target, uri = ":memory:", False
        else:
            target, uri = self.path.absolute().as_uri() + ("?mode=ro" if self.read_only else "?mode=rw"), True
        connection = sqlite3.connect(
            target, uri=uri, timeout=self._patience, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # The busy handler does not cover the switch of the journal mode while another process opens the same new file.
        deadline = time.monotonic() + self._patience
        while True:
            try:
                if not self.read_only:
                    connection.execute("PRAGMA journal_mode=WAL").fetchall()
                    connection.execute(f"PRAGMA synchronous={'FULL' if self.durability == 'power' else 'NORMAL'}")
                    connection.execute("PRAGMA secure_delete=ON")
                connection.execute("PRAGMA foreign_keys=ON")
                connection.execute("PRAGMA temp_store=MEMORY")
                connection.execute("PRAGMA cache_size=-16000")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _migrate(self) -> None:
        newest = self._migrations[-1].to
        version = self._schema_version()
        if version == newest:
            return
        if self.read_only:
            raise SchemaError(f"{self.name} has schema {version}, this version needs {newest}: open it once for writing to upgrade it")
        with self.transaction():
            version = self._schema_version()  # another process may have been quicker
            for step in self._migrations:
                if step.to > version:
                    log.info("upgrading the store to schema %d: %s", step.to, step.why)
                    step.apply(self._writer)
            self._writer.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version={newest}")

    def _schema_version(self) -> int:
        """The schema of the file; 0 for a new one. Raises for a foreign or a newer file."""
        version = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
        application = int(self._writer.execute("PRAGMA application_id").fetchone()[0])
        tables = {str(row[0]) for row in self._writer.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if application != APPLICATION_ID and tables:
            raise NotADatabaseError(f"{self.name} is a SQLite file of another program: choose another path")
        newest = self._migrations[-1].to
        if version > newest:
            raise SchemaError(
                f"{self.name} has schema {version}; this version of Lamina knows up to {newest}: "
                "upgrade with pip install -U lamina, nothing was changed"
            )
        if version and not set(TABLES) <= tables:
            missing = ", ".join(sorted(set(TABLES) - tables))
            raise CorruptStoreError(f"{self.name} lacks its tables {missing}: restore a backup")
        return version

    # -------------------------------------------------------------------------------------------------- reading
    def _reader(self) -> sqlite3.Connection:
        if self.path is None or self.writing:
            return self._writer
        if self._process != os.getpid():
            self._after_fork()
        connection: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if connection is None:
            connection = self._connect()
            if not self.read_only:
                connection.execute("PRAGMA query_only=ON")
            self._local.reader = connection
            with self._readers_lock:
                for thread, old in self._readers:
                    if not thread.is_alive():
                        old.close()
                self._readers = [(thread, old) for thread, old in self._readers if thread.is_alive()]
                self._readers.append((threading.current_thread(), connection))
        return connection

    def _after_fork(self) -> None:
        """A connection must not cross a fork: the child leaves its parent's alone and opens its own."""
        self._process = os.getpid()
        self._lock, self._readers_lock = threading.RLock(), threading.Lock()
        self._depth, self._after_commit = 0, []
        self._local, self._orphans = threading.local(), (self._writer, self._readers)
        self._readers = []
        self._writer = self._connect()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query; inside this thread's transaction it sees what that has written."""
        self.check_open()
        with translated(self.name):
            if self.path is None:
                with self._lock:
                    return self._writer.execute(statement, parameters).fetchall()
            return self._reader().execute(statement, parameters).fetchall()

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """The first value of the first row, or None."""
        rows = self.rows(statement, parameters)
        return rows[0][0] if rows else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the file, whatever others write meanwhile."""
        self.check_open()
        if self.path is None:
            with self._lock:
                yield
            return
        reader = self._reader()
        if reader.in_transaction:
            yield
            return
        with translated(self.name):
            reader.execute("BEGIN")
        try:
            yield
        finally:
            reader.execute("COMMIT")

    # -------------------------------------------------------------------------------------------------- writing
    @property
    def writing(self) -> bool:
        """Whether this thread is inside a transaction."""
        return getattr(self._local, "writing", False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside happen together or not at all; nested transactions belong to the outermost one."""
        self.check_open()
        if self.read_only:
            raise ReadOnlyError(f"{self.name} is open for reading only: nothing was written")
        if self._process != os.getpid():
            self._after_fork()
        with self._lock:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            with translated(self.name):
                self._writer.execute("BEGIN IMMEDIATE")
            self._depth, self._local.writing = 1, True
            try:
                yield
                with translated(self.name):
                    self._writer.execute("COMMIT")
            except BaseException:
                self._after_commit.clear()
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._depth, self._local.writing = 0, False
            calls, self._after_commit = self._after_commit, []
        for call in calls:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something once the present transaction is on disk; at once where there is none."""
        if self.writing:
            self._after_commit.append(call)
        else:
            call()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one write inside a transaction."""
        assert self.writing, "a write outside a transaction"
        with translated(self.name):
            return self._writer.execute(statement, parameters)

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one write for many rows inside a transaction; returns the number of rows changed."""
        assert self.writing, "a write outside a transaction"
        with translated(self.name):
            return self._writer.executemany(statement, parameters).rowcount

    @contextmanager
    def exclusive(self) -> Iterator[sqlite3.Connection]:
        """The bare writer connection outside any transaction, for maintenance."""
        self.check_open()
        if self.read_only:
            raise ReadOnlyError(f"{self.name} is open for reading only: nothing was written")
        with self._lock:
            if self._depth:
                raise StoreError("maintenance cannot run inside a transaction")
            with translated(self.name):
                yield self._writer

    # -------------------------------------------------------------------------------------------------- closing
    def check_open(self) -> None:
        """Raise `ClosedError` after `close`."""
        if self._closed:
            raise ClosedError(f"the memory {self.name} was closed: open it again with Memory({self.name!r})")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def detached(self) -> sqlite3.Connection:
        """A further connection for one long read, which the caller closes (in memory: the writer's twin does not exist)."""
        self.check_open()
        if self.path is None:
            raise StoreError("a memory that lives in RAM has no file to copy: use export")
        return self._connect()

    def close(self) -> None:
        """Close every connection. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with self._readers_lock:
                for _, connection in self._readers:
                    connection.close()
                self._readers.clear()
            self._writer.close()


def _is_busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the engine's errors into ours, each with what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusyError(f"{name} stayed locked by another writer: try again, or open it with a larger patience") from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreFullError(f"no room to write to {name}: free disk space and try again; nothing of this call was kept") from error
        if code == sqlite3.SQLITE_READONLY:
            raise ReadOnlyError(f"{name} cannot be written: check its permissions; nothing was written") from error
        if code == sqlite3.SQLITE_NOTADB:
            raise NotADatabaseError(f"{name} is not a Lamina store, or its header is damaged: restore a backup") from error
        if code == sqlite3.SQLITE_CORRUPT:
            raise CorruptStoreError(f"{name} is damaged ({error}): run 'lamina doctor {name}' or restore a backup") from error
        if code == sqlite3.SQLITE_CANTOPEN:
            raise StoreError(f"{name} cannot be opened ({error}): check the path and its permissions") from error
        if isinstance(error, sqlite3.IntegrityError):
            raise InputError(f"the store refused the write to {name}: {error}") from error
        raise StoreError(f"{name}: {error}") from error
