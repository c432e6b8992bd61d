"""Terms: what lexical recall compares. Words in one language, without stopwords, as stems and as hashes.

The language of a memory decides on stems alone: every script is read in every memory.
"""

from __future__ import annotations

import re
import sys
import zlib
from array import array
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import ConfigError
from lamina.text import fold, fold_case
from lamina.words import pieces

ENGLISH: Final = "english"
"""The language of a memory that was not told another one."""
NO_LANGUAGE: Final = "none"
"""For a memory in no language: words are compared as they are, folded."""

_VERSION: Final = 5  # of the analysis: a store whose lexicon was built by another one is rebuilt
NAMED: Final = 5
"""The first version whose entries in the lexicon have the names of a text: a file of an earlier one that is only read has none."""
_NAME = re.compile(rf"(?:snowball-([a-z_]+)|{NO_LANGUAGE})/\d+")
_REMEMBERED: Final = 1 << 17  # words whose terms are kept at hand

STOPWORDS: Final = frozenset(
    """a about above after again against ain all am an and any are aren as at be because been before being below
    between both but by can could couldn d did didn do does doesn doing don down during each few for from further had
    hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just
    ll m ma me might mightn more most must mustn my myself need needn no nor not now o of off on once only or other our
    ours ourselves out over own re s same shall shan she should shouldn so some such t than that the their theirs them
    themselves then there these they this those through to too under until up ve very was wasn we were weren what when
    where which while who whom why will with won would wouldn y you your yours yourself yourselves""".split()
)
"""English words that say nothing by themselves. Other languages have no such list: what most messages have, weighs nothing."""


def languages() -> tuple[str, ...]:
    """The languages a memory can be in: those of the installed stemmers, and "none".

    >>> {"english", "german", "none"} <= set(languages())
    True
    """
    import Stemmer

    return (*sorted(Stemmer.algorithms()), NO_LANGUAGE)


def check_language(language: str) -> str:
    """Return a language if there is a stemmer for it, else raise `ConfigError`.

    >>> check_language("german")
    'german'
    """
    if language != ENGLISH and language not in languages():
        raise ConfigError(f"{language!r} is no language a memory can be in: use one of {', '.join(languages())}")
    return language


def analyser_name(language: str = ENGLISH) -> str:
    """Name and version of the analysis, as a store records it.

    >>> analyser_name("german"), analyser_name("none")
    ('snowball-german/5', 'none/5')
    """
    return f"{'' if language == NO_LANGUAGE else 'snowball-'}{language}/{_VERSION}"


def language_of(analyser: str | None) -> str:
    """The language in a recorded name; English where it is none of ours.

    >>> language_of("snowball-german/2"), language_of("none/4"), language_of(None)
    ('german', 'none', 'english')
    """
    found = _NAME.fullmatch(analyser or "")
    return ENGLISH if found is None else found[1] or NO_LANGUAGE


def version_of(analyser: str | None) -> int:
    """The version in a recorded name; the present one where there is none.

    >>> version_of("snowball-german/2"), version_of(None) == version_of(analyser_name())
    (2, True)
    """
    number = (analyser or "").rpartition("/")[2]
    return int(number) if number.isdecimal() else _VERSION


class _Analysis:
    """Terms of words in one language; those it has met it remembers.

    `fold` is what is done to a text first: where the stemmer wants accents, letters keep them until they are stemmed.
    """

    def __init__(self, language: str) -> None:
        self.fold = fold if language in (ENGLISH, NO_LANGUAGE) else _with_accents
        self.term = lru_cache(_REMEMBERED)(_stems(check_language(language)))
        self.hash = lru_cache(_REMEMBERED)(self._hash)

    def words(self, text: str) -> list[str]:
        """The words that are stemmed."""
        return pieces(text, self.fold)

    def _hash(self, word: str) -> int:
        """32 bits; 0 for a stopword."""
        term = self.term(word)
        return 0 if not term else zlib.crc32(term.encode()) or 1


def _with_accents(text: str) -> str:
    """Most languages join a small word to the next with an apostrophe (l'école), or an ending to a name (İzmir'de)."""
    return fold_case(text).replace("'", " ")


def _stems(language: str) -> Callable[[str], str]:
    """From a word to its term, '' for a stopword."""
    if language == NO_LANGUAGE:
        return str
    import Stemmer

    stem: Callable[[str], str] = Stemmer.Stemmer(language, 0).stemWord
    if language == ENGLISH:
        return lambda word: "" if _is_stopword(word) else stem(word)
    return lambda word: fold(stem(word))


def _is_stopword(word: str) -> bool:
    return word in STOPWORDS or word.replace("'", "") in STOPWORDS or word.split("'")[0] in STOPWORDS


_analysis = cache(_Analysis)


def terms(text: str, language: str = ENGLISH) -> list[str]:
    """Stemmed words without stopwords, in order: what lexical recall compares.

    >>> terms("What happened when Ana was painting the sunsets?")
    ['happen', 'ana', 'paint', 'sunset']
    """
    analysis = _analysis(language)
    return [term for term in map(analysis.term, analysis.words(text)) if term]


def spoken_terms(text: str, language: str = ENGLISH) -> dict[str, str]:
    """The different terms of a text in order, each with the word first used for it.

    >>> spoken_terms("The sunsets, a sunset")
    {'sunset': 'sunsets'}
    """
    analysis = _analysis(language)
    found: dict[str, str] = {}
    for word in analysis.words(text):
        found.setdefault(analysis.term(word), word)
    found.pop("", None)
    return found


def hash_of(word: str, language: str = ENGLISH) -> int:
    """32-bit hash of one word's term; 0 for a stopword.

    >>> hash_of("sunsets") == hash_of("sunset"), hash_of("the")
    (True, 0)
    """
    analysis = _analysis(language)
    return analysis.hash(analysis.fold(word))


def term_hashes(text: str, language: str = ENGLISH) -> NDArray[np.uint32]:
    """The terms of a text as 32-bit hashes, shape (terms,).

    The lexicon stores hashes alone, so that a deleted word leaves no dictionary entry behind.

    >>> term_hashes("sunsets sunset").tolist() == [zlib.crc32(b"sunset")] * 2
    True
    """
    return np.array(_hashes(text, language), np.uint32)


def hash_bytes(text: str, language: str = ENGLISH) -> bytes:
    """`term_hashes` as little-endian bytes, the form they are stored in.

    >>> np.frombuffer(hash_bytes("sunsets and boats"), "<u4").tolist() == term_hashes("sunsets and boats").tolist()
    True
    """
    hashes = array("I", _hashes(text, language))
    if sys.byteorder == "big":
        hashes.byteswap()
    return hashes.tobytes()


def _hashes(text: str, language: str) -> list[int]:
    analysis = _analysis(language)
    return list(filter(None, map(analysis.hash, analysis.words(text))))
