"""Times seen from today: yesterday, last week, this Friday, the week before last, the past month."""

from __future__ import annotations

from lamina.expressions.dates import Phrase, Reader
from lamina.expressions.lexicon import (
    DAY_PARTS,
    FOLLOWERS,
    PLAIN_MONTHS,
    POSSESSIVES,
    PRONOUNS,
    RELATIVE,
    SEASONS,
    UNITS,
    WEEKDAYS,
    WEEKS,
)
from lamina.expressions.numerals import read_count
from lamina.expressions.periods import UNITS as PERIODS
from lamina.expressions.periods import WEEKEND, Period, Which, once, turned
from lamina.expressions.tokens import Said

_SPAN_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}
_AUXILIARIES = frozenset("did do does have has had when didn haven hasn 've".split())
_NO_EVENT = frozenset("it that this what who there here he she where let how so".split())


def read_relative_day(said: Said, place: int) -> Phrase | None:
    """Yesterday, tonight, tomorrow morning, last night, this evening, the day before yesterday, the night before last."""
    low = said.low
    word = low[place]
    if word in RELATIVE:
        return relative_day(said, RELATIVE[word], place + 1)
    behind = low[place + 1]
    if word in ("day", "night", "evening"):
        if behind == "before" and low[place + 2] in ("yesterday", "last"):
            return relative_day(said, -2, place + 3) if word != "day" or low[place + 2] == "yesterday" else None
        if behind == "after" and low[place + 2] in ("tomorrow", "tmrw"):
            return relative_day(said, 2, place + 3)
        return None
    if word == "last" and behind in ("night", "evening"):
        told = low[place - 1] not in ("the", *POSSESSIVES) and low[place - 2] != "first"
        return relative_day(said, -1, place + 2) if told else Phrase(None, place + 2)
    if word == "this" and behind in ("morning", "afternoon", "evening"):
        return relative_day(said, 0, place + 2)
    return None


def relative_day(said: Said, shift: int, end: int) -> Phrase:
    """The day `shift` days from today, told up to token `end`, with the part of the day behind it, or "week" (tomorrow week)."""
    low = said.low
    end += low[end] in DAY_PARTS
    if low[end] in ("week", "fortnight") and low[end - 1] in RELATIVE and not low[end + 1].isdecimal():  # "tomorrow week"
        shift, end = shift + (-7 if shift < 0 else 7) * WEEKS[low[end]], end + 1
    return Phrase(PERIODS["day"].at(said.today + shift), end)


def read_last_units(said: Said, place: int) -> Phrase | None:
    """Days up to today: the past three days, the last two weeks, over the past month, in the last year."""
    low = said.low
    word = low[place]
    if word not in ("last", "past"):
        return None
    before = low[place - 1]
    count = read_count(said, place + 1)
    unit = low[count.end] if count is not None else ""
    if count is not None and unit in UNITS and low[place + 1] not in ("a", "an"):
        end = count.end + 1
        days = _SPAN_DAYS.get(UNITS[unit], 0) if unit not in ("night", "nights") else 0
        able = count.least == count.most and days and before not in POSSESSIVES and low[end] not in _BOUND and low[end] != "'"
        able = able and (count.least > 1 or low[place + 1] in ("one", "1"))
        return Phrase(_up_to_today(said, days * count.least) if able else None, end)
    unit = low[place + 1]
    if unit not in ("week", "fortnight", "month", "year") or low[place + 2] == "'s":
        return None
    if word == "past" and before not in ("the", "this"):
        return None
    spanning = before == "the" and low[place - 2] in ("in", "over", "during", "for", "within", "throughout", "across", "of")
    if (word == "last" and not spanning) or low[place + 2] in _BOUND:
        return None
    return Phrase(_up_to_today(said, _SPAN_DAYS[unit]), place + 2)


_BOUND = frozenset("of before until till leading running to".split())


def _up_to_today(said: Said, days: int) -> Period:
    return once(said.today + 1 - days, said.today + 1)


_WHICH: dict[str, Which] = {"last": "last", "this": "this", "next": "next", "coming": "coming"}


