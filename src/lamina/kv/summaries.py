"""What stands for a block of tokens when blocks are chosen: one vector a head, from its keys or from the attention they received."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lamina.errors import InputError


class Summariser(Protocol):
    """Makes the vectors that stand for a block."""

    def summarise(self, keys: Tensor, received: Tensor | None) -> Tensor:
        """Of a block's keys (..., key heads, tokens, width), and the attention `received` (..., heads, tokens) where it was
        measured: (..., heads or key heads, width).
        """
        ...


@dataclass(frozen=True)
class MeanKey:
    """The mean of the keys.

    Source: "Augmenting Language Models with Long-Term Memory" (Weizhi Wang et al., 2023) and "Towards mental time travel"
    (Andrew Lampinen et al., 2021).

    >>> MeanKey().summarise(torch.tensor([[[1.0, 3.0], [3.0, 5.0]]]), None)
    tensor([[2., 4.]])
    """

    def summarise(self, keys: Tensor, received: Tensor | None) -> Tensor:
        """See `Summariser`."""
        return keys.mean(dim=-2)


@dataclass(frozen=True)
class LastKey:
    """The last key: that of a token put there to stand for its block.

    Source: "Landmark Attention: Random-Access Infinite Context Length for Transformers" (Amirkeivan Mohtashami and Martin
    Jaggi, 2023).

    >>> LastKey().summarise(torch.tensor([[[1.0, 3.0], [3.0, 5.0]]]), None)
    tensor([[3., 5.]])
    """

    def summarise(self, keys: Tensor, received: Tensor | None) -> Tensor:
        """See `Summariser`."""
        return keys[..., -1, :]


@dataclass(frozen=True)
class MostAttended:
    """The `count` tokens that received most attention: for each query head their mean key, in float32 at least.

    Where several query heads share a key head, each chooses among its keys; where nothing was received (of keys that were put
    in without queries) all keys count. Raises `InputError` without `received`.

    With `each`, the source of which is this library, every one of them stands for the block by itself: (..., key heads, count,
    width), chosen by what all query heads of a key head gave. A block of fewer tokens has its last one several times; where
    nothing was received, they are spread evenly.

    Source: "InfLLM" (Chaojun Xiao et al., 2024), in use by "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios
    Fountas et al., 2024).

    >>> keys = torch.tensor([[[1.0], [2.0], [6.0]]])  # one head, three tokens of width 1
    >>> MostAttended(count=2).summarise(keys, torch.tensor([[0.1, 0.9, 0.5]]))
    tensor([[4.]])
    >>> MostAttended(count=2, each=True).summarise(keys, torch.tensor([[0.1, 0.9, 0.5]]))
    tensor([[[2.],
             [6.]]])
    """

    count: int = 4
    each: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"count must be at least 1 token, not {self.count!r}")

    def summarise(self, keys: Tensor, received: Tensor | None) -> Tensor:
        """See `Summariser`."""
        if received is None:
            raise InputError("the attention that the tokens received is needed: hand it in beside the keys")
        heads, kv_heads = received.shape[-2], keys.shape[-3]
        if heads % kv_heads or received.shape[-1] != keys.shape[-2]:
            raise InputError(f"attention received {tuple(received.shape)} does not fit keys {tuple(keys.shape)}")
        if self.each:
            return self._each(keys, received.unflatten(-2, (kv_heads, -1)).sum(dim=-2))
        shared = keys.repeat_interleave(heads // kv_heads, dim=-3)  # (..., heads, tokens, width)
        best = received.topk(min(self.count, keys.shape[-2]), dim=-1).indices  # (..., heads, count)
        chosen = shared.gather(-2, best.unsqueeze(-1).expand(*best.shape, keys.shape[-1]))
        kind = torch.promote_types(keys.dtype, torch.float32)
        attended = received.sum(dim=-1, keepdim=True) > 0
        return torch.where(attended, chosen.to(kind).mean(dim=-2), shared.to(kind).mean(dim=-2))

    def _each(self, keys: Tensor, received: Tensor) -> Tensor:
        size = keys.shape[-2]
        most = received.argsort(dim=-1, descending=True, stable=True)  # (..., key heads, tokens)
        even = torch.linspace(0, size - 1, self.count, device=keys.device).long()
        ranked = most[..., torch.arange(self.count, device=keys.device).clamp(max=size - 1)]
        chosen = torch.where(received.sum(dim=-1, keepdim=True) > 0, ranked, even)
        return keys.gather(-2, chosen.unsqueeze(-1).expand(*chosen.shape, keys.shape[-1]))
