"""Old files open in every later version, and an upgrade that is killed is one that has not begun."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import SchemaError
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import examine
from lamina.storage.sqlite.schema import MIGRATIONS, Migration
from lamina.storage.transfer import export_lines
from tests.storage.material import EVERYTHING, add, trace

FROZEN = Path(__file__).parent / "frozen"
KILLS = 10


def content(store: SQLiteStore) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export_lines(store)][1:-1]


def add_mood(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE item ADD COLUMN mood TEXT")
    connection.execute("UPDATE item SET mood = 'fine'")
    connection.execute("CREATE TABLE mood(name TEXT)")
    connection.executemany("INSERT INTO mood VALUES (?)", [(str(number),) for number in range(20_000)])
    connection.execute("UPDATE mood SET name = name || '!'")


LATER = (*MIGRATIONS, Migration(MIGRATIONS[-1].to + 1, "items have a mood", add_mood))


@pytest.mark.parametrize("version", range(1, MIGRATIONS[-1].to + 1))
def test_a_frozen_file_opens_with_its_content(version: int, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(FROZEN / f"v{version}.db", path)
    store = SQLiteStore(path)
    assert content(store) == json.loads((FROZEN / f"v{version}.json").read_text(encoding="utf-8"))
    assert examine(store) == []
    add(store, trace("goes on"))
    store.close()


def test_the_newest_schema_is_frozen() -> None:
    with closing(sqlite3.connect(f"file:{FROZEN / f'v{MIGRATIONS[-1].to}.db'}?mode=ro&immutable=1", uri=True)) as frozen:
        old = set(frozen.execute("SELECT name, sql FROM sqlite_master"))
    with closing(sqlite3.connect(":memory:")) as fresh:
        for step in MIGRATIONS:
            step.apply(fresh)
        assert set(fresh.execute("SELECT name, sql FROM sqlite_master")) == old


def test_a_migration_runs_once_and_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(FROZEN / "v1.db", path)
    before = content(SQLiteStore(path))
    with pytest.raises(SchemaError, match="open it once for writing"):
        SQLiteStore(path, read_only=True, migrations=LATER)
    for _ in range(2):
        store = SQLiteStore(path, migrations=LATER)
        assert content(store) == before
        assert store.connection.value("SELECT count(*) FROM mood WHERE name LIKE '%!'") == 20_000
        assert store.connection.value("PRAGMA user_version") == LATER[-1].to
        store.close()
    with pytest.raises(SchemaError, match="upgrade with pip"):
        SQLiteStore(path)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(FROZEN / "v1.db", path)

    def fail(connection: sqlite3.Connection) -> None:
        add_mood(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        SQLiteStore(path, migrations=(*MIGRATIONS, Migration(LATER[-1].to, "fails", fail)))
    store = SQLiteStore(path)
    assert content(store) == json.loads((FROZEN / "v1.json").read_text(encoding="utf-8"))
    assert examine(store) == []
    store.close()


def _upgrade(path: Path) -> None:
    SQLiteStore(path, migrations=LATER)
    time.sleep(60)


def test_a_killed_upgrade_is_done_whole_or_not_at_all(tmp_path: Path) -> None:
    generator = random.Random(7)
    versions = []
    for number in range(KILLS):
        path = tmp_path / f"{number}.db"
        shutil.copy(FROZEN / "v1.db", path)
        child = multiprocessing.get_context("fork").Process(target=_upgrade, args=(path,))
        child.start()
        time.sleep(generator.uniform(0, 0.08))
        child.kill()
        child.join()
        with closing(sqlite3.connect(path)) as raw:
            versions.append(raw.execute("PRAGMA user_version").fetchone()[0])
            columns = {row[1] for row in raw.execute("PRAGMA table_info(item)")}
            assert ("mood" in columns) == (versions[-1] == LATER[-1].to)
        begun = time.monotonic()
        store = SQLiteStore(path, migrations=LATER)
        assert time.monotonic() - begun < 5
        assert store.connection.value("SELECT count(*) FROM mood WHERE name LIKE '%!'") == 20_000
        assert content(store) == json.loads((FROZEN / "v1.json").read_text(encoding="utf-8"))
        assert [finding.check for finding in examine(store)] == ["altered schema", "foreign schema"]  # the mood alone
        store.close()
    assert 1 in versions  # some were killed before the end


def test_two_processes_may_upgrade_at_once(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(FROZEN / "v1.db", path)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=SQLiteStore, args=(path,), kwargs={"migrations": LATER}) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    store = SQLiteStore(path, migrations=LATER)
    assert store.connection.value("SELECT count(*) FROM mood") == 20_000
    assert store.items.count(EVERYTHING) == 10
    store.close()
