"""Features of candidates: one column each, computed from the signals of a cue.

Neighbours, speakers and sessions are features of a candidate, not rankings to be fused later. Lexical features are shares
of what a perfect match would gather, dense ones are standard deviations above the mean of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.expressions import told_times
from lamina.recall.likeness import BESIDE, Likeness
from lamina.recall.signals import TRACE, Signals
from lamina.traits import FIRST_PERSON, NUMBERS, QUESTION, TIME_WORDS, names_in

Column = NDArray[np.float32]

MOST_READ = 400  # candidates whose text is read for the times it speaks of, where the cue names one
LEAD = 3  # terms that count as an item's beginning
LONGEST = 128  # terms: nothing longer was in what the weights were fitted on, so more of them say no more


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
    def before2(self) -> NDArray[np.int64]:
        """Slots two traces back."""
        return self.signals.before(self.slots, 2)

    @cached_property
    def after2(self) -> NDArray[np.int64]:
        """Slots two traces on."""
        return self.signals.after(self.slots, 2)

    @cached_property
    def likeness(self) -> Likeness:
        """What the candidates and those within two traces of them say in other words."""
        every = np.unique(np.concatenate([self.slots, self.before, self.after, self.before2, self.after2]))
        return Likeness(self.signals, every[every < len(self.signals)])

    @cached_property
    def soft(self) -> Column:
        """Share of the cue's weight in the candidate, in the same or other words."""
        return self.likeness.coverage(self.slots)

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
    def unsaid(self) -> np.float32:
        """The share of the cue's weight that no candidate has in its own words: how far words alone will not do."""
        return np.float32(1 - self.own_coverage.max(initial=0))

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
    def traces(self) -> NDArray[np.bool_]:
        """Whether it is a trace."""
        return np.asarray(self.signals.view.kind[self.slots] == TRACE)

    @cached_property
    def session(self) -> NDArray[np.int32]:
        """Session codes."""
        return self.signals.view.session[self.slots]


class Feature(Protocol):
    """One property of candidates: its `name`, its `group`, what it means in `words`, and its column, shape (candidates,)."""

    @property
    def name(self) -> str:
        """What weights and reasons call it."""
        ...

    @property
    def group(self) -> str:
        """What it belongs to: features of one group stand and fall together."""
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
    group: str
    words: str
    compute: Callable[[Scene], NDArray[np.float32] | NDArray[np.bool_]]

    def column(self, scene: Scene) -> Column:
        """The feature of every candidate."""
        return np.asarray(self.compute(scene), np.float32)


def _lead(scene: Scene) -> Column:
    """Share of the cue's weight among a candidate's first terms: a title, a subject."""
    signals = scene.signals
    terms, starts = signals.view.lexical.gather(scene.slots)
    lengths = np.diff(starts)
    places = starts[:-1, None] + np.minimum(np.arange(LEAD), np.maximum(lengths - 1, 0)[:, None])
    first = terms[np.minimum(places, max(len(terms) - 1, 0))] if len(terms) else np.zeros((len(lengths), LEAD), np.uint32)
    found = (signals.cue.terms[:, None, None] == first).any(2) & (lengths > 0)
    return signals.gathered(found)


def _window(scene: Scene) -> Column:
    """Dense score of the candidate's vector together with those beside it."""
    signals = scene.signals
    total = signals.vectors(scene.slots) + np.float32(BESIDE) * (signals.vectors(scene.before) + signals.vectors(scene.after))
    return signals.likeness_of(total)


def _session_coverage(scene: Scene) -> Column:
    signals = scene.signals
    return signals.gathered(signals.session_matched[:, scene.session])


def _session_best(scene: Scene) -> Column:
    mean, spread = scene.signals.dense_spread
    return np.asarray((scene.signals.session_dense(scene.session) - mean) / spread, np.float32)


def _in_named_time(scene: Scene) -> NDArray[np.bool_]:
    at = scene.signals.view.at[scene.slots]
    inside = np.zeros(len(scene), np.bool_)
    for stretch in scene.signals.cue.ranges:
        inside |= (at >= stretch.start) & (at < stretch.end)
    return inside


def _tells_named_time(scene: Scene) -> Column:
    """How much of a time that a candidate speaks of lies in a time the cue names, at most; 0 where it speaks of none."""
    out = np.zeros(len(scene), np.float32)
    stretches = scene.signals.cue.ranges
    if not stretches:
        return out
    places = np.flatnonzero(scene.flagged(scene.slots, TIME_WORDS))[:MOST_READ]
    for place, item in zip(places.tolist(), scene.signals.view.items(scene.slots[places]), strict=True):
        for told in told_times(item.text, item.at, item.offset) if item is not None else ():
            inside = max(min(told.end, one.end) - max(told.start, one.start) for one in stretches)
            out[place] = max(out[place], inside / (told.end - told.start))
    return out


