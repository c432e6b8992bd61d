"""Connections to one SQLite file: one writer with a lock, a reader for each thread, transactions, and errors in our words."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lamina.errors import ClosedError, InputError, ReadOnlyError, SchemaError, StoreError
from lamina.storage.protocol import Durability
from lamina.storage.sqlite.engine import Engine, Key
from lamina.storage.sqlite.failures import in_our_words, refused, translated
from lamina.storage.sqlite.opening import check_file, connect, schema_version
from lamina.storage.sqlite.schema import APPLICATION_ID, MIGRATIONS, Migration

log = logging.getLogger("lamina.storage")

_open: weakref.WeakSet[Connection] = weakref.WeakSet()
PARAMETERS: Final = 900  # values in one statement, below every build's limit


def open_here(path: Path) -> bool:
    """Whether this very process has a file open; locks on files do not tell, since they do not hold within a process."""
    wanted = path.resolve()
    return any(not one.closed and one.path is not None and one.path.resolve() == wanted for one in list(_open))


class Connection:
    """The way to one store file.

    Parameters: `path` (None: a private store in memory), `durability` ("process": what was acknowledged survives a killed
    process; "power": also a power cut, one sync a commit), `patience` (seconds to wait for another process's write lock), `key` of an
    encrypted file.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        durability: Durability = "process",
        read_only: bool = False,
        patience: float = 60.0,
        migrations: Sequence[Migration] = MIGRATIONS,
        key: Key | None = None,
    ) -> None:
        if durability not in ("process", "power"):
            raise InputError(f"durability must be 'process' or 'power', not {durability!r}")
        if patience < 0:
            raise InputError(f"patience must not be negative, not {patience!r} seconds")
        if key is not None and path is None:
            raise InputError("a memory in RAM is not encrypted: leave the key out, or name a file")
        self.path = path
        self.engine = Engine(path, key)
        self.durability = durability
        self.read_only = read_only
        self._patience = patience
        self._migrations = migrations
        self._lock = threading.RLock()
        self._depth = 0
        self._after_commit: list[Callable[[], None]] = []
        self._after_rollback: list[Callable[[], None]] = []
        self._local = threading.local()
        self._readers: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._readers_lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        self._shared = path is None  # one connection serves all threads
        if path is not None:
            self.read_only = check_file(path, read_only, key)
        self._writer = self._connect()
        _open.add(self)
        with translated(self.name):
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

    def _connect(self) -> sqlite3.Connection:
        with translated(self.name):
            return connect(self.engine, durability=self.durability, read_only=self.read_only, patience=self._patience)

    def _migrate(self) -> None:
        newest = self._migrations[-1].to
        version = schema_version(self._writer, self.name, newest)
        if version == newest:
            return
        if self.read_only:
            raise SchemaError(
                f"{self.name} has schema {version}, this version needs {newest}: open it once for writing to upgrade it"
            )
        with self.transaction():
            version = schema_version(self._writer, self.name, newest)  # another process may have been quicker
            for step in self._migrations:
                if step.to > version:
                    log.info("upgrading the store to schema %d: %s", step.to, step.why)
                    step.apply(self._writer)
            self._writer.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version={newest}")

    # -------------------------------------------------------------------------------------------------- reading
    def _reader(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            self._after_fork()
        if self._shared or self.writing:
            return self._writer
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
        if self.path is None:
            return  # the child has its own copy of a store in memory, with whatever its own transaction holds
        self._depth, self._after_commit, self._after_rollback = 0, [], []
        self._local, self._orphans = threading.local(), (self._writer, self._readers)
        self._readers = []
        self._writer = self._connect()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query; inside this thread's transaction it sees what that has written."""
        self.check_open()
        try:
            if self._shared:
                with self._lock:
                    return self._reader().execute(statement, parameters).fetchall()
            return self._reader().execute(statement, parameters).fetchall()
        except refused() as error:
            raise in_our_words(error, self.name) from error

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """The first value of the first row, or None."""
        rows = self.rows(statement, parameters)
        return rows[0][0] if rows else None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Reads inside see one state of the file, whatever others write meanwhile."""
        self.check_open()
        if self._shared:
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
            if not self._closed and reader.in_transaction:
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
                yield from self._nested()
                return
            self._depth, self._local.writing = 1, True
            try:
                with translated(self.name):
                    self._writer.execute("BEGIN IMMEDIATE")
                yield
                with translated(self.name):
                    self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                self._undo(0, 0)
                raise
            finally:
                self._depth, self._local.writing = 0, False
            calls, self._after_commit, self._after_rollback = self._after_commit, [], []
        for call in calls:
            call()

    def _nested(self) -> Iterator[None]:
        """A transaction inside one: where it fails, and the outer one goes on, its own writes are undone."""
        mark = f"nested_{self._depth}"
        commits, rollbacks = len(self._after_commit), len(self._after_rollback)
        self.execute(f"SAVEPOINT {mark}")
        self._depth += 1
        try:
            yield
            self.execute(f"RELEASE {mark}")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute(f"ROLLBACK TO {mark}")
                self._writer.execute(f"RELEASE {mark}")
            self._undo(commits, rollbacks)
            raise
        finally:
            self._depth -= 1

    def _undo(self, commits: int, rollbacks: int) -> None:
        del self._after_commit[commits:]
        calls = self._after_rollback[rollbacks:]
        del self._after_rollback[rollbacks:]
        for call in reversed(calls):
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call something once the present transaction is on disk; at once where there is none."""
        if self.writing:
            self._after_commit.append(call)
        else:
            call()

    def after_rollback(self, call: Callable[[], None]) -> None:
        """Call something where the present transaction is undone: what was done outside the file goes with it."""
        assert self.writing, "outside a transaction nothing can be undone"
        self._after_rollback.append(call)

    def _check_writing(self) -> None:
        assert self.writing, "a write outside a transaction"
        if not self._writer.in_transaction:  # a full disk ends a transaction at once: nothing may be written behind it
            raise StoreError(f"the transaction on {self.name} was rolled back after an error: begin it again")

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run one write inside a transaction."""
        self._check_writing()
        try:
            return self._writer.execute(statement, parameters)
        except refused() as error:
            raise in_our_words(error, self.name) from error

    def execute_many(self, statement: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one write for many rows inside a transaction; returns the number of rows changed."""
        self._check_writing()
        try:
            return self._writer.executemany(statement, parameters).rowcount
        except refused() as error:
            raise in_our_words(error, self.name) from error

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

    def tolerate_damaged_text(self) -> None:
        """Read text that is not UTF-8 with U+FFFD in place of what is wrong, instead of raising (for the doctor)."""
        self._writer.text_factory = _decoded

    @contextmanager
    def damaged_text_tolerated(self) -> Iterator[None]:
        """The same, for as long as the block runs."""
        self.tolerate_damaged_text()
        try:
            yield
        finally:
            self._writer.text_factory = str

    def detached(self) -> sqlite3.Connection:
        """A further connection for one long read, which the caller closes; of a store in memory, a copy."""
        self.check_open()
        if not self._shared:
            return self._connect()
        if self.writing:
            raise StoreError("a store in memory cannot be copied inside its own transaction: finish it first")
        copy = self.engine.connect(":memory:")
        with self._lock, translated(self.name):
            self._writer.backup(copy)
        return copy

    def close(self) -> None:
        """Close every connection. A second call does nothing."""
        if self._process != os.getpid():  # they belong to the parent process
            self._closed = True
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with self._readers_lock:
                for _, connection in self._readers:
                    connection.close()
                self._readers.clear()
            self._writer.close()


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


class FrozenConnection(Connection):
    """One state of a store, for reading, whatever is written to the store meanwhile; any thread may use it."""

    def __init__(self, source: Connection) -> None:
        self.path, self.durability, self.read_only = source.path, source.durability, True
        self._lock, self._local = threading.RLock(), threading.local()
        self._readers, self._readers_lock = [], threading.Lock()
        self._process, self._closed, self._shared = os.getpid(), False, True
        self._writer = source.detached()
        with translated(self.name):
            self._writer.execute("BEGIN")
            self._writer.execute("SELECT count(*) FROM meta").fetchall()  # the state is fixed by the first read
