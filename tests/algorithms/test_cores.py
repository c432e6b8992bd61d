"""Clusters with a core: what is found, how it grows, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.algorithms.cores import OUT, Clustered, CoreClusters
from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError


def made(
    seed: int, clusters: int = 5, size: int = 12, alone: int = 15, dim: int = 40, noise: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Rows around some directions and rows around none (label OUT), in random order, all with much in common."""
    drawn = np.random.default_rng(seed)
    centres = unit_rows(drawn.normal(size=(clusters, dim)).astype(np.float32))
    labels = np.array([*np.repeat(np.arange(clusters), size), *[OUT] * alone])
    rows = unit_rows(drawn.normal(size=(len(labels), dim)).astype(np.float32))
    rows = np.where(labels[:, None] >= 0, centres[labels] + noise * rows, rows) + 0.8
    order = drawn.permutation(len(labels))
    return unit_rows(rows[order].astype(np.float32)), labels[order]


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """The adjusted Rand index of two labellings (L. Hubert and P. Arabie 1985, Comparing Partitions)."""
    table = np.zeros((int(one.max()) + 2, int(other.max()) + 2))
    np.add.at(table, (one, other), 1)

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, first, second = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    expected = first * second / pairs(np.array([len(one)]))
    most = (first + second) / 2
    return (both - expected) / (most - expected) if most > expected else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_found_and_what_stands_alone_is_left_out(seed: int) -> None:
    rows, labels = made(seed)
    found = CoreClusters().fit(rows)
    inside = (found.labels >= 0) & (labels >= 0)
    assert adjusted_rand(labels[inside], found.labels[inside]) >= 0.95
    assert (found.labels[labels == OUT] == OUT).mean() >= 0.8
    assert inside.sum() >= 0.7 * (labels >= 0).sum()
    assert ((found.labels == OUT) | (found.labels == found.members)).all()


@pytest.mark.parametrize("seed", range(5))
def test_what_is_added_joins_and_new_clusters_are_found(seed: int) -> None:
    rows, labels = made(seed)
    late = labels == 4  # one cluster comes last
    order = np.concatenate([np.flatnonzero(~late), np.flatnonzero(late)])
    grown = CoreClusters().fit(rows[order[:40]])
    for part in np.array_split(order[40:], 4):
        grown = CoreClusters().update(grown, rows[part])
    inside = (grown.labels >= 0) & (labels[order] >= 0)
    assert adjusted_rand(labels[order][inside], grown.labels[inside]) >= 0.9
    assert {int(one) for one in labels[order][inside]} == set(range(5))
    assert grown.cut == CoreClusters().fit(rows[order[:40]]).cut


def test_the_same_rows_far_from_the_origin_are_clustered_alike_whatever_their_scale() -> None:
    rows, _ = made(1)
    assert (CoreClusters().fit(rows).labels == CoreClusters().fit(rows * 3.0).labels).mean() > 0.9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_any_rows_give_labels_in_order(size: int, dim: int, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    rows = drawn.integers(-1, 2, (size, dim)).astype(np.float32)  # repetitions and rows of nothing
    found = CoreClusters(smallest=2).grow(rows, most=8)
    seen = list(dict.fromkeys(found.members[found.members >= 0].tolist()))
    assert seen == list(range(found.count))
    assert len(found) == size
    assert (found.members[~rows.any(axis=1)] == OUT).all()
    for cluster in range(found.count):
        assert len(found.rows(cluster)) >= 1


def test_growing_is_a_function_of_the_rows_alone_and_begins_with_one_fit() -> None:
    rows, _ = made(2)
    assert (CoreClusters().grow(rows).labels == CoreClusters().fit(rows).labels).all()
    once, twice = CoreClusters().grow(rows, most=40), CoreClusters().grow(rows.copy(), most=40)
    assert (once.labels == twice.labels).all()
    assert once.fitted == 40


def test_few_rows_and_none_are_in_no_cluster() -> None:
    for size in (0, 1, 2, 3):
        found = CoreClusters().fit(np.eye(4, dtype=np.float32)[:size])
        assert isinstance(found, Clustered)
        assert found.count == 0
    assert CoreClusters().update(CoreClusters().fit(np.zeros((0, 3), np.float32)), np.ones((5, 3), np.float32)).count in (0, 1)


def test_what_cannot_be_is_refused() -> None:
    rows = np.eye(4, dtype=np.float32)
    for wrong in ({"between": 1.5}, {"keep": 0.0}, {"neighbours": 0}, {"smallest": 1}):
        with pytest.raises(InputError):
            CoreClusters(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="finite"):
        CoreClusters().fit(np.full((2, 2), np.nan, np.float32))
    with pytest.raises(InputError, match="components"):
        CoreClusters().update(CoreClusters().fit(rows), np.ones((1, 3), np.float32))
    with pytest.raises(InputError, match="at least 4"):
        CoreClusters().grow(rows, most=2)
