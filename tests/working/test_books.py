"""Books: chunks, what came before them, divide and conquer, and its sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.bench.prose import Prose
from lamina.errors import Cancelled, InputError, ModelError
from lamina.models import CallableTokens, WordLlamaTokens
from lamina.records import Run
from lamina.text import sentences
from lamina.working.books import BookReader, ExtractiveSummariser, ModelSummariser
from tests.working.test_control import Scripted

WORDS = CallableTokens(lambda text: len(text.split()))
TOKENS = WordLlamaTokens()
SMALL = {"chunk_tokens": 60, "flash_tokens": 15, "short": 9, "group_tokens": 70, "target": 30, "last": 45}


class Watching:
    """A summariser that keeps what it was asked, and answers at the allowed length or beyond."""

    def __init__(self, length=10**6):
        self.asked, self.length = [], length

    def shorten(self, text, tokens, *, before=""):
        self.asked.append((text, tokens, before))
        return " ".join((text.split() * 50)[: self.length])


def test_a_novel_is_read_within_the_sizes_of_the_source():
    text = Prose(seed=5).novel(100_000)
    found = BookReader().summarise(text)
    groups = [group for level in found.levels for group in level]
    assert TOKENS.count(text) >= 100_000
    assert max(group.tokens for group in groups) <= 2300
    assert len(found.levels) <= math.ceil(math.log2(len(found.chunks))) + 1
    assert [len(level) for level in found.levels] == sorted((len(level) for level in found.levels), reverse=True)
    assert TOKENS.count(found.summary) == found.tokens <= 1500
    said = {" ".join(one.split()) for one in sentences(text)}
    assert all(one in said for one in sentences(found.summary) if not one.endswith("…") and not one.startswith("Chapter"))


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.sampled_from(["sea", "ship", "storm.", "Ana", "left!", "and", "x" * 40, "\n\n"]), min_size=1, max_size=400),
    length=st.integers(1, 80),
    related=st.integers(0, 3),
)
def test_any_text_ends_in_one_summary_and_no_group_is_too_long(words, length, related):
    text = " ".join(words)
    if not text.strip():
        return
    reader = BookReader(counter=WORDS, summariser=Watching(length), related=related, **SMALL)
    chunks = reader.split(text)
    assert " ".join(chunks).split() == text.split()
    assert all(WORDS.count(chunk) <= 60 for chunk in chunks)
    found = reader.summarise(text)
    assert len(found.levels[-1]) == 1
    assert all(group.tokens <= 70 for level in found.levels for group in level)
    assert found.tokens <= 45


def test_a_chunk_is_summarised_beside_the_one_before_and_related_ones():
    text = " ".join(
        f"Chapter {number} tells of {what}. " + f"The {what} was old. " * 10
        for number, what in enumerate(["ships", "roses", "ships", "trains", "ships"])
    )
    watching = Watching(8)
    reader = BookReader(counter=WORDS, summariser=watching, related=1, **SMALL)
    found = reader.summarise(text)
    befores = [before for _, _, before in watching.asked[: len(found.chunks)]]
    assert befores[0] == ""
    for place in range(1, len(found.chunks)):
        assert befores[place].endswith(found.chunks[place - 1])
    assert befores[1] == found.chunks[0]
    assert befores[4].count("\n\n") == 1
    assert befores[4].startswith(found.chunks[2]) or befores[4].startswith(found.chunks[0])
    alone = Watching(8)
    BookReader(variant="code", counter=WORDS, summariser=alone, **SMALL).summarise(text)
    assert all("\n\n" not in before for _, _, before in alone.asked[: len(found.chunks)])


def test_a_summary_that_would_be_too_much_begins_a_group():
    text = "one two three four five. " * 60
    found = BookReader(counter=WORDS, summariser=Watching(24), **SMALL).summarise(text)
    assert [group.parts for group in found.levels[0]] == [2, 2, 2]  # three times 24 are over 70
    assert [group.tokens for group in found.levels[0]] == [48, 48, 48]
    over = BookReader(counter=WORDS, summariser=Watching(23), **SMALL).summarise(text)
    assert [group.parts for group in over.levels[0]] == [3, 3]


def test_a_short_chunk_is_shown_whole_to_the_next():
    watching = Watching(3)
    BookReader(counter=WORDS, summariser=watching, chunk_tokens=8, flash_tokens=20).summarise(
        "The sea was grey today, all day. The ships came late."
    )
    assert watching.asked[1][2] == "The sea was grey today, all day."


def test_what_came_before_is_not_said_again():
    summariser = ExtractiveSummariser(WORDS, share=1.0)
    text = "The storm broke the mast. The crew of nine lived."
    assert summariser.shorten(text, 6, before="The storm broke the mast. The storm and the mast.") == "The crew of nine lived."
    assert summariser.shorten("Anything that is far too long to be kept at all in here.", 4).endswith("…")


def test_targets_follow_the_source():
    watching = Watching(400)
    BookReader(summariser=watching).summarise(Prose(seed=1).novel(30_000))
    chunks = [tokens for text, tokens, before in watching.asked if before]
    groups = [(TOKENS.count(text), tokens) for text, tokens, before in watching.asked[1:] if not before]
    assert set(chunks) == {666}
    assert all(tokens == min(4000 - max(size, 2300) - 400, 1000) for size, tokens in groups[:-1])
    assert groups[-1][1] == min(4000 - 2300 - 400, 1500)


def test_progress_is_told_and_reading_can_be_cancelled():
    seen = []
    run = Run(progress=lambda stage, done, total: seen.append((stage, done, total)), cancelled=lambda: len(seen) > 4)
    with pytest.raises(Cancelled, match="reading was cancelled after 4"):
        BookReader(counter=WORDS, **SMALL).summarise("The sea was grey. " * 200, run)
    assert [done for _, done, _ in seen] == [0, 1, 2, 3, 4]
    seen.clear()
    BookReader(counter=WORDS, **SMALL).summarise(
        "The sea was grey. " * 200, Run(progress=lambda stage, done, total: seen.append((stage, done, total)))
    )
    assert {stage for stage, _, _ in seen} >= {"reading", "level 1"}
    assert all(done <= total for _, done, total in seen)


def test_a_model_writes_and_an_extract_takes_its_place_where_it_fails():
    model = Scripted("A ship sailed.", ModelError("gone"), "", "All in all, a ship sailed.")
    reader = BookReader(counter=WORDS, model=model, chunk_tokens=20)
    found = reader.summarise("The sea was grey that day. " * 9)
    assert isinstance(reader.summariser, ModelSummariser)
    assert found.chunks[0] == "A ship sailed."
    assert found.chunks[1].startswith("The sea was grey")
    assert found.summary == "All in all, a ship sailed."
    assert reader.summariser.failed == 2


@pytest.mark.parametrize("text", ["", "  \n ", "a\0b"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(InputError, match="the text to be summarised"):
        BookReader(counter=WORDS).summarise(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"chunk_tokens": 0},
        {"related": -1},
        {"group_tokens": 0},
        {"target": 1200},
        {"target": True},
        {"last": 0},
        {"variant": "film"},
    ],
)
def test_wrong_sizes_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        BookReader(counter=WORDS, **settings)
