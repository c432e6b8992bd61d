"""Keys and values in 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention
from lamina.kv.policies.full import check_rows, empty_rows
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.quantising import dequantise, quantise
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
Scales = Literal["token", "channel"]
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
        self._across = -2 if policy.keys == "channel" else -1  # what shares a scale of keys lies along this
        self._new = [empty_rows(shape) for _ in range(shape.layers)]
        self._old = [_Packed.empty(shape, self._across, self._group) for _ in range(shape.layers)]

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        new, old = self._new[layer], self._old[layer]
        new.append(k, v)
        keys, values = new.keys, new.values
        if len(old):
            before = old.unpacked(self.shape)
            keys, values = torch.cat((before[0], keys), dim=2), torch.cat((before[1], values), dim=2)
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
        if self._across == -2 and length < packed and length % self._group:
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
        arrays = {"new.keys": torch.cat([rows.keys for rows in self._new])}
        arrays["new.values"] = torch.cat([rows.values for rows in self._new])
        for name, parts in zip(_Packed.NAMES, zip(*(rows.parts for rows in self._old), strict=True), strict=True):
            arrays[name] = torch.cat(parts)
        return arrays

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        check_rows(arrays["new.keys"], arrays["new.values"], self.shape)
        both = zip(arrays["new.keys"], arrays["new.values"], strict=True)
        self._new = [Rows(k[None], v[None]) for k, v in both]
        parts = zip(*(arrays[name] for name in _Packed.NAMES), strict=True)
        self._old = [
            _Packed(k[None], v[None], k_scales[None], v_scales[None], self._across, self._group)
            for k, v, k_scales, v_scales in parts
        ]


class _Packed:
    """Tokens of a layer in 8 bits: whole groups of them."""

    NAMES: Final = ("keys", "values", "key_scales", "value_scales")

    def __init__(self, keys: Tensor, values: Tensor, key_scales: Tensor, value_scales: Tensor, across: int, group: int) -> None:
        # keys (1, kv_heads, n, dim); scales of channels: (1, kv_heads, n / group, dim)
        self._across, self._group = across, group
        self._whole, self._values = Rows(keys, values), Rows(value_scales, value_scales[..., :0])
        self._keys = Rows(key_scales, key_scales[..., :0])

    @classmethod
    def empty(cls, shape: ModelShape, across: int, group: int) -> _Packed:
        whole = torch.empty(1, shape.kv_heads, 0, shape.head_dim, dtype=torch.int8, device=shape.device)
        scales = whole.to(torch.bfloat16)
        return cls(whole, whole, scales if across == -2 else scales[..., :1], scales[..., :1], across, group)

    def __len__(self) -> int:
        return len(self._whole)

    @property
    def nbytes(self) -> int:
        return self._whole.nbytes + self._keys.nbytes + self._values.nbytes

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The arrays, in the order of `NAMES`."""
        return self._whole.keys, self._whole.values, self._keys.keys, self._values.keys

    def append(self, keys: Tensor, values: Tensor) -> None:
        if self._across == -2:
            groups = keys.unflatten(2, (-1, self._group))  # (1, kv_heads, groups, group, dim)
            whole, scales = quantise(groups, dim=-2)
            whole, scales = whole.flatten(2, 3), scales[..., 0, :]
        else:
            whole, scales = quantise(keys)
        values, value_scales = quantise(values)
        self._whole.append(whole, values)
        self._keys.append(scales, scales[..., :0])
        self._values.append(value_scales, value_scales[..., :0])

    def unpacked(self, shape: ModelShape) -> tuple[Tensor, Tensor]:
        """Keys and values (1, kv_heads, n, dim) of the model's type."""
        scales, kind = self._keys.keys, shape.torch_dtype
        if self._across == -2:
            whole = self._whole.keys.unflatten(2, (-1, self._group))
            keys = dequantise(whole, scales[..., None, :], kind).flatten(2, 3)
        else:
            keys = dequantise(self._whole.keys, scales, kind)
        return keys, dequantise(self._whole.values, self._values.keys, kind)

    def crop(self, length: int) -> None:
        self._whole.crop(length)
        self._values.crop(length)
        self._keys.crop(length // self._group if self._across == -2 else length)

    def fork(self) -> _Packed:
        other = _Packed.__new__(_Packed)
        other.__dict__.update(self.__dict__)
        other._whole, other._keys, other._values = self._whole.fork(), self._keys.fork(), self._values.fork()
        return other
