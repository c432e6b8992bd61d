"""Holidays whose day can be worked out: fixed ones, those around Easter, and the movable ones of the United States."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Final

from lamina.expressions.periods import Period, Span
from lamina.expressions.tokens import Said

_FIXED: Final[dict[str, tuple[int, int, int]]] = {
    "new year's eve": (12, 31, 1),
    "new years eve": (12, 31, 1),
    "nye": (12, 31, 1),
    "new year's day": (1, 1, 1),
    "new years day": (1, 1, 1),
    "epiphany": (1, 6, 1),
    "burns night": (1, 25, 1),
    "valentine's day": (2, 14, 1),
    "valentines day": (2, 14, 1),
    "valentine's": (2, 14, 1),
    "leap day": (2, 29, 1),
    "st patrick's day": (3, 17, 1),
    "st. patrick's day": (3, 17, 1),
    "april fools' day": (4, 1, 1),
    "april fool's day": (4, 1, 1),
    "april fools day": (4, 1, 1),
    "may day": (5, 1, 1),
    "juneteenth": (6, 19, 1),
    "independence day": (7, 4, 1),
    "bastille day": (7, 14, 1),
    "halloween": (10, 31, 1),
    "hallowe'en": (10, 31, 1),
    "all saints' day": (11, 1, 1),
    "guy fawkes night": (11, 5, 1),
    "bonfire night": (11, 5, 1),
    "veterans day": (11, 11, 1),
    "armistice day": (11, 11, 1),
    "christmas eve": (12, 24, 1),
    "christmas day": (12, 25, 1),
    "boxing day": (12, 26, 1),
    "christmas": (12, 24, 3),
    "xmas": (12, 24, 3),
    "xmas eve": (12, 24, 1),
    "xmas day": (12, 25, 1),
}
"""Month, first day, days."""
_EASTER: Final[dict[str, tuple[int, int]]] = {
    "shrove tuesday": (-47, 1),
    "pancake day": (-47, 1),
    "ash wednesday": (-46, 1),
    "palm sunday": (-7, 1),
    "maundy thursday": (-3, 1),
    "good friday": (-2, 1),
    "easter": (-2, 4),
    "easter weekend": (-2, 4),
    "easter saturday": (-1, 1),
    "easter sunday": (0, 1),
    "easter monday": (1, 1),
    "ascension day": (39, 1),
    "whit sunday": (49, 1),
    "whit monday": (50, 1),
    "pentecost": (49, 1),
}
"""Days after Easter Sunday, days."""
_WEEKDAYS: Final[dict[str, tuple[int, int, int, int]]] = {
    "martin luther king day": (1, 0, 3, 0),
    "mlk day": (1, 0, 3, 0),
    "presidents' day": (2, 0, 3, 0),
    "presidents day": (2, 0, 3, 0),
    "memorial day": (5, 0, -1, 0),
    "labor day": (9, 0, 1, 0),
    "columbus day": (10, 0, 2, 0),
    "thanksgiving": (11, 3, 4, 0),
    "thanksgiving day": (11, 3, 4, 0),
    "black friday": (11, 3, 4, 1),
    "cyber monday": (11, 3, 4, 4),
}
"""Month, day of the week, which of the month (-1: the last), days after it; as kept in the United States."""


def easter(year: int) -> date:
    """Easter Sunday of the western churches, by the calendar of Gregory.

    >>> easter(2019).isoformat(), easter(2024).isoformat()
    ('2019-04-21', '2024-03-31')
    """
    golden = year % 19
    century, rest = divmod(year, 100)
    leaps, odd = divmod(century, 4)
    moon = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    quarter, left = divmod(rest, 4)
    sunday = (32 + 2 * odd + 2 * quarter - moon - left) % 7
    late = (golden + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def nth_weekday(span: Span, weekday: int, which: int) -> Span | None:
    """The `which`-th day of the week in a span (-1: the last); None where there is none.

    >>> may = date(2023, 5, 1).toordinal(), date(2023, 6, 1).toordinal()
    >>> [date.fromordinal(nth_weekday(may, 4, which)[0]).day for which in (1, 2, -1)]
    [5, 12, 26]
    """
    start, end = span
    first = start + (weekday + 1 - start) % 7
    day = first + 7 * (which - 1) if which > 0 else end - 1 - (end - 1 - first) % 7
    return (day, day + 1) if start <= day < end else None


def _fixed(month: int, day: int, days: int) -> Callable[[int], Span]:
    def of(turn: int) -> Span:
        start = date(turn, month, day).toordinal()
        return start, start + days

    return of


def _by_easter(after: int, days: int) -> Callable[[int], Span]:
    def of(turn: int) -> Span:
        start = easter(turn).toordinal() + after
        return start, start + days

    return of


def _by_weekday(month: int, weekday: int, which: int, after: int) -> Callable[[int], Span | None]:
    def of(turn: int) -> Span | None:
        start = date(turn, month, 1).toordinal()
        found = nth_weekday((start, start + (31 if month in (1, 5, 10) else 28 if month == 2 else 30)), weekday, which)
        return None if found is None else (found[0] + after, found[1] + after)

    return of


@lru_cache(maxsize=1)
def holidays() -> dict[str, Period]:
    """Every holiday by its name in small letters, as a period of the year."""
    found = {name: Period("year", _fixed(*rule), kind="holiday") for name, rule in _FIXED.items()}
    found |= {name: Period("year", _by_easter(*rule), kind="holiday") for name, rule in _EASTER.items()}
    return found | {name: Period("year", _by_weekday(*rule), kind="holiday") for name, rule in _WEEKDAYS.items()}


@lru_cache(maxsize=1)
def _by_tokens() -> dict[str, list[tuple[tuple[str, ...], Period]]]:
    """Holidays by their first word, those of more words first, as the tokens they are read in."""
    table: dict[str, list[tuple[tuple[str, ...], Period]]] = {}
    for name, period in holidays().items():
        said = Said(name, 0)
        parts = tuple(said.low[: said.size])
        table.setdefault(parts[0], []).append((parts, period))
    for rows in table.values():
        rows.sort(key=lambda row: -len(row[0]))
    return table


def read_holiday(said: Said, place: int) -> tuple[Period, int] | None:
    """The holiday named at a token, and the token behind it.

    >>> read_holiday(Said("Christmas Eve", 0), 0)[1], read_holiday(Said("Christie", 0), 0)
    (2, None)
    """
    for parts, period in _by_tokens().get(said.low[place], ()):
        if tuple(said.low[place : place + len(parts)]) == parts:
            return period, place + len(parts)
    return None
