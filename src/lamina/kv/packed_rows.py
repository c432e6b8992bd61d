"""Keys and values of one layer in 8 bits, with the methods of `Rows`."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, TypeAlias

import torch

from lamina.kv.quantising import dequantise, quantise
from lamina.kv.rows import Rows

Tensor: TypeAlias = torch.Tensor
Scales = Literal["token", "channel"]


class PackedRows:
    """Keys and values (1, kv_heads, n, dim) as int8 with bfloat16 scales: each value scale belongs to a token of a head, each key
    scale to a token of a head, or to a channel of `group` tokens of a head ("channel": then only whole groups can be appended).

    `keys` and `values` are worked out, in the type of what was there at first, each time they are asked for.

    >>> rows = PackedRows.empty(Rows(torch.zeros(1, 2, 0, 64), torch.zeros(1, 2, 0, 64)))
    >>> rows.append(torch.ones(1, 2, 3, 64), torch.ones(1, 2, 3, 64))
    >>> len(rows), rows.nbytes, rows.keys.shape  # 2 * (64 + 2) bytes a token and head
    (3, 792, torch.Size([1, 2, 3, 64]))
    """

    NAMES: ClassVar[tuple[str, ...]] = ("keys", "values", "key_scales", "value_scales")
    """Of the arrays that `parts` gives and the class is made from."""

    def __init__(
        self,
        keys: Tensor,
        values: Tensor,
        key_scales: Tensor,
        value_scales: Tensor,
        dtype: torch.dtype = torch.float32,
        scales: Scales = "token",
        group: int = 1,
    ) -> None:
        self._dtype, self._by_channel, self._group = dtype, scales == "channel", group
        self._whole = Rows(keys, values)
        if self._by_channel:  # (1, kv_heads, n / group, dim): another length than the scales of values
            self._key_scales, self._scales = Rows(key_scales, key_scales[..., :0]), Rows(value_scales, value_scales[..., :0])
        else:
            self._scales = Rows(key_scales, value_scales)

    @classmethod
    def empty(cls, like: Rows, scales: Scales = "token", group: int = 1) -> Self:
        """Without a token yet, for keys and values as those of `like`, which is empty too."""
        keys, values = like.keys.to(torch.int8), like.values.to(torch.int8)
        wide = keys.to(torch.bfloat16)
        return cls(keys, values, wide if scales == "channel" else wide[..., :1], wide[..., :1], like.keys.dtype, scales, group)

    def __len__(self) -> int:
        return len(self._whole)

    @property
    def keys(self) -> Tensor:
        """All keys (1, kv_heads, n, dim)."""
        if self._by_channel:
            groups = self._whole.keys.unflatten(2, (-1, self._group))
            return dequantise(groups, self._key_scales.keys[..., None, :], self._dtype).flatten(2, 3)
        return dequantise(self._whole.keys, self._scales.keys, self._dtype)

    @property
    def values(self) -> Tensor:
        """All values (1, kv_heads, n, dim)."""
        return dequantise(self._whole.values, self._scales.keys if self._by_channel else self._scales.values, self._dtype)

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The arrays, in the order of `NAMES`."""
        if self._by_channel:
            return self._whole.keys, self._whole.values, self._key_scales.keys, self._scales.keys
        return self._whole.keys, self._whole.values, self._scales.keys, self._scales.values

    @property
    def nbytes(self) -> int:
        """Bytes of what is there, scales included."""
        return sum(int(one.nbytes) for one in self.parts)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Put tokens (1, kv_heads, n, dim) behind the last."""
        whole_values, value_scales = quantise(values)
        if self._by_channel:
            whole, scales = quantise(keys.unflatten(2, (-1, self._group)), dim=-2)
            self._whole.append(whole.flatten(2, 3), whole_values)
            scales = scales[..., 0, :]
            self._key_scales.append(scales, scales[..., :0])
            self._scales.append(value_scales, value_scales[..., :0])
        else:
            whole, scales = quantise(keys)
            self._whole.append(whole, whole_values)
            self._scales.append(scales, value_scales)

    def write(self, places: Tensor, keys: Tensor, values: Tensor) -> None:
        """As `Rows.write`; not with scales of channels."""
        (keys, key_scales), (values, value_scales) = quantise(keys), quantise(values)
        self._whole.write(places, keys, values)
        self._scales.write(places, key_scales, value_scales)

    def choose(self, places: Tensor) -> None:
        """As `Rows.choose`; not with scales of channels."""
        self._whole.choose(places)
        self._scales.choose(places)

    def at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """As `Rows.at`; not with scales of channels."""
        (keys, values), (key_scales, value_scales) = self._whole.at(places), self._scales.at(places)
        return dequantise(keys, key_scales, self._dtype), dequantise(values, value_scales, self._dtype)

    def crop(self, length: int) -> None:
        """Forget the tokens from `length` on: with scales of channels, the end of a group."""
        self._whole.crop(length)
        self._scales.crop(length)
        if self._by_channel:
            self._key_scales.crop(length // self._group)

    def fork(self) -> Self:
        """As `Rows.fork`."""
        other = type(self).__new__(type(self))
        other.__dict__.update({name: one.fork() if isinstance(one, Rows) else one for name, one in self.__dict__.items()})
        return other
