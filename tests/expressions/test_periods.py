"""Periods of the calendar and holidays have the days that calendars print."""

from __future__ import annotations

import calendar
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.expressions.finding import may_name_a_time
from lamina.expressions.holidays import easter, holidays, nth_weekday
from lamina.expressions.lexicon import HOLIDAY_STARTS
from lamina.expressions.parts import third
from lamina.expressions.periods import (
    UNITS,
    WEEKEND,
    annual,
    chosen,
    day_of_month,
    day_of_year,
    joined,
    turn_of,
    turned,
    weekday,
    within,
)
from lamina.expressions.tokens import Said

DAYS = st.dates(date(1600, 1, 1), date(2400, 1, 1))

PRINTED = [  # as printed calendars have them
    ("easter", 2019, "2019-04-19", "2019-04-23"),
    ("easter", 2024, "2024-03-29", "2024-04-02"),
    ("easter sunday", 2000, "2000-04-23", "2000-04-24"),
    ("good friday", 2038, "2038-04-23", "2038-04-24"),
    ("whit monday", 2023, "2023-05-29", "2023-05-30"),
    ("ash wednesday", 2024, "2024-02-14", "2024-02-15"),
    ("thanksgiving", 2023, "2023-11-23", "2023-11-24"),
    ("thanksgiving", 2018, "2018-11-22", "2018-11-23"),
    ("black friday", 2024, "2024-11-29", "2024-11-30"),
    ("memorial day", 2021, "2021-05-31", "2021-06-01"),
    ("labor day", 2022, "2022-09-05", "2022-09-06"),
    ("christmas", 2020, "2020-12-24", "2020-12-27"),
    ("new year's eve", 2020, "2020-12-31", "2021-01-01"),
    ("halloween", 2020, "2020-10-31", "2020-11-01"),
]


@pytest.mark.parametrize(("name", "year", "start", "end"), PRINTED)
def test_a_holiday_has_its_days(name: str, year: int, start: str, end: str) -> None:
    span = holidays()[name].span(year)
    assert span == (date.fromisoformat(start).toordinal(), date.fromisoformat(end).toordinal())


def test_the_first_words_of_holidays_are_known_before_the_holidays_are_loaded() -> None:
    assert {Said(name, 0).low[0] for name in holidays()} == HOLIDAY_STARTS
    assert all(may_name_a_time(name) for name in holidays())


@given(st.integers(1583, 9998))
def test_easter_is_a_sunday_after_the_first_day_of_spring(year: int) -> None:
    day = easter(year)
    assert day.weekday() == calendar.SUNDAY
    assert date(year, 3, 22) <= day <= date(year, 4, 25)


@given(st.sampled_from(sorted(UNITS)), DAYS)
def test_every_day_lies_in_its_turn_and_turns_follow_each_other(unit: str, day: date) -> None:
    period, number = UNITS[unit], day.toordinal()
    turn = turn_of(period.cycle, number)
    span, following = period.span(turn), period.span(turn + 1)
    assert span is not None
    assert following is not None
    assert span[0] <= number < span[1] == following[0]


@given(DAYS, st.integers(0, 6))
def test_last_this_and_next_are_in_order(today: date, number: int) -> None:
    now = today.toordinal()
    spans = []
    for which in ("before last", "last", "next", "after next"):
        period = turned(weekday(number), which, now)  # type: ignore[arg-type]
        assert period is not None
        assert period.turn is not None
        spans.append(period.span(period.turn))
    assert spans == sorted(spans, key=lambda span: span or (0, 0))
    assert spans[0] is not None
    assert spans[1] is not None
    assert spans[1][0] - spans[0][0] == 7
    assert now - 7 <= spans[1][0] < now


@given(DAYS)
def test_a_leap_day_is_found_where_there_is_one(today: date) -> None:
    for ahead in (False, True):
        span = chosen(day_of_year(2, 29), today.toordinal(), ahead)
        assert span is not None
        assert date.fromordinal(span[0]).day == 29
        assert abs(span[0] - today.toordinal()) <= 8 * 366


def test_the_ends_of_the_calendar_have_no_neighbours() -> None:
    assert UNITS["year"].span(10_000) is None
    assert UNITS["year"].span(0) is None
    assert annual(12, 3, "season").span(9999) is None
    assert day_of_month(31).span(2023 * 12 + 1) is None


def test_a_part_is_read_within_a_whole_of_the_same_cycle_only() -> None:
    monday, week, year = weekday(0), UNITS["week"].at(1), UNITS["year"].at(2020)
    inside = within(monday, week)
    assert inside is not None
    assert inside.turn == 1
    assert within(monday, year) is None
    assert within(monday.at(1), week) is None


def test_a_stretch_over_new_year_goes_on_into_the_next() -> None:
    stretch = joined(annual(11, 1, "month"), annual(2, 1, "month"))
    assert stretch is not None
    assert stretch.span(2020) == (date(2020, 11, 1).toordinal(), date(2021, 3, 1).toordinal())
    assert joined(UNITS["year"].at(2021), UNITS["year"].at(2020)) is None


@given(st.integers(1, 9000), st.integers(1, 12), st.integers(0, 6), st.sampled_from([1, 2, 3, 4, 5, -1]))
def test_the_nth_day_of_the_week_is_counted(year: int, month: int, number: int, which: int) -> None:
    span = annual(month, 1, "month").span(year)
    assert span is not None
    all_of_them = [day for day in range(*span) if (day - 1) % 7 == number]
    found = nth_weekday(span, number, which)
    place = which if which < 0 else which - 1
    wanted = all_of_them[place] if -len(all_of_them) <= place < len(all_of_them) else None
    assert (None if found is None else found[0]) == wanted


@given(st.integers(1600, 2400), st.sampled_from(["month", "year", "season", "decade"]))
def test_thirds_cover_the_whole_without_gaps(year: int, kind: str) -> None:
    first = date(year // 10 * 10 if kind == "decade" else year, 6 if kind == "season" else 1, 1)
    months = {"month": 1, "year": 12, "season": 3, "decade": 120}[kind]
    whole = annual(first.month, months, kind).span(first.year)
    assert whole is not None
    parts = [third(whole, which, kind) for which in (0, 1, 2)]
    assert [part[0] for part in parts if part] + [whole[1]] == [whole[0]] + [part[1] for part in parts if part]


def test_a_weekend_is_a_saturday_and_a_sunday() -> None:
    span = WEEKEND.span(turn_of("week", date(2024, 5, 15).toordinal()))
    assert span == (date(2024, 5, 18).toordinal(), date(2024, 5, 20).toordinal())
