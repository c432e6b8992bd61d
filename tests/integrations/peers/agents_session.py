"""Puts `LaminaSession` in the place of the SDK's SQLite session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import agents
import agents.memory
import agents.memory.sqlite_session

from lamina import Memory
from lamina.integrations.openai_agents import LaminaSession

_open: dict[str, Memory] = {}


class SQLiteSession(LaminaSession):
    """The SDK's constructor: sessions of one file share it, those in memory share nothing."""

    def __init__(
        self, session_id: str, db_path: str | Path = ":memory:", *tables: str, session_settings: Any = None, **more: Any
    ) -> None:
        path = str(db_path)
        if path == ":memory:":
            memory = Memory(path)
        else:
            memory = _open.setdefault(path, _open.get(path) or Memory(path + ".lamina"))
        super().__init__(session_id, memory, session_settings=session_settings)

    def close(self) -> None:
        """The memory stays open: other sessions may be in it."""


for module in (agents, agents.memory, agents.memory.sqlite_session):
    module.SQLiteSession = SQLiteSession  # type: ignore[attr-defined]
