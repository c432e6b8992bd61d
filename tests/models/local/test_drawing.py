"""Tokens are drawn by their likelihood, only from the likely ones, and the same ones by the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.models.local.drawing import Drawing, nucleus

LOGITS = np.log(np.array([0.1, 0.2, 0.7], np.float32))


def shares(how: Drawing) -> np.ndarray:
    choose = how.chooser()
    return np.bincount([choose(LOGITS) for _ in range(4000)], minlength=3) / 4000


def test_draws_follow_the_likelihood_and_the_nucleus_leaves_the_tail_out() -> None:
    assert np.allclose(shares(Drawing(1.0)), [0.1, 0.2, 0.7], atol=0.03)
    assert np.allclose(shares(Drawing(1.0, 0.85)), [0, 2 / 9, 7 / 9], atol=0.03)
    assert shares(Drawing(1.0, 0.5)).tolist() == [0, 0, 1]
    assert np.allclose(shares(Drawing(1000.0)), [1 / 3] * 3, atol=0.03)


def test_a_forbidden_token_is_never_drawn() -> None:
    logits = np.where([True, True, False], LOGITS, -np.inf).astype(np.float32)
    choose = Drawing(5.0, 0.99).chooser()
    assert {choose(logits) for _ in range(500)} == {0, 1}


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=30), st.floats(0.01, 1.0))
def test_a_nucleus_is_the_fewest_tokens_that_reach_the_share(logs: list[float], share: float) -> None:
    scaled = np.array(logs)
    kept = nucleus(scaled, share)
    weights = np.exp(scaled - scaled.max())
    assert kept.any()
    assert weights[kept].sum() >= share * weights.sum() * (1 - 1e-9)
    assert weights[kept].sum() - weights[kept].min() < share * weights.sum() * (1 + 1e-9)
    assert kept[weights == weights.max()].any()


@pytest.mark.parametrize(
    "given", [{"temperature": -1}, {"temperature": float("nan")}, {"top_p": 0}, {"top_p": 1.1}, {"seed": -1}]
)
def test_values_out_of_range_are_refused(given: dict[str, float]) -> None:
    with pytest.raises(InputError, match="must be a"):
        Drawing(**given)  # type: ignore[arg-type]
