"""Expressions of time are understood, or left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.expressions import find_commitment, find_ranges
from lamina.times import isoformat, parse_moment

NOW = parse_moment("2023-05-25T15:00:00").at  # a Thursday
UNDERSTOOD = [
    ("on 8 May 2023", "2023-05-08", "2023-05-09"),
    ("on May 8, 2023", "2023-05-08", "2023-05-09"),
    ("on the 8th of May 2023", "2023-05-08", "2023-05-09"),
    ("2023-05-08", "2023-05-08", "2023-05-09"),
    ("in 2023-04", "2023-04-01", "2023-05-01"),
    ("What happened in March?", "2023-03-01", "2023-04-01"),
    ("in march", "2023-03-01", "2023-04-01"),
    ("in March of 2022", "2022-03-01", "2022-04-01"),
    ("in March 2022", "2022-03-01", "2022-04-01"),
    ("In July", "2022-07-01", "2022-08-01"),
    ("during Sept. 2022", "2022-09-01", "2022-10-01"),
    ("December, 2020", "2020-12-01", "2021-01-01"),
    ("this May", "2023-05-01", "2023-06-01"),
    ("last May", "2022-05-01", "2022-06-01"),
    ("last March", "2023-03-01", "2023-04-01"),
    ("next March", "2024-03-01", "2024-04-01"),
    ("next July", "2023-07-01", "2023-08-01"),
    ("on 12 December", "2022-12-12", "2022-12-13"),
    ("on the 3rd of April", "2023-04-03", "2023-04-04"),
    ("on 5 may", "2023-05-05", "2023-05-06"),
    ("In 2021", "2021-01-01", "2022-01-01"),
    ("the summer of 2022", "2022-06-01", "2022-09-01"),
    ("since 2021", "2021-01-01", "2023-05-26"),
    ("since March", "2023-03-01", "2023-05-26"),
    ("18 June 1815", "1815-06-18", "1815-06-19"),
    ("today", "2023-05-25", "2023-05-26"),
    ("yesterday's lunch", "2023-05-24", "2023-05-25"),
    ("tomorrow", "2023-05-26", "2023-05-27"),
    ("the day before yesterday", "2023-05-23", "2023-05-24"),
    ("the day after tomorrow", "2023-05-27", "2023-05-28"),
    ("last week", "2023-05-15", "2023-05-22"),
    ("this week", "2023-05-22", "2023-05-29"),
    ("next month", "2023-06-01", "2023-07-01"),
    ("last year's party", "2022-01-01", "2023-01-01"),
    ("3 days ago", "2023-05-22", "2023-05-23"),
    ("2 weeks ago", "2023-05-08", "2023-05-15"),
    ("5 months ago", "2022-12-01", "2023-01-01"),
    ("1 year ago", "2022-01-01", "2023-01-01"),
    ("on Monday", "2023-05-22", "2023-05-23"),
    ("last Friday", "2023-05-19", "2023-05-20"),
    ("on Thursday", "2023-05-18", "2023-05-19"),
    ("5 May 10:30", "2023-05-05", "2023-05-06"),
]
LEFT_ALONE = [
    "What may happen?",
    "this may be wrong",
    "of march music",
    "those 2 may come later",
    "I may 3 times a week",
    "they march 10 km",
    "May 5,000 people come?",
    "a crowd of 2000 people",
    "in 2000 words",
    "before March 2020",
    "until 5 June",
    "by 2025-06-01",
    "after 12 December",
    "1.5 years ago",
    "3-4 days ago",
    "3 to 4 days ago",
    "more than 3 years ago",
    "5 May 23",
    "the last week",
    "I did it in 3 days",
    "every last Friday of the month",
    "31 April",
    "29 February 2023",
    "2023-13-01",
    "call 555-2023-05-081",
    "room 2023",
    "some day",
    "on sundays",
    "",
]


@pytest.mark.parametrize(("text", "start", "end"), UNDERSTOOD)
def test_an_expression_names_its_stretch_of_time(text: str, start: str, end: str) -> None:
    assert [(isoformat(r.start)[:10], isoformat(r.end)[:10]) for r in find_ranges(text, NOW)] == [(start, end)]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_what_may_mean_something_else_names_no_time(text: str) -> None:
    assert find_ranges(text, NOW) == []


def test_several_expressions_come_in_the_order_of_time() -> None:
    found = find_ranges("yesterday, or on 3 March 2021, or in 2019", NOW)
    assert [stretch.words for stretch in found] == ["2019", "3 March 2021", "yesterday"]


@given(st.text(max_size=200), st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000))
def test_ranges_are_never_empty_and_never_raise(text: str, now: int) -> None:
    for prefer in ("past", "future"):
        assert all(stretch.start < stretch.end for stretch in find_ranges(text, now, prefer))  # type: ignore[arg-type]


@pytest.mark.parametrize("now", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("text", [text for text, _, _ in UNDERSTOOD])
def test_the_ends_of_the_calendar_do_no_harm(text: str, now: str) -> None:
    assert all(stretch.start < stretch.end for stretch in find_ranges(text, parse_moment(now).at))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("The dentist is on 12 December.", "2023-12-13"),
        ("The report is due by 5 June.", "2023-06-06"),
        ("See you on Monday.", "2023-05-30"),
        ("See you next Friday.", "2023-06-03"),
        ("It ends in 3 days.", "2023-05-29"),
        ("We meet in March.", "2024-04-01"),
        ("The flight is tomorrow.", "2023-05-27"),
    ],
)
def test_a_plan_is_a_commitment_until_its_day_is_over(text: str, end: str) -> None:
    found = find_commitment(text, NOW)
    assert found is not None
    assert isoformat(found)[:10] == end


@pytest.mark.parametrize("text", ["We met in 2019.", "I was there yesterday.", "It may rain.", "last Friday"])
def test_what_is_past_is_no_commitment(text: str) -> None:
    assert find_commitment(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "past", "told", "future"),
    [
        ("We will meet on Monday.", "2023-05-29", "2023-05-29", "2023-05-29"),
        ("We met on Monday.", "2023-05-22", "2023-05-22", "2023-05-29"),
        ("We meet on Monday.", None, "2023-05-29", "2023-05-29"),
        ("Lunch on Monday", "2023-05-22", None, "2023-05-29"),
        ("Is the shop open on Monday?", "2023-05-29", "2023-05-29", "2023-05-29"),
        ("It must be done by Monday.", None, None, "2023-05-29"),
        ("last Monday", "2023-05-22", "2023-05-22", "2023-05-22"),
        ("next Monday", "2023-05-29", "2023-05-29", "2023-05-29"),
    ],
)
def test_what_is_asked_told_and_planned_is_read_by_its_tense(text: str, past: str, told: str, future: str) -> None:
    for prefer, meant in (("past", past), ("told", told), ("future", future)):
        starts = [isoformat(r.start)[:10] for r in find_ranges(text, NOW, prefer)]  # type: ignore[arg-type]
        assert starts == ([] if meant is None else [meant]), prefer


def test_what_touches_is_one_stretch_and_what_does_not_is_two() -> None:
    def starts(text: str) -> list[tuple[str, str]]:
        return [(isoformat(r.start)[:10], isoformat(r.end)[:10]) for r in find_ranges(text, NOW)]

    assert starts("in March and April") == [("2023-03-01", "2023-05-01")]
    assert starts("in January and April") == [("2023-01-01", "2023-02-01"), ("2023-04-01", "2023-05-01")]
    assert starts("on 3 and 5 May") == [("2023-05-03", "2023-05-04"), ("2023-05-05", "2023-05-06")]
    assert starts("in 2018, 2019 and 2021") == [("2018-01-01", "2020-01-01"), ("2021-01-01", "2022-01-01")]


def test_the_words_are_those_of_the_expression() -> None:
    found = find_ranges("Since March I have been ill; from 3 to 9 May it was bad (Yesterday evening too).", NOW)
    assert [stretch.words for stretch in found] == ["Since March", "from 3 to 9 May", "Yesterday evening"]


def test_a_month_in_a_story_about_another_year_is_left_alone() -> None:
    assert [r.words for r in find_ranges("We moved to Porto in 2015, and in May we bought the flat.", NOW)] == ["2015"]


def test_a_moment_outside_the_calendar_is_refused() -> None:
    with pytest.raises(InputError):
        find_ranges("yesterday", 10**18)
