"""The ranker and its fitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.recall.features import FEATURES
from lamina.recall.ranker import LinearRanker, Regimes, fit_listwise, shipped_regimes

NAMES = [feature.name for feature in FEATURES]


@given(st.integers(0, 1000))
def test_reasons_sum_to_the_score(seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights = {name: float(generator.normal()) for name in NAMES if generator.random() < 0.7}
    ranker = LinearRanker(weights)
    matrix = generator.normal(size=(5, len(FEATURES))).astype(np.float32)
    matrix[:, generator.random(len(FEATURES)) < 0.3] = 0
    for row, score in zip(matrix, ranker.score(matrix), strict=True):
        reasons = ranker.reasons(row)
        assert sum(reason.contribution for reason in reasons) == pytest.approx(float(score), abs=1e-4)
        assert [abs(reason.contribution) for reason in reasons] == sorted((abs(r.contribution) for r in reasons), reverse=True)
        for reason in reasons:
            assert reason.contribution == pytest.approx(reason.value * weights[reason.feature], rel=1e-5)
            assert reason.words


def test_the_shipped_rankers_know_every_feature_they_weigh() -> None:
    for ranker in (shipped_regimes().turns, shipped_regimes().documents):
        assert set(ranker.weights) <= set(NAMES)
        assert np.isfinite(ranker.vector).all()
        assert ranker.provenance


def test_every_feature_is_weighed_in_some_regime() -> None:
    shipped = shipped_regimes()
    assert {*shipped.turns.weights, *shipped.documents.weights} == set(NAMES)


def test_between_two_regimes_the_weights_lie_between() -> None:
    shipped = Regimes(LinearRanker({"bm25": 1.0, "dense": 2.0}), LinearRanker({"bm25": 3.0}))
    assert shipped.mixed(1.0) is shipped.turns
    assert shipped.mixed(0.0) is shipped.documents
    assert shipped.mixed(0.25).weights == {"bm25": 2.5, "dense": 0.5}
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            shipped.mixed(share)


def test_a_weight_without_a_feature_is_refused() -> None:
    with pytest.raises(InputError, match="unknown features: nonsense"):
        LinearRanker({"nonsense": 1.0})


def groups(shuffle: bool = False, queries: int = 120, candidates: int = 30) -> tuple[list[Any], dict[str, float]]:
    """Queries in which the relevant candidate was drawn by a softmax of planted weights, or at random."""
    generator = np.random.default_rng(0)
    planted = {"bm25": 2.0, "dense": 1.0, "is_question": -1.5}
    truth = np.array([planted.get(name, 0.0) for name in NAMES])
    made = []
    for _ in range(queries):
        matrix = generator.normal(size=(candidates, len(FEATURES))).astype(np.float32)
        matrix[:, NAMES.index("derived")] = 0  # a feature that says nothing
        scores = matrix @ truth
        share = np.exp(scores - scores.max())
        chosen = generator.choice(candidates, p=None if shuffle else share / share.sum())
        relevance = np.zeros(candidates, np.float32)
        relevance[chosen] = 1
        made.append((matrix, relevance))
    return made, planted


def ranks(ranker: LinearRanker, made: list[Any]) -> float:
    """Mean reciprocal rank of the relevant candidate."""
    places = [int((ranker.score(matrix) >= ranker.score(matrix)[relevance > 0][0]).sum()) for matrix, relevance in made]
    return float(np.mean([1 / place for place in places]))


def test_fitting_finds_the_planted_weights_and_none_where_there_are_none() -> None:
    made, planted = groups()
    ranker = fit_listwise(made[:80], l2=1e-2)
    for name in NAMES:
        assert ranker.weights[name] == pytest.approx(planted.get(name, 0.0), abs=0.6), name
    assert ranker.weights["derived"] == 0
    shuffled = fit_listwise(groups(shuffle=True)[0][:80], l2=1e-2)
    chance = float(np.mean([1 / place for place in range(1, 31)]))
    assert ranks(ranker, made[80:]) > 3 * chance
    assert ranks(shuffled, made[80:]) < 2 * chance


def test_a_fixed_weight_is_kept_and_an_empty_query_passed_over() -> None:
    made, _ = groups(queries=10)
    empty = (made[0][0], np.zeros(30, np.float32))
    ranker = fit_listwise([*made, empty], fixed={"derived": -0.5, "bm25": 7.0}, steps=20, provenance="here")
    assert (ranker.weights["derived"], ranker.weights["bm25"], ranker.provenance) == (-0.5, 7.0, "here")
    assert ranker.weights == fit_listwise(made, fixed={"derived": -0.5, "bm25": 7.0}, steps=20).weights
    with pytest.raises(InputError, match="nothing to fit"):
        fit_listwise([empty])
