"""Moments keep what they were told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.times import (
    PRECISIONS,
    Moment,
    isoformat,
    parse_moment,
    to_datetime,
    to_micros,
)

OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=OFFSETS)


@given(AWARE)
def test_an_aware_datetime_comes_back_with_its_offset(moment: datetime) -> None:
    read = parse_moment(moment)
    assert to_datetime(read.at, read.offset) == moment
    assert to_datetime(read.at, read.offset).utcoffset() == moment.utcoffset()


@given(AWARE)
def test_iso_text_means_the_same_as_the_datetime(moment: datetime) -> None:
    assert parse_moment(moment.isoformat()) == parse_moment(moment)
    read = parse_moment(moment)
    assert parse_moment(isoformat(read.at, read.offset)) == read


@given(st.dates(date(2, 1, 1), date(9998, 12, 30)), st.sampled_from(["day", "month", "year"]))
def test_partial_dates_keep_their_precision_and_cover_what_they_name(day: date, precision: str) -> None:
    text = day.isoformat()[: {"day": 10, "month": 7, "year": 4}[precision]]
    moment = parse_moment(text)
    assert moment.precision == precision
    noon = to_micros(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    assert moment.at <= noon < moment.end


@given(st.integers(-10_000_000_000_000_000, 10_000_000_000_000_000), st.sampled_from(PRECISIONS), st.integers(-1439, 1439))
def test_the_stored_form_of_a_moment_reads_back(at: int, precision: str, offset: int) -> None:
    moment = Moment(at, precision, offset)  # type: ignore[arg-type]
    assert Moment.from_info(at, moment.info) == moment


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.binary(), st.lists(st.integers())))
def test_whatever_is_no_time_is_refused_as_input(value: object) -> None:
    try:
        moment = parse_moment(value)  # type: ignore[arg-type]
    except InputError:
        return
    isoformat(moment.at, moment.offset)


def test_a_naive_datetime_is_in_the_given_zone() -> None:
    zone = ZoneInfo("Europe/Lisbon")
    summer, winter = parse_moment(datetime(2023, 7, 1, 12), zone), parse_moment("2023-01-01T12:00", zone)
    assert (summer.offset, isoformat(summer.at)) == (60, "2023-07-01T11:00:00+00:00")
    assert (winter.offset, isoformat(winter.at)) == (0, "2023-01-01T12:00:00+00:00")
    assert parse_moment("2023-07", zone).at == to_micros(datetime(2023, 7, 1, tzinfo=zone))


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York"])
def test_old_local_times_with_seconds_in_their_offset_stay_in_their_month(zone: str) -> None:
    moment = parse_moment("1880-05", ZoneInfo(zone))
    assert to_datetime(moment.at, moment.offset).month == 5
    assert moment.end - moment.at > 30 * 86_400_000_000


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        10**18,
        -(10**18),
        10**40,
        Moment(10**18),
        Moment(0, "day", 5000),
        Moment(0, "week"),  # type: ignore[arg-type]
        True,
        1.5,
        "last Tuesday",
        "2023-02-30",
        "",
    ],
)
def test_times_out_of_range_and_no_times_are_refused(value: object) -> None:
    with pytest.raises(InputError):
        parse_moment(value)  # type: ignore[arg-type]
