"""SPANN under the conformance suite: vectors come and go in lists on disk."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")

from lamina.index.spann.spann import SPANN
from tests.index.conformance import DIM, SlotConformance


class TestByDistance(SlotConformance):
    recall = 0.97
    metric = "l2"
    exact = 2e-2  # the best are ordered by float16 rows
    width = 0  # what it holds in memory are no vectors
    snapshots = True

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder = tmp_path_factory.mktemp("spann")
        self.made = 0

    def make(self, dim: int = DIM) -> SPANN:
        self.made += 1
        return SPANN(dim, self.folder / str(self.made), metric=self.metric, share=0.2)


class TestByCosine(TestByDistance):
    metric = "cosine"
    exact = 5e-3
