"""The exact index under the conformance suite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.index import flat
from lamina.index.flat import FlatIndex, top
from tests.index.conformance import DIM, IndexConformance


class TestFlatIndex(IndexConformance):
    def make(self, dim: int = DIM) -> FlatIndex:
        return FlatIndex(dim)

    def test_it_is_exact(self) -> None:
        assert not self.make().approximate


@given(st.lists(st.integers(-3, 3) | st.just(-np.inf), max_size=12), st.integers(-1, 15))
def test_top_is_a_stable_sort_cut_off(scores: list[float], k: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[: max(k, 0)]
    assert top(np.array(scores, np.float32), k).tolist() == expected


def one_by_one(index: FlatIndex, queries: Any, k: int, allow: Any = None) -> tuple[Any, Any]:
    answers = [index.search(query[None], k, allow) for query in queries]
    return np.concatenate([slots for slots, _ in answers]), np.concatenate([scores for _, scores in answers])


@pytest.mark.parametrize("share", [None, 0.7, 0.05, 0.001, 0.0])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_many_queries_get_the_very_answers_that_each_gets_alone(share: float | None, k: int) -> None:
    generator = np.random.default_rng(0)
    rows = np.round(generator.standard_normal((flat.ROWS + 900, 12)) * 4).astype(np.float32)  # with many equal scores
    index = FlatIndex(12)
    index.add(np.arange(len(rows)), rows)
    index.remove(np.arange(0, 900, 7))
    queries = np.concatenate(
        [np.round(generator.standard_normal((20, 12))), generator.standard_normal((20, 12)) * 100, np.zeros((1, 12))]
    )
    queries = queries.astype(np.float32)
    allow = None if share is None else generator.random(len(rows) - 50) < share
    together, alone = index.search(queries, k, allow), one_by_one(index, queries, k, allow)
    assert together[0].tolist() == alone[0].tolist()
    assert together[1].tolist() == alone[1].tolist()


def test_numbers_without_a_bound_on_their_roundings_are_compared_one_by_one() -> None:
    rows = np.random.default_rng(0).standard_normal((flat.ROWS + 10, 4)).astype(np.float32)
    rows[5] = 1e25
    index = FlatIndex(4)
    index.add(np.arange(len(rows)), rows)
    with np.errstate(over="ignore", invalid="ignore"):
        assert flat.likely_best(rows, rows[:10], 3, index.present) is None
        assert index.search(rows[6:20], 3)[0].tolist() == one_by_one(index, rows[6:20], 3)[0].tolist()


def test_many_queries_take_a_block_of_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(flat, "ROWS", 500)
    real = np.einsum
    monkeypatch.setattr(flat.np, "einsum", lambda how, *parts: seen.append(len(parts[0])) or real(how, *parts))
    rows = np.random.default_rng(0).standard_normal((2200, 4)).astype(np.float32)
    index = FlatIndex(4)
    index.add(np.arange(2200), rows)
    index.search(rows[:300], 3)
    assert max(seen) <= 500
    assert len(seen) == 3 * (1 + 5)  # queries in three parts, each over five blocks
