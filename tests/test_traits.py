"""Bits that say what kind of statement a text is."""

from __future__ import annotations

import pytest

from lamina.text import index_text
from lamina.traits import FIRST_PERSON, NAMES, NUMBERS, PICTURE, QUESTION, text_flags


def test_flags_say_what_kind_of_statement_a_text_is() -> None:
    assert text_flags(index_text("Look!", "Ana", ["a red boat", "the sea"])) == PICTURE
    assert text_flags("When did I buy two?") == QUESTION | FIRST_PERSON | NUMBERS


@pytest.mark.parametrize("text", ["Where?", "どこ？", "أين؟"])
def test_a_question_is_known_by_its_mark(text: str) -> None:
    assert text_flags(text) & ~NAMES == QUESTION
