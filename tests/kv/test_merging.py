"""Mergers against plain references: one softmax in parts, grouped softmax, gates, weighted sums; and where keys are placed."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from lamina.errors import InputError
from lamina.kv.merging import Part, attend_part, gated, grouped, joint, weighted
from lamina.kv.placing import OnePosition, OwnPositions, Slots


def drawn(*shape: int, seed: int = 0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_parts_of_one_softmax_are_the_whole() -> None:
    scores, values = 5 * drawn(2, 3, 9), drawn(2, 9, 4, seed=1)
    hidden = drawn(2, 3, 9, seed=2) > 0.5
    scores = scores.masked_fill(hidden, -torch.inf)
    parts = [Part(scores[..., a:b], values[..., a:b, :]) for a, b in ((0, 2), (2, 2), (2, 8), (8, 9))]
    assert torch.allclose(joint(parts), scores.softmax(-1) @ values, atol=1e-12)
    with pytest.raises(InputError, match="nothing"):
        joint([])


def test_a_row_that_sees_nothing_is_zero_and_not_nan() -> None:
    blind = Part(torch.full((1, 2, 3), -torch.inf, dtype=torch.float64), drawn(1, 3, 4))
    assert not joint([blind, blind]).any()
    output, weights, total = attend_part(blind)
    assert not output.any()
    assert not weights.any()
    assert bool((total == -torch.inf).all())


def plain_grouped(scores, groups, gates):
    """The weights of grouped softmax by its definition, one row of scores (m,)."""
    top = (groups < 0) | gates
    share = torch.zeros_like(scores)
    share[top] = scores[top].softmax(0)
    weights = torch.where(groups < 0, share, torch.zeros_like(scores))
    for group in groups[gates].tolist():
        members = (groups == group) & ~gates
        weights[members] = share[gates & (groups == group)] * scores[members].softmax(0)
    return weights


def test_grouped_softmax_hands_the_gates_share_to_its_block() -> None:
    groups = torch.tensor([0, 0, 0, 1, 1, 1, 1, -1, -1])
    gates = torch.tensor([False, False, True, False, False, False, True, False, False])
    scores = (3 * drawn(2, 4, 9)).requires_grad_()
    weights = grouped(scores, torch.eye(9, dtype=torch.float64).expand(2, 9, 9), groups, gates)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 4, dtype=torch.float64))
    assert not weights[..., gates].any()
    for head in range(2):
        for row in range(4):
            assert torch.allclose(weights[head, row], plain_grouped(scores[head, row].detach(), groups, gates), atol=1e-12)
    values = drawn(2, 9, 3, seed=4)
    assert torch.autograd.gradcheck(lambda one: grouped(one, values, groups, gates), (scores,), atol=1e-6)


def test_grouped_softmax_without_blocks_is_a_softmax() -> None:
    scores, values = drawn(2, 4, 5), drawn(2, 5, 3, seed=1)
    found = grouped(scores, values, torch.full((5,), -1), torch.zeros(5, dtype=torch.bool))
    assert torch.allclose(found, scores.softmax(-1) @ values)
    with pytest.raises(InputError, match="belong to a block"):
        grouped(scores, values, torch.full((5,), -1), torch.ones(5, dtype=torch.bool))
    with pytest.raises(InputError, match="rows of 5"):
        grouped(scores, values, torch.full((4,), -1), torch.zeros(4, dtype=torch.bool))


def test_a_closed_gate_leaves_local_attention_and_an_open_one_what_was_fetched() -> None:
    local, fetched = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    gate = torch.tensor([-torch.inf, torch.inf], dtype=torch.float64)
    found = gated(local, fetched, gate)
    assert torch.equal(found[0], local[0])
    assert torch.equal(found[1], fetched[1])
    assert torch.equal(gated(local, None, gate), local)


def test_a_weighted_sum_ignores_blocks_that_are_not_visible() -> None:
    outputs, logits = drawn(5, 3, 4), drawn(5, 3, seed=1)
    assert torch.allclose(weighted(outputs, logits), (logits.softmax(-1)[..., None] * outputs).sum(-2))
    visible = torch.tensor([True, False, True])
    wanted = (logits[:, visible].softmax(-1)[..., None] * outputs[:, visible]).sum(-2)
    assert torch.allclose(weighted(outputs, logits, visible), wanted)
    assert not weighted(outputs, logits, torch.zeros(3, dtype=torch.bool)).any()
    assert torch.allclose(weighted(outputs, torch.ones(5, 3, dtype=torch.float64)), outputs.mean(-2))


def test_slots_keep_order_and_never_go_beyond_the_last() -> None:
    rule = Slots(count=3, size=4)
    sizes = torch.full((3,), 4)
    for blocks in (5, 50, 5000):
        chosen = torch.tensor([0, blocks - 2, blocks - 1])
        places = rule.positions(chosen, chosen * 4, sizes, blocks)
        assert bool((places.diff() > 0).all())
        assert int(places.max()) < rule.end
        assert places[[0, 4]].tolist() == [0, 8], "an old block in the first slot, one of the last three a slot further"
    with pytest.raises(InputError, match="3 blocks of 4 tokens"):
        rule.positions(torch.arange(4), torch.arange(4), torch.full((4,), 4), 9)
    chosen = torch.tensor([2, 1])
    assert OwnPositions().positions(chosen, torch.tensor([8, 4]), torch.tensor([2, 1]), 5).tolist() == [8, 9, 4]
    assert not OnePosition().positions(chosen, chosen, torch.tensor([2, 1]), 5).any()
