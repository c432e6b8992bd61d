"""What kind of statement a text is, as bits: a question, a telling of oneself, a time, a number, a picture, names."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

QUESTION: Final = 1
"""Flag: the text asks something."""
FIRST_PERSON: Final = 2
"""Flag: the speaker tells of himself."""
TIME_WORDS: Final = 4
"""Flag: the text names a time."""
NUMBERS: Final = 8
"""Flag: the text has a number in it."""
PICTURE: Final = 16
"""Flag: a picture goes with the text."""

NAMES: Final = 0x300
"""Two bits that count the names inside the text's sentences: none, one, two, three or more."""

_NAMES_SHIFT = 8
_NAME = re.compile(r"[A-Z](?<=\b[A-Z])(?<![.!?…:]\s[A-Z])(?<!^[A-Z])[a-z]+")  # the capital first: four times as fast
_TOKEN = re.compile(r"\w+")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_DIGIT = re.compile(r"\d")
_FIRST_PERSON: Final = frozenset("I My my Me me Mine mine We we Our our".split())
_TIMES: Final = frozenset(
    """yesterday today tomorrow tonight ago last next since week weeks weekend weekends month months year years morning evening
    day days monday tuesday wednesday thursday friday saturday sunday january february march april june july august september
    october november december""".split()
)
_NUMERALS: Final = frozenset("two three four five six seven eight nine ten dozen hundred thousand".split())


def text_flags(text: str) -> int:
    """What kind of statement an indexed text is, as bits (QUESTION, FIRST_PERSON, TIME_WORDS, NUMBERS, PICTURE, NAMES).

    >>> text_flags("Where did we go last week?") == QUESTION | FIRST_PERSON | TIME_WORDS
    True
    >>> names_in(np.array([text_flags("Ana: We met Ben in Porto.")])).tolist()
    [2]
    """
    tokens = set(_TOKEN.findall(text))
    folded = {token.lower() for token in tokens}
    digits = _DIGIT.search(text) is not None
    flags = QUESTION if "?" in text or "？" in text or "؟" in text else 0
    if not tokens.isdisjoint(_FIRST_PERSON):
        flags |= FIRST_PERSON
    if not folded.isdisjoint(_TIMES) or (digits and _YEAR.search(text)):
        flags |= TIME_WORDS
    if digits or not folded.isdisjoint(_NUMERALS):
        flags |= NUMBERS
    if "[image: " in text:
        flags |= PICTURE
    names = len(_NAME.findall(text.partition("[image: ")[0]))
    return flags | min(names, 3) << _NAMES_SHIFT


def names_in(flags: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """How many names the texts with these flags have inside their sentences: 0 to 3, where 3 stands for more as well."""
    return (flags & NAMES) >> _NAMES_SHIFT
