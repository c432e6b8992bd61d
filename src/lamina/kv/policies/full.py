"""Everything is kept: plain attention. What every other policy is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.kv.attending import attention
from lamina.kv.layers import LayeredCache
from lamina.kv.policy import CachePolicy
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

    @property
    def beyond_context(self) -> bool:
        """See `CachePolicy`."""
        return self.extrapolate

    def begin(self, shape: ModelShape) -> FullCache:
        """See `CachePolicy`."""
        return FullCache(self, shape)


class FullCache(LayeredCache):
    """All keys and values, a pair of arrays a layer."""

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

    def _reserve(self, n: int) -> None:
        for rows in self._rows:
            if isinstance(rows, Rows):
                rows.reserve(n)

    def _crop(self, length: int) -> None:
        for rows in self._rows:
            rows.crop(length)
