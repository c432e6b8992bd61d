"""The conformance suite over the SQLite store, as a file and in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.storage import SQLiteStore
from tests.storage.conformance import StoreConformance


class TestSQLiteFile(StoreConformance):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> Any:
        return lambda: SQLiteStore(tmp_path / "memory.db")


class TestSQLiteInMemory(StoreConformance):
    shared = False

    @pytest.fixture
    def opener(self) -> Any:
        return lambda: SQLiteStore(None)
