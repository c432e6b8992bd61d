"""Names in a text: runs of capitalised words, which stand for people, places, works and things.

No dictionary and no model: a text's own spelling says what is a name. Scripts without capitals have none; a language that capitalises
more than names has more of them, and those that many texts have count for little.
"""

from __future__ import annotations

import re
import zlib
from array import array
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.terms import STOPWORDS
from lamina.text import fold

_JOINS = r"(?:of|the|for|de|la|le|du|der|den|von|van|al|di|el|y|e|da|dos|zu)"
_NAME = re.compile(rf"[A-Z0-9À-Þ][\w'’.-]*(?:[ \t]+(?:{_JOINS}[ \t]+){{0,2}}[A-ZÀ-Þ][\w'’-]*)*")
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_DIGITS = re.compile(r"\d{1,3}(?:[.,]\d+)*|\d+(?:st|nd|rd|th|s)?")
_YEAR = re.compile(r"(?:1\d|20)\d\d")
_OPENERS: Final = STOPWORDS | frozenset(
    """also although among another around back besides come despite done every first following got great hello hey hi however its just
    last let like look many maybe might mine never nope now ok okay one oh please really second several since sorry still sure thank thanks third
    though thus today tomorrow two unlike until upon via well whatever whenever within without wow yeah yep yes yesterday yet""".split()
)
"""Words that a sentence may open with a capital, and that are no names by themselves."""
MOST: Final = 400
"""Names of one text that are kept; a text with more is a list."""


def names(text: str) -> list[str]:
    """The names of a text in order, folded; one that comes twice stands there twice.

    Words of which a sentence is full are taken off both ends, so that "The Beatles" and "Beatles" are one name. Of numbers only years count.

    >>> names("When did Ana's friend move to Porto? In 1998 she left the University of Lisbon.")
    ['ana', 'porto', '1998', 'university of lisbon']
    """
    found = []
    for match in _NAME.finditer(text):
        name = _clean(match[0])
        if name:
            found.append(name)
            if len(found) == MOST:
                break
    return found


@lru_cache(1 << 15)
def _clean(run: str) -> str:
    spaced = _POSSESSIVE.sub("", run).rstrip(".")
    if _DIGITS.fullmatch(spaced) and not _YEAR.fullmatch(spaced):
        return ""
    said = _WORD.findall(fold(spaced))
    begin, end = 0, len(said)
    while begin < end and said[begin] in _OPENERS:
        begin += 1
    while end > begin and said[end - 1] in _OPENERS:
        end -= 1
    name = " ".join(said[begin:end])
    return name if len(name) > 1 else ""


def phrase(text: str) -> str:
    """A name as it is compared: folded words with one space between them.

    >>> phrase("  The U.S. Army ")
    'the u s army'
    """
    return " ".join(_WORD.findall(fold(text)))


@lru_cache(1 << 15)
def name_hash(name: str) -> int:
    """32 bits that stand for a name: the index keeps no names, so that a deleted one leaves nothing behind.

    >>> name_hash("Porto") == name_hash("porto")
    True
    """
    return zlib.crc32(phrase(name).encode()) or 1


def hashes_of(said: list[str]) -> NDArray[np.uint32]:
    """The hashes of some names, shape (names,)."""
    return np.array(array("I", map(name_hash, said)), np.uint32)
