"""Other processes, forks, threads, and backups while others write."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import (
    ClosedError,
    StoreBusyError,
    TransferError,
)
from lamina.records import FORGOTTEN
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.doctor import examine
from lamina.storage.transfer import export_lines
from tests.storage.material import EVERYTHING, add, small_world, trace
from tests.storage.processes import in_child


def test_a_lock_that_stays_is_reported_after_the_patience(store: SQLiteStore, path: Path) -> None:
    impatient = SQLiteStore(path, patience=0.1)
    with store.transaction():
        begun = time.monotonic()
        answer = in_child(lambda: add(SQLiteStore(path, patience=0.1), trace("x")))
        assert isinstance(answer, StoreBusyError)
        assert "patience" in str(answer)
        assert impatient.items.count(EVERYTHING) == 0  # reading goes on
        assert time.monotonic() - begun < 5
    add(impatient, trace("x"))
    impatient.close()


def _add_many(path: Path, name: str, count: int) -> list[str]:
    store = SQLiteStore(path)
    ids = []
    for number in range(count):
        item = trace(f"{name} {number}", origin=f"{name} {number}")
        add(store, item)
        ids.append(item.id)
    store.close()
    return ids


def test_processes_write_at_once_and_hear_of_each_other(store: SQLiteStore, path: Path) -> None:
    keys = add(store, trace("old"), trace("older"))
    seen = store.version()
    answers: list[Any] = []
    workers = [threading.Thread(target=lambda name=name: answers.append(in_child(_add_many, path, name, 150))) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(isinstance(answer, list) for answer in answers), answers
    ids = [id for answer in answers for id in answer]
    assert store.version().item == seen.item + 450
    assert sorted(item.id for item in store.items.each(EVERYTHING) if item.origin) == sorted(ids)
    assert len(set(ids)) == 450

    def change() -> None:
        other = SQLiteStore(path)
        with other.transaction():
            other.items.delete(keys[:1])
            other.items.set_status(keys[1:], FORGOTTEN, True)

    assert in_child(change) is None
    changed = store.changes(seen.change)
    assert changed is not None
    assert sorted(changed) == keys
    assert examine(store) == []


def test_a_store_goes_through_a_fork(store: SQLiteStore) -> None:
    add(store, trace("parent"))

    def child() -> list[str]:
        add(store, trace("child"))
        texts = [item.text for item in store.items.each(EVERYTHING)]
        store.close()
        return texts

    assert in_child(child) == ["parent", "child"]
    add(store, trace("again"))
    assert store.items.count(EVERYTHING) == 3
    with store.transaction():  # the child must not touch what its parent holds
        store.items.add([trace("held")])
        assert in_child(lambda: store.items.count(EVERYTHING)) == 3
        assert in_child(store.close) is None
    assert store.items.count(EVERYTHING) == 4
    assert examine(store) == []


def test_a_store_in_memory_goes_through_a_fork() -> None:
    store = SQLiteStore(None)
    add(store, trace("parent"))

    def child() -> int:
        add(store, trace("child"))
        return store.items.count(EVERYTHING)

    assert in_child(child) == 2
    assert store.items.count(EVERYTHING) == 1


def test_threads_share_a_store(store: SQLiteStore) -> None:
    failures: list[Exception] = []

    def work(name: int) -> None:
        try:
            for number in range(40):
                add(store, trace(f"{name} {number}", origin=f"{name} {number}"))
                assert store.items.by_origin("", f"{name} {number}") is not None
        except Exception as error:  # noqa: BLE001 - it is handed to the test
            failures.append(error)

    for one in (store, SQLiteStore(None)):
        threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.items.count(EVERYTHING) == 240
        del one


def test_closing_in_the_middle_of_a_snapshot_is_clean(path: Path) -> None:
    store = SQLiteStore(path)
    add(store, trace("x"))
    with store.snapshot():
        assert store.items.count(EVERYTHING) == 1
        store.close()
    lines = SQLiteStore(path)
    reading = export_lines(lines)
    next(reading)
    lines.close()
    assert sum(1 for _ in reading) == 2  # an export has a connection of its own
    with pytest.raises(ClosedError):
        lines.items.count(EVERYTHING)


def test_a_backup_while_another_process_writes_is_one_state(store: SQLiteStore, path: Path, tmp_path: Path) -> None:
    small_world(store)
    stop = tmp_path / "stop"

    def write() -> int:
        other = SQLiteStore(path)
        count = 0
        while not stop.exists():
            with other.transaction():
                a, b = (stored.key for stored in other.items.add([trace("left"), trace("right")]))
                other.artifacts.put(a, "file", b"content", inline=False)
                if count % 3 == 2:
                    other.items.delete([a - 2, b - 2])
            count += 1
        other.close()
        return count

    answers: list[Any] = []
    writer = threading.Thread(target=lambda: answers.append(in_child(write)))
    writer.start()
    try:
        for number in range(4):
            time.sleep(0.05)
            copy = store.backup(tmp_path / f"copy{number}.db")
            backed = SQLiteStore(copy)
            assert examine(backed) == []
            texts = [item.text for item in backed.items.each(EVERYTHING)]
            assert texts.count("left") == texts.count("right")
            for artifact in backed.artifacts.each("*"):
                assert backed.artifacts.get(artifact.id)
            backed.close()
    finally:
        stop.touch()
        writer.join()
    assert isinstance(answers[0], int)
    assert answers[0] > 4
    assert not list(tmp_path.glob("*.part*"))


def test_a_backup_is_the_store_again(store: SQLiteStore, tmp_path: Path) -> None:
    small_world(store)
    copy = SQLiteStore(store.backup(tmp_path / "copy.db"))
    assert list(export_lines(copy)) == list(export_lines(store))
    memory = SQLiteStore(None)
    small_world(memory)
    assert list(export_lines(SQLiteStore(memory.backup(tmp_path / "memory copy.db")))) == list(export_lines(memory))


def test_a_backup_never_overwrites(store: SQLiteStore, tmp_path: Path) -> None:
    small_world(store)
    (tmp_path / "there.db").write_text("mine")
    (tmp_path / "free.db.artifacts").mkdir()
    for name in ("there.db", "free.db"):
        with pytest.raises(TransferError, match="never overwrites"):
            store.backup(tmp_path / name)
    with pytest.raises(TransferError, match="does not exist"):
        store.backup(tmp_path / "no" / "copy.db")
    assert (tmp_path / "there.db").read_text() == "mine"
