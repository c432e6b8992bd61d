"""The newest tokens of a stream, all layers side by side: what has not been handed on to a store yet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from lamina.kv.positions import unturn
from lamina.kv.shape import ModelShape

_ROOM: Final = 1024  # tokens of room that the arrays begin with


class RecentTokens:
    """Keys as the model turned them, values, and the attention each token received.

    Tokens are named by their positions, from `base` to `end` - 1. Views (kv_heads, n, head_dim) must not be written to.

    `keys` and `values`: (layers, kv_heads, n, head_dim) of the model's type; `received`: (layers, heads, n), float32.
    """

    def __init__(self, shape: ModelShape) -> None:
        wide = (shape.layers, shape.kv_heads, _ROOM, shape.head_dim)
        new = torch.empty((2, *wide), dtype=shape.torch_dtype, device=shape.device)
        self._keys, self._values = new[0], new[1]
        self._received = torch.zeros((shape.layers, shape.heads, _ROOM), device=shape.device)
        self._frequencies = shape.frequencies
        self.base = 0
        self.end = 0
        self._offset = 0  # where in the arrays the token `base` lies

    def __len__(self) -> int:
        return self.end - self.base

    @property
    def nbytes(self) -> int:
        """Bytes of what is there; room for more is not counted."""
        return sum(one.nbytes for one in self.arrays().values())

    def _all(self) -> tuple[Tensor, ...]:
        return self._keys, self._values

    def _slice(self, array: Tensor, start: int, end: int) -> Tensor:
        return array[..., start - self.base + self._offset : end - self.base + self._offset, :]

    def keys(self, layer: int, start: int, end: int) -> Tensor:
        """Turned keys of the tokens from start to end - 1."""
        return self._slice(self._keys[layer], start, end)

    def plain(self, layer: int | slice, start: int, end: int) -> Tensor:
        """Their keys at position 0 (a copy)."""
        places = torch.arange(start, end, device=self._keys.device)
        return unturn(self._slice(self._keys[layer], start, end), places, self._frequencies)

    def values(self, layer: int | slice, start: int, end: int) -> Tensor:
        """Their values."""
        return self._slice(self._values[layer], start, end)

    def received(self, start: int, end: int) -> Tensor:
        """The attention they received, in all layers: (layers, heads, n)."""
        return self._received[..., start - self.base + self._offset : end - self.base + self._offset]

    def write(self, layer: int, start: int, keys: Tensor, values: Tensor) -> None:
        """Put the tokens from position `start` on into a layer; both are (kv_heads, n, head_dim). Their attention begins at 0."""
        end = start + keys.shape[-2]
        self._reserve(end)
        for array, new in zip(self._all(), (keys, values), strict=True):
            self._slice(array[layer], start, end).copy_(new)
        self.received(start, end)[layer].zero_()
        self.end = max(self.end, end)

    def credit(self, layer: int, start: int, received: Tensor) -> None:
        """Add attention (heads, n) to the tokens from `start` on."""
        self.received(start, start + received.shape[-1])[layer].add_(received)

    def drop(self, base: int) -> None:
        """Let the tokens before position `base` go."""
        self._offset += base - self.base
        self.base = base

    def crop(self, end: int) -> None:
        """Let the tokens from position `end` on go."""
        self.end = end

    def fork(self) -> RecentTokens:
        """A copy."""
        other = copy.copy(self)
        other._move(self._keys.shape[-2])
        return other

    def arrays(self) -> dict[str, Tensor]:
        """What is there, by name."""
        found = {name: self._slice(one, self.base, self.end) for name, one in zip(_NAMES, self._all(), strict=True)}
        return found | {"received": self.received(self.base, self.end)}

    def restore(self, arrays: dict[str, Tensor], base: int) -> None:
        """Become what `arrays` gave, with its first token at position `base`."""
        self.base = self.end = base
        count = arrays["keys"].shape[-2]
        self._reserve(base + count)
        for name, one in zip(_NAMES, self._all(), strict=True):
            self._slice(one, base, base + count).copy_(arrays[name])
        self.received(base, base + count).copy_(arrays["received"])
        self.end = base + count

    def _reserve(self, end: int) -> None:
        """Make room up to position `end`: by moving what is there to the front, or to larger arrays."""
        needed, room = end - self.base, self._keys.shape[-2]
        if needed + self._offset > room:
            self._move(max(room, 2 * needed))

    def _move(self, room: int) -> None:
        count = len(self)
        self._keys, self._values = (self._moved(one, -2, room, count) for one in self._all())
        self._received = self._moved(self._received, -1, room, count)
        self._offset = 0

    def _moved(self, old: Tensor, axis: int, room: int, count: int) -> Tensor:
        sizes = list(old.shape)
        sizes[axis] = room
        new = old.new_zeros(sizes)
        new.narrow(axis, 0, count).copy_(old.narrow(axis, self._offset, count))
        return new


_NAMES: Final[Sequence[str]] = ("keys", "values")
