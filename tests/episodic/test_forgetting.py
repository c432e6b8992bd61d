"""The Ebbinghaus curve: its law, what reinforcement buys at equal size, spacing, and bad input.

The figures of the source's effects: pytest -s tests/episodic/test_forgetting.py -k effect
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.strength import ForgettingPolicy, StrengthState
from lamina.episodic.forgetting import EbbinghausForgetting
from lamina.errors import InputError
from lamina.times import DAY, HOUR

PAPER = EbbinghausForgetting(tau_days=1.0)


def strengthened(policy: EbbinghausForgetting, recalls: int, key: str = "item", at: int = 0) -> StrengthState:
    state = policy.initial(at, seed_key=key)
    for _ in range(recalls):
        state = policy.reinforce(state, at)
    return state


# ------------------------------------------------------------------------------------------------------ survival law
def alive_by_day(policy: EbbinghausForgetting, items: int, days: list[int], recalls: int) -> list[float]:
    """Share still held after each of `days`, every item swept on each of them and once forgotten, gone."""
    states = [strengthened(policy, recalls, f"item-{number}") for number in range(items)]
    shares = []
    for day in days:
        states = [policy.tick(state, day * DAY) for state in states]
        states = [state for state in states if not policy.forgets(state, day * DAY)]
        shares.append(len(states) / items)
    return shares


def test_effect_of_the_fixed_draw_is_the_exact_survival_law_which_drawing_anew_misses() -> None:
    days = [1, 2, 3, 4, 5, 6]
    law = [math.exp(-day / 2) for day in days]
    held = alive_by_day(PAPER, 20_000, days, recalls=1)  # S = 2
    # The code's curve is exp(-t S / tau): with S = 2 and tau = 4 days it is exp(-t / 2) too, drawn anew at each check.
    redrawn = alive_by_day(EbbinghausForgetting(tau_days=4.0, variant="code"), 20_000, days, recalls=1)
    print("\nMemoryBank 1, share alive on days 1-6 (20,000 items, S = 2)")
    for name, shares in (("law exp(-t/2)", law), ("fixed draw", held), ("drawn anew each day", redrawn)):
        print(f"  {name:20}", " ".join(f"{share:.4f}" for share in shares))
    assert max(abs(share - exact) for share, exact in zip(held, law, strict=True)) <= 0.01
    product = [math.exp(-day * (day + 1) / 4) for day in days]
    assert max(abs(share - exact) for share, exact in zip(redrawn, product, strict=True)) <= 0.01
    assert all(abs(share - exact) > 0.04 for share, exact in zip(redrawn[1:], law[1:], strict=True))


def test_survival_does_not_depend_on_the_schedule_of_sweeps() -> None:
    daily = alive_by_day(PAPER, 2_000, [1, 2, 3, 4, 5, 6], recalls=1)
    assert alive_by_day(PAPER, 2_000, [2, 6], recalls=1) == [daily[1], daily[5]]


# ------------------------------------------------------------------------------- reinforcement at equal size of store
@dataclass(frozen=True)
class Stream:
    """Facts that arrive evenly over days, and a day's queries: Zipf over the facts that have arrived."""

    facts: int = 300
    days: int = 30
    queries: int = 20
    exponent: float = 1.1

    def arrivals(self, day: int) -> range:
        per_day = self.facts // self.days
        return range(day * per_day, (day + 1) * per_day)

    def draw(self, seed: int) -> list[list[int]]:
        """The facts asked for on each day."""
        generator = np.random.default_rng(seed)
        weights = np.empty(self.facts)
        weights[generator.permutation(self.facts)] = np.arange(1, self.facts + 1) ** -self.exponent
        asked = []
        for day in range(self.days):
            arrived = weights[: self.arrivals(day).stop]
            asked.append(generator.choice(arrived.size, size=self.queries, p=arrived / arrived.sum()).tolist())
        return asked


def hits_with_policy(policy: EbbinghausForgetting, stream: Stream, asked: list[list[int]]) -> tuple[float, list[int]]:
    """Share of queries whose fact is still stored, and the size of the store on each day; a hit is a recall."""
    store: dict[int, StrengthState] = {}
    hits, sizes = 0, []
    for day, queries in enumerate(asked):
        now = day * DAY
        store = {fact: policy.tick(state, now) for fact, state in store.items()}
        store = {fact: state for fact, state in store.items() if not policy.forgets(state, now)}
        store |= {fact: policy.initial(now, seed_key=f"fact-{fact}") for fact in stream.arrivals(day)}
        sizes.append(len(store))
        for fact in queries:
            if fact in store:
                hits += 1
                store[fact] = policy.reinforce(store[fact], now)
    return hits / (stream.queries * stream.days), sizes


Rule = Literal["oldest", "random", "least recently used"]