def read_which(said: Said, place: int, named: Reader) -> Phrase | None:
    """The last, this or the next of something: last week, this Friday, next May, last Christmas, this past weekend.

    `named` reads what has a name of its own (a weekday, a month, a season, a holiday, a day of a month).
    """
    low = said.low
    word = low[place]
    which = _WHICH.get(word)
    step = place + 1
    if word == "this" and low[step] in ("past", "coming"):
        which, step = ("last" if low[step] == "past" else "coming"), step + 1
    elif word == "past" and low[place - 1] == "the" and low[step] == "weekend":
        which = "last"
    if which is None or (word == "coming" and low[place - 1] not in ("the", "this")):  # "she is coming Friday week"
        return None
    noun = low[step]
    if noun in ("week", "month", "year") and low[place + 1] == "past":
        return None  # the days up to today
    if noun in ("week", "month", "year", "quarter", "weekend"):
        period, end = (WEEKEND if noun == "weekend" else PERIODS[noun]), step + 1
        if which == "coming" and noun == "week":
            which = "next"
    else:
        phrase = named(said, step)
        if phrase is None or phrase.period is None or phrase.period.turn is not None:
            return None
        period, end = phrase.period, phrase.end
        if period.cycle == "month" or (low[step] in PLAIN_MONTHS and not _surely_month(said, step, end, word)):
            return Phrase(None, step)
    if not _pointed(said, place, word, end):
        return Phrase(None, end)
    return Phrase(turned(period, which, said.today), end)


def _surely_month(said: Said, step: int, end: int, which: str) -> bool:
    """Whether "may" or "march" behind "last", "this" or "next" is a month."""
    if said.capital(step):
        return True
    behind = said.low[end]
    return which != "this" and (not behind.isalpha() or behind in PRONOUNS or behind in ("the", "my", "our"))


def _pointed(said: Said, place: int, word: str, end: int) -> bool:
    """Whether "last", "this" or "next" points from today, not from something told."""
    low = said.low
    before = low[place - 1]
    if word in ("last", "next"):
        if before in ("the", "very", "second", "every", "each") or before in POSSESSIVES:
            return False
        if before == "'s" and low[place - 2] not in _NO_EVENT:
            return False
        if word == "last" and before in PRONOUNS and low[place - 2] in _AUXILIARIES:
            return False
        if before in ("and", "or") and low[place - 2] in ("first", "next"):
            return False
        if before == "at" and word == "last" and low[end] != "'s":
            return False
    if before in ("time", "day", "hour", "point") and low[place - 2] in ("this", "same", "about", "around"):
        return False
    if low[end] == "of" or (low[end] == "but" and low[end + 1] == "one") or (low[end] == "but" and low[end + 1] == "two"):
        return False
    return low[end] != "-" or not said.glued(end + 1)


def read_before_last(said: Said, place: int, named: Reader) -> Phrase | None:
    """One further away: the week before last, the Friday before last, the weekend after next."""
    low = said.low
    noun = low[place]
    if noun in ("week", "month", "year", "quarter", "weekend"):
        period, end = (WEEKEND if noun == "weekend" else PERIODS[noun]), place + 1
    elif noun in WEEKDAYS or noun in SEASONS or low[place + 1] in ("before", "after"):
        phrase = named(said, place)
        if phrase is None or phrase.period is None or phrase.period.turn is not None:
            return None
        period, end = phrase.period, phrase.end
    else:
        return None
    which: Which
    if low[end] == "before" and low[end + 1] == "last":
        which = "before last"
    elif low[end] == "after" and low[end + 1] == "next":
        which = "after next"
    else:
        return None
    if low[end + 2].isalpha() and low[end + 2] not in FOLLOWERS and not said.capital(end + 2) and low[end + 2] in UNITS:
        return None
    return Phrase(turned(period, which, said.today), end + 2)


def read_part_of_present(said: Said, place: int) -> Phrase | None:
    """Earlier today, later this week: the day or the unit itself."""
    low = said.low
    if low[place] not in ("earlier", "later"):
        return None
    if low[place + 1] == "today":
        return relative_day(said, 0, place + 2)
    if low[place + 1] == "this" and low[place + 2] in ("week", "month", "year"):
        period = PERIODS[low[place + 2]]
        return Phrase(turned(period, "this", said.today), place + 3)
    return None
