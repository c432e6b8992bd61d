"""Pages that lie in a file and are fetched for what is asked."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import numpy as np
import torch

from lamina.errors import InputError
from lamina.kv import Full, Session
from lamina.kv.mapping import mapped
from lamina.kv.policies.paged import PagedRetrieval
from tests.kv.conformance import Conformance
from tests.kv.models import text, tiny


class TestPagedRetrieval(Conformance):
    covering = PagedRetrieval(page=8, window=8, retrieved=160, dense=16, quantised=False, block=16)
    tight = PagedRetrieval(page=4, window=8, retrieved=16, dense=16, block=16)


def test_a_mapped_array_is_the_same_and_can_be_empty() -> None:
    for one in (torch.randn(3, 4).to(torch.bfloat16), torch.randint(-9, 9, (2, 3), dtype=torch.int8), torch.empty(0, 4)):
        found = mapped(one)
        assert found.dtype == one.dtype
        assert torch.equal(found, one)


def test_pages_are_stored_and_only_what_is_fetched_is_resident() -> None:
    session = Session(tiny(), PagedRetrieval(page=8, window=8, retrieved=16, dense=16))
    session.encode(text(200))
    held, whole = session.nbytes(), 200 * session.shape.token_bytes
    assert held["resident"] < 0.25 * whole
    assert 0.25 * whole < held["stored"] < 0.6 * whole  # numbers of 32 bits in 8, with 16-bit scales for 16 of them
    session.extend(text(3))
    assert session.attended().tolist() == [16 + 8 + 3] * 3


def test_the_pages_that_a_query_attends_to_most_are_fetched() -> None:
    """With half of the pages, the logits are nearer to those of full attention than with as many drawn by lot."""
    model, ids, asked = tiny(), text(240, seed=3), text(6, seed=4)
    expected = Session(model, Full())
    expected.encode(ids)
    full = expected.extend(asked)
    session = Session(model, PagedRetrieval(page=4, window=8, retrieved=120, dense=16))
    session.encode(ids)
    by_bound = np.abs(session.fork().extend(asked) - full).mean()
    draw, others = np.random.default_rng(0), []

    def by_lot(layer: int, q: torch.Tensor, wanted: int) -> torch.Tensor:
        return torch.from_numpy(np.stack([draw.permutation(58)[:wanted] for _ in range(2)]))

    for _ in range(5):
        fork = session.fork()
        fork.cache._chosen = by_lot  # type: ignore[attr-defined]
        others.append(np.abs(fork.extend(asked) - full).mean())
    assert by_bound < 0.7 * np.mean(others)


def test_a_text_is_cut_back_into_its_pages() -> None:
    model, ids = tiny(dtype=torch.float64), text(100)
    policy = PagedRetrieval(page=8, window=8, retrieved=16, dense=16, quantised=False)
    session, shorter = Session(model, policy), Session(model, policy)
    session.encode(ids)
    session.crop(53)
    shorter.encode(ids[:53])
    assert session.attended().tolist() != []
    assert np.abs(session.extend(text(20, seed=1)) - shorter.extend(text(20, seed=1))).max() < 1e-9


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="a page at least"):
        PagedRetrieval(page=16, retrieved=8)
