"""From the readings of a text to the days they mean."""

from __future__ import annotations

from typing import Final

from lamina.expressions.grammar import STARTS
from lamina.expressions.lexicon import Prefer
from lamina.expressions.periods import FIRST_DAY, LAST_DAY, Period, Span, chosen
from lamina.expressions.stretches import Reading, statement
from lamina.expressions.tense import is_being, is_duration, is_habit, is_past, plans, tense_of
from lamina.expressions.tokens import Said

_NEAR: Final = 40  # tokens within which a year that was named may still be the one that is told of
_DATED: Final = frozenset({"year", "month", "date", "season", "holiday", "decade", "range"})


def read_days(text: str, now: int, prefer: Prefer, offset: int) -> list[tuple[Span, str]]:
    """The days that a text names and the words for them, in the order of the text; `find_ranges` says what is asked for.

    >>> read_days("It rained yesterday.", 0, "past", 0)
    [((719162, 719163), 'yesterday')]
    """
    said = Said(text, now, offset)
    found: list[tuple[Span, str]] = []
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
        words = said.words(reading.start, reading.end)
        found += [(span, words) for span in _meant(said, reading, prefer, narrated)]
        place = max(place + 1, reading.end)
        if any(period.turn is not None and period.kind in _DATED for period in reading.periods):
            dated = reading.end
    return found


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
