"""Words as they are spaced, and pieces where they are not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.text import fold
from lamina.words import CUTS, is_cut, pieces, words

ANY = st.text(st.characters(), max_size=80)
MIXED = st.text(st.sampled_from("aB3'’_ -.é猫犬がパ々ーกิที่ဓာကម្ពុ한국어कि́\u200b\u3099"), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana's dog didn't eat 3 apples.", ["ana", "dog", "didn't", "eat", "3", "apples"]),
        ("Ana’s CAFÉ", ["ana", "cafe"]),
        ("東京に行く", ["東京", "京に", "に行", "行く"]),
        ("iPhone15を買う", ["iphone15", "を買", "買う"]),
        ("人々", ["人々"]),
        ("がくせい", ["がく", "くせ", "せい"]),
        ("กิน", ["กิ", "ิน"]),
        ("부산에서 빵집을", ["부산에서", "빵집을"]),
        ("हिन्दी की किताब", ["हिन्दी", "की", "किताब"]),
        ("Где живёт Анна?", ["где", "живет", "анна"]),
        ("Πού ζει η Άννα;", ["που", "ζει", "η", "αννα"]),
        ("straße STRASSE", ["strasse", "strasse"]),
        ("foo_bar-baz", ["foo", "bar", "baz"]),
        ("", []),
        ("!?…", []),
        ("❤️ 🙂", []),
        ("אנה גרה", ["אנה", "גרה"]),
        ("ﬁnd Ａ", ["find", "a"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ana's café", ["ana", "cafe"]),
        ("猫", ["猫"]),
        ("子猫が", ["子猫", "猫が", "子", "猫"]),
        ("ねこ", ["ねこ"]),
        ("iPhoneを", ["iphone", "を"]),
        ("งูใหญ่", ["งู", "ูใ", "ให", "หญ", "ญ่", "งูใ", "ูให", "ใหญ", "หญ่"]),
        ("ปี", ["ปี"]),
        ("집에서 밥", ["집에", "에서", "집", "에", "서", "밥"]),
        ("東京tower", ["東京", "東", "京", "tower"]),
    ],
)
def test_pieces_are_what_is_looked_up(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


@pytest.mark.parametrize(
    ("cue", "text"),
    [
        ("猫", "先週、公園で拾った子猫を飼い始めた。"),
        ("薬", "薬を一日二回。"),
        ("パン", "弟がパン屋を開いた。"),
        ("伞", "我的雨伞在图书馆。"),
        ("护照", "我把护照弄丢了。"),
        ("집", "집은 구했어?"),
        ("우산", "누가 내 우산을 들고 갔어."),
        ("ปี", "ปลายปีนี้ผมอยากไป"),
        ("แม่", "ของแม่ฉัน"),
    ],
)
def test_a_cue_of_a_character_or_two_finds_the_word_inside_a_run(cue: str, text: str) -> None:
    assert set(pieces(cue)) <= set(pieces(text))


@given(st.one_of(ANY, MIXED))
def test_words_and_pieces_do_not_depend_on_composition_and_folding_first_changes_nothing(text: str) -> None:
    for split in (words, pieces):
        found = split(text)
        assert split(unicodedata.normalize("NFD", text)) == split(unicodedata.normalize("NFC", text)) == found
        assert split(fold(text)) == found


@given(st.one_of(ANY, MIXED))
def test_pieces_are_words_where_no_script_is_cut(text: str) -> None:
    assert is_cut(text) or pieces(text) == words(text)


@given(st.one_of(ANY, MIXED))
def test_every_piece_stands_in_the_folded_text(text: str) -> None:
    folded = fold(text)
    assert all(piece and piece in folded for piece in (*words(text), *pieces(text)))


def test_a_run_too_short_for_its_script_is_a_piece_itself() -> None:
    for cut in CUTS:
        assert cut.pieces("x") == ["x"]
