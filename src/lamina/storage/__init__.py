"""Storage: items and edges behind the `Store` protocol."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lamina.storage.protocol import Durability, Store
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.engine import Key
from lamina.terms import ENGLISH

__all__ = ["Durability", "SQLiteStore", "Store", "open_store"]


def open_store(
    path: str | os.PathLike[str] | None,
    *,
    durability: Durability = "process",
    read_only: bool = False,
    patience: float = 60.0,
    language: str = ENGLISH,
    key: Key | None = None,
) -> Store:
    """Open the store at `path`; None or ':memory:' is a private store in RAM. `language` is that of a new store's texts, `key` that of
    an encrypted file.

    >>> open_store(":memory:").path is None
    True
    """
    name: Sequence[str | None] = (None, ":memory:")
    return SQLiteStore(
        None if path in name else path, durability=durability, read_only=read_only, patience=patience, language=language, key=key
    )
