"""All variants of a layer in one trie: what begins at a place is found by walking down, whatever the number of variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.models.grammar.domain import Symbol, Variant
from lamina.models.grammar.patterns import Leaf, Reference, Slot, Word

START: Final = "^"
END: Final = "$"
_RULES: Final = ""  # the key of a node under which its rules lie; no word is empty


@dataclass(slots=True, eq=False)
class Node:
    """A symbol that was found: by which rule, and what fills its slots."""

    rule: Rule
    slots: dict[str, Piece]


@dataclass(slots=True, eq=False)
class Piece:
    """What fills a slot: words `first` to `last`, and the symbol they were read as, where they were."""

    first: int
    last: int
    node: Node | None = None


Cell = tuple[tuple[str, ...], int, int, Node | None]
"""What is known of an item: the slots it may fill, its first and last word, and its symbol."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One sequence that spells a symbol.

    `name`: the symbol and the number of the variant, as traces show it; `keys`: what is looked up, one an item; `slots`: offset and
    name of the items that fill slots; `merges`: offsets of symbols whose slots become this one's; `literals`: items that are
    not slots; `plain`: nothing need stand around it; `key`: that of the symbol.
    """

    name: str
    symbol: Symbol
    variant: Variant
    keys: tuple[str, ...]
    slots: tuple[tuple[int, str], ...]
    merges: tuple[int, ...]
    literals: int
    order: int
    plain: bool
    key: str

    @property
    def rank(self) -> tuple[int, int, int]:
        """Which of several of the same length is taken: the highest."""
        return self.symbol.priority + self.variant.priority, self.literals, -self.order

    @property
    def conditions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What must stand before and behind."""
        return self.variant.after, self.variant.before

    def fits(self, keys: Sequence[str], start: int, end: int) -> bool:
        """Whether what stands around items `start` to `end` is what the rule asks for."""
        after, before = self.conditions
        if after and (keys[start - 1] if start else START) not in after:
            return False
        return not before or (keys[end] if end < len(keys) else END) in before


def make_rule(symbol: Symbol, number: int, row: Sequence[Leaf], order: int, slotted: Callable[[str], bool], where: str) -> Rule:
    """The rule of one sequence of a symbol's variant; `slotted` says whether a symbol has slots of its own to hand on."""
    slots = tuple((place, leaf.name) for place, leaf in enumerate(row) if isinstance(leaf, Slot))
    if len({name for _, name in slots}) < len(slots):
        raise InputError(f"{where}: {symbol.variants[number].say!r} uses a slot twice: give each a name of its own")
    merges = tuple(place for place, leaf in enumerate(row) if isinstance(leaf, Reference) and slotted(leaf.symbol))
    literals = sum(isinstance(leaf, Word | Reference) for leaf in row)
    keys = tuple(leaf.key for leaf in row)
    variant = symbol.variants[number]
    plain = not variant.after and not variant.before
    return Rule(f"{symbol.name}.{number + 1}", symbol, variant, keys, slots, merges, literals, order, plain, symbol.key)


class Trie:
    """The rules of a layer by what they begin with.

    `typed`: whether any of them has slots; `nodes`: what is found by those that have none, the same in all texts (its slots are never
    written to).

    >>> len(Trie())
    0
    """

    __slots__ = ("_size", "nodes", "root", "typed")

    def __init__(self) -> None:
        self.root: dict[str, Any] = {}  # of dicts of dicts; under _RULES, a list of rules
        self._size = 0
        self.typed = False
        self.nodes: dict[Rule, Node] = {}

    def __len__(self) -> int:
        return self._size

    def add(self, rule: Rule, where: str) -> bool:
        """Add a rule; False where its root is spelt so already. Refuses what spells another root, without a condition that tells them apart."""
        node = self.root
        for key in rule.keys:
            node = node.setdefault(key, {})
        there: list[Rule] = node.setdefault(_RULES, [])
        for other in there:
            if other.conditions != rule.conditions:
                continue
            if other.symbol.name == rule.symbol.name:
                return False
            spelt = " ".join(rule.keys)
            raise InputError(
                f"{where}: {spelt!r} is ambiguous: it spells {other.symbol.key} and {rule.symbol.key}; "
                "leave it out of one, or give a variant a condition (after, before)"
            )
        there.append(rule)
        self.typed = self.typed or bool(rule.slots)
        there.sort(key=lambda one: (one.conditions == ((), ()), -one.rank[0], one.order))
        if not rule.slots and not rule.merges:
            self.nodes[rule] = Node(rule, {})
        self._size += 1
        return True

    def matches(self, keys: Sequence[str], cells: Sequence[Cell], start: int) -> list[tuple[int, Rule]]:
        """All rules that match from an item on, with the place behind each."""
        found: list[tuple[int, Rule]] = []
        size = len(keys)
        stack = [(self.root, start)]
        while stack:
            node, place = stack.pop()
            rules = node.get(_RULES)
            if rules is not None:
                for rule in rules:
                    if rule.plain or rule.fits(keys, start, place):
                        found.append((place, rule))
                        break
            if place < size:
                below = node.get(keys[place])
                if below is not None:
                    stack.append((below, place + 1))
                for kind in cells[place][0]:
                    below = node.get(kind)
                    if below is not None:
                        stack.append((below, place + 1))
        return found

    def longest(self, keys: Sequence[str], cells: Sequence[Cell], start: int) -> tuple[int, Rule] | None:
        """The longest match from an item on; of equally long ones the highest in rank."""
        node: Any = self.root
        place, size = start, len(keys)
        best: tuple[int, Rule] | None = None
        typed = self.typed
        while place < size:
            below = node.get(keys[place])
            if typed and cells[place][0]:
                for kind in cells[place][0]:
                    other = node.get(kind)
                    if other is not None:
                        if below is not None:  # more than one way to go on: look at all of them
                            found = self.matches(keys, cells, start)
                            return max(found, key=lambda one: (one[0], one[1].rank)) if found else None
                        below = other
            if below is None:
                break
            node = below
            place += 1
            if _RULES in node:
                for rule in node[_RULES]:
                    if rule.plain or rule.fits(keys, start, place):
                        best = place, rule
                        break
        return best
