"""The tables of a store file, and the steps from each older schema to the present one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

APPLICATION_ID: Final = 0x4C_41_4D_49  # "LAMI"


@dataclass(frozen=True)
class Migration:
    """One step: brings a file from schema `to - 1` to schema `to`, inside one transaction."""

    to: int
    why: str
    apply: Callable[[sqlite3.Connection], None]


def _statements(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def apply(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return apply


_FIRST = _statements(
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE item(
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        scope TEXT NOT NULL,
        session TEXT,
        origin TEXT,
        role TEXT,
        text TEXT NOT NULL,
        at INTEGER NOT NULL,
        until INTEGER,
        time_info TEXT,
        recorded_at INTEGER NOT NULL,
        retired_at INTEGER,
        made_by TEXT,
        status INTEGER NOT NULL DEFAULT 0,
        data TEXT CHECK (data IS NULL OR json_valid(data))
    )""",
    "CREATE UNIQUE INDEX item_origin ON item(scope, origin) WHERE origin IS NOT NULL",
    "CREATE INDEX item_session ON item(scope, session)",
    "CREATE INDEX item_derived ON item(scope, kind) WHERE kind <> 'trace'",
    """CREATE TABLE edge(
        src INTEGER NOT NULL REFERENCES item(key) ON DELETE CASCADE,
        dst INTEGER NOT NULL REFERENCES item(key) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        weight REAL NOT NULL,
        data TEXT,
        made_by TEXT,
        recorded_at INTEGER NOT NULL,
        retired_at INTEGER,
        PRIMARY KEY (src, kind, dst)
    ) WITHOUT ROWID""",
    "CREATE INDEX edge_dst ON edge(dst, kind)",
    "CREATE TABLE lexicon(item INTEGER PRIMARY KEY REFERENCES item(key) ON DELETE CASCADE, terms BLOB NOT NULL)",
    """CREATE TABLE space(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        fingerprint TEXT NOT NULL,
        dim INTEGER NOT NULL,
        view TEXT NOT NULL,
        UNIQUE (fingerprint, view)
    )""",
    """CREATE TABLE vector(
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        item INTEGER NOT NULL REFERENCES item(key) ON DELETE CASCADE,
        space INTEGER NOT NULL REFERENCES space(id) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        data BLOB NOT NULL,
        UNIQUE (item, space, part)
    )""",
    "CREATE TABLE pending(item INTEGER PRIMARY KEY REFERENCES item(key) ON DELETE CASCADE)",
    """CREATE TABLE strength(
        item INTEGER NOT NULL REFERENCES item(key) ON DELETE CASCADE,
        policy TEXT NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (item, policy)
    ) WITHOUT ROWID""",
    """CREATE TABLE artifact(
        id TEXT PRIMARY KEY,
        item INTEGER NOT NULL REFERENCES item(key) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        digest TEXT NOT NULL,
        path TEXT,
        data BLOB
    )""",
    "CREATE INDEX artifact_item ON artifact(item)",
    "CREATE TABLE watermark(stage TEXT, scope TEXT, value INTEGER NOT NULL, PRIMARY KEY (stage, scope)) WITHOUT ROWID",
    # What other processes must hear of: an old item changed or is gone. New items and vectors they see by their numbers.
    "CREATE TABLE change(seq INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL)",
    "CREATE TRIGGER item_deleted AFTER DELETE ON item BEGIN INSERT INTO change(item) VALUES (old.key); END",
    """CREATE TRIGGER item_changed AFTER UPDATE OF status, retired_at, until, at, text, data, session, role ON item
       BEGIN INSERT INTO change(item) VALUES (old.key); END""",
)

MIGRATIONS: Final[Sequence[Migration]] = (Migration(1, "the first schema", _FIRST),)
TABLES: Final = (
    "artifact", "change", "edge", "item", "lexicon", "meta", "pending", "space", "strength", "vector", "watermark",
)  # fmt: skip
