"""Keys are turned to where they would have been made."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import InputError
from lamina.kv import ModelShape, Session
from lamina.kv.positions import turn, unturn
from tests.kv.models import text, tiny

ROTARY: dict[str, dict[str, Any]] = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "yarn": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 64},
}
FREQUENCIES = tuple(10000 ** (-i / 8) for i in range(8))


def test_turning_by_a_difference_is_turning_anew() -> None:
    raw = torch.randn(2, 5, 16, dtype=torch.float64)
    places = torch.tensor([0, 3, 17, 4000, 120000])
    at = turn(raw, places, FREQUENCIES)
    for by in (7, -7, 100_000):
        assert (turn(at, by, FREQUENCIES) - turn(raw, places + by, FREQUENCIES)).abs().max() < 1e-10
        assert (turn(at, torch.full((5,), by), FREQUENCIES) - turn(at, by, FREQUENCIES)).abs().max() < 1e-10
    assert (unturn(at, places, FREQUENCIES) - raw).abs().max() < 1e-10
    assert torch.equal(turn(raw, 0, FREQUENCIES), raw)


def test_scores_depend_on_the_difference_alone() -> None:
    q, k = torch.randn(1, 16, dtype=torch.float64), torch.randn(1, 16, dtype=torch.float64)
    near = turn(q, 9, FREQUENCIES) @ turn(k, 4, FREQUENCIES).mT
    far = turn(q, 90_009, FREQUENCIES) @ turn(k, 90_004, FREQUENCIES).mT
    assert (near - far).abs().max() < 1e-10
    assert (near - turn(q, 9, FREQUENCIES) @ turn(k, 5, FREQUENCIES).mT).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ROTARY)
def test_keys_are_moved_as_the_model_would_have_made_them(kind: str) -> None:
    """In the first layer keys depend on the token and its position alone."""
    model = tiny(dtype=torch.float64, rope_parameters=ROTARY[kind])
    shape, ids = ModelShape.of(model), text(12)
    session = Session(model)
    session.encode(text(100, seed=1))
    session.encode(ids)
    late, _ = session.cache.stretch(100, 112)
    session.crop(0)
    session.encode(ids)
    early, _ = session.cache.stretch()
    assert (turn(early[0], 100, shape.frequencies) - late[0]).abs().max() < 1e-4  # the model's angles have 32 bits
    assert (early[0] - late[0]).abs().max() > 0.1


def test_halves_keep_their_type() -> None:
    keys = torch.randn(3, 4, 16).to(torch.bfloat16)
    assert turn(keys, 5, FREQUENCIES).dtype == torch.bfloat16
    assert (turn(keys, 5, FREQUENCIES).float() - turn(keys.float(), 5, FREQUENCIES)).abs().max() < 0.02


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="8 frequencies"):
        turn(torch.zeros(2, 16), 1, FREQUENCIES[:3])
    with pytest.raises(InputError, match="differences"):
        turn(torch.zeros(2, 16), torch.tensor([1, 2, 3]), FREQUENCIES)
