"""The stretches of time that plain text names."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from lamina.errors import InputError
from lamina.times import DAY, Moment, Precision, to_datetime, to_micros

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_MONTHS["sept"] = 9
_WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open stretch of world time `[start, end)` in UTC microseconds, with the words that named it."""

    start: int
    end: int
    words: str = ""

    def __contains__(self, micros: int) -> bool:
        return self.start <= micros < self.end


_MONTH_NAME = r"(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_YEAR = r"(?P<year>(?:1[6-9]|20|21)\d{2})\b"
_DAY = r"(?<![\d.,:/])(?P<day>\d{1,2})(?P<ordinal>st|nd|rd|th)?"
_WEEKDAY = rf"(?P<weekday>{'|'.join(_WEEKDAYS)})\b"
_END = r"(?![.,:/-]?\d)(?! ['’]?\d+\b(?!:))"  # no number goes on, and no year of two digits follows
_COUNTED = (
    "people|persons|men|women|pieces|parts|words|dollars|euros|pounds|steps|calories|years|months|weeks|days|hours|miles|km|m"
)
_SPANS = "summer|spring|autumn|fall|winter|year|end|beginning|start|middle|rest|half|quarter"
_EXPRESSIONS: Final = (
    re.compile(r"\b(?P<far>day before yesterday|day after tomorrow)\b", re.I),
    re.compile(r"(?<![\d-])(?P<year>\d{4})-(?P<month_number>\d{2})(?:-(?P<day>\d{2}))?(?![\d-])"),
    re.compile(rf"\b{_DAY}(?P<of> of)? {_MONTH_NAME}(?:(?:,| of)? {_YEAR}|{_END})", re.I),
    re.compile(rf"(?<!\d )\b{_MONTH_NAME} (?P<day>\d{{1,2}})(?P<ordinal>st|nd|rd|th)?\b(?:,? {_YEAR}|{_END})", re.I),
    re.compile(rf"\b{_MONTH_NAME}(?:,| of)? {_YEAR}(?! (?:{_COUNTED})\b)", re.I),
    re.compile(rf"\b(?P<which>in|during|since|of|this|last|next) {_MONTH_NAME}(?!\w| \d)", re.I),
    re.compile(rf"\b(?:in|during|since|(?:{_SPANS}) of) {_YEAR}(?! (?:{_COUNTED})\b)", re.I),
    re.compile(r"\b(?P<relative>today|yesterday|tomorrow)\b", re.I),
    re.compile(r"\b(?P<which>last|this|next) (?P<unit>week|month|year)\b", re.I),
    re.compile(r"(?<![\d.,-])\b(?P<count>\d{1,3}) (?P<unit>day|week|month|year)s? ago\b", re.I),
    re.compile(r"\bin (?P<ahead>\d{1,3}) (?P<unit>day|week|month|year)s?\b", re.I),
    re.compile(rf"\b(?P<which>on|last|next) {_WEEKDAY}(?! of\b)", re.I),
)
_BEFORE = re.compile(r"(\w+) (?:the |early |late |mid )?$")
_OPEN: Final = {"before", "until", "till", "by", "after", "than", "over", "least", "most"}
"""Words that make the stretch behind them a bound, not the time that is meant."""


def find_ranges(text: str, now: int, prefer: Literal["past", "future"] = "past") -> list[TimeRange]:
    """The stretches of time that `text` names, seen from `now` (UTC microseconds); [] where none is understood.

    A day or month without a year is the latest one that does not lie after `now`; with `prefer="future"`, the
    first one that does not lie before it. What may mean something else ("the 2 may come", "before March") is left out.

    >>> from lamina.times import isoformat, parse_moment
    >>> now = parse_moment("2023-05-25").at
    >>> [(isoformat(r.start)[:10], isoformat(r.end)[:10]) for r in find_ranges("What happened in March?", now)]
    [('2023-03-01', '2023-04-01')]
    >>> find_ranges("What may happen?", now)
    []
    """
    taken: list[tuple[int, int]] = []
    ranges: list[TimeRange] = []
    for expression in _EXPRESSIONS:
        for found in expression.finditer(text):
            if any(found.start() < end and start < found.end() for start, end in taken):
                continue
            span = _resolve(found, now, prefer) if _means_a_time(found, prefer) else None
            taken.append(found.span())  # also of what means no time: no other expression may read a part of it
            if span is not None:
                ranges.append(TimeRange(*span, words=found[0]))
    return sorted(ranges, key=lambda stretch: (stretch.start, stretch.end))


def _means_a_time(found: re.Match[str], prefer: Literal["past", "future"]) -> bool:
    """Whether the words around an expression leave it a stretch of time of its own."""
    parts = found.groupdict()
    led = _BEFORE.search(found.string, max(0, found.start() - 24), found.start())
    leading = led[1].lower() if led is not None else ""
    if prefer == "past" and leading in _OPEN:
        return False
    if parts.get("count") and leading in ("to", "or", "and"):  # "3 to 4 days ago"
        return False
    if parts.get("unit") and parts.get("which") and found.string[: found.start()].lower().endswith("the "):
        return False  # "the last week of May", "in the last year"
    month = parts.get("month")
    if month in ("may", "march", "mar"):  # also plain words; the name of a month is written so only by the hasty
        which = (parts.get("which") or "").lower()
        certain = parts.get("ordinal") or parts.get("of") or which in ("in", "during", "since", "last", "next")
        return bool(certain) or leading in ("on", "in", "since", "during", "by", "until", "from", "of", "last", "next")
    return True


