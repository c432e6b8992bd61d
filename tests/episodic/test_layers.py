"""Layered forgetting: the exact decay table, promotion of what pays, layer changes, and bad input.

The figures of the source's effects: pytest -s tests/episodic/test_layers.py -k effect  (the whole table: without -m "not slow")
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms.strength import ForgettingPolicy, StrengthState
from lamina.episodic.layers import DEEP, INTERMEDIATE, SHALLOW, Layer, LayeredForgetting
from lamina.errors import InputError
from lamina.times import DAY, HOUR

LAYERS = {layer.name: layer for layer in (SHALLOW, INTERMEDIATE, DEEP)}
TABLE = {
    "shallow": (19.7, 23.6, 26.3),
    "intermediate": (62.0, 74.1, 82.6),
    "deep": (172, 206, 230),
}  # days until purge without access, for 40, 60, 80 points


def alone(layer: str) -> LayeredForgetting:
    """A memory of this one layer, which nothing can leave."""
    return LayeredForgetting(layers=(LAYERS[layer],), promote_at=())


def last_day(policy: LayeredForgetting, state: StrengthState) -> int:
    """The day of the step that purges an item nobody uses."""
    for day in range(1, 3000):
        state = policy.tick(state, day * DAY)
        if state.forgotten:
            return day
    raise AssertionError("not purged in 3000 days")


# ------------------------------------------------------------------------------------------------------- decay table
@pytest.mark.parametrize("layer", TABLE)
def test_effect_of_each_layer_is_the_exact_decay_table(layer: str) -> None:
    policy = alone(layer)
    days = [policy.lifetime(points, layer) for points in (40.0, 60.0, 80.0)]
    steps = [last_day(policy, policy.initial(0, seed_key="a", importance=points)) for points in (40.0, 60.0, 80.0)]
    print(f"\nFinMem 1, {layer}: days until purge " + " / ".join(f"{day:.2f}" for day in days) + f", purged at step {steps}")
    digits = 0 if layer == "deep" else 1
    assert tuple(round(day, digits) for day in days) == TABLE[layer]
    assert steps == [math.floor(day) + 1 for day in days]


@pytest.mark.parametrize(("layer", "days"), [("shallow", 42), ("intermediate", 270), ("deep", 1093)])
def test_effect_of_recency_alone_is_far_slower(layer: str, days: int) -> None:
    policy = LayeredForgetting(layers=(replace(LAYERS[layer], rate=1.0),), promote_at=())
    assert round(policy.lifetime(40.0, layer)) == days
    assert last_day(policy, policy.initial(0, seed_key="a", importance=40.0)) == math.floor(policy.lifetime(40.0, layer)) + 1


def test_effect_of_the_margin_is_that_layers_keep_their_lifetimes() -> None:
    print("\nFinMem 1, day of purge of an unused item by margin (60 points intermediate, 80 points deep)")
    days = {}
    for margin in (0.0, 10.0, 20.0, 40.0, math.inf):
        policy = LayeredForgetting(margin=margin)
        items = [policy.initial(0, seed_key="a", importance=v, layer=home) for v, home in ((60, "intermediate"), (80, "deep"))]
        days[margin] = [last_day(policy, item) for item in items]
        print(f"  margin {margin:4}: {days[margin]}")
    assert days[math.inf] == [75, 230]
    assert days[0.0][1] < 40  # the released rule: a deep item falls through all layers
    for item in (0, 1):
        assert all(less <= more for less, more in pairwise([row[item] for row in days.values()]))


@given(st.sampled_from(list(LAYERS)), st.floats(5, 200), st.floats(5, 200))
def test_of_two_unused_items_in_a_layer_the_less_important_goes_first(layer: str, first: float, second: float) -> None:
    policy = alone(layer)
    low, high = (last_day(policy, policy.initial(0, seed_key="a", importance=v)) for v in sorted((first, second)))
    assert low <= high


@given(st.floats(5, 59), st.sampled_from([0.0, 20.0, math.inf]))
def test_the_same_item_goes_first_from_the_shallowest_layer(points: float, margin: float) -> None:
    policy = LayeredForgetting(margin=margin)
    days = [last_day(policy, policy.initial(0, seed_key="a", importance=points, layer=layer)) for layer in LAYERS]
    assert days == sorted(days)


@given(
    st.floats(5, 120),
    st.sampled_from(list(LAYERS)),
    st.sampled_from([0.0, 20.0, math.inf]),
    st.lists(st.tuples(st.integers(0, 30 * DAY), st.sampled_from([None, -1.0, 0.5, 1.0])), max_size=12),
)
def test_nothing_is_resurrected_and_scores_stay_in_range(
    points: float, layer: str, margin: float, events: list[tuple[int, float | None]]
) -> None:
    policy = LayeredForgetting(margin=margin)
    state, now, gone = policy.initial(0, seed_key="a", importance=points, layer=layer), 0, False
    for gap, signal in events:
        now += gap
        state = policy.tick(state, now) if signal is None else policy.reinforce(state, now, signal)
        assert policy.forgets(state, now) or not gone
        gone = policy.forgets(state, now)
        assert 0 <= policy.retention(state, now) <= 1
        assert not gone or policy.retention(state, now) == 0
        assert 0 < policy.recency(state, now) <= 1
        assert 0 <= policy.importance(state, now) <= 1
    assert policy.forgets(state, now + 3000 * DAY)


@given(st.lists(st.integers(0, 5 * DAY), max_size=20), st.floats(5, 120), st.sampled_from([0.0, 20.0, math.inf]))
def test_any_schedule_of_ticks_gives_the_same_state(gaps: list[int], points: float, margin: float) -> None:
    policy = LayeredForgetting(margin=margin)
    state = fresh = policy.initial(0, seed_key="a", importance=points, layer="intermediate")
    now = 0
    for gap in gaps:
        now += gap
        state = policy.tick(state, now)
    once = policy.tick(fresh, now)
    assert replace(state, ticked_at=0) == replace(once, ticked_at=0)
    assert state.forgotten or state.ticked_at == once.ticked_at


# ----------------------------------------------------------------------------------------- promotion keeps what pays
@dataclass(frozen=True)
class Market:
    """News about `drivers`, of which `real` (5 %) move returns: their news are pivotal and right about later returns.

    Every day each driver is at stake in `decisions` independent decisions (one per ticker that it concerns). A decision cites
    of the top K of each layer those whose direction wins the vote, and is paid by the sign of the return of the `look_back`
    days after it. Daily drift and noise are those of the source's check (0.004 and 0.012).
    """

    decisions: int
    look_back: int = 7
    feedback: str = "paid"  # "paid", "none", or "random": signs by the toss of a coin
    drivers: int = 40
    real: int = 2
    news: int = 20
    top: int = 3
    born: tuple[int, int] = (10, 40)
    age: int = 60
    drift: float = 0.004
    noise: float = 0.012

    def alive(self, policy: LayeredForgetting, seed: int) -> tuple[list[bool], list[bool]]:
        """Of the pivotal and of the other items born on the days `born`: which are held at age `age`."""
        generator = np.random.default_rng(seed)
        truth = generator.choice([-1, 1], self.drivers)
        states: dict[int, StrengthState] = {}
        of_driver: dict[int, list[int]] = defaultdict(list)
        due: dict[int, list[tuple[list[int], float]]] = defaultdict(list)
        direction: list[int] = []
        cohort: list[tuple[int, bool]] = []
        held: dict[int, bool] = {}
        for day in range(self.born[1] + self.age):
            now = day * DAY
            for cited, signal in due.pop(day, ()):
                for item in cited:
                    if item in states and self.feedback != "none":
                        sign = signal if self.feedback == "paid" else float(generator.choice([-1, 1]))
                        states[item] = policy.reinforce(states[item], now, sign)
            states = {item: policy.tick(state, now) for item, state in states.items()}
            states = {item: state for item, state in states.items() if not state.forgotten}
            for item, state in states.items():
                if now - state.created == self.age * DAY:
                    held[item] = True
            for driver in generator.integers(self.drivers, size=self.news).tolist():
                item = len(direction)
                direction.append(int(truth[driver] if driver < self.real else generator.choice([-1, 1])))
                states[item] = policy.initial(now, seed_key=f"news-{seed}-{item}")
                of_driver[driver].append(item)
                if self.born[0] <= day < self.born[1]:
                    cohort.append((item, driver < self.real))
            for driver, items in of_driver.items():
                of_driver[driver] = items = [item for item in items if item in states]
                cited, side = self._cite(policy, states, items, direction, now, generator)
                mean = self.drift * truth[driver] * self.look_back if driver < self.real else 0.0
                returns = generator.normal(mean, self.noise * math.sqrt(self.look_back), size=self.decisions)
                due[day + self.look_back] += [(cited, 1.0 if side * change > 0 else -1.0) for change in returns]
        alive: tuple[list[bool], list[bool]] = ([], [])
        for item, pivotal in cohort:
            alive[not pivotal].append(held.get(item, False))
        return alive

    def _cite(
        self,
        policy: LayeredForgetting,
        states: dict[int, StrengthState],
        items: list[int],
        direction: list[int],
        now: int,
        generator: np.random.Generator,
    ) -> tuple[list[int], int]:
        by_layer: dict[str | None, list[int]] = defaultdict(list)
        for item in sorted(items, key=lambda item: policy.partial_score(states[item], now), reverse=True):
            by_layer[states[item].layer].append(item)
        found = [item for members in by_layer.values() for item in members[: self.top]]
        vote = sum(direction[item] for item in found)
        side = int(np.sign(vote)) or int(generator.choice([-1, 1]))
        return [item for item in found if direction[item] == side], side


def shares(market: Market, seeds: int, margin: float = math.inf) -> tuple[float, float, float]:
    """Shares alive of pivotal and of other items, and the standard error of their difference were there none."""
    pivotal, other = [], []
    for seed in range(seeds):
        ours, others = market.alive(LayeredForgetting(margin=margin, seed=seed), seed)
        pivotal += ours
        other += others
    pooled = (sum(pivotal) + sum(other)) / (len(pivotal) + len(other))
    error = math.sqrt(pooled * (1 - pooled) * (1 / len(pivotal) + 1 / len(other)))
    return float(np.mean(pivotal)), float(np.mean(other)), error


def test_effect_of_feedback_is_that_promotion_keeps_what_pays() -> None:
    print("\nFinMem 3, share alive after 60 days (8 decisions a day, look-back 7 days, 2 seeds)")
    row = {kind: shares(Market(decisions=8, feedback=kind), seeds=2) for kind in ("paid", "none")}
    for kind, (pivotal, other, error) in row.items():
        print(f"  feedback {kind:7} pivotal {pivotal:.3f}  other {other:.3f}  (standard error of no difference {error:.3f})")
    assert row["paid"][0] >= 0.60
    assert row["paid"][1] <= 0.15
    assert abs(row["none"][0] - row["none"][1]) <= 2 * row["none"][2]


def test_effect_of_one_profit_a_day_is_too_small_to_promote_by_the_constants_alone() -> None:
    """+5 a day against a decay of 10 % settles at 45 points, below the 60 that promote: it takes 4/3 net profits a day."""
    policy = LayeredForgetting()
    settled = {}
    for events in (1, 2):
        state = policy.initial(0, seed_key="a", importance=40.0)
        for day in range(1, 42):
            for _ in range(events):
                state = policy.reinforce(state, (day - 1) * DAY)
            state = policy.tick(state, day * DAY)
        settled[events] = (state.layer, state.importance)
    assert settled[1][0] == "shallow"
    assert settled[1][1] == pytest.approx(45, abs=0.1)
    assert settled[2][0] == "deep"
    pivotal, other, _ = shares(Market(decisions=1), seeds=2)
    print(f"\nFinMem 3, one decision a day: pivotal {pivotal:.3f}, other {other:.3f} alive after 60 days")
    assert pivotal < 0.60


@pytest.mark.slow
def test_effect_of_no_feedback_or_a_coins_is_none() -> None:
    print("\nFinMem 3, share alive after 60 days without true feedback (8 decisions a day, 30 seeds)")
    for kind in ("none", "random"):
        pivotal, other, error = shares(Market(decisions=8, feedback=kind), seeds=30)
        print(f"  feedback {kind:7} pivotal {pivotal:.3f}  other {other:.3f}  (standard error of no difference {error:.4f})")
        assert abs(pivotal - other) <= 2 * error


@pytest.mark.slow
def test_effect_of_decisions_a_day_look_back_and_margin_on_promotion() -> None:
    print("\nFinMem 3, share alive after 60 days, pivotal/other (4 seeds)")
    for margin in (math.inf, 20.0, 0.0):
        for look_back in (1, 7):
            cells = {}
            for decisions in (1, 2, 4, 8, 16):
                cells[decisions] = shares(Market(decisions=decisions, look_back=look_back), seeds=4, margin=margin)
            line = "  ".join(f"{count}: {pivotal:.2f}/{other:.2f}" for count, (pivotal, other, _) in cells.items())
            print(f"  margin {margin:4}, look-back {look_back} days, decisions a day  {line}")
            assert all(cells[count][0] >= 0.60 and cells[count][1] <= 0.15 for count in (8, 16))
            assert all(cells[count][0] < 0.60 for count in (1, 2))


# --------------------------------------------------------------------------------------------------- change of layer
def test_it_is_a_forgetting_policy_with_a_versioned_name() -> None:
    assert isinstance(LayeredForgetting(), ForgettingPolicy)
    assert LayeredForgetting().name == "layered/1"


def test_promotion_sets_recency_back_and_the_promoted_can_be_reinforced_again() -> None:
    policy = LayeredForgetting()
    state = policy.tick(policy.initial(0, seed_key="a", importance=60.0), 3 * DAY)
    assert (state.layer, state.age) == ("shallow", 3)
    for _ in range(8):
        state = policy.reinforce(state, 3 * DAY)
    state = policy.tick(state, 4 * DAY)
    assert (state.layer, state.age) == ("intermediate", 0)
    before = state.importance
    state = policy.reinforce(state, 4 * DAY)
    assert (state.importance, state.accesses) == (before + 5, 9)


def test_an_item_can_climb_two_layers_in_one_step() -> None:
    policy = LayeredForgetting()
    assert policy.tick(policy.initial(0, seed_key="a", importance=90.0), DAY).layer == "deep"
    assert policy.tick(policy.initial(0, seed_key="a", importance=85.0), DAY).layer == "intermediate"


def test_demotion_keeps_the_age_and_waits_for_the_margin() -> None:
    policy = LayeredForgetting(margin=20.0)
    state = policy.initial(0, seed_key="a", importance=50.0, layer="intermediate")
    held, fallen = policy.tick(state, 6 * DAY), policy.tick(state, 7 * DAY)
    assert (held.layer, held.age) == ("intermediate", 6)  # 50 * 0.967**6 = 40.9
    assert (fallen.layer, fallen.age) == ("shallow", 7)  # 39.5
    assert LayeredForgetting(margin=0.0).tick(state, DAY).layer == "shallow"


def test_feedback_adds_five_points_per_event_not_a_growing_sum() -> None:
    policy = LayeredForgetting()
    state = policy.initial(0, seed_key="a", importance=40.0)
    seen = []
    for signal in (1.0, 1.0, 1.0, -1.0, 0.0):
        state = policy.reinforce(state, HOUR, signal)
        seen.append(state.importance)
    assert seen == [45.0, 50.0, 55.0, 50.0, 50.0]
    assert state.accesses == 5
    for _ in range(20):
        state = policy.reinforce(state, HOUR, -1.0)
    assert state.importance == 0.0


def test_what_is_purged_is_left_as_it_is() -> None:
    policy = LayeredForgetting()
    purged = policy.tick(policy.initial(0, seed_key="a", importance=40.0), 30 * DAY)
    assert purged.forgotten
    assert policy.tick(purged, 90 * DAY) == purged
    assert policy.reinforce(purged, 90 * DAY) == purged


def test_scores_are_recency_importance_and_relevance() -> None:
    policy = LayeredForgetting()
    state = policy.initial(0, seed_key="a", importance=50.0)
    now = 10 * DAY + HOUR  # ten whole steps
    assert policy.recency(state, now) == pytest.approx(math.exp(-10 / 14))
    assert policy.importance(state, now) == pytest.approx(0.5 * 0.9**10)
    assert policy.partial_score(state, now) == pytest.approx(math.exp(-10 / 14) + 0.5 * 0.9**10)
    assert policy.total_score(state, now, -0.25) == pytest.approx(policy.partial_score(state, now) - 0.25)
    assert policy.retention(state, now) == pytest.approx(policy.partial_score(state, now) / 2)
    assert policy.importance(policy.initial(0, seed_key="a", importance=150.0), 0) == 1.0


@pytest.mark.parametrize("layer", LAYERS)
def test_importance_is_drawn_with_the_layers_odds_and_repeats(layer: str) -> None:
    policy = LayeredForgetting()
    drawn = [policy.initial(0, seed_key=f"item-{number}", layer=layer).importance for number in range(4_000)]
    counts = [drawn.count(points) / len(drawn) for points in (40.0, 60.0, 80.0)]
    assert counts == pytest.approx(LAYERS[layer].odds, abs=0.025)
    assert policy.initial(0, seed_key="item-7", layer=layer).importance == drawn[7]


def test_a_new_item_lies_in_the_shallowest_layer_unless_told() -> None:
    assert LayeredForgetting().initial(0, seed_key="a").layer == "shallow"
    assert LayeredForgetting().initial(0, seed_key="a", layer="deep").layer == "deep"


# ---------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    "bad",
    [
        {"promote_at": (80.0, 60.0)},
        {"promote_at": (60.0, 60.0)},
        {"promote_at": (60.0, math.nan)},
        {"promote_at": (60.0,)},
        {"layers": ()},
        {"layers": (SHALLOW, SHALLOW, DEEP)},
        {"margin": -1.0},
        {"margin": math.nan},
        {"purge_recency": 0.0},
        {"purge_importance": 0.0},
        {"feedback": -5.0},
        {"step": 0},
    ],
)
def test_settings_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        LayeredForgetting(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bad",
    [
        {"name": ""},
        {"stability": 0.0},
        {"stability": math.inf},
        {"rate": 0.0},
        {"rate": 1.01},
        {"odds": (0.5, 0.5, 0.5)},
        {"odds": (1.5, -0.5, 0.0)},
    ],
)
def test_constants_of_a_layer_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Layer(**({"name": "x", "stability": 14.0, "rate": 0.9, "odds": (0.8, 0.15, 0.05)} | bad))  # type: ignore[arg-type]


def test_a_memory_from_the_future_is_refused() -> None:
    policy = LayeredForgetting()
    state = policy.initial(DAY, seed_key="a")
    for act in (policy.recency, policy.partial_score, policy.retention, policy.reinforce, policy.tick, policy.forgets):
        with pytest.raises(InputError, match="order of time"):
            act(state, DAY - 1)


def test_unknown_layers_signals_and_relevances_are_refused() -> None:
    policy = LayeredForgetting()
    state = policy.initial(0, seed_key="a")
    with pytest.raises(InputError, match="not a layer"):
        policy.initial(0, seed_key="a", layer="bottom")
    with pytest.raises(InputError, match="not a layer"):
        policy.tick(replace(state, layer=None), DAY)
    with pytest.raises(InputError, match="importance"):
        policy.initial(0, seed_key="a", importance=-1.0)
    for signal in (1.5, math.nan):
        with pytest.raises(InputError, match="signal"):
            policy.reinforce(state, 0, signal)
    for relevance in (1.5, math.nan):
        with pytest.raises(InputError, match="cosine"):
            policy.total_score(state, 0, relevance)
