"""Recall in scripts without spaces: what pieces do for it, beside whole runs and other pieces, on the same questions."""

from __future__ import annotations

from functools import cache
from statistics import fmean

import pytest

from lamina import Memory
from lamina.recall.cue import MAX_TERMS, MOST_PIECES, read_cue
from lamina.recall.likeness import Likeness
from tests.recall.languages.comparison import (
    LANGUAGES,
    PAIRS,
    TRIPLES,
    WAYS,
    WHOLE,
    Conversation,
    NoVectors,
    Way,
    rankings,
    shipped,
)


@cache
def found(language: str, way: Way | None, system: str, depth: int) -> float:
    """The share of questions whose message is among the first so many."""
    conversation = Conversation.read(language)
    return conversation.found(_rankings(language, way)[system], depth)


@cache
def _rankings(language: str, way: Way | None) -> dict[str, list[list[str]]]:
    return rankings(Conversation.read(language), way)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_conversation_has_sixty_messages_and_thirty_questions_about_them(language: str) -> None:
    conversation = Conversation.read(language)
    assert len(conversation.messages) == 60
    assert len({question for question, _ in conversation.questions}) == 30
    assert {gold for _, gold in conversation.questions} <= set(conversation.messages)


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_of_the_compared_ways_is_the_one_that_is_shipped(language: str) -> None:
    (way,) = [way for way in WAYS if shipped(language, way)]
    assert _rankings(language, way) == _rankings(language, None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_pieces_find_what_whole_runs_do_not(language: str) -> None:
    gain = 0.2 if language == "korean" else 0.5  # Korean has spaces: there the control is whole words
    assert found(language, None, "BM25", 5) > found(language, WHOLE, "BM25", 5) + gain
    assert found(language, None, "without vectors", 5) > found(language, WHOLE, "without vectors", 5) + gain
    assert found(language, None, "with vectors", 5) > found(language, WHOLE, "with vectors", 5)
    assert found(language, None, "BM25", 5) >= 0.9


def test_where_nothing_is_known_of_what_words_are_about_the_words_themselves_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [found(language, None, "without vectors", 1) for language in LANGUAGES]
    monkeypatch.setattr(Likeness, "_unknown_script", False)
    without = [
        Conversation.read(language).found(rankings(Conversation.read(language))["without vectors"], 1) for language in LANGUAGES
    ]
    assert fmean(ours) > fmean(without) + 0.03


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("other", [PAIRS, TRIPLES], ids=lambda way: way.name)
def test_the_shipped_pieces_are_no_worse_than_pairs_or_triples_alone(language: str, other: Way) -> None:
    for depth in (1, 5):
        assert found(language, None, "BM25", depth) >= found(language, other, "BM25", depth)


@pytest.mark.parametrize(
    ("cue", "language", "message"),
    [("猫", "japanese", "ja18"), ("犬", "japanese", "ja17"), ("伞", "chinese", "zh55"), ("귀", "korean", "ko15"), ("ปี", "thai", "th21")],
)  # fmt: skip
def test_a_cue_of_one_word_of_one_or_two_characters_finds(cue: str, language: str, message: str) -> None:
    with Conversation.read(language).memory(vectors=False) as memory:
        hits = memory.search(cue, k=5)
    assert message in [hit.item.origin for hit in hits]
    assert all(cue in hit.text for hit in hits if hit.item.origin == message)


def test_hindi_words_that_differ_in_a_vowel_sign_alone_are_told_apart() -> None:
    with Memory(":memory:", embedder=NoVectors()) as memory:
        memory.add(["राम का घर", "कि वह आया"])
        assert [hit.text for hit in memory.search("कि", k=1)] == ["कि वह आया"]
        assert [hit.text for hit in memory.search("का", k=1)] == ["राम का घर"]


def test_a_long_cue_is_looked_up_as_far_as_one_with_spaces() -> None:
    text = "".join(chr(0x4E00 + 7 * number) for number in range(400))
    assert len(read_cue(text).terms) == MOST_PIECES
    assert len(read_cue(" ".join(f"word{number}x" for number in range(400))).terms) == MAX_TERMS
