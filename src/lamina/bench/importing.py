"""Importing a large export of ChatGPT: messages a second, memory, and whether an import that is killed goes on without a double.

The export is written for the purpose, in its true form and the same for the same seed. Every import is `lamina ingest` in a process of its own, so the
figures hold its start, reading, storing and embedding. The kills are SIGKILL, at moments counted in messages stored.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lamina.bench.chatgpt_export import write_export
from lamina.bench.results import Metrics, Result, Row
from lamina.errors import InputError, LaminaError
from lamina.memory import Memory
from lamina.records import Filter
from lamina.scopes import make_scope

USER: Final = "reader"
KILLS: Final = (0.02, 0.3, 0.6, 0.95)
"""When an import is killed, as shares of its messages."""
LOOK: Final = 0.02
"""Seconds between two looks at an import from outside."""
PATIENCE: Final = 3_600
"""Seconds after which an import is given up."""
_PEAK: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.M)


@dataclass(frozen=True)
class Outcome:
    """What was seen of one import from outside. Seconds count from its start; 0 bytes where the system does not tell."""

    seconds: float
    acknowledged: float
    peak_bytes: float
    killed: bool


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    megabytes: float = 100,
    kills: Sequence[float] | float = KILLS,
) -> Result:
    """Import an export of so many million bytes in one go, once more, and killed at each of `kills` (shares of the messages) and resumed."""
    moments = [kills] if isinstance(kills, (int, float)) else list(kills)
    if not 0.1 <= megabytes <= 100_000:
        raise InputError(f"megabytes must be from 0.1 to 100,000, not {megabytes}")
    if not moments or not all(0 < moment < 1 for moment in moments):
        raise InputError(f"kills must be shares between 0 and 1, such as [0.3,0.6], not {kills!r}")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        export, whole, again = folder / "conversations.json", folder / "whole.db", folder / "again.db"
        progress(f"importing: writing an export of {megabytes:g} MB")
        size = write_export(export, megabytes, seed)
        progress("importing: in one go")
        once = watch(whole, export)
        total = stored(whole)
        progress("importing: the same once more")
        repeated = watch(whole, export)
        doubles = stored(whole) - total
        by: dict[str, Metrics] = {}
        for moment in sorted(moments):
            progress(f"importing: killed at {moment:.0%}")
            stopped = watch(again, export, kill_at=max(1, int(moment * total)))
            by[f"killed at {moment:.0%}"] = {
                "killed": float(stopped.killed),
                "messages": float(stored(again)),
                "seconds": stopped.seconds,
            }
        progress("importing: the rest")
        rest = watch(again, export)
        rows = [
            Row(
                "lamina ingest",
                {
                    "messages": float(total),
                    "embedded_per_second": total / once.seconds,
                    "acknowledged_per_second": total / once.acknowledged,
                    "seconds": once.seconds,
                    "resident_peak_bytes": once.peak_bytes,
                    "file_bytes": float(whole.stat().st_size),
                },
            ),
            Row(
                "lamina ingest, once more",
                {
                    "messages": float(total),
                    "seconds": repeated.seconds,
                    "doubles": float(doubles),
                    "resident_peak_bytes": repeated.peak_bytes,
                },
            ),
            Row("lamina ingest, killed and resumed", {**differences(whole, again), "resident_peak_bytes": rest.peak_bytes}, by),
        ]
    config = {"megabytes": megabytes, "bytes": size, "kills": moments, "seed": seed, "embedder": "wordllama"}
    return Result("importing", f"an export of ChatGPT of {size / 1e6:.1f} MB, written for it", config, rows)


def watch(store: Path, export: Path, kill_at: int | None = None) -> Outcome:
    """Import an export into a store, and kill that as soon as the store has so many messages. Raises `LaminaError` where it fails."""
    source = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}  # no settings, no keys
    environment = {
        **ours, "PYTHONPATH": os.pathsep.join([source, known] if known else [source]), "LAMINA_EMBEDDER": "wordllama",
    }  # fmt: skip
    command = [sys.executable, "-m", "lamina", "ingest", str(store), str(export), "--user", USER, "--quiet"]
    begin = time.perf_counter()
    acknowledged = peak = 0.0
    most = 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(LOOK)
            peak = max(peak, _peak(process.pid))
            now = stored(store)
            if now > most:
                most, acknowledged = now, time.perf_counter() - begin
            if (kill_at is not None and now >= kill_at) or time.perf_counter() - begin > PATIENCE:
                process.kill()
        seconds = time.perf_counter() - begin
        told = process.stderr.read() if process.stderr is not None else ""
    killed = process.returncode < 0
    if process.returncode and not killed:
        raise LaminaError(f"lamina ingest failed ({process.returncode}): {told.strip()[-300:]}")
    return Outcome(seconds, acknowledged or seconds, peak, killed)


def stored(store: Path) -> int:
    """How many items a store has, seen from outside while somebody writes; 0 where it is not there yet."""
    if not store.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as file:
            return int(file.execute("SELECT max(key) FROM item").fetchone()[0] or 0)
    except sqlite3.Error:
        return 0


def _peak(process: int) -> float:
    """The most bytes a process has had in memory; 0 where the system does not tell."""
    try:
        found = _PEAK.search(Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return 1024.0 * int(found[1]) if found else 0.0


def differences(whole: Path, again: Path) -> dict[str, float]:
    """What two stores that should be alike have and lack: messages told apart by origin, text, time and session; damage that `doctor` finds."""
    counts, contents = [], []
    for path in (whole, again):
        with Memory(path) as memory:
            items = memory.store.items.each(Filter(scope=make_scope(user=USER), kinds=("trace",)))
            found = [(item.origin, hash(item.text), item.at, item.session) for item in items]
            findings = len(memory.doctor())
            waiting = memory.stats()["pending_embeddings"]
        counts.append(len(found))
        contents.append(set(found))
    return {
        "messages": float(counts[1]),
        "missing": float(len(contents[0] - contents[1])),
        "doubles": float(counts[1] - len(contents[0] & contents[1])),
        "findings": float(findings),
        "without_vector": float(waiting),
    }
