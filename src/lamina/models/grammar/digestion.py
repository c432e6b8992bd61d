"""Digestion: layer by layer, what spells a symbol is replaced by the symbol.

Fast: from left to right, the longest match at each place. Robust: over the lattice of all matches the `best` segmentations (most
words covered, then fewest symbols), each of which goes on to the next layer, so that a greedy first choice can be made up for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lamina.models.grammar.trie import Rule, Trie

ROUNDS: Final = 3
"""How often a layer whose symbols fill its own slots is gone through at most."""
BEST: Final = 5
"""How many segmentations the robust mode keeps."""
_NO_KINDS: Final[tuple[str, ...]] = ()


@dataclass(slots=True, eq=False)
class Node:
    """A symbol that was found: by which rule, over which words (`first` to `last`, both counted), and what fills its slots."""

    rule: Rule
    first: int
    last: int
    slots: dict[str, Piece] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Piece:
    """What fills a slot: words `first` to `last`, and the symbol they were read as, where they were."""

    first: int
    last: int
    node: Node | None = None


@dataclass(slots=True, eq=False)
class Items:
    """A text on its way up: what each item is looked up by, what slots it may fill, its words and its symbol."""

    keys: list[str]
    kinds: list[tuple[str, ...]]
    firsts: list[int]
    lasts: list[int]
    nodes: list[Node | None]
    steps: list[tuple[int, int, int, str]]  # layer, first word, last word, rule

    def without(self, drop: frozenset[str]) -> Items:
        """The same without the items of some keys."""
        kept = [place for place, key in enumerate(self.keys) if key not in drop]
        if len(kept) == len(self.keys):
            return self
        return Items(
            [self.keys[place] for place in kept],
            [self.kinds[place] for place in kept],
            [self.firsts[place] for place in kept],
            [self.lasts[place] for place in kept],
            [self.nodes[place] for place in kept],
            self.steps,
        )


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
        keys, kinds, root = items.keys, items.kinds, self.trie.root
        out: Items | None = None
        place = copied = 0
        size = len(keys)
        while place < size:
            if keys[place] in root or (kinds[place] and not root.keys().isdisjoint(kinds[place])):
                found = self.trie.longest(keys, kinds, place)
                if found is not None:
                    if out is None:
                        out = Items([], [], [], [], [], list(items.steps))
                    _copy(items, out, copied, place)
                    self._replace(items, out, place, *found)
                    place = copied = found[0]
                    continue
            place += 1
        if out is None:
            return items
        _copy(items, out, copied, size)
        return out

    def _replace(self, items: Items, out: Items, start: int, end: int, rule: Rule) -> None:
        first, last = items.firsts[start], items.lasts[end - 1]
        node = Node(rule, first, last, {})
        for offset, name in rule.slots:
            place = start + offset
            node.slots[name] = Piece(items.firsts[place], items.lasts[place], items.nodes[place])
        for offset in rule.merges:
            inner = items.nodes[start + offset]
            if inner is not None:
                node.slots |= inner.slots
        key = rule.symbol.key
        out.keys.append(key)
        out.kinds.append(self.kinds.get(key, _NO_KINDS))
        out.firsts.append(first)
        out.lasts.append(last)
        out.nodes.append(node)
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
            bare = items.nodes[place] is None
            matches = self.trie.matches(items.keys, items.kinds, place)
            for (left, count), taken in reached:
                ways[place + 1].append(((left + bare, count + 1), taken))
                for end, rule in matches:
                    ways[end].append(((left, count + 1), (*taken, (place, end, rule))))
        found: list[Items] = []
        for _, taken in sorted(ways[size], key=lambda way: way[0])[:best]:
            found.append(self._applied(items, taken) if taken else items)
        return found

    def _applied(self, items: Items, taken: Sequence[tuple[int, int, Rule]]) -> Items:
        out = Items([], [], [], [], [], list(items.steps))
        copied = 0
        for start, end, rule in taken:
            _copy(items, out, copied, start)
            self._replace(items, out, start, end, rule)
            copied = end
        _copy(items, out, copied, len(items.keys))
        return out


def _copy(items: Items, out: Items, start: int, end: int) -> None:
    if start < end:
        out.keys += items.keys[start:end]
        out.kinds += items.kinds[start:end]
        out.firsts += items.firsts[start:end]
        out.lasts += items.lasts[start:end]
        out.nodes += items.nodes[start:end]


def _cost(items: Items) -> tuple[int, int]:
    """Words that no symbol covers, then items: the fewer the better."""
    return sum(node is None for node in items.nodes), len(items.keys)
