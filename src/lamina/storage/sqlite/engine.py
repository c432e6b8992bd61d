"""The engine below a store: Python's own SQLite, or SQLCipher where the file is encrypted. Needs the extra "encryption" for the second.

SQLCipher (Zetetic LLC, from 2009) encrypts each page with AES-256 and authenticates it; keys are derived from passphrases with PBKDF2-HMAC-SHA512.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError, MissingExtraError

ROUNDS: Final = 256_000  # of PBKDF2, as SQLCipher 4 has it
SALT: Final = 16  # bytes at the beginning of an encrypted file
KEY: Final = 32  # bytes
HEADER: Final = b"SQLite format 3\x00"


@dataclass(frozen=True)
class Key:
    """The key of a file: a passphrase, or 32 bytes. What it is never shows in a message or a log.

    >>> Key.of("correct horse")
    Key()
    """

    secret: str | bytes = field(repr=False)

    @classmethod
    def of(cls, given: str | bytes | Key | None) -> Key | None:
        """A key as callers give it. Raises `InputError` for one that is empty, or bytes of another length."""
        if given is None or isinstance(given, Key):
            return given
        if isinstance(given, str) and given.strip():
            return cls(given)
        if isinstance(given, (bytes, bytearray)) and len(given) == KEY:
            return cls(bytes(given))
        raise InputError(f"a key must be a passphrase, or {KEY} bytes")

    def literal(self, salt: bytes) -> str:
        """What `PRAGMA key` takes: the derived key with its salt, so that each further connection costs no derivation."""
        raw = (
            self.secret
            if isinstance(self.secret, bytes)
            else hashlib.pbkdf2_hmac("sha512", self.secret.encode(), salt, ROUNDS, KEY)
        )
        return f"x'{raw.hex()}{salt.hex()}'"


@dataclass(frozen=True)
class Engine:
    """How connections to one file are made.

    Parameters: `path` (None: in memory, never encrypted) and its `key` (None: not encrypted).
    """

    path: Path | None
    key: Key | None = None

    @cached_property
    def _literal(self) -> str:
        assert self.path is not None
        assert self.key is not None
        with self.path.open("rb") as file:
            head = file.read(SALT)
        return self.key.literal(head if len(head) == SALT else os.urandom(SALT))

    def connect(self, target: str, *, uri: bool = False, timeout: float = 5.0, key: bool = True) -> sqlite3.Connection:
        """A connection in autocommit mode; `key=False` leaves the file's key out."""
        settings: dict[str, Any] = {"isolation_level": None, "check_same_thread": False, "cached_statements": 256}
        if self.key is None or self.path is None:
            plain: sqlite3.Connection = sqlite3.connect(target, uri=uri, timeout=timeout, **settings)
            return plain
        connection: sqlite3.Connection = sqlcipher().connect(target, uri=uri, timeout=timeout, **settings)
        if key:
            connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to standard error; errors are told as such
            connection.execute(f'PRAGMA key = "{self._literal}"')
        return connection

    @property
    def salted(self) -> str:
        """The derived key with its salt, for attaching the same file elsewhere."""
        return self._literal


def sqlcipher() -> Any:  # the module, which is an extra
    """SQLCipher's module. Raises `MissingExtraError` without the extra "encryption"."""
    try:
        from sqlcipher3 import dbapi2
    except ImportError:
        raise MissingExtraError.for_extra("encryption", "an encrypted memory", "sqlcipher3") from None
    return dbapi2


def engine_errors() -> tuple[type[Exception], ...]:
    """What the engines in use raise."""
    module = sys.modules.get("sqlcipher3.dbapi2")
    return (sqlite3.Error,) if module is None else (sqlite3.Error, module.Error)


def is_plain(path: Path) -> bool | None:
    """Whether a file is an SQLite file that is not encrypted; None for one that is empty or not there."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        head = file.read(len(HEADER))
    return head == HEADER if head else None
