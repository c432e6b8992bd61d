"""Taking a cue apart."""

from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.recall.cue import MAX_CUE, MAX_TERMS, read_cue
from lamina.times import parse_moment


def test_names_of_speakers_are_taken_out_and_kept_apart() -> None:
    cue = read_cue("Why did Ana's brother Jean-Luc paint Ben?", speakers=["Ana", "Jean-Luc", "Zoe", "Benjamin"])
    assert cue.names == {"ana", "jean-luc"}
    assert cue.words == ("brother", "paint", "ben")
    assert cue.terms.tolist() == [zlib.crc32(word.encode()) for word in cue.words]


@pytest.mark.parametrize("written", ["ANA", "ana", "Ana's", "Ana’s", "Aña", "(ana)"])
def test_a_name_is_known_however_it_is_written(written: str) -> None:
    assert read_cue(f"Did {written} paint?", speakers=["Ana"]).names == {"ana"}


def test_all_parts_of_a_name_must_be_there() -> None:
    assert read_cue("Did Maria paint?", speakers=["Ana Maria"]).names == frozenset()
    assert read_cue("Did Ana and Maria paint?", speakers=["Ana Maria"]).names == {"ana maria"}
    assert read_cue("Did Hannah paint?", speakers=["Ann", "anna"]).names == frozenset()


def test_of_names_alone_the_names_are_looked_for() -> None:
    cue = read_cue("Ana and Ben", speakers=["Ana", "Ben"])
    assert cue.words == ("ana", "ben")
    assert cue.names == {"ana", "ben"}


@pytest.mark.parametrize("text", ["who is it that was there?", "🙂🙂", "…?!", "of the"])
def test_a_cue_may_have_no_terms(text: str) -> None:
    cue = read_cue(text, speakers=["🙂", "…"])
    assert cue.words == ()
    assert cue.terms.shape == (0,)
    assert cue.terms.dtype == np.uint32
    assert cue.names == frozenset()


@pytest.mark.parametrize(
    ("text", "words"), [("東京に行く", ("東京", "京に", "に行", "行く", "東", "京", "行")), ("Где лодка?", ("где", "лодка"))]
)
def test_other_scripts_have_terms(text: str, words: tuple[str, ...]) -> None:
    assert read_cue(text).words == words


@pytest.mark.parametrize("text", ["", "  \n", "a\0b", "\ud800", None, 7])
def test_what_cannot_be_a_cue_is_refused(text: object) -> None:
    with pytest.raises(InputError, match="the cue"):
        read_cue(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "vector", [np.array([np.nan, 1], np.float32), np.ones((1, 2), np.float32), np.array([np.inf], np.float32)]
)
def test_a_vector_that_is_none_is_refused(vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    with pytest.raises(InputError, match="vector"):
        read_cue("boat", vector=vector)


def test_what_is_asked_for_is_seen() -> None:
    assert [read_cue(text).asks_when for text in ("When was it?", "Which day?", "Whenever you like")] == [True, True, False]
    assert [read_cue(text).asks_count for text in ("How many boats?", "How old is she?", "However many")] == [True, True, False]


def test_stretches_of_time_are_seen_from_now() -> None:
    now = parse_moment("2026-05-20").at
    (stretch,) = read_cue("What happened in March?", now=now).ranges
    assert (stretch.start, stretch.end) == (parse_moment("2026-03-01").at, parse_moment("2026-04-01").at)
    assert read_cue("What happened in March?").ranges == ()


@pytest.mark.parametrize(
    "text",
    [
        "boat storm " * 50_000,
        "5 May 2023, " * 50_000,
        "2023-01-01 yesterday " * 20_000,
        "a'" * 100_000,
        "x" * 900_000,
        "in May " * 90_000,
    ],
)
def test_a_huge_cue_is_cut_and_quick(text: str) -> None:
    began = time.perf_counter()
    cue = read_cue(text, speakers=[f"speaker {n}" for n in range(500)], now=parse_moment("2026-05-20").at)
    assert time.perf_counter() - began < 2
    assert len(cue.text) == min(MAX_CUE, len(text))
    assert len(cue.terms) <= MAX_TERMS


def test_terms_beyond_the_most_are_left_out() -> None:
    cue = read_cue(" ".join(f"word{n}x" for n in range(500)))
    assert len(cue.terms) == len(cue.words) == MAX_TERMS


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=4))
def test_any_text_is_read_or_refused(text: str, speakers: list[str]) -> None:
    try:
        cue = read_cue(text, speakers=speakers, now=parse_moment("2026-05-20").at)
    except InputError:
        assert not text.strip() or "\0" in text
        return
    assert len(set(cue.terms.tolist())) == len(cue.terms) <= len(cue.words)
