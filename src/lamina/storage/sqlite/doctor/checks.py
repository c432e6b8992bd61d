"""What a check of the doctor is, and the two common forms: a condition on items, and a condition on edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lamina.storage.sqlite import SQLiteStore

Severity = Literal["error", "warning"]
SAMPLE = 5  # names that a finding shows


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: how many things, the first few of them, and whether `repair` mends it without losing a trace.

    An "error" breaks a promise of the store; a "warning" only wants to be known.
    """

    check: str
    severity: Severity
    count: int
    sample: tuple[str, ...]
    repairable: bool
    words: str

    def __str__(self) -> str:
        names = ", ".join(self.sample) + (", …" if self.count > len(self.sample) else "")
        return f"{self.severity}: {self.count:,} {self.words} ({names})"


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant. `find` names what breaks it; `repair` runs inside a transaction and mends it."""

    name: str
    words: str
    find: Callable[[SQLiteStore], list[str]]
    repair: Callable[[SQLiteStore], None] | None = None
    severity: Severity = "error"

    def finding(self, store: SQLiteStore) -> Finding | None:
        """What is wrong with a store in this respect; None where nothing is."""
        names = self.find(store)
        if not names:
            return None
        return Finding(self.name, self.severity, len(names), tuple(names[:SAMPLE]), self.repair is not None, self.words)


def names(store: SQLiteStore, query: str) -> list[str]:
    """The first column of a query as text."""
    return [str(row[0]) for row in store.connection.rows(query)]


def statements(*changes: str) -> Callable[[SQLiteStore], None]:
    """A repair that runs some statements."""

    def repair(store: SQLiteStore) -> None:
        for change in changes:
            store.connection.execute(change)

    return repair


def item_check(name: str, words: str, wrong: str, change: str | None = None) -> Check:
    """No item may meet the condition `wrong`; the repair sets `change` on those that do."""
    repair = None if change is None else statements(f"UPDATE item SET {change} WHERE {wrong}")
    return Check(name, words, lambda store: names(store, f"SELECT id FROM item WHERE {wrong} ORDER BY key"), repair)


def edge_check(name: str, words: str, wrong: str, change: str | None = None) -> Check:
    """No edge may meet the condition `wrong` (with its ends as `a` and `b`); the repair takes it away, or sets `change`."""
    found = f"FROM edge JOIN item a ON a.key = src JOIN item b ON b.key = dst WHERE {wrong}"
    action = "DELETE FROM edge" if change is None else f"UPDATE edge SET {change}"
    return Check(
        name,
        words,
        lambda store: names(store, f"SELECT a.id || ' ' || edge.kind || ' ' || b.id {found} ORDER BY src, edge.kind, dst"),
        statements(f"{action} WHERE (src, kind, dst) IN (SELECT src, edge.kind, dst {found})"),
    )
