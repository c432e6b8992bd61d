"""SPANN's build and search: what is found, what is read for it, masks, bad input, threads."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import Cancelled, InputError, StateError, VectorError
from lamina.index.hnsw import HNSW
from lamina.index.spann.closure import Closure
from lamina.index.spann.clustering import BalancedTree
from lamina.index.spann.spann import SPANN
from lamina.records import Run
from tests.index.spann.sets import DIM, asked, at_bytes, build, least, mixture, nearest, shared, windows

COUNT = 4000


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return mixture(COUNT, 1)


@pytest.fixture(scope="module")
def queries() -> np.ndarray:
    return mixture(100, 2)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> SPANN:
    return build(tmp_path_factory.mktemp("lists"), rows, share=0.1, probes=16)


# ------------------------------------------------------------------------------------------------ what is found and read
def test_most_of_the_best_are_found_and_random_lists_find_few(index: SPANN, rows: np.ndarray, queries: np.ndarray) -> None:
    truth = nearest(rows, queries)
    recall, _, lists = asked(index, queries, truth)
    assert recall > 0.95
    assert lists <= 16
    control, _ = index.search(queries[::-1].copy(), 10)  # the lists of other queries
    assert shared(control, truth) < 0.2


def test_more_lists_find_more(index: SPANN, rows: np.ndarray, queries: np.ndarray) -> None:
    truth = nearest(rows, queries)
    got = [asked(index, queries, truth, probes=probes) for probes in (2, 4, 8, 32, 128)]
    assert all(one[0] <= two[0] + 0.005 for one, two in itertools.pairwise(got))
    assert [round(lists) for _, _, lists in got] == [2, 4, 8, 32, 128]
    assert got[-1][0] > 0.99


def test_what_is_counted_is_what_was_read(index: SPANN, queries: np.ndarray) -> None:
    size, lists = index.bytes_read, index.lists_read
    index.search(queries, 10, probes=8)
    assert index.work[:, 2].sum() == index.lists_read - lists
    assert index.work[:, 3].sum() == index.bytes_read - size
    assert (index.work[:, 3] >= 4096 * index.work[:, 2]).all()
    assert (index.work[:, 3] <= 2 * 4096 * index.work[:, 2]).all()


@pytest.mark.parametrize("settings", [{"ratio": 1.3}, {"patience": 3}])
def test_a_search_that_stops_early_reads_fewer_lists_where_the_query_is_easy(
    index: SPANN, rows: np.ndarray, queries: np.ndarray, settings: dict[str, Any]
) -> None:
    truth = nearest(rows, queries)
    whole = asked(index, queries, truth, probes=64)
    pruned = asked(index, queries, truth, probes=64, **settings)
    assert pruned[2] < 0.75 * whole[2]
    low, high = np.percentile(index.work[:, 2], [10, 90])
    assert high >= 1.5 * low


def test_heads_take_a_fraction_of_the_memory_of_a_graph_of_all(index: SPANN, rows: np.ndarray) -> None:
    graph = HNSW(DIM, metric="l2")
    graph.add(np.arange(COUNT), rows)
    assert index.nbytes() <= 0.35 * graph.nbytes()


def test_scores_are_those_of_the_vectors(index: SPANN, rows: np.ndarray, queries: np.ndarray) -> None:
    found, scores = index.search(queries, 10)
    right = -((queries[:, None] - rows[found]) ** 2).sum(axis=2)
    assert np.allclose(scores, right, rtol=1e-2, atol=0.05)
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.slow
def test_windows_of_texts(data_root: Path, tmp_path: Path) -> None:
    """Copies against single lists, patience against the best fixed number of lists, and memory, on vectors of texts."""
    texts, asked_for = windows(data_root, 8000, 150)
    truth = nearest(texts, asked_for)
    index = build(tmp_path / "copies", texts, pages=0)
    recall, size, _ = least(index, asked_for, truth, 0.9)
    assert recall >= 0.9
    single = build(tmp_path / "single", texts, pages=0, closure=Closure(replicas=1))
    assert recall - at_bytes(single, asked_for, truth, size) >= 0.05
    whole = build(tmp_path / "whole", texts, pages=0, closure=Closure(even=False))
    assert recall >= at_bytes(whole, asked_for, truth, size) - 0.01
    fixed = least(index, asked_for, truth, 0.94)
    pruned = [asked(index, asked_for, truth, probes=400, patience=patience) for patience in range(1, 24, 2)]
    assert min(lists for recall, _, lists in pruned if recall >= 0.94) <= 0.85 * fixed[2]
    assert index.built["longest_list"] <= index.limit
    plain = build(tmp_path / "plain", texts, pages=0, closure=Closure(even=False), tree=BalancedTree(factor=np.inf))
    assert index.built["evenness"] <= 0.75 * plain.built["evenness"]
    graph = HNSW(256, metric="l2")
    graph.add(np.arange(len(texts)), texts)
    assert index.nbytes() <= 0.35 * graph.nbytes()


# ------------------------------------------------------------------------------------------------- masks and how many
def test_no_slot_comes_twice_and_as_many_as_there_are_come(index: SPANN, queries: np.ndarray) -> None:
    for k, probes in ((1, 1), (10, 1), (100, 1), (100, 64), (1500, 4)):
        found, scores = index.search(queries[:20], k, probes=probes)
        assert (found >= 0).all()
        assert all(len(np.unique(one)) == k for one in found)
        assert np.isfinite(scores).all()


def test_more_are_asked_for_than_there_are(tmp_path: Path) -> None:
    few = build(tmp_path, mixture(50, 3))
    found, scores = few.search(mixture(3, 4), 60)
    assert all(sorted(one[:50]) == list(range(50)) for one in found.tolist())
    assert (found[:, 50:] == -1).all()
    assert np.isneginf(scores[:, 50:]).all()


MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "half": lambda rows: np.random.default_rng(0).random(len(rows)) < 0.5,
    "a tenth": lambda rows: np.random.default_rng(1).random(len(rows)) < 0.1,
    "a hundredth": lambda rows: np.random.default_rng(2).random(len(rows)) < 0.01,
    "three": lambda rows: np.isin(np.arange(len(rows)), [5, 77, 3000]),
    "none": lambda rows: np.zeros(len(rows), np.bool_),
    "all": lambda rows: np.ones(len(rows), np.bool_),
    "a region": lambda rows: ((rows - rows[17]) ** 2).sum(axis=1) < np.quantile(((rows - rows[17]) ** 2).sum(axis=1), 0.2),
    "away from a region": lambda rows: (
        ((rows - rows[17]) ** 2).sum(axis=1) > np.quantile(((rows - rows[17]) ** 2).sum(axis=1), 0.6)
    ),
    "a scope": lambda rows: np.arange(len(rows)) // 500 == 3,
    "a short mask": lambda rows: np.ones(300, np.bool_),
    "a long mask": lambda rows: np.ones(len(rows) + 50, np.bool_),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_kept_and_enough_are_found(index: SPANN, rows: np.ndarray, queries: np.ndarray, name: str) -> None:
    allow = MASKS[name](rows)
    passing = np.flatnonzero(allow[:COUNT])
    some = np.concatenate([queries[:20], rows[17:18]])
    for probes in (1, 16):
        found, _ = index.search(some, 10, allow, probes=probes)
        wanted = min(10, len(passing))
        assert ((found >= 0).sum(axis=1) == wanted).all()
        assert np.isin(found[found >= 0], passing).all()
        assert all(len(np.unique(one)) == wanted for one in found[:, :wanted])
    if len(passing):
        truth = passing[nearest(rows[passing], some, min(10, len(passing)))]
        assert shared(found, truth) > 0.93


def test_slots_may_be_any_numbers(tmp_path: Path, rows: np.ndarray) -> None:
    slots = np.random.default_rng(0).permutation(10_000)[:500]
    other = SPANN(DIM, tmp_path, metric="l2")
    other.build(slots, rows[:500])
    assert other.search(rows[:500], 1, probes=16)[0][:, 0].tolist() == slots.tolist()
    assert np.flatnonzero(other.present).tolist() == sorted(slots.tolist())
    assert np.allclose(other.rows(slots), rows[:500], atol=1e-2)
    assert not other.rows(np.setdiff1d(np.arange(10_100), slots)).any()


# ------------------------------------------------------------------------------------------------------------- few, equal
@pytest.mark.parametrize("count", [1, 2, 3, 9])
@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_few_vectors_are_an_index(tmp_path: Path, count: int, metric: str) -> None:
    few = mixture(count, 5)
    index = build(tmp_path, few, metric=metric)
    found, _ = index.search(few, count)
    assert found[:, 0].tolist() == list(range(count))
    assert all(sorted(one) == list(range(count)) for one in found.tolist())
    assert index.verify() == []


def test_vectors_that_are_all_equal_are_an_index(tmp_path: Path) -> None:
    index = build(tmp_path, np.ones((900, DIM), np.float32))
    found, scores = index.search(np.ones((1, DIM), np.float32), 900)
    assert sorted(found[0].tolist()) == list(range(900))
    assert not scores.any()
    assert index.verify() == []


def test_many_equal_vectors_among_others_hide_none(tmp_path: Path, rows: np.ndarray) -> None:
    both = np.concatenate([rows[:600], np.repeat(rows[:1], 600, axis=0)])
    index = build(tmp_path, both)
    assert index.verify() == []
    assert index.built["longest_list"] <= index.limit
    found = index.search(both[:600], 1, probes=16)[0][:, 0]
    assert (found[1:] == np.arange(1, 600)).mean() > 0.98
    assert found[0] == 0 or found[0] >= 600


def test_of_equal_heads_one_has_a_list(tmp_path: Path, rows: np.ndarray) -> None:
    """A graph shows one of equal vectors: lists of the others would be there and never be found."""
    index = build(tmp_path, np.repeat(rows[:200], 4, axis=0), share=0.5)
    assert index.postings is not None
    assert index.built["heads"] == len(index.heads) == len(index.postings) <= 200
    assert (index.postings.counts > 0).all()
    assert (np.sort(index.search(rows[:200], 4, probes=8)[0], axis=1) == np.arange(800).reshape(200, 4)).mean() > 0.99


def test_equal_vectors_have_lists_enough_though_their_heads_are_equal(tmp_path: Path) -> None:
    index = build(tmp_path, np.ones((900, DIM), np.float32))
    assert index.postings is not None
    assert len(np.unique(index.heads.rows(np.arange(len(index.postings))), axis=0)) == len(index.postings)
    assert int(index.postings.counts.sum()) == 900
    assert (index.search(np.ones((1, DIM), np.float32), 500, probes=90)[0] >= 0).all()


# -------------------------------------------------------------------------------------------------------------- metrics
def test_cosine_orders_like_angles_whatever_the_lengths(tmp_path: Path) -> None:
    some, queries = mixture(800, 6), mixture(40, 7)
    scaled = some * np.random.default_rng(0).uniform(0.1, 9, (800, 1)).astype(np.float32)
    index = build(tmp_path, scaled, metric="cosine")
    angles = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ (some / np.linalg.norm(some, axis=1, keepdims=True)).T
    truth = np.argsort(-angles, axis=1)[:, :10]
    found, scores = index.search(queries, 10, probes=40)
    assert shared(found, truth) > 0.97
    assert np.allclose(scores, np.take_along_axis(angles, found, 1), atol=5e-3)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_lengths_whose_squares_are_beyond_float32_have_a_direction(tmp_path: Path, scale: float) -> None:
    some = mixture(30, 6)
    index = build(tmp_path, some * np.float32(scale), metric="cosine")
    assert index.search(some * np.float32(scale), 1, probes=30)[0][:, 0].tolist() == list(range(30))


def test_inner_products_are_for_vectors_of_one_length(tmp_path: Path) -> None:
    some = mixture(300, 8)
    index = SPANN(DIM, tmp_path, metric="ip")
    with pytest.raises(VectorError, match="cosine"):
        index.build(np.arange(300), some)
    assert len(index) == 0
    assert list(tmp_path.iterdir()) == []
    level = some / np.linalg.norm(some, axis=1, keepdims=True) * 3
    index.build(np.arange(300), level)
    found, scores = index.search(some[:20], 5, probes=32)
    assert shared(found, np.argsort(-some[:20] @ level.T, axis=1)[:, :5]) > 0.95
    assert np.allclose(scores, np.take_along_axis(some[:20] @ level.T, found, 1), rtol=2e-2, atol=0.1)
    with pytest.raises(VectorError, match="cosine"):
        index.add(np.array([300]), some[:1] * 9)
    assert len(index) == 300


# ------------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"dim": 0}, "dimension"), ({"metric": "l1"}, "metric"), ({"share": 0.0}, "share"), ({"share": 1.5}, "share"), ({"share": float("nan")}, "share"),
        ({"probes": 0}, "probes"), ({"ratio": -1.0}, "ratio"), ({"guard": -0.1}, "guard"), ({"keep": 0}, "keep"), ({"form": "int4"}, "form"),
        ({"dim": 9000, "pages": 1}, "pages"), ({"dim": 2000, "pages": 1, "form": "float32"}, "pages"),
    ],
)  # fmt: skip
def test_settings_out_of_range_are_refused(tmp_path: Path, settings: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        SPANN(**{"dim": DIM, "folder": tmp_path, **settings})


def test_lists_without_room_for_all_are_refused_and_nothing_is_left(tmp_path: Path, rows: np.ndarray) -> None:
    index = SPANN(DIM, tmp_path, metric="l2", pages=1, share=0.01)
    with pytest.raises(InputError, match="cannot hold 2000"):
        index.build(np.arange(2000), rows[:2000])
    assert list(tmp_path.iterdir()) == []
    index.build(np.arange(50), rows[:50])
    assert len(index) == 50


@pytest.mark.parametrize("metric", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_no_numbers_are_refused_and_nothing_is_left(tmp_path: Path, metric: str, bad: float) -> None:
    some = np.ones((20, DIM), np.float32)
    some[3, 4] = bad
    index = SPANN(DIM, tmp_path, metric=metric)
    with pytest.raises(VectorError, match="vector 3 "):
        index.build(np.arange(20), some)
    assert list(tmp_path.iterdir()) == []
    assert len(index) == 0


def test_other_nonsense_is_refused(index: SPANN, tmp_path: Path, rows: np.ndarray) -> None:
    fresh = SPANN(DIM, tmp_path, metric="cosine")
    for slots, vectors, error in (
        (np.arange(3), rows[:2], VectorError),
        (np.arange(3), rows[:3, :5], VectorError),
        (np.arange(0), rows[:0], VectorError),
        (np.array([0, 0, 1]), rows[:3], InputError),
        (np.array([0, -1, 1]), rows[:3], InputError),
        (np.array([0, 1 << 40, 1]), rows[:3], InputError),
        (np.arange(3), np.zeros((3, DIM), np.float32), VectorError),
        (np.array([0.0, 1.5, 2.0]), rows[:3], InputError),
        (np.array([True, False]), rows[:2], InputError),
        (np.array(["0", "1"]), rows[:2], InputError),
        (np.array([0, 1 << 63], np.uint64), rows[:2], InputError),
    ):
        with pytest.raises(error):
            fresh.build(slots, vectors)
    with pytest.raises(InputError, match="whole numbers"):
        fresh.add(np.array([0.0, 1.5]), rows[:2])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StateError):
        fresh.save()
    with pytest.raises(StateError):
        _ = fresh.heads
    found, scores = fresh.search(rows[:2], 3)
    assert (found == -1).all()
    assert np.isneginf(scores).all()
    with pytest.raises(StateError, match="built already"):
        index.build(np.arange(3), rows[:3])
    with pytest.raises(InputError, match="k must be"):
        index.search(rows[:1], 0)
    for bad in (rows[:2, :5], rows[0], np.full((1, DIM), np.nan, np.float32)):
        with pytest.raises(VectorError):
            index.search(bad, 3)
    assert index.search(rows[:0], 3)[0].shape == (0, 3)


def test_a_cancelled_build_leaves_nothing_and_can_be_done_again(tmp_path: Path, rows: np.ndarray) -> None:
    for stage in ("reading", "clustering", "assigning", "writing lists"):
        seen: list[str] = []
        index = SPANN(DIM, tmp_path, metric="l2")
        run = Run(progress=lambda name, done, total: seen.append(name), cancelled=lambda: stage in seen)  # noqa: B023
        with pytest.raises(Cancelled):
            index.build(np.arange(400), rows[:400], run)
        assert list(tmp_path.iterdir()) == [], stage
    index.build(np.arange(400), rows[:400])
    assert len(index) == 400


# ----------------------------------------------------------------------------------------------------- threads and forks
def test_searches_on_several_threads_find_the_same(index: SPANN, queries: np.ndarray) -> None:
    right = [index.search(queries, 10, probes=probes)[0].tolist() for probes in range(1, 9)]
    got: dict[int, list[list[int]]] = {}

    def search(probes: int) -> None:
        for _ in range(5):
            got[probes] = index.search(queries, 10, probes=probes)[0].tolist()
            assert got[probes] == right[probes - 1]

    threads = [threading.Thread(target=search, args=(probes,)) for probes in range(1, 9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [got[probes] for probes in range(1, 9)] == right


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_finds_the_same(index: SPANN, queries: np.ndarray) -> None:
    right = index.search(queries, 10)[0]
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(index.search(queries, 10)[0], right) else 3)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(index.search(queries, 10)[0], right)


def test_the_same_vectors_give_the_same_lists_on_any_number_of_threads(tmp_path: Path, rows: np.ndarray) -> None:
    made = []
    for name, threads in (("one", 1), ("again", 1), ("two", 2)):
        index = build(tmp_path / name, rows[:2000], tree=BalancedTree(threads=threads))
        assert index.postings is not None
        made.append([index.postings.get(number).tobytes() for number in range(len(index.postings))])
    assert made[0] == made[1] == made[2]
