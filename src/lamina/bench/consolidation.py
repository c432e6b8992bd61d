"""Consolidating: how long it takes and what it holds in memory, what a hundred more messages cost, and whether an interrupted one ends the same.

The messages recombine sentences of the packaged conversation. Each consolidation that is timed runs in a process of its own, on one core's worth of threads.
`--set also=notes,topics` adds stages that are not everybody's; each stage has a row of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lamina.bench.demo import collection
from lamina.bench.results import Result, Row
from lamina.bench.speed.corpus import Corpus
from lamina.consolidation.stages import stages_with
from lamina.errors import Cancelled, InputError
from lamina.memory import Memory
from lamina.records import Filter, Run

USER: Final = "reader"
CLOCK: Final = 2_000_000_000_000_000  # a moment after all messages; what is made does not depend on the day
STEPS: Final = 8  # between two interruptions, at most
State = dict[str, tuple[Any, ...]]


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], messages: int = 10_000, more: int = 100,
    stops: int = 20, also: Sequence[str] | str = (),
) -> Result:  # fmt: skip
    """Consolidate so many messages, then `more`; and once more with `stops` interruptions at random steps."""
    if min(messages, more) < 1 or stops < 0:
        raise InputError("messages and more must be at least 1, stops at least 0")
    names = [name for name in also.split(",") if name] if isinstance(also, str) else list(also)
    stages_with(names)
    every = list(Corpus([(one.speaker or "somebody", one.text) for one in collection().passages], seed).messages(messages + more))
    with tempfile.TemporaryDirectory() as made:
        whole, broken, anew = (Path(made) / f"{name}.db" for name in ("whole", "broken", "anew"))
        for path in (whole, broken):
            _fill(path, every[:messages])
        progress(f"consolidation: {messages:,} messages")
        first = _consolidated(whole, names)
        idle = _consolidated(whole, names)
        progress(f"consolidation: {stops} interruptions")
        stopped = _interrupted(broken, names, stops, seed)
        same = _different(whole, broken)
        _fill(whole, every[messages:])
        progress(f"consolidation: {more:,} messages more")
        second = _consolidated(whole, names)
        _fill(anew, every)
        _consolidated(anew, names)
        incremental = _different(whole, anew)
        rows = [
            Row("consolidate", {"messages": float(messages), "seconds": first["seconds"], "resident_peak_bytes": first["peak"]}),
            *(Row(f"stage {name}", {"seconds": seconds}) for name, seconds in first["stages"].items()),
            Row("nothing new", {"seconds": idle["seconds"]}),
            Row(f"{more} more", {"seconds": second["seconds"], **incremental}),
            *(Row(f"{more} more, stage {name}", {"seconds": seconds}) for name, seconds in second["stages"].items()),
            Row("interrupted", {"interruptions": float(stopped), **same}),
        ]
    config = {"messages": messages, "more": more, "stops": stops, "also": names, "seed": seed, "embedder": "wordllama"}
    return Result("consolidation", "recombined sentences of the packaged conversation", config, rows)


def _fill(path: Path, messages: Sequence[dict[str, Any]]) -> None:
    with Memory(path) as memory:
        memory.add_many(({**one, "origin": f"{one['session']}/{one['at']}"} for one in messages), user=USER)
        memory.flush()


def _consolidated(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """What a process that consolidates a file says of itself."""
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "lamina.bench.consolidation", str(path), *names], capture_output=True, text=True, check=True,
        env={**os.environ, **threads},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _interrupted(path: Path, names: Sequence[str], stops: int, seed: int) -> int:
    """Consolidate with so many interruptions, each after a random number of steps; returns how many there were."""
    drawn, count = random.Random(seed), 0
    while True:
        left = drawn.randint(0, STEPS) if count < stops else None

        def cancelled() -> bool:
            nonlocal left
            if left is None:
                return False
            left -= 1
            return left < 0

        try:
            with Memory(path) as memory:
                memory.consolidate(also=names, run=Run(clock=lambda: CLOCK, cancelled=cancelled))
            return count
        except Cancelled:
            count += 1


def state(path: Path) -> State:
    """What a file holds of derived items, by id: kind, text, state, and the traces each cites by their origins."""
    with Memory(path, read_only=True) as memory:
        items = {item.key: item for item in memory.store.items.each(Filter(scope="*", forgotten=True, stale=True, retired=True))}
        # ids differ from file to file, since those of traces are drawn
        names = {key: item.origin or f"{item.kind} {item.at} {item.text}" for key, item in items.items()}
        derived = [item for item in items.values() if item.kind != "trace"]
        cited: dict[int, list[str]] = {}
        for edge in memory.store.edges.out([item.key for item in derived], ["cites", "contains", "supersedes", "links"]):
            cited.setdefault(edge.src, []).append(f"{edge.kind} {names.get(edge.dst, '?')}")
        found = [
            (item.kind, item.text, item.status, item.at, item.until, tuple(sorted(cited.get(item.key, ())))) for item in derived
        ]
        return {f"{number:08}": row for number, row in enumerate(sorted(found, key=repr))}


def _different(one: Path, other: Path) -> dict[str, float]:
    """How many derived items one file has, and how many of either are not in the other."""
    left, right = ({repr(row) for row in state(path).values()} for path in (one, other))
    return {"items": float(len(left)), "different": float(len(left ^ right))}


def main(path: str, names: Sequence[str]) -> None:
    """Consolidate a file and print what that took, as JSON."""
    import resource

    with Memory(path) as memory:
        begin = time.perf_counter()
        reports = memory.consolidate(also=list(names), run=Run(clock=lambda: CLOCK))
        taken = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    stages: dict[str, float] = {}
    for report in reports:
        stages[report.stage] = stages.get(report.stage, 0.0) + report.seconds
    sys.stdout.write(json.dumps({"seconds": taken, "peak": float(peak), "stages": stages}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
