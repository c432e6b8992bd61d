"""How many distances a search in a graph computes as the graph grows, on uniform data of few dimensions and of many.

The nearest one is looked for: with ten of them, the ten candidates that a search must keep find them in few dimensions whatever the size.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.sets import Say
from lamina.bench.results import Row

STEPS: Final = (1_000, 4_000, 16_000, 64_000)
DIMENSIONS: Final = (4, 8, 256)
TARGET: Final = 0.95
QUERIES: Final = 500
DRAWN: Final = 3  # graphs of which the mean is taken: how tall one becomes is chance
FINE: Final = tuple(sorted({round(1.15**step) for step in range(60)}))


def measure(steps: list[int], *, seed: int, say: Say) -> list[Row]:
    """A row for each number of dimensions, in layers and in one layer alone: distances a query at recall@1 0.95, and how a + b·log n fits them."""
    rows = []
    for dim in DIMENSIONS:
        for flat in (False, True):
            by = {}
            for size in steps:
                say(f"index: distances, {dim} dimensions, {size:,}{', one layer' if flat else ''}")
                by[f"{size:,}"] = {
                    "vectors": float(size),
                    **_mean([_distances(size, dim, flat, [seed, drawn]) for drawn in range(DRAWN)]),
                }
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


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure; nothing where one did not reach the target."""
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]} if all(found) else {}


def _distances(size: int, dim: int, flat: bool, seed: list[int]) -> dict[str, float]:
    """Distances a query at the target, between the two settings around it."""
    from lamina.index.hnsw import HNSW

    random = np.random.default_rng([*seed, size, dim])
    base, queries = random.random((size, dim), np.float32), random.random((QUERIES, dim), np.float32)
    index = HNSW(dim, metric="l2", M=16, ef_construction=200, flat=flat, seed=seed[1])
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
    """The squared distance of the nearest."""
    lengths = (base.astype(np.float64) ** 2).sum(axis=1)
    away = (
        lengths[None]
        - 2.0 * (queries.astype(np.float64) @ base.T.astype(np.float64))
        + (queries.astype(np.float64) ** 2).sum(axis=1)[:, None]
    )
    return np.asarray(away.min(axis=1))


def _asked(index: Any, queries: NDArray[np.float32], edge: NDArray[np.float64], ef: int) -> tuple[float, float]:
    before = index.computed + index.spared  # all that are looked at, so that sketches make no difference
    _, scores = index.search(queries, 1, ef=ef)
    good = -scores[:, 0] <= edge * (1 + 1e-5) + 1e-6
    return float(good.mean()), (index.computed + index.spared - before) / len(queries)
