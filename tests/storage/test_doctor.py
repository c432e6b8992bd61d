"""Each corruption that the doctor claims to find is planted, by a raw connection that checks nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from lamina.errors import ReadOnlyError
from lamina.records import Edge
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import CHECKS, examine, repair
from tests.storage.corruptions import CASES, Plant, edge, run
from tests.storage.material import EVERYTHING, NOW, add, add_derived, derived, small_world, trace

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


def corrupt(path: Path, plant: Plant, keys: dict[str, int] | None = None) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.text_factory = lambda content: content.decode("utf-8", "replace")
        plant(raw, names_of(raw) if keys is None else keys, path.with_name(path.name + ".artifacts"))


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
    assert set(found) <= {"pages", "strengths", "indexes", "references"}
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
    with closing(sqlite3.connect(world)) as raw:
        keys = names_of(raw)
    for plant in plants:
        try:
            corrupt(world, plant, keys)
        except (sqlite3.Error, FileNotFoundError, StopIteration):
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
