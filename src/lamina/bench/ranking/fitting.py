"""Fitting the ranker's weights, with the ridge chosen and the result judged on conversations that were left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from lamina.algorithms.scorers import recall_at_k
from lamina.bench.ranking.ours import Group, Workbench
from lamina.bench.ranking.scoring import DEPTHS
from lamina.index.flat import top
from lamina.recall.features import FEATURES
from lamina.recall.ranker import LinearRanker, fit_listwise

RIDGES: Final = (0.3,)
"""Values of the ridge among which one is chosen. By default there is no choice: the ridge matters little."""

FIXED: Final[Mapping[str, float]] = {"derived": -0.5}
"""Weights that traces alone cannot teach: between equals, what was observed comes before what was derived."""
WALKED: Final[Mapping[str, float]] = {"walk": 1.0}
"""What a walk adds is in the unit of the score it starts from, so its weight is 1. In turns it was worth nothing, and is left out."""

TURNS: Final = (
    "soft", "soft_around", "topic_near", "dense", "dense_length", "dense_near", "window5", "dense_before_two",
    "session_coverage", "session_dense", "first_in_session", "position", "named_speaker", "named_first_person", "named_soft",
    "answers", "after_question", "is_question", "length", "names", "tells_when", "tells_count", "tells_where", "in_named_time",
    "tells_named_time",
)  # fmt: skip
"""Features of what is said in turns. A first fit had more; those were left out without which it did no worse on left-out
conversations: the exact words of an item say little beside the same words with their likes, and with what is around."""

DOCUMENTS: Final = (
    "bm25", "coverage", "coverage_squared", "lead", "soft", "dense", "dense_unsaid", "length", "names", "tells_when",
    "tells_count", "tells_where", "in_named_time",
    "tells_named_time",
)  # fmt: skip
"""Features of what stands by itself: what is beside a note or a document says nothing about it."""


def fit(folds: Sequence[Sequence[Group]], ridge: float, names: Sequence[str] = TURNS, provenance: str = "") -> LinearRanker:
    """A ranker fitted on some collections, by these features."""
    chosen = [place for place, feature in enumerate(FEATURES) if feature.name in names]
    features = [FEATURES[place] for place in chosen]
    groups = [(matrix[:, chosen], relevance) for fold in folds for matrix, relevance in fold]
    fitted = fit_listwise(groups, features, l2=ridge)
    fixed = {**FIXED, **WALKED} if names == DOCUMENTS else FIXED
    return LinearRanker({**fitted.weights, **fixed}, provenance)


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
    bench: Workbench, k: int, ridges: Sequence[float] = RIDGES, also: Sequence[Sequence[Group]] = ()
) -> tuple[dict[str, list[list[str]]], dict[str, float]]:
    """Rankings of every conversation by a ranker that has seen only the others, and the ridge each was fitted with.

    The ridge, too, is chosen on the others alone, by leaving each of them out in turn. `also`: groups of further collections,
    none of which is ranked, that every fit sees; each of their questions counts as much as one of the others.
    """
    rankers = left_out_rankers(bench, ridges, also)
    found = {one.name: bench.rankings(one, rankers[one.name][0], k) for one in bench.collections}
    return found, {name: ridge for name, (_, ridge) in rankers.items()}


def left_out_rankers(
    bench: Workbench, ridges: Sequence[float] = RIDGES, also: Sequence[Sequence[Group]] = ()
) -> dict[str, tuple[LinearRanker, float]]:
    """For each conversation a ranker fitted on all the others (and on what is `also` given), and the ridge it was fitted with."""
    folds = [bench.groups(collection) for collection in bench.collections]
    found = {}
    for place, collection in enumerate(bench.collections):
        others = [*folds[:place], *folds[place + 1 :]]
        ridge = choose_ridge(others, ridges)
        found[collection.name] = (fit([*others, *also], ridge), ridge)
    return found


def _mean_recall(ranker: LinearRanker, group: Group) -> float:
    matrix, relevance = group
    ranked = top(ranker.score(matrix), DEPTHS[-1]).tolist()
    gold = np.flatnonzero(relevance).tolist()
    return sum(recall_at_k(ranked, gold, depth) for depth in DEPTHS) / len(DEPTHS)
