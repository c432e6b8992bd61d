"""Every policy of the house passes the suite for policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.kv import Full, Session
from lamina.kv.policies.quantised import QuantisedCache
from lamina.kv.policies.random_retrieval import RandomRetrieval
from lamina.kv.policies.sliding_window import SlidingWindow
from lamina.kv.policies.snapkv import SnapKV
from tests.kv.conformance import IDS, Conformance, model_of


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


# ------------------------------------------------------------------------------------------- what 8 bits change, and what not
KEEPING = {
    "window": SlidingWindow(sinks=4, window=30, block=16),
    "window at own positions": SlidingWindow(sinks=4, window=30, positions="own", block=16),
    "snapkv": SnapKV(budget=40, observed=8, block=16),
    "by lot": RandomRetrieval(sinks=4, window=20, retrieved=16, run=8, block=16),
}


@pytest.mark.parametrize("name", KEEPING)
def test_in_8_bits_a_policy_keeps_the_same_in_fewer_bytes(name: str, tmp_path: Path) -> None:
    model = model_of(torch.float32)
    plain, packed = Session(model, KEEPING[name]), Session(model, replace(KEEPING[name], quantised=True))
    for session in (plain, packed):
        session.encode(IDS)
    assert packed.nbytes()["stored"] == plain.nbytes()["stored"] * (16 + 2) // (16 * 4)
    assert packed.attended().tolist() == plain.attended().tolist()
    fork = packed.fork()
    a, b = plain.extend(IDS[:20]), packed.extend(IDS[:20])
    assert 0 < np.abs(a - b).max() < 0.2 * np.abs(a).max()
    fork.save(tmp_path / "text.kv")
    loaded = Session(model, packed.policy)
    loaded.load(tmp_path / "text.kv")
    assert np.allclose(loaded.extend(IDS[:20]), b, rtol=0, atol=1e-4)


@pytest.mark.parametrize("keys", ["token", "channel"])
def test_8_bits_change_logits_by_little(keys: Literal["token", "channel"]) -> None:
    model = model_of()
    full, packed = Session(model), Session(model, QuantisedCache(keys=keys, residual=8, group=8, block=16))
    for session in (full, packed):
        session.encode(IDS)
    assert packed.nbytes()["stored"] < 0.3 * full.nbytes()["stored"]  # of 64 bits
    a, b = full.extend(IDS[:1]), packed.extend(IDS[:1])
    assert 1e-6 < np.abs(a - b).max() < 0.1 * np.abs(a).max()