def hits_with_eviction(stream: Stream, asked: list[list[int]], sizes: list[int], rule: Rule, seed: int) -> float:
    """The same with eviction by a rule down to the given sizes, before each day's queries."""
    generator = np.random.default_rng(seed)
    store: dict[int, float] = {}  # fact: the rule's rank; the lowest go first
    hits = 0
    for day, queries in enumerate(asked):
        store |= dict.fromkeys(stream.arrivals(day), float(day))
        if rule == "random":
            store = {fact: generator.random() for fact in store}
        kept = sorted(store, key=lambda fact: store[fact], reverse=True)[: sizes[day]]
        store = {fact: store[fact] for fact in kept}
        for fact in queries:
            hits += fact in store
            if fact in store and rule == "least recently used":
                store[fact] = float(day)
    return hits / (stream.queries * stream.days)


def test_effect_of_reinforcement_beats_eviction_by_age_or_at_random_at_the_same_daily_size() -> None:
    stream, policy = Stream(), EbbinghausForgetting(tau_days=5.0)
    rows: dict[str, list[float]] = {}
    for seed in range(10):
        asked = stream.draw(seed)
        ours, sizes = hits_with_policy(replace(policy, seed=seed), stream, asked)
        flipped, flipped_sizes = hits_with_policy(replace(policy, seed=seed, variant="code"), stream, asked)
        unreinforced, _ = hits_with_policy(replace(policy, seed=seed, gain=0.0), stream, asked)
        for name, value in (
            ("MemoryBank", ours),
            ("oldest first", hits_with_eviction(stream, asked, sizes, "oldest", seed)),
            ("random", hits_with_eviction(stream, asked, sizes, "random", seed)),
            ("least recently used", hits_with_eviction(stream, asked, sizes, "least recently used", seed)),
            ("clock restarts, S does not grow", unreinforced),
            ("code: S multiplied, drawn anew", flipped),
            ("mean size", float(np.mean(sizes))),
            ("mean size, code", float(np.mean(flipped_sizes))),
        ):
            rows.setdefault(name, []).append(value)
    means = {name: float(np.mean(values)) for name, values in rows.items()}
    print("\nMemoryBank 2, share of queries whose fact is still stored (10 seeds)")
    for name, values in rows.items():
        print(f"  {name:33} {means[name]:8.3f}  se {np.std(values, ddof=1) / math.sqrt(len(values)):.3f}")
    assert means["MemoryBank"] >= means["oldest first"] + 0.15
    assert means["MemoryBank"] >= means["random"] + 0.15
    assert means["code: S multiplied, drawn anew"] < means["random"]


# ------------------------------------------------------------------------------------------------------------ spacing
def spaced_shares(recall_days: list[int], until: int, items: int = 10_000) -> tuple[float, float]:
    """Shares held on day `until`: of items that were recalled each time, and of all (the forgotten cannot be recalled)."""
    policy = EbbinghausForgetting(tau_days=5.0)
    reached = held = 0
    for number in range(items):
        state = policy.initial(0, seed_key=f"item-{number}")
        for day in recall_days:
            state = policy.reinforce(state, day * DAY)
        if state.accesses == len(recall_days):
            reached += 1
            held += not policy.forgets(state, until * DAY)
    return held / reached, held / items


def test_effect_of_spacing_holds_for_what_was_recalled_each_time() -> None:
    spaced, spaced_all = spaced_shares([1, 2, 4, 7, 11], until=20)
    massed, massed_all = spaced_shares([1, 1, 1, 1, 1], until=20)
    print("\nMemoryBank 3, share held on day 20 (tau 5 days, 10,000 items)")
    print(
        f"  given five recalls: spaced {spaced:.3f}  massed {massed:.3f}  (law {math.exp(-9 / 30):.3f} {math.exp(-19 / 30):.3f})"
    )
    print(f"  of all items:       spaced {spaced_all:.3f}  massed {massed_all:.3f}")
    assert spaced > massed + 0.15
    assert abs(spaced - math.exp(-9 / 30)) < 0.02
    assert abs(massed - math.exp(-19 / 30)) < 0.02
    assert spaced_all < massed_all  # where it does not hold: some are forgotten before their next recall comes


def test_effect_of_more_recalls_is_longer_survival() -> None:
    shares = [alive_by_day(EbbinghausForgetting(), 4_000, [10], recalls)[0] for recalls in range(6)]
    flipped = [alive_by_day(EbbinghausForgetting(variant="code"), 4_000, [10], recalls)[0] for recalls in range(6)]
    print("\nMemoryBank 3, share alive on day 10 after 0-5 recalls on day 0 (tau 5 days)")
    print("  paper", " ".join(f"{share:.3f}" for share in shares), "| code", " ".join(f"{share:.3f}" for share in flipped))
    assert all(more > less + 0.03 for less, more in pairwise(shares))
    assert all(more <= less for less, more in pairwise(flipped))


