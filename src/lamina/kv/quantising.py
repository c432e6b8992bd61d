"""Numbers in 8 bits with a scale for each row or column of them."""

from __future__ import annotations

from typing import Final, TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor

LARGEST: Final = 127


def quantise(numbers: Tensor, dim: int = -1) -> tuple[Tensor, Tensor]:
    """Numbers as int8 of the same shape, and bfloat16 scales (1 along `dim`): numbers are about int8 * scale.

    A scale is the largest magnitude along `dim` over 127, rounded up, so that nothing is cut off; the error of a number is half
    a scale at most. Numbers along `dim` share a scale: `dim` -1 of (…, n, dim) gives one a token, -2 one a channel.

    >>> numbers = torch.tensor([[0.5, -2.0, 1.0]])
    >>> whole, scale = quantise(numbers)
    >>> bool(((dequantise(whole, scale) - numbers).abs() <= scale.float() / 2).all()), whole.dtype
    (True, torch.int8)
    """
    numbers = numbers.to(torch.promote_types(numbers.dtype, torch.float32))
    largest = numbers.abs().amax(dim=dim, keepdim=True)
    scale = (largest / LARGEST * (1 + 2**-8)).to(torch.bfloat16)  # rounding takes away 2**-8 at most
    steps = torch.where(scale > 0, scale.to(numbers.dtype), 1)
    return (numbers / steps).round().clamp(-LARGEST, LARGEST).to(torch.int8), scale


def dequantise(whole: Tensor, scale: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """What `quantise` made 8 bits of, rounded."""
    return whole.to(dtype) * scale.to(dtype)
