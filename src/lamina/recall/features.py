"""Features of candidates: one column each, computed from the signals of a cue.

Neighbours, speakers and sessions are features of a candidate, not rankings to be fused later. Lexical features are shares
of what a perfect match would gather, dense ones are standard deviations above the mean of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.recall.signals import TRACE, Signals
from lamina.text import FIRST_PERSON, NUMBERS, QUESTION, TIME_WORDS

Column = NDArray[np.float32]


class Scene:
    """Candidates seen through the signals of a cue; what several features share is computed once."""

    def __init__(self, signals: Signals, slots: NDArray[np.int64]) -> None:
        self.signals = signals
        self.slots = slots  # (candidates,)

    def __len__(self) -> int:
        return len(self.slots)

    @cached_property
    def before(self) -> NDArray[np.int64]:
        """Slots of the traces before."""
        return self.signals.before(self.slots)

    @cached_property
    def after(self) -> NDArray[np.int64]:
        """Slots of the traces after."""
        return self.signals.after(self.slots)

    @cached_property
    def after2(self) -> NDArray[np.int64]:
        """Slots two traces on."""
        return self.signals.after(self.slots, 2)

    def bm25(self, slots: NDArray[np.int64]) -> Column:
        """BM25 as a share of the cue's whole weight."""
        return self.signals.at(self.signals.bm25, slots) / np.float32(self.signals.weight)

    def dense(self, slots: NDArray[np.int64]) -> Column:
        """Dense score in standard deviations above the mean of the scope; 0 for a slot that is nowhere."""
        mean, spread = self.signals.dense_spread
        return (self.signals.dense_at(slots, missing=mean) - np.float32(mean)) / np.float32(spread)

    def coverage(self, *neighbours: NDArray[np.int64]) -> Column:
        """Share of the cue's weight found in a candidate or in these neighbours."""
        table = self.signals.matched
        found = table[:, self.slots]
        for slots in neighbours:
            found = found | table[:, slots]
        return self.signals.gathered(found)

    @cached_property
    def own_coverage(self) -> Column:
        """Share of the cue's weight in the candidate itself."""
        return self.coverage()

    @cached_property
    def three(self) -> Column:
        """Share of the cue's weight in the candidate and the traces beside it."""
        return self.coverage(self.before, self.after)

    @cached_property
    def by_named(self) -> NDArray[np.bool_]:
        """Whether the one speaker whom the cue names said it."""
        named = self.signals.named_speakers
        if len(named) != 1:
            return np.zeros(len(self), np.bool_)
        return np.asarray(self.signals.view.speaker[self.slots] == named[0])

    def flagged(self, slots: NDArray[np.int64], flag: int) -> NDArray[np.bool_]:
        """Which slots have a text flag."""
        out = np.zeros(len(slots), np.bool_)
        inside = slots < len(self.signals)
        out[inside] = (self.signals.view.flags[slots[inside]] & flag) != 0
        return out

    @cached_property
    def session(self) -> NDArray[np.int32]:
        """Session codes."""
        return self.signals.view.session[self.slots]


class Feature(Protocol):
    """One property of candidates: `name`, what it means in `words`, and its column, shape (candidates,)."""

    @property
    def name(self) -> str:
        """What weights and reasons call it."""
        ...

    @property
    def words(self) -> str:
        """What it means, for people."""
        ...

    def column(self, scene: Scene) -> Column:
        """The feature of every candidate."""
        ...


@dataclass(frozen=True)
class Computed:
    """A feature that is a plain function of the scene."""

    name: str
    words: str
    compute: Callable[[Scene], NDArray[np.float32] | NDArray[np.bool_]]

    def column(self, scene: Scene) -> Column:
        """The feature of every candidate."""
        return np.asarray(self.compute(scene), np.float32)


def _session_coverage(scene: Scene) -> Column:
    signals = scene.signals
    return signals.gathered(signals.session_matched[:, scene.session])


def _session_dense(scene: Scene) -> Column:
    mean, spread = scene.signals.dense_spread
    return np.asarray((scene.signals.session_dense(scene.session) - mean) / spread, np.float32)


