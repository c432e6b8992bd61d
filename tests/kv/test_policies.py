"""Every policy of the house passes the suite for policies."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from lamina.kv import Full
from lamina.kv.policies.quantised import QuantisedCache
from lamina.kv.policies.random_retrieval import RandomRetrieval
from lamina.kv.policies.sliding_window import SlidingWindow
from lamina.kv.policies.snapkv import SnapKV
from tests.kv.conformance import Conformance


class TestFull(Conformance):
    covering = Full(block=16)
    tight = Full(block=16)


class TestSlidingWindow(Conformance):
    covering = SlidingWindow(sinks=4, window=150, block=16)
    tight = SlidingWindow(sinks=4, window=30, block=16)


class TestSlidingWindowAtOwnPositions(Conformance):
    covering = SlidingWindow(sinks=0, window=150, positions="own", block=16)
    tight = SlidingWindow(sinks=20, window=30, positions="own", block=16)


class TestSnapKV(Conformance):
    covering = SnapKV(budget=150, observed=8, block=16)
    tight = SnapKV(budget=40, observed=8, pooling="maximum", block=16)


class TestSnapKVInAStream(Conformance):
    covering = SnapKV(budget=150, observed=8, streaming=True, block=16)
    tight = SnapKV(budget=40, observed=8, streaming=True, block=16)


class TestRandomRetrieval(Conformance):
    covering = RandomRetrieval(window=150, block=16)
    tight = RandomRetrieval(sinks=4, window=20, retrieved=16, run=8, block=16)


class TestRandomRetrievalAtOwnPositions(Conformance):
    covering = RandomRetrieval(sinks=4, window=9, retrieved=150, positions="own", block=16)
    tight = RandomRetrieval(sinks=4, window=20, retrieved=16, run=8, positions="own", block=16)


class TestQuantisedCache(Conformance):
    covering = QuantisedCache(residual=150, block=16)
    tight = QuantisedCache(residual=8, group=8, block=16)


class TestQuantisedCacheByChannel(Conformance):
    covering = QuantisedCache(keys="channel", residual=150, block=16)
    tight = QuantisedCache(keys="channel", residual=8, group=8, block=16)
