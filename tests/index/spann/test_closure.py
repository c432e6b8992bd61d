"""Copies in several lists: none is lost, no list is too long, and what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import InputError
from lamina.index.spann.closure import SPARE, Closure, page_records
from lamina.index.spann.clustering import BalancedTree
from lamina.index.spann.spann import SPANN
from tests.index.spann.sets import DIM, at_bytes, build, least, mixture, nearest


def copies(index: SPANN) -> list[np.ndarray]:
    """The rows of each list."""
    assert index.postings is not None
    return [index.postings.get(number)[:, 0:4].copy().view(np.int32)[:, 0] for number in range(len(index.postings))]


def kept(index: SPANN, count: int) -> None:
    lists = copies(index)
    assert max(map(len, lists)) <= index.limit
    assert all(len(np.unique(one)) == len(one) for one in lists)
    held = np.bincount(np.concatenate(lists), minlength=count)
    assert len(held) == count
    assert held.min() >= 1
    assert held.max() <= index.closure.replicas + SPARE
    assert index.built["mean_replicas"] == pytest.approx(held.mean())
    assert index.built["longest_list"] == max(map(len, lists))
    assert index.verify() == []


@pytest.mark.parametrize(
    ("replicas", "rule", "share", "pages"), [(8, True, 0.1, 1), (8, False, 0.1, 1), (1, True, 0.03, 1), (8, True, 0.021, 1)]
)
def test_every_vector_stands_in_a_list_and_none_is_too_long(
    tmp_path: Path, replicas: int, rule: bool, share: float, pages: int
) -> None:
    index = build(tmp_path, mixture(3000, 7), closure=Closure(replicas=replicas, rule=rule), share=share, pages=pages)
    kept(index, 3000)


def test_copies_do_not_take_the_room_of_vectors_that_have_none(tmp_path: Path) -> None:
    """Lists have room for little more than there is: the first choice of copies fills them and leaves many vectors out."""
    index = SPANN(DIM, tmp_path, metric="l2", pages=1, share=0.2)
    index.limit = 6
    index.build(np.arange(1000), mixture(1000, 8))
    kept(index, 1000)
    assert index.built["orphans"] > 0


def test_lists_are_even_once_they_are_cut_to_whole_pages_and_each_vector_keeps_its_nearest(tmp_path: Path) -> None:
    """Evener than lists of plain k-means that are not cut, about as many; what is cut costs little."""
    rows, queries = mixture(4000, 11, dim=128), mixture(100, 12, dim=128)
    truth = nearest(rows, queries)
    index = build(tmp_path / "even", rows, pages=8)
    plain = build(tmp_path / "plain", rows, pages=8, closure=Closure(even=False), tree=BalancedTree(factor=np.inf))
    assert abs(index.built["heads"] - plain.built["heads"]) < 0.05 * plain.built["heads"]
    assert index.built["evenness"] <= 0.75 * plain.built["evenness"]
    whole = build(tmp_path / "whole", rows, pages=8, closure=Closure(even=False))
    assert index.built["mean_replicas"] < whole.built["mean_replicas"]
    recall, size, _ = least(index, queries, truth, 0.9)
    assert recall >= at_bytes(whole, queries, truth, size) - 0.02
    first, _ = index.heads.search(rows, 1)
    lists = copies(index)
    assert np.mean([row in lists[number] for row, number in enumerate(first[:, 0].tolist())]) > 0.99


def test_lists_are_cut_to_whole_pages() -> None:
    assert [page_records(mean, 272) for mean in (0.5, 15, 15.1, 30, 31, 64)] == [15, 15, 30, 30, 45, 75]
    assert page_records(0.5, 5000) == 1


def test_copies_find_more_than_single_lists_for_equal_bytes(tmp_path: Path) -> None:
    """Against one list for each vector, with lists as many and with lists as long."""
    rows, queries = mixture(5000, 1), mixture(100, 2)
    truth = nearest(rows, queries)
    index = build(tmp_path / "copies", rows)
    recall, size, _ = least(index, queries, truth, 0.9)
    assert recall >= 0.9
    for name, share, more in (("as-many", 0.16, 0.05), ("as-long", 0.04, 0.05)):
        single = build(tmp_path / name, rows, closure=Closure(replicas=1), share=share)
        assert recall - at_bytes(single, queries, truth, size) >= more, name


def test_the_rule_keeps_fewer_copies_than_the_nearest_lists(tmp_path: Path) -> None:
    """With room enough for all copies."""
    rows, queries = mixture(3000, 1), mixture(200, 2)
    truth = nearest(rows, queries)
    ruled = build(tmp_path / "ruled", rows, pages=4, closure=Closure(even=False))
    plain = build(tmp_path / "plain", rows, pages=4, closure=Closure(rule=False, even=False))
    assert ruled.built["mean_replicas"] < 0.8 * plain.built["mean_replicas"]
    recall, size, _ = least(ruled, queries, truth, 0.9)
    assert recall >= at_bytes(plain, queries, truth, size) - 0.05


def test_a_short_reach_and_a_strict_factor_keep_fewer_copies(tmp_path: Path) -> None:
    rows = mixture(2000, 3)
    usual = build(tmp_path / "usual", rows).built["mean_replicas"]
    assert build(tmp_path / "short", rows, closure=Closure(reach=1.05)).built["mean_replicas"] < usual
    assert build(tmp_path / "strict", rows, closure=Closure(factor=0.6)).built["mean_replicas"] < usual


@pytest.mark.parametrize("bad", [{"replicas": 0}, {"candidates": 4}, {"factor": 0.0}, {"reach": 0.9}])
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Closure(**bad)  # type: ignore[arg-type]
