"""EM-LLM's cache: the suite of policies, its parts against a plain reference, its bounds, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import InputError, StateError
from lamina.kv import Cache, CachePolicy, Full, ModelShape, Session
from lamina.kv.event_memory import EventMemory
from lamina.kv.policies.episodic import VARIANTS, EpisodicCache
from lamina.kv.positions import turn, unturn
from tests.kv.conformance import Conformance, model_of
from tests.kv.models import plain, text

SMALL = {"n_local": 32, "n_init": 4, "n_mem": 48, "min_block": 4, "max_block": 16, "refine_from_layer": 1, "block": 16}
EXTRAS: dict[str, dict[str, Any]] = {"sentences": {"sentence_ends": (3, 5, 7)}, "random boundaries": {"spacing": 9.0}}


def small(variant: str = "SM+C", **fields: Any) -> EpisodicCache:
    return EpisodicCache.variant(variant, **{**SMALL, **EXTRAS.get(variant, {}), **fields})


class EpisodicConformance(Conformance):
    @staticmethod
    def _cut_in(policy: CachePolicy, block: int) -> CachePolicy:
        return replace(policy, block=min(block, 150))  # a block is not longer than the window


class TestEpisodicCache(EpisodicConformance):
    covering = EpisodicCache(n_local=150, n_init=4, n_mem=150, refine_from_layer=1, block=16)
    tight = small(n_mem=32, cue=4, likeness="share", offload=True)


class TestEpisodicCacheBySentences(EpisodicConformance):
    covering = EpisodicCache.variant("sentences", n_local=150, sentence_ends=(3, 5), block=16)
    tight = small("sentences", n_mem=32, overshoot=True, cue=1, offload=True)


def read(policy: EpisodicCache, ids: list[int], model: Any = None) -> tuple[Session, EventMemory]:
    session = Session(model or model_of(), policy)
    session.encode(ids)
    assert isinstance(session.cache, EventMemory)
    return session, session.cache


# ------------------------------------------------------------------------------------------------------------- attention
def test_a_block_sees_window_first_tokens_and_events_under_one_softmax() -> None:
    shape = ModelShape.of(model_of())
    policy = small("S")
    cache = policy.begin(shape)
    generator = torch.Generator().manual_seed(0)

    def drawn(heads: int, n: int) -> torch.Tensor:
        return torch.randn(1, heads, n, shape.head_dim, dtype=torch.float64, generator=generator)

    keys = torch.empty(1, shape.kv_heads, 0, shape.head_dim, dtype=torch.float64)
    values, start, compared = keys.clone(), 0, 0
    for n in (16, 16, 16, 16, 10, 16, 16, 1, 16, 7):
        q, k, v = drawn(shape.heads, n), drawn(shape.kv_heads, n), drawn(shape.kv_heads, n)
        found = [cache.attend(layer, q, k, v, start) for layer in range(shape.layers)][-1]
        keys, values = torch.cat([keys, k], dim=2), torch.cat([values, v], dim=2)
        seen = [one for first, end in cache.recalled(shape.layers - 1) for one in range(first, end)]
        stored = {one for first, end in cache.events() for one in range(first, end)}
        for row in range(n):
            place = start + row
            visible = [one for one in range(place + 1) if place - one < 32 or one < 4 or one in seen or one not in stored]
            compared += len(seen)
            assert torch.allclose(
                found[0, :, row], _one_query(q[0, :, row], keys[0], values[0], visible, place, shape), atol=1e-9
            )
        start += n
        cache.finish(list(range(n)), np.random.default_rng(start).exponential(size=n).astype(np.float32))
    assert compared > 500, "events were fetched"


def _one_query(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, visible: list[int], place: int, shape: ModelShape):
    """The definition: near keys at their own positions, all others as if 32 tokens away."""
    at = torch.tensor(visible)
    near = place - at < 32
    moved = turn(unturn(keys[:, at], at, shape.frequencies), place - 32, shape.frequencies)
    seen = torch.where(near[:, None], keys[:, at], moved).repeat_interleave(shape.groups, dim=0)  # (heads, m, dim)
    scores = torch.einsum("hd,hmd->hm", q, seen) * shape.scaling
    return torch.einsum("hm,hmd->hd", scores.softmax(-1), values[:, at].repeat_interleave(shape.groups, dim=0))


# ----------------------------------------------------------------------------------------------------------------- bounds
@pytest.mark.parametrize("variant", VARIANTS)
def test_attended_tokens_and_sizes_of_events_are_bounded_however_long_the_text_is(variant: str) -> None:
    policy = small(variant)
    session, cache = read(policy, text(200))
    counts = []
    for part in range(5):
        session.encode(text(80, seed=part))
        counts.append(session.attended().max())
        sizes = np.array([end - start for start, end in cache.events()])
        assert sizes.min() >= 4
        assert sizes.max() <= 16
        assert cache.events()[0][0] == 4
        assert all(end == start for (_, end), (start, _) in zip(cache.events(), cache.events()[1:], strict=False))
    assert max(counts) <= 4 + 48 + 16 + 32 + 16
    assert max(counts) - min(counts) <= 16 + 16, "what waits to be an event, and the room an event leaves"


def test_the_store_does_not_depend_on_the_blocks_in_which_the_text_was_read() -> None:
    """Surprises, queries, keys and values are given; so they are the same for all."""
    shape = ModelShape.of(model_of())
    generator = torch.Generator().manual_seed(3)
    q, k, v = (
        torch.randn(shape.layers, 1, heads, 300, shape.head_dim, dtype=torch.float64, generator=generator)
        for heads in (shape.heads, shape.kv_heads, shape.kv_heads)
    )
    surprises = np.random.default_rng(3).exponential(size=300).astype(np.float32)
    stores = []
    for steps in ([16] * 19, [2] * 150, [7, 3, 16, 5] * 10):
        for_all: Cache = small().begin(shape)
        start = 0
        for n in steps:
            n = min(n, 300 - start)
            if n == 0:
                break
            rows = slice(start, start + n)
            for layer in range(shape.layers):
                for_all.attend(layer, q[layer][:, :, rows], k[layer][:, :, rows], v[layer][:, :, rows], start)
            for_all.finish(list(range(n)), surprises[rows])
            start += n
        assert isinstance(for_all, EventMemory)
        stores.append(for_all)
    first = stores[0]
    assert len(first.events()) > 12
    for other in stores[1:]:
        assert other.events() == first.events()
        assert torch.allclose(other.store.summaries(), first.store.summaries(), atol=1e-5)
        assert torch.equal(other.store.block(5)["values"], first.store.block(5)["values"])


def test_text_may_be_longer_than_the_models_context() -> None:
    session, cache = read(small(), text(600))
    assert session.shape.context < 600
    assert np.isfinite(session.extend([1])).all()
    assert cache.events()[-1][1] > 600 - 32 - 16


# ------------------------------------------------------------------------------------------------------------------ state
def test_what_is_in_events_cannot_be_cropped_and_the_window_can() -> None:
    session, cache = read(small(), text(200))
    session.crop(cache.events()[-1][1])
    with pytest.raises(StateError, match="fork before reading on"):
        session.crop(cache.events()[-1][1] - 1)
    with pytest.raises(StateError, match="in events already"):
        session.crop(2)
    assert np.isfinite(session.extend([1, 2, 3])).all()


def test_saved_keys_become_events_whose_mean_keys_stand_for_them() -> None:
    model = model_of()
    source = Session(model, Full())
    source.encode(text(100))
    session = Session(model, small())
    session.preload(*source.cache.stretch(), 0)  # type: ignore[attr-defined]
    cache = session.cache
    assert isinstance(cache, EventMemory)
    assert {end - start for start, end in cache.events()} == {16}
    keys = cache.store.block(0)["keys"]  # (layers, kv_heads, tokens, dim)
    assert torch.allclose(cache.store.summaries()[:, 0, 0], keys[:, 0].mean(dim=-2).to(cache.store.summaries().dtype))
    session.extend(text(40, seed=1))
    assert any(cache.recalled(layer) for layer in range(3))
    assert np.isnan(cache.surprises()[:101]).all()
    assert np.isfinite(cache.surprises()[101:]).all()


def test_surprises_are_those_of_the_model() -> None:
    model, ids = model_of(), text(60)
    _, cache = read(EpisodicCache(n_local=100, n_mem=128, refine_from_layer=0, block=16), ids, model)
    logs = plain(model, ids).log_softmax(-1)[torch.arange(59), torch.tensor(ids[1:])]
    assert np.isnan(cache.surprises()[0])
    assert np.allclose(cache.surprises()[1:], -logs.numpy(), atol=1e-5)


def test_events_in_a_file_give_the_same_as_events_in_memory() -> None:
    model, ids = model_of(), text(300)
    near, _ = read(small(), ids, model)
    far, cache = read(small(offload=True), ids, model)
    other = far.fork()
    for tail in (text(30, seed=1), [5], [6]):
        assert np.allclose(near.extend(tail), far.extend(tail), rtol=0, atol=1e-9)
    assert far.nbytes()["resident"] < near.nbytes()["resident"] / 2
    assert far.nbytes()["stored"] == near.nbytes()["stored"]
    assert cache.store.resident < cache.store.nbytes / 2
    assert np.isfinite(other.extend([1, 2])).all()


def test_a_fork_may_choose_events_in_another_way() -> None:
    session, cache = read(small("S", offload=True), text(300))
    fork = session.fork()
    assert isinstance(fork.cache, EventMemory)
    fork.cache.recall_by(n_mem=96, likeness="share", contiguity=0.5)
    fork.extend(text(10, seed=1))
    session.extend(text(10, seed=1))
    sizes = [sum(end - start for start, end in one.recalled(0)) for one in (cache, fork.cache)]
    assert sizes[0] <= 48 < sizes[1] <= 96
    with pytest.raises(InputError, match="n_local cannot be changed"):
        fork.cache.recall_by(n_local=64)
    with pytest.raises(InputError, match="up to n_mem"):
        fork.cache.recall_by(contiguity=500)


# -------------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"block": 33}, "must not be longer than the window"),
        ({"n_local": 0}, "at least 1"),
        ({"cue": 0}, "at least 1"),
        ({"n_mem": 10}, "room for an event of the largest size"),
        ({"gamma": float("nan")}, "gamma must be finite"),
        ({"contiguity": 1.5}, "whole number of tokens"),
        ({"contiguity": 49}, "up to n_mem"),
        ({"contiguity": -0.1}, "share below 1"),
        ({"contiguity": float("nan")}, "share below 1"),
        ({"min_block": 17}, "least size of an event"),
        ({"max_block": 90, "n_mem": 90}, "need a window of 45"),
        ({"boundaries": "never"}, "boundaries are one of"),
        ({"retrieval": "all"}, "boundaries are one of"),
        ({"likeness": "cosine"}, "likeness is one of mean, share"),
        ({"boundaries": "sentence"}, "end a sentence"),
        ({"refine": "beauty"}, "measure must be one of"),
    ],
)
def test_numbers_that_do_not_fit_each_other_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**fields)


def test_numbers_that_do_not_fit_the_model_are_refused() -> None:
    model = model_of()
    with pytest.raises(InputError, match=r"one of the model's layers \(0 to 2\), not 3"):
        Session(model, small(refine_from_layer=3))
    Session(model, small("S", refine_from_layer=3))  # nothing is refined
    Session(model, small(refine_from_layer=-20))  # more than there are: all of them
    with pytest.raises(InputError, match="longer than the"):
        Session(model, replace(small(), n_local=5000))
    with pytest.raises(InputError, match="no variant"):
        EpisodicCache.variant("SMC")
    with pytest.raises(InputError, match="surprises"):
        small().begin(ModelShape.of(model)).finish([1, 2], np.zeros(3, np.float32))
    with pytest.raises(InputError, match="one text at a time"):
        Session(model, small()).extend([[1, 2], [3, 4]])  # type: ignore[list-item]
