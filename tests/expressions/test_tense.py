"""The words around an expression tell a plan from what was."""

from __future__ import annotations

import pytest

from lamina.expressions.tense import Tense, tense_of
from lamina.expressions.tokens import Said

SENTENCES: list[tuple[str, Tense]] = [
    ("We will fly in MAY.", "plan"),
    ("I'll see you in MAY.", "plan"),
    ("They're going to move in MAY.", "plan"),
    ("She is coming in MAY.", "plan"),
    ("Let's meet in MAY.", "plan"),
    ("Don't forget the exam in MAY.", "plan"),
    ("The room is booked for MAY.", "plan"),
    ("We've booked a room for MAY.", "plan"),
    ("The party was moved to MAY.", "plan"),
    ("I'd like to sail in MAY.", "plan"),
    ("We have to be there in MAY.", "plan"),
    ("The ferry leaves in MAY.", "present"),
    ("She said the exam is in MAY.", "present"),
    ("Getting married in MAY!", "present"),
    ("We flew in MAY.", "past"),
    ("I cut my hair in MAY.", "past"),
    ("The house was sold in MAY.", "past"),
    ("I have seen a wolf in MAY.", "past"),
    ("Where did Ana go in MAY?", "past"),
    ("I'll never forget how we danced in MAY.", "past"),
    ("On MAY I told them I will quit.", "past"),
    ("He said he would come in MAY.", "open"),
    ("He promised to come in MAY.", "open"),
    ("I was invited to a wedding in MAY.", "open"),
    ("Photos from MAY.", ""),
]


@pytest.mark.parametrize(("text", "tense"), SENTENCES)
def test_the_nearest_verb_tells_the_tense(text: str, tense: Tense) -> None:
    said = Said(text, 0)
    place = said.low.index("may")
    assert tense_of(said, place, place + 1) == tense


def test_the_clause_of_the_expression_comes_before_the_rest_of_the_sentence() -> None:
    said = Said("We met the man who will sing in MAY, and he was 40.", 0)
    place = said.low.index("may")
    assert tense_of(said, place, place + 1) == "plan"


def test_another_sentence_tells_nothing() -> None:
    said = Said("We will go. MAY. We went.", 0)
    place = said.low.index("may")
    assert tense_of(said, place, place + 1) == ""
