"""What a scope holds at a glance: counts, names, and statements with their sources; nothing of other scopes, nothing forgotten."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.profile.overview import STATEMENTS, told_of_oneself


def test_it_counts_and_quotes_with_sources_newest_first() -> None:
    with Memory(":memory:") as memory:
        first = memory.add("I live in Porto.", user="ana", speaker="Ana", at="2025-01-01", session="a")[0]
        second = memory.add(
            "We met Clara in Lisbon. I live in Braga now!", user="ana", speaker="Ana", at="2026-01-01", session="b"
        )[0]
        memory.add("I am an assistant and I love to help.", user="ana", role="assistant", at="2026-01-02")
        memory.add("I live in Faro.", user="ben", speaker="Ben")
        memory.consolidate()
        found = memory.profile(user="ana")
        assert (found.traces, found.sessions, found.speakers) == (3, 2, (("Ana", 2),))
        assert [(one.text, one.source) for one in found.statements] == [
            ("I live in Braga now!", second),
            ("I live in Porto.", first),
        ]
        assert dict(found.names)["Clara"] == 1
        assert found.episodes
        memory.forget(second)
        assert [one.source for one in memory.profile(user="ana").statements] == [first]
        assert found.as_json()["statements"][0]["at"].startswith("2026-01-01")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I'm from Tavira, by the sea.", 1), ("My name is Ana.", 1), ("I hate mornings.", 1), ("I'm sorry, I'm late.", 0), ("Do I like fish?", 0),
        ("I'm going to the market.", 0), ("The train is late.", 0), ("I am happy to help!", 0),
    ],
)  # fmt: skip
def test_what_tells_of_oneself_is_told_from_what_passes(text: str, said: int) -> None:
    assert len(told_of_oneself(text)) == said


def test_it_is_bounded_and_empty_scopes_are_fine() -> None:
    with Memory(":memory:") as memory:
        memory.add([f"I like the number {n}." for n in range(100)], user="ana")
        assert len(memory.profile(user="ana").statements) == STATEMENTS
        empty = memory.profile(user="nobody")
        assert (empty.traces, empty.first, empty.statements) == (0, None, ())
