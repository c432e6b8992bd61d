"""HNSW under the conformance suite by its other metrics, and while one thread writes and others search."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")

from lamina.index.hnsw import HNSW
from tests.index.conformance import DIM, IndexConformance


class TestByInnerProduct(IndexConformance):
    recall = 0.97
    snapshots = True

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, ef=100)


class TestByCosine(IndexConformance):
    recall = 0.97
    metric = "cosine"
    snapshots = True

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, metric="cosine", M=8, ef_construction=80)


class TestByDistance(IndexConformance):
    recall = 0.97
    metric = "l2"
    exact = 1e-3
    snapshots = True

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, metric="l2", M=8, ef_construction=80)


class TestByDistanceOfSmallNumbers(IndexConformance):
    recall = 0.97
    metric = "l2"
    exact = 3e-2
    width = 1
    snapshots = True

    def make(self, dim: int = DIM) -> HNSW:
        return HNSW(dim, metric="l2", form="int8", M=8, ef_construction=80)
