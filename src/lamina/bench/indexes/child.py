"""A process that holds one index: it builds or opens it, and answers rounds of all queries when it is told to.

Run as `python -m lamina.bench.indexes.child MODULE CLASS PARAMETERS`; for another interpreter by its path, with a module that lies beside this file.
Needs numpy alone. Reads one JSON object a line and answers with one; what libraries print goes nowhere.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

K = 10
PAGE = 4096  # bytes
WARM = 600  # vectors of the small index
RESIDENT = re.compile(r"^(?:RssAnon|RssFile):\s+(\d+) kB", re.M)


def resident() -> int:
    """Bytes of this process in memory, anonymous and of files (0 where the system does not tell)."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass
    return 1024 * sum(int(one) for one in RESIDENT.findall(status.read_text()))


class Holder:
    """Does what it is told with one index.

    Parameters: `index`, an adapter with `build(base, folder, threads)`, `open(base, folder)`, `search(queries, k, setting, allow)` and `counts()`,
    all that was counted so far.
    """

    def __init__(self, index: Any) -> None:
        self.index = index
        self.queries: dict[str, Any] = {}
        self.allow: Any = None
        self.before = 0

    def build(self, base: str, folder: str, threads: int) -> dict[str, Any]:
        """Build into a folder; seconds on the clock and of the processor."""
        rows = np.load(base, mmap_mode="r")
        self._touch(rows)
        clock, processor = time.perf_counter(), time.process_time()
        self.index.build(rows, Path(folder), threads)
        return {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}

    def _touch(self, rows: Any) -> None:
        rows.reshape(-1).view(np.uint8)[::PAGE].max()  # so that no build waits for the disk

    def ready(self, queries: dict[str, str], setting: dict[str, Any]) -> dict[str, Any]:
        """Load all code, by a small index, and the queries; memory from here on counts for the index."""
        self.queries = {kind: np.load(path) for kind, path in queries.items()}
        dim = next(iter(self.queries.values())).shape[1]
        getattr(self.index, "warm", self._warm)(dim, setting)
        self.before = resident()
        return {"baseline_bytes": self.before}

    def _warm(self, dim: int, setting: dict[str, Any]) -> None:
        rows = np.random.default_rng(0).normal(size=(WARM, dim)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        with tempfile.TemporaryDirectory() as made:
            base = Path(made) / "base.npy"
            np.save(base, rows)
            self.index.build(rows, Path(made), 1)
            self.index.open(base, Path(made))
            self.index.search(rows[:2], K, setting, None)
            getattr(self.index, "close", int)()
            getattr(self.index, "compile", int)()
            self.index.index = None

    def open(self, base: str, folder: str) -> dict[str, Any]:
        """Open what was built."""
        clock = time.perf_counter()
        self.index.open(Path(base), Path(folder))
        return {"seconds": time.perf_counter() - clock}

    def permit(self, path: str | None) -> dict[str, Any]:
        """Search among the vectors of a mask alone from now on, or among all."""
        self.allow = None if path is None else self.index.mask(np.load(path))
        return {}

    def round(self, kind: str, setting: dict[str, Any], keep: str | None = None) -> dict[str, Any]:
        """All queries at once."""
        queries, before = self.queries[kind], self.index.counts()
        clock, processor = time.perf_counter(), time.process_time()
        found = self.index.search(queries, K, setting, self.allow)
        told = {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}
        if keep is not None:
            np.save(keep, np.asarray(found, np.int64))
        after = self.index.counts()
        return {**told, **{name: (after[name] - before[name]) / len(queries) for name in after}}

    def singly(self, kind: str, setting: dict[str, Any], count: int, keep: str | None = None) -> dict[str, Any]:
        """Queries one at a time, each of them timed: milliseconds on the clock, and seconds of the processor for all."""
        queries, clocks, found, before = self.queries[kind][:count], [], [], self.index.counts()
        processor = time.process_time()
        for row in range(len(queries)):
            clock = time.perf_counter()
            found.append(self.index.search(queries[row : row + 1], K, setting, self.allow))
            clocks.append(time.perf_counter() - clock)
        processor = time.process_time() - processor
        if keep is not None:
            np.save(keep, np.concatenate([np.asarray(one, np.int64) for one in found]))
        after = self.index.counts()
        counted = {name: (after[name] - before[name]) / len(queries) for name in after}
        median, late = np.quantile(clocks, [0.5, 0.99])
        plan = str(getattr(self.index, "plan", ""))
        return {"p50_seconds": float(median), "p99_seconds": float(late), "processor_seconds": processor, "plan": plan, **counted}

    def memory(self) -> dict[str, Any]:
        """What came on top since the queries were loaded."""
        return {"resident_bytes": resident() - self.before}


def serve(index: Any) -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    holder = Holder(index)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = getattr(holder, asked.pop("do"))(**asked)
        except Exception as error:  # noqa: BLE001 - the parent says it: it knows whose index this is
            told = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(told) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(getattr(import_module(sys.argv[1]), sys.argv[2])(**json.loads(sys.argv[3])))
