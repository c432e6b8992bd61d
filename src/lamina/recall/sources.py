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
from lamina.traits import NUMBERS, QUESTION, TIME_WORDS

Slots = NDArray[np.int64]


class CandidateSource(Protocol):
    """Proposes up to about k slots for a cue."""

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots, in any order."""
        ...


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
class Context:
    """The best by a first, cheap form of the ranking: what stands around an item counts, not its own words alone.

    In a large scope thousands of items share as many words with a cue as the one that answers it; that those around it do
    too tells it apart, and only a source that sees this proposes it.

    Parameters: `share`, how many of k are proposed; `likes`, words like one of the cue that are looked up for it; the weights
    (near the fitted ones) of the share of the cue's words, or of words like them, in the item (`own`), within two items of
    it (`around`), of those words in its session (`session`), of its dense score in standard deviations (`dense`), of the
    logarithm of its length (`length`), of an answer to a question that matches (`answer`), of the one speaker the cue names
    (`speaker`), of telling what is asked, when or how many (`tells`), and of lying in the time the cue names (`time`).
    """

    share: float = 2.0
    likes: int = 3
    own: float = 1.8
    around: float = 2.6
    session: float = 0.6
    dense: float = 0.35
    length: float = 0.65
    answer: float = 2.5
    speaker: float = 1.2
    tells: float = 0.9
    time: float = 1.9

    def candidates(self, signals: Signals, k: int) -> Slots:
        """Slots with the best context, best first."""
        view, cue = signals.view, signals.cue
        score = self._words(signals) + self._meaning(signals, k)
        score += np.float32(self.length) * np.log1p(view.lexical.lengths.astype(np.float32))
        if len(signals.named_speakers) == 1:
            score[view.speaker == signals.named_speakers[0]] += np.float32(self.speaker)
        for asked, flag in ((cue.asks_when, TIME_WORDS), (cue.asks_count, NUMBERS)):
            if asked:
                score[(view.flags & np.uint32(flag)) != 0] += np.float32(self.tells)
        if cue.ranges:
            score[_inside(signals)] += np.float32(self.time)
        score[~signals.allowed] = -np.inf
        best = top(score, int(self.share * k))
        return best[signals.allowed[best]]

    def _words(self, signals: Signals) -> NDArray[np.float32]:
        """What the cue's words in, around and in the session of each slot are worth, shape (slots,)."""
        size, view = len(signals), signals.view
        before = np.append(view.before, np.int32(-1))  # the last place stands for "no neighbour", and is its own neighbour
        after = np.append(view.after, np.int32(-1))
        score = np.zeros(size + 1, np.float32)
        turns = np.float32(signals.conversation)  # what stands beside a note or a document says nothing about it
        for words, idf in zip(signals.alike(self.likes), signals.idf / np.float32(signals.weight), strict=True):
            own, around = np.zeros(size + 1, np.float32), np.zeros(size + 1, np.float32)
            for slots, share in words:  # the best come last, and stay
                own[slots] = share
                earlier, later = before[slots], after[slots]
                for places in (slots, earlier, later, before[earlier], after[later]):
                    around[places] = np.maximum(around[places], share)
            score += own * (np.float32(self.own) * idf) + around * (turns * np.float32(self.around) * idf)
        sessions = signals.gathered(signals.session_matched) * (turns * np.float32(self.session))
        questions = np.append((view.flags & np.uint32(QUESTION)) != 0, False)[before[:-1]]
        asked = np.append(signals.bm25, np.float32(0))[before[:-1]] * (turns * np.float32(self.answer / signals.weight))
        return np.asarray(score[:size] + sessions[view.session] + questions * asked, np.float32)

    def _meaning(self, signals: Signals, k: int) -> NDArray[np.float32]:
        """What the dense scores are worth, shape (slots,); where a graph spares scoring all, those of the best k."""
        mean, spread = (np.float32(value) for value in signals.dense_spread)
        if not signals.view.flat.approximate:
            return np.asarray((signals.dense - mean) * np.float32(self.dense / spread), np.float32)
        worth = np.zeros(len(signals), np.float32)
        best = signals.dense_best(k)
        worth[best] = (signals.dense_at(best) - mean) * np.float32(self.dense / spread)
        return worth


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
        slots = np.flatnonzero(_inside(signals) & signals.allowed)
        if not len(slots):
            return slots
        score = signals.bm25[slots] / np.float32(signals.weight) + signals.dense_at(slots)
        return slots[top(score.astype(np.float32), k)]


def _inside(signals: Signals) -> NDArray[np.bool_]:
    """Which slots lie in a stretch of time the cue names, shape (slots,)."""
    inside = np.zeros(len(signals), np.bool_)
    for stretch in signals.cue.ranges:
        inside |= (signals.view.at >= stretch.start) & (signals.view.at < stretch.end)
    return inside


def union(sources: Sequence[CandidateSource], signals: Signals, k: int) -> Slots:
    """The candidates of all sources, each once, in the order of their slots."""
    found = [source.candidates(signals, k) for source in sources]
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