def _session_share(scene: Scene) -> Column:
    signals = scene.signals
    matching = np.flatnonzero(signals.bm25)
    matching = matching[signals.traces[matching]]
    sums = np.bincount(signals.view.session[matching], signals.bm25[matching])
    best = max(float(sums.max()), 1e-6) if len(sums) else 1.0
    return np.asarray(np.append(sums, np.zeros(1))[np.minimum(scene.session, len(sums))] / best, np.float32)


def _in_named_time(scene: Scene) -> NDArray[np.bool_]:
    at = scene.signals.view.at[scene.slots]
    inside = np.zeros(len(scene), np.bool_)
    for stretch in scene.signals.cue.ranges:
        inside |= (at >= stretch.start) & (at < stretch.end)
    return inside


def _answers(scene: Scene) -> Column:
    return scene.flagged(scene.before, QUESTION) * scene.bm25(scene.before)


FEATURES: Sequence[Feature] = (
    Computed("bm25", "rare words of the cue in it", lambda s: s.bm25(s.slots)),
    Computed("coverage", "share of the cue's words in it", lambda s: s.own_coverage),
    Computed("coverage_squared", "nearly all of the cue's words in it", lambda s: s.own_coverage**2),
    Computed("dense", "its meaning is close to the cue", lambda s: s.dense(s.slots)),
    Computed("bm25_before", "words of the cue just before it", lambda s: s.bm25(s.before)),
    Computed("bm25_after", "words of the cue just after it", lambda s: s.bm25(s.after)),
    Computed("bm25_after_two", "words of the cue two messages later", lambda s: s.bm25(s.after2)),
    Computed("dense_before", "what came before is close in meaning", lambda s: s.dense(s.before)),
    Computed("dense_after", "what came after is close in meaning", lambda s: s.dense(s.after)),
    Computed("window3", "share of the cue's words in it and beside it", lambda s: s.three),
    Computed("window3_squared", "nearly all of the cue's words in it and beside it", lambda s: s.three**2),
    Computed(
        "window5",
        "share of the cue's words within two messages",
        lambda s: s.coverage(s.before, s.after, s.signals.before(s.slots, 2), s.after2),
    ),
    Computed("session_coverage", "share of the cue's words in its session", _session_coverage),
    Computed("session_dense", "its session is close in meaning", _session_dense),
    Computed("session_share", "its session has most of the matches", _session_share),
    Computed("named_speaker", "said by the person the cue names", lambda s: s.by_named),
    Computed("named_dense", "said by that person, and close in meaning", lambda s: s.by_named * s.dense(s.slots)),
    Computed("answers", "it answers a question that matches", _answers),
    Computed("after_question", "it follows a question", lambda s: s.flagged(s.before, QUESTION)),
    Computed("is_question", "it is a question itself", lambda s: s.flagged(s.slots, QUESTION)),
    Computed("length", "how much it says", lambda s: np.log1p(s.signals.view.lexical.lengths[s.slots]).astype(np.float32)),
    Computed("first_person", "the speaker tells of himself", lambda s: s.flagged(s.slots, FIRST_PERSON)),
    Computed("tells_when", "asked when, it names a time", lambda s: s.signals.cue.asks_when * s.flagged(s.slots, TIME_WORDS)),
    Computed(
        "tells_count", "asked how many, it names a number", lambda s: s.signals.cue.asks_count * s.flagged(s.slots, NUMBERS)
    ),
    Computed("in_named_time", "it lies in the time the cue names", _in_named_time),
    Computed("derived", "it is derived, not observed", lambda s: s.signals.view.kind[s.slots] != TRACE),
)


def feature_matrix(scene: Scene, features: Sequence[Feature] = FEATURES) -> NDArray[np.float32]:
    """All features of all candidates, shape (candidates, features)."""
    if not len(scene):
        return np.zeros((0, len(features)), np.float32)
    return np.stack([feature.column(scene) for feature in features], axis=1)
