"""Scores of answers, sets, orders, rankings and boundaries, and intervals around their means.

Every score is a fraction in [0, 1] unless it says otherwise. What is undefined raises `InputError` instead of
becoming a 0 that would lower a mean.
"""

from __future__ import annotations

import math
import re
import string
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

FloatArray = NDArray[np.float64]

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
NORMAL: Final = 1.959964  # standard deviations of a 95 % interval
_RESAMPLED_AT_ONCE: Final = 4_000_000
"""Numbers drawn in one go by a bootstrap, which bounds its memory (32 MB)."""


@dataclass(frozen=True, slots=True)
class SetScore:
    """Precision, recall and F1 of a set of predictions."""

    precision: float
    recall: float
    f1: float


def _set_score(matched: int, predicted: int, gold: int) -> SetScore:
    if predicted == 0 and gold == 0:
        return SetScore(1.0, 1.0, 1.0)
    precision = matched / predicted if predicted else 0.0
    recall = matched / gold if gold else 0.0
    return SetScore(precision, recall, 2 * matched / (predicted + gold))


# -------------------------------------------------------------------------------------------------------- answers
def normalise_answer(text: str) -> str:
    """Text for comparison: compatibility form, case folded, without ASCII punctuation, English articles, extra spaces.

    Source: the evaluation of "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (Rajpurkar et al., 2016).

    >>> normalise_answer(" The  Café, Lisbon. ")
    'café lisbon'
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", folded).split())


def exact_match(predicted: str, gold: str | Sequence[str], *, normalise: bool = True) -> float:
    """1.0 where the prediction equals the gold answer, or one of several, else 0.0.

    `normalise` compares by `normalise_answer`. Raises `InputError` where there is no gold answer.

    >>> exact_match("the Lisbon.", ["Porto", "Lisbon"]), exact_match("Lisbon now", "Lisbon")
    (1.0, 0.0)
    """
    answers = [gold] if isinstance(gold, str) else list(gold)
    if not answers:
        raise InputError("an exact match needs at least one gold answer")
    if normalise:
        predicted, answers = normalise_answer(predicted), [normalise_answer(answer) for answer in answers]
    return float(predicted in answers)


# ----------------------------------------------------------------------------------------------------------- sets
def set_score(predicted: Iterable[Hashable], gold: Iterable[Hashable]) -> SetScore:
    """Precision, recall and F1 of predicted things against gold ones, each counted once.

    Both empty: all 1. One of them empty: all 0.

    >>> set_score(["a", "b", "c", "x"], ["a", "b"])
    SetScore(precision=0.5, recall=1.0, f1=0.6666666666666666)
    """
    found, right = set(predicted), set(gold)
    return _set_score(len(found & right), len(found), len(right))


# --------------------------------------------------------------------------------------------------------- orders
def kendall_tau(predicted: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    """Kendall's tau of two orders of the same things, in [-1, 1]; orders of fewer than two agree (1).

    Raises `InputError` where they are not the same things, each once; `pairwise_order_accuracy` takes partial orders.
    Source: "A new measure of rank correlation" (M. G. Kendall, 1938).

    >>> kendall_tau("abcd", "abcd"), kendall_tau("dcba", "abcd"), round(kendall_tau("bacd", "abcd"), 3)
    (1.0, -1.0, 0.667)
    """
    places = _places(gold, "gold")
    if _places(predicted, "predicted").keys() != places.keys():
        raise InputError("Kendall's tau needs the same things in both orders; pairwise_order_accuracy takes a partial one")
    pairs = len(places) * (len(places) - 1) // 2
    if pairs == 0:
        return 1.0
    return 1.0 - 2.0 * _inversions([places[thing] for thing in predicted]) / pairs


def pairwise_order_accuracy(predicted: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    """The share of pairs of gold things that are both predicted, in the right order.

    A missing thing costs all its pairs; things outside gold are passed over. Fewer than two gold things: 1 if all are
    predicted, else 0. Raises `InputError` where either list has a thing twice, or gold is empty.

    >>> pairwise_order_accuracy("xabc", "abcd")
    0.5
    """
    places = _places(gold, "gold")
    if not places:
        raise InputError("an order needs at least one gold thing")
    ranks = [places[thing] for thing in _places(predicted, "predicted") if thing in places]
    pairs = len(places) * (len(places) - 1) // 2
    if pairs == 0:
        return float(len(ranks) == len(places))
    return (len(ranks) * (len(ranks) - 1) // 2 - _inversions(ranks)) / pairs


def _places(order: Sequence[Hashable], what: str) -> dict[Hashable, int]:
    places = {thing: place for place, thing in enumerate(order)}
    if len(places) != len(order):
        raise InputError(f"the {what} order names a thing twice")
    return places


def _inversions(ranks: Sequence[int]) -> int:
    seen: list[int] = []
    count = 0
    for rank in ranks:
        count += len(seen) - bisect_left(seen, rank)
        insort(seen, rank)
    return count


# ------------------------------------------------------------------------------------------------------- rankings
def recall_at_k(ranked: Sequence[Hashable], gold: Iterable[Hashable], k: int) -> float:
    """|gold in the top k| / |gold|. Raises `InputError` for k < 1 or an empty gold.

    >>> recall_at_k(["a", "x", "b"], {"a", "b"}, k=2)
    0.5
    """
    right = _gold(gold)
    return len(right.intersection(ranked[: _check_k(k)])) / len(right)


def reciprocal_rank(ranked: Sequence[Hashable], gold: Iterable[Hashable]) -> float:
    """1 / rank of the first gold thing (from 1); 0 where none is ranked. Raises `InputError` for no gold.

    >>> reciprocal_rank(["x", "a", "b"], {"a", "b"})
    0.5
    """
    right = _gold(gold)
    return next((1.0 / rank for rank, thing in enumerate(ranked, start=1) if thing in right), 0.0)


def mean_reciprocal_rank(rankings: Sequence[Sequence[Hashable]], golds: Sequence[Iterable[Hashable]]) -> float:
    """The mean of `reciprocal_rank` over queries (MRR). Raises `InputError` for none, or lists of different lengths.

    >>> mean_reciprocal_rank([["a"], ["x", "b"]], [{"a"}, {"b"}])
    0.75
    """
    if not rankings or len(rankings) != len(golds):
        raise InputError(f"MRR needs as many rankings as golds, and at least one, not {len(rankings)} and {len(golds)}")
    return sum(reciprocal_rank(ranked, gold) for ranked, gold in zip(rankings, golds, strict=True)) / len(rankings)


def ndcg(ranked: Sequence[Hashable], gains: Mapping[Hashable, float], k: int | None = None) -> float:
    """Normalised discounted cumulative gain of the top k (None: all), discounted by log2(rank + 1).

    Gains are taken as given, things without one count 0, a thing ranked twice counts once. Raises `InputError` for
    k < 1, negative or infinite gains, and where no gain is above 0. Source: "Cumulated gain-based evaluation of IR
    techniques" (Järvelin and Kekäläinen, 2002).

    >>> ndcg(["a", "b"], {"a": 3.0, "b": 1.0}), round(ndcg(["b", "a"], {"a": 3.0, "b": 1.0}), 3)
    (1.0, 0.797)
    """
    if not all(0 <= gain < math.inf for gain in gains.values()) or not any(gains.values()):
        raise InputError("gains must be finite numbers from 0, at least one of them above 0")
    depth = max(len(ranked), len(gains)) if k is None else _check_k(k)
    seen: set[Hashable] = set()
    achieved = 0.0
    for rank, thing in enumerate(ranked[:depth], start=1):
        if thing not in seen:
            achieved += gains.get(thing, 0.0) / math.log2(rank + 1)
            seen.add(thing)
    best = sorted(gains.values(), reverse=True)[:depth]
    return achieved / sum(gain / math.log2(rank + 1) for rank, gain in enumerate(best, start=1))


def _gold(gold: Iterable[Hashable]) -> set[Hashable]:
    right = set(gold)
    if not right:
        raise InputError("a ranking cannot be scored against an empty gold set")
    return right


def _check_k(k: int) -> int:
    if k < 1:
        raise InputError(f"k must be at least 1, not {k!r}")
    return k


# ----------------------------------------------------------------------------------------------------- boundaries
def boundary_score(predicted: Iterable[int], gold: Iterable[int], tolerance: int = 0) -> SetScore:
    """Precision, recall and F1 of boundaries, a pair matching within `tolerance` rows, each boundary used once.

    The matching is the largest one. Empty sides count as in `set_score`. Raises `InputError` for a negative
    tolerance.

    >>> boundary_score([9, 11, 30], [10, 20], tolerance=2).f1
    0.4
    """
    if tolerance < 0:
        raise InputError(f"tolerance must be >= 0 rows, not {tolerance!r}")
    found, right = sorted(set(predicted)), sorted(set(gold))
    matched = place = target = 0
    while place < len(found) and target < len(right):
        distance = found[place] - right[target]
        if abs(distance) <= tolerance:
            matched, place, target = matched + 1, place + 1, target + 1
        elif distance < 0:
            place += 1
        else:
            target += 1
    return _set_score(matched, len(found), len(right))


# ------------------------------------------------------------------------------------------------------ intervals
@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its confidence interval."""

    estimate: float
    low: float
    high: float


