"""Merging by nearness: as the greedy algorithm does it, whatever the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.algorithms.agglomeration import Linkage, Merges, agglomerate
from lamina.errors import InputError


def points(seed: int, n: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 3))
    return np.linalg.norm(rows[:, None] - rows, axis=2)


def greedy(distance: np.ndarray, linkage: Linkage, threshold: float) -> set[frozenset[int]]:
    """The plain algorithm: look at all pairs of clusters, merge the nearest two, start again."""
    clusters = [frozenset([row]) for row in range(len(distance))]
    while len(clusters) > 1:
        apart = {}
        for place, one in enumerate(clusters):
            for other in clusters[place + 1 :]:
                block = distance[np.ix_(sorted(one), sorted(other))]
                apart[one, other] = float(block.max() if linkage == "complete" else block.mean())
        pair = min(apart, key=lambda pair: apart[pair])
        if apart[pair] >= threshold:
            break
        clusters = [one for one in clusters if one not in pair] + [pair[0] | pair[1]]
    return set(clusters)


def clusters_of(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 14), st.sampled_from(["complete", "average"]), st.floats(0.1, 4))
def test_clusters_are_those_of_the_plain_algorithm(seed: int, n: int, linkage: Linkage, threshold: float) -> None:
    distance = points(seed, n)
    merges = agglomerate(distance, linkage)
    assert clusters_of(merges.labels(threshold=threshold)) == greedy(distance, linkage, threshold)
    stopped = agglomerate(distance, linkage, ceiling=threshold)  # not going on beyond the threshold changes nothing below it
    assert clusters_of(stopped.labels(threshold=threshold)) == greedy(distance, linkage, threshold)


def test_the_order_of_rows_does_not_matter() -> None:
    distance = points(1, 40)
    order = np.random.default_rng(2).permutation(40)
    first = clusters_of(agglomerate(distance).labels(threshold=2.0))
    second = clusters_of(agglomerate(distance[np.ix_(order, order)]).labels(threshold=2.0))
    assert first == {frozenset(order[row] for row in one) for one in second}


def test_merges_are_cut_at_a_number_of_clusters_and_heights_rise() -> None:
    merges = agglomerate(points(3, 30))
    assert (np.diff(merges.heights) >= 0).all()
    for count in (1, 7, 30, 99):
        assert len(set(merges.labels(clusters=count).tolist())) == min(count, 30)


def test_rounding_below_zero_and_a_diagonal_that_is_none_are_mended() -> None:
    distance = np.array([[1e-9, -1e-9, 2.0], [-1e-9, 0, 2.0], [2.0, 2.0, 0]], np.float32)
    assert agglomerate(distance).labels(threshold=0.5).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "distance",
    [np.zeros((2, 3)), np.array([[0.0, np.nan], [np.nan, 0.0]]), np.array([[0.0, 1.0], [2.0, 0.0]]), np.zeros((2, 2), int)],
)
def test_what_are_no_distances_is_refused(distance: np.ndarray) -> None:
    with pytest.raises(InputError):
        agglomerate(distance)


def test_merges_are_cut_one_way_or_the_other() -> None:
    merges = Merges(2, np.array([[0, 1]]), np.array([1.0]))
    for wrong in ({}, {"threshold": 1.0, "clusters": 1}, {"clusters": 0}):
        with pytest.raises(InputError):
            merges.labels(**wrong)
    with pytest.raises(InputError, match="linkage"):
        agglomerate(np.zeros((1, 1)), "single")  # type: ignore[arg-type]
