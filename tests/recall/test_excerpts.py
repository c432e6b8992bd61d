"""Excerpts: verbatim sentences, the right ones, and marks where something is left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lamina.recall.excerpts import GAP, Excerpts, carried
from lamina.terms import terms

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=400) | st.lists(
    st.sampled_from(("The boat sank. ", "Why? ", "no end of it ", "\n", "A bell. ", "x" * 400, "東京に行く。", "…")), max_size=30
).map("".join)


@given(st.lists(texts, max_size=4), st.lists(st.sampled_from(("boat", "bell", "sank", "harbour")), unique=True))
def test_an_excerpt_is_made_of_pieces_of_the_text_in_their_order(some: list[str], words: list[str]) -> None:
    for text, excerpts in zip(some, Excerpts().of(some, words), strict=True):
        for one in excerpts:
            place = 0
            for piece in one.text.split(GAP) if GAP not in text else ():
                bare = piece.strip()
                place = text.index(bare, place) + len(bare)
            assert GAP in one.text, "something is left out"
            assert 0 < one.share < 1
        assert [len(one.text) for one in excerpts] == sorted(len(one.text) for one in excerpts)
        assert [one.share for one in excerpts] == sorted(one.share for one in excerpts)


def test_the_sentences_that_carry_the_cue_come_first() -> None:
    text = " ".join(f"Nothing happened on day {n}." for n in range(12)) + " The boat sank off the harbour. It was late."
    smallest, second = Excerpts().of([text], terms("when did the boat sink off the harbour?"))[0][:2]
    assert smallest.text == f"{GAP} The boat sank off the harbour. {GAP}"
    assert "The boat sank off the harbour." in second.text


def test_a_rare_word_counts_for_more_than_a_common_one() -> None:
    common = "We went to the market again."
    [[rare, often]] = [part.tolist() for part in carried([["The violin broke.", common]], ["violin", "market"])]
    assert rare == often
    rows = carried([["The violin broke.", common], [common], [common]], ["violin", "market"])
    assert rows[0][0] > rows[0][1] > 0


def test_neighbours_stand_as_in_the_text_and_gaps_are_marked() -> None:
    text = "One boat.  Two boats!\nNo.  Three boats? No more."
    assert Excerpts(most=0.99).of([text], ["boat"])[0][1].text == f"One boat.  Two boats! {GAP}"


def test_a_text_of_one_sentence_has_no_excerpt_unless_it_is_very_long() -> None:
    assert Excerpts().of(["The boat sank.", "boat"], ["boat"]) == [[], []]
    log = "reading " * 200 + "boat " + "reading " * 200
    assert "boat" in Excerpts().of([log], ["boat"])[0][0].text
    assert len(Excerpts().of([log], ["boat"])[0][0].text) < 320


def test_without_words_of_the_cue_all_sentences_are_worth_the_same_and_the_first_comes_first() -> None:
    for words in ([], ["harbour"]):
        first = Excerpts(kept=1.0).of(["A b. C d. E f. G h."], words)[0][0]
        assert (first.text, first.share) == (f"A b. {GAP}", 0.25)


def test_no_excerpts_are_made_where_none_are_wanted() -> None:
    assert Excerpts(most=0.0).of(["A b. C d. E f."], ["b"]) == [[]]


def test_shares_are_chances() -> None:
    shares = Excerpts().chances(np.array([0.0, 0.3, 1.0]))
    assert shares.sum() == 1
    assert shares.tolist() == sorted(shares.tolist())


def made(**fields: Any) -> Excerpts:
    return Excerpts(**fields)


def test_a_sharper_choice_trusts_the_best_sentence_more() -> None:
    text = "The boat sank. It was late. We went home."
    assert made(sharpness=8.0).of([text], ["boat"])[0][0].share > made(sharpness=2.0).of([text], ["boat"])[0][0].share
