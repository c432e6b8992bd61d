"""The first tokens of a text and the newest ones are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention, attention_mass
from lamina.kv.layers import LayeredCache
from lamina.kv.online_softmax import OnlineSoftmax
from lamina.kv.policy import CachePolicy
from lamina.kv.positions import turn
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
Positions = Literal["window", "own"]
POSITIONS: Final[tuple[Positions, ...]] = get_args(Positions)


@dataclass(frozen=True)
class SlidingWindow(CachePolicy):
    """Each token sees the first `sinks` tokens of the text and the newest `window`, itself included.

    `positions`: where the first tokens stand once they have left the window. "window" (the source's way): just before it, so
    that no distance is ever greater than sinks + window, and a text may go on for ever; "own": where they were read.
    `quantised`: whether keys and values are held in 8 bits.

    Source: "Efficient Streaming Language Models with Attention Sinks" (Guangxuan Xiao et al., 2023), whose 4 sinks are the
    default; how large the window is depends on the model.

    >>> SlidingWindow(window=0)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: sinks must be 0 or more and window 1 or more tokens, not 4 and 0
    """

    sinks: int = 4
    window: int = 1020
    positions: Positions = "window"
    quantised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sinks < 0 or self.window < 1:
            raise InputError(f"sinks must be 0 or more and window 1 or more tokens, not {self.sinks} and {self.window}")
        if self.positions not in POSITIONS:
            raise InputError(f"positions must be one of {', '.join(POSITIONS)}, not {self.positions!r}")

    @property
    def beyond_context(self) -> bool:
        """See `CachePolicy`."""
        return self.positions == "window"

    def begin(self, shape: ModelShape) -> SlidingWindowCache:
        """See `CachePolicy`."""
        if self.sinks + self.window > shape.context and self.beyond_context:
            raise InputError(
                f"{self.sinks} sinks and a window of {self.window} are more than the {shape.context} tokens of the model: take fewer"
            )
        return SlidingWindowCache(self, shape)


class SlidingWindowCache(LayeredCache):
    """The tokens of a layer in one pair of arrays: the sinks, then the window as a ring that the newest token writes into."""

    def __init__(self, policy: SlidingWindow, shape: ModelShape) -> None:
        super().__init__(policy, shape, policy.quantised)
        self._sinks, self._window, self._budget = policy.sinks, policy.window, policy.sinks + policy.window
        self._moved = policy.positions == "window"

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        rows, n = self._rows[layer], q.shape[2]
        if n == 1:  # what is kept after it was put in is what it sees
            self._append(layer, k, v, start)
            if self._moved and start >= self._budget:
                return self._split(q, rows.keys, rows.values, start, None)
            return attention(q, rows.keys, rows.values, self.shape.scaling)
        places = torch.cat((self._places(start), torch.arange(start, start + n)))  # positions of all keys
        now = torch.arange(start, start + n)[:, None]
        seen = (places <= now) & ((places < self._sinks) | (places > now - self._window))  # (n, keys)
        keys, values = torch.cat((rows.keys, k), dim=2), torch.cat((rows.values, v), dim=2)
        self._append(layer, k, v, start)
        seen = seen.to(q.device)
        if self._moved and start + n > self._budget:  # while there are no others, all keys lie in the order of the text
            return self._split(q, keys, values, start, seen)
        return attention(q, keys, values, self.shape.scaling, mask=seen)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return np.full(self.shape.layers, float(min(self.length, self._budget)))

    def _split(self, q: Tensor, k: Tensor, v: Tensor, start: int, seen: Tensor | None) -> Tensor:
        """Attention where queries stand nearer to the sinks, the first keys, than they do to the rest."""
        cut, scaling = self._sinks, self.shape.scaling
        now = torch.arange(start, start + q.shape[2])
        by = self._budget - 1 - start if len(now) == 1 else now.clamp(max=self._budget - 1) - now
        nearer = turn(q, by, self.shape.frequencies)
        parts = [(nearer, slice(0, cut)), (q, slice(cut, None))]
        first, rest = (
            OnlineSoftmax.of(*attention_mass(one, k[:, :, part], v[:, :, part], scaling, None if seen is None else seen[:, part]))
            for one, part in parts
        )
        return first.merge(rest).normalise().to(q.dtype)

    def _places(self, length: int) -> Tensor:
        """The positions of what is kept of a text so long, as it lies in the arrays."""
        slots = torch.arange(min(length, self._budget))
        newest = length - 1 - (length - 1 - slots) % self._window  # of the tokens that were written into a slot of the ring
        return slots.where(slots < self._sinks, newest)

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        rows = self._rows[layer]
        room = max(0, self._budget - len(rows))
        if room:
            rows.append(k[:, :, :room], v[:, :, :room])
        left = min(k.shape[2] - room, self._window)  # of the others only the newest stay
        if left > 0:
            end = start + k.shape[2]
            first = self._sinks + (end - left - self._sinks) % self._window
            slots: Tensor | slice = slice(first, first + left)  # a run of the ring, unless it goes around
            if first + left > self._budget:
                slots = self._sinks + (torch.arange(end - left, end, device=k.device) - self._sinks) % self._window
            rows.write(slots, k[:, :, -left:], v[:, :, -left:])

    def _crop(self, length: int) -> None:
        if self.length > self._budget:
            raise StateError(
                f"a window that has moved on cannot go back to {length}: fork before reading on, or read the text again"
            )
        for rows in self._rows:
            rows.crop(length)
