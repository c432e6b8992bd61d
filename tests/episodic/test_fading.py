"""Forgetting policies at work in a memory: reinforcement, sweeps, commitments, restoring."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.algorithms.strength import ForgettingPolicy
from lamina.episodic.fading import Fading, is_commitment
from lamina.episodic.forgetting import EbbinghausForgetting
from lamina.episodic.layers import LayeredForgetting
from lamina.expressions import find_commitment
from lamina.records import Filter, Item, Run
from lamina.times import DAY, parse_moment, to_datetime
from tests.conftest import Clock

CURVE = EbbinghausForgetting(tau_days=5, threshold=0.5)  # forgets what was not used for 3.5 days
# Importance is drawn by an item's id, which is new in each run: with these odds the draw is always the lowest.
LAYERS = LayeredForgetting(layers=tuple(replace(layer, odds=(1.0, 0.0, 0.0)) for layer in LayeredForgetting().layers))
POLICIES = [CURVE, LAYERS]


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        yield one


def visible(memory: Memory) -> set[str]:
    return {item.id for item in memory.get_all(kinds=["trace"], limit=1000)}


@pytest.mark.parametrize("policy", POLICIES)
def test_what_nobody_uses_fades_and_what_is_used_stays(memory: Memory, clock: Clock, policy: ForgettingPolicy) -> None:
    used, unused = memory.add(["The boat is blue.", "The kettle is red."])
    for _ in range(30):
        clock.advance(days=2)
        for _ in range(5):  # layers let what is seldom used go
            assert memory.reinforce([used], policy=policy) == 1
        memory.forget(policy=policy)
    assert visible(memory) == {used}
    assert unused not in {hit.id for hit in memory.search("kettle")}


def test_recall_changes_nothing(memory: Memory, clock: Clock) -> None:
    (id,) = memory.add("The boat is blue.")
    for _ in range(9):
        clock.advance(days=0.5)
        memory.search("boat")
        memory.context("boat")
    assert memory.store.strengths.policies() == []
    assert memory.forget(policy=CURVE) == 1
    assert visible(memory) == set()
    assert memory.get(id) is not None


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_restored_is_not_forgotten_again_at_once(memory: Memory, clock: Clock, policy: ForgettingPolicy) -> None:
    (id,) = memory.add("The boat is blue.")
    for _ in range(3):
        clock.advance(days=60)
        assert memory.forget(policy=policy) == 1
        assert memory.restore(id) == 1
        assert memory.forget(policy=policy) == 0
        clock.advance(days=1)
        assert memory.forget(policy=policy) == 0
        assert visible(memory) == {id}
    assert memory.reinforce([id], policy=policy) == 1
    clock.advance(days=1)
    assert memory.forget(policy=policy) == 0


def test_restoring_drops_the_strength_under_every_policy_and_of_nothing_else(memory: Memory, clock: Clock) -> None:
    one, other = memory.add(["The boat is blue.", "The kettle is red."])
    for policy in POLICIES:
        memory.reinforce([one, other], policy=policy)
    memory.forget(one)
    memory.restore(one)
    keys = {item.id: item.key for item in memory.get_all(kinds=["trace"])}
    for policy in POLICIES:
        assert set(memory.store.strengths.get(policy.name, list(keys.values()))) == {keys[other]}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_sweep_touches_its_scope_alone(memory: Memory, clock: Clock, policy: ForgettingPolicy) -> None:
    memory.add("The boat is blue.", user="ana")
    memory.add("The kettle is red.", user="ben")
    clock.advance(days=90)
    assert memory.forget(policy=policy, user="ana") == 1
    assert memory.count(user="ben") == 1
    assert memory.forget(policy=policy, scope="*") == 1


@pytest.mark.parametrize(
    "metadata", [{"importance": -3}, {"importance": True}, {"importance": "high"}, {"layer": "kitchen"}, {"layer": 3}]
)
@pytest.mark.parametrize("policy", POLICIES)
def test_foreign_metadata_does_not_stop_a_sweep(
    memory: Memory, clock: Clock, policy: ForgettingPolicy, metadata: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    memory.add("The boat is blue.", metadata=metadata)
    memory.add("The kettle is red.")
    clock.advance(days=90)
    with caplog.at_level(logging.INFO, "lamina"):
        assert memory.forget(policy=policy) == 2
    assert "boat" not in caplog.text


def test_a_sweep_in_small_batches_is_the_same(memory: Memory, clock: Clock) -> None:
    memory.add([f"Line {number}" for number in range(25)])
    clock.advance(days=4)
    policy = EbbinghausForgetting()
    whole = [item.id for item in Fading(policy).sweep(memory.store, "", Run(clock=clock))]
    small = [item.id for item in Fading(policy).sweep(memory.store, "", Run(clock=clock), batch=4)]
    assert whole == small
    assert 5 < len(whole) < 25
    assert len(visible(memory)) == 25  # a sweep alone hides nothing


# ------------------------------------------------------------------------------------------------ commitments
PHRASES = (
    "The dentist is on {d:%d} {d:%B} {d:%Y}.",
    "We fly on {d:%B} {d.day}, {d:%Y}!",
    "deadline: {d:%Y-%m-%d}",
    "Ana's party, {d.day}th of {d:%B} {d:%Y}, at the harbour",
    "It begins {d:%b} {d.day} {d:%Y}",
)
SAID = parse_moment("2026-01-01T12:00").at


@given(st.integers(1, 3000), st.sampled_from(PHRASES), st.floats(0, 1), st.sampled_from(POLICIES))
def test_no_sweep_forgets_a_commitment_before_its_day_is_over(
    days: int, phrase: str, share: float, policy: ForgettingPolicy
) -> None:
    day = to_datetime(SAID) + timedelta(days=days)
    clock = Clock(SAID)
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        memory.add([phrase.format(d=day), "The kettle is red."])
        over = parse_moment(day.date()).end
        clock.set(SAID + round(share * (over - 1 - SAID)))
        memory.forget(policy=policy)
        assert phrase.format(d=day) in {item.text for item in memory.get_all(kinds=["trace"])}
        clock.set(over + 90 * DAY)
        memory.forget(policy=policy)
        assert visible(memory) == set()
        (id,) = (
            item.id for item in memory.store.items.get(sorted(all_ids(memory))) if item is not None and "kettle" not in item.text
        )
        assert memory.restore(id) == 1
        assert visible(memory) == {id}


def all_ids(memory: Memory) -> set[str]:
    return {item.id for item in memory.store.items.each(Filter(scope="*", kinds=("trace",), forgotten=True))}


@pytest.mark.parametrize(
    "text", ["See you tomorrow.", "We sail next week.", "The exam is in March.", "Back in 3 weeks.", "It opens in 2031."]
)
def test_a_day_may_be_told_in_other_ways(text: str) -> None:
    ends = find_commitment(text, SAID)
    assert ends is not None
    item = Item("x", "trace", text, at=SAID, recorded_at=SAID)
    assert is_commitment(item, ends - 1)
    assert not is_commitment(item, ends)


def test_what_lies_ahead_by_its_own_time_is_a_commitment() -> None:
    item = Item("x", "trace", "Regatta", at=SAID + 9 * DAY, until=SAID + 11 * DAY, recorded_at=SAID)
    assert [is_commitment(item, SAID + days * DAY) for days in (0, 8, 10, 11)] == [True, True, True, False]


@pytest.mark.parametrize("text", ["We met in 2019.", "The boat is blue.", "It was yesterday.", "Room 12, 4 cats"])
def test_what_is_past_or_has_no_day_is_none(text: str) -> None:
    assert not is_commitment(Item("x", "trace", text, at=SAID, recorded_at=SAID), SAID + DAY)


def test_a_commitment_that_was_of_use_begins_anew(memory: Memory, clock: Clock) -> None:
    """It outlived its strength because of its day: what it is used for just before counts all the same."""
    (id,) = memory.add("The dentist is on 1 June 2026.")
    clock.set(parse_moment("2026-05-31").at)
    assert memory.forget(policy=CURVE) == 0
    memory.reinforce([id], policy=CURVE)
    clock.set(parse_moment("2026-06-03").at)
    assert memory.forget(policy=CURVE) == 0
    clock.advance(days=30)
    assert memory.forget(policy=CURVE) == 1
