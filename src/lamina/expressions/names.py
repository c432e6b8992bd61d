"""Named periods: days of the week, seasons, decades, quarters, years, holidays."""

from __future__ import annotations

from lamina.expressions.dates import Phrase
from lamina.expressions.holidays import read_holiday
from lamina.expressions.lexicon import DAY_PARTS, DECADES, FOLLOWERS, PLAIN_WEEKDAYS, POSSESSIVES, SEASONS, WEEKDAYS
from lamina.expressions.numerals import read_year
from lamina.expressions.periods import UNITS, WEEKEND, annual, month_start, once, weekday
from lamina.expressions.tokens import Said

_QUARTERS = {"q1": 1, "q2": 4, "q3": 7, "q4": 10}
_HALVES = {"h1": 1, "h2": 7}
_MEASURED = frozenset(
    "degrees degree temperature temperatures fahrenheit celsius mph score scored marks outside hot heat humid today weather speed".split()
)


def read_weekday(said: Said, place: int) -> Phrase | None:
    """A day of the week, with the part of the day behind it: Monday, Fri., Saturday night."""
    word = said.low[place]
    number = WEEKDAYS.get(word)
    if number is None or (word in PLAIN_WEEKDAYS and not said.capital(place)):
        return None
    end = place + 1
    if len(word) <= 5 and said.low[end] == "." and said.glued(end) and said.low[end + 1] and not said.capital(end + 1):
        end += 1
    return Phrase(weekday(number), end + (said.low[end] in DAY_PARTS), bare=True)


def read_season(said: Said, place: int) -> Phrase | None:
    """A season, with or without a year: summer 2019, the winter of 2021/22, spring."""
    first = SEASONS.get(said.low[place])
    if first is None:
        return None
    period = annual(first, 3, "season")
    step = place + 1 + (said.low[place + 1] in ("of", ","))
    word = said.low[step]
    if first == 12 and len(word) in (7, 9) and word[:4].isdecimal() and word[4] in "/-–" and word[5:].isdecimal():
        year = int(word[:4])
        follows = (year + 1) % 10 ** len(word[5:]) == int(word[5:])
        return Phrase(period.at(year) if follows and 1500 <= year < 2200 else None, step + 1)
    found = read_year(said, step)
    if found is not None:
        return Phrase(period.at(found[0]), found[1])
    return Phrase(period, place + 1, bare=True)


def read_decade(said: Said, place: int) -> Phrase | None:
    """A decade: the 1990s, the ’90s, the nineties, the 2010s."""
    low = said.low
    word = low[place]
    start, end = 0, place + 1
    if word[:1].isdecimal() and word.endswith("0s") and word[:-1].isdecimal():
        if (len(word) == 5 and "1500" <= word[:4] < "2200" and word[2] != "0") or word == "2000s":
            start = int(word[:4])
        elif len(word) == 3 and word[0] in "3456789" and (low[place - 1] == "'" or _of_the_time(said, place)):
            start = 1900 + int(word[:2])
    elif len(word) == 4 and word.isdecimal() and word[3] == "0" and low[place + 1] == "'s" and low[place - 1] == "the":
        if "1500" <= word < "2200" and word[2] != "0":
            start, end = int(word), place + 2
    elif word in DECADES and _of_the_time(said, place):
        start = DECADES[word]
    if not start:
        return None
    return Phrase(once(month_start(12 * start), month_start(12 * start + 120), "decade"), end)


def read_short_year(said: Said, place: int) -> Phrase | None:
    """A year or a decade without its century: ’98, ’90s."""
    return (
        read_decade(said, place + 1)
        if said.glued(place + 1) and said.low[place + 1].endswith("s")
        else read_named_year(said, place)
    )


def _of_the_time(said: Said, place: int) -> bool:
    """Whether "the nineties" are years, neither degrees nor somebody's age."""
    low = said.low
    step = place - 1
    while low[step] in ("early", "mid", "late", "-", "'"):
        step -= 1
    if (low[step] != "the" and low[step] not in ("of", "in", "since", "from")) or low[step] in POSSESSIVES:
        return False
    return _MEASURED.isdisjoint(low[max(0, place - 12) : place + 6]) and low[step] == "the"


def read_quarter(said: Said, place: int) -> Phrase | None:
    """A quarter or a half of a year: Q1 2021, Q3, 2021 Q1, H1 2020."""
    low = said.low
    led = read_year(said, place) if low[place][:1].isdecimal() else None
    at = place if led is None else led[1]
    first = _QUARTERS.get(low[at]) or _HALVES.get(low[at])
    if first is None:
        return None
    period = annual(first, 3 if low[at] in _QUARTERS else 6, "part")
    if led is not None:
        return Phrase(period.at(led[0]), at + 1)
    year = read_year(said, at + 1 + (low[at + 1] in ("of", "/", ",", "'")))
    if year is not None:
        return Phrase(period.at(year[0]), year[1])
    if "/" in low[at + 1] or low[at] in _HALVES:
        return None
    return Phrase(period, at + 1, bare=True)


def read_named_year(said: Said, place: int) -> Phrase | None:
    """A year by its number; the words before it must say that it is one."""
    found = read_year(said, place)
    behind = "" if found is None else said.low[found[1]]
    if found is not None and found[0] % 100 == 0 and behind.isalpha() and behind not in FOLLOWERS:
        return None  # "in 1500 instalments"
    return None if found is None else Phrase(UNITS["year"].at(found[0]), found[1], bare=True)


def read_named_holiday(said: Said, place: int) -> Phrase | None:
    """A holiday, with or without a year: Easter 2019, New Year’s Eve."""
    found = read_holiday(said, place)
    if found is None:
        return None
    period, end = found
    year = read_year(said, end + (said.low[end] in ("of", ",", "in")))
    if year is not None:
        return Phrase(period.at(year[0]), year[1])
    if said.low[end] in DAY_PARTS and said.low[end - 1] in ("christmas", "xmas", "easter"):
        return Phrase(None, end + 1)  # of which of its days?
    return Phrase(period, end, bare=True)


def read_weekend(said: Said, place: int) -> Phrase | None:
    """The weekend, with the words before it that make it one."""
    return Phrase(WEEKEND, place + 1, bare=True) if said.low[place] == "weekend" else None
