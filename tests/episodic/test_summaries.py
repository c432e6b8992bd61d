"""Extractive summaries and keywords."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.episodic.summaries import Background, ExtractiveSummary
from lamina.errors import InputError
from lamina.records import Item
from lamina.terms import terms
from lamina.text import sentences
from lamina.words import words


def trace(number: int, text: str, speaker: str | None = None) -> Item:
    return Item(f"{number:04d}", "trace", text, at=number, recorded_at=number, data={"speaker": speaker} if speaker else {})


WORDS = "the boat sails past harbour storm and we fixed her old mast with rope yesterday".split()
sentence = st.lists(st.sampled_from(WORDS), min_size=1, max_size=45).map(lambda w: " ".join(w).capitalize()) | st.text(
    st.characters(exclude_categories=("Cs",)), min_size=1, max_size=50
)
turns = st.lists(st.tuples(sentence, st.sampled_from(".!?\n"), sentence).map("".join).filter(str.strip), min_size=1, max_size=8)


def test_a_summary_is_made_of_whole_sentences_in_the_order_they_were_said() -> None:
    traces = [
        trace(0, "Good morning! The boat needs a new mast. What now?", "Ana"),
        trace(1, "The mast of the boat broke in the storm.", "Ben"),
        trace(2, "Lunch was nice.", "Ana"),
        trace(3, "A new mast for the boat costs 900 euros.", "Ben"),
    ]
    summary = ExtractiveSummary(most=20).summarise(traces)
    assert in_order(summary, traces, longest=30)
    assert summary.index("Ana: The boat needs a new mast.") < summary.index("Ben: ")
    assert "What now?" not in summary
    assert len(words(summary.replace("Ana:", "").replace("Ben:", ""))) <= 20


@settings(max_examples=40)
@given(turns, st.integers(1, 60), st.integers(1, 40))
def test_every_sentence_is_verbatim(texts: list[str], most: int, longest: int) -> None:
    traces = [trace(number, text, (None, "Ana", "Ben Åse")[number % 3]) for number, text in enumerate(texts)]
    summary = ExtractiveSummary(most=most, longest=longest).summarise(traces)
    assert summary.strip()
    everything = [part for item in traces for part in sentences(item.text)]
    if any(len(terms(part)) >= 2 and not part.endswith("?") for part in everything):
        assert in_order(summary, traces, longest)
    else:  # nothing tells anything: the beginning is shown as it stands
        assert " ".join(" ".join(texts).split()).startswith(" ".join(summary.removesuffix(" …").split()))


def in_order(summary: str, traces: list[Item], longest: int) -> bool:
    """Whether some of the shown forms of the sentences, joined in order, are the summary (searched exhaustively)."""
    ends = {0}
    for item in traces:
        for part in sentences(item.text):
            split = part.split()
            shown = part if len(split) <= longest else " ".join(split[:longest]) + " …"
            whole = f"{item.speaker}: {shown}" if item.speaker else shown
            for end in sorted(ends):
                lead = " " if end else ""
                if summary.startswith(lead + whole, end):
                    ends.add(end + len(lead) + len(whole))
    return len(summary) in ends


@settings(max_examples=20)
@given(turns, st.integers(0, 100))
def test_the_same_traces_give_the_same_summary_and_keywords(texts: list[str], seed: int) -> None:
    traces = [trace(number, text) for number, text in enumerate(texts)]
    summary, background = ExtractiveSummary(), Background.of(traces)
    other = Background.of(random.Random(seed).sample(traces, len(traces)))
    assert summary.summarise(traces) == summary.summarise(list(traces))
    assert summary.keywords_of(traces, background) == summary.keywords_of(traces, other)


def test_what_says_nothing_is_shown_as_it_is() -> None:
    assert ExtractiveSummary().summarise([trace(0, "Where?"), trace(1, "Here.")]) == "Where? Here."
    assert ExtractiveSummary(longest=3).summarise([trace(0, "a b of the and")]) == "a b of …"


def test_keywords_mark_an_episode_out_within_its_session() -> None:
    session = [trace(number, f"The boat of Ana sails again, day {number}.", "Ana") for number in range(8)]
    session += [trace(8, "Carburettors! The boat's carburettor and its carburettors need 30 cleanings.", "Ana")]
    background = Background.of(session)
    keywords = ExtractiveSummary(keywords=2).keywords_of(session[8:], background)
    assert keywords[0] in ("carburettors", "carburettor")
    assert "boat" not in keywords
    assert "ana" not in ExtractiveSummary(keywords=20).keywords_of(session, background)
    assert not any(word.isdigit() for word in ExtractiveSummary(keywords=20).keywords_of(session, background))
    assert len(ExtractiveSummary(keywords=2).keywords_of(session, background)) == 2


def test_keywords_are_words_that_were_written() -> None:
    session = [trace(0, "Painting the painted paintings, painting."), trace(1, "Nothing else.")]
    keywords = ExtractiveSummary().keywords_of(session, Background.of(session))
    assert set(keywords) <= {word for item in session for word in words(item.text)}
    assert "painting" in keywords


@pytest.mark.parametrize("wrong", [{"most": 0}, {"longest": 0}, {"keywords": 0}])
def test_bad_parameters_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError):
        ExtractiveSummary(**wrong)
