"""Every corruption that the doctor claims to find, and how it is planted: by a raw connection that checks nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np

Plant = Callable[[sqlite3.Connection, dict[str, int], Path], None]


def run(*statements: str) -> Plant:
    """Plant by statements; {name} is the key of an item of the small world."""

    def plant(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
        for statement in statements:
            raw.execute(statement.format(**keys))

    return plant


def lose_file(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
    next(folder.iterdir()).unlink()


def alter_file(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
    next(folder.iterdir()).write_bytes(b"LARGE content")


def leave_file(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
    (folder / "left.part").write_bytes(b"half")


def rewrite_schema(change: str) -> Plant:
    def plant(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
        raw.execute("PRAGMA writable_schema=ON")
        raw.executescript(change.format(**keys))
        raw.execute("PRAGMA writable_schema=RESET")

    return plant


def bypass_index(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
    """Change a row while its index is out of sight."""
    index = raw.execute("SELECT * FROM sqlite_master WHERE name = 'item_session'").fetchone()
    raw.execute("PRAGMA writable_schema=ON")
    raw.execute("DELETE FROM sqlite_master WHERE name = 'item_session'")
    raw.execute("PRAGMA writable_schema=RESET")
    raw.execute("UPDATE item SET session = 'elsewhere' WHERE key = ?", (keys["event"],))
    raw.execute("PRAGMA writable_schema=ON")
    raw.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    raw.execute("PRAGMA writable_schema=RESET")


def nan_vector(raw: sqlite3.Connection, keys: dict[str, int], folder: Path) -> None:
    raw.execute("UPDATE vector SET data = ? WHERE item = ?", (np.array([1, np.nan, 0, 0], "<f2").tobytes(), keys["line0"]))


def edge(kind: str, a: str, b: str) -> str:
    return f"INSERT INTO edge VALUES ({{{a}}}, {{{b}}}, '{kind}', 1.0, NULL, NULL, 0, NULL)"


# name of the check → how to break what it guards; what else may then be found; whether it can be mended
Case = tuple[Plant, set[str], bool]
CASES: dict[str, list[Case]] = {
    "indexes": [(bypass_index, set(), True)],
    "schema": [
        (run("DROP TRIGGER item_deleted"), set(), True),
        (run("DROP INDEX edge_dst", "DROP TRIGGER item_changed"), set(), True),
    ],
    "altered schema": [
        (run("DROP INDEX item_session", "CREATE INDEX item_session ON item(session)"), set(), False),
    ],
    "foreign schema": [
        (run("CREATE TABLE diary(page TEXT)"), set(), False),
        (run("CREATE TRIGGER spy AFTER INSERT ON item BEGIN DELETE FROM pending; END"), set(), False),
    ],
    "references": [
        (run("INSERT INTO edge VALUES ({line0}, 9999, 'links', 1.0, NULL, NULL, 0, NULL)"), set(), True),
        (run("INSERT INTO edge VALUES (9999, {line0}, 'links', 1.0, NULL, NULL, 0, NULL)"), set(), True),
        (run("INSERT INTO lexicon VALUES (9999, x'')"), set(), True),
        (run("INSERT INTO pending VALUES (9999)"), {"pending"}, True),
        (run("INSERT INTO vector(item, space, part, data) VALUES (9999, 1, 0, zeroblob(8))"), set(), True),
        (run("INSERT INTO vector(item, space, part, data) VALUES ({line0}, 99, 0, zeroblob(8))"), set(), True),
        (run("INSERT INTO strength VALUES (9999, 'p', '{{}}')"), set(), True),
        (run("UPDATE artifact SET item = 9999 WHERE path IS NULL"), set(), True),
        (run("DELETE FROM item WHERE key = {line3}"), {"chains", "vectors"}, True),
    ],
    "numbering": [
        (run("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'item'"), {"watermarks", "changes"}, True),
        (run("DELETE FROM sqlite_sequence WHERE name = 'vector'"), set(), True),
    ],
    "text": [
        (run("UPDATE item SET text = CAST(x'C3' || 'boat' AS TEXT) WHERE key = {line1}"), {"lexicon"}, True),
        (run("UPDATE item SET text = CAST(x'EDA080' AS TEXT) WHERE key = {line1}"), {"lexicon"}, True),
        (run("UPDATE item SET text = 'boat' || char(0) || 'sail' WHERE key = {line1}"), {"lexicon"}, True),
        (run("UPDATE item SET session = CAST(x'FF' AS TEXT) WHERE key = {event}"), set(), True),
        (run("UPDATE item SET data = '{{\"metadata\":{{\"x\":\"\\ud800\"}}}}' WHERE key = {line1}"), set(), True),
    ],
    "ids": [
        (run("UPDATE item SET id = 'line one' WHERE key = {line1}"), set(), False),
        (run("UPDATE item SET id = 'note-' || substr(id, 6) WHERE key = {topic}"), set(), False),
        (run("UPDATE item SET id = '' WHERE key = {line1}"), set(), False),
    ],
    "unique ids": [
        (rewrite_schema("UPDATE sqlite_master SET sql = replace(sql, 'id TEXT NOT NULL UNIQUE', 'id TEXT NOT NULL') WHERE name = 'item';"
                        "DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_item_1'; PRAGMA writable_schema=RESET;"
                        "UPDATE item SET id = (SELECT id FROM item WHERE key = {line0}) WHERE key = {line1};"),
         {"altered schema", "pages", "indexes"}, False),
    ],
    "kinds": [(run("UPDATE item SET kind = 'opinion', id = 'opinion-1' WHERE key = {old}"), set(), False)],
    "scopes": [
        (run("UPDATE item SET scope = '/ana/' WHERE key = {event}"), set(), False),
        (run("UPDATE item SET scope = '*' WHERE key = {event}"), set(), False),
        (run("UPDATE item SET scope = 'a%' WHERE key = {event}"), set(), False),
        (run("UPDATE watermark SET scope = 'a%'"), set(), False),
    ],
    "numbers": [
        (run("UPDATE item SET at = 'soon' WHERE key = {event}"), {"end of time"}, False),
        (run("UPDATE item SET recorded_at = 1.5 WHERE key = {event}"), set(), False),
        (run("UPDATE item SET at = -9000000000000000000 WHERE key = {event}"), set(), False),
    ],
    "precision": [
        (run("UPDATE item SET time_info = 'decade' WHERE key = {line1}"), set(), True),
        (run("UPDATE item SET time_info = 'day+99:00' WHERE key = {line1}"), set(), True),
    ],
    "end of time": [(run("UPDATE item SET until = at WHERE key = {line1}"), set(), True)],
    "retirement": [(run("UPDATE item SET retired_at = recorded_at - 1 WHERE key = {line1}"), set(), True)],
    "data": [
        (run("PRAGMA ignore_check_constraints=ON", "UPDATE item SET data = '{{oops' WHERE key = {line1}"), set(), True),
        (run("UPDATE item SET data = '[1]' WHERE key = {line1}"), set(), True),
    ],
    "makers of traces": [(run("UPDATE item SET made_by = 'note/1' WHERE key = {line1}"), set(), True)],
    "makers": [(run("UPDATE item SET made_by = NULL WHERE key = {topic}"), set(), True)],
    "status": [
        (run("UPDATE item SET status = 4 WHERE key = {line1}"), set(), True),
        (run("UPDATE item SET status = 'x' WHERE key = {line1}"), set(), True),
    ],
    "stale traces": [(run("UPDATE item SET status = 2 WHERE key = {line1}"), {"stale vectors", "pending"}, True)],
    "stale remains": [
        (run("UPDATE item SET status = 2 WHERE key = {episode}"), {"stale vectors", "pending"}, True),
        (run("UPDATE item SET status = 2, text = '' WHERE key = {topic}", "DELETE FROM vector WHERE item = {topic}",
             "DELETE FROM pending WHERE item = {topic}"), {"lexicon"}, True),
    ],
    "analyser": [(run("UPDATE meta SET value = 'runes/1' WHERE name = 'analyser'"), set(), True)],
    "lexicon": [
        (run("DELETE FROM lexicon WHERE item = {line1}"), set(), True),
        (run("UPDATE lexicon SET terms = x'00000000' WHERE item = {line1}"), set(), True),
        (run("UPDATE item SET text = 'something else' WHERE key = {line1}"), set(), True),
    ],
    "edge kinds": [(run(edge("owes", "line0", "line1")), set(), True)],
    "self edges": [
        (run(edge("links", "line0", "line0")), set(), True),
        (run(edge("cites", "episode", "episode")), set(), True),
    ],
    "edge direction": [
        (run(edge("cites", "line0", "line1")), set(), True),
        (run(edge("contains", "line0", "episode")), set(), True),
        (run(edge("contains", "episode", "topic")), set(), True),
        (run(edge("subject", "topic", "episode")), set(), True),
        (run(edge("echo_of", "topic", "line0")), set(), True),
    ],
    "edge data": [(run("UPDATE edge SET data = 'oops' WHERE kind = 'supersedes'"), set(), True)],
    "edge weights": [
        (run("UPDATE edge SET weight = 9e999 WHERE kind = 'supersedes'"), set(), True),
        (run("UPDATE edge SET weight = 'much' WHERE kind = 'supersedes'"), set(), True),
    ],
    "edge times": [(run("UPDATE edge SET retired_at = recorded_at - 1 WHERE kind = 'next'"), set(), True)],
    "circular sources": [(run(edge("cites", "episode", "topic")), set(), True)],
    "orphans": [
        (run("DELETE FROM edge WHERE kind = 'cites' AND src = {new}"), set(), True),
        (run("DELETE FROM edge WHERE kind = 'cites' AND src = {episode}"), set(), True),
    ],
    "chains": [
        (run(edge("next", "line0", "line2")), set(), True),
        (run(edge("next", "line3", "line1")), set(), True),
        (run(edge("next", "line3", "topic")), set(), True),
        (run("UPDATE item SET session = 's2' WHERE key = {line1}"), set(), True),
        (run("UPDATE item SET scope = '/bob' WHERE key = {line3}"), set(), True),
    ],
    "supersession": [(run("UPDATE item SET retired_at = NULL WHERE key = {old}"), set(), True)],
    "active space": [
        (run("UPDATE meta SET value = '77' WHERE name = 'space'"), {"pending"}, True),
        (run("UPDATE meta SET value = 'blue' WHERE name = 'space'"), {"pending"}, True),
        (run("INSERT INTO space(fingerprint, dim, view) VALUES ('f', 2, 'body')", "UPDATE meta SET value = '77' WHERE name = 'space'"),
         {"pending"}, True),
    ],
    "vectors": [
        (run("UPDATE vector SET data = zeroblob(6) WHERE item = {line0}"), set(), True),
        (run("UPDATE vector SET part = -1 WHERE item = {line0}"), set(), True),
        (nan_vector, set(), True),
    ],
    "stale vectors": [
        (run("UPDATE item SET status = 2, text = '', data = NULL WHERE key = {old}", "UPDATE lexicon SET terms = x'' WHERE item = {old}"),
         {"stale remains"}, True),
    ],
    "pending": [
        (run("DELETE FROM pending"), set(), True),
        (run("INSERT INTO pending VALUES ({line0})"), set(), True),
        (run("INSERT INTO pending VALUES ({event})"), set(), True),
        (run("DELETE FROM vector WHERE item = {line0}"), set(), True),
    ],
    "strengths": [(run("UPDATE strength SET state = 'strong' WHERE item = {line0}"), set(), True)],
    "watermarks": [
        (run("UPDATE watermark SET value = 9999"), set(), True),
        (run("UPDATE watermark SET value = -1"), set(), True),
    ],
    "rankers": [(run("UPDATE meta SET value = 'learned' WHERE name LIKE 'ranker:%'"), set(), True)],
    "consents": [
        (run("INSERT INTO meta VALUES ('consent:/ana', '{{\"store\":[false,5,\"X\"]}}')"), set(), True),
        (run("INSERT INTO meta VALUES ('consent:*', 'granted')"), set(), True),
    ],
    "missing artifacts": [
        (lose_file, set(), True),
        (run("UPDATE artifact SET data = NULL WHERE path IS NULL"), set(), True),
        (run("UPDATE artifact SET path = '../memory.db' WHERE path IS NOT NULL"), {"stray files"}, True),
    ],
    "damaged artifacts": [
        (alter_file, set(), False),
        (run("UPDATE artifact SET data = x'00' WHERE path IS NULL"), set(), False),
        (run("UPDATE artifact SET bytes = 1"), set(), False),
    ],
    "stray files": [(leave_file, set(), True)],
    "changes": [
        (run("INSERT INTO change(item) VALUES (9999)"), set(), True),
        (run("INSERT INTO change(item) VALUES (-1)"), set(), True),
    ],
}  # fmt: skip
