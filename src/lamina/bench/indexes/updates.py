"""Searches while an index changes: lists that split under them, and half of a graph that is taken away."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.curves import title
from lamina.bench.indexes.sets import Say, VectorSet
from lamina.bench.indexes.systems import System
from lamina.bench.indexes.truth import recall, truth
from lamina.bench.indexes.windows import HELD
from lamina.bench.results import Row

ADDED: Final = 0.2  # share of the vectors that come while others search
TOGETHER: Final = 256  # vectors added at once
ASKED: Final = 500
FEW: Final = 1_000  # vectors of a first run that counts for nothing
EF: Final = 96


def measure(data: VectorSet, systems: list[System], *, seed: int, say: Say, scratch: Path) -> list[Row]:
    """The rows of our systems that change in place; others have none."""
    names = {one.name for one in systems}
    rows = []
    kind = HELD if HELD in data.queries else data.queries[0]
    base, queries = np.asarray(data.vectors(), np.float32), np.load(data.asked(kind))
    few = base[:FEW], queries[:20], data.groups()[:FEW]
    if "lamina-hnsw" in names:
        say(f"index: half of {data.name} {data.count:,} is taken away")
        deleted(
            few[0], few[1], np.ones(20, np.float32), np.ones(20, np.float32), _left(FEW, seed), seed
        )  # so that compiling is not counted
        left = _left(data.count, seed)
        edges = truth(data, kind), truth(data, kind, left, f"half-{seed}")
        rows.append(Row(f"updates: {title(data, kind, 'lamina-hnsw')}", deleted(base, queries, *edges, left, seed)))
    if "lamina-spann" in names:
        say(f"index: a fifth of {data.name} {data.count:,} comes while others search")
        inserted(few[0], few[1], np.ones(20, np.float32), few[2], scratch / "few")
        row = inserted(base, queries, truth(data, kind), data.groups(), scratch / "all")
        rows.append(Row(f"updates: {title(data, kind, 'lamina-spann')}", row))
    return rows


def _left(count: int, seed: int) -> NDArray[np.bool_]:
    """Which half stays."""
    left = np.ones(count, np.bool_)
    left[np.random.default_rng([seed, 5]).choice(count, count // 2, replace=False)] = False
    return left


def deleted(
    base: NDArray[np.float32],
    queries: NDArray[np.float32],
    edge: NDArray[np.float32],
    edge_left: NDArray[np.float32],
    left: NDArray[np.bool_],
    seed: int,
) -> dict[str, float]:
    """HNSW: recall and seconds before and after half of all is taken away, with tombstones and repaired.

    Parameters: `edge` and `edge_left`, the score of the tenth best of all and of what is left; `left`, which are.
    """
    from lamina.index.hnsw import HNSW

    index = HNSW(base.shape[1], share=0.99, seed=seed)
    index.add(np.arange(len(base)), base)
    found = {f"{name}_before": value for name, value in _timed(index, queries, base, edge, None).items()}
    begin = time.process_time()
    index.remove(np.flatnonzero(~left))
    found["remove_seconds"] = time.process_time() - begin
    found |= {f"{name}_with_tombstones": value for name, value in _timed(index, queries, base, edge_left, left).items()}
    begin = time.process_time()
    index.repair()
    found["repair_seconds"] = time.process_time() - begin
    return found | {f"{name}_repaired": value for name, value in _timed(index, queries, base, edge_left, left).items()}


def _timed(
    index: Any,
    queries: NDArray[np.float32],
    base: NDArray[np.float32],
    edge: NDArray[np.float32],
    left: NDArray[np.bool_] | None,
) -> dict[str, float]:
    index.search(queries[:10], 10, ef=EF)
    begin = time.thread_time()
    slots = index.search(queries, 10, ef=EF)[0]
    took = (time.thread_time() - begin) / len(queries)
    wrong = 0 if left is None else int((~left[slots[slots >= 0]]).sum())
    return {"recall": recall(base, queries, slots, edge), "query_seconds": took, "deleted_found": float(wrong)}


def inserted(
    base: NDArray[np.float32], queries: NDArray[np.float32], edge: NDArray[np.float32], groups: NDArray[np.int32], folder: Path
) -> dict[str, float]:
    """SPANN: what a query takes on the clock at rest and while a fifth of all vectors comes, and what is found afterwards.

    Parameters: `edge`, the score of the tenth best of all; `groups`, the part of the texts that each vector is from: the last parts come later, so that
    they are of another kind than what the clusters were made of; `folder`, a new one.
    """
    from lamina.index.spann.spann import SPANN

    old = len(base) - int(ADDED * len(base))
    order = np.argsort(groups, kind="stable")
    index = SPANN(base.shape[1], folder, metric="ip")
    index.build(order[:old], base[order[:old]])
    index.search(queries[:10], 10)
    at_rest = _latencies(index, queries[:ASKED])
    done = threading.Event()
    took: list[float] = []

    def add() -> None:
        try:
            for start in range(old, len(base), TOGETHER):
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
    while not during or not done.is_set():
        during += _latencies(index, queries[:50])
    adding.join()
    seconds = time.perf_counter() - begin
    slots = index.search(queries, 10)[0]
    found = {"added_per_second": (len(base) - old) / seconds, "recall_afterwards": recall(base, queries, slots, edge)}
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
