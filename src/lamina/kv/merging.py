"""Ways to bring what was fetched and what is at hand into one output.

Shapes: heads H, queries n, keys m, width D; scores are scaled products, -inf where a key is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lamina.errors import InputError
from lamina.kv.online_softmax import OnlineSoftmax


class Part(NamedTuple):
    """Scores (..., n, m) of some keys, and their values (..., m, D)."""

    scores: Tensor
    values: Tensor


def attend_part(part: Part) -> tuple[Tensor, Tensor, Tensor]:
    """Attention within one part: output (..., n, D), weights (..., n, m), and the logarithm of the sum of exponentials (..., n).

    A row whose keys are all hidden has output and weights 0, and -inf.
    """
    total = part.scores.logsumexp(dim=-1)
    weights = (part.scores - total.masked_fill(total == -torch.inf, 0.0).unsqueeze(-1)).exp()
    return weights @ part.values, weights, total


def joint(parts: Sequence[Part]) -> Tensor:
    """One softmax over the keys of all parts: (..., n, D), computed part by part.

    >>> scores, values = torch.randn(2, 3, 7), torch.randn(2, 7, 4)
    >>> split = joint([Part(scores[..., :5], values[..., :5, :]), Part(scores[..., 5:], values[..., 5:, :])])
    >>> torch.allclose(split, scores.softmax(-1) @ values, atol=1e-6)
    True
    """
    if not parts:
        raise InputError("there is nothing to attend to: give one part at least")
    found = [attend_part(part) for part in parts]
    return combine([output for output, _, _ in found], [total for _, _, total in found])


def combine(outputs: Sequence[Tensor], totals: Sequence[Tensor]) -> Tensor:
    """Outputs (..., n, D) of separate softmaxes as that of one, by their logarithms of sums (..., n); 0 where all are -inf."""
    first, *others = (OnlineSoftmax.of(output, total) for output, total in zip(outputs, totals, strict=True))
    for other in others:
        first.merge(other)
    return first.normalise()


def grouped(scores: Tensor, values: Tensor, groups: Tensor, gates: Tensor) -> Tensor:
    """Attention to a block's tokens as the product of two softmaxes: within the block, and of the block's gate.

    `groups` (m,): the number of each key's block, -1 for keys that belong to none (those at hand); `gates` (m,), bool: the keys
    that stand for their block. One softmax runs over the keys at hand and the gates; what a gate gets is handed on to
    the other keys of its block by a softmax of their own, and the gate keeps nothing. A gate without other visible keys counts
    for nothing. (..., n, D); weights of a row sum to 1.

    Source: "Landmark Attention: Random-Access Infinite Context Length for Transformers" (Amirkeivan Mohtashami and Martin
    Jaggi, 2023).

    >>> scores = torch.zeros(1, 1, 4)  # two tokens of block 0, its gate, and one token at hand
    >>> values = torch.tensor([[[4.0], [8.0], [100.0], [0.0]]])
    >>> grouped(scores, values, torch.tensor([0, 0, 0, -1]), torch.tensor([False, False, True, False]))
    tensor([[[3.]]])
    """
    if groups.shape != scores.shape[-1:] or gates.shape != groups.shape or gates.dtype != torch.bool:
        raise InputError(f"groups and gates must be rows of {scores.shape[-1]}, and gates true or false")
    if bool((gates & (groups < 0)).any()):
        raise InputError("a gate must belong to a block")
    outputs, totals = [], []
    for group in groups[gates].unique().tolist():
        members = (groups == group) & ~gates
        output, _, inner = attend_part(Part(scores[..., members], values[..., members, :]))
        gate = scores[..., gates & (groups == group)].logsumexp(dim=-1)
        outputs.append(output)
        totals.append(gate.masked_fill(inner == -torch.inf, -torch.inf))
    here = groups < 0
    output, _, total = attend_part(Part(scores[..., here], values[..., here, :]))
    return combine([*outputs, output], [*totals, total])


def gated(local: Tensor, fetched: Tensor | None, gate: Tensor) -> Tensor:
    """(1 - sigmoid(gate)) * local + sigmoid(gate) * fetched, per head: outputs (..., H, n, D), gate (H,); local alone where
    nothing was fetched.

    Source: "Augmenting Language Models with Long-Term Memory" (Weizhi Wang et al., 2023).

    >>> gated(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), torch.zeros(1))
    tensor([[[0.5000]]])
    """
    if fetched is None:
        return local
    share = torch.sigmoid(gate)[:, None, None]
    return (1 - share) * local + share * fetched


def weighted(outputs: Tensor, logits: Tensor, visible: Tensor | None = None) -> Tensor:
    """Outputs of separate blocks (..., k, D), summed with softmax weights of their logits (..., k); blocks that are not
    `visible` count for nothing, and where none is, the sum is 0.

    Source: "Towards mental time travel: a hierarchical memory for reinforcement learning agents" (Andrew Lampinen et al.,
    2021).

    >>> weighted(torch.tensor([[2.0], [4.0]]), torch.zeros(2))
    tensor([3.])
    """
    if visible is not None:
        logits = logits.masked_fill(~visible, -torch.inf)
    output, _, _ = attend_part(Part(logits.unsqueeze(-2), outputs))
    return output.squeeze(-2)
