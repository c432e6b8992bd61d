"""From rankings to rows: recall at several depths, over all questions and in slices, and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import paired_bootstrap, recall_at_k
from lamina.bench.ranking.collections import Collection
from lamina.bench.results import Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError

DEPTHS: Final = (5, 10, 20)
"""The k of recall@k."""

AT_DEPTHS: Final = tuple(f"recall@{depth}" for depth in DEPTHS)
"""What the recalls at these depths are called."""

Rankings = Mapping[str, Sequence[Sequence[str]]]


def recalls(rankings: Rankings, collections: Sequence[Collection]) -> NDArray[np.float64]:
    """Recall of every question at every depth, shape (questions, depths), in the order of the collections."""
    rows = []
    for collection in collections:
        found = rankings[collection.name]
        if len(found) != len(collection.questions):
            raise InputError(f"{len(found)} rankings for the {len(collection.questions)} questions of {collection.name}")
        for ranking, asked in zip(found, collection.questions, strict=True):
            rows.append([recall_at_k(ranking, asked.gold, depth) for depth in DEPTHS])
    return np.array(rows, np.float64).reshape(-1, len(DEPTHS))


def row(system: str, values: NDArray[np.float64], collections: Sequence[Collection], names: Sequence[str] = AT_DEPTHS) -> Row:
    """Means over all questions, over each slice and over each collection, of `values`, shape (questions, names)."""
    places = [(collection.name, asked.slice) for collection in collections for asked in collection.questions]
    by = {}
    for part in (1, 0):
        for name in sorted({place[part] for place in places}):
            chosen = np.array([place[part] == name for place in places])
            by[name] = {**_means(values[chosen], names), "questions": float(chosen.sum())}
    if len(collections) == 1:
        del by[collections[0].name]
    return Row(system, _means(values, names), by)


def against(
    values: NDArray[np.float64],
    others: Mapping[str, NDArray[np.float64]],
    seed: int = 0,
    names: Sequence[str] = AT_DEPTHS,
) -> dict[str, dict[str, float]]:
    """Slices that say how much higher one system's recalls are than the others', in points, with 95 % intervals.

    The intervals resample questions. Questions about one conversation are not independent, so they are a little narrow.
    """
    slices = {}
    for other_name, other in others.items():
        metrics: dict[str, float] = {}
        for place, name in enumerate(names):
            found = paired_bootstrap(values[:, place], other[:, place], seed=seed)
            metrics[f"{name}_points"] = 100 * found.estimate
            metrics[f"{name}_low_points"] = 100 * found.low
            metrics[f"{name}_high_points"] = 100 * found.high
            metrics[f"{name}_p_value"] = found.p_value
        slices[AGAINST + other_name] = metrics
    return slices


def _means(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    return {name: float(values[:, place].mean()) for place, name in enumerate(names)}
