"""Event segmentation of a conversation: cuts where what is said no longer follows from what was said.

Source: EM-LLM (Fountas et al. 2024, Human-like Episodic Memory for Infinite Context LLMs), carried over from tokens to
traces: surprise is one minus the likeness of what comes to the recent context, raised by pauses, greetings and farewells, and
the cuts can be moved by graph modularity. An interpretation: the source measures surprise with a language model's own
predictions.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.boundaries import BoundaryRefinement, SurpriseBoundaries
from lamina.errors import InputError
from lamina.records import Item, Run
from lamina.times import HOUR, MINUTE

Vectors = NDArray[np.float32]

_GREETING = re.compile(
    r"\W*(?:\w+\W+){0,2}?(?:hi|hey|hello|howdy|good (?:morning|afternoon|evening)|long time no (?:see|talk))\b", re.I
)
_FAREWELL = re.compile(
    r"\b(?:bye|goodbye|good ?night|take care|(?:see|talk to|catch) (?:you|ya)|(?:talk|catch up|speak|later) (?:soon|later))\b",
    re.I,
)


class Segmenter(Protocol):
    """Cuts a session into events."""

    @property
    def name(self) -> str:
        """Mechanism and version."""
        ...

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
    """Cuts at surprise, pauses, greetings and changes of topic, and can refine the cuts.

    Parameters:
        context: traces before and after a place whose mean vectors are compared.
        prior: traces that the common direction of a session is held back by: it is taken out of the vectors, since what
            all of a conversation shares hides what changes in it.
        gamma: standard deviations of surprise above the recent mean that open an event.
        window: traces over which recent surprise is judged.
        greeting, farewell: surprise added where a trace opens with an English greeting, and after one that says goodbye.
        pause: minutes after which a pause begins to count; pause_weight: surprise added each time a pause doubles.
        same_speaker: surprise taken off where the same person goes on.
        gap: hours of silence that always end an event.
        least, most: traces in an event (shorter ones are left only beside a gap and at the end of a session).
        block: traces refined at once; bounds the quadratic part.
        refinement: moves the cuts by graph measures; None leaves them where surprise put them. A cut at a greeting or after a
            farewell stays: it is in the right place already, and moving it loses more than moving the others wins.

    >>> said = ["The bread is in."] * 8 + ["Hi! How was the match?"] + ["We lost."] * 7
    >>> traces = [Item(str(n), "trace", text, at=n, recorded_at=n) for n, text in enumerate(said)]
    >>> EventSegmenter(context=2).boundaries(traces, np.repeat(np.eye(2, dtype=np.float32), 8, axis=0), Run())
    [8]
    """

    context: int = 6
    prior: int = 32
    gamma: float = 1.0
    window: int = 48
    greeting: float = 0.5
    farewell: float = 0.3
    pause: float = 10.0
    pause_weight: float = 0.05
    same_speaker: float = 0.02
    gap: float = 6.0
    least: int = 4
    most: int = 32
    block: int = 512
    refinement: BoundaryRefinement | None = field(
        default_factory=lambda: BoundaryRefinement(measure="conductance", min_size=4, keep_original=True)
    )

    def __post_init__(self) -> None:
        if self.least < 1 or 2 * self.least > self.most:
            raise InputError(f"least must be at least 1 and most at least twice least, not {self.least!r} and {self.most!r}")
        if self.context < 1 or self.prior < 0 or self.block < 2 * self.most:
            raise InputError(
                f"context must be at least 1, prior at least 0 and block at least twice most, not {self.context!r}, {self.prior!r}"
                f" and {self.block!r}"
            )

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
        own = self._own(vectors)
        cuts: list[int] = []
        for start, end in zip([0, *hard], [*hard, len(traces)], strict=True):
            cuts += [start] if start else []
            surprise = self._surprise(traces[start:end], own[start:end])
            cuts += [start + cut for cut in self._cut(surprise, traces[start:end], vectors[start:end])]
        return cuts

    def surprise(self, traces: Sequence[Item], vectors: Vectors) -> NDArray[np.float64]:
        """How little each trace follows from the ones before it, shape (traces,); NaN for the first."""
        return self._surprise(traces, self._own(vectors))

    def _own(self, vectors: Vectors) -> NDArray[np.float64]:
        """What sets each trace apart: the vectors without what they share, of length 1 or 0, shape (traces, dim)."""
        shared = vectors.sum(0, dtype=np.float64) / max(len(vectors) + self.prior, 1)
        own = np.where(np.any(vectors, axis=1, keepdims=True), vectors - shared, 0.0)
        norms = np.linalg.norm(own, axis=1, keepdims=True)
        return np.asarray(np.divide(own, norms, out=np.zeros_like(own), where=norms > 0), np.float64)

    def _surprise(self, traces: Sequence[Item], own: NDArray[np.float64]) -> NDArray[np.float64]:
        count = len(traces)
        sums = np.concatenate([np.zeros((1, own.shape[1])), np.cumsum(own, axis=0)])
        places = np.arange(count)
        past = sums[places] - sums[np.maximum(places - self.context, 0)]
        coming = sums[np.minimum(places + self.context, count)] - sums[places]
        norms = np.linalg.norm(past, axis=1) * np.linalg.norm(coming, axis=1)
        likeness = np.divide(np.einsum("td,td->t", past, coming), norms, out=np.zeros(count), where=norms > 1e-9)
        surprise: NDArray[np.float64] = 1 - likeness
        pauses = np.diff([trace.at for trace in traces]) / MINUTE
        surprise[1:] += self.pause_weight * np.log2(np.maximum(pauses / self.pause, 1))
        surprise += self.greeting * _greets(traces)
        surprise[1:] += self.farewell * _parts(traces)[:-1]
        speakers = [trace.speaker or trace.role for trace in traces]
        surprise[1:] -= self.same_speaker * np.array([a == b for a, b in pairwise(speakers)])
        surprise[0] = np.nan
        return surprise

    def _cut(self, surprise: NDArray[np.float64], traces: Sequence[Item], vectors: Vectors) -> list[int]:
        """Cuts between two gaps."""
        count = len(surprise)
        if count < 2 * self.least:
            return []
        peaks = SurpriseBoundaries(self.gamma, window=self.window).boundaries(surprise)
        cuts = self._bounded(self._spaced([int(cut) for cut in peaks], surprise, count), surprise, count)
        if self.refinement is None:
            return cuts
        marked = _greets(traces) & bool(self.greeting) | np.append(False, _parts(traces)[:-1]) & bool(self.farewell)
        return self._bounded(self._refined(cuts, marked, vectors, self.refinement), surprise, count)

    def _spaced(self, cuts: Sequence[int], surprise: NDArray[np.float64], count: int) -> list[int]:
        """Of cuts that are too close, the more surprising one."""
        free = np.zeros(count, np.bool_)
        free[self.least : count - self.least + 1] = True
        kept: list[int] = []
        for cut in sorted(cuts, key=lambda cut: (-surprise[cut], cut)):
            if free[cut]:
                kept.append(cut)
                free[max(cut - self.least + 1, 0) : cut + self.least] = False
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

    def _refined(
        self, cuts: Sequence[int], marked: NDArray[np.bool_], vectors: Vectors, refinement: BoundaryRefinement
    ) -> list[int]:
        """Moved cuts, stretch by stretch. A stretch ends at a cut that stays: a marked one, or the last within a block."""
        refinement = replace(refinement, min_size=max(refinement.min_size, self.least))
        out: list[int] = []
        start, inner = 0, list[int]()
        for end, after in zip([*cuts, len(vectors)], [*cuts[1:], len(vectors), len(vectors)], strict=False):
            if end < len(vectors) and not marked[end] and after - start <= self.block:
                inner.append(end)
                continue
            if inner:
                smooth = _smoothed(vectors[start:end])
                out += [start + int(cut) for cut in refinement.refine(smooth @ smooth.T, [cut - start for cut in inner])]
            out += [end] if end < len(vectors) else []
            start, inner = end, []
        return out


def _greets(traces: Sequence[Item]) -> NDArray[np.bool_]:
    """Which traces open with a greeting, shape (traces,)."""
    return np.array([_GREETING.match(trace.text[:80]) is not None for trace in traces], np.bool_)


def _parts(traces: Sequence[Item]) -> NDArray[np.bool_]:
    """Which traces say goodbye, shape (traces,)."""
    return np.array([_FAREWELL.search(trace.text) is not None for trace in traces], np.bool_)


def _smoothed(vectors: Vectors) -> NDArray[np.float64]:
    """Each vector with its neighbours, of length 1, the mean direction taken out: single turns are noisy."""
    padded = np.concatenate([vectors[:1], vectors, vectors[-1:]]).astype(np.float64)
    mixed = 0.5 * padded[1:-1] + 0.25 * (padded[:-2] + padded[2:])
    mixed -= mixed.mean(0)
    norms = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(np.divide(mixed, norms, out=np.zeros_like(mixed), where=norms > 0), np.float64)
