"""Heads chosen out of a tree."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import InputError
from lamina.index.spann.clustering import BalancedTree, Tree
from lamina.index.spann.heads import choose_heads
from tests.index.spann.sets import mixture


@pytest.fixture(scope="module")
def grown() -> tuple[np.ndarray, Tree]:
    rows = mixture(5000, 6)
    return rows, BalancedTree().grow(len(rows), lambda points: rows[points])


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.16])
def test_about_the_wanted_share_is_chosen_each_once(grown: tuple[np.ndarray, Tree], share: float) -> None:
    heads = choose_heads(grown[1], share)
    assert abs(len(heads) - share * 5000) <= 0.1 * share * 5000
    assert len(np.unique(heads)) == len(heads)
    assert heads.min() >= 0
    assert heads.max() < 5000


def test_heads_stand_nearer_to_the_points_than_as_many_random_ones(grown: tuple[np.ndarray, Tree]) -> None:
    rows, tree = grown
    heads = choose_heads(tree, 0.05)
    random = np.random.default_rng(0).choice(5000, len(heads), replace=False)

    def far(some: np.ndarray) -> float:
        gaps = (rows**2).sum(axis=1)[:, None] + (rows[some] ** 2).sum(axis=1) - 2 * rows @ rows[some].T
        return float(np.maximum(gaps.min(axis=1), 0).mean())

    assert far(heads) < far(random)


def test_one_point_is_its_own_head() -> None:
    assert choose_heads(BalancedTree().grow(1, lambda points: np.ones((1, 3), np.float32)), 0.1).tolist() == [0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(grown: tuple[np.ndarray, Tree], share: float) -> None:
    with pytest.raises(InputError, match="share of heads"):
        choose_heads(grown[1], share)