def _answers(scene: Scene) -> Column:
    return scene.flagged(scene.before, QUESTION) * scene.bm25(scene.before)


def _length(scene: Scene) -> Column:
    return np.log1p(np.minimum(scene.signals.view.lexical.lengths[scene.slots], LONGEST)).astype(np.float32)


def _names(scene: Scene) -> Column:
    return np.log1p(names_in(scene.signals.view.flags[scene.slots]).astype(np.float32))


FEATURES: Sequence[Feature] = (
    Computed("bm25", "words", "rare words of the cue in it", lambda s: s.bm25(s.slots)),
    Computed("coverage", "words", "share of the cue's words in it", lambda s: s.own_coverage),
    Computed("coverage_squared", "words", "nearly all of the cue's words in it", lambda s: s.own_coverage**2),
    Computed("lead", "words", "words of the cue at its beginning", _lead),
    Computed("soft", "likeness", "share of the cue's words in it, in these or like words", lambda s: s.soft),
    Computed(
        "soft_around", "likeness", "share of the cue's words within two messages, in these or like words",
        lambda s: s.likeness.coverage(s.slots, s.before, s.after, s.before2, s.after2),
    ),
    Computed(
        "topic_near", "topic", "it and the messages beside it are about what the cue is about",
        lambda s: s.likeness.topic(s.slots, s.before, s.after),
    ),
    Computed("dense", "meaning", "its meaning is close to the cue", lambda s: s.dense(s.slots)),
    Computed("dense_length", "meaning", "its meaning is close to the cue, and it says much", lambda s: s.dense(s.slots) * _length(s)),
    Computed("dense_near", "meaning", "it and the messages beside it are close in meaning", _window),
    Computed(
        "dense_unsaid", "meaning", "its meaning is close to a cue whose words nothing has", lambda s: s.dense(s.slots) * s.unsaid
    ),
    Computed(
        "window5", "around", "share of the cue's words within two messages",
        lambda s: s.coverage(s.before, s.after, s.before2, s.after2),
    ),
    Computed("dense_before_two", "around", "what came two messages before is close in meaning", lambda s: s.dense(s.before2)),
    Computed("session_coverage", "session", "share of the cue's words in its session", _session_coverage),
    Computed("session_dense", "session", "something in its session is close in meaning", _session_best),
    Computed("first_in_session", "place", "it opens its session", lambda s: s.traces & (s.signals.view.position[s.slots] == 0)),
    Computed("position", "place", "how late in its session it comes", lambda s: np.log1p(s.signals.view.position[s.slots])),
    Computed("named_speaker", "speaker", "said by the person the cue names", lambda s: s.by_named),
    Computed(
        "named_first_person", "speaker", "said by that person of himself or herself",
        lambda s: s.by_named & s.flagged(s.slots, FIRST_PERSON),
    ),
    Computed("named_soft", "speaker", "said by that person, in the cue's or like words", lambda s: s.by_named * s.soft),
    Computed("answers", "exchange", "it answers a question that matches", _answers),
    Computed("after_question", "exchange", "it follows a question", lambda s: s.flagged(s.before, QUESTION)),
    Computed("is_question", "exchange", "it is a question itself", lambda s: s.flagged(s.slots, QUESTION)),
    Computed("length", "form", "how much it says", _length),
    Computed("names", "form", "it names people, places or things", _names),
    Computed(
        "tells_when", "asked", "asked when, it names a time", lambda s: s.signals.cue.asks_when * s.flagged(s.slots, TIME_WORDS)
    ),
    Computed(
        "tells_count", "asked", "asked how many, it names a number",
        lambda s: s.signals.cue.asks_count * s.flagged(s.slots, NUMBERS),
    ),
    Computed("tells_where", "asked", "asked where, it has names", lambda s: np.float32(s.signals.cue.asks_where) * _names(s)),
    Computed("in_named_time", "time", "it lies in the time the cue names", _in_named_time),
    Computed("tells_named_time", "time", "it speaks of the time the cue names", _tells_named_time),
    Computed(
        "walk", "links", "names lead to it from the cue and from what answers it best", lambda s: np.zeros(len(s), np.float32)
    ),  # filled in when the others are weighed: see lamina.recall.walk
    Computed("derived", "kind", "it is derived, not observed", lambda s: ~s.traces),
)  # fmt: skip

WALK: Final = next(place for place, feature in enumerate(FEATURES) if feature.name == "walk")


def feature_matrix(scene: Scene, features: Sequence[Feature] = FEATURES) -> NDArray[np.float32]:
    """All features of all candidates, shape (candidates, features)."""
    if not len(scene):
        return np.zeros((0, len(features)), np.float32)
    return np.stack([feature.column(scene) for feature in features], axis=1)
