"""Finding the stretches of time that plain text names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.expressions.grammar import STARTS
from lamina.expressions.holidays import HOLIDAY_STARTS
from lamina.expressions.lexicon import DECADES, MONTHS, RELATIVE, SEASONS, UNITS, WEEKDAYS
from lamina.expressions.periods import FIRST_DAY, LAST_DAY, Period, Span, chosen
from lamina.expressions.stretches import Reading, statement
from lamina.expressions.tense import Prefer, is_being, is_duration, is_habit, is_past, plans, tense_of
from lamina.expressions.tokens import Said, micros_of

_TRIGGERS: Final = (
    frozenset((*MONTHS, *WEEKDAYS, *SEASONS, *RELATIVE, *DECADES, *UNITS)) | HOLIDAY_STARTS | {"ago", "evening", "morning"}
) - {"new", "good", "all", "st", "black", "guy", "palm", "burns", "day"} | {
    "eve",
    "afternoon",
    "day",
    "patrick",
    "friday",
    "fawkes",
}
_NEAR: Final = 40  # tokens within which a year that was named may still be the one that is told of
_DATED: Final = frozenset({"year", "month", "date", "season", "holiday", "decade", "range"})


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open stretch of world time `[start, end)` in UTC microseconds, with the words that named it."""

    start: int
    end: int
    words: str = ""

    def __contains__(self, micros: int) -> bool:
        return self.start <= micros < self.end


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(r"[a-z]+"), re.compile(r"\d{4}|\d(?:st|nd|rd|th|s)\b|['’]\d\d|\bq[1-4]\b")


def may_name_a_time(text: str) -> bool:
    """Whether a text has any word or number that a time expression needs: a quick look before the grammar.

    >>> may_name_a_time("See you on Friday"), may_name_a_time("We have 3 cats")
    (True, False)
    """
    lowered = text.lower()
    word, number = _patterns()
    return not _TRIGGERS.isdisjoint(word.findall(lowered)) or number.search(lowered) is not None


def find_ranges(text: str, now: int, prefer: Prefer = "past", offset: int = 0) -> list[TimeRange]:
    """The stretches of time that `text` names, seen from `now` (UTC microseconds); [] where none is understood.

    Days are those of the zone `offset` minutes east of UTC. What has no year of its own is the latest one that does not lie
    after `now`, or, where the words are about a plan, the first one that does not lie before it. `prefer` says how they are
    taken: "past" (a question: past, unless clearly planned), "told" (something said: the tense decides, the present tells of
    what is to come, and where nothing tells there is no range), "future" (a plan in any case). What may mean something else
    ("the 2 may come", "before March") is left out.

    >>> from lamina.times import isoformat, parse_moment
    >>> now = parse_moment("2023-05-25").at
    >>> [(isoformat(r.start)[:10], isoformat(r.end)[:10]) for r in find_ranges("What happened in March?", now)]
    [('2023-03-01', '2023-04-01')]
    >>> find_ranges("What may happen?", now)
    []
    """
    if not may_name_a_time(text):
        return []
    said = Said(text, now, offset)
    ranges: list[TimeRange] = []
    place, dated = 0, -_NEAR
    low = said.low
    while place < said.size:
        word = low[place]
        if word not in STARTS and not word[0].isdecimal():
            place += 1
            continue
        reading = statement(said, place, prefer)
        if reading is None:
            place += 1
            continue
        narrated = prefer != "future" and reading.start - dated < _NEAR
        for start, end in _meant(said, reading, prefer, narrated):
            ranges.append(TimeRange(micros_of(start, offset), micros_of(end, offset), said.words(reading.start, reading.end)))
        place = max(place + 1, reading.end)
        if any(period.turn is not None and period.kind in _DATED for period in reading.periods):
            dated = reading.end
    return sorted(ranges, key=lambda stretch: (stretch.start, stretch.end))


def _meant(said: Said, reading: Reading, prefer: Prefer, narrated: bool) -> list[Span]:
    """The days a reading means; those that touch are one stretch.

    `narrated`: a year was named just before, so that a month without one need not be the latest.
    """
    if reading.plan and not _is_ahead(said, reading, prefer):
        return []
    spans: list[Span] = []
    for period in reading.periods:
        span = chosen(period, said.today, True) if period.turn is not None else _by_tense(said, reading, period, prefer)
        if narrated and period.turn is None and period.cycle == "year" and span is not None and span[0] <= said.today:
            return []
        if span is None or span[0] < FIRST_DAY or span[1] > LAST_DAY + 1 or span[0] >= span[1]:
            return []
        if spans and spans[-1][1] == span[0]:
            spans[-1] = spans[-1][0], span[1]
        else:
            spans.append(span)
    return spans


def _by_tense(said: Said, reading: Reading, period: Period, prefer: Prefer) -> Span | None:
    """The turn of a period that the tense of the words around it points to; None where it does not tell."""
    if is_habit(said, reading.start, reading.end) and prefer != "future":
        return None
    if period.kind in ("season", "holiday") and prefer != "future" and _is_general(said, reading):
        return None
    plan = plans(said, reading.start, reading.end, prefer)
    past, future = (chosen(period, said.today, ahead) for ahead in (False, True))
    if plan is None:
        return past if past == future else None
    return future if plan else past


def _is_general(said: Said, reading: Reading) -> bool:
    """Whether something is told of every summer or of every Christmas: in summer we swim, we bake at Christmas."""
    if tense_of(said, reading.start, reading.end) != "present":
        return False
    return said.low[reading.start - 1] == "in" or not is_being(said, reading.start, reading.end)


def _is_ahead(said: Said, reading: Reading, prefer: Prefer) -> bool:
    """Whether "in three weeks" is a plan, not the time that something took."""
    if is_past(said, reading.start, reading.end) or (prefer != "future" and is_duration(said, reading.start, reading.end)):
        return False
    return plans(said, reading.start, reading.end, prefer) is True


def told_times(text: str, at: int, offset: int = 0) -> list[TimeRange]:
    """The times that something said at `at` (UTC microseconds, `offset` minutes east of UTC) speaks of.

    >>> from lamina.times import isoformat, parse_moment
    >>> said = parse_moment("2023-05-25").at
    >>> [(isoformat(r.start)[:10], r.words) for r in told_times("We met last Friday and fly in June.", said)]
    [('2023-05-19', 'last Friday'), ('2023-06-01', 'June')]
    """
    return find_ranges(text, at, "told", offset)


def find_commitment(text: str, said_at: int) -> int | None:
    """The end of the latest stretch after `said_at` that `text` names, read as a plan; None where it names none.

    >>> from lamina.times import isoformat, parse_moment
    >>> said_at = parse_moment("2026-09-01").at
    >>> isoformat(find_commitment("The dentist is on 12 December.", said_at))[:10]
    '2026-12-13'
    >>> find_commitment("We met in 2023.", said_at) is None
    True
    """
    ends = [stretch.end for stretch in find_ranges(text, said_at, prefer="future") if stretch.start > said_at]
    return max(ends, default=None)
