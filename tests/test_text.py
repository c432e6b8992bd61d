"""Text is kept verbatim; what is looked up is folded alike on both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.terms import term_hashes, terms
from lamina.text import CHUNK, MAX_TEXT, check_text, chunks, fold, index_text, mend_text, sentences
from lamina.traits import text_flags
from lamina.words import words

STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SPACED = st.text(st.sampled_from(" \n.,abcdé東京"), max_size=300)


@given(st.one_of(STORABLE, SPACED), st.integers(1, 50))
def test_the_pieces_of_a_text_joined_are_the_text(text: str, size: int) -> None:
    assert "".join(chunks(text, size)) == text


@given(SPACED.filter(lambda text: not text.isspace() and text != ""), st.integers(1, 50))
def test_no_piece_is_blank_and_only_blanks_make_one_longer_than_asked(text: str, size: int) -> None:
    for piece in chunks(text, size):
        assert piece
        assert not piece.isspace()
        body = piece.strip()
        assert len(piece) <= size or piece != body or len(body) <= size


@given(st.text(st.sampled_from("abc"), min_size=1, max_size=400), st.integers(1, 50))
def test_a_text_without_blanks_is_cut_at_the_size(text: str, size: int) -> None:
    assert all(len(piece) <= size for piece in chunks(text, size))


def test_cuts_prefer_the_end_of_a_paragraph_then_a_line_then_a_sentence() -> None:
    assert chunks("one. two\n\nthree four", 12) == ["one. two\n\n", "three four"]
    assert chunks("aaaa. bb\ncccc dddd", 12) == ["aaaa. bb\n", "cccc dddd"]
    assert chunks("aaaaaa. bb cccc dddd", 12) == ["aaaaaa. ", "bb cccc dddd"]


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        chunks("a", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana's dog didn't eat 3 apples.", ["ana", "dog", "didn't", "eat", "3", "apples"]),
        ("Ana’s CAFÉ", ["ana", "cafe"]),
        ("東京に行く", ["東京", "京に", "に行", "行く"]),
        ("iPhone15を買う", ["iphone15", "を買", "買う"]),
        ("Где живёт Анна?", ["где", "живет", "анна"]),
        ("Πού ζει η Άννα;", ["που", "ζει", "η", "αννα"]),
        ("straße STRASSE", ["strasse", "strasse"]),
        ("foo_bar-baz", ["foo", "bar", "baz"]),
        ("", []),
        ("!?…", []),
        ("אנה גרה", ["אנה", "גרה"]),
        ("ﬁnd Ａ", ["find", "a"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(STORABLE)
def test_words_do_not_depend_on_case_or_composition(text: str) -> None:
    import unicodedata

    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))


@given(st.text(st.sampled_from("abcxyzÀÉß'’ "), max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(STORABLE)
def test_every_term_has_its_hash(text: str) -> None:
    hashes = term_hashes(text)
    assert len(hashes) == len(terms(text))
    assert (hashes != 0).all()


@given(st.text())
def test_mended_text_can_be_stored_and_the_count_is_that_of_the_changes(text: str) -> None:
    mended, count = mend_text(text)
    assert len(mended) == len(text)
    assert count == sum(a != b for a, b in zip(text, mended, strict=True))
    if mended.strip():
        assert check_text(mended) == mended


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "is empty"), (" \n\t", "is empty"), ("a\ud800", "U\\+D800"), ("a\0b", "NUL"), (5, "not int"), (b"a", "not bytes")],
)
def test_what_cannot_be_kept_verbatim_is_refused(text: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_text(text)


def test_a_text_beyond_the_limit_is_refused() -> None:
    with pytest.raises(InputError, match="split the document"):
        check_text("a" * (MAX_TEXT + 1))


def test_sentences_and_lines_are_told_apart() -> None:
    assert sentences('He said "Stop!" Then 3.5 km.\n\n- a line') == ['He said "Stop!', "Then 3.5 km.", "- a line"]


def test_the_indexed_text_has_the_speaker_and_the_pictures() -> None:
    shown = index_text("Look!", "Ana", ["a red boat", "the sea"])
    assert shown == "Ana: Look! [image: a red boat] [image: the sea]"
    assert text_flags(shown) == 16
    assert text_flags("When did I buy two?") == 1 | 2 | 8


def test_a_trace_has_at_most_the_chunk_size() -> None:
    pieces = chunks("word " * 5000)
    assert max(map(len, pieces)) <= CHUNK