# ------------------------------------------------------------------------------------------------------------- habits
def test_it_is_a_forgetting_policy_with_a_versioned_name() -> None:
    assert isinstance(EbbinghausForgetting(), ForgettingPolicy)
    assert EbbinghausForgetting().name == "ebbinghaus/1"
    assert EbbinghausForgetting(variant="code").name == "ebbinghaus-code/1"


def test_recall_restarts_the_clock_adds_one_and_draws_anew() -> None:
    policy = EbbinghausForgetting(tau_days=5.0)
    state = replace(policy.initial(0, seed_key="a"), draw=0.0)  # survives until it is recalled
    recalled = policy.reinforce(state, 2 * DAY)
    assert (recalled.strength, recalled.accesses, recalled.last_access) == (2.0, 1, 2 * DAY)
    assert recalled.draw not in (0.0, policy.initial(0, seed_key="a").draw)
    assert policy.retention(recalled, 2 * DAY) == 1.0
    assert policy.retention(recalled, 12 * DAY) == pytest.approx(math.exp(-1))
    assert policy.reinforce(recalled, 3 * DAY, signal=0.0).strength == 2.0


def test_a_rebuild_repeats_the_draws_and_another_seed_changes_them() -> None:
    first, again = (strengthened(EbbinghausForgetting(), 3, "a") for _ in range(2))
    assert first == again
    assert first.draw != strengthened(EbbinghausForgetting(seed=1), 3, "a").draw
    assert first.draw != strengthened(EbbinghausForgetting(), 3, "b").draw


def test_the_code_variant_draws_once_per_moment_and_the_paper_never_between_recalls() -> None:
    code = EbbinghausForgetting(tau_days=100.0, variant="code")
    once = code.tick(code.initial(0, seed_key="a"), HOUR)
    assert once.draw != code.initial(0, seed_key="a").draw
    assert code.tick(once, HOUR) == once
    assert code.tick(once, 2 * HOUR).draw != once.draw
    assert PAPER.tick(PAPER.initial(0, seed_key="a"), HOUR) == PAPER.initial(0, seed_key="a")


def test_the_threshold_variant_forgets_without_chance() -> None:
    policy = EbbinghausForgetting(tau_days=1.0, threshold=0.5)
    state = policy.initial(0, seed_key="a")
    last = int(math.log(2) * DAY)
    assert not policy.forgets(state, last)
    assert policy.forgets(state, last + 2)


@given(
    st.sampled_from(["paper", "code"]),
    st.integers(0, 50),
    st.lists(st.integers(0, 10 * DAY), max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_retention_lies_in_0_1_and_nothing_comes_back(variant: str, key: int, gaps: list[int], recalls: list[bool]) -> None:
    policy = EbbinghausForgetting(tau_days=3.0, variant=variant)  # type: ignore[arg-type]
    state, now, gone = policy.initial(0, seed_key=str(key)), 0, False
    for gap, recall in zip(gaps, recalls, strict=False):
        now += gap
        state = policy.tick(state, now)
        assert 0 <= policy.retention(state, now) <= 1
        assert policy.forgets(state, now) or not gone
        gone = policy.forgets(state, now)
        if recall:
            state = policy.reinforce(state, now)
            assert policy.forgets(state, now) == gone


@given(st.integers(0, 20), st.integers(0, 400 * DAY), st.integers(0, 400 * DAY))
def test_retention_never_rises_without_recall(recalls: int, first: int, second: int) -> None:
    state = strengthened(PAPER, recalls)
    early, late = sorted((first, second))
    assert PAPER.retention(state, early) >= PAPER.retention(state, late)


@pytest.mark.parametrize(
    "bad",
    [
        {"tau_days": 0.0},
        {"tau_days": -1.0},
        {"tau_days": math.nan},
        {"tau_days": math.inf},
        {"gain": -1.0},
        {"gain": math.nan},
        {"threshold": 0.0},
        {"threshold": 1.0},
        {"variant": "other"},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        EbbinghausForgetting(**bad)  # type: ignore[arg-type]


def test_a_now_before_the_last_access_is_refused() -> None:
    state = strengthened(PAPER, 1, at=5 * DAY)
    for act in (PAPER.retention, PAPER.reinforce, PAPER.tick, PAPER.forgets):
        with pytest.raises(InputError, match="before the last access"):
            act(state, 5 * DAY - 1)


@pytest.mark.parametrize("signal", [-1.0, math.nan, math.inf])
def test_a_signal_the_curve_does_not_know_is_refused(signal: float) -> None:
    with pytest.raises(InputError, match="signal"):
        PAPER.reinforce(PAPER.initial(0, seed_key="a"), 0, signal)


def test_a_strength_of_zero_and_a_layer_are_refused() -> None:
    with pytest.raises(InputError, match="strength"):
        PAPER.initial(0, seed_key="a", importance=0.0)
    with pytest.raises(InputError, match="no layers"):
        PAPER.initial(0, seed_key="a", layer="deep")
