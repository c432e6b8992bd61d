"""From a domain to tries and frames. What could never be reached, or could mean two things, is refused here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.errors import InputError
from lamina.models.grammar.characters import kind_of
from lamina.models.grammar.digestion import Digester, Items
from lamina.models.grammar.domain import BUILT_IN, Domain, Layer, Symbol, Type
from lamina.models.grammar.frames import Codes, Frame, Frames, World
from lamina.models.grammar.patterns import Leaf, Reference, Slot, Word, leaves, sequences
from lamina.models.grammar.trie import Cell, Rule, Trie, make_rule

TIME: Final = "#time"
_CACHED: Final = 1 << 16  # words whose kinds are remembered


@dataclass(frozen=True, eq=False)
class Compiled:
    """A domain made ready: a digester for each layer of symbols, the frames above them, and the kinds of words."""

    digesters: tuple[Digester, ...]
    frames: Frames | None
    kinds: Kinds
    rules: Mapping[str, tuple[Rule, ...]]


class Kinds:
    """Which types of slots a word may fill."""

    def __init__(self, domain: Domain) -> None:
        self._types = domain.types
        self._reserved = {
            leaf.key
            for layer in domain.layers
            for symbol in layer.symbols
            for variant in symbol.variants
            for leaf in leaves(variant.pattern)
            if isinstance(leaf, Word)
        }
        yielded = {symbol.type for layer in domain.layers for symbol in layer.symbols if symbol.type is not None}
        self.names = {*BUILT_IN, *domain.types, *yielded}
        for name in yielded:
            kind = domain.types.get(name)
            if kind is not None and not kind.any:
                raise InputError(f"type {name!r} is made by a symbol, so it may only be declared with any")
        self._above = {name: self._closure(name) for name in self.names}
        self._matches = [(name, re.compile(kind.match)) for name, kind in domain.types.items() if kind.match is not None]
        used = {leaf.type for layer in domain.layers for symbol in layer.symbols for variant in symbol.variants
                for leaf in leaves(variant.pattern) if isinstance(leaf, Slot)}  # fmt: skip
        self.wanted = any(used & set(self._above[name]) for name in ("number", "string", *(name for name, _ in self._matches)))
        self.of = lru_cache(maxsize=_CACHED)(self._of)

    def _closure(self, name: str) -> tuple[str, ...]:
        """A type and all that it is one of."""
        found = [name]
        for one in found:
            for other, kind in self._types.items():
                if one in kind.any and other not in found:
                    found.append(other)
                elif one in kind.any and other == name:
                    raise InputError(f"type {name!r} is one of itself by way of {one!r}: leave one of them out")
        return tuple(found)

    def above(self, name: str) -> tuple[str, ...]:
        """The keys of a type and of all that it is one of."""
        return tuple(f"{{{one}}}" for one in self._above[name])

    def _of(self, word: str) -> tuple[str, ...]:
        kind = kind_of(word)
        found: tuple[str, ...] = () if kind is None else self.above(kind[1:])
        if kind is None and word not in self._reserved:
            for name, pattern in self._matches:
                if word not in self._types[name].without and pattern.fullmatch(word):
                    found += self.above(name)
        return found


def compile_domain(domain: Domain) -> Compiled:
    """Make a domain ready; raises `InputError` for what is ambiguous, can never be reached, or names an unknown type or symbol."""
    if domain.goal is None and not any(layer.frames for layer in domain.layers):
        raise InputError(f"the domain {domain.name!r} has neither frames nor a goal: name the type that a text must come down to")
    for kind in domain.types.values():
        for one in kind.any:
            if one not in {*BUILT_IN, *domain.types, *(s.type for layer in domain.layers for s in layer.symbols)}:
                raise InputError(f"type {kind.name!r}: there is no type {one!r}")
    kinds = Kinds(domain)
    _check_names(domain, kinds)
    slots: dict[str, frozenset[str]] = {}
    digesters: list[Digester] = []
    rules: dict[str, tuple[Rule, ...]] = {}
    frames: Frames | None = None
    for number, layer in enumerate(domain.layers):
        where = f"domain {domain.name!r}, layer {layer.name!r}"
        made = [(rule, row) for symbol in layer.symbols for rule, row in _rules(symbol, layer, slots, where)]
        for symbol in layer.symbols:
            rules[symbol.name] = tuple(rule for rule, _ in made if rule.symbol is symbol)
        _check_reached(made, digesters, kinds, where)
        if layer.frames:
            _check_frames([rule for rule, _ in made], where)
            frames = _frames(layer, domain, kinds, frozenset(name for name, handed in slots.items() if handed))
        else:
            digesters.append(_digester(number, layer, made, kinds, where))
    return Compiled(tuple(digesters), frames, kinds, rules)


def _rules(symbol: Symbol, layer: Layer, slots: dict[str, frozenset[str]], where: str) -> Iterable[tuple[Rule, tuple[Leaf, ...]]]:
    """The rules of a symbol, one for each sequence of its variants; notes which slots it hands on."""
    handed: set[str] = set()
    for number, variant in enumerate(symbol.variants):
        for row in sequences(variant.pattern, f"{where}, {variant.say!r}"):
            own = [leaf.name for leaf in row if isinstance(leaf, Slot)]
            own += [name for leaf in row if isinstance(leaf, Reference) for name in slots.get(leaf.symbol, ())]
            if len(set(own)) < len(own):
                raise InputError(
                    f"{where}, symbol {symbol.name!r}: {variant.say!r} uses a slot twice: give each a name of its own"
                )
            handed |= set(own)
            yield make_rule(symbol, number, row, number, lambda name: bool(slots.get(name)), where), row
    slots[symbol.name] = frozenset(handed)


def _digester(number: int, layer: Layer, made: list[tuple[Rule, tuple[Leaf, ...]]], kinds: Kinds, where: str) -> Digester:
    trie = Trie()
    new: dict[tuple[str, int], bool] = {}
    for rule, _ in made:
        place = rule.symbol.name, rule.order
        new[place] = trie.add(rule, where) or new.get(place, False)
    for (name, order), fresh in new.items():
        if not fresh:
            raise _unreachable(where, name, next(one.variants[order].say for one in layer.symbols if one.name == name))
    yields = {symbol.key: kinds.above(symbol.type) for symbol in layer.symbols if symbol.type is not None}
    filled = {key for rule, _ in made for key in rule.keys}
    recursive = any(not filled.isdisjoint(keys) for keys in yields.values())
    return Digester(number, trie, yields, frozenset(layer.drop), recursive)


def _unreachable(where: str, name: str, say: str) -> InputError:
    return InputError(
        f"{where}: symbol {name!r} has {say!r}, which can never be reached: other variants spell all of it; leave it out"
    )


def _check_frames(rules: list[Rule], where: str) -> None:
    """No two frames are spelt alike, and no variant of one is spelt by the others."""
    seen: dict[tuple[str, ...], Rule] = {}
    new: dict[tuple[str, int], bool] = {}
    for rule in sorted(rules, key=lambda one: -one.rank[0]):
        place = rule.symbol.name, rule.order
        other = seen.setdefault(rule.keys, rule)
        new[place] = new.get(place, False) or other is rule
        if other.symbol is not rule.symbol and other.rank[0] == rule.rank[0]:
            raise InputError(
                f"{where}: {' '.join(rule.keys)!r} is ambiguous: it is {other.symbol.name!r} and {rule.symbol.name!r}; "
                "leave it out of one, or give one a priority"
            )
    for rule in rules:
        if not new[rule.symbol.name, rule.order]:
            raise _unreachable(where, rule.symbol.name, rule.variant.say)


def _frames(layer: Layer, domain: Domain, kinds: Kinds, handing: frozenset[str]) -> Frames:
    codes = Codes()
    codes.add(TIME)
    for symbol in layer.symbols:
        for variant in symbol.variants:
            for leaf in leaves(variant.pattern):
                if not isinstance(leaf, Slot):
                    codes.add(leaf.key)
    for kind in domain.types.values():
        for key in kind.without:
            codes.add(key)
    fillers: dict[str, list[str]] = {"time": [TIME]}
    for below in domain.layers:
        for symbol in below.symbols:
            if symbol.type is not None:
                codes.add(symbol.key)
                for name in kinds.above(symbol.type):
                    fillers.setdefault(name[1:-1], []).append(symbol.key)
    world = World(domain.types, fillers, handing)
    frames = []
    order = 0
    for symbol in layer.symbols:
        for number, variant in enumerate(symbol.variants):
            rule = Rule(f"{symbol.name}.{number + 1}", symbol, variant, (), (), (), 0, order, True, symbol.key)
            frames.append(Frame(rule, variant.pattern, codes, world))
            order += 1
    return Frames(frames, codes, len(domain.layers) - 1, layer.lead, layer.tail)


def _check_names(domain: Domain, kinds: Kinds) -> None:
    """Types and symbols that are spoken of are there, and every symbol is spoken of."""
    keys = {symbol.key for layer in domain.layers for symbol in layer.symbols}
    spoken: set[str] = set()
    filled: set[str] = set() if domain.goal is None else {domain.goal}
    if domain.goal is not None and domain.goal not in kinds.names:
        raise InputError(f"the domain {domain.name!r} has the goal {domain.goal!r}, and no such type")
    for layer in domain.layers:
        for symbol in layer.symbols:
            for variant in symbol.variants:
                where = f"symbol {symbol.name!r}: {variant.say!r}"
                spoken |= {*variant.after, *variant.before}
                for leaf in leaves(variant.pattern):
                    if isinstance(leaf, Slot):
                        _check_slot(leaf, layer, domain, kinds, where)
                        filled.add(leaf.type)
                    else:
                        spoken.add(leaf.key)
        spoken |= {*layer.drop, *layer.lead, *layer.tail}
    spoken |= {key for kind in domain.types.values() for key in kind.without}
    for key in sorted(spoken):
        if key.startswith("<") and key.endswith(">") and len(key) > 2 and key not in keys:
            raise InputError(f"the domain {domain.name!r} speaks of {key}, and has no such symbol")
    for layer in domain.layers:
        for symbol in layer.symbols:
            made = () if symbol.type is None else kinds.above(symbol.type)
            if not layer.frames and symbol.key not in spoken and not any(one[1:-1] in filled for one in made):
                raise InputError(
                    f"symbol {symbol.name!r} can never be reached: nothing above layer {layer.name!r} refers to {symbol.key}"
                )


def _check_slot(leaf: Slot, layer: Layer, domain: Domain, kinds: Kinds, where: str) -> None:
    if leaf.type not in kinds.names:
        raise InputError(
            f"{where}: unknown type {leaf.type!r} of the slot {leaf.name!r}; there is {', '.join(sorted(kinds.names))}"
        )
    kind = domain.types.get(leaf.type, Type(leaf.type))
    if kind.words is not None and not layer.frames:
        raise InputError(f"{where}: a run of words ({leaf.type!r}) may fill slots of frames only")
    if layer.frames and (kind.match is not None or leaf.type in ("number", "string")):
        raise InputError(
            f"{where}: a slot of a frame takes runs of words, times and symbols; make a symbol of {leaf.type!r} below"
        )
    if leaf.type == "time" and not domain.times:
        raise InputError(f"{where}: the slot {leaf.name!r} takes a time: set times = true for the domain")


def _check_reached(made: list[tuple[Rule, tuple[Leaf, ...]]], digesters: list[Digester], kinds: Kinds, where: str) -> None:
    """No layer below takes away what a rule is made of."""
    for rule, row in made:
        keys = [leaf.key for leaf in row]
        cells: list[Cell] = [
            (kinds.above(leaf.type) if isinstance(leaf, Slot) else (), place, place, None) for place, leaf in enumerate(row)
        ]
        items = Items(keys, cells, [])
        for digester in digesters:
            after = digester.digest(items)
            if after.keys != keys:
                raise InputError(
                    f"{where}: symbol {rule.symbol.name!r} has {rule.variant.say!r}, which can never be reached: "
                    f"a layer below makes {' '.join(after.keys)!r} of {' '.join(keys)!r}; write the symbols"
                )
