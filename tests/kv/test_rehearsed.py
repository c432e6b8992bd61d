"""What saying a text again needs of it is kept."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from pathlib import Path

import numpy as np
import torch

from lamina.errors import InputError, StateError
from lamina.kv import Full, Session
from lamina.kv.policies.rehearsed import Rehearsed, rehearse
from tests.kv.conformance import Conformance
from tests.kv.models import text, tiny

PROMPT = text(4, seed=9)


class TestRehearsed(Conformance):
    covering = Rehearsed(budget=150, sinks=2, block=16)
    tight = Rehearsed(budget=10, sinks=2, block=16)  # nothing is dropped before it is rehearsed

    def test_bytes_are_told_and_what_is_in_memory_is_stored(self) -> None:
        session = Session(tiny(), self.tight)
        session.encode(text(100))
        rehearse(session, text(100), PROMPT)
        assert (
            session.nbytes()["resident"] == 10 * session.shape.token_bytes // 64 * 18
        )  # 8 bits for 32, and scales of 16 for 16 numbers


def test_with_room_for_all_a_rehearsed_text_is_as_it_was() -> None:
    model, ids, tail = tiny(dtype=torch.float64), text(90), text(7, seed=1)
    full, session = Session(model), Session(model, Rehearsed(budget=90, quantised=False, block=16))
    full.encode(ids)
    session.encode(ids)
    rehearse(session, ids, PROMPT)
    assert session.length == 90
    assert np.abs(session.extend(tail) - full.extend(tail)).max() < 1e-9
    assert session.attended().tolist() == [97] * 3


def test_what_is_kept_goes_on_from_a_file_and_from_copies(tmp_path: Path) -> None:
    model, ids = tiny(), text(90)
    session, other = Session(model, Rehearsed(budget=30)), Session(model, Rehearsed(budget=30))
    session.encode(ids)
    rehearse(session, ids[5:], PROMPT, start=5)
    session.save(tmp_path / "text.kv")
    other.load(tmp_path / "text.kv")
    fork = session.fork()
    expected = session.extend(text(5, seed=2))
    assert np.array_equal(other.extend(text(5, seed=2)), expected)
    assert np.array_equal(fork.extend(text(5, seed=2)), expected)
    fork.crop(90)
    with pytest.raises(StateError, match="only some were kept"):
        fork.crop(80)


def test_what_was_needed_is_worth_more_than_as_much_drawn_by_lot() -> None:
    """With a third of a text, what comes next is nearer to what it is with all of it."""
    wins = 0
    for seed in range(5):
        model, ids, tail = tiny(seed=seed), text(110, seed=seed), text(6, seed=seed + 10)
        full = Session(model, Full())
        full.encode(ids)
        expected = full.extend(tail)
        errors = []
        for by_lot in (False, True):
            session = Session(model, Rehearsed(budget=36, quantised=False))
            session.encode(ids)
            if by_lot:
                session.cache.listen()  # type: ignore[attr-defined]
                session.cache._scores.copy_(torch.rand(3, 2, 110, generator=torch.Generator().manual_seed(seed)))  # type: ignore[attr-defined]
                session.cache.compress()  # type: ignore[attr-defined]
            else:
                rehearse(session, ids, PROMPT)
            errors.append(np.abs(session.extend(tail) - expected).mean())
        wins += errors[0] < errors[1]
    assert wins >= 4


def test_only_a_text_that_was_read_can_be_rehearsed_and_only_once() -> None:
    model = tiny()
    session = Session(model, Rehearsed(budget=30))
    with pytest.raises(StateError, match="nothing has been read"):
        rehearse(session, text(9), PROMPT)
    session.encode(text(60))
    rehearse(session, text(60), PROMPT)
    with pytest.raises(StateError, match="rehearsed before"):
        rehearse(session, text(60), PROMPT)
    with pytest.raises(InputError, match="not one of Full"):
        rehearse(Session(model), text(9), PROMPT)
    with pytest.raises(InputError, match="budget must be above sinks"):
        Rehearsed(budget=4)
