"""The best of many scores, whatever way they are found."""

from __future__ import annotations

import numpy as np
import pytest

from lamina.index.flat import BLOCKS, top


@pytest.mark.parametrize("kind", ["different", "few values", "mostly zero", "mostly forbidden"])
def test_the_best_are_those_of_a_full_sort_with_equals_in_order(kind: str) -> None:
    generator = np.random.default_rng(0)
    for _ in range(60):
        k = int(generator.integers(1, 40))
        scores = generator.random(int(generator.integers(1, 3 * BLOCKS * k))).astype(np.float32)
        if kind == "few values":
            scores = np.round(scores * 5) / np.float32(5)
        elif kind == "mostly zero":
            scores[generator.random(len(scores)) < 0.99] = 0
        elif kind == "mostly forbidden":
            scores[generator.random(len(scores)) < 0.995] = -np.inf
        sorted_fully = np.lexsort((np.arange(len(scores)), -scores))[:k]
        assert top(scores, k).tolist() == sorted_fully.tolist()
