"""The grammar of time expressions: which rule reads a token, and how a period is read together with the one it lies in."""

from __future__ import annotations

from typing import Final

from lamina.expressions import counted, dates, names, parts, relative
from lamina.expressions.dates import Phrase, Reader
from lamina.expressions.lexicon import (
    DAY_PARTS,
    DECADES,
    HOLIDAY_STARTS,
    MONTHS,
    NUMBERS,
    ORDINALS,
    PARTS,
    RELATIVE,
    SEASONS,
    UNITS,
    WEEKDAYS,
)
from lamina.expressions.periods import within
from lamina.expressions.tokens import Said

_DEEPEST: Final = 4  # "early last year", "the end of the first week of May": nobody speaks deeper


def _in_figures(said: Said, place: int) -> Phrase | None:
    word = said.low[place]
    if word.isdecimal():
        found = counted.read_ago(said, place) or counted.read_from_now(said, place)
        if found is not None or len(word) > 4:
            return found
        if len(word) <= 2:
            return dates.read_day_month(said, place) or dates.read_day_of_month(said, place)
        return names.read_decade(said, place) or names.read_quarter(said, place) or names.read_named_year(said, place)
    return (
        (dates.read_figures(said, place) if len(word) >= 7 else None)
        or dates.read_day_month(said, place)
        or names.read_decade(said, place)
        or parts.read_ordered_part(said, place, phrase)
        or names.read_quarter(said, place)
        or dates.read_day_of_month(said, place)
    )


def annual_phrase(said: Said, place: int) -> Phrase | None:
    """What comes round with a year or a week and has a name: a weekday, a month or a day of it, a season, a holiday."""
    word = said.low[place]
    if word in HOLIDAY_STARTS:
        found = names.read_named_holiday(said, place)
        if found is not None:
            return found
    if word in WEEKDAYS:
        return names.read_weekday(said, place)
    if word in MONTHS:
        return dates.read_month_day(said, place) or dates.read_month(said, place)
    if word in SEASONS:
        return names.read_season(said, place)
    return None


def _named(said: Said, place: int) -> Phrase | None:
    word = said.low[place]
    if word in WEEKDAYS:
        found = dates.read_weekday_date(said, place) or counted.read_weekday_week(said, place)
        if found is not None:
            return found
    return relative.read_before_last(said, place, annual_phrase) or annual_phrase(said, place)


def _counted(said: Said, place: int) -> Phrase | None:
    return counted.read_ago(said, place) or counted.read_from_now(said, place) or dates.read_day_month(said, place)


def _ordinal(said: Said, place: int) -> Phrase | None:
    return (
        dates.read_day_month(said, place) or parts.read_ordered_part(said, place, phrase) or dates.read_day_of_month(said, place)
    )


def _number_or_ordinal(said: Said, place: int) -> Phrase | None:
    return _counted(said, place) or _ordinal(said, place) or names.read_named_year(said, place)


def _year_in_words(said: Said, place: int) -> Phrase | None:
    return _counted(said, place) or names.read_named_year(said, place)


def _which(said: Said, place: int) -> Phrase | None:
    behind = said.low[place + 1]
    if behind not in _POINTED_AT and not behind[:1].isdecimal():
        return None
    return (
        relative.read_relative_day(said, place)
        or (parts.read_ordered_part(said, place, phrase) if said.low[place] == "last" else None)
        or relative.read_last_units(said, place)
        or relative.read_which(said, place, annual_phrase)
    )


_POINTED_AT: Final = (
    frozenset((*UNITS, *WEEKDAYS, *MONTHS, *SEASONS, *NUMBERS, *DAY_PARTS))
    | HOLIDAY_STARTS
    | {"past", "coming", "couple", "few", "dozen", "hundred", "half", "a"}
)
"""Words that "last", "this" and "next" stand before in an expression of time."""


def _unit(said: Said, place: int) -> Phrase | None:
    return (
        relative.read_relative_day(said, place)
        or relative.read_before_last(said, place, annual_phrase)
        or _of_a_day(said, place)
        or names.read_weekend(said, place)
    )


