"""The exact index under the conformance suite."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
