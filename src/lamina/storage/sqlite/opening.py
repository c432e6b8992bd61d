"""Opening one SQLite file: what stands at the path, how a connection is set up, and which schema the file has."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from lamina.errors import CorruptStoreError, NotADatabaseError, SchemaError, StoreError, WrongKeyError
from lamina.storage.protocol import Durability
from lamina.storage.sqlite.engine import HEADER, Engine, Key, engine_errors
from lamina.storage.sqlite.failures import is_busy
from lamina.storage.sqlite.schema import APPLICATION_ID, TABLES

CHECKPOINT_PAGES: Final = 4000  # of 4 KiB: the log is written back after 16 MB; more makes fewer syncs and slower opening
LOG_BYTES: Final = 32 * 1024 * 1024  # a log that grew beyond this in one large write is cut back to it


def check_file(path: Path, read_only: bool, key: Key | None = None) -> bool:
    """See that a store can be opened at `path`, and make an empty file (mode 0600) for a new one.

    Returns whether the store can only be read. Raises `NotADatabaseError` and `StoreError` with what to do.
    """
    if path.is_dir():
        raise NotADatabaseError(f"{path} is a folder: name a file, such as {path / 'memory.db'}")
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist: create it, or choose another path")
    if not path.exists():
        if read_only:
            raise StoreError(f"{path} does not exist, and a read-only memory cannot create it")
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"{path} cannot be created ({error.strerror}): check the permissions of its folder") from error
    elif not os.access(path, os.W_OK):
        read_only = True
    try:
        with path.open("rb") as file:
            head = file.read(len(HEADER))
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    if head and head != HEADER and key is None:
        raise NotADatabaseError(
            f"{path} is not a Lamina store (it is no SQLite file), or it is encrypted: choose another path, or give its key"
        )
    if head == HEADER and key is not None:
        raise WrongKeyError(f"{path} is not encrypted: open it without a key, or encrypt it with 'lamina encrypt'")
    return read_only


def connect(engine: Engine, *, durability: Durability, read_only: bool, patience: float) -> sqlite3.Connection:
    """A connection to an engine's file (or to a new store in memory), set up for many processes."""
    path = engine.path
    if path is None:
        target, uri = ":memory:", False
    else:
        target, uri = path.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw"), True
    connection = engine.connect(target, uri=uri, timeout=patience)
    try:
        _prepare(connection, str(path), durability=durability, read_only=read_only, patience=patience)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, name: str, *, durability: Durability, read_only: bool, patience: float) -> None:
    # The busy handler does not cover the switch of the journal mode while another process opens the same new file.
    deadline = time.monotonic() + patience
    while True:
        try:
            check_owner(connection, name)  # before anything is set up: a foreign file is left as it is
            if not read_only:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
                connection.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
                connection.execute("PRAGMA secure_delete=ON")
                connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
                connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-16000")
            return
        except engine_errors() as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def check_owner(connection: sqlite3.Connection, name: str) -> None:
    """Raise `NotADatabaseError` where the file has tables and does not say that it is ours."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if application != APPLICATION_ID and connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise NotADatabaseError(f"{name} is a SQLite file of another program: choose another path")


def schema_version(connection: sqlite3.Connection, name: str, newest: int) -> int:
    """The schema of the file; 0 for a new one. Raises for a foreign or a newer file."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    check_owner(connection, name)
    tables = {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if version > newest:
        raise SchemaError(
            f"{name} has schema {version}; this version of Lamina knows up to {newest}: "
            "upgrade with pip install -U lamina, nothing was changed"
        )
    if version and not set(TABLES) <= tables:
        missing = ", ".join(sorted(set(TABLES) - tables))
        raise CorruptStoreError(f"{name} lacks its tables {missing}: restore a backup")
    return version
