"""Softmax attention over keys that come in parts: the parts may be computed apart and joined in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch

from lamina.errors import InputError

Tensor: TypeAlias = torch.Tensor


class OnlineSoftmax:
    """What has been gathered for some queries: `m` (…, n), the largest score; `l` (…, n), the sum of exponentials below it;
    `o` (…, n, dim), the sum of values with these weights, in 32 bits at least.

    Joining is exact up to rounding: the order and the cuts make no difference. A query that has seen nothing yet has m = -inf,
    l = 0 and o = 0.

    Source: "Online normalizer calculation for softmax" (Maxim Milakov and Natalia Gimelshein, 2018), with values as in
    "FlashAttention" (Tri Dao et al., 2022).

    >>> scores, values = torch.randn(5, 8, dtype=torch.float64), torch.randn(8, 2, dtype=torch.float64)
    >>> state = OnlineSoftmax.empty((5,), 2, torch.float64).add(scores[:, :3], values[:3]).add(scores[:, 3:], values[3:])
    >>> bool(torch.allclose(state.normalise(), scores.softmax(-1) @ values))
    True
    """

    __slots__ = ("l", "m", "o")

    def __init__(self, m: Tensor, l: Tensor, o: Tensor) -> None:  # noqa: E741 (the field's own letter)
        self.m, self.l, self.o = m, l, o

    @classmethod
    def empty(cls, queries: Sequence[int], dim: int, dtype: torch.dtype = torch.float32) -> OnlineSoftmax:
        """The state of queries (…, n) that have seen nothing; values have `dim` components."""
        m = torch.full(tuple(queries), -torch.inf, dtype=dtype)
        return cls(m, torch.zeros_like(m), torch.zeros(*queries, dim, dtype=dtype))

    @classmethod
    def of(cls, out: Tensor, mass: Tensor) -> OnlineSoftmax:
        """The state after one part, whose attention (…, n, dim) and logarithm of the sum (…, n) are known (`attention_mass`)."""
        there = mass > -torch.inf
        return cls(mass, there.to(mass.dtype), torch.where(there[..., None], out.to(mass.dtype), 0))

    @property
    def mass(self) -> Tensor:
        """The logarithm of the sum of the exponentials of all scores so far (…, n): what a gate between parts goes by."""
        return self.m + self.l.log()

    def add(self, scores: Tensor, values: Tensor) -> OnlineSoftmax:
        """Take in keys: their scores (…, n, keys), -inf where a query must not see one, and values (…, keys, dim)."""
        if scores.shape[-1] != values.shape[-2] or values.shape[-1] != self.o.shape[-1]:
            raise InputError(f"scores {tuple(scores.shape)} and values {tuple(values.shape)} do not fit {tuple(self.o.shape)}")
        if scores.shape[-1] == 0:
            return self
        scores = scores.to(self.m.dtype)
        m = scores.amax(dim=-1)
        weights = (scores - _finite(m)[..., None]).exp()
        return self.merge(OnlineSoftmax(m, weights.sum(dim=-1), weights @ values.to(weights.dtype)))

    def merge(self, other: OnlineSoftmax) -> OnlineSoftmax:
        """Join with what the same queries gathered from other keys, under one softmax."""
        m = torch.maximum(self.m, other.m)
        ours, theirs = (self.m - _finite(m)).exp(), (other.m - _finite(m)).exp()
        self.l = self.l * ours + other.l * theirs
        self.o = self.o * ours[..., None] + other.o * theirs[..., None]
        self.m = m
        return self

    def normalise(self) -> Tensor:
        """The attention (…, n, dim); 0 for a query that has seen nothing."""
        return self.o / self.l.where(self.l > 0, 1)[..., None]


def weighted(states: Sequence[OnlineSoftmax], weights: Sequence[Tensor]) -> Tensor:
    """Attention of several softmaxes, each for itself, mixed by weights (…, n): (…, n, dim).

    With weights that are a softmax of their own over the parts this is a grouped softmax ("Landmark Attention", Amirkeivan
    Mohtashami and Martin Jaggi, 2023); with g and 1 - g, a gate between two ("Augmenting Language Models with Long-Term
    Memory", Weizhi Wang et al., 2023). With the softmax of the states' own `mass` it is what `merge` gives.
    """
    if not states or len(states) != len(weights):
        raise InputError(f"{len(states)} states need as many weights, and one at least, not {len(weights)}")
    return torch.stack([one.normalise() * weight[..., None] for one, weight in zip(states, weights, strict=True)]).sum(dim=0)


def _finite(m: Tensor) -> Tensor:
    return m.where(m > -torch.inf, 0)
