"""The engine's errors in our words: what was wrong, with which file, and what to do."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Final

from lamina.errors import (
    ClosedError,
    CorruptStoreError,
    InputError,
    LaminaError,
    NotADatabaseError,
    ReadOnlyError,
    StoreBusyError,
    StoreError,
    StoreFullError,
    WrongKeyError,
)
from lamina.storage.sqlite.engine import engine_errors

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def refused() -> tuple[type[Exception], ...]:
    """What running one statement may raise: the engines' errors, and those of values they cannot hold."""
    return (*engine_errors(), UnicodeEncodeError, OverflowError)


def is_busy(error: BaseException) -> bool:
    """Whether somebody else holds a lock."""
    return _code(error) in _BUSY


def _code(error: BaseException) -> int:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def in_our_words(error: BaseException, name: str) -> LaminaError:
    """The error to raise instead of the engine's, for the store called `name`.

    >>> type(in_our_words(sqlite3.IntegrityError("UNIQUE constraint failed: item.id"), "a.db")).__name__
    'InputError'
    """
    code = _code(error)
    if code in _BUSY:
        return StoreBusyError(f"{name} stayed locked by another writer: try again, or open it with a larger patience")
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"no room to write to {name}: free disk space and try again; nothing of this call was kept")
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyError(f"{name} cannot be written: check its permissions; nothing was written")
    if code == sqlite3.SQLITE_NOTADB:
        if not isinstance(error, sqlite3.Error):
            return WrongKeyError(f"{name} cannot be read with this key: give the one it was encrypted with")
        return NotADatabaseError(f"{name} is not a Lamina store, or its header is damaged: restore a backup")
    if code == sqlite3.SQLITE_CORRUPT:
        return CorruptStoreError(f"{name} is damaged ({error}): run 'lamina doctor {name}' or restore a backup")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"{name} cannot be opened ({error}): check the path and its permissions")
    if isinstance(error, UnicodeEncodeError):
        return InputError(
            f"a text for {name} has a lone surrogate, which no UTF-8 file can hold: replace it; nothing was written"
        )
    if isinstance(error, OverflowError):
        return InputError(f"a number for {name} does not fit into 64 bits ({error}); nothing was written")
    if type(error).__name__ == "IntegrityError":  # of either engine
        return InputError(f"the store refused the write to {name}: {error}")
    if type(error).__name__ == "ProgrammingError" and "closed database" in str(error):
        return ClosedError(f"the memory {name} was closed meanwhile: open it again with Memory({name!r})")
    return StoreError(f"{name}: {error}")


class translated:
    """What the engine raises inside is raised in our words.

    >>> with translated("a.db"):
    ...     raise sqlite3.OperationalError("no such table: item")
    Traceback (most recent call last):
        ...
    lamina.errors.StoreError: a.db: no such table: item
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, engine_errors()):
            assert error is not None
            raise in_our_words(error, self._name) from error
