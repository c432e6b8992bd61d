"""Forests of clusters: what merges and what does not, the form of the tree, and descending it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.algorithms.hierarchy import ForestBuilder, Level, Likeness, Points, descend, distances
from lamina.errors import InputError

MEANING, PLACE, BOTH = Likeness(1, 0), Likeness(0, 1), Likeness(0.6, 0.4)


def points(vectors: Any, positions: Any = None, times: Any = None, **more: Any) -> Points:
    vectors = np.asarray(vectors, np.float32)
    size = len(vectors)
    positions = np.full((size, 2), np.nan) if positions is None else np.asarray(positions, np.float64)
    times = np.zeros(size, np.int64) if times is None else np.asarray(times, np.int64)
    marks = np.random.default_rng(7).integers(1 << 62, size=size).astype(np.uint64)
    return Points(vectors, positions, times, marks, **more)


def scattered(seed: int, size: int) -> Points:
    chance = np.random.default_rng(seed)
    middles = chance.normal(size=(5, 16))
    kinds = chance.integers(5, size=size)
    return points(middles[kinds] + 0.4 * chance.normal(size=(size, 16)), chance.uniform(0, 400, (size, 2)))


def groups(levels: list[Level]) -> set[frozenset[int]]:
    return {frozenset(rows.tolist()) for rows in levels[0].members} if levels else set()


def test_far_apart_groups_with_the_same_captions_merge_by_meaning_alone_only() -> None:
    two = points([[1, 0]] * 6, [[0, 0]] * 3 + [[900, 0]] * 3)
    assert len(ForestBuilder(MEANING).grow(two)[0].members) == 1
    apart = ForestBuilder(BOTH).grow(two)
    assert groups(apart) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}
    # with the source's growth the next level has a threshold of 0.44: there the likeness 0.6 of equal captions is enough, wherever they are
    assert len(apart[1].members) == 1
    assert len(ForestBuilder(Likeness(widening=1), growth=0).grow(two)) == 1


def test_groups_of_one_place_with_opposite_captions_merge_by_place_alone_only() -> None:
    two = points([[1, 0]] * 3 + [[-1, 0]] * 3, [[5, 5]] * 6)
    assert len(ForestBuilder(PLACE).grow(two)[0].members) == 1
    for likeness in (BOTH, MEANING, Likeness(0.8, 0.2)):
        assert groups(ForestBuilder(likeness, levels=1).grow(two)) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 60), st.integers(2, 64))
def test_a_forest_is_a_tree_of_levels_whose_positions_are_means(seed: int, size: int, most: int) -> None:
    below = scattered(seed, size)
    levels = ForestBuilder(threshold=0.6, most=most).grow(below)
    again = ForestBuilder(threshold=0.6, most=most).grow(below)
    counts = [size]
    for level, same in zip(levels, again, strict=True):
        rows = np.concatenate(level.members)
        assert sorted(rows.tolist()) == list(range(len(below)))  # one parent each, and none is left out
        assert [one.tolist() for one in level.members] == [one.tolist() for one in same.members]
        for members, position in zip(level.members, level.points.positions, strict=True):
            assert np.allclose(position, below.positions[members].mean(axis=0))
        counts.append(len(level.members))
        below = level.points
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == len(counts)  # a level on which nothing merges is left out


def test_all_in_a_cluster_are_as_alike_as_the_threshold_says() -> None:
    some = scattered(3, 80)
    level = ForestBuilder(threshold=0.5).grow(some)[0]
    likeness = BOTH.matrix(some)
    assert any(len(rows) > 2 for rows in level.members)
    assert min(likeness[np.ix_(rows, rows)].min() for rows in level.members) >= 0.5 - 1e-6


def test_large_sets_are_cut_by_their_marks_so_that_an_addition_changes_one_piece() -> None:
    some = scattered(5, 400)
    builder = ForestBuilder(threshold=0.5, most=100)
    pieces = [frozenset(some.marks[rows].tolist()) for rows in builder.pieces(some)]
    fewer = some.take(np.delete(np.arange(400), 137))
    after = [frozenset(fewer.marks[rows].tolist()) for rows in builder.pieces(fewer)]
    assert max(map(len, pieces)) <= 100
    assert len(set(pieces) - set(after)) <= 2
    assert len(pieces) > 4


def test_time_and_named_places_count_where_they_are_asked_for() -> None:
    day = 86_400_000_000
    two = points([[1, 0]] * 4, times=[0, day, 300 * day, 301 * day])
    assert len(ForestBuilder(Likeness(0.6, 0, 0.4), threshold=0.3, levels=1).grow(two)[0].members) == 2
    named = replace(points([[1, 0]] * 4), places=np.array([0, 0, 1, 1]))
    assert groups(ForestBuilder(BOTH, threshold=0.3, levels=1).grow(named)) == {frozenset({0, 1}), frozenset({2, 3})}
    unknown = replace(points([[1, 0]] * 4), places=np.array([0, 0, -1, -1]))
    assert BOTH.matrix(unknown)[0, 2] == pytest.approx(1)  # what is unknown is left out of the comparison


def test_metres_between_degrees_and_means_across_the_180th_meridian() -> None:
    fiji = points([[1, 0]] * 2, [[-17.0, 179.999], [-17.0, -179.999]], degrees=True)
    assert distances(fiji, np.array([-17.0, 180.0]))[0] == pytest.approx(106.3, abs=0.5)
    middle = ForestBuilder(Likeness(0.6, 0.4, reach=500)).grow(fiji)[0].points.positions[0]
    assert abs(abs(middle[1]) - 180) < 1e-6


def test_the_reach_of_places_grows_with_the_level() -> None:
    far = points([[1, 0]] * 2, [[0, 0], [200, 0]])
    lower, higher = (PLACE.matrix(far, level)[0, 1] for level in (1, 5))
    assert lower == pytest.approx(np.exp(-4), rel=1e-4)
    assert higher == pytest.approx(np.exp(-200 / (50 * 1.2**4)), rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: points([[np.nan, 0]]), lambda: points([[1, 0]], [[np.nan, 0]]), lambda: points([[1, 0]], [[np.inf, 0]]),
        lambda: points([[1, 0]], [[91, 0]], degrees=True), lambda: points([[1, 0]], [[0, 181]], degrees=True), lambda: points([[1, 0]], [[0, 0], [1, 1]]),
        lambda: Likeness(meaning=1.1), lambda: Likeness(0, 0, 0), lambda: Likeness(reach=0), lambda: ForestBuilder(threshold=0),
        lambda: ForestBuilder(growth=-1), lambda: ForestBuilder(levels=0), lambda: ForestBuilder(most=1),
        lambda: descend([0], lambda node: (), lambda nodes: np.zeros(len(nodes)), beam=0),
        lambda: descend([0], lambda node: (), lambda nodes: np.zeros(len(nodes)), share=1.0),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        wrong()


def test_none_and_one_make_no_forest() -> None:
    assert ForestBuilder().grow(points(np.zeros((0, 2)))) == []
    assert ForestBuilder().grow(points([[1, 0]])) == []


def test_a_wide_beam_finds_the_best_leaf_and_a_narrow_one_reads_less() -> None:
    chance = np.random.default_rng(0)
    worth = chance.normal(size=1 + 10 + 100)
    tree = {0: list(range(1, 11))} | {node: list(range(11 + 10 * (node - 1), 21 + 10 * (node - 1))) for node in range(1, 11)}

    def score(nodes: np.ndarray) -> np.ndarray:
        return np.array([max(worth[tree[node]]) if node in tree and node else worth[node] for node in nodes.tolist()])

    for beam, read in ((1, 21), (10, 111)):
        found = descend([0], lambda node: tree.get(node, ()), score, beam)
        assert found.leaves[0] == 11 + worth[11:].argmax()  # a middle's score is that of its best leaf here
        assert found.read == read
    assert len(descend([], lambda node: (), score, 1).leaves) == 0


def test_a_leaf_counts_by_what_it_lies_in_too() -> None:
    tree = {0: [2], 1: [3]}
    worth = np.array([1.0, 0.1, 0.5, 0.6])
    alone = descend([0, 1], lambda node: tree.get(node, ()), lambda nodes: worth[nodes], beam=2)
    shared = descend([0, 1], lambda node: tree.get(node, ()), lambda nodes: worth[nodes], beam=2, share=0.5)
    assert alone.leaves.tolist() == [3, 2]
    assert shared.leaves.tolist() == [2, 3]
    assert shared.scores.tolist() == pytest.approx([0.75, 0.35])
