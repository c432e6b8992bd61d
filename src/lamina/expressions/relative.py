"""Times counted from today: yesterday, last week, three days ago, a week from Friday, the past month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from lamina.expressions.dates import Phrase
from lamina.expressions.lexicon import (
    DAY_PARTS,
    FOLLOWERS,
    MINUTES,
    NUMBERS,
    PLAIN_MONTHS,
    POSSESSIVES,
    PRONOUNS,
    RELATIVE,
    SEASONS,
    UNITS,
    WEEKDAYS,
)
from lamina.expressions.names import read_weekday
from lamina.expressions.numerals import Count, read_count
from lamina.expressions.periods import UNITS as PERIODS
from lamina.expressions.periods import WEEKEND, Period, Which, chosen, once, turn_of, turned, weekday
from lamina.expressions.tokens import Said

Reader = Callable[[Said, int], Phrase | None]

_SPAN_DAYS = {"day": 1, "week": 7, "fortnight": 14, "month": 30, "year": 365}
_WEEKS = {"week": 1, "weeks": 1, "fortnight": 2, "fortnights": 2, "wk": 1, "wks": 1}
_TROUBLED = frozenset("- – least most than over under within almost nearly more less every quite half good other / x".split())
"""Words that leave open how many are meant."""
_AUXILIARIES = frozenset("did do does have has had when didn haven hasn 've".split())
_NO_EVENT = frozenset("it that this what who there here he she where let how so".split())


def read_relative_day(said: Said, place: int) -> Phrase | None:
    """Yesterday, tonight, tomorrow morning, last night, this evening, the day before yesterday, the night before last."""
    low = said.low
    word = low[place]
    if word in RELATIVE:
        return _day(said, RELATIVE[word], place + 1)
    behind = low[place + 1]
    if word in ("day", "night", "evening"):
        if behind == "before" and low[place + 2] in ("yesterday", "last"):
            return _day(said, -2, place + 3) if word != "day" or low[place + 2] == "yesterday" else None
        if behind == "after" and low[place + 2] in ("tomorrow", "tmrw"):
            return _day(said, 2, place + 3)
        return None
    if word == "last" and behind in ("night", "evening"):
        told = low[place - 1] not in ("the", *POSSESSIVES) and low[place - 2] != "first"
        return _day(said, -1, place + 2) if told else Phrase(None, place + 2)
    if word == "this" and behind in ("morning", "afternoon", "evening"):
        return _day(said, 0, place + 2)
    return None


def _day(said: Said, shift: int, end: int) -> Phrase:
    low = said.low
    end += low[end] in DAY_PARTS
    if low[end] in ("week", "fortnight") and low[end - 1] in RELATIVE and not low[end + 1].isdecimal():  # "tomorrow week"
        shift, end = shift + (-7 if shift < 0 else 7) * _WEEKS[low[end]], end + 1
    return Phrase(PERIODS["day"].at(said.today + shift), end)


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
    if _in_trouble(said, place) or (low[place] in ("couple", "few") and low[place - 1] not in ("", "just", "only")):
        return Phrase(None, end)
    if unit in MINUTES:
        minutes = said.minute - MINUTES[unit] * count.most
        return _day(said, minutes // 1440, end) if count.least == count.most else Phrase(None, end)
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
        return _day(said, (said.minute - 30) // 1440, place + 4)
    return None


def _ago_and(said: Said, count: Count, unit: str, end: int) -> Phrase | None:
    """What more is said behind "ago": last Friday, today, yesterday."""
    low = said.low
    step = end + (low[end] in ("on", "to"))
    if low[end] == "this":
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
    day = date.fromordinal(said.today + shift)
    total = day.year * 12 + day.month - 1 - months
    try:
        start = date(total // 12, total % 12 + 1, day.day).toordinal()
    except ValueError:
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
    """So many units from now, a week from Friday, a week on Tuesday, a fortnight today, in ten days' time is not among them."""
    count = read_count(said, place)
    if count is None:
        return None
    low = said.low
    unit = low[count.end]
    if unit not in UNITS:
        return None
    link, end = low[count.end + 1], count.end + 2
    if link == "last" and unit in _WEEKS:
        return _a_week_last(said, count, end)
    if link == "hence":
        return _units(said, count, UNITS[unit], 1, end)
    plan = link == "on"
    if link in RELATIVE and unit in _WEEKS:
        link, end, plan = "from", count.end + 1, True
    if link not in ("from", "on") or _in_trouble(said, place) or low[place - 1] in NUMBERED_TIMES:
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
    if not exact or unit not in _WEEKS or low[end] in ("this", "next"):
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
    days = 7 * _WEEKS[said.low[place - 2]] * count.least
    return Phrase(None if found is None else PERIODS["day"].at(found[0] - days), named.end)


NUMBERED_TIMES = frozenset("once twice thrice times time days nights hours evenings mornings day hour per for".split())


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
    return Phrase(PERIODS["day"].at(found[0] + 7 * _WEEKS[low[named.end]]), named.end + 1)


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
    if which is None:
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
        return _day(said, 0, place + 2)
    if low[place + 1] == "this" and low[place + 2] in ("week", "month", "year"):
        period = PERIODS[low[place + 2]]
        return Phrase(turned(period, "this", said.today), place + 3)
    return None
