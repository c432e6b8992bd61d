"""From rankings to rows: recall at several depths (and whatever else is measured), over all questions and in slices, and paired
differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import paired_bootstrap, recall_at_k
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.results import Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError

DEPTHS: Final = (5, 10, 20)
"""The k of recall@k."""

Rankings = Mapping[str, Sequence[Sequence[str]]]
Measure = Callable[[Sequence[str], Set[str]], float]
"""A figure from the ids that were found, best first, and those that answer."""


def recall_measures(depths: Sequence[int] = DEPTHS) -> dict[str, Measure]:
    """recall@k at several depths: the share of what answers that stands among the first k.

    >>> recall_measures([2])["recall@2"](["a", "x", "b"], {"a", "b"})
    0.5
    """
    return {f"recall@{depth}": partial(recall_at_k, k=depth) for depth in depths}


def any_at(ranked: Sequence[str], gold: Set[str], k: int) -> float:
    """1 where something that answers stands among the first k, else 0.

    >>> any_at(["x", "a"], {"a", "b"}, k=2), any_at(["x", "a"], {"a", "b"}, k=1)
    (1.0, 0.0)
    """
    return float(recall_at_k(ranked, gold, k) > 0)


def all_at(ranked: Sequence[str], gold: Set[str], k: int) -> float:
    """1 where everything that answers stands among the first k, else 0.

    >>> all_at(["b", "a"], {"a", "b"}, k=2), all_at(["b", "a"], {"a", "b"}, k=1)
    (1.0, 0.0)
    """
    return float(recall_at_k(ranked, gold, k) == 1)


RECALLS: Final[Mapping[str, Measure]] = recall_measures()


def measured(
    rankings: Rankings, collections: Sequence[Collection], measures: Mapping[str, Measure] = RECALLS
) -> NDArray[np.float64]:
    """Each measure of every question, shape (questions, measures), in the order of the collections."""
    rows = []
    for collection in collections:
        found = rankings[collection.name]
        if len(found) != len(collection.questions):
            raise InputError(f"{len(found)} rankings for the {len(collection.questions)} questions of {collection.name}")
        for ranking, asked in zip(found, collection.questions, strict=True):
            rows.append([measure(ranking, asked.gold) for measure in measures.values()])
    return np.array(rows, np.float64).reshape(-1, len(measures))


def measure_systems(
    systems: Sequence[System],
    collections: Sequence[Collection],
    say: Callable[[str], None],
    measures: Mapping[str, Measure] = RECALLS,
    k: int = DEPTHS[-1],
) -> dict[str, NDArray[np.float64]]:
    """What `measured` gives for the best k of each system, by its name; `say` is told whose turn it is."""
    values = {}
    for system in systems:
        say(system.name)
        values[system.name] = measured(system.rankings(collections, k), collections, measures)
    return values


def recalls(rankings: Rankings, collections: Sequence[Collection]) -> NDArray[np.float64]:
    """Recall of every question at every depth, shape (questions, depths), in the order of the collections."""
    return measured(rankings, collections)


def row(
    system: str, values: NDArray[np.float64], collections: Sequence[Collection], names: Sequence[str] = tuple(RECALLS)
) -> Row:
    """Means over all questions, over each slice and over each collection; `names` of the measures."""
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
    values: NDArray[np.float64], others: Mapping[str, NDArray[np.float64]], seed: int = 0, names: Sequence[str] = tuple(RECALLS)
) -> dict[str, dict[str, float]]:
    """Slices that say how much higher one system's figures are than the others', in points, with 95 % intervals.

    The intervals resample questions. Questions about one conversation are not independent, so they are a little narrow.
    """
    slices = {}
    for name, other in others.items():
        metrics: dict[str, float] = {}
        for place, measure in enumerate(names):
            metrics |= difference(measure, values[:, place], other[:, place], seed)
        slices[AGAINST + name] = metrics
    return slices


def difference(name: str, values: NDArray[np.float64], other: NDArray[np.float64], seed: int = 0) -> dict[str, float]:
    """How much higher the mean of one measure is, in points, with the bounds of its interval and the p-value of no difference."""
    found = paired_bootstrap(values, other, seed=seed)
    return {
        f"{name}_points": 100 * found.estimate,
        f"{name}_low_points": 100 * found.low,
        f"{name}_high_points": 100 * found.high,
        f"{name}_p_value": found.p_value,
    }


def _means(values: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    return dict(zip(names, values.mean(axis=0).tolist(), strict=True))
