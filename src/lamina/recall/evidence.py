"""Evidence for a hit: which of the cue's words stand where, beside what, in which session, at what time.

A feature's evidence is what the feature looks at: it is computed once more for the one item, by way of a scene that writes down
what was read. So a new feature brings its evidence with it, and there is no second list of features to keep in step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from lamina.expressions import TimeRange, told_times
from lamina.models.word_table import word_table
from lamina.recall.features import Column, Feature, Scene
from lamina.recall.likeness import Likeness
from lamina.recall.links import links_of
from lamina.recall.recaller import Survey
from lamina.recall.signals import Signals
from lamina.records import Item
from lamina.storage.protocol import Store
from lamina.terms import hash_of, spoken_terms
from lamina.text import index_text
from lamina.times import isoformat

SHOWN: Final = 120  # characters of another item's text that are quoted


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that bears out features.

    `what` names it ("words", "before", "session", …); `text` says it, `brief` in a few signs; `ids` are the items it is about.
    """

    what: str
    text: str
    ids: tuple[str, ...] = ()
    brief: str = ""


@dataclass(frozen=True)
class Evidence:
    """All facts about one hit by what they are, and for each feature (by name) which of them it looks at."""

    facts: Mapping[str, Fact]
    looks: Mapping[str, tuple[str, ...]]

    def of(self, feature: str) -> list[Fact]:
        """The facts a feature looks at, where there are any."""
        return [self.facts[what] for what in self.looks.get(feature, ()) if what in self.facts]


# What a feature reads (see `_Watched`), and which fact that is.
LOOKS: Final[Mapping[str, frozenset[str]]] = {
    "time": frozenset({"cue.ranges"}),
    "told time": frozenset({"view.items"}),
    "session": frozenset({"session", "session_matched", "session_dense"}),
    "place": frozenset({"view.position"}),
    "speaker": frozenset({"by_named", "named_speakers", "view.speaker"}),
    "before": frozenset({"before 1"}),
    "two before": frozenset({"before 2"}),
    "after": frozenset({"after 1"}),
    "two after": frozenset({"after 2"}),
    "words": frozenset({"own bm25", "matched", "cue.terms", "own likeness"}),
    "likeness": frozenset({"own likeness"}),
}


def gather(store: Store, survey: Survey, item: Item, features: Sequence[Feature]) -> Evidence:
    """The evidence for one candidate of a survey; the view must still be held.

    Items beside it are read from `store`.
    """
    found = _Finder(store, survey.signals, item)
    looks = {feature.name: looks_of(feature, survey.signals, found.slot) for feature in features}
    facts = found.facts()
    links = links_of(survey, item)
    if links:
        said = [
            f"{name} (as the {'cue' if other is None else 'item “' + quoted(other.text, 40) + '”'} does)" for name, other in links
        ]
        facts["links"] = Fact(
            "links", f"it names {listed(said)}", (item.id, *(other.id for _, other in links if other is not None))
        )
        looks["walk"] = ("links",)  # filled in after the other features, from more than one item
    return Evidence(facts, looks)


def looks_of(feature: Feature, signals: Signals, slot: int) -> tuple[str, ...]:
    """What a feature looks at when it is computed for one slot: keys of `LOOKS`."""
    seen: set[str] = set()
    feature.column(_WatchedScene(Scene(signals, np.array([slot], np.int64)), seen))
    return tuple(what for what, names in LOOKS.items() if names & seen)


