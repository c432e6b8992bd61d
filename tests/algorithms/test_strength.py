from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.strength import (
    Hysteresis,
    StrengthState,
    exponential_retention,
    geometric_decay,
    seeded_draw,
)
from lamina.errors import InputError

STATE = StrengthState("trace-1", created=10, last_access=20, ticked_at=15)


# -------------------------------------------------------------------------------------------------------------- state
@given(
    st.builds(
        StrengthState,
        seed_key=st.text(st.characters(codec="utf-8")),
        created=st.integers(-(2**60), 0),
        last_access=st.integers(0, 2**60),
        ticked_at=st.integers(0, 2**60),
        strength=st.floats(1e-9, 1e9),
        importance=st.floats(0, 1e9),
        accesses=st.integers(0, 10**9),
        age=st.integers(0, 10**6),
        layer=st.none() | st.text(max_size=8),
        draw=st.floats(0, 1, exclude_max=True),
        forgotten=st.booleans(),
    )
)
def test_a_state_survives_json_exactly(state: StrengthState) -> None:
    assert StrengthState.from_json(state.to_json()) == state


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 0.0},
        {"strength": -1.0},
        {"strength": math.nan},
        {"strength": math.inf},
        {"importance": -1.0},
        {"importance": math.nan},
        {"draw": 1.0},
        {"draw": -0.1},
        {"accesses": -1},
        {"age": -1},
        {"last_access": 9},
        {"ticked_at": 9},
    ],
)
def test_a_state_out_of_range_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError):
        replace(STATE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"strength": "1"}, {"accesses": 1.5}, {"accesses": True}, {"layer": 3}, {"forgotten": 0}, {"extra": 1}, {"strength": 0}],
)
def test_json_that_is_not_a_state_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InputError):
        StrengthState.from_json(json.dumps(json.loads(STATE.to_json()) | change))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{"])
def test_text_that_is_no_state_at_all_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        StrengthState.from_json(text)


def test_elapsed_counts_from_the_last_access_and_refuses_the_past() -> None:
    assert STATE.elapsed(25) == 5
    with pytest.raises(InputError):
        STATE.elapsed(19)
    with pytest.raises(InputError):
        replace(STATE, ticked_at=30).elapsed(29)


# --------------------------------------------------------------------------------------------------------- decay laws
def test_retention_is_one_over_e_after_tau_times_strength() -> None:
    assert exponential_retention(0.0, 3.0, 2.0) == 1.0
    assert exponential_retention(6.0, 3.0, 2.0) == pytest.approx(math.exp(-1))


@given(st.floats(0, 100), st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0.1, 10))
def test_retention_rises_with_strength_and_falls_with_time(elapsed: float, less: float, more: float, tau: float) -> None:
    less, more = sorted((less, more))
    assert exponential_retention(elapsed, less, tau) <= exponential_retention(elapsed, more, tau)
    assert exponential_retention(elapsed + 1, less, tau) <= exponential_retention(elapsed, less, tau)


def test_the_laws_of_arrays_are_those_of_their_members() -> None:
    elapsed, strength = np.array([0.0, 1.0, 7.5]), np.array([1.0, 2.0, 3.0])
    expected = [exponential_retention(t, s, 5.0) for t, s in zip(elapsed.tolist(), strength.tolist(), strict=True)]
    assert exponential_retention(elapsed, strength, 5.0).tolist() == pytest.approx(expected)
    assert exponential_retention(elapsed, 2.0, 5.0)[1] == pytest.approx(exponential_retention(1.0, 2.0, 5.0))
    steps = np.array([0, 1, 10])
    assert geometric_decay(np.full(3, 60.0), 0.9, steps).tolist() == pytest.approx([60.0, 54.0, 60 * 0.9**10])


@pytest.mark.parametrize(
    ("elapsed", "strength", "tau"),
    [(-1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (math.nan, 1.0, 1.0), (1.0, math.nan, 1.0), (1.0, 1.0, math.nan)],
)
def test_the_curve_refuses_what_it_is_not_defined_for(elapsed: float, strength: float, tau: float) -> None:
    with pytest.raises(InputError):
        exponential_retention(elapsed, strength, tau)
    with pytest.raises(InputError):
        exponential_retention(np.array([1.0, elapsed]), np.array([1.0, strength]), tau)


@pytest.mark.parametrize(("steps", "left"), [(0, 60.0), (1, 54.0), (2, 48.6), (10, 60 * 0.9**10)])
def test_importance_decays_by_the_rate_at_each_step(steps: int, left: float) -> None:
    assert geometric_decay(60.0, 0.9, steps) == pytest.approx(left)


@pytest.mark.parametrize(("rate", "steps"), [(0.0, 1), (1.1, 1), (math.nan, 1), (0.9, -1)])
def test_the_geometric_law_refuses_what_it_is_not_defined_for(rate: float, steps: int) -> None:
    with pytest.raises(InputError):
        geometric_decay(1.0, rate, steps)


# --------------------------------------------------------------------------------------------------------- hysteresis
def test_an_item_climbs_at_the_threshold_and_falls_below_the_margin() -> None:
    rule = Hysteresis((60.0, 80.0), margin=10.0)
    assert [rule.move(value, 0) for value in (59.9, 60.0, 99.0)] == [0, 1, 1]
    assert [rule.move(value, 1) for value in (49.9, 50.0, 79.9, 80.0)] == [0, 1, 1, 2]
    assert [rule.move(value, 2) for value in (69.9, 70.0)] == [1, 2]
    assert Hysteresis((60.0,), margin=math.inf).move(0.0, 1) == 1


@given(st.floats(0, 200), st.integers(0, 2), st.floats(0, 50))
def test_a_value_that_stays_comes_to_rest(value: float, position: int, margin: float) -> None:
    rule = Hysteresis((60.0, 80.0), margin)
    for _ in range(2):
        position = rule.move(value, position)
    assert rule.move(value, position) == position


@pytest.mark.parametrize(("upper", "margin"), [((80.0, 60.0), 0.0), ((60.0, 60.0), 0.0), ((math.nan,), 0.0), ((60.0,), -1.0)])
def test_a_rule_that_cannot_be_kept_is_refused(upper: tuple[float, ...], margin: float) -> None:
    with pytest.raises(InputError):
        Hysteresis(upper, margin)


@pytest.mark.parametrize("position", [-1, 2])
def test_a_layer_that_does_not_exist_is_refused(position: int) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Hysteresis((60.0,)).move(1.0, position)


# -------------------------------------------------------------------------------------------------------------- draws
def test_draws_are_uniform_and_independent_of_each_other() -> None:
    first = np.array([seeded_draw(0, f"item-{number}", 0) for number in range(10_000)])
    second = np.array([seeded_draw(0, f"item-{number}", 1) for number in range(10_000)])
    for draws in (first, second):
        assert np.abs(np.sort(draws) - np.linspace(0, 1, 10_000)).max() < 0.02  # Kolmogorov-Smirnov, about p = 0.001
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.04


def test_a_draw_is_the_same_in_every_process_and_on_every_machine() -> None:
    assert seeded_draw(7, "trace-1", 2, 3) == 0.21801379509258112


def test_every_part_of_the_key_counts() -> None:
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 1, 1), (0, "a", 11), (0, "1|a"), (1, "|a")]
    assert len({seeded_draw(*key) for key in keys}) == len(keys)  # type: ignore[arg-type]
