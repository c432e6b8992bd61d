"""The doctor's checks of the file itself: the engine's own, the schema, references and numbering."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Final

from lamina.errors import CorruptStoreError
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, names
from lamina.storage.sqlite.schema import MIGRATIONS

_OBJECTS: Final = "SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"

# what hangs on an item (or a space), by table and column
_REFERENCES: Final = (
    ("edge", "src", "item"),
    ("edge", "dst", "item"),
    ("lexicon", "item", "item"),
    ("vector", "item", "item"),
    ("vector", "space", "space"),
    ("pending", "item", "item"),
    ("strength", "item", "item"),
    ("artifact", "item", "item"),
)
_NUMBERED: Final = (("item", "key"), ("vector", "key"), ("space", "id"), ("change", "seq"))


def _integrity(store: SQLiteStore) -> list[str]:
    try:
        found = names(store, "PRAGMA integrity_check(1000)")
    except CorruptStoreError as error:
        return [str(error)]
    # constraints that a row breaks are told apart by the checks of the rows
    return [
        words
        for words in found
        if words != "ok" and not words.startswith(("CHECK constraint failed", "NULL value", "TEXT value", "NUMERIC value"))
    ]


def _broken_indexes(store: SQLiteStore) -> list[str]:
    return [words for words in _integrity(store) if _of_index(words)]


def _broken_pages(store: SQLiteStore) -> list[str]:
    return [words for words in _integrity(store) if not _of_index(words)]


def _of_index(words: str) -> bool:
    return re.search(r"\bindex\b", words) is not None


def _reindex(store: SQLiteStore) -> None:
    store.connection.execute("REINDEX")


def _intended() -> dict[str, tuple[str, str]]:
    """Name, type and definition of everything the present schema has."""
    with closing(sqlite3.connect(":memory:")) as model:
        for step in MIGRATIONS:
            step.apply(model)
        return {name: (kind, definition) for name, kind, definition in model.execute(_OBJECTS)}


def _present(store: SQLiteStore) -> dict[str, tuple[str, str]]:
    return {name: (kind, definition) for name, kind, definition in store.connection.rows(_OBJECTS)}


def _missing_objects(store: SQLiteStore) -> list[str]:
    present = _present(store)
    return [name for name, (kind, _) in _intended().items() if kind != "table" and name not in present]


def _create_objects(store: SQLiteStore) -> None:
    intended = _intended()
    for name in _missing_objects(store):
        store.connection.execute(intended[name][1])


def _changed_objects(store: SQLiteStore) -> list[str]:
    present = _present(store)
    return [name for name, definition in _intended().items() if name in present and present[name] != definition]


def _unknown_objects(store: SQLiteStore) -> list[str]:
    return sorted(set(_present(store)) - set(_intended()))


def _dangling(store: SQLiteStore) -> list[str]:
    found: list[str] = []
    for table, column, parent in _REFERENCES:
        key = "key" if parent == "item" else "id"
        found += names(
            store, f"SELECT '{table}.{column} = ' || {column} FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {parent})"
        )
    return found


def _drop_dangling(store: SQLiteStore) -> None:
    for table, column, parent in _REFERENCES:
        key = "key" if parent == "item" else "id"
        store.connection.execute(f"DELETE FROM {table} WHERE {column} NOT IN (SELECT {key} FROM {parent})")


def _low_sequences(store: SQLiteStore) -> list[str]:
    return [
        table
        for table, column in _NUMBERED
        if int(store.connection.value(f"SELECT coalesce(max({column}), 0) FROM {table}"))
        > int(store.connection.value("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table,)) or 0)
    ]


def _raise_sequences(store: SQLiteStore) -> None:
    for table, column in _NUMBERED:
        if table in _low_sequences(store):
            store.connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            store.connection.execute(
                f"INSERT INTO sqlite_sequence(name, seq) SELECT ?, coalesce(max({column}), 0) FROM {table}", (table,)
            )


FILE_CHECKS: Final = (
    Check("pages", "faults of the database file: restore a backup, or save what is there with 'lamina export'", _broken_pages),
    Check("indexes", "entries of indexes that do not agree with their tables", _broken_indexes, _reindex),
    Check("schema", "parts of the schema that are missing", _missing_objects, _create_objects),
    Check("altered schema", "parts of the schema that are not as they were made: restore a backup", _changed_objects),
    Check("foreign schema", "tables, indexes or triggers of somebody else", _unknown_objects, severity="warning"),
    Check("references", "rows that hang on items or spaces that are gone", _dangling, _drop_dangling),
    Check(
        "numbering",
        "number series that lag behind their tables, so that keys would be used twice",
        _low_sequences,
        _raise_sequences,
    ),
)
