"""Which level a rejection or a surprise leads to."""

from __future__ import annotations

import pytest

from lamina.agents.escalation import ACCEPTED, GIVEN_UP, Escalation, Thresholds
from lamina.agents.roles import Plan, Verdict
from lamina.agents.skills import Call
from lamina.errors import InputError
from lamina.working.sightings import Fact, Surprise

CALL = Call("pick", ("cup",))
PLAN = Plan("get the cup", (CALL,), aims=(Fact("cup", "in", "hand"),))
DOOR, CUP = frozenset([Fact("oven", "is", "open")]), frozenset([Fact("cup", "in", "oven")])


@pytest.mark.parametrize(
    ("chance", "contradicted", "level"),
    [
        (0.5, frozenset(), ACCEPTED),
        (0.49, frozenset(), 1),
        (0.2, frozenset(), 1),
        (0.19, frozenset(), 2),
        (0.0, CUP, 2),
        (0.0, DOOR, 1),
        (0.0, DOOR | CUP, 2),
    ],
)
def test_a_verdict_has_the_level_of_its_chance_and_of_what_is_off(chance, contradicted, level):
    assert Escalation().judged(CALL, Verdict(chance, "why", contradicted), PLAN) == level


@pytest.mark.parametrize(
    ("score", "contradicted", "level"),
    [(0.0, frozenset(), ACCEPTED), (0.9, DOOR, 1), (0.9, CUP, 2), (0.25, CUP, ACCEPTED), (0.31, DOOR | CUP, 2)],
)
def test_a_surprise_has_the_level_of_its_distance_and_of_what_is_off(score, contradicted, level):
    assert Escalation().surprised(Surprise(score, contradicted), PLAN) == level


def reasons(count: int) -> list[Verdict]:
    return [Verdict(0.3, f"reason {number}") for number in range(count)]


def test_level_one_in_a_row_becomes_two_and_two_without_progress_becomes_three_and_then_it_is_given_up():
    escalation = Escalation()
    levels = [escalation.judged(CALL, verdict, PLAN) for verdict in reasons(24)]
    assert levels == [1, 1, 2] * 3 + [1, 1, 3] + [1, 1, 2] * 3 + [1, 1, GIVEN_UP]


def test_the_same_rejection_again_is_counted_told_and_escalated():
    escalation = Escalation(Thresholds(in_a_row=9))
    same = Verdict(0.3, "it is not there")
    assert [escalation.judged(CALL, same, PLAN) for _ in range(3)] == [1, 1, 2]
    assert escalation.reflection == ("it is not there (rejected 3 times)",)


def test_progress_forgives():
    escalation = Escalation()
    for verdict in reasons(11):
        escalation.judged(CALL, verdict, PLAN)
        escalation.progressed()
    assert escalation.reflection == ()
    assert escalation.judged(CALL, Verdict(0.3, "again"), PLAN) == 1


def test_what_went_as_expected_ends_a_row():
    escalation = Escalation()
    for verdict in reasons(6):
        assert escalation.judged(CALL, verdict, PLAN) == 1
        escalation.surprised(Surprise(), PLAN)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tau": 1.2},
        {"tau": -0.1},
        {"tau_low": 0.6},
        {"surprise": 2},
        {"in_a_row": 0},
        {"patience": 1.5},
        {"identical": True},
        {"tau": float("nan")},
    ],
)
def test_thresholds_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=r"lies in|must not be above|whole number"):
        Thresholds(**wrong)


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_a_chance_outside_zero_and_one_is_refused(chance):
    with pytest.raises(InputError, match=r"lies in \[0, 1\]"):
        Verdict(chance)
