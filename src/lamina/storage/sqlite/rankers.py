"""What was learned from feedback, in SQLite: settings of the file that belong to a scope and go with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.filters import scope_condition

PREFIX: Final = "ranker:"
"""What the names of these settings begin with; the scope follows."""
_SCOPE: Final = f"substr(name, {len(PREFIX) + 1})"
OURS: Final = f"name >= '{PREFIX}' AND name < '{PREFIX[:-1]};'"  # ';' is the character after ':'
"""The condition that picks them out among the settings of a file."""


class SQLiteRankers:
    """The state of the ranker that was learned in each scope, as JSON."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def get(self, scopes: Sequence[str]) -> dict[str, str]:
        """The states of those of some scopes that have one."""
        marks = ",".join("?" * len(scopes))
        rows = self._db.rows(f"SELECT name, value FROM meta WHERE name IN ({marks})", [PREFIX + scope for scope in scopes])
        return {name.removeprefix(PREFIX): value for name, value in rows}

    def put(self, scope: str, state: str) -> None:
        """Keep a state; the one that was there is replaced."""
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (PREFIX + scope, state))

    def each(self, scope: str) -> list[tuple[str, str]]:
        """The scopes at or below one that have a state, with it."""
        clause, values = scope_condition(scope, _SCOPE)
        rows = self._db.rows(f"SELECT {_SCOPE}, value FROM meta WHERE {OURS} AND {clause} ORDER BY name", values)
        return [(row[0], row[1]) for row in rows]

    def remove(self, scope: str, *, below: bool = False) -> int:
        """Take the state of a scope away (and of those below it); returns how many there were."""
        clause, values = scope_condition(scope, _SCOPE) if below else (f"{_SCOPE} = ?", [scope])
        return self._db.execute(f"DELETE FROM meta WHERE {OURS} AND {clause}", values).rowcount
