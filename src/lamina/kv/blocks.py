"""Blocks of tokens that have left the context, with whatever belongs to them, and the vectors by which they are found again."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import InputError, NotFoundError
from lamina.kv.offloading import BlockFile, FiledBlock
from lamina.kv.summaries import Summariser


class Gathered(NamedTuple):
    """What was fetched: each named array (*which, tokens, width), and which of its tokens are there (*which, tokens).

    `which` is empty for a selection by layer, and (heads,) or (queries, heads) for those by head and by token. Where all
    blocks of a selection are as long as those of the others, `present` is true everywhere.
    """

    arrays: dict[str, Tensor]
    present: Tensor


class BlockStore:
    """Blocks of one stream, in order of time; each is immutable, so copies of the store share them.

    A block is a number of tokens with named arrays (*lead, tokens, width); `lead` may differ from name to name (layers and
    heads, say) and is the same in all blocks. What stands for it when blocks are chosen, its summary, is made from the array
    `summarised` by `summariser` as it is put in, and kept in the same type of number. A block keeps its number for ever.

    Parameters: `summariser`; `summarised`, the name of the array it reads; `capacity`, how many blocks are kept before the
    oldest go (None: all); `file`, where the arrays lie (None: in memory), summaries excepted. A stream for each row of a batch is a store for each row.

    >>> from lamina.kv.summaries import MeanKey
    >>> store = BlockStore(MeanKey(), summarised="keys")
    >>> for number in range(3):
    ...     _ = store.append(10 * number, {"keys": torch.full((1, 2, 4), float(number))})  # one head, two tokens, width 4
    >>> store.summaries()[0, :, 0], store.gather(["keys"], [0, 2]).arrays["keys"][0, :, 0]
    (tensor([0., 1., 2.]), tensor([0., 0., 2., 2.]))
    """

    def __init__(
        self,
        summariser: Summariser,
        *,
        summarised: str = "keys",
        capacity: int | None = None,
        file: BlockFile | None = None,
    ) -> None:
        if capacity is not None and capacity < 1:
            raise InputError(f"capacity must be at least 1 block, not {capacity!r}")
        self._summariser, self._summarised, self._capacity, self._file = summariser, summarised, capacity, file
        self._blocks: deque[Mapping[str, Tensor]] = deque()
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._first = 0
        self._summary: Tensor | None = None  # (*lead, blocks, width)
        self._fresh: list[Tensor] = []  # summaries that are not joined to the others yet

    # ------------------------------------------------------------------------------------------------------- contents
    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def first(self) -> int:
        """The number of the oldest block that is kept."""
        return self._first

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each block that is kept began in its stream (blocks,)."""
        return np.array(self._starts, np.int64)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The tokens of each block that is kept (blocks,)."""
        return np.array(self._sizes, np.int64)

    @property
    def tokens(self) -> int:
        """Tokens in all blocks."""
        return sum(self._sizes)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays and summaries."""
        filed = sum(block.nbytes for block in self._blocks if isinstance(block, FiledBlock))
        return filed + self.resident

    @property
    def resident(self) -> int:
        """Bytes of them in memory."""
        arrays = sum(one.nbytes for block in self._blocks if isinstance(block, dict) for one in block.values())
        summaries = sum(one.nbytes for one in self._fresh)
        return int(arrays + summaries + (0 if self._summary is None else self._summary.nbytes))

    def append(self, start: int, arrays: Mapping[str, Tensor], received: Tensor | None = None) -> int:
        """Put in a block whose first token has the position `start`; its number.

        `received` (..., heads, tokens): statistics of attention for the summariser, not kept. The arrays become the store's:
        they must not be written to any more. Raises `InputError` for arrays that do not fit each other or the blocks before,
        and for NaN in what is summarised.
        """
        keys = arrays.get(self._summarised)
        if keys is None:
            raise InputError(f"a block needs an array {self._summarised!r}: {sorted(arrays)} were given")
        size = keys.shape[-2]
        if size < 1 or any(one.ndim < 2 or one.shape[-2] != size for one in arrays.values()):
            shapes = {name: tuple(one.shape) for name, one in arrays.items()}
            raise InputError(f"the arrays of a block must have as many tokens each, one at least, not {shapes}")
        if self._blocks:
            self._check_like(arrays, self._blocks[0])
        summary = self._summariser.summarise(keys, received).to(keys.dtype)
        if bool(summary.isnan().any()):
            raise InputError("a block with NaN among its keys cannot be found again: it is refused")
        self._blocks.append(self._kept(arrays))
        self._starts.append(start)
        self._sizes.append(size)
        self._fresh.append(summary)
        if self._capacity is not None:
            self.evict(len(self) - self._capacity)
        return self._first + len(self) - 1

    def _kept(self, arrays: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return dict(arrays) if self._file is None else self._file.put(arrays)

    @staticmethod
    def _check_like(arrays: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
        if arrays.keys() != before.keys():
            raise InputError(f"a block of this store has the arrays {sorted(before)}, not {sorted(arrays)}")
        for name, one in arrays.items():
            other = before[name]
            if (one.shape[:-2], one.shape[-1], one.dtype) != (other.shape[:-2], other.shape[-1], other.dtype):
                raise InputError(
                    f"{name!r} of this store is {tuple(other.shape)} {other.dtype} (tokens may differ), not {tuple(one.shape)} {one.dtype}"
                )

    def evict(self, count: int) -> None:
        """Let the `count` oldest blocks go, with their summaries."""
        count = min(count, len(self))
        if count <= 0:
            return
        kept = self.summaries()[..., count:, :]
        for _ in range(count):
            self._blocks.popleft()
        del self._starts[:count], self._sizes[:count]
        self._summary, self._first = kept.clone(), self._first + count

    def fork(self) -> BlockStore:
        """The same blocks, to be gone on with apart; the arrays are shared."""
        other = BlockStore(self._summariser, summarised=self._summarised, capacity=self._capacity, file=self._file)
        other._blocks, other._starts, other._sizes = self._blocks.copy(), list(self._starts), list(self._sizes)
        other._first, other._summary, other._fresh = self._first, self._summary, list(self._fresh)
        return other

    # --------------------------------------------------------------------------------------------------------- saving
    def arrays(self) -> dict[str, Tensor]:
        """All that makes up the store, by name: its blocks one after another, their starts, sizes and summaries."""
        if not self._blocks:
            return {}
        names = self._blocks[0].keys()
        found = {f"block.{name}": torch.cat([one[name] for one in self._blocks], dim=-2) for name in names}
        told = {"starts": self.starts, "sizes": self.sizes, "first": np.array([self._first], np.int64)}
        return found | {"summaries": self.summaries()} | {name: torch.from_numpy(one) for name, one in told.items()}

    def restore(self, arrays: Mapping[str, Tensor]) -> None:
        """Become what `arrays` gave."""
        if not arrays:
            return
        sizes = [int(one) for one in arrays["sizes"]]
        split = {
            name.removeprefix("block."): one.split(sizes, dim=-2) for name, one in arrays.items() if name.startswith("block.")
        }
        self._blocks = deque(self._kept({name: one[at] for name, one in split.items()}) for at in range(len(sizes)))
        self._starts, self._sizes = [int(one) for one in arrays["starts"]], sizes
        self._first, self._summary, self._fresh = int(arrays["first"][0]), arrays["summaries"], []

    # ------------------------------------------------------------------------------------------------------- fetching
    def summaries(self) -> Tensor:
        """What stands for the blocks that are kept: (*lead, blocks, width). Raises `NotFoundError` where nothing was put in."""
        if self._fresh:
            old = [] if self._summary is None else [self._summary]
            self._summary = torch.cat([*old, torch.stack(self._fresh, dim=-2)], dim=-2)
            self._fresh = []
        if self._summary is None:
            raise NotFoundError("the store is empty: put in a block first")
        return self._summary

    def block(self, number: int) -> Mapping[str, Tensor]:
        """The arrays of one block. Raises `NotFoundError` for one that is gone or was never there."""
        if not self._first <= number < self._first + len(self):
            raise NotFoundError(f"block {number} is not kept: those from {self._first} to {self._first + len(self) - 1} are")
        return self._blocks[number - self._first]

    def part(self, name: str, number: int, lead: tuple[int, ...] = ()) -> Tensor:
        """One array of a block with its first axes fixed, read from the file where it lies there."""
        block = self.block(number)
        return block.part(name, lead) if isinstance(block, FiledBlock) else block[name][lead]

    def gather(self, names: Sequence[str], chosen: Sequence[int] | Tensor, lead: tuple[int, ...] = ()) -> Gathered:
        """The named arrays of chosen blocks, one after another in the order given; `lead` fixes the first axes of all arrays.

        `chosen` are numbers of blocks: (k,), one selection for everything, (*lead, tokens, width) each; or (heads, k), one a
        head, (heads, tokens, width); or (queries, heads, k), one for each query and head, (queries, heads, tokens, width).
        For these two the arrays must be (heads, tokens, width) once `lead` is fixed. Shorter selections are filled up with
        zeros that are not `present`.
        """
        wanted = torch.as_tensor(chosen, dtype=torch.int64).contiguous()
        if wanted.ndim == 0 or wanted.ndim > 3 or wanted.numel() == 0:
            raise InputError(
                f"blocks are chosen by layer (k,), head (heads, k) or token (queries, heads, k), not {tuple(wanted.shape)}"
            )
        if wanted.ndim == 1:
            numbers = wanted.tolist()
            arrays = {name: torch.cat([self.part(name, one, lead) for one in numbers], dim=-2) for name in names}
            return Gathered(arrays, torch.ones(next(iter(arrays.values())).shape[-2], dtype=torch.bool))
        return self._gather_apart(names, wanted, lead)

    def _gather_apart(self, names: Sequence[str], wanted: Tensor, lead: tuple[int, ...]) -> Gathered:
        """One selection a head, or a query and head: the blocks that anyone wants are laid out once, then indexed."""
        union = wanted.unique()
        sizes = torch.tensor([self._sizes[one - self._first] for one in union.tolist()])
        laid = self.gather(names, union, lead).arrays  # name -> (heads, all tokens, width)
        ends = sizes.cumsum(0)
        which = torch.searchsorted(union, wanted)  # (..., heads, k)
        own, begins = sizes[which], (ends - sizes)[which]
        total = own.sum(dim=-1)  # (..., heads)
        places = torch.zeros(*wanted.shape[:-1], int(total.max()), dtype=torch.int64)
        present = torch.arange(places.shape[-1]) < total.unsqueeze(-1)
        before = own.cumsum(-1) - own
        for k in range(wanted.shape[-1]):
            inside = torch.arange(int(own[..., k].max()))
            there = inside < own[..., k, None]
            target = (before[..., k, None] + inside).clamp(max=places.shape[-1] - 1)
            places.scatter_add_(-1, target, torch.where(there, begins[..., k, None] + inside, 0))
        heads = torch.arange(wanted.shape[-2]).unsqueeze(-1)
        arrays = {}
        for name, array in laid.items():
            if array.ndim != 3 or array.shape[0] != wanted.shape[-2]:
                raise InputError(
                    f"{name!r} must be ({wanted.shape[-2]} heads, tokens, width) to be chosen from by head, not {tuple(array.shape)}"
                )
            arrays[name] = array[heads, places] * present.unsqueeze(-1)
        return Gathered(arrays, present)
