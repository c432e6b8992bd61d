"""Where candidates come from: each source proposes slots, the ranker judges their union."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.index.flat import top
from lamina.recall.signals import EPISODE, Signals
from lamina.storage.protocol import Store

Slots = NDArray[np.int64]


class CandidateSource(Protocol):
    """Proposes up to about k slots for a cue."""

    def candidates(self, signals: Signals, k: int) -> Slots: ...


@dataclass(frozen=True)
class Lexical:
    """The best k by BM25."""

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots that share words with the cue, best first."""
        return signals.lexical_best(k)


@dataclass(frozen=True)
class Dense:
    """The best k by inner product."""

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots whose vectors are closest to the cue's, best first."""
        return signals.dense_best(k)


@dataclass(frozen=True)
class Neighbours:
    """What stands beside the best lexical and dense matches: a question and its answer are often apart.

    Parameters: `share` of k from which neighbours are taken.
    """

    share: float = 0.5

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots just before and after good matches."""
        few = max(1, int(k * self.share))
        good = np.concatenate([Lexical().candidates(signals, few), Dense().candidates(signals, few)])
        beside = np.concatenate([signals.before(good), signals.after(good)])
        return beside[beside < len(signals)]


@dataclass(frozen=True)
class Descent:
    """Down from the best episodes to the traces in them.

    Parameters: `store` (knows what an episode contains), `beam` (episodes looked into).
    """

    store: Store
    beam: int = 5

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots of the traces in the episodes that match best."""
        view = signals.view
        episodes = np.flatnonzero((view.kind == EPISODE) & view.live)  # whatever the filter says: it holds for what is in them
        if not len(episodes):
            return episodes
        mean, spread = signals.dense_spread
        score = signals.bm25_beyond(episodes) / np.float32(signals.weight) + (signals.dense_beyond(episodes) - mean) / spread
        best = episodes[top(score.astype(np.float32), min(self.beam, len(episodes)))]
        inside = self.store.edges.out(view.keys[best].tolist(), ["contains"])
        slots = view.slots_of([edge.dst for edge in inside][:k])
        return slots[signals.allowed[slots]]


@dataclass(frozen=True)
class Time:
    """What lies in a stretch of time the cue names, the closest in meaning and words first."""

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots inside the named stretches."""
        inside = np.zeros(len(signals), np.bool_)
        for stretch in signals.cue.ranges:
            inside |= (signals.view.at >= stretch.start) & (signals.view.at < stretch.end)
        inside &= signals.allowed
        slots = np.flatnonzero(inside)
        if not len(slots):
            return slots
        score = signals.bm25[slots] / np.float32(signals.weight) + signals.dense_at(slots)
        return slots[top(score.astype(np.float32), k)]


def union(sources: Sequence[CandidateSource], signals: Signals, k: int) -> Slots:
    """The candidates of all sources, each once, in the order of their slots."""
    found = [source.candidates(signals, k) for source in sources]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
