"""Stores for the tests of this room: a new one, one with something of everything in it, and an empty one to import into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.storage import SQLiteStore
from tests.storage.material import small_world


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path, patience=10)
    yield store
    store.close()


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "source.db")
    small_world(store)
    yield store
    store.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "target.db")
    yield store
    store.close()
