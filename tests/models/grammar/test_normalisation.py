"""The lowest layer: words, numerals, quotes, and where each stands in the original."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.bench.grammar.programs import script_domain
from lamina.errors import InputError
from lamina.models.grammar import packaged_domain
from lamina.models.grammar.characters import split_words

NUMERALS = script_domain().numerals
SAID = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["twenty", "one", "Twenty-one", "two", "hundred", "Ａna’s", "CAFÉ", "é", "三十五", "猫", "x2", "2.5", "5th", '"', "“a b”", "ﬁ", "½", "´", "\n", "don't", "-"]
        ),
        max_size=12,
    ).map(" ".join),
)  # fmt: skip


@given(SAID)
@settings(max_examples=400, deadline=None)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = split_words(text, NUMERALS)
    assert split_words(once.text, NUMERALS).text == once.text


@given(SAID)
@settings(max_examples=400, deadline=None)
def test_words_stand_in_the_original_in_order(text: str) -> None:
    found = split_words(text, NUMERALS)
    assert len(found.words) == len(found.starts) == len(found.ends)
    for start, end in zip(found.starts, found.ends, strict=True):
        assert 0 <= start < end <= len(text)
        assert text[start:end].strip() == text[start:end] or not text[start:end].isascii()
    assert all(end <= start for end, start in zip(found.ends, found.starts[1:], strict=False)) or not text.isascii()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Twenty-one cats", ["21", "cats"]),
        ("two hundred and five", ["200", "and", "5"]),
        ("twenty one thousand two hundred", ["21200"]),
        ("one one", ["1", "1"]),
        ("2 hundred", ["200"]),
        ("三十五", ["35"]),
        ("ＰＲＩＮＴ Ana’s café", ["print", "ana's", "cafe"]),
        ('say "Twenty Cats"', ["say", '"Twenty Cats"']),
        ("打印x", ["打", "印", "x"]),
        ("the 5th of 10:30", ["the", "5th", "of", "10:30"]),
    ],
)
def test_words_are_folded_and_numerals_are_digits(text: str, words: list[str]) -> None:
    numerals = {**NUMERALS, "thousand": NUMERALS["hundred"]._replace(value=1000)}
    assert split_words(text, numerals).words == words


def test_a_span_of_the_normalised_text_leads_to_the_original() -> None:
    found = split_words("Remember  Twenty-One ﬁne CAFÉS!", {**packaged_domain("memory").numerals})
    assert found.text == "remember 21 fine cafes !"
    place = found.text.index("21")
    assert found.source[slice(*found.origin(place, place + 2))] == "Twenty-One"
    place = found.text.index("fine")
    assert found.source[slice(*found.origin(place, len("remember 21 fine cafes")))] == "ﬁne CAFÉS"
    with pytest.raises(InputError, match="no word lies between"):
        found.origin(200, 210)
