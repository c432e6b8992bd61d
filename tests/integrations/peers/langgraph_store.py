"""Puts `LaminaStore` in the place of LangGraph's in-memory and SQLite stores, before their tests import those."""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import langgraph.store.memory as in_memory

from lamina import Memory
from lamina.integrations.langgraph import LaminaStore


class InMemoryStore(LaminaStore):
    """LangGraph's constructor; the memory embeds by itself, so of the settings of an index only the fields count."""

    def __init__(self, *, index: dict[str, Any] | None = None, path: str = ":memory:", **settings: Any) -> None:
        fields = (index or {}).get("fields") or (index or {}).get("text_fields") or ("$",)
        super().__init__(Memory(path), fields=fields, **settings)
        self.index_config, self.embeddings = index, (index or {}).get("embed")


class SqliteStore(InMemoryStore):
    """… with what their SQLite store adds."""

    def setup(self) -> None:
        """Nothing to set up."""

    @classmethod
    @contextmanager
    def from_conn_string(cls, path: str, **settings: Any) -> Iterator[SqliteStore]:
        store = cls(path=path, **settings)
        yield store
        store.stop_ttl_sweeper()
        store.memory.close()


class AsyncSqliteStore(InMemoryStore):
    """… and their asynchronous one."""

    async def setup(self) -> None:
        """Nothing to set up."""

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, path: str, **settings: Any) -> AsyncIterator[AsyncSqliteStore]:
        store = cls(path=path, **settings)
        yield store
        store.memory.close()

    async def __aenter__(self) -> AsyncSqliteStore:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.stop_ttl_sweeper()


for name in ("setup", "sweep_ttl", "start_ttl_sweeper", "stop_ttl_sweeper"):
    if hasattr(LaminaStore, name):

        def _asynchronous(self: Any, *args: Any, _name: str = name, **kwargs: Any) -> Any:
            async def call() -> Any:
                return getattr(LaminaStore, _name)(self, *args, **kwargs)

            return call()

        setattr(AsyncSqliteStore, name, _asynchronous)

in_memory.InMemoryStore = InMemoryStore  # type: ignore[misc]
package, base, aio = (types.ModuleType(f"langgraph.store.sqlite{part}") for part in ("", ".base", ".aio"))
package.SqliteStore, package.AsyncSqliteStore = SqliteStore, AsyncSqliteStore  # type: ignore[attr-defined]
aio.AsyncSqliteStore = AsyncSqliteStore  # type: ignore[attr-defined]
base.SqliteIndexConfig, base.BaseSqliteStore, base.NS_MATCH_FUNCTION = dict, SqliteStore, ""  # type: ignore[attr-defined]
base._escape_glob_literal = base._namespace_match_pattern = lambda *_: ""  # type: ignore[attr-defined]
for module in (package, base, aio):
    sys.modules[module.__name__] = module
