"""Digestion: layer by layer, what spells a symbol is replaced by the symbol.

Fast: from left to right, the longest match at each place. Robust: over the lattice of all matches the `best` segmentations (most
words covered, then fewest symbols), each of which goes on to the next layer, so that a greedy first choice can be made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lamina.models.grammar.trie import Cell, Node, Piece, Rule, Trie

ROUNDS: Final = 3
"""How often a layer whose symbols fill its own slots is gone through at most."""
BEST: Final = 5
"""How many segmentations the robust mode keeps."""
_NO_KINDS: Final[tuple[str, ...]] = ()


_PLAIN: Final[list[Cell]] = [((), place, place, None) for place in range(256)]


def plain_cells(size: int) -> list[Cell]:
    """The cells of so many words that fill no slots by themselves.

    >>> plain_cells(2)
    [((), 0, 0, None), ((), 1, 1, None)]
    """
    if size <= len(_PLAIN):
        return _PLAIN[:size]
    return [((), place, place, None) for place in range(size)]


@dataclass(slots=True, eq=False)
class Items:
    """A text on its way up: what each item is looked up by, its cell, and the rules used so far (layer, first word, last word, name)."""

    keys: list[str]
    cells: list[Cell]
    steps: list[tuple[int, int, int, str]]

    def without(self, drop: frozenset[str]) -> Items:
        """The same without the items of some keys."""
        kept = [place for place, key in enumerate(self.keys) if key not in drop]
        if len(kept) == len(self.keys):
            return self
        return Items([self.keys[place] for place in kept], [self.cells[place] for place in kept], self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class Digester:
    """One layer at work: its trie, what its symbols may fill, what it drops, and whether its symbols fill its own slots."""

    number: int
    trie: Trie
    kinds: dict[str, tuple[str, ...]]
    drop: frozenset[str] = frozenset()
    recursive: bool = False

    def digest(self, items: Items) -> Items:
        """The items with the longest matches replaced; the given ones stay as they are."""
        for _ in range(ROUNDS if self.recursive else 1):
            changed = self._round(items)
            if changed is items:
                break
            items = changed
        return items.without(self.drop) if self.drop else items

    def _round(self, items: Items) -> Items:
        keys, cells, root = items.keys, items.cells, self.trie.root
        if self.trie.typed:
            types = root.keys()
            places = [place for place, key in enumerate(keys) if key in root or not types.isdisjoint(cells[place][0])]
        else:
            places = [place for place, key in enumerate(keys) if key in root]
        out: Items | None = None
        copied = 0
        for place in places:
            if place < copied:
                continue
            found = self.trie.longest(keys, cells, place)
            if found is not None:
                if out is None:
                    out = Items(keys[:place], cells[:place], items.steps.copy())
                elif copied < place:
                    out.keys += keys[copied:place]
                    out.cells += cells[copied:place]
                copied, rule = found
                self._replace(cells, out, place, copied, rule)
        if out is None:
            return items
        out.keys += keys[copied:]
        out.cells += cells[copied:]
        return out

    def _replace(self, cells: list[Cell], out: Items, start: int, end: int, rule: Rule) -> None:
        first, last = cells[start][1], cells[end - 1][2]
        node = self.trie.nodes.get(rule)
        if node is None:
            slots: dict[str, Piece] = {}
            for offset, name in rule.slots:
                _, begin, stop, filler = cells[start + offset]
                slots[name] = Piece(begin, stop, filler)
            for offset in rule.merges:
                inner = cells[start + offset][3]
                if inner is not None:
                    slots |= inner.slots
            node = Node(rule, slots)
        key = rule.key
        out.keys.append(key)
        out.cells.append((self.kinds.get(key, _NO_KINDS), first, last, node))
        out.steps.append((self.number, first, last, rule.name))

    def segmentations(self, hypotheses: Sequence[Items], best: int = BEST) -> list[Items]:
        """The best ways to replace matches in several sequences, the best first."""
        for _ in range(ROUNDS if self.recursive else 1):
            changed = [one for items in hypotheses for one in self._lattice(items, best)]
            done = len(changed) == len(hypotheses) and all(a is b for a, b in zip(changed, hypotheses, strict=True))
            hypotheses = sorted(changed, key=_cost)[:best]
            if done:
                break
        return [items.without(self.drop) for items in hypotheses]

    def _lattice(self, items: Items, best: int) -> list[Items]:
        """The best segmentations of one sequence, by dynamic programming over the places where matches end."""
        size = len(items.keys)
        ways: list[list[tuple[tuple[int, int], tuple[tuple[int, int, Rule], ...]]]] = [[] for _ in range(size + 1)]
        ways[0].append(((0, 0), ()))
        for place in range(size):
            reached = ways[place] = sorted(ways[place], key=lambda way: way[0])[:best]
            bare = items.cells[place][3] is None
            matches = self.trie.matches(items.keys, items.cells, place)
            for (left, count), taken in reached:
                ways[place + 1].append(((left + bare, count + 1), taken))
                for end, rule in matches:
                    ways[end].append(((left, count + 1), (*taken, (place, end, rule))))
        found: list[Items] = []
        for _, taken in sorted(ways[size], key=lambda way: way[0])[:best]:
            found.append(self._applied(items, taken) if taken else items)
        return found

    def _applied(self, items: Items, taken: Sequence[tuple[int, int, Rule]]) -> Items:
        out = Items([], [], items.steps.copy())
        copied = 0
        for start, end, rule in taken:
            out.keys += items.keys[copied:start]
            out.cells += items.cells[copied:start]
            self._replace(items.cells, out, start, end, rule)
            copied = end
        out.keys += items.keys[copied:]
        out.cells += items.cells[copied:]
        return out


def _cost(items: Items) -> tuple[int, int]:
    """Words that no symbol covers, then items: the fewer the better."""
    return sum(cell[3] is None for cell in items.cells), len(items.keys)
