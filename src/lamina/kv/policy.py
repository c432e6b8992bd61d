"""The protocol of whatever decides which keys and values a model keeps of what it read."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, TransferError
from lamina.kv.saving import read_arrays, write_arrays
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor


@dataclass(frozen=True)
class CachePolicy(ABC):
    """What is kept of the keys and values of a text, and what each token sees of them.

    A policy is a frozen dataclass; its fields are the numbers of its source. `block`: how many tokens are read at once; long
    input is cut into such blocks.
    """

    block: int = 512

    @property
    def beyond_context(self) -> bool:
        """Whether a text may be longer than the context that the model was made for: where keys and queries never stand further
        apart than that.
        """
        return False

    def __post_init__(self) -> None:
        if isinstance(self.block, bool) or not isinstance(self.block, int) or self.block < 1:
            raise InputError(f"block must be a number of tokens, 1 or more, not {self.block!r}")

    @abstractmethod
    def begin(self, shape: ModelShape) -> Cache:
        """An empty cache for a model of this shape; raises `InputError` where the policy does not fit it."""


class Cache(ABC):
    """The keys and values of one stream of tokens, as a policy keeps them. `length`: tokens read so far.

    A policy fills in `attend`, `attended`, `_nbytes`, `_crop`, `_arrays`, `_restore`; `_finished` and `_settled` where
    something is to be done between blocks or calls; `_append` if saved keys and values can be put in. State that `fork` shall not share is copied in
    `_forked`.
    """

    wants_surprises: bool = False
    """Whether `finish` needs to know how unexpected each token was: it costs the logits of all tokens."""

    def __init__(self, policy: CachePolicy, shape: ModelShape) -> None:
        self.policy, self.shape, self.length = policy, shape, 0

    @abstractmethod
    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """Take in n new tokens of a layer, and give what their queries see: (1, heads, n, dim).

        `q` (1, heads, n, dim), `k` and `v` (1, kv_heads, n, dim): turned by the rotary positions start to start + n - 1.
        Called once a layer and block, in the order of the layers.
        """

    @abstractmethod
    def attended(self) -> NDArray[np.float64]:
        """How many tokens the last token read saw in each layer, itself included (layers,); the mean where heads differ."""

    def finish(self, ids: Sequence[int], surprises: NDArray[np.float32] | None = None) -> None:
        """A block has gone through all layers. `ids`: its tokens. `surprises` (n,): -log p of each of them in nats, NaN for
        one that nothing was predicted of (the first of a text); None where they were not wanted.
        """
        if surprises is not None and len(surprises) != len(ids):
            raise InputError(f"{len(ids)} tokens need as many surprises, not {len(surprises)}")
        self.length += len(ids)
        self._finished(ids, surprises)

    def settle(self, n: int) -> None:
        """A call that read n tokens, in one or more blocks, has come to its end."""
        self._settled(n)

    def check_room(self, n: int) -> None:
        """Raise `InputError` unless n more tokens may be read: no more than the model was made for, or than the policy lets."""
        if self.length + n > self.shape.context and not self.policy.beyond_context:
            raise InputError(
                f"{self.length} + {n} tokens are more than the {self.shape.context} that the model was made for: "
                "shorten the text, or take a policy that bounds positions"
            )

    def crop(self, length: int) -> None:
        """Forget what was read after so many tokens. Raises `StateError` where what would be needed is not there any more."""
        if not 0 <= length <= self.length:
            raise InputError(f"a text of {self.length} tokens cannot be cut back to {length}")
        if length < self.length:
            self._crop(length)
            self.length = length

    def fork(self) -> Self:
        """The same state, to be gone on with apart."""
        other = copy.copy(self)
        other._forked()
        return other

    def nbytes(self) -> dict[str, int]:
        """Bytes of keys, values and what finds them: `stored` wherever they lie, `resident` in the model's memory.

        Room that arrays have for more tokens (an eighth of what is there at most, or 256 tokens) is not counted.
        """
        stored, resident = self._nbytes()
        return {"stored": stored, "resident": resident}

    def reserve(self, n: int) -> None:
        """Make room for n more tokens: a hint, which spares copies before several calls of `preload`."""
        self._reserve(n)

    def preload(self, keys: Sequence[Tensor] | Tensor, values: Sequence[Tensor] | Tensor, start: int | None = None) -> None:
        """Put in saved keys and values as if their n tokens had just been read.

        `keys` and `values` (layers, kv_heads, n, dim), or as many of (kv_heads, n, dim), in any type of number: keys turned by
        the rotary positions start to start + n - 1 (see `lamina.kv.positions.turn`). `start` is `length`; it is asked for so
        that keys turned to another place are refused. Raises `InputError` for what does not fit, and where the policy cannot do
        without the queries.
        """
        shape = self.shape
        if start is not None and start != self.length:
            raise InputError(f"the keys begin at position {start}, and {self.length} tokens have been read: turn the keys first")
        if len(keys) != shape.layers or len(values) != shape.layers:
            raise InputError(f"{shape.layers} layers need as many keys and values, not {len(keys)} and {len(values)}")
        n = int(keys[0].shape[-2])
        for one in (*keys, *values):
            if tuple(one.shape) != (shape.kv_heads, n, shape.head_dim):
                raise InputError(
                    f"keys and values of a layer must be ({shape.kv_heads}, {n}, {shape.head_dim}), not {tuple(one.shape)}"
                )
        if n == 0:
            return
        self.check_room(n)
        for layer in range(shape.layers):
            k, v = (one[layer][None].to(dtype=shape.torch_dtype, device=shape.device) for one in (keys, values))
            self._append(layer, k, v, self.length)
        self.length += n
        self._finished((), None)

    def save(self, path: str | Path, more: Mapping[str, Tensor] | None = None) -> None:
        """Write everything into one file, readable by its owner only; `more`: arrays of the caller, which `load` gives back."""
        arrays = {f"cache.{name}": array for name, array in self._arrays().items()}
        arrays |= {f"more.{name}": array for name, array in (more or {}).items()}
        write_arrays(path, arrays, {**self._header(), "length": self.length, "state": self._state()})

    def load(self, path: str | Path) -> dict[str, Tensor]:
        """Take the state from a file of `save`, in place of what is here; the caller's arrays.

        Raises `TransferError` for a damaged file, `InputError` for one of another model or another policy. The state stays as it
        was where that happens.
        """
        arrays, header = read_arrays(path)
        for name, ours in self._header().items():
            if header.get(name) != ours:
                raise InputError(f"{path} was saved with another {name}: {header.get(name)!r}, and this is {ours!r}")
        fresh = self.policy.begin(self.shape)
        try:
            own = {
                name.removeprefix("cache."): one.to(self.shape.device)
                for name, one in arrays.items()
                if name.startswith("cache.")
            }
            fresh._restore(own, header["state"])
            fresh.length = int(header["length"])
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
            raise TransferError(f"{path} does not hold what a cache of this policy needs ({error}): it cannot be used") from error
        self.__dict__.update(fresh.__dict__)
        return {name.removeprefix("more."): one for name, one in arrays.items() if name.startswith("more.")}

    def _header(self) -> dict[str, Any]:
        return {"model": self.shape.fingerprint, "policy": type(self.policy).__name__, "parameters": asdict(self.policy)}

    # ------------------------------------------------------------------------------------------- what a policy fills in
    def _finished(self, ids: Sequence[int], surprises: NDArray[np.float32] | None) -> None:  # noqa: B027 (may stay empty)
        """A block is through all layers; `length` counts it already. `ids` is empty for saved tokens."""

    def _settled(self, n: int) -> None:  # noqa: B027 (may stay empty)
        """A call has been read to its end; n tokens in all."""

    def _reserve(self, n: int) -> None:  # noqa: B027 (may stay empty)
        """Make room for n more tokens."""

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        """Take in saved keys and values (1, kv_heads, n, dim) at positions from `start` on."""
        raise InputError(f"{type(self.policy).__name__} takes no saved keys and values: it needs the queries that come with them")

    @abstractmethod
    def _crop(self, length: int) -> None:
        """Forget from `length` on, which is less than what was read; `StateError` where that cannot be."""

    @abstractmethod
    def _forked(self) -> None:
        """Called on a shallow copy: copy what is written into."""

    @abstractmethod
    def _nbytes(self) -> tuple[int, int]:
        """Stored and resident bytes."""

    @abstractmethod
    def _arrays(self) -> dict[str, Tensor]:
        """The arrays that make up the state."""

    def _state(self) -> dict[str, Any]:
        """What else makes it up, as JSON; besides `length`."""
        return {}

    @abstractmethod
    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Become what `_arrays` and `_state` gave; called on an empty cache. Any error means a damaged file."""
