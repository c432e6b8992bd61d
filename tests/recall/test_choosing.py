"""The choice under an allowance, beside the best there is (found by trying all)."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamina.recall.choosing import Candidate, Form, choose, cost, worth

HEADINGS = [3.0, 5.0, 2.0]


@st.composite
def candidates(draw: st.DrawFn) -> list[Candidate]:
    made = []
    for _ in range(draw(st.integers(0, 6))):
        tokens = sorted(draw(st.lists(st.integers(1, 30), min_size=1, max_size=3, unique=True)))
        values = sorted(draw(st.lists(st.floats(1e-9, 1), min_size=len(tokens), max_size=len(tokens))))
        made.append(Candidate([Form(v, float(t)) for v, t in zip(values, tokens, strict=True)], draw(st.integers(0, 2))))
    return made


def best(some: list[Candidate], allowance: float) -> float:
    """The most that any choice is worth."""
    most = 0.0
    for forms in product(*[range(-1, len(one.forms)) for one in some]):
        choice = {place: form for place, form in enumerate(forms) if form >= 0}
        if cost(some, HEADINGS, choice) <= allowance:
            most = max(most, worth(some, choice))
    return most


@given(candidates(), st.integers(0, 120))
def test_a_choice_keeps_to_its_allowance_and_leaves_nothing_out_that_fits(some: list[Candidate], allowance: int) -> None:
    choice = choose(some, HEADINGS, allowance)
    assert cost(some, HEADINGS, choice) <= allowance + 1e-9
    for place, one in enumerate(some):
        if place not in choice and len(choice) != 1:
            more = min(cost(some, HEADINGS, {**choice, place: form}) for form in range(len(one.forms)))
            assert more > allowance - 1e-9
    single = [
        form.value for one in some for form in one.forms if form.cost + HEADINGS[one.day] <= allowance
    ]  # fmt: skip
    assert worth(some, choice) >= max(single, default=0.0)


def test_it_comes_close_to_the_best_choice() -> None:
    generator = np.random.default_rng(7)
    shares, rivals = [], []
    for _ in range(120):
        some = []
        for _ in range(7):
            forms = np.sort(generator.integers(2, 25, 2))
            value = float(generator.exponential())
            some.append(
                Candidate([Form(0.6 * value, float(forms[0])), Form(value, float(forms[1]) + 1)], int(generator.integers(3)))
            )
        allowance = float(generator.integers(15, 90))
        most = best(some, allowance)
        if most:
            shares.append(worth(some, choose(some, HEADINGS, allowance)) / most)
            rivals.append(worth(some, _by_value(some, allowance)) / most)
    assert np.mean(shares) > 0.97
    assert min(shares) > 0.6
    assert np.mean(rivals) < np.mean(shares) - 0.03, "the control: the most valuable first, what does not fit passed over"


def _by_value(some: list[Candidate], allowance: float) -> dict[int, int]:
    choice: dict[int, int] = {}
    for place in sorted(range(len(some)), key=lambda place: -some[place].forms[-1].value):
        more = {**choice, place: len(some[place].forms) - 1}
        if cost(some, HEADINGS, more) <= allowance:
            choice = more
    return choice


def test_more_of_a_candidate_comes_in_when_that_is_the_best_use_of_the_room() -> None:
    one = Candidate([Form(0.6, 5), Form(0.9, 20)], day=0)
    other = Candidate([Form(0.1, 10)], day=0)
    assert choose([one, other], HEADINGS, 10) == {0: 0}
    assert choose([one, other], HEADINGS, 23) == {0: 1}
    assert choose([one, other], HEADINGS, 33) == {0: 1, 1: 0}


def test_one_that_is_worth_more_than_all_the_small_ones_is_not_crowded_out() -> None:
    small = [Candidate([Form(0.1, 4)], day=0)] * 3
    assert choose([*small, Candidate([Form(0.5, 100)], day=0)], HEADINGS, 105) == {3: 0}


def test_a_smaller_form_comes_in_where_the_larger_does_not_fit() -> None:
    assert choose([Candidate([Form(0.1, 5), Form(1.0, 20)], day=0)], HEADINGS, 15) == {0: 0}


def test_what_is_left_out_is_not_chosen() -> None:
    assert choose([Candidate([Form(1.0, 1)], 0), Candidate([Form(0.1, 1)], 0)], HEADINGS, 50, without={0}) == {1: 0}
