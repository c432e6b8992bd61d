"""Searches while an index changes: lists that split under them, and half of a graph that is taken away."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.sets import HELD, Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import recall, truth
from lamina.bench.results import Row

ADDED: Final = 0.2  # share of the vectors that come while others search
TOGETHER: Final = 256  # vectors added at once
ASKED: Final = 500
EF: Final = 96
PROBES: Final = 64


def measure(data: VectorSet, systems: list[System], *, seed: int, say: Say, scratch: Path) -> list[Row]:
    """The rows of our systems that change in place; others have none."""
    names = {one.name for one in systems}
    rows = []
    kind = HELD if HELD in data.queries else data.queries[0]
    for name, measured in (("lamina-hnsw", deleted), ("lamina-spann", inserted)):
        if name in names:
            say(f"index: updates of {name}, {data.name} {data.count:,}")
            rows.append(Row(f"updates: {name}, {data.name} {data.count:,}, {kind} queries", measured(data, kind, seed, scratch)))
    return rows


def deleted(data: VectorSet, kind: str, seed: int, scratch: Path) -> dict[str, float]:
    """HNSW: recall and seconds before and after half of all is taken away, tombstones and repaired."""
    from lamina.index.hnsw import HNSW

    base, queries = np.asarray(data.vectors(), np.float32), np.load(data.asked(kind))
    index = HNSW(data.dim, share=0.99, seed=seed)
    index.add(np.arange(data.count), base)
    found = {f"{name}_before": value for name, value in _timed(index, queries, base, truth(data, kind), {"ef": EF}).items()}
    gone = np.random.default_rng([seed, 5]).choice(data.count, data.count // 2, replace=False)
    left = np.ones(data.count, np.bool_)
    left[gone] = False
    edge = truth(data, kind, left, f"half-{seed}")
    begin = time.process_time()
    index.remove(gone)
    found["remove_seconds"] = time.process_time() - begin
    found |= {f"{name}_with_tombstones": value for name, value in _timed(index, queries, base, edge, {"ef": EF}, left).items()}
    begin = time.process_time()
    index.repair()
    found["repair_seconds"] = time.process_time() - begin
    found |= {f"{name}_repaired": value for name, value in _timed(index, queries, base, edge, {"ef": EF}, left).items()}
    return found


def _timed(
    index: Any,
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    edge: NDArray[np.float32],
    setting: dict[str, int],
    left: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    index.search(queries[:10], 10, **setting)
    begin = time.thread_time()
    slots = index.search(queries, 10, **setting)[0]
    took = (time.thread_time() - begin) / len(queries)
    wrong = 0 if left is None else int((~left[slots[slots >= 0]]).sum())
    return {"recall": recall(base, queries, slots, edge), "query_seconds": took, "deleted_found": float(wrong)}


def inserted(data: VectorSet, kind: str, seed: int, scratch: Path) -> dict[str, float]:
    """SPANN: what a query takes on the clock at rest and while a fifth of all vectors comes, and what is found afterwards."""
    from lamina.index.spann.spann import SPANN

    base, queries = np.asarray(data.vectors(), np.float32), np.load(data.asked(kind))
    old = data.count - int(ADDED * data.count)
    order = np.argsort(data.groups(), kind="stable")  # the last parts of the texts come later: a shifted set
    index = SPANN(data.dim, scratch / f"updates-{data.count}", metric="ip", probes=PROBES)
    index.build(order[:old], base[order[:old]])
    index.search(queries[:10], 10)
    at_rest = _latencies(index, queries[:ASKED])
    done = threading.Event()
    took: list[float] = []

    def add() -> None:
        try:
            for start in range(old, data.count, TOGETHER):
                begin = time.perf_counter()
                slots = order[start : start + TOGETHER]
                index.add(slots, base[slots])
                took.append(time.perf_counter() - begin)
        finally:
            done.set()

    adding = threading.Thread(target=add)
    begin = time.perf_counter()
    adding.start()
    during: list[float] = []
    while not done.is_set():
        during += _latencies(index, queries[:50])
    adding.join()
    seconds = time.perf_counter() - begin
    slots = index.search(queries, 10)[0]
    found = {
        "added_per_second": (data.count - old) / seconds,
        "recall_afterwards": recall(base, queries, slots, truth(data, kind)),
    }
    for name, times in (("at_rest", at_rest), ("while_adding", during), ("adding", took)):
        found |= {f"p50_seconds_{name}": float(np.quantile(times, 0.5)), f"p99_seconds_{name}": float(np.quantile(times, 0.99))}
    found["p99_while_adding_to_p50_at_rest"] = found["p99_seconds_while_adding"] / found["p50_seconds_at_rest"]
    found["p99_to_p50_while_adding"] = found["p99_seconds_while_adding"] / found["p50_seconds_while_adding"]
    stats = index.stats()
    return found | {name: float(stats[name]) for name in ("longest_list", "lists") if name in stats}


def _latencies(index: Any, queries: NDArray[np.float32]) -> list[float]:
    took = []
    for row in range(len(queries)):
        begin = time.perf_counter()
        index.search(queries[row : row + 1], 10)
        took.append(time.perf_counter() - begin)
    return took
