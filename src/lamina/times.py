"""Moments: UTC microseconds with the original offset and a precision.

World time (when something was true) and record time (when it was known) are both whole microseconds since
1970-01-01 UTC. A naive datetime is read in the memory's configured zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final, Literal, cast, get_args

from lamina.errors import InputError

Precision = Literal["instant", "day", "month", "year"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of world time: where it starts, how precisely it is known, and the offset it was told in.

    Parameters: `at` in UTC microseconds, `precision`, `offset` in minutes east of UTC.

    >>> moment = parse_moment("2023-05")
    >>> moment.precision, isoformat(moment.at), isoformat(moment.end)
    ('month', '2023-05-01T00:00:00+00:00', '2023-06-01T00:00:00+00:00')
    """

    at: int
    precision: Precision = "instant"
    offset: int = 0

    @property
    def end(self) -> int:
        """The first microsecond after the moment (an instant is one microsecond long)."""
        if self.precision == "instant":
            return self.at + 1
        if self.precision == "day":
            return self.at + DAY
        start = to_datetime(self.at, self.offset)
        if self.precision == "month":
            year, month = start.year + start.month // 12, start.month % 12 + 1
        else:
            year, month = start.year + 1, 1
        if year > 9999:
            return to_micros(datetime.max.replace(tzinfo=UTC))
        return to_micros(datetime(year, month, 1, tzinfo=start.tzinfo))

    @property
    def info(self) -> str | None:
        """Precision and offset as the store keeps them; None for an instant in UTC.

        >>> Moment(0, "day", 60).info, Moment(0).info
        ('day+01:00', None)
        """
        if self.precision == "instant" and self.offset == 0:
            return None
        if self.offset == 0:
            return self.precision
        hours, minutes = divmod(abs(self.offset), 60)
        return f"{self.precision}{'-' if self.offset < 0 else '+'}{hours:02d}:{minutes:02d}"

    @classmethod
    def from_info(cls, at: int, info: str | None) -> Moment:
        """The moment whose stored form is `at` and `info`."""
        if info is None:
            return cls(at)
        found = re.fullmatch(r"(instant|day|month|year)(?:([+-])(\d{2}):(\d{2}))?", info)
        if found is None:
            raise InputError(f"time_info {info!r} is not of the form 'day+01:00'")
        offset = int(found[3]) * 60 + int(found[4]) if found[2] else 0
        return cls(at, cast(Precision, found[1]), -offset if found[2] == "-" else offset)


MomentLike = Moment | datetime | date | str | int


def to_micros(moment: datetime) -> int:
    """UTC microseconds of an aware datetime, exactly.

    >>> to_micros(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(micros: int, offset: int = 0) -> datetime:
    """The aware datetime of UTC microseconds, shown at `offset` minutes east of UTC."""
    zone = UTC if offset == 0 else timezone(timedelta(minutes=offset))
    try:
        return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)
    except OverflowError:
        raise InputError(f"{micros} microseconds lie outside the years 1 to 9999") from None


def isoformat(micros: int, offset: int = 0) -> str:
    """ISO 8601 text of UTC microseconds.

    >>> isoformat(0, 60)
    '1970-01-01T01:00:00+01:00'
    """
    return to_datetime(micros, offset).isoformat()


def parse_moment(value: MomentLike, zone: tzinfo = UTC) -> Moment:
    """Read a moment from a datetime, a date, ISO 8601 text (also '2023' and '2023-05'), or UTC microseconds.

    Raises `InputError` for anything else; a naive datetime is taken to be in `zone`.

    >>> parse_moment("2023-05-08T13:56:00+01:00").offset
    60
    >>> parse_moment("last Tuesday")
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: 'last Tuesday' is not a time: give ISO 8601 text such as '2023-05-08T13:56:00+01:00', a datetime, or UTC microseconds
    """
    if isinstance(value, Moment):
        return _checked(value)
    if isinstance(value, bool):
        raise InputError(f"{value!r} is not a time")
    if isinstance(value, int):
        return _checked(Moment(value))
    if isinstance(value, datetime):
        return _of_datetime(value, zone, "instant")
    if isinstance(value, date):
        return _of_datetime(datetime(value.year, value.month, value.day), zone, "day")
    if isinstance(value, str):
        text = value.strip()
        partial = _PARTIAL.fullmatch(text)
        try:
            if partial is not None:
                year, month, day = int(partial[1]), int(partial[2] or 1), int(partial[3] or 1)
                precision: Precision = "day" if partial[3] else "month" if partial[2] else "year"
                return _of_datetime(datetime(year, month, day), zone, precision)
            return _of_datetime(datetime.fromisoformat(text), zone, "instant")
        except ValueError as error:
            if isinstance(error, InputError):
                raise
    remedy = "give ISO 8601 text such as '2023-05-08T13:56:00+01:00', a datetime, or UTC microseconds"
    raise InputError(f"{value!r} is not a time: {remedy}")


def _of_datetime(value: datetime, zone: tzinfo, precision: Precision) -> Moment:
    if value.tzinfo is None:
        value = value.replace(tzinfo=zone)
    try:
        offset = value.utcoffset() or timedelta(0)
        # Old local times have offsets with seconds: rounded up to minutes, a day shown in one never begins the day before.
        minutes = min(-(-offset // timedelta(minutes=1)), 24 * 60 - 1)
        return _checked(Moment(to_micros(value), precision, minutes))
    except OverflowError:
        raise InputError(f"{value!r} lies outside the years 1 to 9999 in UTC") from None


def _checked(moment: Moment) -> Moment:
    """The moment, if it can be stored and shown in its own offset."""
    if moment.precision not in PRECISIONS or not isinstance(moment.offset, int) or abs(moment.offset) >= 24 * 60:
        raise InputError(f"{moment!r} is not a moment: its precision or its offset is unknown")
    to_datetime(moment.at)
    to_datetime(moment.at, moment.offset)
    return moment
