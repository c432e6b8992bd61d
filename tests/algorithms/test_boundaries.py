"""Event boundaries against plain reference implementations, and the source's effect.

The figures: pytest -s tests/algorithms/test_boundaries.py -k effect
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lamina.algorithms.boundaries import (
    BoundaryRefinement,
    Measure,
    SurpriseBoundaries,
    check_boundaries,
    merge_close,
    similarity_sums,
    split_scores,
)
from lamina.errors import InputError

MEASURES: list[Measure] = ["modularity", "conductance", "conductance-code"]
Matrix = NDArray[np.float64]


# --------------------------------------------------------------------------------------------- reference implementations
def plain_score(similarity: Matrix, start: int, end: int, split: int, measure: Measure) -> float:
    """The measure by its definition, one pair of rows at a time."""
    window = similarity[start:end, start:end]
    sides = [0 if row < split else 1 for row in range(start, end)]
    degrees = [sum(row) for row in window.tolist()]
    total = sum(degrees)
    if total <= 0:
        return -math.inf
    rows = range(end - start)
    if measure == "modularity":
        pairs = [(i, j) for i in rows for j in rows if sides[i] == sides[j]]
        return sum(window[i, j] - degrees[i] * degrees[j] / total for i, j in pairs) / (2 * total)
    cut = sum(window[i, j] for i in rows for j in rows if sides[i] == 0 and sides[j] == 1)
    values = []
    for side in (0, 1):
        if measure == "conductance":
            volume = sum(degrees[i] for i in rows if sides[i] == side)
        else:
            volume = sum(window[i, j] for i in rows for j in rows if sides[i] == sides[j] == side)
        smaller = min(volume, total - volume)
        values.append(cut / smaller if smaller > 1e-12 else math.inf)
    return -min(values)


def plain_refine(similarity: Matrix, boundaries: list[int], min_size: int, measure: Measure, keep_original: bool) -> list[int]:
    clipped = np.maximum(similarity, 0.0)
    merged: list[int] = []
    for boundary in boundaries:
        if boundary - (merged[-1] if merged else 0) >= min_size:
            merged.append(boundary)
    refined, previous = [], 0
    for boundary in merged:
        best = boundary
        if boundary - previous > min_size:
            half = (boundary - previous) // 2
            start, end = max(0, previous - half), min(len(similarity), boundary + half)
            scores = {
                row: plain_score(clipped, start, end, row, measure)
                for row in range(previous + min_size, boundary + 1 if keep_original else boundary)
            }
            if max(scores.values()) > -math.inf:
                best = max(scores, key=lambda row: scores[row])
        refined.append(best)
        previous = best
    return refined


def plain_surprise(values: list[float], gamma: float, window: int, history: int) -> list[int]:
    found = []
    for row in range(history, len(values)):
        before = np.array(values[max(0, row - window) : row])
        if values[row] > before.mean() + gamma * before.std():
            found.append(row)
    return found


# ------------------------------------------------------------------------------------------------------------ surprise
@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=9) | st.lists(st.integers(0, 50), min_size=30, max_size=80),
    st.floats(0.1, 3.0).map(lambda gamma: round(gamma, 2) + 0.001237),  # no ties with whole surprises
    st.integers(1, 6) | st.integers(1, 30),
    st.integers(1, 4),
)
def test_surprise_boundaries_are_those_of_the_definition(values: list[int], gamma: float, window: int, history: int) -> None:
    assume(history <= window)
    surprise = [float(value) for value in values]
    found = SurpriseBoundaries(gamma, window, history).boundaries(surprise).tolist()
    assert found == plain_surprise(surprise, gamma, window, history)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60), st.integers(2, 20), st.integers(1, 59))
def test_what_comes_later_changes_no_boundary(values: list[int], window: int, cut: int) -> None:
    cut = min(cut, len(values) - 1)
    rule = SurpriseBoundaries(gamma=1.001237, window=window)
    whole = rule.boundaries([float(value) for value in values])
    assert rule.boundaries([float(value) for value in values[:cut]]).tolist() == whole[whole < cut].tolist()


@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9, -7.7])
def test_rounding_alone_opens_no_event(level: float) -> None:
    assert SurpriseBoundaries(window=5).boundaries([level] * 50).size == 0
    found = SurpriseBoundaries(window=7, gamma=0.0).boundaries([level] * 50 + [level + abs(level)] * 50)
    assert set(found.tolist()) <= set(range(50, 57))  # until the window holds only the second level


def test_the_first_surprise_may_be_missing() -> None:
    values = [1.0, 1.2, 0.9, 1.1, 5.0, 1.0]
    assert SurpriseBoundaries(window=4).boundaries(values).tolist() == [4]
    assert SurpriseBoundaries(window=4).boundaries([math.nan, *values]).tolist() == [5]
    assert SurpriseBoundaries(window=4).boundaries([]).size == 0
    assert SurpriseBoundaries(window=4).boundaries([math.nan]).size == 0


def test_the_given_surprises_are_left_as_they_were() -> None:
    values = np.array([1.0, 2.0, 9.0])
    SurpriseBoundaries(window=2).boundaries(values)
    assert values.tolist() == [1.0, 2.0, 9.0]


@pytest.mark.parametrize(
    "bad", [{"gamma": math.nan}, {"gamma": math.inf}, {"window": 0}, {"history": 0}, {"window": 3, "history": 4}]
)
def test_settings_of_surprise_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        SurpriseBoundaries(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[1.0, math.nan], [1.0, math.inf], [[1.0], [2.0]]])
def test_surprises_that_are_no_row_of_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match="surprise must be"):
        SurpriseBoundaries().boundaries(values)


# ---------------------------------------------------------------------------------------------------------- refinement
@given(
    st.integers(0, 2**32),
    st.integers(6, 40),
    st.integers(1, 5),
    st.sampled_from(MEASURES),
    st.booleans(),
    st.sets(st.integers(1, 39), max_size=8),
)
def test_refinement_is_that_of_the_plain_implementation(
    seed: int, rows: int, min_size: int, measure: Measure, keep_original: bool, places: set[int]
) -> None:
    keys = np.random.default_rng(seed).normal(size=(rows, 3))  # (rows, dim): similarities of both signs, no ties
    similarity = keys @ keys.T
    boundaries = sorted(place for place in places if place < rows)
    refined = BoundaryRefinement(measure, min_size, keep_original).refine(similarity, boundaries).tolist()
    assert refined == plain_refine(similarity, boundaries, min_size, measure, keep_original)


@given(st.integers(0, 2**32), st.integers(3, 24), st.sampled_from(MEASURES))
def test_split_scores_from_prefix_sums_are_those_of_the_definition(seed: int, rows: int, measure: Measure) -> None:
    generator = np.random.default_rng(seed)
    keys = generator.normal(size=(rows, 3))
    similarity = np.maximum(keys @ keys.T, 0.0)
    start = int(generator.integers(0, rows - 2))
    end = int(generator.integers(start + 2, rows + 1))
    splits = np.arange(start + 1, end)
    expected = [plain_score(similarity, start, end, split, measure) for split in splits.tolist()]
    assert split_scores(similarity_sums(similarity), start, end, splits, measure).tolist() == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32), st.integers(10, 60), st.integers(1, 9), st.booleans(), st.sets(st.integers(1, 59), max_size=12))
def test_refined_boundaries_keep_their_number_move_left_and_leave_room(
    seed: int, rows: int, min_size: int, keep_original: bool, places: set[int]
) -> None:
    keys = np.random.default_rng(seed).normal(size=(rows, 4))
    merged = merge_close(sorted(place for place in places if place < rows), min_size, rows)
    refined = BoundaryRefinement("modularity", min_size, keep_original).refine(keys @ keys.T, merged)
    assert refined.size == merged.size
    assert (refined <= merged).all()
    assert (np.diff(np.concatenate(([0], refined))) >= min_size).all()


def test_the_source_moves_even_a_right_boundary_and_keep_original_lets_it_stay() -> None:
    keys = np.repeat(np.eye(3), 12, axis=0)  # (rows, dim)
    similarity = keys @ keys.T
    for measure in MEASURES:
        assert BoundaryRefinement(measure).refine(similarity, [12, 24]).tolist() == [11, 23]
        assert BoundaryRefinement(measure, keep_original=True).refine(similarity, [12, 24]).tolist() == [12, 24]
        assert BoundaryRefinement(measure, keep_original=True).refine(similarity, [15, 29]).tolist() == [12, 24]


def test_without_any_similarity_a_boundary_stays() -> None:
    assert BoundaryRefinement(min_size=2).refine(-np.ones((20, 20)), [5, 15]).tolist() == [5, 15]
    assert BoundaryRefinement(min_size=2).refine(np.zeros((20, 20)), []).tolist() == []


def test_among_equal_splits_the_nearest_is_taken() -> None:
    assert BoundaryRefinement(min_size=2, keep_original=True).refine(np.ones((20, 20)), [9]).tolist() == [9]
    assert BoundaryRefinement(min_size=2).refine(np.ones((20, 20)), [9]).tolist() == [8]


def share_near(found: NDArray[np.int64], truth: NDArray[np.int64], tolerance: int = 2) -> float:
    """Share of true boundaries with a found one within `tolerance` rows."""
    return float((np.abs(truth[:, None] - found[None, :]).min(axis=1) <= tolerance).mean())


def test_effect_of_refinement_is_that_jittered_boundaries_are_mended() -> None:
    rules: dict[str, BoundaryRefinement] = {name: BoundaryRefinement(name) for name in MEASURES}
    rules["modularity, original kept"] = BoundaryRefinement(keep_original=True)
    shares: dict[str, list[float]] = {
        name: [] for name in ("jittered", *rules, "control: shuffled similarity", "control: moved at random")
    }
    for seed in range(60):
        generator = np.random.default_rng(seed)
        sizes = generator.integers(16, 48, 8)
        truth = np.cumsum(sizes)[:-1]
        rows = int(sizes.sum())
        keys = np.repeat(generator.normal(size=(8, 16)), sizes, axis=0) + 0.7 * generator.normal(size=(rows, 16))  # (rows, dim)
        jittered = np.unique(np.clip(truth + generator.integers(-10, 11, 7), 1, rows - 1))
        similarity = keys @ keys.T
        shares["jittered"].append(share_near(jittered, truth))
        for name, rule in rules.items():
            shares[name].append(share_near(rule.refine(similarity, jittered), truth))
        order = generator.permutation(rows)
        shuffled = BoundaryRefinement().refine(similarity[np.ix_(order, order)], jittered)
        shares["control: shuffled similarity"].append(share_near(shuffled, truth))
        left = np.maximum(jittered - generator.integers(1, 12, jittered.size), 1)
        shares["control: moved at random"].append(share_near(left, truth))
    print("\nEM-LLM 1, share of boundaries within 2 rows (60 seeds)")
    for name, values in shares.items():
        print(f"  {name:30} {np.mean(values):.3f}  se {np.std(values) / math.sqrt(len(values)):.3f}")
    means = {name: float(np.mean(values)) for name, values in shares.items()}
    assert 0.20 <= means["jittered"] <= 0.26
    for name in rules:
        assert means[name] >= 0.60
    assert max(means["control: shuffled similarity"], means["control: moved at random"]) <= 0.30


@pytest.mark.parametrize("bad", [{"measure": "ratio"}, {"min_size": 0}])
def test_settings_of_refinement_out_of_range_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(InputError):
        BoundaryRefinement(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "similarity",
    [np.ones((3, 4)), np.ones(4), np.full((3, 3), math.nan), np.triu(np.ones((3, 3))), np.diag([1.0, math.inf, 1.0])],
)
def test_a_matrix_that_is_no_similarity_is_refused(similarity: Matrix) -> None:
    with pytest.raises(InputError, match="similarity must be"):
        BoundaryRefinement().refine(similarity, [1])


@pytest.mark.parametrize("boundaries", [[0, 5], [5, 5], [7, 3], [10], [-1], [1.5], [[1], [2]]])
def test_boundaries_out_of_place_are_refused(boundaries: list[int]) -> None:
    with pytest.raises(InputError, match="boundaries must"):
        check_boundaries(boundaries, rows=10)


def test_windows_and_splits_out_of_place_are_refused() -> None:
    sums = similarity_sums(np.ones((5, 5)))
    for start, end, split in ((0, 6, 1), (3, 3, 3), (-1, 3, 1), (1, 4, 1), (1, 4, 4)):
        with pytest.raises(InputError):
            split_scores(sums, start, end, np.array([split]))


def test_close_boundaries_are_merged_into_the_first() -> None:
    assert merge_close([3, 8, 15, 16, 30], min_size=8, rows=32).tolist() == [8, 16, 30]
    assert merge_close([3, 8], min_size=1, rows=32).tolist() == [3, 8]
    with pytest.raises(InputError, match="min_size"):
        merge_close([3], min_size=0, rows=32)
