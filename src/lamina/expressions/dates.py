"""Dates of the calendar: days with a month, months, days of a month, in words and in figures."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from lamina.expressions.lexicon import COUNTED, FOLLOWERS, MONTHS, NUMBERED, OPEN, ORDINALS, PLAIN_MONTHS, SHORT_MONTHS, WEEKDAYS
from lamina.expressions.numerals import is_money, read_ordinal, read_year
from lamina.expressions.periods import Period, Span, annual, chosen, day_of_month, day_of_year, joined, once
from lamina.expressions.tokens import Said

_INSIDE = frozenset("in during throughout last this next early mid late".split())
_LEADS = OPEN | frozenset("on in since from of between last next during for the".split())


@dataclass(frozen=True, slots=True)
class Phrase:
    """What was read from a token on: a period, the token behind it, and whether it needs words before it that make it a time.

    `period` is None for what looks like a time and is none. `more`: a second period ("3 and 5 May"). `plan`: it is a time only
    where a plan is told ("a week on Friday").
    """

    period: Period | None
    end: int
    bare: bool = False
    more: Period | None = None
    plan: bool = False


Reader = Callable[[Said, int], Phrase | None]
"""A rule: reads a phrase at a token, or None."""


@dataclass(frozen=True, slots=True)
class _Days:
    first: int
    last: int | None
    link: str
    sure: bool
    end: int


@lru_cache(maxsize=1)
def _figures() -> tuple[re.Pattern[str], ...]:
    year_first = r"(?P<y>\d{4})([-/])(?P<m>\d{1,2})\2(?P<d>\d{1,2})(?:t\d.*)?"
    dotted = r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})"
    either = r"(?P<a>\d{1,2})([-/])(?P<b>\d{1,2})\2(?P<y>\d{4})"
    month = r"(?P<y>\d{4})-(?P<m>\d{2})"
    return tuple(re.compile(pattern) for pattern in (year_first, dotted, either, month))


def read_figures(said: Said, place: int) -> Phrase | None:
    """A date in figures: 2021-05-03, 2021/05/03, 03.05.2021 (the day first), 5/13/2021 (only where it can be read one way)."""
    word = said.low[place]
    found = next((match for pattern in _figures() if (match := pattern.fullmatch(word)) is not None), None)
    if found is None or _is_name(said, place):
        return None
    parts = {name: int(value) for name, value in found.groupdict().items()}
    year = parts["y"]
    try:
        if "a" in parts:
            days = {(parts["b"], parts["a"]), (parts["a"], parts["b"])}  # (month, day), read either way
            readings = [(month, day) for month, day in days if month <= 12]
            if len(readings) != 1:
                return Phrase(None, place + 1)
            return _known_day(year, *readings[0], place + 1)
        if "d" in parts:
            return _known_day(year, parts["m"], parts["d"], place + 1)
        if not 1 <= parts["m"] <= 12 or not 1500 <= year < 2200:
            return None
        return Phrase(annual(parts["m"], 1, "month").at(year), place + 1, bare=True)
    except ValueError:
        return Phrase(None, place + 1)


def _known_day(year: int, month: int, day: int, end: int) -> Phrase:
    start = date(year, month, day).toordinal()
    return Phrase(once(start, start + 1, "date"), end)


def _is_name(said: Said, place: int) -> bool:
    """Whether figures are part of a name: of a file, of a version, of an order."""
    low = said.low
    if said.glued(place) and low[place - 1] not in ("(", "[", '"', "'", "“", "‘", ",", ":", "–", "—"):
        return True
    if low[place - 1] in NUMBERED or (low[place - 1] in (".", ":") and low[place - 2] in NUMBERED):
        return True
    return said.glued(place + 1) and said.glued(place + 2) and low[place + 1] in (".", "-", "/", "_", "@")


def _read_days(said: Said, place: int) -> _Days | None:
    """A day of a month, or two with a link between them: 3, 3rd, 3-9, the 3rd to the 9th, 3 and 9."""
    low = said.low
    word = low[place]
    if word[:1].isdecimal() and not word.isdecimal():
        for mark in "-–—":
            one, _, other = word.partition(mark)
            if one.isdecimal() and other.isdecimal() and len(one) <= 2 and len(other) <= 2:
                return _Days(int(one), int(other), "to", True, place + 1)
    first = read_ordinal(said, place)
    if first is None or not 1 <= first.value <= 31:
        return None
    end = first.end
    link = low[end]
    if link in ("-", "–", "—", "to", "until", "till", "through", "thru", "and", "or", "&"):
        second = read_ordinal(said, end + 1 + (low[end + 1] == "the"))
        if second is not None and second.end != end:
            link = "and" if link in ("and", "or", "&") else "to"
            return _Days(first.value, second.value, link, first.sure or second.sure, second.end)
    return _Days(first.value, None, "", first.sure, end)


def read_month_name(said: Said, place: int) -> tuple[int, int] | None:
    """A month by its name, and the token behind (with the point of a short form)."""
    word = said.low[place]
    number = MONTHS.get(word)
    if number is None:
        return None
    dotted = word in SHORT_MONTHS and said.low[place + 1] == "." and said.glued(place + 1)
    return number, place + 1 + dotted


def _read_year_behind(said: Said, place: int) -> tuple[int, int] | None:
    low = said.low
    step = place + (low[place] in (",", "of", "-"))
    found = read_year(said, step, 1000)
    if found is None and low[place] == "in" and low[place + 1].isdecimal():
        found = read_year(said, place + 1)
    return found


def read_day_month(said: Said, place: int) -> Phrase | None:
    """A day before its month: 12 December 2021, the 3rd to the 9th of May, 12-Dec-2021."""
    days = _read_days(said, place)
    if days is None:
        return None
    low = said.low
    linked = low[days.end] == "of" or low[days.end] == "-"
    month = read_month_name(said, days.end + linked)
    if month is None:
        return None
    number, end = month
    if is_money(said, place) or (said.glued(place) and low[place - 1] in (".", "-", "/", ":")):
        return None
    if low[place] in ORDINALS and low[place - 1] in ("a", "one", "two", "-"):
        return None  # "a third of May was wet"
    year = _read_year_behind(said, end)
    if year is None and not (days.sure or linked or low[place - 1] in _LEADS) and _goes_on(said, end):
        return None  # "2 March birthdays"
    name = days.end + linked
    plain = low[name] in PLAIN_MONTHS and not said.capital(name) and year is None
    if plain and not (days.sure or linked or low[place - 1] in _LEADS - {"the"}):
        return None
    return _dated(said, days, number, end, year)


def _goes_on(said: Said, end: int) -> bool:
    """Whether a plain word follows that the words before belong to."""
    behind = said.low[end]
    return behind.isalpha() and not said.capital(end) and behind not in FOLLOWERS


def read_month_day(said: Said, place: int) -> Phrase | None:
    """A day behind its month: December 12, 2021; May 3-9; June the 4th."""
    month = read_month_name(said, place)
    if month is None:
        return None
    low = said.low
    glued_year = low[month[1]].partition(",")  # "May 8,2023"
    days = _read_days(said, month[1] + (low[month[1]] == "the"))
    if days is None and glued_year[2].isdecimal() and len(glued_year[2]) == 4 and glued_year[0].isdecimal():
        try:
            return _known_day(int(glued_year[2]), month[0], int(glued_year[0]), month[1] + 1)
        except ValueError:
            return None
    if days is None or is_money(said, month[1]) or low[place - 1].isdecimal():
        return None
    if low[days.end] in COUNTED or low[days.end] == "%":
        return None
    year = _read_year_behind(said, days.end)
    if year is None and not days.sure and low[place - 1] in _INSIDE:
        return None  # "in May 3 of us left"
    if low[place] in PLAIN_MONTHS and year is None and not days.sure:
        lone = not said.capital(place) and low[place - 1] not in _LEADS
        if lone or (low[days.end].isalpha() and low[days.end] not in _AFTER_PLAIN):
            return None
    return _dated(said, days, month[0], days.end, year)


_AFTER_PLAIN = frozenset(
    "i we you he she it they was were is are at in and or but the my our his her their last this next to until till through on with when for".split()
)


def _dated(said: Said, days: _Days, month: int, end: int, year: tuple[int, int] | None) -> Phrase | None:
    low = said.low
    if year is None and low[end].isdecimal() and low[end + 1] not in COUNTED:
        return Phrase(None, end + 1)  # "5 May 23": a year, an hour or a number of things
    number = end + (low[end] == ",")
    if year is None and low[number][:3].isdecimal() and len(low[number]) >= 3 and low[number + 1] not in COUNTED:
        return Phrase(None, number + 1)  # "10 November, 948", "11 March 1613/14"
    if year is None and low[end] == "'" and low[end + 1].isdecimal():
        return Phrase(None, end + 2)
    given = 2000 if year is None else year[0]
    if not (_exists(given, month, days.first) and _exists(given, month, days.last or 1)):
        return Phrase(None, end)
    first = day_of_year(month, days.first)
    last = None if days.last is None else day_of_year(month, days.last)
    if year is not None:
        end = year[1]
        first = first.at(year[0])
        last = None if last is None else last.at(year[0])
    if last is None:
        return Phrase(first, end)
    if days.link == "and":
        return Phrase(first, end, more=last)
    if (days.last or 0) <= days.first:
        return Phrase(None, end)
    return Phrase(joined(first, last), end)


def _exists(year: int, month: int, day: int) -> bool:
    return 1 <= day <= monthrange(year, month)[1]


def read_month(said: Said, place: int) -> Phrase | None:
    """A month, with or without a year: May 2021, Dec. ’17, March."""
    month = read_month_name(said, place)
    if month is None:
        return None
    number, end = month
    period = annual(number, 1, "month")
    year = _read_year_behind(said, end)
    if year is not None:
        return Phrase(period.at(year[0]), year[1])
    if said.low[end].isdecimal() and said.low[place - 1] not in _INSIDE:
        return None
    return Phrase(period, place + 1, bare=True)


def read_day_of_month(said: Said, place: int) -> Phrase | None:
    """A day without its month: the 12th, the 3rd to the 9th, the twenty-first."""
    days = _read_days(said, place)
    if days is None or (said.low[place - 1] != "the" and not said.low[place].endswith(("st", "nd", "rd", "th"))):
        return None
    if not said.low[place][:1].isdecimal() and days.first < 11:
        return None  # "on the second": of anything
    if not days.sure:
        return None
    first = day_of_month(days.first)
    if days.last is None:
        return Phrase(first, days.end, bare=True)
    last = day_of_month(days.last)
    if days.link == "and":
        return Phrase(first, days.end, bare=True, more=last)
    stretch = joined(first, last)
    return Phrase(None if stretch is None else replace(stretch, kind="monthday"), days.end, bare=True)


def read_weekday_date(said: Said, place: int) -> Phrase | None:
    """A day of the week with its date: Friday 12 June, Monday, May 3rd 2021, Friday the 13th."""
    number = WEEKDAYS.get(said.low[place])
    if number is None:
        return None
    step = place + 1 + (said.low[place + 1] in (",", "."))
    step += said.low[step] == "the"
    phrase = read_day_month(said, step) or read_month_day(said, step) or read_figures(said, step)
    if phrase is None and said.low[step - 1] == "the":
        phrase = read_day_of_month(said, step)
    if phrase is None or phrase.period is None or phrase.more is not None or phrase.period.kind == "range":
        return phrase
    period = phrase.period

    def matching(span: Span) -> Span | None:
        return span if (span[0] - 1) % 7 == number else None

    if period.kind == "monthday" and said.low[step - 1] == "the":  # "Friday the 13th" is also a film
        return Phrase(period.mapped(matching, period.kind), phrase.end, bare=True)
    spans = {chosen(period, said.today, ahead) for ahead in (False, True)}
    fitting = {span for span in spans if span is not None and matching(span)}
    if len(fitting) == 1:
        ((start, end),) = fitting
        return Phrase(once(start, end, "date"), phrase.end)
    if fitting:
        return Phrase(period.mapped(matching, period.kind), phrase.end)
    return Phrase(None, phrase.end)
