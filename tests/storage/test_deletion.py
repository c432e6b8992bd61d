"""What goes when something is deleted: files of artifacts, and after a scrub every byte."""

from __future__ import annotations

import random
import shutil
import sqlite3
import string
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lamina.errors import (
    CorruptStoreError,
    StoreBusyError,
    StoreError,
)
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import examine
from tests.storage.material import EVERYTHING, add, small_world, trace


def word(generator: random.Random) -> str:
    """A word that shares no beginning with any other."""
    return "".join(generator.choices(string.ascii_lowercase, k=24))


def files_with(path: Path, content: bytes) -> list[str]:
    return [file.name for file in path.parent.rglob("*") if file.is_file() and content in file.read_bytes()]


def test_files_of_artifacts_follow_the_transaction(store: SQLiteStore) -> None:
    (key,) = add(store, trace("x"))
    folder = store.artifacts.folder
    assert folder is not None

    def fail() -> None:
        with store.transaction():
            store.artifacts.put(key, "file", b"x", inline=False)
            assert len(list(folder.iterdir())) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(folder.iterdir()) == []
    with store.transaction():
        kept = store.artifacts.put(key, "file", b"x", inline=False)
    with store.transaction():
        store.items.delete([key])
        assert (folder / kept.id).exists()  # until it is certain
    assert list(folder.iterdir()) == []


def test_a_damaged_artifact_is_not_handed_out(store: SQLiteStore) -> None:
    (key,) = add(store, trace("x"))
    with store.transaction():
        artifact = store.artifacts.put(key, "file", b"right", inline=False)
    assert store.artifacts.folder is not None
    file = store.artifacts.folder / artifact.id
    file.write_bytes(b"wrong")
    with pytest.raises(CorruptStoreError, match=r"digest.*backup"):
        store.artifacts.get(artifact.id)
    file.unlink()
    with pytest.raises(CorruptStoreError, match=r"gone.*backup"):
        store.artifacts.get(artifact.id)
    with pytest.raises(StoreError, match="doctor"):
        store.backup(file.parent.parent / "copy.db")


def test_a_damaged_row_cannot_reach_beyond_the_artifacts(store: SQLiteStore, path: Path) -> None:
    (key,) = add(store, trace("x"))
    with store.transaction():
        artifact = store.artifacts.put(key, "file", b"x", inline=False)
        store.connection.execute("UPDATE artifact SET path = '../memory.db'")
    with pytest.raises(CorruptStoreError, match=r"\.\./memory\.db"):
        store.artifacts.get(artifact.id)
    with store.transaction():
        store.items.delete([key])
    assert path.exists()


def test_after_a_scrub_a_deleted_word_is_nowhere(store: SQLiteStore, path: Path) -> None:
    generator = random.Random(1)
    secret = word(generator)
    marked = trace(f"the password is {secret}", data={"metadata": {"x": secret}}, session=secret, origin=secret)
    add(store, trace("before"))
    (key,) = add(store, marked)
    add(store, trace("after"))
    vector = np.array([generator.uniform(-1, 1) for _ in range(64)], np.float32)
    with store.transaction():
        space = store.vectors.open_space("e", 64)
        store.vectors.activate(space)
        store.vectors.put(space, [key], vector[None])
        store.strengths.put("p", {key: f'"{secret}"'})
        store.artifacts.put(key, "file", secret.encode())
        store.artifacts.put(key, "file", secret.encode(), inline=False)
    assert len(files_with(path, secret.encode())) >= 2
    half = vector.astype("<f2").tobytes()
    assert files_with(path, half)
    with store.transaction():
        store.items.delete([key])
    report = store.scrub()
    assert not report.pending
    assert report.bytes_after <= report.bytes_before
    for content in (secret.encode(), secret[:12].encode(), half[:32], marked.id.encode()):
        assert files_with(path, content) == []
    assert store.meta("scrub") is None
    assert examine(store) == []


