"""What rules read out of a message: whom it is about, what it says, from when, and what is left unread."""

from __future__ import annotations

import pytest

from lamina.records import Item
from lamina.semantic.facts.claims import Claim
from lamina.semantic.facts.sessions import CONTEXT, SessionReader, read_session
from lamina.times import isoformat, parse_moment

SAID = parse_moment("2024-05-15T09:00").at


def traces(*texts: str, speaker: str | None = "Ana", role: str | None = None) -> list[Item]:
    data = {} if speaker is None else {"speaker": speaker}
    return [
        Item(f"t{place:03d}", "trace", text, SAID + place, SAID + place, session="s", role=role, data=data, key=place + 1)
        for place, text in enumerate(texts)
    ]


def read(*texts: str, speaker: str | None = "Ana") -> list[tuple[str, str, str, str]]:
    return [(one.subject, one.attribute, one.value, one.act) for one in read_session(traces(*texts, speaker=speaker))]


def only(*texts: str) -> Claim:
    [claim] = read_session(traces(*texts))
    return claim


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I live in Tartu.", ("Ana", "city", "Tartu", "holds")),
        ("Since March I've been living in New Haven.", ("Ana", "city", "New Haven", "holds")),
        ("My brother Emil has moved to Narva.", ("Emil", "city", "Narva", "holds")),
        ("My aunt lives in Valga.", ("Ana's aunt", "city", "Valga", "holds")),
        ("Mum lives in Valga now.", ("Ana's mother", "city", "Valga", "holds")),
        ("Emil's parents live in Pärnu.", ("Emil's parents", "city", "Pärnu", "holds")),
        ("I don't live in Tartu any more.", ("Ana", "city", "Tartu", "ends")),
        ("I work as a tailor.", ("Ana", "job", "tailor", "holds")),
        ("They made me head chef last week!", ("Ana", "job", "head chef", "holds")),
        ("I'm no longer a tailor.", ("Ana", "job", "tailor", "ends")),
        ("I've started at Rowan Books.", ("Ana", "employer", "Rowan Books", "holds")),
        ("I got fired from Rowan Books.", ("Ana", "employer", "Rowan Books", "ends")),
        ("I'm engaged to a sailor.", ("Ana", "relationship", "engaged", "holds")),
        ("Emil and I got married yesterday.", ("Ana", "relationship", "married", "holds")),
        ("My favorite dish is solyanka these days.", ("Ana", "favourite dish", "solyanka", "holds")),
        ("Emil's favourite game is Go.", ("Emil", "favourite game", "Go", "holds")),
        ("I can't stand olives.", ("Ana", "likes olives", "no", "holds")),
        ("I prefer night trains.", ("Ana", "prefers trains", "night", "holds")),
        ("I'm 31.", ("Ana", "age", "31", "holds")),
        ("My dentist appointment is on 3 June at 10:30.", ("Ana", "appointment dentist", "3 June at 10:30", "holds")),
        ("The rehearsal has been moved to Friday.", ("", "appointment rehearsal", "Friday", "holds")),
        ("Choir has moved to Mondays.", ("", "appointment choir", "Mondays", "holds")),
        ("The rehearsal is off.", ("", "appointment rehearsal", "", "ends")),
    ],
)
def test_a_plain_statement_is_read(text: str, expected: tuple[str, str, str, str]) -> None:
    assert expected in read(text)


@pytest.mark.parametrize(
    "text",
    [
        "Do you live in Tartu?", "If I lived in Tartu I'd swim.", "I might move to Tartu.", "I'd love to live in Tartu.", "She said “I live in Tartu”.", "I wish I worked at Rowan Books.",
        "I'm a huge fan of tailors.", "I'm a bit late.", "I moved my bed to the window.", "I live in fear.", "We're thinking about moving to Tartu.", "Tomorrow is a mess.",
        "Maybe the party is on Friday.", "I lived in Tartu as a child.", "I was a tailor once.", "The dinner is two courses.", "I love your hat.",
        "I'm moving to Tartu.", "He's a great teacher.", "I was in Tartu two summers ago.", "My character in the play works for the king.",
    ],
)  # fmt: skip
def test_what_states_nothing_that_holds_is_left_alone(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("I moved to Tartu in March.", "2024-03-01"),
        ("I moved to Tartu yesterday.", "2024-05-14"),
        ("Since February I work as a tailor.", "2024-02-01"),
        ("I'm moving to Tartu on 1 July.", "2024-07-01"),
        ("I live in Tartu.", None),
    ],
)
def test_a_statement_says_from_when_it_holds(text: str, start: str | None) -> None:
    claim = only(text)
    assert (None if claim.start is None else isoformat(claim.start)[:10]) == start
    assert claim.planned == (start is not None and start > "2024-05-15")


def test_he_and_she_are_who_was_spoken_of() -> None:
    assert read("I met Emil. He's a baker now.") == [("Emil", "job", "baker", "holds")]
    assert read("Lovely day. He's a baker now.") == []


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("The exam is on Monday.", "No wait, it's Tuesday.", ("", "appointment exam", "Tuesday", "holds")),
        ("I work at Rowan Books.", "Sorry, I meant Alder Books.", ("Ana", "employer", "Alder Books", "holds")),
        ("My favourite colour is red.", "Actually I meant orange.", ("Ana", "favourite colour", "orange", "holds")),
        ("I'm 31.", "Oops, 32.", ("Ana", "age", "32", "holds")),
    ],
)
def test_a_correction_is_about_what_was_said_before_it(first: str, second: str, expected: tuple[str, str, str, str]) -> None:
    assert read(first, second)[-1] == expected
    assert read(second) == []


def test_a_correction_reaches_no_further_than_its_context() -> None:
    small_talk = ["What a day!"] * (CONTEXT - 1)
    assert len(read("The exam is on Monday.", *small_talk, "No wait, it's Tuesday.")) == 2
    assert len(read("The exam is on Monday.", "So it is.", *small_talk, "No wait, it's Tuesday.")) == 1


def test_a_trace_read_alone_says_what_it_says_within_its_session() -> None:
    session = traces("The exam is on Monday.", "I live in Tartu.", "No wait, it's Tuesday.")
    whole = read_session(session)
    assert SessionReader(lambda: session).claims(session[2:]) == [claim for claim in whole if claim.trace is session[2]]


def test_only_the_words_of_people_are_read() -> None:
    assert read_session(traces("I live in Tartu.", role="assistant")) == []
    assert read("I live in Tartu.", speaker=None) == [("user", "city", "Tartu", "holds")]


def test_long_and_odd_texts_do_no_harm() -> None:
    for text in (
        "I live in " * 5000,
        "I am " + "a" * 100_000,
        "“" * 2000 + "I live in Tartu",
        "I, " * 20_000,
        "-" * 50_000,
        "the " * 30_000 + "is on Monday",
    ):
        read(text)
