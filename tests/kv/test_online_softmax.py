"""Attention in parts is attention at once."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from lamina.errors import InputError
from lamina.kv.attending import attention, attention_mass, lower
from lamina.kv.online_softmax import OnlineSoftmax, weighted

SCORES = torch.randn(3, 5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 8
VALUES = torch.randn(3, 12, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def gathered(*cuts: tuple[int, int]) -> OnlineSoftmax:
    state = OnlineSoftmax.empty((3, 5), 4, torch.float64)
    for first, last in cuts:
        state.add(SCORES[..., first:last], VALUES[:, first:last])
    return state


@pytest.mark.parametrize("cuts", [[(0, 12)], [(0, 1), (1, 12)], [(6, 12), (0, 3), (3, 3), (3, 6)]])
def test_neither_cuts_nor_order_matter(cuts: list[tuple[int, int]]) -> None:
    state = gathered(*cuts)
    assert (state.normalise() - SCORES.softmax(-1) @ VALUES).abs().max() < 1e-12
    assert (state.mass - SCORES.logsumexp(-1)).abs().max() < 1e-12


def test_states_gathered_apart_are_joined() -> None:
    joined = gathered((0, 5)).merge(gathered((5, 12)))
    assert (joined.normalise() - SCORES.softmax(-1) @ VALUES).abs().max() < 1e-12
    joined.merge(OnlineSoftmax.empty((3, 5), 4, torch.float64))
    assert (joined.normalise() - SCORES.softmax(-1) @ VALUES).abs().max() < 1e-12


def test_weights_by_mass_are_the_joint_softmax_and_others_are_a_gate() -> None:
    parts = [gathered((0, 5)), gathered((5, 12))]
    by_mass = torch.stack([part.mass for part in parts]).softmax(0)
    assert (weighted(parts, list(by_mass)) - SCORES.softmax(-1) @ VALUES).abs().max() < 1e-12
    gate = torch.full((3, 5), 0.25, dtype=torch.float64)
    mixed = weighted(parts, [gate, 1 - gate])
    assert (mixed - 0.25 * parts[0].normalise() - 0.75 * parts[1].normalise()).abs().max() < 1e-12
    with pytest.raises(InputError, match="weights"):
        weighted(parts, [gate])


def test_what_must_not_be_seen_counts_nothing() -> None:
    masked = SCORES.clone()
    masked[..., 2:5] = -torch.inf
    masked[0, 1] = -torch.inf
    state = OnlineSoftmax.empty((3, 5), 4, torch.float64).add(masked[..., :4], VALUES[:, :4])
    state.add(masked[..., 4:], VALUES[:, 4:])
    expected = masked.softmax(-1) @ VALUES
    expected[0, 1] = 0  # it saw nothing
    assert (state.normalise() - expected).abs().max() < 1e-12
    assert state.mass[0, 1] == -torch.inf


def test_large_scores_do_not_overflow() -> None:
    state = OnlineSoftmax.empty((3, 5), 4).add(SCORES.float() * 1000, VALUES.float())
    state.add(SCORES.float() * 1000, VALUES.float())
    assert torch.isfinite(state.normalise()).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="fit"):
        gathered().add(SCORES, VALUES[:, :3])


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-13), (torch.float32, 1e-6), (torch.bfloat16, 0.03)])
@pytest.mark.parametrize(("n", "m"), [(1, 20), (5, 20), (20, 20)])
@pytest.mark.parametrize("kv_heads", [1, 3, 6])
def test_fused_attention_is_the_textbook_one(dtype: torch.dtype, near: float, n: int, m: int, kv_heads: int) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(1, 6, n, 8), torch.randn(1, kv_heads, m, 8), torch.randn(1, kv_heads, m, 8)
    scores = q.double() @ k.double().repeat_interleave(6 // kv_heads, 1).mT * 0.3
    values = v.double().repeat_interleave(6 // kv_heads, 1)
    q, k, v = q.to(dtype), k.to(dtype), v.to(dtype)
    blind = lower(n, m).clone()
    blind[n // 2, 1:] = False
    for mask in (lower(n, m), blind, torch.ones(n, m, dtype=torch.bool)):
        hidden = scores.masked_fill(~mask, -torch.inf)
        out, mass = attention_mass(q, k, v, 0.3, mask)
        assert (attention(q, k, v, 0.3, mask=mask) - hidden.softmax(-1) @ values).abs().max() < near * 2
        assert (out - hidden.softmax(-1) @ values).abs().max() < near * 2
        assert (mass - hidden.logsumexp(-1)).abs().max() < near * 4
    causal = scores.masked_fill(~lower(n, m), -torch.inf).softmax(-1) @ values
    assert (attention(q, k, v, 0.3, causal=True) - causal).abs().max() < near * 2


def test_a_query_that_sees_nothing_has_no_mass() -> None:
    q, k = torch.randn(1, 4, 3, 8), torch.randn(1, 2, 6, 8)
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[1] = False
    out, mass = attention_mass(q, k, k, 0.3, mask)
    assert (out[:, :, 1] == 0).all()
    assert (mass[:, :, 1] == -torch.inf).all()
    assert torch.isfinite(mass[:, :, [0, 2]]).all()
    out, mass = attention_mass(q, k[:, :, :0], k[:, :, :0], 0.3)
    assert (out == 0).all()
    assert (mass == -torch.inf).all()
