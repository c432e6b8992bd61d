"""Fitting around a prior: what it finds, how far it moves, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.listwise import RankedList, fit_shift, mean_loss
from lamina.errors import InputError

WIDTH = 6
PLANTED = np.array([1.5, 0.0, -1.0, 0.0, 0.0, 0.0])


def made(seed: int, count: int, planted: Any = PLANTED, candidates: int = 30) -> list[RankedList]:
    """Lists whose good candidate is drawn by a softmax of the prior's scores and a planted shift."""
    generator = np.random.default_rng(seed)
    prior = np.array([0.5, 1.0, 0.0, 0.0, -0.5, 0.0])
    lists = []
    for _ in range(count):
        features = generator.normal(size=(candidates, WIDTH))
        features[:, -1] = 3.0  # says nothing
        scores = features @ prior
        weights = np.exp(scores + features @ planted)
        target = np.zeros(candidates, np.float32)
        target[generator.choice(candidates, p=weights / weights.sum())] = 1
        lists.append(RankedList(features.astype(np.float32), scores.astype(np.float32), target))
    return lists


def test_a_planted_shift_is_found_and_helps_on_what_was_left_out() -> None:
    shift = fit_shift(made(0, 800), l2=1.0)
    np.testing.assert_allclose(shift, PLANTED, atol=0.25)
    rest = made(1, 200)
    assert mean_loss(rest, shift) < mean_loss(rest, np.zeros(WIDTH)) - 0.5


def test_where_the_prior_is_right_it_hardly_moves() -> None:
    """The control: nothing is planted."""
    nothing = np.zeros(WIDTH)
    assert np.abs(fit_shift(made(0, 800, nothing), l2=30.0)).max() < 0.1
    assert np.abs(fit_shift(made(0, 5, nothing), l2=30.0)).max() < 0.15
    assert np.abs(fit_shift(made(0, 5, nothing), l2=1e-3)).max() > 0.4  # without the pull, five lists swing the weights


def test_more_lists_move_it_farther_and_a_stronger_pull_less() -> None:
    sizes = [np.linalg.norm(fit_shift(made(0, count), l2=30.0)) for count in (1, 10, 100, 1000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.2 * sizes[-1]
    pulls = [np.linalg.norm(fit_shift(made(0, 50), l2=l2)) for l2 in (1e4, 100.0, 1.0)]
    assert pulls == sorted(pulls)


def test_a_feature_that_never_varies_stays_and_one_that_hardly_varies_does_not_swing_out() -> None:
    assert fit_shift(made(0, 100), l2=1.0)[-1] == 0
    narrow = [RankedList(one.features * np.float32(0.01), one.scores, one.target) for one in made(0, 3)]
    assert np.abs(fit_shift(narrow, l2=30.0)).max() < 0.1


@given(st.integers(0, 10_000), st.floats(0.1, 100))
def test_no_step_beside_the_optimum_is_better(seed: int, l2: float) -> None:
    generator = np.random.default_rng(seed)
    lists = made(seed, int(generator.integers(1, 6)), candidates=int(generator.integers(2, 12)))
    spread = np.concatenate([one.features for one in lists]).std(0).clip(0.2)

    def objective(shift: Any) -> float:
        return len(lists) * mean_loss(lists, shift) + l2 / 2 * float(((shift * spread) ** 2).sum())

    best = fit_shift(lists, l2)
    for step in generator.normal(size=(20, WIDTH)) * 0.05:
        assert objective(best) <= objective(best + step) + 1e-6


@pytest.mark.parametrize(
    ("features", "scores", "target", "words"),
    [
        ([[1.0], [2.0]], [0.0], [1.0, 0.0], "not \\(2, 1\\), \\(1,\\) and \\(2,\\)"),
        ([[1.0], [np.nan]], [0.0, 0.0], [1.0, 0.0], "NaN"),
        ([[1.0], [2.0]], [0.0, np.inf], [1.0, 0.0], "NaN or infinity"),
        ([[1.0], [2.0]], [0.0, 0.0], [1.0, 1.0], "sum of 1, not 2"),
        ([[1.0], [2.0]], [0.0, 0.0], [2.0, -1.0], "not negative"),
        ([[1.0], [2.0]], [0.0, 0.0], [0.0, 0.0], "sum of 1, not 0"),
    ],
)
def test_what_is_no_list_is_refused(features: Any, scores: Any, target: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        RankedList(np.array(features, np.float32), np.array(scores, np.float32), np.array(target, np.float32))


def test_nothing_to_fit_and_no_pull_are_refused() -> None:
    with pytest.raises(InputError, match="nothing to fit"):
        fit_shift([], l2=1.0)
    for l2 in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="above 0"):
            fit_shift(made(0, 1), l2=l2)
