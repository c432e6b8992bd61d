"""Times that hang on an event somebody must look up: two weeks before her birthday, the summer after we moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.errors import InputError
from lamina.expressions.finding import TimeRange, may_name_a_time
from lamina.expressions.lexicon import Relation

if TYPE_CHECKING:  # the grammar is loaded when it is used
    from lamina.expressions.events import Head
    from lamina.expressions.tokens import Said


@dataclass(frozen=True, slots=True)
class Anchor:
    """A time told by way of an event.

    `event`: the words for it, to be looked up ("her birthday", "we moved"); `relation`: "before", "after", "of" (the week of
    the move) or "since"; `amount` and `most`: how many units at the least and at the most ("a few": 2 and 5); `unit`: "day",
    "week", "fortnight", "month", "quarter", "year", "weekend", a day of the week, a season, or "" for "since"; `words`: all
    the words that were read.
    """

    event: str
    relation: Relation
    amount: int
    most: int
    unit: str
    words: str

    def resolve(self, event: TimeRange, now: int | None = None, offset: int = 0) -> TimeRange:
        """The stretch that is meant, once it is known when the event was.

        `now` (UTC microseconds): the day up to and including which "since" runs; without it, to the end of the calendar. Days
        are those of the zone `offset` minutes east of UTC. Weeks, months and years are those of the calendar, counted from
        the event as "two weeks ago" counts from today. Raises `InputError` where the result lies outside the calendar.

        >>> from lamina.times import isoformat, parse_moment
        >>> party = parse_moment("2024-05-15")
        >>> (anchor,) = find_anchors("What did we do two weeks before her birthday?")
        >>> found = anchor.resolve(TimeRange(party.at, party.end))
        >>> isoformat(found.start)[:10], isoformat(found.end)[:10]
        ('2024-04-29', '2024-05-06')
        """
        from lamina.expressions.events import Head
        from lamina.expressions.periods import FIRST_DAY, LAST_DAY
        from lamina.expressions.tokens import day_of, micros_of

        if event.start >= event.end:
            raise InputError(f"the event {event!r} has no length: give a range whose end lies after its start")
        first, last = day_of(event.start, offset), day_of(event.end - 1, offset)
        if self.relation == "since":
            end = LAST_DAY + 1 if now is None else day_of(now, offset) + 1
            span = (first, end) if first < end else None
        else:
            span = _around((first, last + 1), Head(self.amount, self.most, self.unit, self.relation, 0, 0))
        if span is None or span[0] < FIRST_DAY or span[1] > LAST_DAY + 1:
            raise InputError(f"{self.words!r} has no days when the event lies at {event.start} to {event.end} microseconds")
        return TimeRange(micros_of(span[0], offset), micros_of(span[1], offset), self.words)


def _around(days: tuple[int, int], head: Head) -> tuple[int, int] | None:
    from lamina.expressions.events import days_around

    try:
        return days_around(days, head)
    except (ValueError, OverflowError):
        return None


def find_anchors(text: str) -> list[Anchor]:
    """The times of a text that hang on an event, in order; [] where there is none.

    >>> [(a.amount, a.unit, a.relation, a.event) for a in find_anchors("We left the day after the concert.")]
    [(1, 'day', 'after', 'the concert')]
    >>> [(a.relation, a.event) for a in find_anchors("It smells since the flood.")]
    [('since', 'the flood')]
    """
    if "since" not in text.lower() and not may_name_a_time(text):
        return []
    from lamina.expressions.events import read_head
    from lamina.expressions.tokens import Said

    said = Said(text, 0)
    found: list[Anchor] = []
    place = 0
    while place < said.size:
        head = read_head(said, place)
        if head is None or (head.relation == "since" and not _is_time(said, head)):
            place += 1
            continue
        begin = place - 1 if said.low[place - 1] == "the" and place else place
        words, event = said.words(begin, head.end), said.words(head.start, head.end)
        found.append(Anchor(event, head.relation, head.least, head.most, head.unit, words))
        place = max(place + 1, head.end)
    return found


def _is_time(said: Said, head: Head) -> bool:
    """Whether "since" is about time: since a thing, or since something that was; not "since we have no chairs"."""
    from lamina.expressions.events import event_end
    from lamina.expressions.tense import is_past

    if said.low[head.start] in ("i", "we", "you", "he", "she", "they", "it"):
        return is_past(said, head.start, head.start + 1)
    return event_end(said, head.start, nouns=False) is not None
