"""Keys and values of one layer, token by token, which grow at the end; copies share them until one writes."""

from __future__ import annotations

from typing import Final, TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor

_SPARE: Final = 256  # tokens of room that a full array grows by at least; and by an eighth of itself


class _Room:
    """Arrays with room for more tokens. `filled`: tokens that somebody has written; what comes after is free."""

    def __init__(self, keys: Tensor, values: Tensor, filled: int) -> None:
        self.keys, self.values, self.filled, self.shared = keys, values, filled, False


class Rows:
    """Keys and values (1, kv_heads, n, dim) of a layer; values may have another width than keys.

    >>> rows = Rows(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 3, 4))
    >>> other = rows.fork()
    >>> rows.append(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4))
    >>> len(rows), len(other), rows.nbytes
    (4, 3, 256)
    """

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._room = _Room(keys, values, keys.shape[2])
        self._length = int(keys.shape[2])

    def __len__(self) -> int:
        return self._length

    @property
    def keys(self) -> Tensor:
        """All keys: a view, not to be written into."""
        return self._room.keys[:, :, : self._length]

    @property
    def values(self) -> Tensor:
        """All values: a view, not to be written into."""
        return self._room.values[:, :, : self._length]

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values that are there; the room for more is not counted."""
        return int(self.keys.nbytes + self.values.nbytes)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Put tokens (1, kv_heads, n, dim) behind the last."""
        room, start, end = self._room, self._length, self._length + keys.shape[2]
        if end > room.keys.shape[2] or (room.filled != start and room.shared):
            size = end + max(_SPARE, end // 8) if start else end  # what is written once and never grows takes no room
            room = self._room = _Room(_grown(self.keys, size), _grown(self.values, size), start)
        room.keys[:, :, start:end] = keys
        room.values[:, :, start:end] = values
        room.filled = self._length = int(end)

    def crop(self, length: int) -> None:
        """Forget the tokens from `length` on."""
        self._length = min(self._length, length)
        if not self._room.shared:
            self._room.filled = self._length

    def take(self, chosen: Tensor | slice) -> None:
        """Keep only the tokens at these places (indices in order, or a slice)."""
        keys, values = self.keys[:, :, chosen], self.values[:, :, chosen]
        if isinstance(chosen, slice):
            keys, values = keys.clone(), values.clone()
        self._room, self._length = _Room(keys, values, keys.shape[2]), int(keys.shape[2])

    def fork(self) -> Rows:
        """The same tokens, to be gone on with apart; nothing is copied until one of both writes over what the other sees."""
        self._room.shared = True
        other = Rows.__new__(Rows)
        other._room, other._length = self._room, self._length
        return other


def _grown(old: Tensor, size: int) -> Tensor:
    new = old.new_empty((*old.shape[:2], size, old.shape[3]))
    new[:, :, : old.shape[2]] = old
    return new
