"""The smallest setting that reaches a recall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina.errors import InputError, VectorError
from lamina.index import tuning
from lamina.index.flat import FlatIndex
from lamina.index.tuning import tune

DIM, COUNT = 16, 2000


def vectors(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Blurred:
    """Finds each of the best with a chance that grows with ef: `chance(ef)`."""

    def __init__(self, chance: Any, rows: Any = None) -> None:
        self.dim, self.chance, self.computed, self.asked, self.widest = DIM, chance, 0, [], 0
        self.flat = FlatIndex(DIM)
        self.flat.add(np.arange(COUNT), vectors(COUNT, 0) if rows is None else rows)

    @property
    def present(self) -> Any:
        return self.flat.present

    def rows(self, slots: Any) -> Any:
        self.widest = max(self.widest, len(slots))
        return self.flat.rows(slots)

    def search(self, queries: Any, k: int, allow: Any = None, *, ef: int) -> Any:
        self.asked.append(ef)
        self.computed += 3 * ef * len(queries)
        slots, scores = self.flat.search(queries, k)
        lost = np.random.default_rng(ef).random(slots.shape) >= self.chance(ef)
        return np.where(lost, -1, slots), np.where(lost, -np.inf, scores)


@pytest.mark.parametrize(("target", "right"), [(0.5, 200), (0.9, 360), (0.97, 388)])
def test_the_smallest_setting_that_reaches_the_target_is_found(target: float, right: int) -> None:
    index = Blurred(lambda ef: min(ef / 400, 1))
    tuned = tune(index, vectors(300, 1), target=target)
    assert tuned.reached
    assert 0.85 * right <= tuned.ef <= 1.1 * right
    assert tuned.recall >= target
    assert tuned.distances == 3 * tuned.ef
    assert len(index.asked) < 20
    assert [ef for ef, _, _ in tuned.curve] == sorted(set(index.asked))
    assert (tuned.queries, tuned.k, tuned.target, tuned.own) == (300, 10, target, False)


def test_what_counts_is_from_where_on_the_target_is_reached() -> None:
    def bumpy(ef: int) -> float:  # reached by luck at one step of the ladder, then lost again
        return 1.0 if ef == 15 or ef >= 100 else 0.5

    index = Blurred(bumpy)
    tuned = tune(index, vectors(100, 1), target=0.9)
    assert tuned.recall >= 0.9
    later = [recall for ef, recall, _ in tuned.curve if ef >= tuned.ef]
    assert min(later) >= 0.9


def test_a_target_out_of_reach_is_told() -> None:
    tuned = tune(Blurred(lambda ef: 0.6), vectors(100, 1), target=0.95, most=500)
    assert not tuned.reached
    assert tuned.ef == 500
    assert 0.5 < tuned.recall < 0.7


def test_the_interval_holds_the_recall_and_narrows_with_more_queries() -> None:
    few, many = (tune(Blurred(lambda ef: 0.9), vectors(count, 1), target=0.95, most=20) for count in (30, 1000))
    for tuned in (few, many):
        assert tuned.interval[0] < tuned.recall < tuned.interval[1]
        assert tuned.interval[0] < 0.9 < tuned.interval[1]
    assert few.interval[1] - few.interval[0] > 2 * (many.interval[1] - many.interval[0])
    perfect = tune(Blurred(lambda ef: 1.0), vectors(100, 1))
    assert perfect.interval == (0.97, 1.0)
    assert perfect.ef == 10


def test_stored_vectors_leave_themselves_out() -> None:
    index = Blurred(lambda ef: 1.0)
    tuned = tune(index, target=0.97, k=5)
    assert tuned.own
    assert tuned.recall == 1
    half = Blurred(lambda ef: min(ef / 100, 1))
    assert 80 <= tune(half, target=0.9).ef <= 110


def test_equal_scores_count_as_found() -> None:
    rows = np.repeat(vectors(20, 0), 100, axis=0)  # a hundred of each: any ten of them are right

    class Other(Blurred):
        def search(self, queries: Any, k: int, allow: Any = None, *, ef: int) -> Any:
            slots, scores = self.flat.search(queries, 100)
            return slots[:, ::-1][:, :k], scores[:, ::-1][:, :k]

    assert tune(Other(lambda ef: 1.0, rows), vectors(50, 1)).recall == 1


def test_a_known_truth_is_taken_and_a_wrong_one_shows() -> None:
    index, queries = Blurred(lambda ef: 1.0), vectors(60, 1)
    _, scores = index.flat.search(queries, 10)
    assert tune(index, queries, truth=scores).recall == 1
    assert not tune(index, queries, truth=scores + 1, most=30).reached


def test_vectors_are_read_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BLOCK", 128)
    index = Blurred(lambda ef: 1.0)
    assert tune(index, vectors(300, 1)).recall == 1
    assert index.widest <= 128


def test_nonsense_is_refused() -> None:
    index = Blurred(lambda ef: 1.0)
    with pytest.raises(VectorError, match="queries, 16"):
        tune(index, vectors(3, 1)[:, :5])
    with pytest.raises(VectorError, match="NaN"):
        tune(index, np.full((2, DIM), np.nan, np.float32))
    for target in (0, 1.5):
        with pytest.raises(InputError, match="target"):
            tune(index, vectors(3, 1), target=target)
    with pytest.raises(InputError, match="k must"):
        tune(index, vectors(3, 1), k=0)
    with pytest.raises(InputError, match="truth"):
        tune(index, truth=np.zeros((3, 10), np.float32))
    with pytest.raises(InputError, match="truth holds"):
        tune(index, vectors(3, 1), truth=np.zeros((2, 10), np.float32))
    index.flat.remove(np.arange(COUNT))
    with pytest.raises(InputError, match="cannot be tuned"):
        tune(index)


@pytest.mark.parametrize("metric", ["ip", "cosine", "l2"])
def test_what_was_tuned_holds_for_other_queries(metric: str) -> None:
    pytest.importorskip("numba")
    from lamina.index.hnsw import HNSW

    rows, queries = vectors(4000, 3), vectors(600, 4)
    index = HNSW(DIM, metric=metric, M=6, ef_construction=40)
    index.add(np.arange(4000), rows)
    tuned = tune(index, queries[:300], target=0.95)
    assert tuned.reached
    assert tuned.distances > tuned.ef
    slots, _ = index.search(queries[300:], 10, ef=tuned.ef)
    right = np.argsort(-(queries[300:] @ rows.T), axis=1)[:, :10]
    hits = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(slots.tolist(), right.tolist(), strict=True)])
    assert abs(hits - tuned.recall) < 0.02
    lower, _ = index.search(queries[300:], 10, ef=10)  # the control: untuned
    assert hits > np.mean([len(set(a) & set(b)) / 10 for a, b in zip(lower.tolist(), right.tolist(), strict=True)]) + 0.02
