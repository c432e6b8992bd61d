"""The commands about saved keys and values: they show, check and throw away without torch, and make with a local model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from lamina.cli.caching import bytes_of
from lamina.kv.coding import coded
from lamina.kv.saved import KIND, SavedForm, SavedText, digest, pack
from lamina.memory import Memory
from lamina.models.local.saved_episodes import text_of
from tests.cli.conftest import Process, Shell

FORM = SavedForm("0123456789abcdef", "t", "r", "float32", 2, 1, 8, "int8", "")


def saved(file: Path, text: str, **scope: str) -> str:
    """A trace with keys and values that were made by hand; its id."""
    with Memory(file) as memory:
        (id,) = memory.add(text, **scope)
        (item,) = memory.store.items.get([id])
        assert item is not None
        words = text_of(memory.store, item)
        numbers = coded(np.ones((2, 1, 4, 8), np.float32), "int8")
        content = pack(SavedText(FORM, digest(words), 0, np.arange(4, dtype=np.int32), numbers, numbers))
        with memory.store.transaction():
            memory.store.artifacts.put(item.key, KIND, content, id=FORM.address(id, words), inline=False)
    return id


def files(folder: Path) -> list[Path]:
    return list((folder / "lamina.db.artifacts").iterdir())


def test_what_is_saved_is_listed_checked_and_thrown_away(shell: Shell) -> None:
    file = shell.folder / "lamina.db"
    ana, ben = saved(file, "I like boats.", user="ana"), saved(file, "I like trains.", user="ben")
    listed = shell.json("kv", "ls")
    assert [(one["item"], one["tokens"], one["state"]) for one in listed] == [(ana, 4, "usable"), (ben, 4, "usable")]
    assert f"{ana}  /ana  4 tokens" in shell("kv", "ls", "--user", "ana")
    assert ben not in shell.out
    assert shell.json("kv", "verify") == []
    damaged = next(one for one in files(shell.folder) if one.name in _names(file, ben))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    shell("kv", "verify", code=1)
    assert ben in shell.out
    assert ana not in shell.out
    assert "damaged" in shell.out
    shell("kv", "verify", "--user", "ana")
    assert [one["item"] for one in shell.json("kv", "prune")] == [ben]
    assert len(files(shell.folder)) == 1
    assert [one["item"] for one in shell.json("kv", "prune", "--keep", "100", "--model", FORM.model)] == [ana]
    assert files(shell.folder) == []
    shell("kv", "verify")


def _names(file: Path, id: str) -> set[str]:
    with Memory(file) as memory:
        (item,) = memory.store.items.get([id])
        assert item is not None
        return {one.path or "" for one in memory.store.artifacts.of(item.key)}


def test_deleting_takes_it_along(shell: Shell) -> None:
    id = saved(shell.folder / "lamina.db", "I like boats.")
    shell("delete", id, "--yes")
    assert shell.json("kv", "ls") == []
    assert files(shell.folder) == []


def test_showing_and_checking_need_no_torch(process: Process, tmp_path: Path) -> None:
    saved(tmp_path / "lamina.db", "I like boats.")
    code = "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; from lamina.cli import main; sys.argv[1:] = ['kv', 'verify']; main()"
    import subprocess

    from tests.cli.conftest import environment

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 saved item, 0 of no use" in done.stderr


def test_without_episodes_nothing_is_loaded(shell: Shell) -> None:
    shell("add", "I like boats.")
    shell("kv", "make")
    assert "lamina consolidate" in shell.err


def test_sizes_are_read(shell: Shell) -> None:
    assert bytes_of("2k") == 2000
    for wrong in ("", "many", "-5MB", "5TB"):
        with pytest.raises(typer.BadParameter):
            bytes_of(wrong)


def test_making_says_what_it_takes_and_keeps_to_the_budget(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from lamina.models.local import LocalModel
    from tests.models.local.test_episodes import model

    monkeypatch.setattr(LocalModel, "load", classmethod(lambda cls, *_, **__: model()))
    for number in range(3):
        shell("add", f"I like boats number {number}.", "--session", f"s{number}", "--user", "ana")
    shell("consolidate")
    shell("kv", "make", "--estimate", "--user", "ben")
    assert "no episodes" in shell.err
    shell("kv", "make", "--estimate")
    assert "3 items with" in shell.out
    shell("kv", "make", code=2)  # nobody can be asked
    assert "--yes" in shell.err
    shell("kv", "make", "--yes", "--budget", "5kB", code=2)
    assert "budget" in shell.err
    assert shell.json("kv", "ls") == []
    shell("kv", "make", "--yes")
    assert "3 items saved" in shell.out
    listed = shell.json("kv", "ls")
    assert [one["state"] for one in listed] == ["usable"] * 3
    with Memory(shell.folder / "lamina.db") as memory, memory.store.transaction():
        cut, altered, _ = memory.store.artifacts.each("*")
        for one, end in ((cut, b""), (altered, b"\x7f")):
            content = memory.store.artifacts.get(one.id)[:-1] + end
            memory.store.connection.execute("UPDATE artifact SET data = ? WHERE id = ?", (content, one.id))
    shell("kv", "make", "--estimate")
    assert "1 item with" in shell.out
    assert "2 saved already, 1 of no use and made again" in shell.out
    shell("kv", "make", "--yes", "--verify")
    assert "1 saved already, 2 of no use and made again" in shell.out
    assert "2 items saved" in shell.out
    shell("kv", "verify")
    shell("kv", "make", listed[0]["item"], "--yes")
    assert "0 items with 0 tokens" in shell.out
