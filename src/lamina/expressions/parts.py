"""Parts of a period: early May, the end of 2021, the first week of June, the second Tuesday in March, the first half of 2020."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Final

from lamina.expressions.dates import Phrase, Reader
from lamina.expressions.holidays import nth_weekday
from lamina.expressions.lexicon import PARTS, PLAIN_MONTHS, WEEKDAYS
from lamina.expressions.numerals import read_count, read_ordinal
from lamina.expressions.periods import Period, Span, month_start
from lamina.expressions.tokens import Said

_NOUNS: Final = frozenset("day days week weeks weekend month months quarter half".split())
_WHOLES: Final = frozenset("month year decade part season".split())


def third(span: Span, which: int, kind: str) -> Span | None:
    """The early, middle or late part (0, 1, 2): days 1-10, 11-20 and the rest of a month, four months of a year, a month of a season.

    Of a decade the years 0-3, 4-6 and 7-9.

    >>> third((1, 32), 2, "month")
    (21, 32)
    """
    start, end = span
    if kind == "month":
        return start + 10 * which, end if which == 2 else start + 10 * which + 10
    first = date.fromordinal(start)
    months = first.year * 12 + first.month - 1
    lengths = {"year": (4, 4, 4), "season": (1, 1, 1), "decade": (48, 36, 36)}.get(kind)
    if lengths is None:
        return None
    begin = months + sum(lengths[:which])
    return month_start(begin), month_start(begin + lengths[which])


def read_part(said: Said, place: int, whole: Reader) -> Phrase | None:
    """Early, mid or late in a period; its beginning, middle or end."""
    low = said.low
    which = PARTS.get(low[place])
    if which is None:
        return None
    noun = low[place] in ("beginning", "start", "middle", "end")
    step = place + 1
    if noun and low[step] != "of":
        return None
    if low[step] in ("of", "in", "-") and (noun or low[step] != "of"):
        step += 1
    if low[place + 1] == "-" and low[place] != "mid":
        return Phrase(None, place + 2)  # "a late-winter storm"
    step += low[step] == "the"
    phrase = whole(said, step)
    if phrase is None or phrase.period is None or phrase.more is not None:
        return None
    period = phrase.period
    if low[step] in PLAIN_MONTHS and phrase.bare and not (said.capital(step) or noun):
        return None
    if period.kind not in ("month", "year", "season", "decade"):
        blurred = period.kind in ("week", "quarter", "weekend") or period.kind == "part"
        return Phrase(None, phrase.end) if blurred else None
    kind = period.kind
    return Phrase(period.mapped(lambda span: third(span, which, kind), "part"), phrase.end)


def read_ordered_part(said: Said, place: int, whole: Reader) -> Phrase | None:
    """The first, second or last of the days, weeks, weekends, months, quarters, halves or weekdays of a period."""
    low = said.low
    ordinal = read_ordinal(said, place)
    if low[place] in ("last", "final"):
        which, step = -1, place + 1
    elif low[place] == "latter" and low[place + 1] == "half":
        which, step = 2, place + 1
    elif ordinal is not None and ordinal.sure and ordinal.value <= 5:
        which, step = ordinal.value, ordinal.end
    else:
        return None
    count = read_count(said, step)
    number = 1
    if count is not None and low[step] not in ("a", "an"):
        if count.least != count.most or which not in (1, -1):
            return None
        number, step = count.least, count.end
    noun = low[step]
    if noun not in _NOUNS and noun not in WEEKDAYS:
        return None
    link = step + 1
    if low[link] not in ("of", "in"):
        if noun != "quarter" or which == -1 or low[link] == "'s":
            return None
        link -= 1  # "third quarter 2021"
    phrase = whole(said, link + 1 + (low[link + 1] == "the"))
    if phrase is None or phrase.period is None or phrase.more is not None or phrase.period.kind not in _WHOLES:
        return Phrase(None, link + 1) if low[link] == "of" else None
    if low[link] == noun and phrase.period.turn is None:
        return None
    return Phrase(_ordered(phrase.period, which, number, noun), phrase.end)


def _ordered(period: Period, which: int, number: int, noun: str) -> Period | None:
    kind = period.kind
    if noun == "half":
        return period.mapped(lambda span: _half(span, which, kind), "part") if which in (1, 2) else None
    if noun in ("day", "days", "week", "weeks"):
        if which not in (1, -1) and (number > 1 or kind != "month"):
            return None
        if kind not in ("month", "year") or (noun.startswith("day") and which > 1):
            return None
        length = number * (7 if noun.startswith("week") else 1)
        return period.mapped(lambda span: _days(span, which, length), "part")
    if noun in ("month", "months", "quarter"):
        months = number * (3 if noun == "quarter" else 1)
        if kind != "year" and not (kind == "season" and noun == "month"):
            return None
        return period.mapped(lambda span: _months(span, which, months), "quarter" if noun == "quarter" else "month")
    if number > 1 or kind not in ("month", "year"):
        return None
    if noun == "weekend":
        return period.mapped(lambda span: _weekend(span, which), "part") if kind == "month" else None
    weekday = WEEKDAYS[noun]
    return period.mapped(lambda span: nth_weekday(span, weekday, which), "part")


def _half(span: Span, which: int, kind: str) -> Span | None:
    start, end = span
    if kind == "month":
        return (start, start + 15) if which == 1 else (start + 15, end)
    months = {"year": 6, "decade": 60}.get(kind)
    if months is None:
        return None
    first = date.fromordinal(start)
    middle = month_start(first.year * 12 + first.month - 1 + months)
    return (start, middle) if which == 1 else (middle, end)


def _days(span: Span, which: int, length: int) -> Span | None:
    start, end = span
    if which == -1:
        return (end - length, end) if length <= end - start else None
    first = start + (which - 1) * length
    return (first, first + length) if first + length <= end else None


def _months(span: Span, which: int, months: int) -> Span | None:
    first = date.fromordinal(span[0])
    begin = first.year * 12 + first.month - 1
    inside = [month_start(begin + step) for step in range(0, 13, months)]
    turns = [(start, end) for start, end in pairwise(inside) if end <= span[1]]
    place = which if which < 0 else which - 1
    return turns[place] if -len(turns) <= place < len(turns) else None


def _weekend(span: Span, which: int) -> Span | None:
    """Which Saturday and Sunday of a month; None where the last Saturday has its Sunday in the next month."""
    found = nth_weekday(span, 5, which)
    return None if found is None or found[0] + 2 > span[1] else (found[0], found[0] + 2)
