"""An import that is killed goes on where it was, without a double; and a large one is quick and small."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lamina
from lamina import Memory
from lamina.bench.chatgpt_export import write_export
from lamina.records import Filter

SOURCE = str(Path(lamina.__file__).resolve().parent.parent)


def command(store: Path, export: Path) -> list[str]:
    return [sys.executable, "-m", "lamina", "ingest", str(store), str(export), "--user", "ana", "--quiet"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"}


def content(store: Path) -> list[tuple[str | None, str, int]]:
    with Memory(store) as memory:
        assert memory.doctor() == []
        return sorted(
            (item.origin, item.text, item.at) for item in memory.store.items.each(Filter(scope="/ana", kinds=("trace",)))
        )


def killed(store: Path, export: Path, after: float) -> bool:
    """Run an import and kill it after so many seconds; whether it was still running."""
    process = subprocess.Popen(command(store, export), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def check(tmp_path: Path, megabytes: float, moments: list[float]) -> None:
    export = tmp_path / "conversations.json"
    write_export(export, megabytes)
    subprocess.run(command(tmp_path / "whole.db", export), env=environment(), check=True, capture_output=True)
    stopped = sum(killed(tmp_path / "again.db", export, after) for after in moments)
    assert stopped, "nothing was running any more when it was to be killed"
    subprocess.run(command(tmp_path / "again.db", export), env=environment(), check=True, capture_output=True)
    assert content(tmp_path / "again.db") == content(tmp_path / "whole.db")


def test_an_import_that_was_killed_goes_on_without_a_double(tmp_path: Path) -> None:
    check(tmp_path, 4, [0.5, 0.9, 1.3])


@pytest.mark.slow
def test_a_hundred_megabytes_are_read_quickly_within_little_memory_and_resumed(tmp_path: Path) -> None:
    export = tmp_path / "conversations.json"
    write_export(export, 100)
    start = time.perf_counter()
    process = subprocess.Popen(command(tmp_path / "m.db", export), env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    with Memory(tmp_path / "m.db") as memory:
        count = memory.count(user="ana")
        assert memory.stats()["pending_embeddings"] == 0  # the vectors are part of the time
    largest = usage.ru_maxrss / 1024
    print(f"\n{count:,} messages of 100 MB in {seconds:.1f} s: {count / seconds:,.0f} messages/s, RSS {largest:.0f} MB")
    assert status == 0
    assert count / seconds >= 3000
    assert largest <= 300
    random.seed(5)
    moments = [random.uniform(1, 6) for _ in range(4)]  # what is known already is passed over quickly
    stopped = sum(killed(tmp_path / "again.db", export, after) for after in moments)
    assert stopped == len(moments)
    subprocess.run(command(tmp_path / "again.db", export), env=environment(), check=True, capture_output=True)
    assert content(tmp_path / "again.db") == content(tmp_path / "m.db")
