"""States that belong to a scope and go with it, in SQLite: settings of the file, told apart by what their names begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.scopes import ROOT
from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.filters import scope_condition

RANKER: Final = "ranker:"
"""What the names of learned rankers begin with; the scope follows."""
CONSENT: Final = "consent:"
"""What the names of consents in force begin with."""


def named(prefix: str) -> str:
    """The condition that picks the settings out whose names begin so.

    >>> named("ranker:")
    "name >= 'ranker:' AND name < 'ranker;'"
    """
    return f"name >= '{prefix}' AND name < '{prefix[:-1]};'"  # ';' is the character after ':'


class SQLiteScoped:
    """A state (JSON) for each scope that has one.

    Parameters: `connection`; `prefix` of the names, which ends in ':'.
    """

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._db = connection
        self._prefix = prefix
        self._ours = named(prefix)
        self._scope = f"substr(name, {len(prefix) + 1})"

    def get(self, scopes: Sequence[str]) -> dict[str, str]:
        """The states of those of some scopes that have one."""
        marks = ",".join("?" * len(scopes))
        rows = self._db.rows(f"SELECT name, value FROM meta WHERE name IN ({marks})", [self._prefix + scope for scope in scopes])
        return {name.removeprefix(self._prefix): value for name, value in rows}

    def put(self, scope: str, state: str) -> None:
        """Keep a state; the one that was there is replaced."""
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES (?, ?)", (self._prefix + scope, state))

    def each(self, scope: str) -> list[tuple[str, str]]:
        """The scopes at or below one that have a state, with it."""
        clause, values = scope_condition(scope, "name")  # by the name itself, so that the table's order finds them
        values = [self._prefix + value for value in values] or ([self._prefix] if scope == ROOT else [])
        clause = "name = ?" if scope == ROOT else clause
        rows = self._db.rows(f"SELECT {self._scope}, value FROM meta WHERE {self._ours} AND {clause} ORDER BY name", values)
        return [(row[0], row[1]) for row in rows]

    def remove(self, scope: str, *, below: bool = False) -> int:
        """Take the state of a scope away (and of those below it); returns how many there were."""
        clause, values = scope_condition(scope, self._scope) if below else (f"{self._scope} = ?", [scope])
        return self._db.execute(f"DELETE FROM meta WHERE {self._ours} AND {clause}", values).rowcount
