"""Text is kept verbatim; what is looked up is folded alike on both sides."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.text import CHUNK, MAX_TEXT, check_text, chunks, fold, fold_case, index_text, mend_text, sentences

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


# ------------------------------------------------------------------------------------------------------- folding
@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ana’s CAFÉ", "ana's cafe"),
        ("Straße STRASSE", "strasse strasse"),
        ("İstanbul ISPARTA ışık", "istanbul isparta isik"),
        ("Ａｂｃ１２３！", "abc123!"),
        ("ﬁnd ﬀ Ⅳ œuvre Æsop", "find ff iv oeuvre aesop"),
        ("Łódź Øresund Đường Ħal", "lodz oresund duong hal"),
        ("Tiếng Việt, phở", "tieng viet, pho"),
        ("ΟΔΟΣ οδός ὁδός ᾳ ΐ", "οδοσ οδοσ οδοσ α ι"),
        ("Ёлка ёж ѝ за́мок", "елка еж и замок"),
        ("Мой мои Київ їжа ўсё ѓ ќ", "мой мои київ їжа ўсе ѓ ќ"),
        ("مُحَمَّد كتـــاب", "محمد كتاب"),
        ("أحمد إلى آب مدرسة مستشفى", "احمد الي اب مدرسه مستشفي"),
        ("کتاب یک", "كتاب يك"),
        ("می\u200cخواهم", "ميخواهم"),
        ("שָׁלוֹם ג׳ירפה", "שלום ג'ירפה"),
        ("कि का हिन्दी क़लम", "कि का हिन्दी क़लम"),
        ("বাংলা தமிழ்", "বাংলা தமிழ்"),
        ("กินข้าวที่บ้าน", "กินข้าวที่บ้าน"),
        ("が か ぱ は ﾊﾟﾝ", "が か ぱ は パン"),
        ("한국어", "한국어"),
        ("٢٠٢٦ २०२६ ๒๐๒๖", "2026 2026 2026"),
        ("Do\u00adnau zero\u200bwidth ❤\ufe0f", "donau zero\u200bwidth ❤"),
    ],
)
def test_what_is_compared_of_many_scripts(text: str, folded: str) -> None:
    assert fold(text) == unicodedata.normalize("NFC", folded)
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)


def test_stemmers_see_letters_with_their_accents() -> None:
    assert fold_case("Ana’s CAFÉ Straße İzmir за́мок Ёж מִלָּה") == "ana's café straße izmir замок ёж מלה"


def test_every_character_is_folded_once_and_for_all() -> None:
    for character in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(character) not in ("Cn", "Co"):
            for folding in (fold, fold_case):
                folded = folding(character)
                assert folding(folded) == folded, ascii(character)
            assert fold(fold_case(character)) == fold(character), ascii(character)


@given(st.text(st.characters(), max_size=60))
def test_any_text_is_folded_and_folding_twice_is_folding_once(text: str) -> None:
    for folding in (fold, fold_case):
        folded = folding(text)
        assert folding(folded) == folded
        assert folding(unicodedata.normalize("NFD", text)) == folding(unicodedata.normalize("NFC", text))
    assert fold(fold_case(text)) == fold(text)


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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("今日は雨だ。傘を持った？はい！", ["今日は雨だ。", "傘を持った？", "はい！"]),
        ("彼は「行く。」と言った。", ["彼は「行く。", "と言った。"]),
        ("什么？！走吧。\n好。", ["什么？！", "走吧。", "好。"]),
        ("वह गया। मैं रुका।", ["वह गया।", "मैं रुका।"]),
        ("أين أنت؟ هنا.", ["أين أنت؟", "هنا."]),
    ],
)
def test_sentences_end_as_their_scripts_end_them(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


def test_the_indexed_text_has_the_speaker_and_the_pictures() -> None:
    shown = index_text("Look!", "Ana", ["a red boat", "the sea"])
    assert shown == "Ana: Look! [image: a red boat] [image: the sea]"


def test_a_trace_has_at_most_the_chunk_size() -> None:
    pieces = chunks("word " * 5000)
    assert max(map(len, pieces)) <= CHUNK
