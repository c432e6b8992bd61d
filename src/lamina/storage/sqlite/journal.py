"""What consolidation changed last, in SQLite: settings of the file that hold how things were before."""

from __future__ import annotations

from typing import Final

from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.scoped import named

PREFIX: Final = "journal:"
"""What the names of these settings begin with."""
OURS: Final = named(PREFIX)
_RUN: Final = "journal"


class SQLiteJournal:
    """How things were before the last run that changed anything, by name."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    @property
    def run(self) -> str | None:
        """The run whose changes are kept; None where there are none."""
        value = self._db.value("SELECT value FROM meta WHERE name = ?", (_RUN,))
        return None if value is None else str(value)

    def note(self, run: str, name: str) -> bool:
        """Whether a run is still to say how a thing was before; inside a transaction. What an earlier run left is dropped first."""
        if self.run != run:
            self.clear()
            self._db.execute("INSERT INTO meta(name, value) VALUES (?, ?)", (_RUN, run))
        return self._db.value("SELECT 1 FROM meta WHERE name = ?", (PREFIX + name,)) is None

    def put(self, name: str, before: str) -> None:
        """Keep how a thing was; inside a transaction."""
        self._db.execute("INSERT INTO meta(name, value) VALUES (?, ?)", (PREFIX + name, before))

    def each(self) -> list[tuple[str, str]]:
        """Everything that is kept, by name."""
        rows = self._db.rows(f"SELECT name, value FROM meta WHERE {OURS} ORDER BY name")
        return [(row[0].removeprefix(PREFIX), row[1]) for row in rows]

    def clear(self) -> None:
        """Drop all of it; inside a transaction."""
        self._db.execute(f"DELETE FROM meta WHERE {OURS} OR name = '{_RUN}'")
