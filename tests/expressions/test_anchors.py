"""Times that hang on an event are found, and resolve once it is known when the event was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.expressions import Anchor, TimeRange, find_anchors, find_ranges
from lamina.times import DAY, isoformat, parse_moment, to_micros

FOUND = [
    ("What did we do two weeks before her birthday?", (2, 2, "week", "before", "her birthday")),
    ("The day after the concert we went home.", (1, 1, "day", "after", "the concert")),
    ("We lost 3 boxes in the week of the move.", (1, 1, "week", "of", "the move")),
    ("the summer after we moved to Porto", (1, 1, "summer", "after", "we moved to Porto")),
    ("It smells since the flood.", (0, 0, "", "since", "the flood")),
    ("I sleep better since I moved here, mostly.", (0, 0, "", "since", "I moved here")),
    ("It was the summer I turned nineteen.", (1, 1, "summer", "of", "I turned nineteen")),
    ("That's the night the barn burned.", (1, 1, "day", "of", "the barn burned")),
    ("Who sang on the Friday after the funeral?", (1, 1, "friday", "after", "the funeral")),
    ("The night before the flight I packed twice.", (1, 1, "day", "before", "the flight")),
    ("Three weeks before the launch half the team was ill.", (3, 3, "week", "before", "the launch")),
    ("A few days after Ana’s wedding it snowed.", (2, 5, "day", "after", "Ana’s wedding")),
    ("A fortnight after the operation", (1, 1, "fortnight", "after", "the operation")),
    ("the weekend before the exam", (1, 1, "weekend", "before", "the exam")),
    ("What did I wear on the morning of the interview?", (1, 1, "day", "of", "the interview")),
    ("twenty-one days after he left", (21, 21, "day", "after", "he left")),
    ("the year we met", (1, 1, "year", "of", "we met")),
    ("the summer before college", (1, 1, "summer", "before", "college")),
    ("two days before Christmas", (2, 2, "day", "before", "Christmas")),
    ("since Covid nobody shakes hands", (0, 0, "", "since", "Covid")),
]
NONE = [
    "the day before yesterday",
    "the week before last",
    "the day after tomorrow",
    "The day before, it had rained.",
    "three days after that",
    "a week after this",
    "the day of the week",
    "Since we have no chairs, we stand.",
    "since then",
    "a day of rain",
    "the end of the day",
    "Looking after the kids is hard.",
    "Before the concert we ate.",
    "weeks after the move",
    "On Friday after the match we sang.",
    "a quiet week",
    "",
]


@pytest.mark.parametrize(("text", "parts"), FOUND)
def test_a_time_that_hangs_on_an_event_is_taken_apart(text: str, parts: tuple[int, int, str, str, str]) -> None:
    (anchor,) = find_anchors(text)
    assert (anchor.amount, anchor.most, anchor.unit, anchor.relation, anchor.event) == parts
    assert anchor.words in text
    assert anchor.event in anchor.words


@pytest.mark.parametrize("text", NONE)
def test_what_hangs_on_no_event_is_left_alone(text: str) -> None:
    assert find_anchors(text) == []


@pytest.mark.parametrize(("text", "parts"), FOUND)
def test_what_hangs_on_an_event_is_no_range_by_itself(text: str, parts: tuple[int, int, str, str, str]) -> None:
    if parts[4] != "Christmas":
        assert find_ranges(text, parse_moment("2024-05-15").at) == []


def test_several_are_found_in_order() -> None:
    found = find_anchors("The day before the move and the week after the wedding I slept badly.")
    assert [anchor.event for anchor in found] == ["the move", "the wedding"]


def days(start: str, end: str | None = None) -> TimeRange:
    first = parse_moment(start)
    return TimeRange(first.at, parse_moment(end).at if end else first.end)


RESOLVED = [  # 2024-05-15 is a Wednesday
    ("two weeks before the party", "2024-04-29", "2024-05-06"),
    ("the week before the party", "2024-05-06", "2024-05-13"),
    ("the week after the party", "2024-05-20", "2024-05-27"),
    ("the week of the party", "2024-05-13", "2024-05-20"),
    ("the day before the party", "2024-05-14", "2024-05-15"),
    ("the night after the party", "2024-05-16", "2024-05-17"),
    ("the day of the party", "2024-05-15", "2024-05-16"),
    ("ten days after the party", "2024-05-25", "2024-05-26"),
    ("a few days before the party", "2024-05-10", "2024-05-14"),
    ("a few weeks after the party", "2024-05-27", "2024-06-24"),
    ("a fortnight before the party", "2024-04-29", "2024-05-06"),
    ("the month after the party", "2024-06-01", "2024-07-01"),
    ("three months before the party", "2024-02-01", "2024-03-01"),
    ("the year of the party", "2024-01-01", "2025-01-01"),
    ("the year before the party", "2023-01-01", "2024-01-01"),
    ("the Friday after the party", "2024-05-17", "2024-05-18"),
    ("the Wednesday before the party", "2024-05-08", "2024-05-09"),
    ("the Monday of the party", "2024-05-13", "2024-05-14"),
    ("the weekend before the party", "2024-05-11", "2024-05-13"),
    ("the weekend after the party", "2024-05-18", "2024-05-20"),
    ("the summer after the party", "2024-06-01", "2024-09-01"),
    ("the winter before the party", "2023-12-01", "2024-03-01"),
    ("the spring of the party", "2024-03-01", "2024-06-01"),
    ("the autumn of the party", "2024-09-01", "2024-12-01"),
]


@pytest.mark.parametrize(("text", "start", "end"), RESOLVED)
def test_an_anchor_resolves_by_the_days_of_its_event(text: str, start: str, end: str) -> None:
    (anchor,) = find_anchors(text)
    found = anchor.resolve(days("2024-05-15"))
    assert (isoformat(found.start)[:10], isoformat(found.end)[:10]) == (start, end)
    assert found.words == anchor.words


def test_a_long_event_is_counted_from_its_ends() -> None:
    trip = days("2024-05-15", "2024-06-03")
    (before,), (after,) = find_anchors("the day before the trip"), find_anchors("the day after the trip")
    assert isoformat(before.resolve(trip).start)[:10] == "2024-05-14"
    assert isoformat(after.resolve(trip).start)[:10] == "2024-06-03"
    (during,) = find_anchors("the week of the trip")
    assert during.resolve(trip) == TimeRange(days("2024-05-13").start, days("2024-06-03").start, during.words)


def test_since_runs_up_to_today_or_without_end() -> None:
    (anchor,) = find_anchors("since the flood")
    now = parse_moment("2024-06-01T12:00").at
    assert anchor.resolve(days("2024-05-15"), now=now) == TimeRange(
        days("2024-05-15").start, days("2024-06-02").start, "since the flood"
    )
    assert anchor.resolve(days("2024-05-15")).end > parse_moment("9999-12-31").at


def test_days_are_those_of_the_offset() -> None:
    (anchor,) = find_anchors("the day after the party")
    party = TimeRange(parse_moment("2024-05-15T23:30:00+00:00").at, parse_moment("2024-05-15T23:45:00+00:00").at)
    assert isoformat(anchor.resolve(party).start) == "2024-05-16T00:00:00+00:00"
    assert isoformat(anchor.resolve(party, offset=60).start, 60) == "2024-05-17T00:00:00+01:00"


@pytest.mark.parametrize(
    ("anchor", "event"),
    [
        (Anchor("it", "before", 1, 1, "year", "the year before it"), TimeRange(parse_moment("0001-05-01").at, parse_moment("0001-05-02").at)),
        (Anchor("it", "after", 1, 1, "year", "the year after it"), days("9999-05-01", "9999-05-02")),
        (Anchor("it", "after", 1, 1, "day", "the day after it"), TimeRange(5, 5)),
    ],
)  # fmt: skip
def test_days_outside_the_calendar_are_refused(anchor: Anchor, event: TimeRange) -> None:
    with pytest.raises(InputError):
        anchor.resolve(event)


@given(st.dates(date(1600, 1, 1), date(2400, 1, 1)), st.integers(1, 60), st.sampled_from(["day", "week", "month", "year"]))
def test_before_and_after_never_touch_the_event(day: date, count: int, unit: str) -> None:
    start = to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
    event = TimeRange(start, start + DAY)
    before = Anchor("it", "before", count, count, unit, "").resolve(event)
    after = Anchor("it", "after", count, count, unit, "").resolve(event)
    around = Anchor("it", "of", 1, 1, unit, "").resolve(event)
    assert before.end <= around.start <= event.start < event.end <= around.end <= after.start
    if unit == "day":
        assert (before.start, after.start) == (start - count * DAY, start + count * DAY)
    if unit == "week":
        monday = start - day.weekday() * DAY
        assert (before.start, after.start) == (monday - 7 * count * DAY, monday + 7 * count * DAY)
        assert timedelta(microseconds=after.end - after.start) == timedelta(days=7)
