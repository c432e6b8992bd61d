"""Times that hang on an event, as they are said (the week before her birthday), and the days they mean once the event is known."""

from __future__ import annotations

from typing import Final, NamedTuple

from lamina.expressions.lexicon import DAY_PARTS, FOLLOWERS, POSSESSIVES, SEASONS, UNITS, WEEKDAYS, Relation
from lamina.expressions.numerals import read_count
from lamina.expressions.periods import UNITS as PERIODS
from lamina.expressions.periods import WEEKEND, Period, Span, annual, turn_of, weekday
from lamina.expressions.tokens import Said

_LONGEST: Final = 10  # tokens of an event
_SUBJECTS: Final = frozenset("i we you he she they it".split())
_DETERMINERS: Final = POSSESSIVES | frozenset("the a an that this".split())
_PREPOSITIONS: Final = frozenset("of to in at with for from on by into and".split())
_STOPS: Final = frozenset(
    """was were did had is are has have will would can could may might but so because when while where who which that if and or half
    all some both everyone everybody nobody somebody someone last next this before after until since then than i we you he she they
    it what how why am do does shall should""".split()
)
_NO_EVENTS: Final = (
    FOLLOWERS
    | frozenset(UNITS)
    | frozenset(WEEKDAYS)
    | frozenset(
        """lunch dinner breakfast supper noon midnight bed bedtime work school dark dawn dusk sunrise sunset sunday then long now
        ward wards hours minutes reckoning rest""".split()
    )
)
_FULL: Final = {name[:3]: name for name in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")}


class Head(NamedTuple):
    """How a time hangs on an event: how many units (at the least and at the most), which, and where the event is told.

    `unit`: "day", "week", "month", "year", "weekend", a day of the week, a season, or "" for "since".
    """

    least: int
    most: int
    unit: str
    relation: Relation
    start: int
    end: int


def read_head(said: Said, place: int, event: int | None = None) -> Head | None:
    """The time that hangs on an event, at the token it begins with; None where there is none.

    `event`: the token from which a day of the calendar is told, where that is known already.

    >>> said = Said("two weeks before her birthday, the summer after we moved", 0)
    >>> head = read_head(said, 0)
    >>> head.least, head.unit, head.relation, said.words(head.start, head.end)
    (2, 'week', 'before', 'her birthday')
    """
    low = said.low
    if low[place] == "since":
        end = event_end(said, place + 1)
        return None if end is None else Head(0, 0, "", "since", place + 1, end)
    count = read_count(said, place)
    least, most, step = (1, 1, place) if count is None else count
    unit = _unit(low[step], count is not None)
    if unit is None:
        return None
    link = step + 1
    if count is not None and low[place - 1] in ("every", "than", "to", "or", "-", "least", "most", "over"):
        return None
    if low[link] in ("before", "after"):
        if count is None and event is None and not (low[place - 1] == "the" or (place == 0 and low[step] in PERIODS)):
            return None  # "weeks after the move"; "on Friday after the match" is a Friday
        end = event_end(said, link + 1) if event is None else event
        relation: Relation = "before" if low[link] == "before" else "after"
        return None if end is None else Head(least, most, unit, relation, link + 1, end)
    if count is not None or low[place - 1] != "the":
        return None
    if low[link] == "of":
        end = event_end(said, link + 1, nouns=False)
        return None if end is None else Head(1, 1, unit, "of", link + 1, end)
    link += low[link] in ("that", "when")
    clause = low[link] in _SUBJECTS or low[link] in _DETERMINERS or (said.capital(link) and said.capital(link - 1) is False)
    end = event_end(said, link, nouns=False) if clause else None
    return Head(1, 1, unit, "of", link, end) if end is not None and end - link > 1 else None


def _unit(word: str, counted: bool) -> str | None:
    if word in UNITS:
        unit = UNITS[word]
        return None if unit == "fortnight" and not counted else unit
    if word in DAY_PARTS:
        return "day"
    if word in WEEKDAYS and len(word) > 5:
        return _FULL[word[:3]]
    if word in SEASONS:
        return "autumn" if word == "fall" else word
    return None


def event_end(said: Said, start: int, nouns: bool = True) -> int | None:
    """The token behind an event told from `start` on; None where no event is told.

    An event is a clause ("we moved to Porto"), a thing with an article or a name ("the concert in Rome", "Ana's birthday"),
    or, with `nouns`, a single noun ("graduation").
    """
    low = said.low
    first = low[start]
    if first in _SUBJECTS:
        end = _clause_end(said, start)
        return end if end - start >= 2 else None
    if first in _DETERMINERS or said.capital(start):
        end = _thing_end(said, start)
        lone = end - start == 1
        if lone and (first in _DETERMINERS or first in _NO_EVENTS):
            return None
        return None if low[end - 1] in UNITS and end - start <= 2 else end
    if nouns and first.isalpha() and len(first) > 3 and first not in _NO_EVENTS:
        behind = low[start + 1]
        return start + 1 if not behind.isalnum() or behind in _SUBJECTS or behind in _STOPS else None
    return None


def _clause_end(said: Said, start: int) -> int:
    low = said.low
    end = start + 1
    while end < start + _LONGEST and low[end] and (low[end][0].isalnum() or low[end][0] == "'"):
        if low[end] in _SUBJECTS or low[end] in ("and", "but", "so", "because", "when", "while", "what", "who", "where"):
            break
        end += 1
    return end


def _thing_end(said: Said, start: int) -> int:
    low = said.low
    end = start + 1
    while end < start + _LONGEST and low[end]:
        word = low[end]
        if not (word[0].isalnum() or word in ("'s", "'", "-")) or word in _STOPS:
            break
        if word in _DETERMINERS and low[end - 1] not in _PREPOSITIONS:
            break
        end += 1
    while end > start + 1 and (low[end - 1] in _PREPOSITIONS or low[end - 1] in ("'", "-", "the")):
        end -= 1
    return end


def days_around(event: Span, head: Head) -> Span | None:
    """The days that a time hanging on an event means; the event's own days are known. None where the calendar has none.

    A count of weeks, months or years leads to that unit of the calendar, as "two weeks ago" does.

    >>> head = Head(2, 2, "week", "before", 0, 0)
    >>> days_around((22, 23), head)
    (8, 15)
    """
    first, last = event[0], event[1] - 1
    if head.relation == "since":
        return None
    unit, least, most = head.unit, head.least, head.most
    if unit == "fortnight":
        unit, least, most = "week", 2 * least, 2 * most
    if unit in PERIODS:
        period = PERIODS[unit]
        if head.relation == "of":
            spans = period.span(turn_of(period.cycle, first)), period.span(turn_of(period.cycle, last))
        elif head.relation == "before":
            turn = turn_of(period.cycle, first)
            spans = period.span(turn - most), period.span(turn - least)
        else:
            turn = turn_of(period.cycle, last)
            spans = period.span(turn + least), period.span(turn + most)
        return None if spans[0] is None or spans[1] is None else (spans[0][0], spans[1][1])
    if least != most:
        return None
    return _named(_period(unit), first, last, head.relation, least)


def _period(unit: str) -> Period:
    if unit == "weekend":
        return WEEKEND
    if unit in WEEKDAYS:
        return weekday(WEEKDAYS[unit])
    return annual(SEASONS[unit], 3, "season")


def _named(period: Period, first: int, last: int, relation: Relation, count: int) -> Span | None:
    """The weekend, the day of the week or the season that lies before, after or about an event."""
    turn = turn_of(period.cycle, first if relation != "after" else last)
    if relation == "of":
        for step in (0, -1, 1):
            span = period.span(turn + step)
            if span is not None and span[0] <= last and first < span[1]:
                return span
        return period.span(turn)
    steps = range(turn + 1, turn - 3, -1) if relation == "before" else range(turn - 1, turn + 3)
    for step in steps:
        span = period.span(step)
        if span is not None and (span[1] <= first if relation == "before" else span[0] > last):
            return period.span(step - count + 1 if relation == "before" else step + count - 1)
    return None