def share_interval(successes: float, cases: int) -> Interval:
    """A share and its 95 % interval by the score test, which holds for few cases and near 0 and 1 too.

    Raises `InputError` for fewer than one case. Source: "Probable inference, the law of succession, and statistical inference" (E. B. Wilson, 1927).

    >>> found = share_interval(9, 10)
    >>> found.estimate, round(found.low, 3), round(found.high, 3)
    (0.9, 0.596, 0.982)
    """
    if cases < 1:
        raise InputError(f"a share needs at least one case, not {cases}")
    share, squared = successes / cases, NORMAL * NORMAL
    middle = (share + squared / (2 * cases)) / (1 + squared / cases)
    half = NORMAL / (1 + squared / cases) * math.sqrt(share * (1 - share) / cases + squared / (4 * cases * cases))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class PairedDifference(Interval):
    """The mean difference of two systems on the same cases; `p_value` is two-sided, of no difference."""

    p_value: float


def bootstrap_interval(
    values: Sequence[float] | FloatArray, *, confidence: float = 0.95, samples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of `values` (cases,) and its percentile bootstrap interval.

    Of few or skewed values it covers the true mean somewhat less often than `confidence` says.

    Raises `InputError` for no or non-finite values, a confidence outside (0, 1), or fewer than 1 sample. Source:
    "Bootstrap methods: another look at the jackknife" (B. Efron, 1979).

    >>> bootstrap_interval([0.5, 0.5, 0.5])
    Interval(estimate=0.5, low=0.5, high=0.5)
    """
    cases = _cases(values)
    low, high = _percentiles(_resampled_means(cases, samples, seed), confidence)
    return Interval(float(cases.mean()), low, high)


def paired_bootstrap(
    first: Sequence[float] | FloatArray,
    second: Sequence[float] | FloatArray,
    *,
    confidence: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """The mean of first - second over the same cases, its percentile interval, and a two-sided p-value.

    The p-value is twice the smaller share of resampled differences on one side of 0, those at 0 counted on both, and
    never below 1 / samples. Raises `InputError` as `bootstrap_interval`, and where the lengths differ.

    >>> paired_bootstrap([1.0, 1.0, 0.0], [0.0, 1.0, 0.0]).estimate
    0.3333333333333333
    """
    left, right = _cases(first), _cases(second)
    if left.size != right.size:
        raise InputError(f"a paired comparison needs the same cases: {left.size} and {right.size} values were given")
    means = _resampled_means(left - right, samples, seed)
    low, high = _percentiles(means, confidence)
    tail = min(float((means <= 0).mean()), float((means >= 0).mean()))
    return PairedDifference(float((left - right).mean()), low, high, min(1.0, max(2 * tail, 1 / samples)))


def stratified_interval(
    strata: Sequence[Sequence[float] | FloatArray], *, confidence: float = 0.95, samples: int = 10_000, seed: int = 0
) -> Interval:
    """The mean of the means of several groups of cases, each counted alike, and its percentile bootstrap interval.

    Each group is resampled by itself, so that their sizes stay what they are. Raises `InputError` as
    `bootstrap_interval`, and where there is no group.

    >>> stratified_interval([[1.0, 1.0], [0.0]])
    Interval(estimate=0.5, low=0.5, high=0.5)
    """
    groups = [_cases(values) for values in strata]
    if not groups:
        raise InputError("a stratified interval needs at least one group of cases")
    means = np.mean([_resampled_means(cases, samples, seed + place) for place, cases in enumerate(groups)], axis=0)
    low, high = _percentiles(means, confidence)
    return Interval(float(np.mean([cases.mean() for cases in groups])), low, high)


def _cases(values: Sequence[float] | FloatArray) -> FloatArray:
    cases = np.asarray(values, dtype=np.float64)
    if cases.ndim != 1 or cases.size == 0 or not np.isfinite(cases).all():
        raise InputError("a bootstrap needs one row of finite values, at least one of them")
    return cases


def _resampled_means(cases: FloatArray, samples: int, seed: int) -> FloatArray:
    if samples < 1:
        raise InputError(f"samples must be at least 1, not {samples!r}")
    generator = np.random.default_rng(seed)
    at_once = max(1, _RESAMPLED_AT_ONCE // cases.size)
    parts = [
        cases[generator.integers(0, cases.size, size=(min(at_once, samples - done), cases.size))].mean(axis=1)
        for done in range(0, samples, at_once)
    ]
    return np.concatenate(parts)  # (samples,)


def _percentiles(means: FloatArray, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, not {confidence!r}")
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
