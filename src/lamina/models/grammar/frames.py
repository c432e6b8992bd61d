"""Frames: whole sentences with slots that take runs of any words.

The items of a sentence are written as one character each, and a frame is a regular expression over these characters; the
engine of the standard library does the search. Of the frames that fit, the one counts that has the highest priority, then the
one with the fewest words in its runs (the most that was said literally), then the one defined first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import permutations
from typing import Final, NamedTuple

from lamina.models.grammar.digestion import Items
from lamina.models.grammar.domain import Type
from lamina.models.grammar.patterns import Choice, Pattern, Reference, Row, Slot
from lamina.models.grammar.trie import Node, Piece, Rule

_OTHER: Final = "\u2020"
_FIRST_CODE: Final = 0xE000  # a private character for each key


class Codes(dict[str, str]):
    """The character of each word, symbol and kind of data that frames speak of; all others have one in common."""

    def add(self, key: str) -> str:
        """The character of a key, which gets one if it has none."""
        return self.setdefault(key, chr(_FIRST_CODE + len(self)))

    def __missing__(self, key: str) -> str:
        return _OTHER

    def write(self, items: Items) -> str:
        """The items of a sentence as characters."""
        return "".join([self.get(key, _OTHER) for key in items.keys])


Group = tuple[str | None, bool]
"""The slot that a group of an expression fills (None: a symbol that hands on its slots), and whether it is a run."""


class World(NamedTuple):
    """What frames stand on: the types by name, the keys that may fill slots of each type, the symbols that hand on slots."""

    types: Mapping[str, Type]
    fillers: Mapping[str, Sequence[str]]
    handing: frozenset[str]


class Frame:
    """One variant of a frame, compiled when a sentence first needs it."""

    def __init__(self, rule: Rule, pattern: Pattern, codes: Codes, world: World) -> None:
        self.rule = rule
        self._pattern, self._codes = pattern, codes
        self._types, self._fillers, self._handing = world
        self.needed = frozenset(self._needed(pattern))
        self.mark = ""
        """The rarest of the characters that every sentence of this frame has; "" where there is none."""
        self.starts = self._starts(pattern)
        """The characters a sentence of this frame may begin with; None for any."""

    @cached_property
    def compiled(self) -> tuple[re.Pattern[str], Sequence[Group]]:
        """The frame over the characters of a sentence, and what each group of it is."""
        groups: list[Group] = []
        written = self._written(self._pattern, groups)
        return re.compile(written), groups

    def match(self, written: str, start: int, end: int) -> tuple[int, re.Match[str]] | None:
        """The match over a stretch of a written sentence, with how many items lie in runs."""
        expression, groups = self.compiled
        found = expression.fullmatch(written, start, end)
        if found is None:
            return None
        runs = 0
        for number, (_, run) in enumerate(groups, 1):
            if run:
                begin, stop = found.span(number)
                runs += stop - begin
        return runs, found

    def node(self, items: Items, found: re.Match[str]) -> Node:
        """The symbol that a match stands for."""
        cells = items.cells
        node = Node(self.rule, {})
        for number, (name, _) in enumerate(self.compiled[1], 1):
            begin, stop = found.span(number)
            if begin < 0:
                continue
            inner = cells[begin][3]
            if name is not None:
                node.slots[name] = Piece(cells[begin][1], cells[stop - 1][2], inner if stop - begin == 1 else None)
            elif inner is not None:
                node.slots |= inner.slots
        return node

    def _written(self, pattern: Pattern, groups: list[Group]) -> str:
        if isinstance(pattern, Choice):
            options = [self._written(option, groups) for option in pattern.options if option != Row(())]
            optional = len(options) < len(pattern.options)
            return f"(?:{'|'.join(options)}){'?' if optional else ''}"
        if isinstance(pattern, Row):
            if pattern.free:
                orders = ("".join(self._written(part, groups) for part in order) for order in permutations(pattern.parts))
                return f"(?:{'|'.join(orders)})"
            return "".join(self._written(part, groups) for part in pattern.parts)
        if isinstance(pattern, Slot):
            kind = self._types.get(pattern.type)
            if kind is not None and kind.words is not None:
                groups.append((pattern.name, True))
                barred = "".join(self._codes[key] for key in kind.without)
                least, most = kind.words
                return f"({f'[^{barred}]' if barred else '.'}{{{least},{most}}}?)"
            groups.append((pattern.name, False))
            return f"([{''.join(self._codes[key] for key in self._fillers.get(pattern.type, ()))}])"
        if isinstance(pattern, Reference) and pattern.symbol in self._handing:
            groups.append((None, False))
            return f"({self._codes[pattern.key]})"
        return self._codes[pattern.key]

    def _needed(self, pattern: Pattern) -> set[str]:
        """Characters that every sentence of a pattern has."""
        if isinstance(pattern, Choice):
            return set.intersection(*(self._needed(option) for option in pattern.options))
        if isinstance(pattern, Row):
            return set().union(*(self._needed(part) for part in pattern.parts))
        return set() if isinstance(pattern, Slot) else {self._codes[pattern.key]}

    def _starts(self, pattern: Pattern) -> frozenset[str] | None:
        found, _ = self._beginnings(pattern)
        return None if found is None else frozenset(found)

    def _beginnings(self, pattern: Pattern) -> tuple[set[str] | None, bool]:
        """The characters a pattern may begin with (None: any), and whether it may be left out."""
        if isinstance(pattern, Choice) or (isinstance(pattern, Row) and pattern.free):
            parts = pattern.options if isinstance(pattern, Choice) else pattern.parts
            found = [self._beginnings(part) for part in parts]
            chars = None if any(one is None for one, _ in found) else set().union(*(one or () for one, _ in found))
            empty = (any if isinstance(pattern, Choice) else all)(empty for _, empty in found)
            return chars, empty
        if isinstance(pattern, Row):
            chars = set()
            for part in pattern.parts:
                one, empty = self._beginnings(part)
                if one is None:
                    return None, False
                chars |= one
                if not empty:
                    return chars, False
            return chars, True
        if isinstance(pattern, Slot):
            kind = self._types.get(pattern.type)
            if kind is not None and kind.words is not None:
                return None, False
            return {self._codes[key] for key in self._fillers.get(pattern.type, ())}, False
        return {self._codes[pattern.key]}, False


class Frames:
    """All frames of a domain, by what a sentence begins with.

    Parameters: `frames` in the order of their definition; `codes`; `number` of the layer; `lead` and `tail`, keys that say nothing at the beginning and
    the end of a sentence.
    """

    def __init__(self, frames: Sequence[Frame], codes: Codes, number: int, lead: Iterable[str], tail: Iterable[str]) -> None:
        self._number = number
        self._codes = codes
        self._lead, self._tail = frozenset(lead), frozenset(tail)
        uses = Counter(char for frame in frames for char in frame.needed)
        for frame in frames:
            frame.mark = min(frame.needed, key=lambda char: (uses[char], char), default="")
        self._anywhere = [frame for frame in frames if frame.starts is None]
        firsts = {char for frame in frames for char in frame.starts or ()}
        self._by_first = {char: [one for one in frames if one.starts is None or char in one.starts] for char in firsts}

    def read(self, items: Items) -> Node | None:
        """The frame that a sentence is, or None; notes the step, as one of layer `number`."""
        keys = items.keys
        start, end = 0, len(keys)
        while start < end and keys[start] in self._lead:
            start += 1
        while end > start and keys[end - 1] in self._tail:
            end -= 1
        if start == end:
            return None
        written = self._codes.write(items)
        best: tuple[tuple[int, int], Frame, re.Match[str]] | None = None
        for frame in self._by_first.get(written[start], self._anywhere):
            if frame.mark not in written:
                continue
            found = frame.match(written, start, end)
            if found is not None:
                rule = frame.rule
                rank = rule.symbol.priority + rule.variant.priority, -found[0]
                if best is None or rank > best[0]:
                    best = rank, frame, found[1]
        if best is None:
            return None
        _, taken, spans = best
        items.steps.append((self._number, items.cells[start][1], items.cells[end - 1][2], taken.rule.name))
        return taken.node(items, spans)
