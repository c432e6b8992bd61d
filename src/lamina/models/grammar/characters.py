"""The lowest layer of a grammar: characters become words, and every word knows where it stands in the original.

Width, case, accents and apostrophes are folded, numerals in words become digits, quoted strings stay as they are. Scripts
without spaces give one word a character, so that the tries above find their words by the longest match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from lamina.errors import InputError
from lamina.text import fold

_HAN: Final = "\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN: Final = re.compile(
    r'("[^"\n]*"|“[^”\n]*”|「[^」\n]*」'
    rf"|[{_HAN}]"
    r"|\d+(?:[.,:/]\d+)*(?![^\W_])"  # 3, 2.5, 10:30; not the start of 5th
    rf"|(?:(?![{_HAN}])[^\W_])+(?:['_-](?:(?![{_HAN}])[^\W_])+)*"
    r"|[^\s])"
)
_ASCII_TOKEN: Final = re.compile(r'("[^"\n]*"|\d+(?:[.,:/]\d+)*(?![a-z0-9])|[a-z0-9]+(?:[\'_-][a-z0-9]+)*|[^\s])')
_WORD: Final = re.compile(r"\S+")
_QUOTES: Final = frozenset('"“”「」')
NUMBER: Final = "#number"
STRING: Final = "#string"


class Numeral(NamedTuple):
    """What a numeral in words is worth; `times`, whether it multiplies what stands before it (hundred, 十)."""

    value: int
    times: bool


class Words(NamedTuple):
    """The words of a text with their places in it.

    `words`: folded words, numerals as digits, quoted strings verbatim; `starts` and `ends`: where each stands in `source`;
    `numerals`: which of them were numerals in words.

    >>> found = split_words("Twenty-one Cafés", {"twenty": Numeral(20, False), "one": Numeral(1, False)})
    >>> found.words, found.text, found.origin(3, 8)
    (['21', 'cafes'], '21 cafes', (11, 16))
    """

    source: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    numerals: Sequence[int] = ()

    @property
    def text(self) -> str:
        """The normalised text: the words with a space between them. Normalising it again changes nothing."""
        return " ".join(self.words)

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original of a span of `text`, to whole words; raises `InputError` for a span that has no words in it."""
        place, first, last = 0, -1, -1
        for number, word in enumerate(self.words):
            if place < end and start < place + len(word):
                first = number if first < 0 else first
                last = number
            place += len(word) + 1
        if first < 0:
            raise InputError(f"no word lies between {start} and {end} of a normalised text of {max(0, place - 1)} characters")
        return self.starts[first], self.ends[last]


def split_words(text: str, numerals: Mapping[str, Numeral] | None = None) -> Words:
    """The words of a text, folded, with their spans in the original.

    >>> split_words("Ana’s ＣＡＴ, 猫").words
    ["ana's", 'cat', ',', '猫']
    """
    folded, starts, ends = _aligned(text)
    pattern = _ASCII_TOKEN if folded.isascii() else _TOKEN
    pieces = pattern.split(folded)  # what lies between words, and words, by turns
    words = pieces[1::2]
    places = list(accumulate(map(len, pieces)))
    begin, stop = places[:-1:2], places[1::2]
    if starts is not None:
        begin, stop = [starts[start] for start in begin], [ends[end - 1] for end in stop]
    if '"' in folded or (starts is not None and not _QUOTES.isdisjoint(folded)):
        words = [text[begin[n] : stop[n]] if word[0] in _QUOTES and len(word) > 1 else word for n, word in enumerate(words)]
    if not numerals:
        return Words(text, words, begin, stop)
    if numerals.keys().isdisjoint(words) and "-" not in folded:
        return Words(text, words, begin, stop)
    return _in_digits(Words(text, words, begin, stop), numerals)


def _aligned(text: str) -> tuple[str, list[int] | None, list[int]]:
    """A text folded, and for each of its characters where it came from; None where nothing moved."""
    if text.isascii():
        return text.lower(), None, []
    curly = text.replace("’", "'")
    if curly.isascii():
        return curly.lower(), None, []
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for found in _WORD.finditer(text):
        begin, end = found.span()
        out.append(text[last:begin])
        starts += range(last, begin)
        ends += range(last + 1, begin + 1)
        last = end
        word = found[0]
        whole = fold(word)
        pieces = [fold(character) for character in word]
        if "".join(pieces) == whole:
            out.append(whole)
            for place, piece in enumerate(pieces, begin):
                starts += [place] * len(piece)
                ends += [place + 1] * len(piece)
        else:  # characters that fold together: the whole word is the place
            out.append(whole)
            starts += [begin] * len(whole)
            ends += [end] * len(whole)
    out.append(text[last:])
    starts += range(last, len(text))
    ends += range(last + 1, len(text) + 1)
    return "".join(out), starts, ends


def _in_digits(found: Words, numerals: Mapping[str, Numeral]) -> Words:
    """The same with numerals in words as digits; those that make one number are one word."""
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    changed: list[int] = []
    place, size = 0, len(found.words)
    while place < size:
        value, end = _number(found.words, place, numerals)
        if end > place:
            changed.append(len(words))
            words.append(str(value))
        else:
            words.append(found.words[place])
            end = place + 1
        starts.append(found.starts[place])
        ends.append(found.ends[end - 1])
        place = end
    return Words(found.source, words, starts, ends, changed)


def _number(words: Sequence[str], place: int, numerals: Mapping[str, Numeral]) -> tuple[int, int]:
    """The number that begins at a word, and the place behind it; the place itself where none begins."""
    total = section = pending = 0
    begin, started = place, False
    while place < len(words):
        word = words[place]
        parts = [numerals.get(part) for part in word.split("-")] if "-" in word else [numerals.get(word)]
        if None in parts:
            follows = numerals.get(words[place + 1]) if place + 1 < len(words) else None
            if started or not word.isdecimal() or follows is None or not follows.times:
                break
            parts = [Numeral(int(word), False)]
        before = total + section + pending
        for one in parts:
            assert one is not None
            if one.times and one.value >= 1000:
                total += max(1, section + pending) * one.value
                section = pending = 0
            elif one.times:
                section += max(1, pending) * one.value
                pending = 0
            elif pending and not (pending % 10 == 0 and pending >= 20 and 0 < one.value < 10):
                return before, place
            else:
                pending += one.value
        place, started = place + 1, True
    return (total + section + pending, place) if started else (0, begin)


def kind_of(word: str) -> str | None:
    """What kind of data a word is: a number, a quoted string, or none.

    >>> kind_of("2.5"), kind_of('"print"'), kind_of("print")
    ('#number', '#string', None)
    """
    first = word[0]
    if first.isdecimal():
        return NUMBER if word[-1].isdecimal() and word.replace(".", "", 1).replace(",", "").isdecimal() else None
    return STRING if first in _QUOTES and len(word) > 1 else None


def unbalanced(words: Sequence[str]) -> int | None:
    """The place of a quotation mark that is never closed, or never opened; None where there is none."""
    return next((place for place, word in enumerate(words) if word in _QUOTES), None)
