"""HNSW under the conformance suite, in each form."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")

from lamina.index.hnsw import HNSW
from tests.index.conformance import DIM, IndexConformance


class TestFloat32(IndexConformance):
    recall = 0.97

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim)


class TestSmallBatchesOnThreads(IndexConformance):
    recall = 0.97

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, M=8, ef_construction=60, threads=3)


class TestFloat16(IndexConformance):
    recall = 0.97
    exact = 5e-3

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, form="float16")


class TestInt8(IndexConformance):
    recall = 0.97
    exact = 1e-2

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, form="int8")


class TestInt8WithAFile(IndexConformance):
    recall = 0.97
    exact = 1e-2

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder = tmp_path_factory.mktemp("full")
        self.made = 0

    def make(self, dim: int = DIM) -> HNSW:
        self.made += 1
        return HNSW(dim, form="int8", full=self.folder / f"rows{self.made}")
