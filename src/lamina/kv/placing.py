"""At which positions the keys of fetched blocks are seen: rules that move them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lamina.errors import InputError


class PositionRule(Protocol):
    """Gives fetched blocks their positions."""

    def positions(self, chosen: Tensor, starts: Tensor, sizes: Tensor, blocks: int) -> Tensor:
        """The position of each token of the `chosen` blocks (k,), in their order: int64 (sum of `sizes`,).

        `starts` and `sizes` (k,): where each began in the stream, and its tokens; `blocks`: how many are stored.
        """
        ...


@dataclass(frozen=True)
class OwnPositions:
    """Where the tokens stood when they were read.

    >>> OwnPositions().positions(torch.tensor([0, 3]), torch.tensor([0, 30]), torch.tensor([2, 3]), 5)
    tensor([ 0,  1, 30, 31, 32])
    """

    def positions(self, chosen: Tensor, starts: Tensor, sizes: Tensor, blocks: int) -> Tensor:
        """See `PositionRule`."""
        return starts.repeat_interleave(sizes) + _offsets(sizes)


@dataclass(frozen=True)
class OnePosition:
    """All at position 0: with a query at one fixed distance, everything fetched is equally far (InfLLM, EM-LLM).

    >>> OnePosition().positions(torch.tensor([0, 3]), torch.tensor([0, 30]), torch.tensor([2, 3]), 5)
    tensor([0, 0, 0, 0, 0])
    """

    def positions(self, chosen: Tensor, starts: Tensor, sizes: Tensor, blocks: int) -> Tensor:
        """See `PositionRule`."""
        return torch.zeros(int(sizes.sum()), dtype=torch.int64)


@dataclass(frozen=True)
class Slots:
    """`count` + 1 slots of `size` tokens before what is at hand: old blocks move up to the first ones, in order of time, and
    those among the last `count` one further, so that no position ever grows beyond them.

    Source: "Landmark Attention: Random-Access Infinite Context Length for Transformers" (Amirkeivan Mohtashami and Martin
    Jaggi, 2023).

    >>> Slots(count=2, size=3).positions(torch.tensor([1, 9]), torch.tensor([3, 27]), torch.tensor([3, 3]), 10)
    tensor([0, 1, 2, 6, 7, 8])
    """

    count: int
    size: int

    def positions(self, chosen: Tensor, starts: Tensor, sizes: Tensor, blocks: int) -> Tensor:
        """See `PositionRule`; raises `InputError` for more blocks than slots, and for one that is longer than a slot."""
        if len(chosen) > self.count or bool((sizes > self.size).any()):
            raise InputError(f"{self.count} blocks of {self.size} tokens have a slot, not {len(chosen)} of {sizes.tolist()}")
        rank = chosen.argsort().argsort()
        slots = rank + (chosen >= blocks - self.count)
        return (slots * self.size).repeat_interleave(sizes) + _offsets(sizes)

    @property
    def end(self) -> int:
        """Where what is at hand begins once all slots may be taken."""
        return (self.count + 1) * self.size


def _offsets(sizes: Tensor) -> Tensor:
    """0 to size - 1 for each of `sizes`, one after another."""
    ends = sizes.cumsum(0)
    return torch.arange(int(sizes.sum())) - (ends - sizes).repeat_interleave(sizes)
