"""A cue: what a recall starts from, taken apart once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.expressions import TimeRange, find_ranges
from lamina.terms import ENGLISH, hash_of, spoken_terms
from lamina.text import check_text, fold
from lamina.words import is_cut

MAX_CUE = 100_000  # characters of a cue that are looked at
MAX_WHEN = 2_000  # … and in which times are looked for
MAX_TERMS = 64  # different terms of a cue that are looked up
MOST_PIECES = 192  # … of one with scripts that are looked up in pieces, some three to a word

_WHEN = re.compile(r"\b(?:when|what (?:date|day|month|year|time)|how long|which (?:day|month|year|week))\b", re.I)
_WHERE = re.compile(r"\bwhere\b|\b(?:which|what) (?:city|country|place|town|state|region)\b", re.I)
_COUNT = re.compile(r"\bhow (?:many|much|often|old)\b", re.I)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Cue:
    """What is asked, in the forms recall needs.

    `terms`: distinct term hashes without the names of speakers, shape (terms,); `words`: the same as stems; `spoken`: the same
    as the words first used for them; `names`: folded names of speakers that the cue mentions; `vector`: shape (dim,), or None without an embedder; `ranges`: the stretches
    of time it names; `now`: UTC microseconds.
    """

    text: str
    terms: NDArray[np.uint32]
    words: tuple[str, ...]
    spoken: tuple[str, ...]
    names: frozenset[str]
    vector: NDArray[np.float32] | None
    ranges: tuple[TimeRange, ...]
    asks_when: bool
    asks_count: bool
    asks_where: bool
    now: int


def read_cue(
    text: str,
    *,
    speakers: Sequence[str] = (),
    vector: NDArray[np.float32] | None = None,
    now: int = 0,
    ranges: Sequence[TimeRange] = (),
    language: str = ENGLISH,
) -> Cue:
    """Take a cue apart; `speakers` are the names known where it is asked, `ranges` times it names beside those in its words.

    `language` is that of the memory.

    >>> cue = read_cue("When did Ana paint the sunset?", speakers=["Ana", "Ben"])
    >>> cue.words, sorted(cue.names), cue.asks_when
    (('paint', 'sunset'), ['ana'], True)
    """
    text = check_text(text, "the cue")[:MAX_CUE]
    if vector is not None and (vector.ndim != 1 or not np.isfinite(vector).all()):
        raise InputError(f"a cue's vector must be finite and of shape (dim,), not {vector.shape}")
    named, rest = _take_names(text, speakers, language)
    spoken = spoken_terms(rest, language)
    stems = tuple(spoken)[: MOST_PIECES if is_cut(rest) else MAX_TERMS]
    return Cue(
        text=text,
        terms=np.array([hash_of(spoken[stem], language) for stem in stems], np.uint32),
        words=stems,
        spoken=tuple(spoken[stem] for stem in stems),
        names=named,
        vector=vector,
        ranges=(*(find_ranges(text[:MAX_WHEN], now) if now else ()), *ranges),
        asks_when=_WHEN.search(text) is not None,
        asks_count=_COUNT.search(text) is not None,
        asks_where=_WHERE.search(text) is not None,
        now=now,
    )


def names_in_cue(text: str, speakers: Sequence[str]) -> frozenset[str]:
    """The folded names of those speakers whom a text names."""
    return _take_names(text, speakers, ENGLISH)[0]


def _take_names(text: str, speakers: Sequence[str], language: str) -> tuple[frozenset[str], str]:
    """The speakers a text names, and the text without them (unless nothing else would be left to look for)."""
    spoken = set(_WORD.findall(fold(text)))
    named: set[str] = set()
    parts: set[str] = set()
    for speaker in speakers:
        folded = fold(speaker)
        pieces = _WORD.findall(folded)
        if pieces and all(piece in spoken for piece in pieces):
            named.add(folded)
            parts.update(pieces)
    if not named:
        return frozenset(), text
    rest = " ".join(word for word in re.findall(r"\w+(?:['’]\w+)*", text) if fold(word).split("'")[0] not in parts)
    return frozenset(named), rest if spoken_terms(rest, language) else text
