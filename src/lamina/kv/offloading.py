"""Blocks whose arrays lie in a file instead of in memory, and those of them that were used last, which are kept loaded."""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lamina.errors import StateError


class _Place(NamedTuple):
    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class BlockFile:
    """A file without a name, which goes with the last block that lies in it. Copies of a store may write to the same one.

    >>> file = BlockFile()
    >>> block = file.put({"keys": torch.arange(6.0).reshape(2, 3, 1)})
    >>> block["keys"][0, :, 0], block.part("keys", (1,))[:, 0]
    (tensor([0., 1., 2.]), tensor([3., 4., 5.]))
    """

    def __init__(self) -> None:
        self._descriptor, path = tempfile.mkstemp(prefix="lamina-")
        os.unlink(path)
        weakref.finalize(self, os.close, self._descriptor)
        self._end = 0

    def put(self, arrays: Mapping[str, Tensor]) -> FiledBlock:
        """Write the arrays of a block."""
        places: dict[str, _Place] = {}
        for name, array in arrays.items():
            data = memoryview(array.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
            places[name] = _Place(self._end, tuple(array.shape), array.dtype)
            while data:
                written = os.pwrite(self._descriptor, data, self._end)
                self._end, data = self._end + written, data[written:]
        return FiledBlock(self, places)

    def read(self, offset: int, size: int) -> bytearray:
        """So many bytes. Raises `StateError` where they are not there."""
        found = bytearray(size)
        if os.preadv(self._descriptor, [found], offset) != size:
            raise StateError("the file of the events was cut short by another program: begin a new session")
        return found


class FiledBlock(Mapping[str, Tensor]):
    """A block that lies in a `BlockFile`: each look reads it anew."""

    def __init__(self, file: BlockFile, places: Mapping[str, _Place]) -> None:
        self._file, self._places = file, dict(places)

    def __getitem__(self, name: str) -> Tensor:
        return self.part(name, ())

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def part(self, name: str, lead: tuple[int, ...]) -> Tensor:
        """An array with its first axes fixed; nothing else is read."""
        offset, shape, dtype = self._places[name]
        rest = shape[len(lead) :]
        size = math.prod(rest) * dtype.itemsize
        which = 0
        for index, count in zip(lead, shape, strict=False):
            which = which * count + index
        data = torch.frombuffer(self._file.read(offset + which * size, size), dtype=torch.uint8)
        return data.view(dtype).reshape(rest)

    @property
    def nbytes(self) -> int:
        """Bytes in the file."""
        return sum(math.prod(shape) * dtype.itemsize for _, shape, dtype in self._places.values())


class LoadedBlocks:
    """Blocks in memory, up to a number of tokens: what was used longest ago goes first.

    `loads` and `hits`: how many blocks had to be read, and how many were there.

    >>> loaded = LoadedBlocks(tokens=4)
    >>> for chosen in ([0, 1], [1, 2]):
    ...     _ = loaded.fetch(chosen, lambda number: {"keys": torch.full((1, 2, 1), float(number))})
    >>> (loaded.loads, loaded.hits, loaded.nbytes)
    (3, 1, 16)
    """

    def __init__(self, tokens: int) -> None:
        self.tokens, self.loads, self.hits = tokens, 0, 0
        self._blocks: OrderedDict[int, dict[str, Tensor]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of what is loaded."""
        return sum(one.nbytes for block in self._blocks.values() for one in block.values())

    def fetch(self, chosen: Sequence[int], load: Callable[[int], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The arrays of the chosen blocks, one after another; `load` gives those of a block that is not there."""
        for number in chosen:
            if number in self._blocks:
                self.hits += 1
                self._blocks.move_to_end(number)
            else:
                self.loads += 1
                self._blocks[number] = load(number)
        found = [self._blocks[number] for number in chosen]
        held = sum(_tokens(one) for one in self._blocks.values())
        while held > self.tokens and len(self._blocks) > len(chosen):
            held -= _tokens(self._blocks.popitem(last=False)[1])
        return {name: torch.cat([one[name] for one in found], dim=-2) for name in found[0]}

    @property
    def numbers(self) -> list[int]:
        """Which blocks are loaded, the one used last at the end."""
        return list(self._blocks)

    def fork(self) -> LoadedBlocks:
        """The same blocks, to be gone on with apart."""
        other = LoadedBlocks(self.tokens)
        other._blocks, other.loads, other.hits = self._blocks.copy(), self.loads, self.hits
        return other


def _tokens(block: Mapping[str, Tensor]) -> int:
    return int(next(iter(block.values())).shape[-2])
