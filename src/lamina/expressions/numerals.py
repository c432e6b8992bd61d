"""Numbers, ordinals and years, in digits and in words."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from lamina.expressions.lexicon import COUNTED, NUMBERS, ORDINALS
from lamina.expressions.tokens import Said

FEW: Final = (2, 5)
"""What "a few" means, at the least and at the most."""


class Count(NamedTuple):
    """How many, at the least and at the most, and the token behind."""

    least: int
    most: int
    end: int


class Ordinal(NamedTuple):
    """Which one; `sure` unless it was a bare number; the token behind."""

    value: int
    sure: bool
    end: int


@lru_cache(maxsize=1)
def _ordinal_digits() -> re.Pattern[str]:
    return re.compile(r"(\d{1,2})(st|nd|rd|th)?")


def read_count(said: Said, place: int) -> Count | None:
    """How many, at a token: 3, three, twenty-one, a, a couple of, a few, half a dozen, a hundred and five.

    >>> read_count(Said("twenty-one days", 0), 0), read_count(Said("a few weeks", 0), 0)
    (Count(least=21, most=21, end=3), Count(least=2, most=5, end=2))
    """
    low = said.low
    word = low[place]
    if word.isdecimal():
        return Count(int(word), int(word), place + 1) if len(word) <= 4 else None
    if word == "half" and low[place + 1] == "a" and low[place + 2] == "dozen":
        return Count(6, 6, place + 3)
    if word in ("a", "an"):
        if low[place + 1] == "few":
            return Count(*FEW, place + 2)
        if low[place + 1] in ("couple", "dozen", "hundred"):
            return read_count(said, place + 1)
        return Count(1, 1, place + 1)
    if word == "couple":
        return Count(2, 2, place + 1 + (low[place + 1] == "of"))
    if word == "few":
        return Count(*FEW, place + 1)
    if word == "dozen":
        return Count(12, 12, place + 1)
    number, end = _in_words(said, place)
    return Count(number, number, end) if number else None


def _in_words(said: Said, place: int) -> tuple[int, int]:
    """A number in words, and the token behind; 0 where there is none."""
    low = said.low
    total, end = _below_hundred(said, place)
    if low[end] == "hundred" and total < 10:
        total, end = 100 * (total or 1), end + 1
        rest, after = _below_hundred(said, end + (low[end] == "and"))
        if rest:
            total, end = total + rest, after
    elif low[end] == "dozen" and total:
        total, end = 12 * total, end + 1
    return total, end


def _below_hundred(said: Said, place: int) -> tuple[int, int]:
    low = said.low
    tens = NUMBERS.get(low[place], 0)
    if tens < 20:
        return tens, place + (tens > 0)
    after = place + 1 + (low[place + 1] == "-")
    ones = NUMBERS.get(low[after], 0)
    return (tens + ones, after + 1) if 0 < ones < 10 else (tens, place + 1)


def read_ordinal(said: Said, place: int) -> Ordinal | None:
    """Which day, at a token: 12, 12th, twelfth, twenty-first.

    >>> read_ordinal(Said("twenty-first", 0), 0), read_ordinal(Said("3", 0), 0)
    (Ordinal(value=21, sure=True, end=3), Ordinal(value=3, sure=False, end=1))
    """
    low = said.low
    word = low[place]
    if word in ORDINALS:
        return Ordinal(ORDINALS[word], True, place + 1)
    if word in ("twenty", "thirty"):
        after = place + 1 + (low[place + 1] == "-")
        ones = ORDINALS.get(low[after], 10)
        return Ordinal(NUMBERS[word] + ones, True, after + 1) if ones < 10 else None
    found = _ordinal_digits().fullmatch(word) if word[:1].isdecimal() and len(word) <= 4 else None
    if found is None or not 1 <= int(found[1]) <= 31:
        return None
    return Ordinal(int(found[1]), found[2] is not None, place + 1)


def is_money(said: Said, place: int) -> bool:
    """Whether a sign of money, a share or a number sign stands at a number."""
    low = said.low
    return low[place - 1] in ("$", "£", "€", "#") or low[place + 1] in ("%", "€", "$", "£", "°")


def read_year(said: Said, place: int, earliest: int = 1500) -> tuple[int, int] | None:
    """A year and the token behind: 2019, ’19, nineteen ninety-five, twenty twenty, two thousand and five.

    >>> read_year(Said("2019", 0), 0), read_year(Said("nineteen ninety-five", 0), 0), read_year(Said("2019 people", 0), 0)
    ((2019, 1), (1995, 4), None)
    """
    low = said.low
    word = low[place]
    found: tuple[int, int] | None = None
    if len(word) == 4 and word.isdecimal() and earliest <= int(word) < 2200:
        found = int(word), place + 1
    elif word == "'" and len(low[place + 1]) == 2 and low[place + 1].isdecimal() and said.glued(place + 1):
        from datetime import date

        now = date.fromordinal(said.today).year + 10
        year = now // 100 * 100 + int(low[place + 1])
        found = (year if year <= now else year - 100), place + 2
    elif word in ("eighteen", "nineteen", "twenty"):
        rest, end = _below_hundred(said, place + 1)
        if rest >= 10:
            found = 100 * NUMBERS[word] + rest, end
    elif word == "two" and low[place + 1] == "thousand":
        rest, end = _below_hundred(said, place + 2 + (low[place + 2] == "and"))
        found = 2000 + rest, end if rest else place + 2
    if found is None or is_money(said, found[1] - 1) or is_money(said, place):
        return None
    end = found[1]
    counts = low[end] in COUNTED or (low[end] == "-" and said.glued(end) and said.glued(end + 1))
    return None if counts else found
