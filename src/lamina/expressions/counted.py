"""Times counted from today: three days ago, a week ago last Tuesday, a week from Friday, in three weeks."""

from __future__ import annotations

from datetime import date

from lamina.expressions.dates import Phrase
from lamina.expressions.lexicon import (
    MINUTES,
    MONTHS,
    NUMBERS,
    RELATIVE,
    UNITS,
    WEEKDAYS,
    WEEKS,
)
from lamina.expressions.names import read_weekday
from lamina.expressions.numerals import Count, read_count
from lamina.expressions.periods import UNITS as PERIODS
from lamina.expressions.periods import WEEKEND, chosen, once, turn_of, turned, weekday
from lamina.expressions.relative import relative_day
from lamina.expressions.tokens import Said

_TROUBLED = frozenset("- – least most than over under within almost nearly more less every quite half good other / x".split())
"""Words that leave open how many are meant."""


def read_ago(said: Said, place: int) -> Phrase | None:
    """So many units back: three days ago, a couple of weeks ago, two Fridays ago, a week ago last Tuesday, a year ago today."""
    count = read_count(said, place)
    if count is None:
        return _half_an_hour_ago(said, place)
    low = said.low
    unit = low[count.end]
    if low[count.end + 1] != "ago":
        return None
    end = count.end + 2
    if _in_trouble(said, place) or (
        low[place] in ("couple", "few") and low[place - 1] in ("the", "these", "last", "past", "next")
    ):
        return Phrase(None, end)
    if unit in MINUTES:
        minutes = said.minute - MINUTES[unit] * count.most
        return relative_day(said, minutes // 1440, end) if count.least == count.most else Phrase(None, end)
    number = WEEKDAYS.get(unit[:-1] if unit.endswith("s") else unit)
    if number is not None or unit in ("weekend", "weekends"):
        period = WEEKEND if number is None else weekday(number)
        last = turned(period, "last", said.today)
        turn = None if last is None or last.turn is None else last.turn - count.least + 1
        return Phrase(None if turn is None or count.least != count.most else period.at(turn), end)
    if unit not in UNITS:
        return None
    return _ago_and(said, count, UNITS[unit], end) or _units(said, count, UNITS[unit], -1, end)


def _half_an_hour_ago(said: Said, place: int) -> Phrase | None:
    low = said.low
    if low[place : place + 4] == ["half", "an", "hour", "ago"]:
        return relative_day(said, (said.minute - 30) // 1440, place + 4)
    return None


def _ago_and(said: Said, count: Count, unit: str, end: int) -> Phrase | None:
    """What more is said behind "ago": last Friday, today, yesterday."""
    low = said.low
    step = end + (low[end] in ("on", "to"))
    if low[end] == "this" and (low[end + 1] in UNITS or low[end + 1] in MONTHS or low[end + 1] in WEEKDAYS):
        return Phrase(None, end + 2)
    weeks = {"week": 1, "fortnight": 2}.get(unit, 0) * count.least if count.least == count.most else 0
    if low[end : end + 3] == ["to", "the", "day"] or low[end] in RELATIVE:
        shift = RELATIVE.get(low[end], 0)
        after = end + (1 if low[end] in RELATIVE else 3)
        if weeks or unit == "day":
            return Phrase(PERIODS["day"].at(said.today + shift - (7 * weeks or count.least)), after)
        return _same_date(said, count, unit, shift, after)
    last = low[end] == "last"
    named = read_weekday(said, end + last if last else step)
    if named is None or not weeks:
        return None
    assert named.period is not None
    found = chosen(named.period, said.today, False)
    if found is None:
        return Phrase(None, named.end)
    counted = found[0] - 7 * weeks
    if not last:  # of that calendar week, or counted from the latest one: said only where both are the same day
        week = PERIODS["week"].span(turn_of("week", said.today) - weeks)
        if week is None or not week[0] <= counted < week[1]:
            return Phrase(None, named.end)
    return Phrase(PERIODS["day"].at(counted), named.end)


def _same_date(said: Said, count: Count, unit: str, shift: int, end: int) -> Phrase:
    """The same day of the month, months or years away."""
    months = {"month": 1, "year": 12, "quarter": 3}.get(unit, 0) * count.least
    try:
        day = date.fromordinal(said.today + shift)
        total = day.year * 12 + day.month - 1 - months
        start = date(total // 12, total % 12 + 1, day.day).toordinal()
    except (ValueError, OverflowError):
        return Phrase(None, end)
    return Phrase(PERIODS["day"].at(start) if months and count.least == count.most else None, end)


def _units(said: Said, count: Count, unit: str, direction: int, end: int) -> Phrase:
    """So many units of the calendar before or after the present one."""
    least, most = count.least, count.most
    if unit == "fortnight":
        unit, least, most = "week", 2 * least, 2 * most
    if unit not in PERIODS:
        return Phrase(None, end)
    period = PERIODS[unit]
    turn = turn_of(period.cycle, said.today)
    if least == most:
        found = period.at(turn + direction * least)
        return Phrase(found if found.span(found.turn or 0) is not None else None, end)
    first, last = sorted((turn + direction * least, turn + direction * most))
    spans = period.span(first), period.span(last)
    if spans[0] is None or spans[1] is None:
        return Phrase(None, end)
    return Phrase(once(spans[0][0], spans[1][1]), end)


def _in_trouble(said: Said, place: int) -> bool:
    """Whether the words before a count make it a bound, one of two, or part of something else."""
    low = said.low
    if low[place - 1] in ("to", "or", "and"):
        return (
            low[place - 2] in UNITS
            or low[place - 2] in NUMBERS
            or low[place - 2].isdecimal()
            or low[place - 2] in ("a", "couple")
        )
    return low[place - 1] in _TROUBLED


def read_from_now(said: Said, place: int) -> Phrase | None:
    """So many units from now, a week from Friday, a week on Tuesday, a fortnight today, a week last Friday."""
    count = read_count(said, place)
    if count is None:
        return None
    low = said.low
    unit = low[count.end]
    if unit not in UNITS:
        return None
    link, end = low[count.end + 1], count.end + 2
    if link == "last" and unit in WEEKS:
        return _a_week_last(said, count, end)
    if link == "hence":
        return _units(said, count, UNITS[unit], 1, end)
    plan = link == "on"
    if link in RELATIVE and unit in WEEKS:
        link, end, plan = "from", count.end + 1, True
    if link not in ("from", "on") or _in_trouble(said, place) or low[place - 1] in _TIMES:
        return None
    if link == "from" and low[end] == "now":
        return _units(said, count, UNITS[unit], 1, end + 1)
    days = {"day": 1, "week": 7, "fortnight": 14}.get(UNITS[unit], 0) * count.least
    exact = count.least == count.most
    if low[end] in RELATIVE and link == "from":
        after = end + 1
        if not days and exact:
            return _same_date(said, Count(-count.least, -count.least, 0), UNITS[unit], RELATIVE[low[end]], after)
        known = exact and low[after] != "since"
        return Phrase(PERIODS["day"].at(said.today + RELATIVE[low[end]] + days) if known else None, after, plan=plan)
    step = end + (low[end] in ("this", "next", "coming"))
    named = read_weekday(said, step)
    if named is None:
        return Phrase(None, end + 1) if link == "from" and low[end] in ("last", "next", "this") else None
    if not exact or unit not in WEEKS or low[end] in ("this", "next"):
        return Phrase(None, named.end)
    assert named.period is not None
    found = chosen(named.period, said.today, True)
    return Phrase(None if found is None else PERIODS["day"].at(found[0] + days), named.end, plan=plan)


def _a_week_last(said: Said, count: Count, place: int) -> Phrase | None:
    """A week last Friday: as "a week ago last Friday"."""
    named = read_weekday(said, place)
    if named is None or named.period is None or count.least != count.most:
        return None
    found = chosen(named.period, said.today, False)
    days = 7 * WEEKS[said.low[place - 2]] * count.least
    return Phrase(None if found is None else PERIODS["day"].at(found[0] - days), named.end)


_TIMES = frozenset("once twice thrice times time days nights hours evenings mornings day hour per for".split())


def read_weekday_week(said: Said, place: int) -> Phrase | None:
    """A day of the week and "week": Friday week, the Friday of the week after next."""
    named = read_weekday(said, place)
    low = said.low
    if named is None or named.period is None or low[named.end] not in ("week", "fortnight"):
        return None
    if low[named.end + 1].isdecimal() or low[named.end + 1] in ("-", "'s", "in", "of"):
        return None
    found = chosen(named.period, said.today, True)
    if found is None:
        return None
    return Phrase(PERIODS["day"].at(found[0] + 7 * WEEKS[low[named.end]]), named.end + 1)


def read_ahead(said: Said, place: int) -> tuple[Phrase, bool] | None:
    """So many units ahead, from the word "in": in three weeks, in ten days' time; and whether that is certain."""
    low = said.low
    step = place + 1 + (low[place + 1] in ("about", "around", "exactly", "roughly", "just"))
    count = read_count(said, step)
    if count is None or low[count.end] not in UNITS or low[count.end] in ("weekend", "weekends", "quarter", "nights", "night"):
        return None
    unit, end = UNITS[low[count.end]], count.end + 1
    marked = low[end] in ("'", "'s") or (low[end] == "time" and low[count.end].endswith("s"))
    if marked:
        end += low[end] in ("'", "'s")
        if low[end] != "time":
            return Phrase(None, end), False
        end += 1
    elif low[end] in _NOT_AHEAD or low[end] == "-":
        return None if low[end] == "ago" else (Phrase(None, end), False)
    if low[end] in ("from", "or", "of"):
        return (Phrase(None, end), False) if low[end] != "from" else None
    return _units(said, count, unit, 1, end), marked


_NOT_AHEAD = frozenset("of or to later ago old in out flat straight together and per apart long".split())
