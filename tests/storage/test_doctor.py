"""Each corruption that the doctor claims to find is planted, by a raw connection that checks nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lamina.errors import ReadOnlyError
from lamina.records import Edge
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import CHECKS, examine, repair
from tests.storage.material import EVERYTHING, NOW, add, add_derived, derived, small_world, trace

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
ALL = [pytest.param(name, *case, id=f"{name} {number}") for name, cases in CASES.items() for number, case in enumerate(cases)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    store = SQLiteStore(folder / "memory.db")
    small_world(store)
    store.close()
    return folder


@pytest.fixture
def world(template: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(template, tmp_path / "world")
    return tmp_path / "world" / "memory.db"


def corrupt(path: Path, plant: Plant) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.text_factory = lambda content: content.decode("utf-8", "replace")
        keys = names_of(raw)
        plant(raw, keys, path.with_name(path.name + ".artifacts"))


def names_of(raw: sqlite3.Connection) -> dict[str, int]:
    keys = {}
    for key, kind, text, role in raw.execute("SELECT key, kind, text, role FROM item ORDER BY key"):
        match kind, text:
            case "trace", _ if role == "event":
                keys["event"] = key
            case "trace", _:
                keys["line" + text.split()[1]] = key
            case "fact", _:
                keys["new" if "Lisbon" in text else "old"] = key
            case _:
                keys[kind] = key
    return keys


def traces(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        raw.text_factory = lambda content: content.decode("utf-8", "replace").replace("\0", "\ufffd")
        return raw.execute("SELECT id, text FROM item WHERE kind = 'trace' ORDER BY key").fetchall()


def opened(path: Path) -> SQLiteStore:
    """The store as it lies there: without what opening one repairs by itself."""
    from unittest import mock

    with mock.patch.object(SQLiteStore, "_begin"):
        return SQLiteStore(path)


@pytest.fixture
def store(world: Path) -> Iterator[SQLiteStore]:
    store = opened(world)
    yield store
    store.close()


def test_a_sound_store_has_no_finding(store: SQLiteStore) -> None:
    assert examine(store) == []


def test_an_empty_store_has_no_finding() -> None:
    assert examine(SQLiteStore(None)) == []


@pytest.mark.parametrize(("name", "plant", "others", "mendable"), ALL)
def test_a_planted_corruption_is_found_and_mended(world: Path, name: str, plant: Plant, others: set[str], mendable: bool) -> None:
    corrupt(world, plant)
    before = traces(world)
    store = opened(world)
    findings = {finding.check: finding for finding in examine(store)}
    assert name in findings
    assert set(findings) - {name} <= others
    finding = findings[name]
    assert finding.repairable == mendable
    assert finding.count >= 1
    assert finding.sample
    assert finding.words in str(finding)
    left = {finding.check for finding in repair(store, findings.values())}
    if mendable:
        assert left == set()
        assert repair(store, []) == []
    else:
        assert name in left
    store.close()
    assert traces(world) == before


def test_every_check_has_its_corruption() -> None:
    assert {check.name for check in CHECKS} - set(CASES) == {"pages"}  # which has a test of its own
    assert set(CASES) <= {check.name for check in CHECKS}
    for check in CHECKS:
        if check.name in CASES:
            assert all(mendable == (check.repair is not None) for _, _, mendable in CASES[check.name])


def test_damaged_pages_are_found(world: Path) -> None:
    with closing(sqlite3.connect(world, isolation_level=None)) as raw:
        root = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'strength'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(world.read_bytes())
    content[(root - 1) * size : root * size] = random.Random(0).randbytes(size)
    world.write_bytes(content)
    store = opened(world)
    found = {finding.check: finding for finding in examine(store)}
    assert "pages" in found
    assert not found["pages"].repairable
    assert "backup" in found["pages"].words
    assert set(found) <= {"pages", "strengths", "indexes"}
    store.close()


def test_only_what_was_found_is_repaired(world: Path) -> None:
    corrupt(world, run("UPDATE item SET until = at WHERE key = {line1}", "DELETE FROM lexicon WHERE item = {line1}"))
    store = opened(world)
    findings = examine(store)
    assert {finding.check for finding in findings} == {"end of time", "lexicon"}
    left = repair(store, [finding for finding in findings if finding.check == "lexicon"])
    assert {finding.check for finding in left} == {"end of time"}
    store.close()


def test_many_corruptions_at_once_are_mended(world: Path) -> None:
    plants = [
        plant for name, cases in CASES.items() for plant, _, mendable in cases if mendable and name not in ("indexes", "numbers")
    ]
    corrupt(world, run("PRAGMA ignore_check_constraints=ON"))
    for plant in plants:
        try:
            corrupt(world, plant)
        except (sqlite3.Error, FileNotFoundError, StopIteration, KeyError):
            continue  # what it would break is broken or gone already
    before = traces(world)
    store = opened(world)
    findings = examine(store)
    assert len(findings) > 20
    left = repair(store, findings)
    for _ in range(2):  # mending may lay bare what was hidden
        left = repair(store, left)
    assert left == []
    store.close()
    assert traces(world) == before


def test_views_are_read_anew_after_a_repair(world: Path) -> None:
    store = opened(world)
    seen = store.version().change
    repair(store, [])
    assert store.changes(seen) is None
    store.close()


def test_a_repair_of_a_chain_follows_the_order_of_recording(world: Path) -> None:
    corrupt(world, run(edge("next", "line0", "line2"), edge("next", "line3", "line1")))
    store = opened(world)
    repair(store, examine(store))
    keys = [item.key for item in store.items.session_traces("/ana", "s1")]
    assert [(one.src, one.dst) for one in store.edges.out(keys, ["next"])] == list(pairwise(keys))
    store.close()


def test_a_store_for_reading_is_examined_and_not_repaired(world: Path) -> None:
    corrupt(world, run("DELETE FROM pending"))
    store = SQLiteStore(world, read_only=True)
    findings = examine(store)
    assert [finding.check for finding in findings] == ["pending"]
    with pytest.raises(ReadOnlyError):
        repair(store, findings)
    store.close()


def test_deep_chains_of_sources_are_followed() -> None:
    store = SQLiteStore(None)
    (key,) = add(store, trace("ground"))
    for number in range(3000):
        key = add_derived(store, derived("note", f"note {number}", []), [key])
    assert examine(store) == []
    with store.transaction():
        store.edges.add([Edge(2, key, "cites", recorded_at=NOW)])
    assert [(finding.check, finding.count) for finding in examine(store)] == [("circular sources", 3000)]
    assert repair(store, examine(store)) == []
    assert store.items.count(EVERYTHING) == 3001  # nothing was lost but the edge that closed the circle
    assert store.edges.count() == 3000
