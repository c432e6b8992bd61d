"""Trees of balanced clusters."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import Cancelled, InputError
from lamina.index.spann.clustering import BalancedTree, Tree
from lamina.records import Run
from tests.index.spann.sets import mixture


def grown(rows: np.ndarray, **settings: object) -> Tree:
    return BalancedTree(**settings).grow(len(rows), lambda points: rows[points])  # type: ignore[arg-type]


def whole(tree: Tree, count: int) -> None:
    """Children lie within the tree, each cluster is as large as its children together, and the leaves are all points."""
    assert tree.size[0] == count
    parents = np.flatnonzero(tree.children)
    seen = np.zeros(len(tree.size), np.int64)
    for node in parents.tolist():
        below = slice(tree.first[node], tree.first[node] + tree.children[node])
        assert tree.first[node] > node
        assert tree.size[below].sum() == tree.size[node]
        seen[below] += 1
    assert (seen[1:] == 1).all()
    assert seen[0] == 0
    assert tree.size[tree.children == 0].sum() == count
    assert tree.centre.min() >= 0
    assert tree.centre.max() < count
    assert (tree.children <= 32).all()


@pytest.mark.parametrize("count", [1, 2, 8, 9, 40, 3000])
def test_every_point_stands_in_one_leaf(count: int) -> None:
    tree = grown(mixture(count, 1))
    whole(tree, count)
    assert tree.size[tree.children == 0].max() <= 8


def test_points_that_are_all_equal_are_one_cluster() -> None:
    tree = grown(np.ones((100, 4), np.float32))
    assert tree.size.tolist() == [100]
    twice = grown(np.repeat(mixture(2, 1), 50, axis=0))
    whole(twice, 100)
    assert sorted(twice.size[twice.children == 0].tolist()) == [50, 50]


def test_large_clusters_that_are_dearer_come_out_evener_than_those_of_plain_k_means() -> None:
    """The spread of the parts of the first split: balanced against plain, and against the same with a price that is next to nothing."""
    rows = mixture(6000, 3)

    def spread(factor: float | None) -> float:
        found = []
        for seed in range(3):
            tree = grown(rows, factor=factor, seed=seed, leaf=1500)
            parts = tree.size[1 : 1 + tree.children[0]]
            found.append(float(parts.std() / parts.mean()))
        return float(np.mean(found))

    balanced, plain, control = spread(None), spread(np.inf), spread(1e9)
    assert balanced < plain
    assert abs(control - plain) < 0.2 * plain


def test_the_same_seed_gives_the_same_tree_on_any_number_of_threads() -> None:
    rows = mixture(2500, 4)
    one, two, other = grown(rows, threads=1), grown(rows, threads=2), grown(rows, seed=5)
    for name in ("centre", "size", "first", "children"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert len(one.size) != len(other.size) or (one.centre != other.centre).any()


def test_growing_can_be_watched_and_cancelled() -> None:
    rows = mixture(1000, 5)
    seen: list[tuple[int, int]] = []
    BalancedTree().grow(1000, lambda points: rows[points], Run(progress=lambda stage, done, total: seen.append((done, total))))
    assert seen[-1] == (1000, 1000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    with pytest.raises(Cancelled):
        BalancedTree().grow(1000, lambda points: rows[points], Run(cancelled=lambda: True))


@pytest.mark.parametrize(
    "bad", [{"k": 1}, {"leaf": 0}, {"sample": 0}, {"rounds": 0}, {"threads": 0}, {"factor": 0.0}, {"factor": -1.0}]
)
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        BalancedTree(**bad)  # type: ignore[arg-type]
