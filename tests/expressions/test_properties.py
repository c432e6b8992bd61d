"""What holds of every text: nothing raises, no range is empty, a later day shifts what hangs on the day, time is linear."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.expressions import TimeRange, find_anchors, find_commitment, find_ranges, told_times
from lamina.expressions import lexicon as words
from lamina.expressions.finding import may_name_a_time
from lamina.expressions.lexicon import Prefer
from lamina.times import DAY, MINUTE, isoformat, to_micros

PREFER: tuple[Prefer, ...] = get_args(Prefer)
NOWS = st.datetimes(datetime(1600, 1, 1), datetime(2400, 1, 1)).map(lambda at: to_micros(at.replace(tzinfo=UTC)))
EDGES = st.sampled_from([to_micros(datetime(*day, tzinfo=UTC)) for day in ((1, 1, 1), (1, 1, 9), (9999, 12, 31), (9999, 12, 25))])
OFFSETS = st.integers(-14 * 60, 14 * 60)
VOCABULARY = sorted(
    {
        *words.MONTHS,
        *words.WEEKDAYS,
        *words.SEASONS,
        *words.UNITS,
        *words.NUMBERS,
        *words.ORDINALS,
        *words.DECADES,
        *words.RELATIVE,
    }
    | {*words.PARTS, *words.DAY_PARTS, "Christmas", "Easter", "New Year's Eve", "May", "Friday", "March", "Sunday"}
    | set(
        "last this next past coming ago before after since from to between and in on at of the a an few couple dozen half".split()
    )
    | set(
        "hundred 's ' - – , . ! ( ) or q1 h2 2019 1990s 90s 5th 12 3-9 31 29 0 9999 99999 '19 1000 until every each her".split()
    )
    | {"2021-05-03", "03.05.2021", "5/13/2021", "2021/22", "we moved", "was", "will", "the party", "going to", "\n"}
)
SPEECH = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=14).map(" ".join)


@given(st.one_of(st.text(max_size=200), SPEECH), st.one_of(NOWS, EDGES), st.sampled_from(PREFER))
def test_nothing_raises_and_no_range_is_empty(text: str, now: int, prefer: Prefer) -> None:
    ranges = find_ranges(text, now, prefer)
    assert all(stretch.start < stretch.end for stretch in ranges)
    assert ranges == sorted(ranges, key=lambda stretch: (stretch.start, stretch.end))
    assert all(stretch.words and stretch.words in text for stretch in ranges)
    find_commitment(text, now)
    for anchor in find_anchors(text):
        assert anchor.event
        assert anchor.event in text
        assert anchor.words in text


@given(SPEECH, NOWS, OFFSETS)
def test_days_begin_at_midnight_where_it_was_said(text: str, now: int, offset: int) -> None:
    for stretch in told_times(text, now, offset):
        assert isoformat(stretch.start, offset)[11:19] == "00:00:00"
        assert isoformat(stretch.end, offset)[11:19] == "00:00:00"


@given(SPEECH, NOWS, OFFSETS)
def test_an_offset_means_the_same_as_the_local_time(text: str, now: int, offset: int) -> None:
    moved = [
        (stretch.start - offset * MINUTE, stretch.end - offset * MINUTE) for stretch in told_times(text, now + offset * MINUTE)
    ]
    assert [(stretch.start, stretch.end) for stretch in told_times(text, now, offset)] == moved


@given(SPEECH, NOWS, st.sampled_from(PREFER))
def test_the_quick_look_misses_nothing(text: str, now: int, prefer: Prefer) -> None:
    if not may_name_a_time(text):
        assert find_ranges(text + " (2019-01-01)", now, prefer)[1:] == []


WEEKLY = [
    "last Friday", "on Monday we met", "this Sunday", "next Tuesday", "last weekend", "next weekend", "yesterday", "tomorrow",
    "last week", "two weeks ago", "three days ago", "a few weeks ago", "the Friday before last", "a week ago last Saturday",
    "a week from Thursday", "Friday week", "the past ten days", "since Wednesday", "in five days we will know",
    "from Monday to Tuesday I was ill" , "the day before yesterday", "two Mondays ago", "Tuesday of last week",
]  # fmt: skip


@given(NOWS, st.sampled_from(WEEKLY))
def test_a_week_later_everything_weekly_is_a_week_later(now: int, text: str) -> None:
    now_and_then = [told_times(text, at) for at in (now, now + 7 * DAY)]
    before, after = ([(stretch.start, stretch.end) for stretch in ranges] for ranges in now_and_then)
    assert after == [(start + 7 * DAY, end + 7 * DAY) for start, end in before]
    if not text.startswith("from"):  # only a week that is over is understood
        assert len(before) == 1


@given(NOWS, st.integers(1, 400))
def test_days_ago_are_counted(now: int, count: int) -> None:
    (stretch,) = told_times(f"It was {count} days ago.", now)
    assert now - count * DAY in stretch
    assert stretch.end - stretch.start == DAY


FORMS = ["{d.day} {d:%B} {d:%Y}", "{d:%B} {d.day}, {d:%Y}", "the {d.day}th of {d:%b} {d:%Y}", "{d:%Y-%m-%d}", "{d:%d.%m.%Y}", "{d:%Y/%m/%d}", "{d:%A}, {d.day} {d:%B} {d:%Y}", "{d:%d}-{d:%b}-{d:%Y}"]  # fmt: skip


@given(st.dates(date(1500, 1, 1), date(2199, 12, 31)), st.sampled_from(FORMS), NOWS, st.sampled_from(PREFER))
def test_a_full_date_is_its_day_however_it_is_written_and_whenever_it_is_said(
    day: date, form: str, now: int, prefer: Prefer
) -> None:
    (stretch,) = find_ranges(f"It was on {form.format(d=day)}.", now, prefer)
    assert isoformat(stretch.start)[:10] == day.isoformat()
    assert stretch.end - stretch.start == DAY


@given(st.dates(date(1700, 1, 1), date(2100, 1, 1)), st.dates(date(1700, 1, 1), date(2100, 1, 1)))
def test_without_a_year_the_past_lies_behind_and_a_plan_ahead(day: date, today: date) -> None:
    now = to_micros(datetime(today.year, today.month, today.day, 9, tzinfo=UTC))
    for form in ("on {d.day} {d:%B}", "in {d:%B}"):
        words = form.format(d=day)
        past, plan = find_ranges(f"We met {words}.", now), find_ranges(f"We will meet {words}.", now)
        assert len(past) == len(plan) == 1
        assert past[0].start <= now
        assert plan[0].end > now


SLOW = [
    "in in 1 1 last last ", "in in 1 1 last last week ago ", "5 May 2023, ", "first first week of of ", "from from May to to ",
    "since since the the ", "twenty ", "May, and ", "on Monday and ", "in May we ", "1-", "early early of the ", "week of the ",
    "the day after the concert ", "'", "3 - 3 - ", "Friday of ", "from 3 to ", "a week from ", "last year in ", "before the ",
    "New Year's ", "2019 ", "the week before the week before ",
]  # fmt: skip


@pytest.mark.parametrize("unit", SLOW)
def test_time_grows_no_faster_than_the_text(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit)) + " yesterday"
        runs = []
        for _ in range(2):
            began = time.process_time()
            told_times(text, 0)
            find_anchors(text)
            runs.append(time.process_time() - began)
        return min(runs)

    small, large = seconds(8_000), seconds(40_000)
    assert large < 0.1 or large / small < 12, f"{small:.3f} s for 8 kB, {large:.3f} s for 40 kB"


def test_a_long_text_of_little_meaning_takes_a_fraction_of_a_second() -> None:
    text = "in in 1 1 last last " * 5_000 + "yesterday"
    runs = []
    for _ in range(5):
        began = time.process_time()
        found = told_times(text, 0)
        runs.append(time.process_time() - began)
    assert len(found) == 1
    assert min(runs) < 0.3


def test_twenty_thousand_short_messages_take_a_second() -> None:
    messages = ["I had lunch with Ana and we talked about boats.", "We met last Friday, it was fun!", "May I come too?"] * 1000
    runs = []
    for _ in range(5):
        began = time.process_time()
        found = sum(len(told_times(message, 0)) for message in messages)
        runs.append(time.process_time() - began)
    assert found == 1000
    assert len(messages) / min(runs) > 20_000


def test_a_range_knows_what_lies_in_it() -> None:
    stretch = TimeRange(10, 20, "then")
    assert [at in stretch for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert timedelta(microseconds=stretch.end - stretch.start) == timedelta(microseconds=10)
