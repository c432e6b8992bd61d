"""Encrypting a store's file, giving it another key, or taking the encryption off: a new file is written, checked, and put in the place of the old one."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path

from lamina.errors import InputError, NotADatabaseError, StoreBusyError, StoreError
from lamina.storage.index_files import index_folder, remove_index_files
from lamina.storage.sqlite.connection import open_here
from lamina.storage.sqlite.engine import Engine, Key, is_plain, sqlcipher
from lamina.storage.sqlite.failures import translated


def recrypt(path: str | os.PathLike[str], old: str | bytes | Key | None, new: str | bytes | Key | None) -> None:
    """Write the store at `path` anew under another key: from None to a key encrypts it, from a key to None takes the encryption off.

    Nobody else may have it open. The file changes in one step, when its content was copied and checked; the old bytes are overwritten before they are given
    back to the disk (what a file system or a drive keeps of them is out of reach). Raises `WrongKeyError`, `StoreBusyError` where somebody has it open, and
    `MissingExtraError` without the extra "encryption".
    """
    file, before, after = Path(path), Key.of(old), Key.of(new)
    if before == after:
        raise InputError(f"{file} would keep its key: give another one")
    plain = is_plain(file)
    if plain is None:
        raise NotADatabaseError(f"{file} is not there, or is empty: there is nothing to encrypt")
    if plain != (before is None):
        raise InputError(
            f"{file} is {'not encrypted' if plain else 'encrypted'}: {'leave its key out' if plain else 'give its key'}"
        )
    if open_here(file):
        raise StoreBusyError(f"{file} is open in this program: close it first")
    handle, name = tempfile.mkstemp(prefix=file.name + ".", suffix=".part", dir=file.parent)  # mode 0600
    os.close(handle)
    part = Path(name)
    try:
        _copy(file, before, part, after)
        _check(part, after)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        remove_index_files(index_folder(file))  # vectors stand in them as they are
        _overwrite(file)
        part.replace(file)
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(name + suffix).unlink(missing_ok=True)


def _copy(file: Path, old: Key | None, part: Path, new: Key | None) -> None:
    source, target = Engine(file, old), Engine(part, new)
    module = sqlcipher()
    with translated(str(file)), closing(module.connect(str(file), isolation_level=None, timeout=1.0)) as connection:
        if old is not None:
            connection.execute(f'PRAGMA key = "{source.salted}"')
        if (
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete"
        ):  # takes the log in, and refuses where it is in use
            raise StoreBusyError(f"{file} is open elsewhere: close it there first")
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        if connection.execute("SELECT 1 FROM artifact WHERE path IS NOT NULL LIMIT 1").fetchone() and new is not None:
            raise StoreError(f"{file} has artifacts in files beside it, which would not be encrypted: delete them first")
        connection.execute("ATTACH DATABASE ? AS target KEY " + ("''" if new is None else f'"{target.salted}"'), (str(part),))
        connection.execute("SELECT sqlcipher_export('target')").fetchall()
        for pragma in ("user_version", "application_id"):
            value = connection.execute(f"PRAGMA main.{pragma}").fetchone()[0]
            connection.execute(f"PRAGMA target.{pragma}={int(value)}")
        for table, count in _counts(connection, "main").items():
            if _counts(connection, "target").get(table) != count:
                raise StoreError(f"the copy of {file} lacks rows of {table}: nothing was changed")
        connection.execute("DETACH DATABASE target")


def _counts(connection: object, schema: str) -> dict[str, int]:
    execute = connection.execute  # type: ignore[attr-defined]
    names = [row[0] for row in execute(f"SELECT name FROM {schema}.sqlite_master WHERE type='table'")]
    return {name: int(execute(f'SELECT count(*) FROM {schema}."{name}"').fetchone()[0]) for name in names}


def _check(part: Path, key: Key | None) -> None:
    with translated(str(part)), closing(Engine(part, key).connect(str(part))) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise StoreError(f"the copy is damaged ({found}): nothing was changed")


def _overwrite(file: Path) -> None:
    """Zeros in place of the old bytes, and no log beside them."""
    for suffix in ("-wal", "-shm", "-journal"):
        Path(str(file) + suffix).unlink(missing_ok=True)
    size = file.stat().st_size
    with file.open("r+b") as stream:
        for start in range(0, size, 1 << 20):
            stream.seek(start)
            stream.write(bytes(min(1 << 20, size - start)))
        stream.flush()
        os.fsync(stream.fileno())
