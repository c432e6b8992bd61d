"""Rotary positions: keys and queries are moved to other positions by turning them by the difference.

Turning is exact up to rounding: a key at position p turned by d is the key at p + d. A model works its own angles out in
32 bits, which at position 8,000 puts them up to 2.4e-4 radians beside the exact ones.

Source: "RoFormer: Enhanced Transformer with Rotary Position Embedding" (Jianlin Su et al., 2021), in the layout of Llama:
component i is paired with i + dim / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch

from lamina.errors import InputError

Tensor: TypeAlias = torch.Tensor


def turn(vectors: Tensor, by: int | Tensor, frequencies: Sequence[float] | Tensor) -> Tensor:
    """Vectors (…, n, dim) moved on by so many positions: one number, or one a token (n,), which may be negative.

    `frequencies` (dim / 2,): radians a position, as in `ModelShape`. The result has the type of the vectors; angles are worked
    out in 64 bits, products in 32 at least. Raises `InputError` where the sizes do not fit.

    >>> keys = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    >>> [[round(float(x), 3) for x in row] for row in turn(keys, torch.tensor([0, 1]), (3.141592653589793 / 2,))]
    [[1.0, 0.0], [0.0, 1.0]]
    """
    dim = vectors.shape[-1]
    rates = torch.as_tensor(frequencies, dtype=torch.float64, device=vectors.device)
    if rates.shape != (dim // 2,):
        raise InputError(f"vectors of {dim} components need {dim // 2} frequencies, not {tuple(rates.shape)}")
    if isinstance(by, int):
        if by == 0:
            return vectors
        angles = rates * by  # (dim / 2,)
    else:
        if by.shape != (vectors.shape[-2],):
            raise InputError(f"{vectors.shape[-2]} tokens need as many differences of positions, not {tuple(by.shape)}")
        angles = by.to(rates)[:, None] * rates  # (n, dim / 2)
    kind = torch.promote_types(vectors.dtype, torch.float32)
    cos, sin = angles.cos().to(kind), angles.sin().to(kind)
    first, second = vectors[..., : dim // 2].to(kind), vectors[..., dim // 2 :].to(kind)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(vectors.dtype)


def unturn(vectors: Tensor, positions: int | Tensor, frequencies: Sequence[float] | Tensor) -> Tensor:
    """Vectors (…, n, dim) that stand at `positions` moved to position 0: as they were before any position was put on."""
    return turn(vectors, -positions, frequencies)