def test_after_a_scrub_pages_that_were_split_hold_no_deleted_word(store: SQLiteStore, path: Path) -> None:
    generator = random.Random(2)
    words = [word(generator) for _ in range(3000)]
    items = [trace(f"{one} " * generator.randrange(1, 20), origin=one, session=one[:2]) for one in words]
    generator.shuffle(items)
    keys: list[int] = []
    for start in range(0, 3000, 250):
        keys += add(store, *items[start : start + 250])
        with store.transaction():  # holes, which the next ones fill
            store.items.delete(generator.sample(keys, 40))
    there = store.items.by_key(keys)
    gone = [item.origin for item in items if item.id not in {one.id for one in there.values()}]
    with store.transaction():
        store.items.delete(list(there)[::3])
    gone += [item.origin for item in list(there.values())[::3]]
    assert len(gone) > 1000
    assert not store.scrub().pending
    everything = b"".join(file.read_bytes() for file in path.parent.rglob("*") if file.is_file())
    assert [one for one in gone if one is not None and one.encode() in everything] == []
    assert all(item.origin is not None and item.origin.encode() in everything for item in store.items.each(EVERYTHING))


@pytest.mark.parametrize("end", ["scrub", "close", "open"])
def test_a_scrub_that_a_reader_holds_up_is_pending_and_finished_later(path: Path, end: str) -> None:
    secret = word(random.Random(4))
    store = SQLiteStore(path)
    (key,) = add(store, trace(secret))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM item").fetchone()
        with store.transaction():
            store.items.delete([key])
        report = store.scrub()
        assert report.pending
        assert store.meta("scrub") is not None
        assert files_with(path, secret.encode())  # the reader's state
        add(store, trace("meanwhile"))
        if end == "open":
            store.close()
            assert files_with(path, secret.encode())
        reader.execute("COMMIT")
        if end == "scrub":
            assert not store.scrub().pending
            assert files_with(path, secret.encode()) == []
    if end == "close":
        store.close()
        assert files_with(path, secret.encode()) == []
    if end == "open":
        store = SQLiteStore(path)
        assert store.meta("scrub") is None
        assert files_with(path, secret.encode()) == []
    if end != "close":
        store.close()
    store = SQLiteStore(path)
    assert store.meta("scrub") is None
    assert [item.text for item in store.items.each(EVERYTHING)] == ["meanwhile"]
    store.close()


def test_a_scrub_that_was_killed_is_finished_when_the_store_is_opened(path: Path) -> None:
    secret = word(random.Random(5))
    store = SQLiteStore(path)
    (key,) = add(store, trace(secret))
    with store.transaction():
        store.items.delete([key])
        store.set_meta("scrub", "pending")
    for file in list(path.parent.iterdir()):  # as a killed process leaves it
        shutil.copy(file, path.parent / file.name.replace("memory", "killed"))
    store.close()
    store = SQLiteStore(path.with_name("killed.db"))
    assert store.meta("scrub") is None
    assert files_with(path, secret.encode()) == []
    store.close()


def test_a_scrub_removes_what_a_careless_program_deleted(store: SQLiteStore, path: Path) -> None:
    secret = word(random.Random(6))
    (key,) = add(store, trace(secret * 10))
    with closing(sqlite3.connect(path)) as careless:
        careless.execute("PRAGMA secure_delete=OFF")
        careless.execute("DELETE FROM item WHERE key = ?", (key,))
        careless.commit()
        careless.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert files_with(path, secret.encode()) == ["memory.db"]
    store.scrub()
    assert files_with(path, secret.encode()) == []


def test_a_scrub_gives_space_back(store: SQLiteStore) -> None:
    keys = add(store, *(trace("x" * 3000) for _ in range(300)))
    with store.transaction():
        store.items.delete(keys[10:])
    report = store.scrub()
    assert report.bytes_after < report.bytes_before / 4
    assert report.bytes_after == store.nbytes()


def test_a_scrub_leaves_a_file_that_is_just_being_named(store: SQLiteStore, path: Path) -> None:
    (key,) = add(store, trace("x"))
    other = SQLiteStore(path, patience=0.1)
    with store.transaction():
        artifact = store.artifacts.put(key, "file", b"content", inline=False)
        failure: list[BaseException] = []

        def scrub() -> None:
            try:
                other.scrub()
            except StoreBusyError as error:
                failure.append(error)

        thread = threading.Thread(target=scrub)
        thread.start()
        thread.join()
        assert failure
    assert store.artifacts.get(artifact.id) == b"content"
    other.close()


def test_a_scrub_removes_what_a_killed_process_left(store: SQLiteStore) -> None:
    small_world(store)
    folder = store.artifacts.folder
    assert folder is not None
    (folder / "half.part").write_bytes(b"half")
    assert [finding.check for finding in examine(store)] == ["stray files"]
    store.scrub()
    assert examine(store) == []
