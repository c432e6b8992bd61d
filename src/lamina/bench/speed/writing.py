"""How fast messages are taken in: one at a time beside a bare SQLite table, in bulk, and with how many syncs."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lamina.bench.results import Row
from lamina.bench.speed.child import USER, ask
from lamina.bench.speed.timing import Timings
from lamina.memory import Memory
from lamina.storage.protocol import Durability
from lamina.storage.sqlite.engine import Engine
from lamina.storage.sqlite.opening import connect
from lamina.times import to_micros

Messages = Sequence[dict[str, Any]]
LEVELS: Final[tuple[Durability, ...]] = ("process", "power")
FEW, MANY = 20, 120
"""Commits in the two runs whose difference in syncs is counted: what opening costs falls out."""


class Floor:
    """One table with an index, a commit for each row, under the same pragmas: the least that SQLite asks for a message."""

    def __init__(self, path: Path, durability: Durability) -> None:
        path.touch(mode=0o600)
        self._table: sqlite3.Connection = connect(Engine(path), durability=durability, read_only=False, patience=60.0)
        self._table.execute("CREATE TABLE message(key INTEGER PRIMARY KEY, session TEXT, at INTEGER, text TEXT, data TEXT)")
        self._table.execute("CREATE INDEX message_session ON message(session)")

    def add(self, message: dict[str, Any]) -> None:
        """Insert a message and commit."""
        data = json.dumps({"speaker": message["speaker"]})
        row = (message["session"], to_micros(message["at"]), message["content"], data)
        self._table.execute("BEGIN IMMEDIATE")
        self._table.execute("INSERT INTO message(session, at, text, data) VALUES (?, ?, ?, ?)", row)
        self._table.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._table.close()


def single_adds(folder: Path, filled: Messages, more: Messages) -> list[Row]:
    """`add` into a memory that has many messages already, beside the floor at the same size; all take turns.

    The memory embeds in the background meanwhile, as it does in use; the floor embeds nothing.
    """
    rows = []
    memories = {level: _filled(folder / f"add-{level}.db", level, filled) for level in LEVELS}
    floors = {level: Floor(folder / f"floor-{level}.db", level) for level in LEVELS}
    for floor in floors.values():
        for message in filled[:100]:
            floor.add(message)
    times = {name: Timings() for name in itertools.product(("lamina", "sqlite"), LEVELS)}
    for message in more:
        for level in LEVELS:
            times["lamina", level].take(lambda m=memories[level], one=message: m.add(one, user=USER))  # type: ignore[misc]
            times["sqlite", level].take(lambda f=floors[level], one=message: f.add(one))  # type: ignore[misc]
    for level in LEVELS:
        memories[level].close()
        floors[level].close()
        ratio = {"times_the_floor": times["lamina", level].p50 / times["sqlite", level].p50}
        rows.append(Row(f"lamina add, durability {level}", {**times["lamina", level].metrics("add"), **ratio}))
        rows.append(Row(f"sqlite floor, durability {level}", times["sqlite", level].metrics("add")))
    return rows


def _filled(path: Path, level: Durability, messages: Messages) -> Memory:
    memory = Memory(path, embedder="wordllama", durability=level)
    memory.add_many(messages, user=USER)
    memory.flush()
    return memory


def bulk(path: Path, messages: Messages) -> dict[str, float]:
    """`add_many` into a new file, validation included: messages a second until acknowledged, and until embedded too."""
    with Memory(path, embedder="wordllama") as memory:
        begin, processor = time.perf_counter(), time.process_time()
        memory.add_many(messages, user=USER)
        acknowledged = time.perf_counter() - begin
        memory.flush()
        embedded, used = time.perf_counter() - begin, time.process_time() - processor
    return {
        "bulk_acknowledged_per_second": len(messages) / acknowledged,
        "bulk_embedded_per_second": len(messages) / embedded,
        "bulk_processor_seconds": used,
        "file_bytes_per_message": sum(part.stat().st_size for part in _parts(path)) / len(messages),
    }


def _parts(path: Path) -> Iterator[Path]:
    """The files of a store."""
    yield from (part for part in path.parent.glob(path.name + "*") if part.is_file())


def syncs_per_commit(folder: Path) -> tuple[float | None, str]:
    """How often a commit at durability "power" waits for the disk, and why not if it could not be counted."""
    strace = shutil.which("strace")
    if strace is None:
        return None, "strace is not installed"
    counted = []
    for commits in (FEW, MANY):
        log = folder / f"syncs-{commits}.txt"
        before = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(log)]
        done = ask("commits", str(folder / f"syncs-{commits}.db"), str(commits), before=before)
        if done.returncode or not log.exists():
            return None, f"strace could not run: {done.stderr.strip()[-200:]}"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        counted.append(sum("sync(" in line for line in lines))
    return (counted[1] - counted[0]) / (MANY - FEW), ""
