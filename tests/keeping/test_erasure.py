"""Erasing a scope: it is gone from tables and from the bytes, others are untouched, and the receipt says so without telling what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamina import Memory
from lamina.cli import app
from lamina.errors import InputError
from lamina.records import Filter


def fill(memory: Memory) -> list[str]:
    ids = memory.add(
        [f"Ana tells of her zeppelin flight number {n} over Braga." for n in range(40)], user="ana", agent="bot", session="s"
    )
    memory.add([f"Ben plants sardine-coloured roses in row {n}." for n in range(10)], user="ben")
    memory.add("Both say this one sentence in the same words.", user="ana")
    memory.add("Both say this one sentence in the same words.", user="ben")
    memory.consolidate()
    memory.update(ids[0], "Ana corrects the tale of flight number zero.")
    memory.forget(ids[1], reason="zeppelin")
    return ids


def test_a_scope_is_gone_and_the_receipt_tells_no_tales(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        ids = fill(memory)
        receipt = memory.erase(user="ana")
        assert receipt.complete
        assert receipt.items["trace"] == 42
        assert receipt.looked_for > 30
        assert receipt.left == receipt.found == 0
        assert memory.count(where=Filter(scope="/ana", forgotten=True, retired=True, events=True, stale=True)) == 0
        assert memory.count(user="ben") > 10
        assert memory.search("roses", user="ben")
        raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"zeppelin" not in raw
        assert ids[0].encode() not in raw
        told = json.dumps(receipt.as_json())
        assert "zeppelin" not in told
        assert ids[0] not in told
        assert "backups" in told
        assert memory.erase(user="ana").items == {}
        assert memory.doctor() == []


def test_a_reader_that_holds_the_log_makes_it_pending(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory, Memory(tmp_path / "m.db", read_only=True) as reader:
        fill(memory)
        with reader.store.snapshot():
            reader.count(scope="*")
            receipt = memory.erase(user="ana")
            assert receipt.pending
            assert not receipt.complete
        assert memory.erase(user="ana").complete


def test_a_scope_must_be_named() -> None:
    with Memory(":memory:") as memory:
        memory.add("x")
        with pytest.raises(InputError, match="needs a scope"):
            memory.erase()
        assert memory.erase(scope="*").complete


def test_the_command_asks_and_writes_the_receipt(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path) as memory:
        fill(memory)
    run = CliRunner()
    assert run.invoke(app, ["erase", str(path), "--user", "ana"], input="n\n").exit_code != 0
    with Memory(path) as memory:
        assert memory.count(user="ana") > 0
    done = run.invoke(app, ["erase", str(path), "--user", "ana", "--yes", "--receipt", str(tmp_path / "r.json")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "r.json").read_text())["complete"] is True
    assert run.invoke(app, ["erase", str(path), "--yes"]).exit_code == 2
