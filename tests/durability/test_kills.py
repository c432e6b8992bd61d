"""A process is killed at random moments, again and again: what was acknowledged is there, and nothing is half done."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina import Memory
from lamina.records import Item
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.schema import MIGRATIONS
from tests.durability.child import NEXT_MIGRATIONS, Log, Worker
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import derived, derived_at_once, everything, unsourced

ROOT = Path(__file__).resolve().parents[2]
OPENING = 1.0  # seconds a store may take to open after a kill
RENEWED = 15  # kills after which a new file is begun, so that checking stays quick


class Nursery:
    """Starts workers and kills them."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join([str(ROOT), str(Path(lamina.__file__).parents[1])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.durability.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": path}, cwd=folder, stderr=(folder / "stderr.txt").open("w"),
        )  # fmt: skip
        self._errors = folder / "stderr.txt"

    def run_and_kill(self, seconds: float, **order: Any) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        status, _ = self._process.stdout.readline().split()
        assert int(status) == signal.SIGKILL, f"the worker ended by itself: {self._errors.read_text()[-3000:]}"

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class Ledger:
    """What must be there: acknowledged traces with their texts, and what a kill interrupted."""

    def __init__(self) -> None:
        self.texts: dict[str, str | int] = {}
        self.forgotten: dict[str, bool] = {}
        self.imported: list[str] = []
        self.progress: list[tuple[list[str], int, int]] = []  # texts of a stream, what was acknowledged, batch
        self.in_flight: dict[str, Any] | None = None
        self.acknowledged = 0

    def read(self, log: Path) -> None:
        self.in_flight, self.progress = None, []
        for line in log.read_text().splitlines():
            entry = json.loads(line)
            if "begin" in entry:
                self.in_flight = entry
                if entry["begin"] == "add_many":
                    self.progress.append((entry["texts"], 0, entry["batch"]))
            elif "progress" in entry:
                texts, _, batch = self.progress[-1]
                self.progress[-1] = (texts, entry["progress"], batch)
            else:
                self._acknowledge(entry)
                self.in_flight = None

    def _acknowledge(self, entry: dict[str, Any]) -> None:
        self.acknowledged += 1
        if entry["done"] == "add":
            self.texts |= entry["ids"]
        elif entry["done"] == "update":
            self.texts[entry["new"]] = entry["text"]
        elif entry["done"] == "import":
            self.imported.append(entry["path"])
        elif entry["done"] == "delete":
            for id in entry["ids"]:
                self.texts.pop(id, None)
                self.forgotten.pop(id, None)
        elif entry["done"] in ("forget", "restore"):
            self.forgotten |= dict.fromkeys(entry["ids"], entry["done"] == "forget")

    def check(self, items: dict[str, Item]) -> None:
        """What was acknowledged is there as it was; what was in flight happened wholly or not at all."""
        began = self.in_flight or {"begin": "nothing"}
        by_head: dict[str, list[Item]] = {}
        for item in (item for item in items.values() if item.kind == "trace"):
            by_head.setdefault(item.text[:40], []).append(item)
        touched = set(began.get("ids", ()))
        if began["begin"] == "delete":
            gone = {id for id in touched if id not in items}
            assert gone in (set(), touched), "a deletion stopped half-way"
            for id in gone:
                self.texts.pop(id, None)
                self.forgotten.pop(id, None)
        for id, text in self.texts.items():
            assert id in items, f"{id} was acknowledged and is lost"
            assert items[id].text == text or len(items[id].text) == text, f"{id} is not verbatim"
        for id, hidden in self.forgotten.items():
            if id in items and id not in touched:
                assert items[id].forgotten == hidden
        if began["begin"] in ("forget", "restore"):
            self.forgotten |= {id: items[id].forgotten for id in touched}
        if began["begin"] in ("add", "update"):
            there = [head for head in began["texts"] if head in by_head]
            assert len(there) in (0, len(began["texts"])), "a list of messages was stored half"
            for head, size in zip(began["texts"], began.get("whole", ()), strict=False):
                if head in by_head and size > 8000:
                    whole = by_head[head][0].id
                    pieces = [item for item in items.values() if item.data.get("whole") == whole]
                    assert sum(len(piece.text) for piece in pieces) == size, "a long message was stored half"
        for texts, safe, batch in self.progress:
            missing = [head for head in texts[:safe] if head not in by_head]
            assert not any(len(by_head[head]) > 1 for head in texts if head in by_head), "a stream was stored twice"
            if began["begin"] == "add_many" and texts == began["texts"]:
                assert not missing, "what a stream reported as safe is lost"
                assert sum(head in by_head for head in texts) % batch == 0, "a batch was stored half"


def _exports(folder: Path, count: int) -> dict[str, list[str]]:
    """Small exports with traces of their own, and the ids in each."""
    made = {}
    for number in range(count):
        with Memory(":memory:", embedder=WordEmbedder()) as memory:
            memory.add(
                [f"import-{number} line {line} about bicycles" for line in range(30)], user=f"imported {number}", session="s"
            )
            memory.consolidate()
            path = folder / f"{folder.name}-{number}.jsonl"
            memory.export(path)
            made[str(path)] = list(everything(memory))
    return made


