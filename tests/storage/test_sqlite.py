"""Wrong files, reading only, durability, and a full disk."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import (
    CorruptStoreError,
    InputError,
    NotADatabaseError,
    ReadOnlyError,
    SchemaError,
    StoreError,
    StoreFullError,
)
from lamina.storage import SQLiteStore, open_store
from lamina.storage.sqlite.doctor import examine, repair
from lamina.storage.transfer import export_lines
from tests.storage.material import EVERYTHING, add, small_world, trace
from tests.storage.processes import fork


def test_a_text_file_is_not_a_store(path: Path) -> None:
    for content in (b"dear diary", b"x", b"SQLite format 4\x00" + b"x" * 5000):
        path.write_bytes(content)
        with pytest.raises(NotADatabaseError, match="choose another path"):
            SQLiteStore(path)
        assert path.read_bytes() == content


def test_a_file_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE songs(name TEXT)")
    before = path.read_bytes()
    with pytest.raises(NotADatabaseError, match="another program"):
        SQLiteStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["memory.db"]


def test_a_path_that_cannot_be_is_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(NotADatabaseError, match="folder"):
        SQLiteStore(tmp_path)
    with pytest.raises(StoreError, match=r"does not exist.*create it"):
        SQLiteStore(tmp_path / "no" / "memory.db")
    with pytest.raises(StoreError, match="read-only memory cannot create"):
        SQLiteStore(path, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_names_that_look_like_addresses_are_only_names(tmp_path: Path) -> None:
    for name in ("a b.db", "100%.db", "what?mode=memory.db", "a#b.db", "ä.db"):
        store = SQLiteStore(tmp_path / name)
        add(store, trace("x"))
        store.close()
        assert (tmp_path / name).is_file()
        assert SQLiteStore(str(tmp_path / name)).items.count(EVERYTHING) == 1


def test_a_newer_schema_is_refused_and_left_as_it_is(path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version=99")
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"schema 99.*pip install -U lamina"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_a_file_without_its_tables_is_damaged(path: Path) -> None:
    SQLiteStore(path).close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TABLE strength")
    with pytest.raises(CorruptStoreError, match=r"strength.*backup"):
        SQLiteStore(path)


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_a_clear_error(path: Path, keep: float) -> None:
    store = SQLiteStore(path)
    add(store, *(trace(f"line {number} " * 20) for number in range(200)))
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])

    def use() -> None:
        store = SQLiteStore(path)
        try:
            list(store.items.each(EVERYTHING))
            add(store, trace("more"))
            assert examine(store) == []
        finally:
            store.close()

    with pytest.raises((CorruptStoreError, NotADatabaseError, AssertionError)) as caught:
        use()
    if caught.type is AssertionError:
        assert "pages" in str(caught.value)
    else:
        assert "backup" in str(caught.value)


def test_settings_are_checked(path: Path) -> None:
    with pytest.raises(InputError, match="durability"):
        SQLiteStore(path, durability="hope")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="patience"):
        SQLiteStore(path, patience=-1)
    assert open_store(":memory:").path is None
    assert open_store(path).path == path


def test_a_store_for_reading_reads_and_refuses_to_write(store: SQLiteStore, path: Path) -> None:
    small_world(store)
    reader = SQLiteStore(path, read_only=True)
    assert list(export_lines(reader)) == list(export_lines(store))
    add(store, trace("later"))
    assert reader.items.count(EVERYTHING) == 10
    for write in (lambda: add(reader, trace("x")), reader.scrub, reader.relex):
        with pytest.raises(ReadOnlyError, match="nothing was written"):
            write()
    reader.close()
    assert store.items.count(EVERYTHING) == 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_read(store: SQLiteStore, path: Path) -> None:
    add(store, trace("x"))
    store.close()
    path.chmod(0o400)
    reader = SQLiteStore(path)
    assert reader.read_only
    assert reader.items.count(EVERYTHING) == 1
    with pytest.raises(ReadOnlyError):
        add(reader, trace("y"))


def test_files_are_private(store: SQLiteStore, path: Path, tmp_path: Path) -> None:
    small_world(store)
    store.backup(tmp_path / "copy.db")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"memory.db", "memory.db-wal", "copy.db"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.rglob("*.artifacts")} == {0o700}


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability_sets_the_syncs(path: Path, durability: Any, level: int) -> None:
    store = SQLiteStore(path, durability=durability)
    with store.connection.exclusive() as bare:
        assert bare.execute("PRAGMA synchronous").fetchone()[0] == level
        assert bare.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert bare.execute("PRAGMA secure_delete").fetchone()[0] == 1
    with store.transaction():
        (stored,) = store.items.add([trace("x")])
        store.artifacts.put(stored.key, "file", b"x", inline=False)
    assert examine(store) == []
    store.close()


def _write_until_killed(path: Path, pipe: Any) -> None:
    store = SQLiteStore(path)
    generator = random.Random(os.getpid())
    while True:
        item = trace("word " * generator.randrange(50), session="s")
        with store.transaction():
            (stored,) = store.items.add([item])
            store.artifacts.put(stored.key, "file", b"x" * generator.randrange(2000), inline=generator.random() < 0.5)
        pipe.send(item.id)
        if generator.random() < 0.2:
            with store.transaction():
                store.items.delete([store.items.keys_of([item.id])[item.id]])
            pipe.send("-" + item.id)


def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    generator = random.Random(3)
    SQLiteStore(path).close()
    present: set[str] = set()
    for _ in range(8):
        ours, theirs = fork.Pipe()
        child = fork.Process(target=_write_until_killed, args=(path, theirs))
        child.start()
        theirs.close()
        ours.poll(10)
        time.sleep(generator.uniform(0.01, 0.1))
        child.kill()
        child.join()
        gone = set()
        while True:
            try:
                message = ours.recv()
            except (EOFError, ConnectionResetError):
                break
            (gone.add(message[1:]) if message.startswith("-") else present.add(message))
        present -= gone
        begun = time.monotonic()
        store = SQLiteStore(path)
        assert time.monotonic() - begun < 1
        there = {item.id for item in store.items.each(EVERYTHING)}
        lost = present - there
        assert len(lost) <= 1  # the last one may have been deleted, and killed before it could say so
        assert len(there - present) <= 1  # or added
        present = there
        findings = examine(store)
        assert {finding.check for finding in findings} <= {"stray files"}  # a file not yet named, or not yet taken away
        assert repair(store, findings) == []
        store.close()
    assert len(present) > 20


def test_a_full_disk_loses_nothing_and_the_store_works_again(store: SQLiteStore) -> None:
    small_world(store)
    before = list(export_lines(store))
    with store.connection.exclusive() as bare:
        pages = bare.execute("PRAGMA page_count").fetchone()[0]
        bare.execute(f"PRAGMA max_page_count={pages + 2}")

    def fill() -> None:
        with store.transaction():
            store.items.add([trace("x" * 100_000)])

    with pytest.raises(StoreFullError, match="free disk space"):
        fill()
    assert list(export_lines(store)) == before
    assert examine(store) == []

    def go_on_after_the_failure() -> None:
        with store.transaction():
            with pytest.raises(StoreFullError):
                store.items.add([trace("x" * 100_000)])
            store.items.add([trace("half")])  # must not be kept on its own

    with pytest.raises(StoreError, match="rolled back"):
        go_on_after_the_failure()
    assert list(export_lines(store)) == before
    with store.connection.exclusive() as bare:
        bare.execute("PRAGMA max_page_count=1073741823")
    fill()
    assert store.items.count(EVERYTHING) == 10
    assert examine(store) == []
