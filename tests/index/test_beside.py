"""Index files beside a store: what is read from them is what the store holds, whatever happened to either."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina.index.beside import SETTING, Beside
from lamina.index.view import ScopeView
from lamina.records import FORGOTTEN
from lamina.storage import SQLiteStore
from lamina.storage.index_files import IN_USE, LOCK, index_folder, remove_lists, workplace
from tests.index.test_view import DIM, SCOPES, embed, state, step
from tests.storage.material import add, trace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    one = SQLiteStore(tmp_path / "memory.db")
    yield one
    one.close()


def beside_of(store: SQLiteStore) -> Beside:
    assert store.path is not None
    return Beside(store, index_folder(store.path), least=1)


def some_items(store: SQLiteStore, count: int = 30, scope: str = "") -> list[int]:
    keys = add(
        store, *(trace(f"boat {n} sails with {'Ana' if n % 2 else 'Ben'}", scope=scope, session=f"s{n // 10}", data={"speaker": "Ana"}) for n in range(count))
    )  # fmt: skip
    with store.transaction():
        space = store.vectors.active() or store.vectors.open_space("embedder/1", DIM)
        if store.vectors.active() is None:
            store.vectors.activate(space)
        embed(store, space, keys)
    return keys


def kept(store: SQLiteStore, scope: str = "") -> Beside:
    beside = beside_of(store)
    assert beside.keep(ScopeView(store, scope).refresh())
    return beside


def restored(store: SQLiteStore, scope: str = "") -> tuple[ScopeView, bool]:
    """A view that was opened with the files there are, and whether it came from one."""
    answers: list[bool] = []
    beside = beside_of(store)
    view = ScopeView(store, scope, restore=lambda one: answers.append(beside.restore(one)))
    view.refresh()
    assert state(view) == state(ScopeView(store, scope).refresh())
    return view, answers == [True]


def files(store: SQLiteStore) -> list[Path]:
    assert store.path is not None
    return sorted(path for path in index_folder(store.path).iterdir() if path.name != LOCK)


# ----------------------------------------------------------------------------------------------------------- fitting
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_restored_view_is_what_a_fresh_one_would_be_after_anything(tmp_path_factory: Any, data: st.DataObject) -> None:
    store = SQLiteStore(tmp_path_factory.mktemp("beside") / "memory.db")
    try:
        for _ in range(data.draw(st.integers(1, 4))):
            step(data.draw, store)
        scope = data.draw(st.sampled_from(SCOPES))
        view = ScopeView(store, scope).refresh()
        for _ in range(data.draw(st.integers(0, 3))):
            step(data.draw, store)
            view.refresh()
        assert beside_of(store).keep(view) == (len(view) > 0)
        for _ in range(data.draw(st.integers(0, 4))):
            step(data.draw, store)
        opened, _ = restored(store, scope)
        for _ in range(data.draw(st.integers(0, 2))):
            step(data.draw, store)
            opened.refresh()
            assert state(opened) == state(ScopeView(store, scope).refresh())
    finally:
        store.close()


def test_what_came_and_went_since_is_learnt_from_the_store(store: SQLiteStore) -> None:
    keys = some_items(store)
    kept(store)
    more = some_items(store, 5)
    with store.transaction():
        store.items.delete(keys[:3])
        store.items.set_status(keys[3:5], FORGOTTEN, True)
    view, from_file = restored(store)
    assert from_file
    assert set(view.keys[view.live].tolist()) == set(keys[5:] + more)
    assert view.flat.present.sum() == 32


def test_the_files_are_for_the_owner_alone(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    assert store.path is not None
    assert index_folder(store.path).stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in index_folder(store.path).iterdir())
    assert "ana" not in str([path.name for path in files(store)])


def test_each_scope_has_files_of_its_own(store: SQLiteStore) -> None:
    for scope in ("", "acme", "acme/ana"):
        some_items(store, 12, scope)
    for scope in ("", "acme", "acme/ana", "*"):
        kept(store, scope)
    assert len(files(store)) == 4
    for scope in ("", "acme", "acme/ana", "*"):
        assert restored(store, scope)[1]
    assert not restored(store, "acme/ben")[1]


def test_newer_files_take_the_place_of_older_ones_and_of_what_was_left_half_written(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    (first,) = files(store)
    first.with_name("0123456789abcdef.view.part").write_bytes(b"left by somebody who was killed")
    some_items(store, 5)
    kept(store)
    (second,) = files(store)
    assert second != first
    assert restored(store)[1]


# ---------------------------------------------------------------------------------------------------------- not fitting
def damage(path: Path, how: str) -> None:
    raw = bytearray(path.read_bytes())
    if how == "flip":
        raw[len(raw) // 2] ^= 0xFF
    elif how == "cut":
        raw = raw[: len(raw) // 3]
    elif how == "empty":
        raw = bytearray()
    elif how == "nonsense":
        raw = bytearray(os.urandom(len(raw)))
    path.write_bytes(raw)


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "nonsense"])
def test_a_damaged_file_is_passed_over_and_made_anew(store: SQLiteStore, how: str, caplog: pytest.LogCaptureFixture) -> None:
    some_items(store)
    kept(store)
    damage(files(store)[0], how)
    assert not restored(store)[1]
    assert "made anew" in caplog.text
    kept(store)
    assert restored(store)[1]


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 0.999), flip=st.none() | st.floats(0, 0.999))
def test_damage_anywhere_changes_no_answer(tmp_path_factory: Any, cut: float, flip: float | None) -> None:
    store = SQLiteStore(tmp_path_factory.mktemp("beside") / "memory.db")
    try:
        some_items(store, 12)
        kept(store)
        (path,) = files(store)
        raw = bytearray(path.read_bytes())
        if flip is None:
            raw = raw[: int(cut * len(raw))]
        else:
            raw[int(flip * len(raw))] ^= 0xFF
        path.write_bytes(raw)
        restored(store)
    finally:
        store.close()


def test_a_file_that_is_gone_is_no_error(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    assert store.path is not None
    shutil.rmtree(index_folder(store.path))
    assert not restored(store)[1]


def test_the_file_of_another_scope_under_this_ones_name_is_refused(store: SQLiteStore) -> None:
    some_items(store, 12, "acme")
    some_items(store, 15, "")
    kept(store, "acme")
    (first,) = files(store)
    kept(store, "")
    (second,) = [path for path in files(store) if path != first]
    shutil.copy(first, second)
    assert not restored(store, "")[1]
    assert restored(store, "acme")[1]


def test_a_store_put_back_from_a_backup_believes_no_file_that_tells_another_story(store: SQLiteStore, tmp_path: Path) -> None:
    """It has gone on to the same numbers with other items: only what it names itself may be read."""
    some_items(store)
    store.backup(tmp_path / "backup.db")
    some_items(store, 20)
    kept(store)
    shutil.copytree(index_folder(tmp_path / "memory.db"), index_folder(tmp_path / "backup.db"))
    back = SQLiteStore(tmp_path / "backup.db")
    try:
        add(back, *(trace(f"another story {n}") for n in range(40)))
        assert back.version().item >= store.version().item
        assert not restored(back)[1]
    finally:
        back.close()


def test_other_vectors_or_another_language_make_a_file_unfit(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    store.relex(language="german")
    assert not restored(store)[1]
    kept(store)
    assert restored(store)[1]
    with store.transaction():
        store.vectors.activate(store.vectors.open_space("embedder/2", DIM))
    assert not restored(store)[1]


@pytest.mark.parametrize("setting", ["nonsense", "[]", '{"files": 3}', '{"files": {"x": 3}}', '{"floor": "x", "files": {}}'])
def test_a_setting_that_is_not_ours_is_no_error(store: SQLiteStore, setting: str) -> None:
    some_items(store)
    with store.transaction():
        store.set_meta(SETTING, setting)
    assert not restored(store)[1]
    assert beside_of(store).keep(ScopeView(store, "").refresh())
    assert restored(store)[1]


# ---------------------------------------------------------------------------------------------------------- who may write
def test_nothing_is_kept_of_a_store_in_memory_or_for_one_that_is_read_only(store: SQLiteStore, tmp_path: Path) -> None:
    some_items(store)
    assert not Beside(store, None).keep(ScopeView(store, "").refresh())
    reader = SQLiteStore(tmp_path / "memory.db", read_only=True)
    assert not beside_of(reader).keep(ScopeView(reader, "").refresh())
    assert not index_folder(tmp_path / "memory.db").exists()
    kept(store)
    before = [(path, path.read_bytes()) for path in files(store)]
    assert restored(reader)[1]
    beside_of(reader).purge()
    assert [(path, path.read_bytes()) for path in files(store)] == before
    reader.close()


def test_while_somebody_writes_nobody_else_does(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    some_items(store, 40)
    assert store.path is not None
    with (index_folder(store.path) / LOCK).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not beside_of(store).keep(ScopeView(store, "").refresh())
    assert beside_of(store).keep(ScopeView(store, "").refresh())


def test_small_views_are_not_kept_and_large_ones_only_when_they_have_changed(store: SQLiteStore) -> None:
    some_items(store, 100)
    assert store.path is not None
    large, small = Beside(store, index_folder(store.path), least=200), Beside(store, index_folder(store.path), least=50)
    view = ScopeView(store, "").refresh()
    assert not large.due(view)
    assert small.due(view)
    assert small.keep(view)
    assert not small.due(view)
    some_items(store, 4)
    assert not small.due(view.refresh())
    some_items(store, 4)
    assert small.due(view.refresh())


# ---------------------------------------------------------------------------------------------------------- taking away
def bytes_of(vector: Any) -> list[bytes]:
    """A vector in the forms in which it could have been written."""
    return [np.asarray(vector, form).tobytes() for form in (np.float16, np.float32, np.float64)]


def holds(folder: Path, wanted: list[bytes]) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in wanted)]


def test_after_a_purge_and_a_scrub_no_byte_of_what_was_deleted_is_left(store: SQLiteStore, tmp_path: Path) -> None:
    (secret,) = add(store, trace("hushhush was told", session="hushsession", data={"speaker": "Hushspeaker"}))
    keys = some_items(store)
    with store.transaction():
        space = store.vectors.active()
        assert space is not None
        vector = np.array([0.111, -0.222, 0.333, -0.444], np.float32)
        store.vectors.put(space, [secret], vector[None])
    view = ScopeView(store, "").refresh()
    beside = beside_of(store)
    assert beside.keep(view)
    wanted = [
        *bytes_of(vector.astype(np.float16)),
        b"hushsession",
        b"Hushspeaker",
        *(int(term).to_bytes(4, "little") for term in view.lexical.terms(0)[:1]),
    ]
    assert holds(index_folder(tmp_path / "memory.db"), wanted[:1])
    assert holds(index_folder(tmp_path / "memory.db"), wanted[3:])
    with store.transaction():
        store.items.delete([secret])
    beside.purge()
    store.scrub()
    assert not holds(tmp_path, wanted)
    assert beside.keep(view.refresh())  # the same view goes on, and what it keeps now is free of it
    store.scrub()
    assert restored(store)[1]
    assert not holds(tmp_path, wanted)
    assert len(keys) == len(view.keys[view.live])


def test_who_has_not_seen_a_deletion_cannot_bring_it_back_into_a_file(store: SQLiteStore, tmp_path: Path) -> None:
    keys = some_items(store)
    other = SQLiteStore(tmp_path / "memory.db")
    late = ScopeView(other, "").refresh()
    kept(store)
    with store.transaction():
        store.items.delete(keys[:1])
    beside_of(store).purge()
    store.scrub()
    assert not beside_of(other).keep(late)
    assert files(store) == []
    assert beside_of(other).keep(late.refresh())
    other.close()


def test_a_purge_overwrites_what_it_removes(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    (path,) = files(store)
    twin = path.with_name("twin")
    os.link(path, twin)
    beside_of(store).purge()
    assert not path.exists()
    assert not twin.exists()
    kept(store)
    (path,) = files(store)
    assert store.path is not None
    outside = store.path.with_name("outside")
    os.link(path, outside)
    size = path.stat().st_size
    beside_of(store).purge()
    assert outside.read_bytes() == bytes(size)


def test_workplaces_of_processes_that_are_no_more_are_cleared_away(store: SQLiteStore) -> None:
    some_items(store)
    kept(store)
    assert store.path is not None
    folder = index_folder(store.path)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead, mine = folder / f"0123456789abcdef.{child.pid}.work", workplace(folder)
    dead.mkdir()
    for place in (dead, mine):
        (place / "rows").write_bytes(b"a vector")
    some_items(store, 5)
    kept(store)
    assert not dead.exists()
    assert (mine / "rows").exists()
    beside_of(store).purge()
    assert sorted(path.name for path in folder.iterdir()) == [LOCK]


def test_lists_that_somebody_reads_are_removed_and_not_overwritten(tmp_path: Path) -> None:
    for used in (True, False):
        place = tmp_path / f"{used}.lists"
        place.mkdir()
        (place / "rows").write_bytes(b"a vector")
        os.link(place / "rows", tmp_path / f"twin {used}")
        with (place / IN_USE).open("a+b") as file:
            if used:
                fcntl.flock(file, fcntl.LOCK_SH)
            remove_lists(place)
        assert not place.exists()
        assert (tmp_path / f"twin {used}").read_bytes() == (b"a vector" if used else bytes(8))


# ---------------------------------------------------------------------------------------------------------- kills
CHILD = """
import sys
from pathlib import Path
from tests.index.test_beside import beside_of, some_items
from lamina.index.view import ScopeView
from lamina.storage import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
view = ScopeView(store, "").refresh()
print("ready", flush=True)
while True:
    some_items(store, 3)
    beside_of(store).keep(view.refresh())
"""


def test_killed_at_any_moment_the_files_are_those_of_the_last_commit(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    store = SQLiteStore(path)
    some_items(store, 2000)
    kept(store)
    chance = np.random.default_rng(0)
    came_from_files = 0
    for _ in range(8):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(lamina.__file__).parents[1])])}
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True, env=environment)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(float(chance.uniform(0, 0.15)))
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        came_from_files += restored(store)[1]
    assert came_from_files == 8
    kept(store)
    assert len(files(store)) == 1
    store.close()
