"""Keys and values in 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention
from lamina.kv.layers import empty_rows, joined, parted
from lamina.kv.packed_rows import PackedRows, Scales
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
SCALES: Final[tuple[Scales, ...]] = get_args(Scales)


@dataclass(frozen=True)
class QuantisedCache(CachePolicy):
    """Keep everything; all but the newest tokens in 8 bits, with 16-bit scales.

    `keys`: whether a scale of keys belongs to a token of a head ("token"), or to a channel of `group` tokens ("channel", the
    source's way: some channels of keys are large in all tokens). Scales of values belong to a token of a head. `residual`: how
    many of the newest tokens stay as they are, at least; up to `group` more of them wait until a group is whole.

    Source: "KIVI: A Tuning-Free Asymmetric 2bit Quantization for KV Cache" (Zirui Liu et al., 2024), for the axes, the groups
    and the residual of 32; here in 8 bits, and symmetric.
    """

    keys: Scales = "token"
    group: int = 32
    residual: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keys not in SCALES:
            raise InputError(f"keys must be one of {', '.join(SCALES)}, not {self.keys!r}")
        if self.group < 1 or self.residual < 0:
            raise InputError(f"group must be 1 or more and residual 0 or more tokens, not {self.group} and {self.residual}")

    def begin(self, shape: ModelShape) -> QuantisedCacheState:
        """See `CachePolicy`."""
        return QuantisedCacheState(self, shape)


class QuantisedCacheState(Cache):
    """A layer: 8-bit keys and values, their scales, and the newest tokens as they are."""

    def __init__(self, policy: QuantisedCache, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self._group, self._residual = policy.group, policy.residual
        self._scales: Scales = policy.keys
        self._new = [empty_rows(shape) for _ in range(shape.layers)]
        self._old = [PackedRows.empty(empty_rows(shape), self._scales, self._group) for _ in range(shape.layers)]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        new, old = self._new[layer], self._old[layer]
        new.append(k, v)
        keys, values = new.keys, new.values
        if len(old):
            keys, values = torch.cat((old.keys, keys), dim=2), torch.cat((old.values, values), dim=2)
        return attention(q, keys, values, self.shape.scaling, causal=True)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return np.full(self.shape.layers, float(self.length))

    def _finished(self, ids: Any, surprises: Any) -> None:
        whole = (len(self._new[0]) - self._residual) // self._group * self._group
        if whole <= 0:
            return
        for new, old in zip(self._new, self._old, strict=True):
            old.append(new.keys[:, :, :whole], new.values[:, :, :whole])
            new.take(slice(whole, None))

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        self._new[layer].append(k, v)

    def _crop(self, length: int) -> None:
        packed = len(self._old[0])
        if self._scales == "channel" and length < packed and length % self._group:
            raise StateError(
                f"channels share scales within a group of tokens, and only whole groups can be cut off: cut back to {length // self._group * self._group}, "
                f"or to {packed} or more"
            )
        for new, old in zip(self._new, self._old, strict=True):
            new.crop(max(0, length - packed))
            old.crop(min(length, packed))

    def _forked(self) -> None:
        self._new, self._old = [rows.fork() for rows in self._new], [rows.fork() for rows in self._old]

    def _nbytes(self) -> tuple[int, int]:
        held = sum(rows.nbytes for rows in self._new) + sum(rows.nbytes for rows in self._old)
        return held, held

    def _arrays(self) -> dict[str, Tensor]:
        return {**joined(self._new, "new."), **joined(self._old)}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        new = parted(arrays, self.shape, "new.")
        parts = zip(*(arrays[name] for name in PackedRows.NAMES), strict=True)
        how = self.shape.torch_dtype, self._scales, self._group
        self._old = [PackedRows(k[None], v[None], k_scales[None], v_scales[None], *how) for k, v, k_scales, v_scales in parts]
        self._new = [rows for rows in new if isinstance(rows, Rows)]
