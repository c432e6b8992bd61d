"""Names by spelling: what is one, what is none, and that a name is one however it stands in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.names import MOST, hashes_of, name_hash, names


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Beatles came from Liverpool.", ["beatles", "liverpool"]),
        ("However, she left.", []),
        ("In 1998 he met 25 people in New York City.", ["1998", "new york city"]),
        ("Ana's sister and Ana’s brother", ["ana", "ana"]),
        ("Radio City (Indian radio station)\nRadio City is India's first", ["radio city", "indian", "radio city", "india"]),
        ("São Paulo and Łódź", ["sao paulo"]),
        ("where does ana live?", []),
        ("What is Queen Elizabeth II known for?", ["queen elizabeth ii"]),
        ("I think I like it. OK. Yes!", []),
        ("東京に行く", []),
        ("", []),
    ],
)
def test_names_are_found_by_their_spelling(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_a_list_of_names_ends_somewhere() -> None:
    assert len(names(". ".join(f"Name{chr(97 + n % 26)}{n}" for n in range(2 * MOST)))) == MOST


@given(st.text())
def test_any_text_has_names_that_hash(text: str) -> None:
    found = names(text)
    assert len(hashes_of(found)) == len(found)
    assert all(name and name == name.strip() for name in found)
    assert [name_hash(name) for name in found] == hashes_of(found).tolist()