def _check_migrations(log: Path) -> int:
    """Copies are wholly of the old schema or wholly of the new, and open in either case."""
    copies = [json.loads(line)["path"] for line in log.read_text().splitlines() if "begin" in json.loads(line)]
    for copy in copies[-2:]:
        with sqlite3.connect(copy) as raw:
            version = raw.execute("PRAGMA user_version").fetchone()[0]
            tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            marked = raw.execute("SELECT count(*) FROM item WHERE text LIKE '%!'").fetchone()[0]
            assert version in (MIGRATIONS[-1].to, NEXT_MIGRATIONS[-1].to)
            upgraded = version == NEXT_MIGRATIONS[-1].to
            assert ("extra" in tables) == upgraded
            assert bool(marked) == upgraded, "a migration stopped half-way"
        raw.close()
        began = time.monotonic()
        store = SQLiteStore(copy, migrations=NEXT_MIGRATIONS)
        assert time.monotonic() - began < OPENING
        assert store.connection.value("SELECT count(*) FROM extra") == store.connection.value("SELECT count(*) FROM item")
        store.close()
    for copy in copies:
        for file in Path(copy).parent.glob(Path(copy).name + "*"):
            file.unlink()
    return len(copies)


def _kill_often(folder: Path, kills: int, seed: int) -> dict[str, float]:
    chance = random.Random(seed)
    nursery = Nursery(folder)
    slowest, operations, migrations, interrupted = 0.0, 0, 0, dict.fromkeys(("add", "add_many", "delete", "consolidate"), 0)
    path, ledger, exports = folder / "none", Ledger(), {}
    try:
        for kill in range(kills):
            if kill % RENEWED == 0:
                operations += ledger.acknowledged
                room = folder / f"room{kill}"
                room.mkdir()
                path, ledger, exports = room / "memory.db", Ledger(), _exports(room, 6)
            log = folder / f"log-{kill}"
            migrate = kill % 5 == 4
            unused = [name for name in exports if name not in ledger.imported]
            nursery.run_and_kill(
                chance.uniform(0.03, 0.4), path=str(path), log=str(log), seed=1000 * seed + kill, imports=unused, migrate=migrate,
                folder=str(folder),
            )  # fmt: skip
            if not log.exists():
                continue
            if migrate:
                migrations += _check_migrations(log)
                continue
            ledger.read(log)
            began = time.monotonic()
            with Memory(path, embedder=WordEmbedder()) as memory:
                slowest = max(slowest, time.monotonic() - began)
                _check(memory, ledger, exports)
                interrupted[(ledger.in_flight or {}).get("begin", "")] = (
                    interrupted.get((ledger.in_flight or {}).get("begin", ""), 0) + 1
                )
    finally:
        nursery.close()
    figures = {
        "kills": kills,
        "operations": operations + ledger.acknowledged,
        "migrations": migrations,
        "slowest opening": slowest,
    }
    return figures | {f"interrupted {name or 'nothing'}": count for name, count in interrupted.items()}


def _check(memory: Memory, ledger: Ledger, exports: dict[str, list[str]]) -> None:
    items = everything(memory)
    ledger.check(items)
    for name, ids in exports.items():
        traces = [id for id in ids if "-" not in id]
        there = [id for id in traces if id in items]
        if name in ledger.imported:
            continue  # its traces may have been deleted since
        assert len(there) in (0, len(traces)), "an import stopped half-way"
        if there:
            ledger.imported.append(name)
    assert memory.doctor() == []
    assert unsourced(memory) == []
    memory.consolidate()
    assert derived(memory) == derived_at_once(memory)
    assert memory.doctor() == []


def test_a_killed_process_loses_nothing_acknowledged_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    figures = _kill_often(tmp_path, 12, seed=1)
    assert figures["operations"] > 100
    assert figures["slowest opening"] < OPENING


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    figures = _kill_often(tmp_path, 200, seed=2)
    with capsys.disabled():
        print(f"\n{figures | {'seconds': round(time.monotonic() - began, 1)}}")
    assert figures["slowest opening"] < OPENING


@pytest.fixture
def worked(tmp_path: Path) -> Iterator[tuple[Memory, Ledger]]:
    """A memory after some work, with its ledger: to see the checks fail."""
    log = tmp_path / "log"
    worker = Worker(str(tmp_path / "a.db"), Log(str(log)), 1, [])
    for _ in range(12):
        worker.add()
    ledger = Ledger()
    ledger.read(log)
    yield worker.memory, ledger
    worker.memory.close()


def test_the_check_notices_a_lost_trace_and_a_changed_one(worked: tuple[Memory, Ledger]) -> None:
    memory, ledger = worked
    items = everything(memory)
    ledger.check(items)
    first = next(iter(ledger.texts))
    with pytest.raises(AssertionError, match="is lost"):
        ledger.check({id: item for id, item in items.items() if id != first})
    ledger.texts[first] = "something else"
    with pytest.raises(AssertionError, match="not verbatim"):
        ledger.check(items)
