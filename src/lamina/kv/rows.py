"""Keys and values of one layer, token by token, which grow at the end; copies share them until one writes."""

from __future__ import annotations

from typing import ClassVar, Final, TypeAlias

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

    NAMES: ClassVar[tuple[str, ...]] = ("keys", "values")
    """Of the arrays that `parts` gives and the class is made from."""

    _room: _Room
    _length: int

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.replace(keys, values)

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
    def parts(self) -> tuple[Tensor, ...]:
        """The arrays, in the order of `NAMES`."""
        return self.keys, self.values

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values that are there; the room for more is not counted."""
        return int(self.keys.nbytes + self.values.nbytes)

    def reserve(self, n: int) -> None:
        """Make room for n more tokens, so that appending them copies nothing else."""
        if self._length + n > self._room.keys.shape[2]:
            self._move(self._length + n)

    def append(self, keys: Tensor, values: Tensor) -> None:
        """Put tokens (1, kv_heads, n, dim) behind the last."""
        start, end = self._length, self._length + int(keys.shape[2])
        if end > self._room.keys.shape[2] or (self._room.filled != start and self._room.shared):
            self._move(end + max(_SPARE, end // 8) if start else end)  # what is written once and never grows takes no room
        room = self._room
        room.keys[:, :, start:end] = keys
        room.values[:, :, start:end] = values
        room.filled = self._length = end

    def _move(self, size: int) -> None:
        self._room = _Room(_grown(self.keys, size), _grown(self.values, size), self._length)

    def write(self, places: Tensor, keys: Tensor, values: Tensor) -> None:
        """Put tokens (1, kv_heads, n, dim) in the place of those at `places` (n,), which are all different."""
        if self._room.shared:
            self._room = _Room(self.keys.clone(), self.values.clone(), self._length)
        self._room.keys[:, :, places] = keys
        self._room.values[:, :, places] = values

    def crop(self, length: int) -> None:
        """Forget the tokens from `length` on."""
        self._length = min(self._length, length)
        if not self._room.shared:
            self._room.filled = self._length

    def take(self, chosen: slice) -> None:
        """Keep only this run of tokens."""
        self.replace(self.keys[:, :, chosen].clone(), self.values[:, :, chosen].clone())

    def choose(self, places: Tensor) -> None:
        """Keep only the tokens at these places, which may differ from head to head (kv_heads, kept)."""
        keys, values = (
            one.gather(2, places[None, :, :, None].expand(-1, -1, -1, one.shape[3])) for one in (self.keys, self.values)
        )
        self.replace(keys, values)

    def at(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (1, kv_heads, n, dim) at these places (n,)."""
        return self.keys[:, :, places], self.values[:, :, places]

    def replace(self, keys: Tensor, values: Tensor) -> None:
        """Hold other tokens from now on: arrays that nobody else writes into."""
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
