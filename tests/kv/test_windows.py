"""What a window and a compressed prompt leave is what a naive reading of their sources leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.kv import Cache, CachePolicy, ModelShape, Session, SlidingWindow, SnapKV
from lamina.kv.policies.full import Full, FullCache
from lamina.kv.positions import turn
from tests.kv.conformance import IDS, model_of


@dataclass(frozen=True)
class Naive(CachePolicy):
    """Token by token, each key moved to where the source's cache has it, and the query to the end of that cache."""

    sinks: int = 4
    window: int = 30
    moved: bool = True

    def begin(self, shape: ModelShape) -> Cache:
        return NaiveCache(self, shape)


class NaiveCache(FullCache):
    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, start: int) -> torch.Tensor:
        how, rows = self.policy, self._rows[layer]
        assert isinstance(how, Naive)
        rows.append(k, v)
        groups, outputs = q.shape[1] // k.shape[1], []
        for at in range(start, start + q.shape[2]):
            seen = [*range(min(how.sinks, at + 1)), *range(max(how.sinks, at - how.window + 1), at + 1)]
            places = list(range(len(seen))) if how.moved else seen
            keys = torch.cat(
                [turn(rows.keys[:, :, j : j + 1], to - j, self.shape.frequencies) for j, to in zip(seen, places, strict=True)], 2
            )
            query = turn(q[:, :, at - start : at - start + 1], places[-1] - at, self.shape.frequencies)
            scores = query @ keys.repeat_interleave(groups, 1).mT * self.shape.scaling
            outputs.append(scores.softmax(-1) @ rows.values[:, :, seen].repeat_interleave(groups, 1))
        return torch.cat(outputs, dim=2)


@pytest.mark.parametrize("sinks", [0, 4, 20])
@pytest.mark.parametrize("positions", ["window", "own"])
@pytest.mark.parametrize("block", [1, 7, 16, 50, 512])
def test_a_window_sees_what_the_source_says_whatever_the_blocks(sinks: int, positions: str, block: int) -> None:
    model = model_of()
    naive = Session(model, Naive(sinks=sinks, moved=positions == "window"))
    session = Session(model, SlidingWindow(sinks=sinks, window=30, positions=positions, block=block))  # type: ignore[arg-type]
    assert np.abs(session.score(IDS) - naive.score(IDS)).max() < 1e-9
    assert np.abs(session.extend(IDS[:3]) - naive.extend(IDS[:3])).max() < 1e-9


def test_of_a_prompt_stays_what_its_last_tokens_attended_to() -> None:
    """Scored without any pooling, head by head, in a plain loop."""
    model = model_of()
    full = Session(model, Full())
    queries: list[torch.Tensor] = []
    attend = full.cache.attend

    def watched(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, start: int) -> torch.Tensor:
        queries.append(q)
        return attend(layer, q, k, v, start)

    full.cache.attend = watched  # type: ignore[method-assign]
    full.encode(IDS)
    keys, _ = full.cache.stretch()  # type: ignore[attr-defined]
    session = Session(model, SnapKV(budget=40, observed=8, kernel=1, block=16))
    session.encode(IDS)
    for layer in range(3):
        for head in range(2):
            received = np.zeros(len(IDS))
            for query in (2 * head, 2 * head + 1):
                for at in range(len(IDS) - 8, len(IDS)):
                    scores = keys[layer, head, : at + 1] @ queries[layer][0, query, at] * full.shape.scaling
                    received[: at + 1] += scores.softmax(-1).numpy()
            best = np.sort(np.argsort(-received[:-8])[:32])
            kept = keys[layer, head][[*best, *range(len(IDS) - 8, len(IDS))]]
            assert torch.allclose(session.cache._rows[layer].keys[0, head], kept, rtol=0, atol=1e-9)  # type: ignore[attr-defined]


def test_neighbours_of_what_was_attended_to_stay_with_it() -> None:
    model = model_of()
    runs = {}
    for kernel in (1, 7):
        session = Session(model, SnapKV(budget=40, observed=8, kernel=kernel))
        session.encode(IDS)
        full = Session(model, Full())
        full.encode(IDS)
        every, _ = full.cache.stretch()  # type: ignore[attr-defined]
        kept = session.cache._rows[0].keys[0, 0]  # type: ignore[attr-defined]
        places = [int((every[0, 0] - one).abs().sum(-1).argmin()) for one in kept[:32]]
        runs[kernel] = sum(b - a > 1 for a, b in pairwise(places))
    assert runs[7] < runs[1]


@dataclass(frozen=True)
class Listening(Full):
    """Everything is kept, and what is said of surprises is written down."""

    def begin(self, shape: ModelShape) -> ListeningCache:
        return ListeningCache(self, shape)


class ListeningCache(FullCache):
    wants_surprises = True

    def __init__(self, policy: CachePolicy, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self.heard: list[NDArray[np.float32]] = []

    def _finished(self, ids: Sequence[int], surprises: NDArray[np.float32] | None) -> None:
        assert surprises is not None
        self.heard.append(surprises)


@pytest.mark.parametrize("block", [1, 16, 512])
def test_a_cache_that_wants_them_hears_how_unexpected_each_token_was(block: int) -> None:
    model = model_of()
    session = Session(model, replace(Listening(), block=block))
    session.encode(IDS[:50])
    session.encode(IDS[50:])
    heard = np.concatenate(session.cache.heard)  # type: ignore[attr-defined]
    assert heard.dtype == np.float32
    assert np.isnan(heard[0])
    assert np.abs(heard[1:] + Session(model).score(IDS)).max() < 1e-5
