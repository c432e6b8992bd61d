"""Where a stream of tokens is cut into events while it is read: marks, then refined, then held to a least and a largest size.

A mark is the position of a token at which an event may open. Nothing here depends on the blocks in which the tokens arrive:
a cut is made only when all that it rests on is known.

Source: "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios Fountas et al., 2024; ICLR 2025). There the
statistics of surprise and the windows of refinement end where a block of tokens ends; here they trail each token and wait
for what follows, and an event without a mark is cut at the largest size before the marks after it are refined, not after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.boundaries import BoundaryRefinement, SurpriseBoundaries, similarity_sums
from lamina.errors import InputError

IntArray = NDArray[np.int64]
Similarity = Callable[[int, int], NDArray[np.float64]]
"""Pairwise similarity (n, n) of the tokens from a first position up to a last one (not included)."""

_DRAWS: Final = 1024  # numbers drawn at once, so that what a position draws depends on the seed and the position alone


class Marker(Protocol):
    """Says at which of the newest tokens an event may open."""

    def marks(self, ids: IntArray, surprises: NDArray[np.float64], start: int) -> IntArray:
        """Positions from `start` on, rising, of all tokens read so far: `ids` (T,), `surprises` (T,) in nats (NaN: unknown)."""
        ...


@dataclass(frozen=True)
class SurpriseMarks:
    """Tokens whose surprise exceeds mean + gamma * standard deviation of the `window` tokens before (see `SurpriseBoundaries`).

    >>> SurpriseMarks(window=8).marks(np.zeros(7, np.int64), np.array([np.nan, 1.2, 0.9, 1.1, 5.0, 1.0, 1.1]), 3)
    array([4])
    """

    gamma: float = 1.0
    window: int = 4096

    def __post_init__(self) -> None:
        SurpriseBoundaries(self.gamma, self.window)

    def marks(self, ids: IntArray, surprises: NDArray[np.float64], start: int) -> IntArray:
        """See `Marker`. A token of unknown surprise is no mark, and counts as the one before; nothing is said of the first ones."""
        known = np.isfinite(surprises)
        if not known.any():
            return np.empty(0, np.int64)
        filled = surprises[np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))]
        first = max(int(known.argmax()), start - self.window)
        found = SurpriseBoundaries(self.gamma, self.window).boundaries(filled[first:]) + first
        return found[known[found] & (found >= start)]


@dataclass(frozen=True)
class NoMarks:
    """None at all: every event is of the largest size (InfLLM's blocks).

    Source: "InfLLM: Training-Free Long-Context Extrapolation for LLMs with an Efficient Context Memory" (Chaojun Xiao et
    al., 2024).
    """

    def marks(self, ids: IntArray, surprises: NDArray[np.float64], start: int) -> IntArray:
        """See `Marker`."""
        return np.empty(0, np.int64)


@dataclass(frozen=True)
class RandomMarks:
    """Every token with the same chance of 1 / `spacing`, drawn from the seed and its position: the control of the others.

    >>> RandomMarks(spacing=1).marks(np.zeros(3, np.int64), np.zeros(3), 1)
    array([1, 2])
    """

    spacing: float = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.spacing >= 1:
            raise InputError(f"spacing must be at least 1 token, not {self.spacing!r}")

    def marks(self, ids: IntArray, surprises: NDArray[np.float64], start: int) -> IntArray:
        """See `Marker`."""
        positions = np.arange(start, len(ids))
        if not len(positions):
            return np.empty(0, np.int64)
        first = start // _DRAWS
        drawn = [np.random.default_rng([self.seed, one]).random(_DRAWS) for one in range(first, positions[-1] // _DRAWS + 1)]
        return positions[np.concatenate(drawn)[positions - first * _DRAWS] * self.spacing < 1].astype(np.int64)


@dataclass(frozen=True)
class SentenceMarks:
    """The token after each that ends a sentence; `ends` are their ids in the model's vocabulary.

    >>> SentenceMarks(ends=frozenset({9})).marks(np.array([1, 9, 2, 3, 9, 4]), np.zeros(6), 1)
    array([2, 5])
    """

    ends: Collection[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if not self.ends:
            raise InputError("name the tokens that end a sentence (ends), as the model's tokenizer numbers them")

    def marks(self, ids: IntArray, surprises: NDArray[np.float64], start: int) -> IntArray:
        """See `Marker`."""
        first = max(start, 1)
        return np.flatnonzero(np.isin(ids[first - 1 : len(ids) - 1], list(self.ends))).astype(np.int64) + first


@dataclass(frozen=True)
class EventCutter:
    """Turns marks into events of `min_size` to `max_size` tokens, each end refined where there is a `refinement`.

    A mark less than `min_size` after the one kept before is dropped; the others are refined from left to right within the
    tokens around them; where no mark comes within `max_size`, the event is cut there. The number of tokens after a mark that
    refinement looks at is half of its event at most (`reach`).

    Raises `InputError` for sizes out of order.

    >>> EventCutter(min_size=2, max_size=5).cut(0, 0, np.array([3, 4, 12]), ready=14)
    ([3, 8, 12], 12)
    """

    min_size: int = 8
    max_size: int = 128
    refinement: BoundaryRefinement | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.min_size <= self.max_size:
            raise InputError(
                f"the least size of an event must lie between 1 and the largest ({self.max_size}), not {self.min_size!r}"
            )

    @property
    def reach(self) -> int:
        """How many tokens from a mark on must be known before it is refined."""
        return self.max_size // 2

    def cut(
        self, start: int, last: int, marks: IntArray, ready: int, similarity: Similarity | None = None, first: int = 0
    ) -> tuple[list[int], int]:
        """The ends of the events that can be closed now, and the newest mark that was kept.

        `start`: where the open event begins; `last`: the newest mark kept before (at the beginning, `start`); `marks`: all
        positions after `last`, rising; `ready`: up to where events may be closed, with all marks before it, and tokens as far
        as `reach` behind it, known; `similarity` and `first`, the first position it knows, where there is a refinement.
        """
        ends: list[int] = []
        while True:
            place = int(np.searchsorted(marks, max(last + self.min_size, start + 1)))
            mark = int(marks[place]) if place < len(marks) else None
            if mark is not None and mark <= start + self.max_size:
                if mark > ready:
                    break
                end, last = self._refined(start, mark, similarity, first), mark
            elif start + self.max_size <= ready:
                end = last = start + self.max_size
            else:
                break
            ends.append(end)
            start = end
        return ends, last

    def _refined(self, start: int, mark: int, similarity: Similarity | None, first: int) -> int:
        if self.refinement is None or similarity is None or mark - start <= self.min_size:
            return mark
        half = (mark - start) // 2
        low = max(first, start - half)
        sums = similarity_sums(similarity(low, mark + half))
        return low + self.refinement.move(sums, start - low, mark - low)
