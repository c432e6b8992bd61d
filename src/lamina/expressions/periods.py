"""Periods of the calendar that come round again, and which of their turns is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

Span = tuple[int, int]
"""Days `[start, end)` as day numbers: 1 January of the year 1 is day 1, a Monday."""

Cycle = Literal["day", "week", "month", "quarter", "year"]
Which = Literal["last", "this", "next", "coming", "before last", "after next"]

FIRST_DAY: Final = 1
LAST_DAY: Final = 3_652_059  # 31 December 9999
_BACK: Final = 9  # turns that are looked through: a leap day may be eight years away


@dataclass(frozen=True, slots=True)
class Period:
    """Something that comes round with every turn of a cycle: the Friday of a week, the May of a year, a week itself.

    `cycle` and `of`, the days it covers in a turn (None: there are none in that turn); `turn`, when it is known;
    `kind`, what is named ("weekday", "month", …).
    """

    cycle: Cycle
    of: Callable[[int], Span | None]
    turn: int | None = None
    kind: str = ""

    def span(self, turn: int) -> Span | None:
        """The days of one turn; None where the calendar has none."""
        try:
            return self.of(turn)
        except (ValueError, OverflowError):
            return None

    def mapped(self, change: Callable[[Span], Span | None], kind: str) -> Period:
        """A part of the period, or what lies around it."""

        def changed(turn: int) -> Span | None:
            span = self.of(turn)
            return None if span is None else change(span)

        return Period(self.cycle, changed, self.turn, kind)

    def at(self, turn: int) -> Period:
        """The period in a known turn."""
        return replace(self, turn=turn)


def turn_of(cycle: Cycle, day: int) -> int:
    """The turn of a cycle that a day lies in.

    >>> turn_of("year", date(2023, 5, 25).toordinal()), turn_of("week", 8)
    (2023, 1)
    """
    if cycle == "day":
        return day
    if cycle == "week":
        return (day - 1) // 7
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(day)
    at = date.fromordinal(day)
    if cycle == "year":
        return at.year
    if cycle == "month":
        return at.year * 12 + at.month - 1
    return at.year * 4 + (at.month - 1) // 3


def _day(turn: int) -> Span:
    return turn, turn + 1


def _week(turn: int) -> Span:
    return 7 * turn + 1, 7 * turn + 8


def month_start(months: int) -> int:
    """The first day of a month, counted from the year 0.

    >>> month_start(12 * 2023 + 4) == date(2023, 5, 1).toordinal()
    True
    """
    if months == 120_000:  # the end of December 9999
        return LAST_DAY + 1
    return date(months // 12, months % 12 + 1, 1).toordinal()


def _months(length: int) -> Callable[[int], Span]:
    return lambda turn: (month_start(turn * length), month_start((turn + 1) * length))


UNITS: Final[dict[str, Period]] = {
    "day": Period("day", _day, kind="day"),
    "week": Period("week", _week, kind="week"),
    "month": Period("month", _months(1), kind="month"),
    "quarter": Period("quarter", _months(3), kind="quarter"),
    "year": Period("year", _months(12), kind="year"),
}
"""The units of the calendar, each a period of its own cycle."""

WEEKEND: Final = Period("week", lambda turn: (7 * turn + 6, 7 * turn + 8), kind="weekend")


def weekday(number: int) -> Period:
    """A day of the week; Monday is 0."""
    return Period("week", lambda turn: (7 * turn + 1 + number, 7 * turn + 2 + number), kind="weekday")


def annual(first: int, count: int, kind: str) -> Period:
    """`count` months of every year, from month `first` (January is 1).

    >>> annual(12, 3, "season").span(2021) == (date(2021, 12, 1).toordinal(), date(2022, 3, 1).toordinal())
    True
    """
    return Period(
        "year", lambda turn: (month_start(turn * 12 + first - 1), month_start(turn * 12 + first - 1 + count)), kind=kind
    )


def day_of_year(month: int, day: int) -> Period:
    """A day of every year that has it."""

    def of(turn: int) -> Span:
        start = date(turn, month, day).toordinal()
        return start, start + 1

    return Period("year", of, kind="date")


def day_of_month(day: int) -> Period:
    """A day of every month that has it."""

    def of(turn: int) -> Span:
        start = date(turn // 12, turn % 12 + 1, day).toordinal()
        return start, start + 1

    return Period("month", of, kind="monthday")


def once(start: int, end: int, kind: str = "span") -> Period:
    """Days that are known already."""
    return Period("day", lambda turn: (start, end), 0, kind)


def chosen(period: Period, today: int, ahead: bool) -> Span | None:
    """The days meant: the known turn; else the latest one that does not lie after today, or, `ahead`, the first not before.

    A day of the week is never today itself.

    >>> today = date(2023, 5, 25).toordinal()
    >>> [date.fromordinal(chosen(weekday(3), today, ahead)[0]).day for ahead in (False, True)]
    [18, 1]
    """
    if period.turn is not None:
        return period.span(period.turn)
    now = turn_of(period.cycle, today)
    strict = period.cycle == "week" and period.kind != "weekend"
    for step in range(-1, _BACK):
        span = period.span(now + step if ahead else now - step)
        if span is None:
            continue
        if ahead and (span[0] > today if strict else span[1] > today):
            return span
        if not ahead and (span[1] <= today if strict else span[0] <= today):
            return span
    return None


def turned(period: Period, which: Which, today: int) -> Period | None:
    """The period in the turn that "last", "this" or "next" names, seen from today; None where there is none.

    "last": the latest that is over. "this": the one of the current turn. "next": of the turn after, for units, weekends and
    days of the week; else the first that begins after today, as with "coming".
    """
    now = turn_of(period.cycle, today)
    if which == "this":
        begun = period.span(now - 1)
        return period.at(now - 1 if begun is not None and begun[0] <= today < begun[1] else now)
    if which in ("last", "before last"):
        steps = range(now + 1, now - _BACK, -1)
        met = next((turn for turn in steps if (span := period.span(turn)) is not None and span[1] <= today), None)
        return None if met is None else period.at(met - (which == "before last"))
    if which in ("next", "after next") and (period.cycle == "week" or (period.kind in UNITS and period.cycle == period.kind)):
        return period.at(now + 1 + (which == "after next"))
    steps = range(now - 1, now + _BACK)
    met = next((turn for turn in steps if (span := period.span(turn)) is not None and span[0] > today), None)
    return None if met is None else period.at(met + (which == "after next"))


def within(part: Period, whole: Period) -> Period | None:
    """The part in the turn of the whole: the Friday of last week. Both come round with the same cycle."""
    if part.turn is not None or whole.turn is None or part.cycle != whole.cycle or whole.kind != whole.cycle:
        return None
    return part.at(whole.turn)


def joined(first: Period, last: Period) -> Period | None:
    """From the beginning of one period to the end of another; what one leaves open the other tells, where it can.

    >>> may_to_june = joined(annual(5, 1, "month"), annual(6, 1, "month").at(2021))
    >>> may_to_june.span(0) == (date(2021, 5, 1).toordinal(), date(2021, 7, 1).toordinal())
    True
    """
    if first.turn is None and last.turn is None:
        if first.cycle != last.cycle:
            return None
        return Period(first.cycle, lambda turn: _stretch(first, last, turn), None, "range")
    if first.turn is None and last.turn is not None:
        end = last.span(last.turn)
        return None if end is None else _fixed(_latest(first, end[0]), end)
    if first.turn is not None and last.turn is None:
        start = first.span(first.turn)
        return None if start is None else _fixed(start, _earliest(last, start[0]))
    return _fixed(first.span(first.turn or 0), last.span(last.turn or 0))


def _stretch(first: Period, last: Period, turn: int) -> Span | None:
    start = first.of(turn)
    ends = [span for step in (0, 1) if (span := last.span(turn + step)) is not None]
    end = None if start is None else next((span for span in ends if span[0] >= start[0]), None)
    return None if start is None or end is None else (start[0], end[1])


def _fixed(start: Span | None, end: Span | None) -> Period | None:
    return None if start is None or end is None or start[0] >= end[0] else once(start[0], end[1], "range")


def _latest(period: Period, day: int) -> Span | None:
    if not FIRST_DAY <= day <= LAST_DAY:
        return None
    turn = turn_of(period.cycle, day)
    spans = (period.span(turn - step) for step in range(_BACK))
    return next((span for span in spans if span is not None and span[0] <= day), None)


def _earliest(period: Period, day: int) -> Span | None:
    if not FIRST_DAY <= day <= LAST_DAY:
        return None
    turn = turn_of(period.cycle, day)
    spans = (period.span(turn + step) for step in range(_BACK))
    return next((span for span in spans if span is not None and span[0] >= day), None)
