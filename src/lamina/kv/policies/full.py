"""Everything is kept: plain attention. What every other policy is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.kv.attending import attention
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor


@dataclass(frozen=True)
class Full(CachePolicy):
    """Keep all keys and values; every token sees all before it.

    `extrapolate`: read on beyond the context that the model was made for, at positions it has never seen. It is there to be
    compared with.

    Source: "Attention Is All You Need" (Ashish Vaswani et al., 2017).
    """

    extrapolate: bool = False

    def begin(self, shape: ModelShape) -> FullCache:
        """See `CachePolicy`."""
        return FullCache(self, shape)


class FullCache(Cache):
    """All keys and values, a pair of arrays a layer."""

    def __init__(self, policy: CachePolicy, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self._rows = [empty_rows(shape) for _ in range(shape.layers)]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        rows = self._rows[layer]
        rows.append(k, v)
        return attention(q, rows.keys, rows.values, self.shape.scaling, causal=True)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return np.full(self.shape.layers, float(self.length))

    def stretch(self, start: int = 0, stop: int | None = None) -> tuple[Tensor, Tensor]:
        """Keys and values of the tokens from `start` up to `stop`: (layers, kv_heads, n, dim) each, copied.

        The keys are turned by the rotary positions at which the tokens were read.
        """
        stop = self.length if stop is None else stop
        if not 0 <= start <= stop <= self.length:
            raise InputError(f"there are no tokens {start} to {stop} in a text of {self.length}")
        keys = torch.cat([rows.keys[:, :, start:stop] for rows in self._rows])
        return keys, torch.cat([rows.values[:, :, start:stop] for rows in self._rows])

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        self._rows[layer].append(k, v)

    def _crop(self, length: int) -> None:
        for rows in self._rows:
            rows.crop(length)

    def _forked(self) -> None:
        self._rows = [rows.fork() for rows in self._rows]

    def _nbytes(self) -> tuple[int, int]:
        held = sum(rows.nbytes for rows in self._rows)
        return held, held

    def _arrays(self) -> dict[str, Tensor]:
        keys, values = self.stretch()
        return {"keys": keys, "values": values}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        check_rows(arrays["keys"], arrays["values"], self.shape)
        self._rows = [Rows(k[None], v[None]) for k, v in zip(arrays["keys"], arrays["values"], strict=True)]


def empty_rows(shape: ModelShape) -> Rows:
    """Rows of a layer without a token yet."""
    none = torch.empty(1, shape.kv_heads, 0, shape.head_dim, dtype=shape.torch_dtype, device=shape.device)
    return Rows(none, none)


def check_rows(keys: Tensor, values: Tensor, shape: ModelShape) -> None:
    """Raise `ValueError` unless both are (layers, kv_heads, n, dim) of the model's type."""
    expected = (shape.layers, shape.kv_heads, keys.shape[2], shape.head_dim)
    if any(one.shape != expected or one.dtype != shape.torch_dtype for one in (keys, values)):
        raise ValueError(f"keys {tuple(keys.shape)} and values {tuple(values.shape)} must be {expected}")
