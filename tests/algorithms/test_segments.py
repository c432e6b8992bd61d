"""Contiguous segments: the best cuts there are, and how many of them."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.algorithms.segments import Segmentation, best_cuts
from lamina.errors import InputError


def spread(rows: np.ndarray, cuts: tuple[int, ...]) -> float:
    return sum(((rows[a:b] - rows[a:b].mean(axis=0)) ** 2).sum() for a, b in pairwise([0, *cuts, len(rows)]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 4))
def test_no_other_cuts_are_better(seed: int, size: int, parts: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(size, 3))
    parts = min(parts, size)
    costs, cuts = best_cuts(rows, parts)
    for number in range(1, parts + 1):
        best = min(spread(rows, some) for some in combinations(range(1, size), number - 1))
        assert costs[number - 1] == pytest.approx(best, abs=1e-9)
        assert spread(rows, tuple(cuts[number - 1].tolist())) == pytest.approx(best, abs=1e-9)


def test_the_number_of_segments_is_found_and_shuffled_rows_have_fewer() -> None:
    chance = np.random.default_rng(0)
    found, mixed = [], []
    for _ in range(20):
        parts = int(chance.integers(2, 6))
        rows = np.repeat(chance.normal(size=(parts, 12)), 6, axis=0) + 0.5 * chance.normal(size=(6 * parts, 12))
        found.append(len(Segmentation().cuts(rows)) + 1 == parts)
        mixed.append(len(Segmentation().cuts(rows[chance.permutation(len(rows))])) + 1 == parts)
    assert np.mean(found) >= 0.9 > 0.6 > np.mean(mixed)


def test_the_same_rows_are_cut_the_same_way_and_a_few_not_at_all() -> None:
    rows = np.random.default_rng(1).normal(size=(30, 4))
    assert Segmentation().cuts(rows).tolist() == Segmentation().cuts(rows).tolist()
    assert Segmentation().cuts(rows[:1]).tolist() == []
    assert len(Segmentation().cuts(rows, 4)) == 3


def test_values_that_cannot_be_are_refused() -> None:
    rows = np.zeros((3, 2))
    for wrong in (
        lambda: best_cuts(rows, 0), lambda: best_cuts(rows, 4), lambda: best_cuts(rows[0], 1), lambda: best_cuts(rows * np.nan, 1),
        lambda: Segmentation(most=0), lambda: Segmentation(shuffles=0), lambda: Segmentation().cuts(rows, 9),
    ):  # fmt: skip
        with pytest.raises(InputError):
            wrong()
