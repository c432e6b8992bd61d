"""Times that hang on an event: "two weeks before her birthday" is resolved by a first recall of the birthday."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lamina.errors import InputError
from lamina.expressions import Anchor, TimeRange, find_anchors, told_times
from lamina.records import Hit
from lamina.times import DAY, MINUTE

Search = Callable[[str, int], Sequence[Hit]]
"""Recalls for a text the best so many hits."""


@dataclass(frozen=True)
class Anchoring:
    """Finds the event a time hangs on, and says which days are meant; where the event is not clear, no time is.

    Parameters: `looked_at`, hits that are looked at; `margin`, by how much the best must be ahead of the next that puts the
    event on other days (scores of two hits differ by the logarithm of how much likelier the better one is needed);
    `share`, how much of the event's words (in these or like words) the best must have.
    """

    looked_at: int = 5
    margin: float = 0.5
    share: float = 0.5

    def ranges(self, text: str, names: Sequence[str], search: Search, now: int) -> list[TimeRange]:
        """The stretches of time that the anchors of a cue mean; `names` are the people it names, `now` is UTC microseconds."""
        found = []
        for anchor in find_anchors(text):
            event = self._event(anchor, names, search)
            if event is None:
                continue
            try:
                found.append(anchor.resolve(event, now))
            except InputError:  # it lies outside the calendar
                continue
        return found

    def _event(self, anchor: Anchor, names: Sequence[str], search: Search) -> TimeRange | None:
        """The days of the event, where one hit, or several that agree, say them clearly."""
        hits = search(" ".join((*names, anchor.event)), self.looked_at)
        if not hits or _share(hits[0]) < self.share:
            return None
        event = _days(hits[0])
        other = next((hit for hit in hits[1:] if _days(hit) != event), None)
        return event if other is None or hits[0].score - other.score >= self.margin else None


def _share(hit: Hit) -> float:
    """How much of the cue a hit has in the same or like words."""
    return max((reason.value for reason in hit.reasons if reason.feature == "soft"), default=0.0)


def _days(hit: Hit) -> TimeRange:
    """When what a hit tells of was: the time it speaks of, else the day it was said."""
    item = hit.item
    told = told_times(item.text, item.at, item.offset)
    if told:
        return TimeRange(told[0].start, told[0].end)
    local = item.at + item.offset * MINUTE
    start = item.at - local % DAY
    return TimeRange(start, start + DAY)
