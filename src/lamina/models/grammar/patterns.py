"""Patterns: how the variants of a symbol are written down.

    what did {who:name} say [about {topic:text}]

A word stands for itself, `<symbol>` for a symbol of a layer below, `{slot:type}` for data that fills an argument; `[…]` may be
left out, `(a | b)` is one of several, `(a & b)` both in any order, `[a & b]` any of them in any order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import prod
from typing import Final

from lamina.errors import InputError

_PART: Final = re.compile(r"<([^<>\s]+)>|\{([^{}:\s]+):([^{}:\s]+)\}|([()\[\]|&])|([<>]=?(?!\S)|[^\s()\[\]|&<>{}]+)|(\S)")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
MOST: Final = 2_000
"""How many sequences one pattern may stand for."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word that stands for itself."""

    key: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A symbol of a layer below."""

    symbol: str

    @property
    def key(self) -> str:
        """How it is looked up."""
        return f"<{self.symbol}>"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for data of a type."""

    name: str
    type: str

    @property
    def key(self) -> str:
        """How it is looked up."""
        return f"{{{self.type}}}"


@dataclass(frozen=True, slots=True)
class Row:
    """Parts one after the other; with `free`, in any order."""

    parts: tuple[Pattern, ...]
    free: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several; an empty row among them means that all may be left out."""

    options: tuple[Pattern, ...]


Leaf = Word | Reference | Slot
Pattern = Leaf | Row | Choice
EMPTY: Final = Row(())


def read_pattern(text: str, split: Callable[[str], Sequence[str]], where: str) -> Pattern:
    """The pattern that a text writes; `split` gives the normalised words of a run of letters, `where` is named in errors.

    >>> read_pattern("say [it] {who:name}", str.split, "here")
    Row(parts=(Word(key='say'), Choice(options=(Word(key='it'), Row(parts=(), free=False))), Slot(name='who', type='name')), free=False)
    >>> read_pattern("say [it", str.split, "here")
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: here: 'say [it' has a '[' that is never closed
    """
    stack: list[tuple[str, list[str], list[list[Pattern]]]] = [("", [], [[]])]
    for found in _PART.finditer(text):
        symbol, slot, kind, sign, word, other = found.groups()
        opening, signs, rows = stack[-1]
        if other or (sign in ("|", "&") and not opening):
            raise InputError(f"{where}: {text!r} has a stray {other or sign!r}: write <symbol>, {{slot:type}}, (a | b) or [a]")
        if symbol or slot:
            for name in (symbol, slot, kind):
                if name and not _NAME.fullmatch(name):
                    raise InputError(f"{where}: {name!r} in {text!r} is no name: use small letters, digits and _")
            rows[-1].append(Reference(symbol) if symbol else Slot(slot, kind))
        elif word:
            rows[-1] += [Word(one) for one in split(word)]
        elif sign in ("(", "["):
            stack.append((sign, [], [[]]))
        elif sign in ("|", "&"):
            signs.append(sign)
            rows.append([])
        else:
            if opening + sign not in ("()", "[]"):
                raise InputError(f"{where}: {text!r} has a {sign!r} that closes nothing")
            stack.pop()
            stack[-1][2][-1].append(_group(opening, signs, rows, text, where))
    if len(stack) > 1:
        raise InputError(f"{where}: {text!r} has a {stack[-1][0]!r} that is never closed")
    pattern = _row(stack[0][2][0])
    if pattern == EMPTY:
        raise InputError(f"{where}: a variant is empty: write at least one word")
    return pattern


def _row(parts: Sequence[Pattern]) -> Pattern:
    return parts[0] if len(parts) == 1 else Row(tuple(parts))


def _group(opening: str, signs: Sequence[str], rows: Sequence[Sequence[Pattern]], text: str, where: str) -> Pattern:
    if len(set(signs)) > 1:
        raise InputError(f"{where}: {text!r} mixes '|' and '&' in one group: put brackets around one of them")
    if any(not row for row in rows):
        raise InputError(f"{where}: {text!r} has an empty alternative: write [a | b] for what may be left out")
    parts = tuple(_row(row) for row in rows)
    if "&" in signs:
        if opening == "[":
            return Row(
                tuple(Choice((*part.options, EMPTY) if isinstance(part, Choice) else (part, EMPTY)) for part in parts), free=True
            )
        inner: Pattern = Row(parts, free=True)
    else:
        inner = parts[0] if len(parts) == 1 else Choice(parts)
    if opening == "(":
        return inner
    return Choice((*inner.options, EMPTY) if isinstance(inner, Choice) else (inner, EMPTY))


def size(pattern: Pattern) -> int:
    """How many sequences a pattern stands for, each path counted.

    >>> size(read_pattern("(a & [b | c]) d", str.split, "here"))
    6
    """
    if isinstance(pattern, Choice):
        return sum(size(option) for option in pattern.options)
    if isinstance(pattern, Row):
        orders = len(list(permutations(pattern.parts))) if pattern.free else 1
        return orders * prod(size(part) for part in pattern.parts)
    return 1


def sequences(pattern: Pattern, where: str = "a pattern") -> list[tuple[Leaf, ...]]:
    """All sequences that a pattern stands for, without doubles; raises `InputError` for more than MOST paths.

    >>> [[leaf.key for leaf in row] for row in sequences(read_pattern("[a] (b & c)", str.split, "here"))]
    [['a', 'b', 'c'], ['a', 'c', 'b'], ['b', 'c'], ['c', 'b']]
    """
    if size(pattern) > MOST:
        raise InputError(
            f"{where}: a pattern stands for {size(pattern):,} sequences; the most is {MOST:,}: make symbols of its parts"
        )
    return list(dict.fromkeys(_sequences(pattern)))


def _sequences(pattern: Pattern) -> list[tuple[Leaf, ...]]:
    if isinstance(pattern, Choice):
        return [row for option in pattern.options for row in _sequences(option)]
    if isinstance(pattern, Row):
        orders = permutations(pattern.parts) if pattern.free else [pattern.parts]
        return [sum(rows, ()) for order in orders for rows in product(*(_sequences(part) for part in order))]
    return [(pattern,)]


def leaves(pattern: Pattern) -> list[Leaf]:
    """The words, references and slots of a pattern, in the order in which they are written."""
    if isinstance(pattern, Choice):
        return [leaf for option in pattern.options for leaf in leaves(option)]
    if isinstance(pattern, Row):
        return [leaf for part in pattern.parts for leaf in leaves(part)]
    return [pattern]
