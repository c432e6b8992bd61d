"""Encrypted stores: nothing readable on disk, everything else as ever; keys that do not fit; encrypting and taking it off."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina import Memory
from lamina.errors import ConfigError, InputError, NotADatabaseError, StoreBusyError, WrongKeyError
from lamina.keeping.arguments import read_key
from lamina.storage import SQLiteStore
from lamina.storage.sqlite.engine import Key
from lamina.storage.sqlite.recrypting import recrypt
from tests.storage.conformance import StoreConformance

pytest.importorskip("sqlcipher3")
SOURCE = str(Path(lamina.__file__).resolve().parent.parent)
SECRET = "The zeppelin lands in Braga at nine."
RAW = bytes(range(32))


class TestEncryptedFile(StoreConformance):
    """The whole conformance suite, on an encrypted file."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Any:
        return lambda: SQLiteStore(tmp_path / "memory.db", key=Key(RAW))


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("key", ["correct horse", 'it\'s "quoted" ünï', RAW])
def test_nothing_of_it_can_be_read_on_disk_and_everything_with_the_key(tmp_path: Path, key: str | bytes) -> None:
    with Memory(tmp_path / "m.db", key=key) as memory:
        [id] = memory.add(SECRET, user="ana", speaker="Marguerite", session="hangar", metadata={"place": "aerodrome"})
        memory.add([f"Filler {n} about sardines" for n in range(300)], user="ana")
        memory.consolidate()
        raw = bytes_in(tmp_path)  # with the log beside it
        for word in (SECRET, "zeppelin", "Marguerite", "hangar", "aerodrome", id, "sardines", "SQLite format 3", "CREATE TABLE"):
            assert word.encode() not in raw, word
        assert memory.search("zeppelin", user="ana")[0].text == SECRET
        assert memory.doctor() == []
        memory.delete(id)
        assert not memory.scrub().pending
        memory.backup(tmp_path / "copy.db")
    assert b"sardines" not in bytes_in(tmp_path)
    with Memory(tmp_path / "copy.db", key=key, read_only=True) as copy:
        assert copy.count(user="ana") > 300


def test_a_key_that_does_not_fit_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Memory(tmp_path / "m.db", key="right").close()
    Memory(tmp_path / "plain.db").close()
    with pytest.raises(NotADatabaseError, match="encrypted"):
        Memory(tmp_path / "m.db")
    with pytest.raises(WrongKeyError, match="this key"):
        Memory(tmp_path / "m.db", key="wrong")
    with pytest.raises(WrongKeyError, match="not encrypted"):
        Memory(tmp_path / "plain.db", key="right")
    for bad in ("", "  ", b"short"):
        with pytest.raises(InputError, match="a key must be"):
            Memory(tmp_path / "n.db", key=bad)
    assert not (tmp_path / "n.db").exists()
    with pytest.raises(InputError, match="RAM"):
        Memory(":memory:", key="right")
    monkeypatch.setenv("LAMINA_KEY", "right")
    Memory(tmp_path / "m.db").close()
    Memory(":memory:").close()
    assert "right" not in repr(Key.of("right"))


def test_the_key_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("  correct horse \n")
    (tmp_path / "raw").write_bytes(RAW)
    assert read_key(None, "a.db", {"LAMINA_KEY_FILE": str(tmp_path / "k")}) == Key("correct horse")
    assert read_key(None, "a.db", {"LAMINA_KEY_FILE": str(tmp_path / "raw")}) == Key(RAW)
    (tmp_path / "empty").write_text("\n")
    for name in ("empty", "nowhere"):
        with pytest.raises(ConfigError, match="key file"):
            read_key(None, "a.db", {"LAMINA_KEY_FILE": str(tmp_path / name)})


def test_threads_and_forks_open_it_too(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", key="right") as memory:
        memory.add(SECRET, user="ana")
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(memory.search("zeppelin", user="ana")[0].text)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [SECRET] * 4
        child = os.fork()
        if child == 0:
            os._exit(0 if memory.count(user="ana") == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_file_is_encrypted_given_another_key_and_opened_up_again(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path) as memory:
        ids = memory.add([SECRET, *[f"Filler {n}" for n in range(50)]], user="ana")
        memory.consolidate()
        memory.forget(ids[3])
        before = [(item.id, item.text, item.status) for item in memory.get_all(scope="*", limit=1000)]
    states: list[tuple[str | bytes | None, str | bytes | None]] = [(None, "one"), ("one", RAW), (RAW, None)]
    for old, new in states:
        recrypt(path, old, new)
        assert (b"zeppelin" in bytes_in(tmp_path)) == (new is None)
        assert [file.name for file in tmp_path.iterdir()] == ["m.db"]
        with Memory(path, key=new) as memory:
            assert [(item.id, item.text, item.status) for item in memory.get_all(scope="*", limit=1000)] == before
            assert memory.doctor() == []
            later = memory.add("one more", user="ana")
            memory.delete(later)  # numbers go on where they were
    with pytest.raises(InputError, match="keep its key"):
        recrypt(path, None, None)


def test_what_somebody_has_open_or_cannot_open_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path) as memory:
        memory.add(SECRET)
        with pytest.raises(StoreBusyError):
            recrypt(path, None, "key")
        code = f"from lamina.storage.sqlite.recrypting import recrypt; recrypt({str(path)!r}, None, 'key')"
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": SOURCE}, capture_output=True, text=True, check=False
        )
        assert "StoreBusyError" in done.stderr
        memory.add("still here")
        assert memory.count() == 2
    recrypt(path, None, "key")
    raw = path.read_bytes()
    with pytest.raises(WrongKeyError):
        recrypt(path, "other", None)
    with pytest.raises(InputError, match="is encrypted"):
        recrypt(path, None, "x")
    assert path.read_bytes() == raw
    with pytest.raises(NotADatabaseError):
        recrypt(tmp_path / "nowhere.db", None, "x")
