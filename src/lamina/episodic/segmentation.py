"""Event segmentation of a conversation: cuts where what is said no longer follows from what was said.

Source: EM-LLM (Fountas et al. 2024, Human-like Episodic Memory for Infinite Context LLMs), carried over from tokens to
traces: surprise is one minus the likeness of what comes to the recent context, raised by pauses, and the cuts are moved
by graph modularity. An interpretation: the source measures surprise with a language model's own predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.boundaries import BoundaryRefinement, SurpriseBoundaries
from lamina.errors import InputError
from lamina.records import Item, Run
from lamina.times import HOUR, MINUTE

Vectors = NDArray[np.float32]


class Segmenter(Protocol):
    """Cuts a session into events."""

    @property
    def name(self) -> str: ...
    def boundaries(self, traces: Sequence[Item], vectors: Vectors, run: Run) -> list[int]:
        """Where events begin, ascending, without 0; `vectors` has shape (traces, dim), rows of length 1 or 0."""
        ...


@dataclass(frozen=True)
class FixedWindows:
    """Every `size` traces: the baseline.

    >>> FixedWindows(size=2).boundaries([None] * 5, np.zeros((5, 1), np.float32), Run())
    [2, 4]
    """

    size: int = 8

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"size must be at least 1 trace, not {self.size!r}")

    @property
    def name(self) -> str:
        """Mechanism and version."""
        return f"fixed-windows/1:{self.size}"

    def boundaries(self, traces: Sequence[Item], vectors: Vectors, run: Run) -> list[int]:
        """Multiples of the window."""
        return list(range(self.size, len(traces), self.size))


@dataclass(frozen=True)
class EventSegmenter:
    """Cuts at surprise, pauses and changes of topic, then refines the cuts.

    Parameters:
        context: traces before and after a place whose mean vectors are compared.
        gamma: standard deviations of surprise above the recent mean that open an event.
        window: traces over which recent surprise is judged.
        pause: minutes after which a pause begins to count; pause_weight: surprise added each time a pause doubles.
        same_speaker: surprise taken off where the same person goes on.
        gap: hours of silence that always end an event.
        least, most: traces in an event (the last one of a session may be shorter).
        block: traces refined at once; bounds the quadratic part.
        refinement: None leaves the cuts where surprise put them.
    """

    context: int = 4
    gamma: float = 0.7
    window: int = 48
    pause: float = 10.0
    pause_weight: float = 0.05
    same_speaker: float = 0.02
    gap: float = 6.0
    least: int = 4
    most: int = 24
    block: int = 512
    refinement: BoundaryRefinement | None = field(default_factory=lambda: BoundaryRefinement(min_size=4, keep_original=True))

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InputError(f"least and most must satisfy 1 <= least <= most, not {self.least!r} and {self.most!r}")
        if self.context < 1 or self.block < 2 * self.most:
            raise InputError(f"context must be at least 1 and block at least twice most, not {self.context!r} and {self.block!r}")

    @property
    def name(self) -> str:
        """Mechanism and version."""
        return "event-segmentation/1"

    def boundaries(self, traces: Sequence[Item], vectors: Vectors, run: Run) -> list[int]:
        """Where events begin; the same traces give the same cuts in whatever order they arrived."""
        if len(traces) != len(vectors):
            raise InputError(f"{len(traces)} traces came with {len(vectors)} vectors")
        if len(traces) < 2:
            return []
        pauses = np.diff([trace.at for trace in traces])  # µs
        hard = [int(place) + 1 for place in np.flatnonzero(pauses > self.gap * HOUR)]
        surprise = self.surprise(traces, vectors)
        cuts: list[int] = []
        for start, end in zip([0, *hard], [*hard, len(traces)], strict=True):
            cuts += [start] if start else []
            for first in range(start, end, self.block):
                last = min(first + self.block, end)
                cuts += [first] if first > start else []
                cuts += [first + cut for cut in self._cut(surprise[first:last], vectors[first:last])]
        return sorted(set(cuts))

    def surprise(self, traces: Sequence[Item], vectors: Vectors) -> NDArray[np.float64]:
        """How little each trace follows from the ones before it, shape (traces,); NaN for the first."""
        count = len(traces)
        sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])
        places = np.arange(count)
        past = sums[places] - sums[np.maximum(places - self.context, 0)]
        coming = sums[np.minimum(places + self.context, count)] - sums[places]
        norms = np.linalg.norm(past, axis=1) * np.linalg.norm(coming, axis=1)
        likeness = np.divide(np.einsum("td,td->t", past, coming), norms, out=np.zeros(count), where=norms > 0)
        surprise: NDArray[np.float64] = 1 - likeness
        pauses = np.diff([trace.at for trace in traces]) / MINUTE
        surprise[1:] += self.pause_weight * np.log2(np.maximum(pauses / self.pause, 1))
        speakers = [trace.speaker or trace.role for trace in traces]
        surprise[1:] -= self.same_speaker * np.array([a == b for a, b in zip(speakers, speakers[1:], strict=False)])
        surprise[0] = np.nan
        return surprise

    def _cut(self, surprise: NDArray[np.float64], vectors: Vectors) -> list[int]:
        """Cuts inside one block."""
        count = len(surprise)
        if count < 2 * self.least:
            return []
        peaks = SurpriseBoundaries(self.gamma, window=self.window).boundaries(surprise)
        cuts = self._spaced([int(cut) for cut in peaks], surprise, count)
        if self.refinement is not None and cuts:
            smooth = _smoothed(vectors)
            cuts = [int(cut) for cut in self.refinement.refine(smooth @ smooth.T, cuts)]
        return self._bounded(cuts, surprise, count)

    def _spaced(self, cuts: Sequence[int], surprise: NDArray[np.float64], count: int) -> list[int]:
        """Of cuts that are too close, the more surprising one."""
        kept: list[int] = []
        for cut in sorted(cuts, key=lambda cut: (-surprise[cut], cut)):
            if cut >= self.least and count - cut >= self.least and all(abs(cut - other) >= self.least for other in kept):
                kept.append(cut)
        return sorted(kept)

    def _bounded(self, cuts: Sequence[int], surprise: NDArray[np.float64], count: int) -> list[int]:
        """Cut what is too long where surprise is largest."""
        out: list[int] = []
        spans = list(zip([0, *cuts], [*cuts, count], strict=True))
        while spans:
            start, end = spans.pop()
            if start:
                out.append(start)
            if end - start > self.most:
                inside = surprise[start + self.least : end - self.least + 1]
                middle = start + self.least + int(np.argmax(inside))
                spans += [(start, middle), (middle, end)]
        return sorted(set(out))


def _smoothed(vectors: Vectors) -> NDArray[np.float64]:
    """Each vector with its neighbours, of length 1, the mean direction taken out: single turns are noisy."""
    padded = np.concatenate([vectors[:1], vectors, vectors[-1:]]).astype(np.float64)
    mixed = 0.5 * padded[1:-1] + 0.25 * (padded[:-2] + padded[2:])
    mixed -= mixed.mean(0)
    norms = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(np.divide(mixed, norms, out=np.zeros_like(mixed), where=norms > 0), np.float64)
