"""Fitting the ranker's weights, with the ridge chosen and the result judged on conversations that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lamina.algorithms.scorers import recall_at_k
from lamina.bench.ranking.ours import Group, Workbench
from lamina.bench.ranking.scoring import DEPTHS
from lamina.index.flat import top
from lamina.recall.ranker import LinearRanker, fit_listwise

RIDGES: Final = (0.1,)
"""Values of the ridge among which one is chosen. By default there is no choice: the ridge matters little."""

FIXED: Final[Mapping[str, float]] = {"derived": -0.5}
"""Weights that conversations of traces alone cannot teach: between equals, what was observed comes before what was derived."""


def fit(folds: Sequence[Sequence[Group]], ridge: float, provenance: str = "") -> LinearRanker:
    """A ranker fitted on some conversations."""
    groups = [group for fold in folds for group in fold]
    return fit_listwise(groups, l2=ridge, fixed=FIXED, provenance=provenance)


def held_out(folds: Sequence[Sequence[Group]], ridge: float) -> float:
    """Recall of each conversation under weights fitted on the others: mean over questions and depths.

    All passages are scored here; recall itself proposes candidates first.
    """
    values = []
    for place, fold in enumerate(folds):
        ranker = fit([*folds[:place], *folds[place + 1 :]], ridge)
        values += [_mean_recall(ranker, group) for group in fold if group[1].any()]
    return float(np.mean(values))


def choose_ridge(folds: Sequence[Sequence[Group]], ridges: Sequence[float] = RIDGES) -> float:
    """The ridge with the highest `held_out` recall."""
    if len(ridges) == 1:
        return ridges[0]
    return max(ridges, key=lambda ridge: held_out(folds, ridge))


def leave_one_out(
    bench: Workbench, k: int, ridges: Sequence[float] = RIDGES
) -> tuple[dict[str, list[list[str]]], dict[str, float]]:
    """Rankings of every conversation by a ranker that has seen only the others, and the ridge each was fitted with.

    The ridge, too, is chosen on the others alone, by leaving each of them out in turn.
    """
    rankers = left_out_rankers(bench, ridges)
    found = {one.name: bench.rankings(one, rankers[one.name][0], k) for one in bench.collections}
    return found, {name: ridge for name, (_, ridge) in rankers.items()}


def left_out_rankers(bench: Workbench, ridges: Sequence[float] = RIDGES) -> dict[str, tuple[LinearRanker, float]]:
    """For each conversation a ranker fitted on all the others, and the ridge it was fitted with."""
    folds = [bench.groups(collection) for collection in bench.collections]
    found = {}
    for place, collection in enumerate(bench.collections):
        others = [*folds[:place], *folds[place + 1 :]]
        ridge = choose_ridge(others, ridges)
        found[collection.name] = (fit(others, ridge), ridge)
    return found


def _mean_recall(ranker: LinearRanker, group: Group) -> float:
    matrix, relevance = group
    ranked = top(ranker.score(matrix), DEPTHS[-1]).tolist()
    gold = np.flatnonzero(relevance).tolist()
    return sum(recall_at_k(ranked, gold, depth) for depth in DEPTHS) / len(DEPTHS)
