"""How many distances a search in a graph computes as the graph grows, on uniform data of few dimensions and of many."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.sets import Say
from lamina.bench.results import Row

STEPS: Final = (1_000, 4_000, 16_000, 64_000)
DIMENSIONS: Final = (4, 8, 256)
TARGET: Final = 0.95
QUERIES: Final = 200
FINE: Final = tuple(sorted({round(10 * 1.15**step) for step in range(40)}))


def measure(steps: list[int], *, seed: int, say: Say) -> list[Row]:
    """A row for each number of dimensions, in layers and in one layer alone: distances a query at recall 0.95, and how a + b·log n fits them."""
    rows = []
    for dim in DIMENSIONS:
        for flat in (False, True):
            by = {}
            for size in steps:
                say(f"index: distances, {dim} dimensions, {size:,}{', one layer' if flat else ''}")
                by[f"{size:,}"] = {"vectors": float(size), **_distances(size, dim, flat, seed)}
            name = f"distances: lamina-hnsw{' in one layer' if flat else ''}, uniform, {dim} dimensions"
            rows.append(Row(name, fitted(by), by))
    return rows


def fitted(by: dict[str, dict[str, float]]) -> dict[str, float]:
    """a + b·log n by least squares, its share of the variance, the growth in all, and the slope on logarithmic axes.

    >>> found = fitted({str(n): {"vectors": n, "distances": 3 * np.log(n)} for n in (10, 100, 1000)})
    >>> round(found["distances_per_e_fold"], 6), round(found["r_squared"], 6)
    (3.0, 1.0)
    """
    known = [(one["vectors"], one["distances"]) for one in by.values() if "distances" in one]
    if len(known) < 2:
        return {}
    size, took = np.log([a for a, _ in known]), np.array([b for _, b in known])
    slope, start = np.polyfit(size, took, 1)
    spread = float(((took - took.mean()) ** 2).sum())
    rest = float(((took - start - slope * size) ** 2).sum())
    return {
        "distances_at_one": float(start),
        "distances_per_e_fold": float(slope),
        "r_squared": 1 - rest / spread if spread else 1.0,
        "largest_to_smallest": float(took[-1] / took[0]),
        "exponent": float(np.polyfit(size, np.log(took), 1)[0]),
    }


def _distances(size: int, dim: int, flat: bool, seed: int) -> dict[str, float]:
    """Distances a query at the target, between the two settings around it."""
    from lamina.index.hnsw import HNSW

    random = np.random.default_rng([seed, size, dim])
    base, queries = random.random((size, dim), np.float32), random.random((QUERIES, dim), np.float32)
    index = HNSW(dim, metric="l2", M=16, ef_construction=200, flat=flat, seed=seed)
    index.add(np.arange(size), base)
    edge = _edges(base, queries)
    before: tuple[float, float] | None = None
    for ef in FINE:
        share, took = _asked(index, queries, edge, ef)
        if share >= TARGET:
            if before is None or share == before[0]:
                return {"distances": took, "recall": share, "ef": float(ef)}
            part = (TARGET - before[0]) / (share - before[0])
            return {"distances": before[1] + part * (took - before[1]), "recall": share, "ef": float(ef)}
        before = (share, took)
        if ef > size:
            break
    return {}


def _edges(base: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.float64]:
    """The squared distance of the tenth nearest."""
    lengths = (base.astype(np.float64) ** 2).sum(axis=1)
    away = (
        lengths[None]
        - 2.0 * (queries.astype(np.float64) @ base.T.astype(np.float64))
        + (queries.astype(np.float64) ** 2).sum(axis=1)[:, None]
    )
    return np.asarray(np.partition(away, 9, axis=1)[:, 9])


def _asked(index: Any, queries: NDArray[np.float32], edge: NDArray[np.float64], ef: int) -> tuple[float, float]:
    before = index.computed
    _, scores = index.search(queries, 10, ef=ef)
    good = (-scores <= edge[:, None] * (1 + 1e-5) + 1e-6).sum(axis=1).clip(max=10)
    return float(good.mean() / 10), (index.computed - before) / len(queries)
