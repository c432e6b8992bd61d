"""Which blocks are fetched for a cue: by likeness, with their neighbours in time, or by chance.

A selector belongs to one stream and one layer; some remember what they chose before, so they are copied with a stream (`fork`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import InputError

Likeness = Literal["mean", "share"]


class Selector(Protocol):
    """Chooses blocks."""

    def select(self, scores: Tensor, sizes: NDArray[np.int64]) -> list[int]:
        """The places of the chosen blocks in `scores` (blocks,) and `sizes` (tokens of each), in order of time."""
        ...

    def fork(self) -> Selector:
        """The same selector in the same state, to be gone on with apart."""
        ...

    def state(self) -> list[int]:
        """What it remembers."""
        ...

    def restore(self, state: list[int]) -> None:
        """Remember what `state` gave."""
        ...


def likeness(queries: Tensor, summaries: Tensor, scaling: float, by: Likeness = "mean") -> Tensor:
    """How well each block fits queries (heads, n, dim), by its summaries (heads, blocks, dim): (blocks,).

    Where several vectors stand for a block, (heads, vectors, blocks, dim), the one that fits a query best counts. Heads of
    queries may share those of summaries, as they share keys.

    "mean": the product of the mean query with the summary, summed over heads (the source of EM-LLM). "share": what a block
    would get of each query's attention if its summary were its only key; of each head the query that gives it most, summed
    over heads. So a head that looks for one thing counts as much as one whose products are large.

    >>> queries, summaries = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 5.0]]])
    >>> likeness(queries, summaries, 1.0), likeness(queries, summaries, 1.0, "share")
    (tensor([2., 0.]), tensor([0.8808, 0.1192]))
    """
    heads, vectors = summaries.shape[0], 1 if summaries.ndim == 3 else summaries.shape[1]
    queries = queries.to(torch.promote_types(queries.dtype, torch.float32))
    if by == "mean":
        queries = queries.mean(dim=1, keepdim=True)
    scores = (
        queries.reshape(heads, -1, queries.shape[-1]) @ summaries.reshape(heads, -1, summaries.shape[-1]).to(queries.dtype).mT
    )
    scores = scores.view(*queries.shape[:2], vectors, -1).amax(dim=2)  # (heads of queries, n, blocks)
    if by == "share":
        scores = (scores * scaling).softmax(dim=-1)
    return scores.amax(dim=1).sum(dim=0)


def top_blocks(scores: Tensor, count: int) -> Tensor:
    """The `count` best of the last axis (all, where there are fewer), in order of time: (..., count).

    For selection by layer `scores` is (blocks,), by head (heads, blocks), by token (tokens, heads, blocks).

    >>> top_blocks(torch.tensor([[0.3, 0.9, 0.5], [0.8, 0.1, 0.2]]), 2)
    tensor([[1, 2],
            [0, 2]])
    """
    if count < 1:
        raise InputError(f"at least 1 block must be chosen, not {count!r}")
    return scores.topk(min(count, scores.shape[-1]), dim=-1).indices.sort(dim=-1).values


@dataclass
class LikenessAndContiguity:
    """First whole blocks by rank up to one budget of tokens, then, up to another, the blocks just after and before them.

    The neighbours are taken in the order of rank, the one after first. Where they do not fill their buffer, those of earlier
    selections stay in it, newest first. Where all blocks fit, all are taken.

    Parameters: `budget`, tokens in all; `contiguity`, the tokens of them that neighbours get (source: .3 of the budget);
    `overshoot`, the source's rule: the block that exceeds a budget is taken where that ends nearer to the budget than leaving
    it out. Without it budgets are never exceeded, and smaller blocks further down are tried.

    Source: "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios Fountas et al., 2024; ICLR 2025).

    >>> selector = LikenessAndContiguity(budget=6, contiguity=2)
    >>> selector.select(torch.tensor([0.0, 9.0, 1.0, 2.0, 8.0, 3.0]), np.array([2, 2, 2, 2, 2, 2]))
    [1, 2, 4]
    """

    budget: int
    contiguity: int = 0
    overshoot: bool = False
    _buffer: list[int] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if self.budget < 0 or not 0 <= self.contiguity <= self.budget:
            raise InputError(f"contiguity must lie between 0 and the budget ({self.budget} tokens), not {self.contiguity!r}")

    def select(self, scores: Tensor, sizes: NDArray[np.int64]) -> list[int]:
        """See `Selector`."""
        if sizes.sum() <= self.budget:
            return list(range(len(sizes)))
        ranked = scores.argsort(descending=True, stable=True).tolist()
        alike = self._filled(ranked, sizes, self.budget - self.contiguity, set())
        if not self.contiguity:
            return sorted(alike)
        near = [one for place in alike for one in (place + 1, place - 1) if 0 <= one < len(sizes)]
        wanted = [*near, *(one for one in self._buffer if one < len(sizes))]
        self._buffer = self._filled(list(dict.fromkeys(wanted)), sizes, self.contiguity, set(alike))
        return sorted([*alike, *self._buffer])

    def fork(self) -> LikenessAndContiguity:
        """See `Selector`."""
        return LikenessAndContiguity(self.budget, self.contiguity, self.overshoot, list(self._buffer))

    def state(self) -> list[int]:
        """See `Selector`: the blocks in the buffer."""
        return list(self._buffer)

    def restore(self, state: list[int]) -> None:
        """See `Selector`."""
        self._buffer = [int(one) for one in state]

    def _filled(self, order: list[int], sizes: NDArray[np.int64], budget: int, taken: set[int]) -> list[int]:
        """As many of `order` as the budget has room for, without those that are `taken`."""
        found: list[int] = []
        left = budget
        for place in order:
            if left <= 0:
                break
            size = int(sizes[place])
            if place in taken:
                continue
            if size > left:
                if self.overshoot:
                    if size - left < left:
                        found.append(place)
                    break
                continue
            found.append(place)
            left -= size
        return found


@dataclass
class RandomBlocks:
    """Blocks by chance up to a budget of tokens: the control of every other selector.

    >>> RandomBlocks(budget=4, seed=1).select(torch.zeros(3), np.array([2, 2, 2]))
    [0, 1]
    """

    budget: int
    seed: int = 0
    _drawn: int = field(default=0, repr=False)

    def select(self, scores: Tensor, sizes: NDArray[np.int64]) -> list[int]:
        """See `Selector`."""
        if sizes.sum() <= self.budget:
            return list(range(len(sizes)))
        order = np.random.default_rng([self.seed, self._drawn]).permutation(len(sizes))
        self._drawn += 1
        filled = LikenessAndContiguity(self.budget)._filled(order.tolist(), sizes, self.budget, set())
        return sorted(filled)

    def fork(self) -> RandomBlocks:
        """See `Selector`."""
        return RandomBlocks(self.budget, self.seed, self._drawn)

    def state(self) -> list[int]:
        """See `Selector`: how often it has drawn."""
        return [self._drawn]

    def restore(self, state: list[int]) -> None:
        """See `Selector`."""
        (self._drawn,) = state