def _resolve(found: re.Match[str], now: int, prefer: Literal["past", "future"]) -> tuple[int, int] | None:
    parts = {name: value for name, value in found.groupdict().items() if value}
    which = parts.get("which", "").lower()
    today = to_datetime(now).date()
    try:
        if "far" in parts:
            return _days(today + timedelta(days=-2 if "before" in parts["far"].lower() else 2), 1)
        if "relative" in parts:
            shift = {"yesterday": -1, "today": 0, "tomorrow": 1}[parts["relative"].lower()]
            return _days(today + timedelta(days=shift), 1)
        if "weekday" in parts:
            return _weekday(today, _WEEKDAYS[parts["weekday"].lower()], which, prefer)
        if "count" in parts:
            return _unit(today, parts["unit"].lower(), -int(parts["count"]))
        if "ahead" in parts:  # of a duration ("I did it in 3 days") the past has nothing to say
            return _unit(today, parts["unit"].lower(), int(parts["ahead"])) if prefer == "future" else None
        if "unit" in parts:
            return _unit(today, parts["unit"].lower(), {"last": -1, "this": 0, "next": 1}[which])
        start, end = _calendar(parts, which, now, prefer)
        if found[0].lower().startswith("since ") and prefer == "past":
            end = max(end, _days(today, 1)[1])
        return start, end
    except (ValueError, OverflowError, InputError):
        return None


def _weekday(today: date, weekday: int, which: str, prefer: Literal["past", "future"]) -> tuple[int, int] | None:
    """A day of the week: the latest one before today; in plans the next, where "next" may mean this week or the one after."""
    ahead = (weekday - today.weekday() - 1) % 7 + 1
    if which == "next":
        return _days(today + timedelta(days=ahead), 8) if prefer == "future" else None
    if which == "on" and prefer == "future":
        return _days(today + timedelta(days=ahead), 1)
    return _days(today - timedelta(days=7 - ahead % 7), 1)


def _calendar(parts: dict[str, str], which: str, now: int, prefer: Literal["past", "future"]) -> tuple[int, int]:
    """A day, a month or a year of the calendar."""
    today = to_datetime(now).date()
    month = int(parts["month_number"]) if "month_number" in parts else _MONTHS.get(parts.get("month", "").lower(), 0)
    if "month" not in parts and "month_number" not in parts:
        return _span(Moment(to_micros(datetime(int(parts["year"]), 1, 1, tzinfo=UTC)), "year"))
    year = int(parts["year"]) if "year" in parts else today.year
    precision: Precision = "day" if "day" in parts else "month"
    start = datetime(year, month, int(parts.get("day", 1)), tzinfo=UTC)
    span = _span(Moment(to_micros(start), precision))
    if "year" in parts or which == "this":
        return span
    if which == "last":
        return span if span[1] <= now else _span(Moment(to_micros(start.replace(year=year - 1)), precision))
    if which == "next" or prefer == "future":
        ahead = span[0] > now if which == "next" else span[1] > now
        return span if ahead else _span(Moment(to_micros(start.replace(year=year + 1)), precision))
    if span[0] > now:
        return _span(Moment(to_micros(start.replace(year=year - 1)), precision))
    return span


def _span(moment: Moment) -> tuple[int, int]:
    return moment.at, moment.end


def _days(first: date, count: int) -> tuple[int, int]:
    start = to_micros(datetime(first.year, first.month, first.day, tzinfo=UTC))
    return start, start + count * DAY


def _unit(today: date, unit: str, shift: int) -> tuple[int, int]:
    if unit == "day":
        return _days(today + timedelta(days=shift), 1)
    if unit == "week":
        return _days(today + timedelta(days=7 * shift - today.weekday()), 7)
    if unit == "month":
        months = today.year * 12 + today.month - 1 + shift
        return _span(Moment(to_micros(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)), "month"))
    return _span(Moment(to_micros(datetime(today.year + shift, 1, 1, tzinfo=UTC)), "year"))


def find_commitment(text: str, said_at: int) -> int | None:
    """The end of the latest stretch after `said_at` that `text` names, read as a plan; None where it names none.

    >>> from lamina.times import isoformat, parse_moment
    >>> said_at = parse_moment("2026-09-01").at
    >>> isoformat(find_commitment("The dentist is on 12 December.", said_at))[:10]
    '2026-12-13'
    >>> find_commitment("We met in 2023.", said_at) is None
    True
    """
    ends = [stretch.end for stretch in find_ranges(text, said_at, prefer="future") if stretch.start > said_at]
    return max(ends, default=None)
