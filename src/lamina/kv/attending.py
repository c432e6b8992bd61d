"""Softmax attention of a few queries over many keys, with heads of queries that share heads of keys.

Everything goes through torch's fused kernels: scores are never laid out whole.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import torch

from lamina.kv.online_softmax import OnlineSoftmax

Tensor: TypeAlias = torch.Tensor


def attention(q: Tensor, k: Tensor, v: Tensor, scaling: float, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """The attention of q (1, heads, n, dim) over k and v (1, kv_heads, m, dim): (1, heads, n, dim).

    `causal`: the queries are those of the last n keys, and each sees only keys up to its own. `mask` (n, m), in its place:
    True where a query sees a key; every query must see one.

    >>> q = k = torch.zeros(1, 2, 3, 4)
    >>> v = torch.arange(3.0).expand(1, 2, 4, 3).mT
    >>> attention(q, k, v, 0.5, causal=True)[0, 0, :, 0]
    tensor([0.0000, 0.5000, 1.0000])
    """
    n, m = q.shape[2], k.shape[2]
    fused = torch.nn.functional.scaled_dot_product_attention
    if causal and mask is None and n > 1:
        if n == m:
            return fused(q, k, v, is_causal=True, scale=scaling, enable_gqa=q.shape[1] != k.shape[1])
        past = attention_mass(q, k[:, :, : m - n], v[:, :, : m - n], scaling)  # no mask: a sixth quicker than with one
        own = attention_mass(q, k[:, :, m - n :], v[:, :, m - n :], scaling, lower(n, n, str(q.device)))
        return OnlineSoftmax.of(*past).merge(OnlineSoftmax.of(*own)).normalise().to(q.dtype)
    packed, groups = _packed(q, k)
    if mask is not None:
        mask = mask.repeat(groups, 1)
    return fused(packed, k, v, attn_mask=mask, scale=scaling).reshape(q.shape)


def attention_mass(q: Tensor, k: Tensor, v: Tensor, scaling: float, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """As `attention` without `causal` (give `lower(n, m)` as the mask), and the logarithm of each query's sum of exponentials:
    (1, heads, n), in 32 bits at least.

    With it the attention over several sets of keys is joined into one (`OnlineSoftmax.of`, then `merge`). A query that sees no
    key has an output of 0 and a logarithm of -inf.
    """
    kind = torch.promote_types(q.dtype, torch.float32)
    if k.shape[2] == 0:
        return torch.zeros_like(q), q.new_full(q.shape[:3], -torch.inf, dtype=kind)
    packed, groups = _packed(q, k)
    blind = None if mask is None else ~mask.any(dim=-1)  # (n,): the fused kernel gives these rows numbers of no meaning
    if mask is not None:
        mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill_(~mask, -torch.inf).repeat(groups, 1)
    if q.device.type == "cpu":
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, mass = fused(packed, k, v, 0.0, False, attn_mask=mask, scale=scaling)
    else:
        scores = (packed @ k.mT).to(kind) * scaling  # (1, kv_heads, groups * n, m)
        scores = scores if mask is None else scores + mask
        mass = scores.logsumexp(dim=-1)
        out = (scores - mass[..., None]).exp().to(v.dtype) @ v
    out, mass = out.reshape(q.shape), mass.to(kind).reshape(q.shape[:3])
    if blind is not None and bool(blind.any()):
        out, mass = out.masked_fill(blind[:, None], 0), mass.masked_fill(blind, -torch.inf)
    return out, mass


@lru_cache(maxsize=4)
def lower(n: int, m: int, device: str = "cpu") -> Tensor:
    """The mask (n, m) of the last n of m tokens: True where the key is not later than the query. Not to be written into."""
    return torch.ones(n, m, dtype=torch.bool, device=device).tril(m - n)


def _packed(q: Tensor, k: Tensor) -> tuple[Tensor, int]:
    """Queries (1, kv_heads, groups * n, dim), so that no key has to be repeated; and the number of groups."""
    _, heads, n, dim = q.shape
    groups = heads // k.shape[1]
    return q.reshape(1, k.shape[1], groups * n, dim), groups