def _of_a_day(said: Said, place: int) -> Phrase | None:
    """The calendar week or weekend that a day lies in: the week of 3 May."""
    low = said.low
    if low[place] not in ("week", "weekend") or low[place + 1] != "of":
        return None
    inner = phrase(said, place + 2 + (low[place + 2] == "the"))
    if inner is None or inner.period is None or inner.more is not None or inner.period.kind not in ("date", "monthday"):
        return None
    weekend = low[place] == "weekend"
    return Phrase(inner.period.mapped(lambda span: _week_around(span[0], weekend), "part"), inner.end)


def _week_around(day: int, weekend: bool) -> tuple[int, int]:
    start = (day - 1) // 7 * 7 + 1
    return (start + 5, start + 7) if weekend else (start, start + 7)


def _part(said: Said, place: int) -> Phrase | None:
    return parts.read_part(said, place, phrase)


def _final(said: Said, place: int) -> Phrase | None:
    return parts.read_ordered_part(said, place, phrase)


def _rules() -> dict[str, Reader]:
    """The rule for each word that a time expression begins with."""
    table: dict[str, Reader] = {}
    for words, rule in (
        (NUMBERS, _counted),
        (("a", "an", "couple", "few", "dozen", "hundred"), _counted),
        (("half",), counted.read_ago),
        (ORDINALS, _ordinal),
        (("twenty", "thirty"), _number_or_ordinal),
        (("nineteen", "eighteen", "two"), _year_in_words),
        (UNITS, _unit),
        (("evening",), relative.read_relative_day),
        (RELATIVE, relative.read_relative_day),
        (DECADES, names.read_decade),
        (PARTS, _part),
        (HOLIDAY_STARTS - set(MONTHS) - set(ORDINALS), _named),
        ((*MONTHS, *WEEKDAYS, *SEASONS), _named),
        (("last", "this", "next", "coming", "past"), _which),
        (("final", "latter"), _final),
        (("earlier", "later"), relative.read_part_of_present),
        (("q1", "q2", "q3", "q4", "h1", "h2"), names.read_quarter),
        (("'",), names.read_short_year),
    ):
        table |= dict.fromkeys(words, rule)
    return table


_RULES: Final = _rules()


STARTS: Final = frozenset(_RULES) | {"since", "from", "between", "in"}
"""Words that an expression may begin with, besides figures."""


def phrase(said: Said, place: int) -> Phrase | None:
    """The longest single period read from a token on."""
    word = said.low[place]
    rule = _RULES.get(word) or (_in_figures if word[:1].isdecimal() else None)
    if rule is None or said.depth == _DEEPEST:
        return None
    said.depth += 1
    found = rule(said, place)
    if found is not None and found.period is not None and found.more is None:
        found = _narrowed(said, found)
    said.depth -= 1
    return found


def _narrowed(said: Said, found: Phrase) -> Phrase:
    """A period together with the larger one it lies in: Friday of last week, in May last year, last year at Christmas."""
    period = found.period
    assert period is not None
    low = said.low
    step = found.end
    step += low[step] == "'s" and period.turn is not None
    step += low[step] in ("of", "in", ",", "at", "on", "during")
    step += low[step] == "the"
    rule = _RULES.get(low[step])
    if rule is None or rule is _part:
        return found
    if period.turn is None and period.cycle in ("week", "month", "year"):
        other = rule(said, step)
        if other is not None and other.period is not None and low[step] in _WHOLES_BEGIN:
            inside = within(period, other.period)
            if inside is not None:
                return Phrase(inside, other.end)
    elif period.turn is not None and period.kind == period.cycle and (step > found.end or low[step] in WEEKDAYS):
        other = rule(said, step)
        if other is not None and other.period is not None:
            inside = within(other.period, period)
            if inside is not None:
                return Phrase(inside, other.end)
    return found


_WHOLES_BEGIN: Final = frozenset(("last", "this", "next", "week", "year", "month", "a", "couple", *NUMBERS)) | frozenset(
    str(number) for number in range(1, 100)
)
