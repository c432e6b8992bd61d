"""Every scorer by hand-computed cases and by properties that a perturbed one breaks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.algorithms import scorers
from lamina.algorithms.scorers import (
    Interval,
    SetScore,
    bootstrap_interval,
    boundary_score,
    exact_match,
    kendall_tau,
    mean_reciprocal_rank,
    ndcg,
    normalise_answer,
    paired_bootstrap,
    pairwise_order_accuracy,
    recall_at_k,
    reciprocal_rank,
    set_score,
    stratified_interval,
)
from lamina.errors import InputError

THINGS = st.integers(0, 9)
ORDER = st.permutations(list(range(7)))


# ------------------------------------------------------------------------------------------------------------- answers
@pytest.mark.parametrize(
    ("predicted", "gold", "score"),
    [
        ("Lisbon", "lisbon", 1.0),
        ("  The Lisbon!  ", "Lisbon", 1.0),
        ("in Lisbon", "Lisbon", 0.0),
        ("Theatre", "atre", 0.0),
        ("", "Lisbon", 0.0),
        ("Porto", ["Lisbon", "porto."], 1.0),
        ("STRASSE", "straße", 1.0),
        ("ﬁve", "five", 1.0),
        ("1,000", "1000", 1.0),
    ],
)
def test_exact_match_by_hand(predicted: str, gold: str | list[str], score: float) -> None:
    assert exact_match(predicted, gold) == score


def test_exact_match_without_normalising_is_equality() -> None:
    assert exact_match("Lisbon", "Lisbon", normalise=False) == 1.0
    assert exact_match("lisbon", "Lisbon", normalise=False) == 0.0
    with pytest.raises(InputError, match="gold"):
        exact_match("a", [])


@given(st.text())
def test_normalising_twice_changes_nothing_more_for_words(text: str) -> None:
    words = " ".join(part for part in text.split() if part.isalnum())
    once = normalise_answer(words)
    assert exact_match(words, once) == 1.0 or normalise_answer(once) != once  # NFKC of a folded sign may fold further


# ---------------------------------------------------------------------------------------------------------------- sets
@pytest.mark.parametrize(
    ("predicted", "gold", "expected"),
    [
        ("abcd", "ab", (0.5, 1.0, 2 / 3)),
        ("ab", "abcd", (1.0, 0.5, 2 / 3)),
        ("abx", "abcd", (2 / 3, 0.5, 4 / 7)),
        ("aab", "ab", (1.0, 1.0, 1.0)),
        ("x", "a", (0.0, 0.0, 0.0)),
        ("", "", (1.0, 1.0, 1.0)),
        ("", "a", (0.0, 0.0, 0.0)),
        ("a", "", (0.0, 0.0, 0.0)),
    ],
)
def test_set_score_by_hand(predicted: str, gold: str, expected: tuple[float, float, float]) -> None:
    score = set_score(predicted, gold)
    assert (score.precision, score.recall, score.f1) == pytest.approx(expected)


@given(st.sets(THINGS), st.sets(THINGS, min_size=1))
def test_swapping_the_sides_swaps_precision_and_recall(predicted: set[int], gold: set[int]) -> None:
    there, back = set_score(predicted, gold), set_score(gold, predicted)
    assert (there.precision, there.recall, there.f1) == (back.recall, back.precision, back.f1)


@given(st.sets(THINGS), st.sets(THINGS, min_size=1))
def test_one_more_right_thing_raises_f1_and_one_more_wrong_lowers_it(predicted: set[int], gold: set[int]) -> None:
    before = set_score(predicted, gold)
    if gold - predicted:
        assert set_score(predicted | {min(gold - predicted)}, gold).f1 > before.f1
    assert set_score(predicted | {99}, gold).f1 <= before.f1
    assert set_score(predicted | {99}, gold).recall == before.recall
    if predicted & gold:
        assert set_score(predicted | {99}, gold).precision < before.precision


# -------------------------------------------------------------------------------------------------------------- orders
@given(ORDER)
def test_kendall_tau_is_the_share_of_agreeing_less_disagreeing_pairs(order: list[int]) -> None:
    gold = list(range(7))
    agree = sum((order.index(i) < order.index(j)) * 2 - 1 for i, j in itertools.combinations(gold, 2))
    assert kendall_tau(order, gold) == pytest.approx(agree / 21)
    assert kendall_tau(order[::-1], gold) == pytest.approx(-agree / 21)
    assert kendall_tau(gold, order) == pytest.approx(agree / 21)
    assert pairwise_order_accuracy(order, gold) == pytest.approx((agree / 21 + 1) / 2)


@given(ORDER, st.integers(0, 5))
def test_putting_one_neighbouring_pair_right_raises_both_orders(order: list[int], place: int) -> None:
    gold = list(range(7))
    better = order.copy()
    better[place : place + 2] = sorted(order[place : place + 2])
    if better != order:
        assert kendall_tau(better, gold) == pytest.approx(kendall_tau(order, gold) + 2 / 21)
        assert pairwise_order_accuracy(better, gold) == pytest.approx(pairwise_order_accuracy(order, gold) + 1 / 21)


@pytest.mark.parametrize(
    ("predicted", "gold", "score"),
    [
        ("ab", "abc", 1 / 3),
        ("xaybz", "ab", 1.0),
        ("ba", "ab", 0.0),
        ("", "ab", 0.0),
        ("a", "a", 1.0),
        ("x", "a", 0.0),
        ("abdc", "abcd", 5 / 6),
    ],
)
def test_pairwise_order_by_hand(predicted: str, gold: str, score: float) -> None:
    assert pairwise_order_accuracy(predicted, gold) == pytest.approx(score)


def test_orders_of_one_agree_and_impossible_orders_are_refused() -> None:
    assert kendall_tau("a", "a") == kendall_tau("", "") == 1.0
    for predicted, gold in (("ab", "abc"), ("abx", "abc"), ("aab", "ab"), ("ab", "aab")):
        with pytest.raises(InputError):
            kendall_tau(predicted, gold)
    for predicted, gold in (("aab", "ab"), ("ab", "aab"), ("a", "")):
        with pytest.raises(InputError):
            pairwise_order_accuracy(predicted, gold)


# ------------------------------------------------------------------------------------------------------------ rankings
@pytest.mark.parametrize(
    ("ranked", "gold", "k", "score"),
    [
        ("axb", "ab", 1, 0.5),
        ("axb", "ab", 2, 0.5),
        ("axb", "ab", 3, 1.0),
        ("axb", "abcd", 9, 0.5),
        ("", "a", 3, 0.0),
        ("aab", "ab", 2, 0.5),
    ],
)
def test_recall_at_k_by_hand(ranked: str, gold: str, k: int, score: float) -> None:
    assert recall_at_k(ranked, gold, k) == score


@given(st.permutations(list(range(10))), st.sets(THINGS, min_size=1), st.integers(1, 9))
def test_recall_never_falls_with_k_and_ends_at_one(ranked: list[int], gold: set[int], k: int) -> None:
    assert recall_at_k(ranked, gold, k) <= recall_at_k(ranked, gold, k + 1)
    assert recall_at_k(ranked, gold, 10) == 1.0


def test_reciprocal_rank_by_hand() -> None:
    assert [reciprocal_rank(ranked, "ab") for ranked in ("a", "xb", "xyab", "xy", "")] == [1.0, 0.5, 1 / 3, 0.0, 0.0]
    assert mean_reciprocal_rank(["a", "xb", "xy"], ["a", "b", "z"]) == pytest.approx(0.5)


def test_ndcg_by_hand() -> None:
    gains = {"a": 3.0, "b": 2.0, "c": 1.0}
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert ndcg("abc", gains) == 1.0
    assert ndcg("cab", gains) == pytest.approx((1 + 3 / math.log2(3) + 2 / 2) / best)
    assert ndcg("xa", gains) == pytest.approx(3 / math.log2(3) / best)
    assert ndcg("cab", gains, k=1) == pytest.approx(1 / 3)
    assert ndcg("xay", gains, k=2) == pytest.approx(3 / math.log2(3) / (3 + 2 / math.log2(3)))
    assert ndcg("aab", gains, k=3) == pytest.approx((3 + 2 / 2) / best)
    assert ndcg("", gains) == 0.0


@given(st.permutations(list(range(6))), st.lists(st.integers(0, 5), min_size=6, max_size=6), st.integers(0, 4), st.integers(1, 8))
def test_ndcg_rises_when_a_better_thing_moves_up(ranked: list[int], gains: list[int], place: int, k: int) -> None:
    if not any(gains):
        return
    worth = {thing: float(gain) for thing, gain in enumerate(gains)}
    before = ndcg(ranked, worth, k)
    assert 0 <= before <= 1 + 1e-12
    better = ranked.copy()
    better[place : place + 2] = sorted(ranked[place : place + 2], key=lambda thing: -worth[thing])
    raised = worth[better[place]] > worth[ranked[place]] and place < k
    assert ndcg(better, worth, k) > before if raised else ndcg(better, worth, k) == pytest.approx(before)


def test_rankings_that_cannot_be_scored_are_refused() -> None:
    for k in (0, -1):
        with pytest.raises(InputError, match="k must"):
            recall_at_k("a", "a", k)
        with pytest.raises(InputError, match="k must"):
            ndcg("a", {"a": 1.0}, k)
    for score in (lambda: recall_at_k("a", "", 1), lambda: reciprocal_rank("a", ""), lambda: mean_reciprocal_rank([], [])):
        with pytest.raises(InputError):
            score()
    with pytest.raises(InputError):
        mean_reciprocal_rank(["a"], ["a", "b"])
    for gains in ({}, {"a": 0.0}, {"a": -1.0, "b": 1.0}, {"a": math.nan}, {"a": math.inf}):
        with pytest.raises(InputError, match="gains"):
            ndcg("a", gains)


# ---------------------------------------------------------------------------------------------------------- boundaries
@pytest.mark.parametrize(
    ("predicted", "gold", "tolerance", "matched"),
    [
        ([10, 20], [10, 20], 0, 2),
        ([11, 19], [10, 20], 0, 0),
        ([11, 19], [10, 20], 1, 2),
        ([9, 11], [10], 2, 1),  # a gold boundary is found once
        ([10], [9, 11], 2, 1),
        ([8, 10], [10, 12], 2, 2),  # the largest matching, not the nearest pairs
        ([20, 10, 10], [10, 20], 0, 2),
    ],
)
def test_boundary_score_by_hand(predicted: list[int], gold: list[int], tolerance: int, matched: int) -> None:
    score = boundary_score(predicted, gold, tolerance)
    found, right = len(set(predicted)), len(set(gold))
    assert score == SetScore(matched / found, matched / right, 2 * matched / (found + right))


@given(st.sets(st.integers(1, 25), max_size=5), st.sets(st.integers(1, 25), min_size=1, max_size=5), st.integers(0, 5))
def test_the_boundary_matching_is_the_largest_and_grows_with_tolerance(
    predicted: set[int], gold: set[int], tolerance: int
) -> None:
    few, many = sorted((sorted(predicted), sorted(gold)), key=len)
    largest = max(
        (
            sum(abs(one - other) <= tolerance for one, other in zip(few, chosen, strict=True))
            for chosen in itertools.permutations(many, len(few))
        ),
        default=0,
    )
    score = boundary_score(predicted, gold, tolerance)
    assert score.recall == largest / len(gold)
    assert boundary_score(predicted, gold, tolerance + 1).f1 >= score.f1
    assert boundary_score(predicted, gold).f1 == set_score(predicted, gold).f1


def test_boundaries_against_nothing_count_as_sets_do() -> None:
    assert boundary_score([], []).f1 == 1.0
    assert boundary_score([], [3]).f1 == boundary_score([3], []).f1 == 0.0
    with pytest.raises(InputError, match="tolerance"):
        boundary_score([1], [1], -1)


# ----------------------------------------------------------------------------------------------------------- intervals
def test_the_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = bootstrap_interval(values, samples=4_000)
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert interval.estimate == values.mean()
    assert interval.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    narrow = bootstrap_interval(values, confidence=0.5, samples=4_000)
    assert (narrow.high - narrow.low) / (2 * half) == pytest.approx(0.6745 / 1.96, abs=0.03)


def test_the_interval_covers_the_true_mean_as_often_as_the_normal_one() -> None:
    generator = np.random.default_rng(1)
    covered = normal = 0
    for seed in range(400):
        values = generator.normal(size=100)
        interval = bootstrap_interval(values, confidence=0.8, samples=300, seed=seed)
        covered += interval.low <= 0 <= interval.high
        normal += abs(values.mean()) <= 1.2816 * values.std(ddof=1) / 10
    assert covered / 400 == pytest.approx(normal / 400, abs=0.03)
    assert covered / 400 == pytest.approx(0.8, abs=0.06)


def test_a_seed_repeats_an_interval_and_another_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval(values, samples=200) == bootstrap_interval(values, samples=200)
    assert bootstrap_interval(values, samples=200) != bootstrap_interval(values, samples=200, seed=1)
    whole = bootstrap_interval(values, samples=200)
    monkeypatch.setattr(scorers, "_RESAMPLED_AT_ONCE", 700)  # 14 samples at a time: the stream of draws goes on
    assert bootstrap_interval(values, samples=200) == whole


def test_pairing_sees_a_difference_that_unpaired_intervals_hide() -> None:
    generator = np.random.default_rng(2)
    hard = generator.random(200)
    first, second = hard + 0.05 + generator.normal(0, 0.02, 200), hard
    paired = paired_bootstrap(first, second, samples=2_000)
    assert paired.estimate == pytest.approx((first - second).mean())
    assert paired.low > 0
    assert paired.p_value == 1 / 2_000
    assert bootstrap_interval(first, samples=2_000).low < bootstrap_interval(second, samples=2_000).high
    back = paired_bootstrap(second, first, samples=2_000)
    assert (back.estimate, back.low, back.high) == pytest.approx((-paired.estimate, -paired.high, -paired.low))


def test_a_stratified_interval_counts_every_group_alike_and_keeps_their_sizes() -> None:
    few, many = [1.0, 0.0], [0.0] * 98
    assert stratified_interval([few, many]).estimate == 0.25
    alone = bootstrap_interval(few, samples=4_000)
    both = stratified_interval([few, many], samples=4_000)
    assert (both.low, both.high) == (alone.low / 2, alone.high / 2)
    assert stratified_interval([[0.3], [0.5]]) == Interval(0.4, 0.4, 0.4)
    with pytest.raises(InputError, match="at least one group"):
        stratified_interval([])
    with pytest.raises(InputError, match="finite values"):
        stratified_interval([[1.0], []])


def test_without_a_difference_the_p_value_is_spread_evenly() -> None:
    generator = np.random.default_rng(3)
    values = [paired_bootstrap(generator.normal(size=80), generator.normal(size=80), samples=300).p_value for _ in range(400)]
    assert np.mean(np.array(values) < 0.2) == pytest.approx(0.2, abs=0.06)
    assert paired_bootstrap([1.0, 2.0], [1.0, 2.0], samples=10).p_value == 1.0
    assert isinstance(paired_bootstrap([1.0], [0.0], samples=10), Interval)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, 1.0], [[1.0]]])
def test_values_that_cannot_be_resampled_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError):
        bootstrap_interval(values)


def test_settings_of_a_bootstrap_out_of_range_are_refused() -> None:
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match="confidence"):
            bootstrap_interval([1.0], confidence=confidence)
    with pytest.raises(InputError, match="samples"):
        bootstrap_interval([1.0], samples=0)
    with pytest.raises(InputError, match="same cases"):
        paired_bootstrap([1.0], [1.0, 2.0])