class _Watched:
    """Something whose parts are read by way of it, each noted by name: the view's and the cue's as "view.…" and "cue.…", steps
    to a neighbour as "before 1", "after 2"."""

    def __init__(self, watched: object, seen: set[str], prefix: str) -> None:
        self._watched, self._seen, self._prefix = watched, seen, prefix

    def __getattr__(self, name: str) -> Any:  # whatever the watched one has
        value = getattr(self._watched, name)
        if name in ("before", "after") and callable(value):
            return self._stepping(name, value)
        self._seen.add(self._prefix + name)
        return _Watched(value, self._seen, f"{name}.") if name in ("view", "cue") else value

    def _stepping(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def watched(slots: Any, steps: int = 1) -> Any:
            self._seen.add(f"{name} {steps}")
            return step(slots, steps)

        return watched

    def __len__(self) -> int:
        return len(cast("Signals", self._watched))


class _WatchedScene(Scene):
    """A scene of one candidate that notes what is read of it, and whether that is its own or a neighbour's."""

    def __init__(self, plain: Scene, seen: set[str]) -> None:
        super().__init__(cast("Signals", _Watched(plain.signals, seen, "")), plain.slots)
        self._plain, self._slot, self._seen = plain, int(plain.slots[0]), seen

    def __getattribute__(self, name: str) -> Any:  # whatever a scene has
        if not name.startswith("_"):
            seen = object.__getattribute__(self, "__dict__").get("_seen")
            if seen is not None:
                seen.add(name)
        return super().__getattribute__(name)

    def bm25(self, slots: NDArray[np.int64]) -> Column:
        """See `Scene`."""
        self._note_own("own bm25", slots)
        return super().bm25(slots)

    @property
    def likeness(self) -> Likeness:  # what it reads to be made is not what a feature reads
        """See `Scene`."""
        return cast("Likeness", _WatchedLikeness(self._plain.likeness, self._note_own))

    def _note_own(self, name: str, slots: NDArray[np.int64]) -> None:
        if self._slot in slots.tolist():
            self._seen.add(name)


class _WatchedLikeness:
    """A likeness that notes whose other words are read."""

    def __init__(self, plain: Likeness, note: Callable[[str, NDArray[np.int64]], None]) -> None:
        self._plain, self._note = plain, note

    def coverage(self, *beside: NDArray[np.int64]) -> Column:
        """See `Likeness`."""
        for slots in beside:
            self._note("own likeness", slots)
        return self._plain.coverage(*beside)

    def __getattr__(self, name: str) -> Any:  # whatever a likeness has
        return getattr(self._plain, name)


class _Finder:
    """Finds the facts about one item."""

    def __init__(self, store: Store, signals: Signals, item: Item) -> None:
        self._store, self._signals, self._item = store, signals, item
        self.slot = int(signals.view.slots_of([item.key])[0])
        self._labels = signals.cue.spoken

    def facts(self) -> dict[str, Fact]:
        """All facts there are."""
        finders: dict[str, Callable[[], Fact | None]] = {
            "time": self._time,
            "told time": self._told_time,
            "session": self._session,
            "speaker": self._speaker,
            "before": lambda: self._beside("before", self._signals.before, 1, "just before it"),
            "two before": lambda: self._beside("two before", self._signals.before, 2, "two messages before it"),
            "after": lambda: self._beside("after", self._signals.after, 1, "just after it"),
            "two after": lambda: self._beside("two after", self._signals.after, 2, "two messages after it"),
            "words": self._words,
            "likeness": self._likeness,
            "place": self._place,
        }
        found = {what: find() for what, find in finders.items()}
        return {what: fact for what, fact in found.items() if fact is not None}

    def _words(self) -> Fact | None:
        if not self._labels:
            return None
        has = self._signals.matched[:, self.slot]
        return Fact("words", f"it {self._has(has)}", (self._item.id,), self._brief(has))

    def _likeness(self) -> Fact | None:
        """Which words of the cue it has not, but others like them: as the feature of likeness compares them."""
        language = self._signals.view.language
        own = list(spoken_terms(index_text(self._item.text, self._item.speaker, self._item.captions), language).values())
        if not len(self._signals.cue.terms) or not own:
            return None
        rows = word_table(language).rows(np.array([hash_of(word, language) for word in own], np.uint32))
        alike = self._signals.likenesses[:, rows]  # (terms, words of the item)
        told = [
            f"{label} as “{own[int(row.argmax())]}” ({float(row.max()):.2f})"
            for label, row, there in zip(self._labels, alike, self._signals.matched[:, self.slot].tolist(), strict=True)
            if not there and row.max() > 0
        ]
        return Fact("likeness", f"it has in other words: {listed(told)}", (self._item.id,)) if told else None

    def _place(self) -> Fact | None:
        if self._item.kind != "trace":
            return None
        return Fact("place", f"it is number {int(self._signals.view.position[self.slot]) + 1} in its session", (self._item.id,))

    def _has(self, has: NDArray[np.bool_]) -> str:
        """Such as "has 2 of the cue's 3 words (ferry and leaves; not seven)"."""
        there = [label for label, one in zip(self._labels, has.tolist(), strict=True) if one]
        missing = [label for label, one in zip(self._labels, has.tolist(), strict=True) if not one]
        if len(self._labels) == 1:
            return f"{'has' if there else 'lacks'} the cue's only word ({self._labels[0]})"
        of = f"of the cue's {len(self._labels)} words"
        if not there:
            return f"has none {of} ({listed(missing)})"
        if not missing:
            return f"has all {of} ({listed(there)})"
        return f"has {len(there)} {of} ({listed(there)}; not {listed(missing)})"

    def _brief(self, has: NDArray[np.bool_]) -> str:
        return f"{int(has.sum())} of {len(self._labels)}"

    def _beside(self, what: str, step: Callable[..., NDArray[np.int64]], steps: int, where: str) -> Fact | None:
        slot = int(step(np.array([self.slot], np.int64), steps)[0])
        if slot >= len(self._signals):
            return None
        found = self._store.items.by_key([int(self._signals.view.keys[slot])])
        if not found:
            return None
        (other,) = found.values()
        told = f"{where}{f', by {other.speaker}' if other.speaker else ''}: “{quoted(other.text)}”"
        if self._labels:
            told += f", which {self._has(self._signals.matched[:, slot])}"
        return Fact(what, told, (other.id,))

    def _session(self) -> Fact | None:
        session = self._item.session
        if session is None or not self._labels:
            return None
        code = int(self._signals.view.session[self.slot])
        has = self._signals.session_matched[:, code]
        return Fact("session", f"its session {session} {self._has(has)}", brief=self._brief(has))

    def _speaker(self) -> Fact | None:
        named = [str(self._signals.view.speakers.names[code]) for code in self._signals.named_speakers.tolist()]
        if not named:
            return None
        who = self._item.speaker
        by = f"{who} said it" if who else "nobody is known to have said it"
        return Fact("speaker", f"the cue names {listed(named)}; {by}", brief=listed(named))

    def _time(self) -> Fact | None:
        ranges = self._signals.cue.ranges
        if not ranges:
            return None
        at = self._item.at
        inside = any(one.start <= at < one.end for one in ranges)
        told = listed([_days(one) for one in ranges])
        dated = isoformat(at, self._item.offset)[:10]
        told = f"the cue names the time {told}; it is dated {dated}, {'inside' if inside else 'outside'}"
        return Fact("time", told, brief=dated)

    def _told_time(self) -> Fact | None:
        """The times its text speaks of, where the cue names one."""
        item = self._item
        times = told_times(item.text, item.at, item.offset) if self._signals.cue.ranges else ()
        told = [f"“{one.words}”, {_days(one)}" if one.words else _days(one) for one in times]
        return Fact("told time", f"it speaks of {listed(told)}", (item.id,)) if told else None


def _days(stretch: TimeRange) -> str:
    """The first and the last day of a stretch of time."""
    first, last = isoformat(stretch.start)[:10], isoformat(stretch.end - 1)[:10]
    return first if first == last else f"{first} to {last}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a row, those beyond `most` counted.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b", "c"], most=1)
    ('a', 'a, b and c', 'a and 2 more')
    """
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1] if shown else ""


def quoted(text: str, most: int = SHOWN) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
