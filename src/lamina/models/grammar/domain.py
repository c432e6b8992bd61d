"""A domain: symbols in layers, the ways to say each, and the sentences they make; `lamina.models.grammar.reading` reads one from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lamina.errors import NotFoundError
from lamina.models.grammar.characters import Numeral, split_words
from lamina.models.grammar.patterns import Pattern, read_pattern

BUILT_IN: Final = ("number", "string", "time")
"""Types of data that every domain has."""
LIMIT: Final = 4_000
"""Characters of a text that is parsed, where a domain says nothing else."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to say a symbol: `say`, the pattern as written; it counts only behind one of `after` and before one of `before`,
    where these are given ("^" and "$": the start and the end of the text)."""

    say: str
    pattern: Pattern
    priority: int = 0
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Symbol:
    """A root with its variants, the first of which is its canonical form.

    `type`: the type of slots that it may fill; `output`: the template of its code, with {slot} for what fills its slots.
    """

    name: str
    variants: tuple[Variant, ...]
    type: str | None = None
    priority: int = 0
    output: str | None = None

    @property
    def key(self) -> str:
        """How it is looked up."""
        return f"<{self.name}>"


@dataclass(frozen=True, slots=True)
class Layer:
    """One degree of abstraction: `symbols` replace what spells them wherever it stands, `frames` are whole sentences.

    `drop`: words that are left out once the layer is done; `lead` and `tail`: words and symbols that say nothing where they begin
    or end a sentence (frames only).
    """

    name: str
    symbols: tuple[Symbol, ...]
    frames: bool = False
    drop: tuple[str, ...] = ()
    lead: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Type:
    """What may fill a slot: a word that a regular expression matches whole (`match`), anything of other types (`any`), or a run of
    `words` words at the least and at the most, none of them in `without` (frames only)."""

    name: str
    match: str | None = None
    any: tuple[str, ...] = ()
    words: tuple[int, int] | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """A domain: its layers, types and numerals.

    `quotes`: whether quotation marks must be balanced; `times`: whether expressions of time are data (`{when:time}`); `limit`:
    the most characters of a text; `goal`: where no layer has frames, the type of symbols that a text must come down to.
    """

    name: str
    layers: tuple[Layer, ...]
    types: Mapping[str, Type] = field(default_factory=dict)
    numerals: Mapping[str, Numeral] = field(default_factory=dict)
    quotes: bool = False
    times: bool = False
    limit: int = LIMIT
    goal: str | None = None

    def symbol(self, name: str) -> Symbol:
        """A symbol by its name; raises `NotFoundError`."""
        for layer in self.layers:
            for symbol in layer.symbols:
                if symbol.name == name:
                    return symbol
        raise NotFoundError(f"the domain {self.name!r} has no symbol {name!r}")

    @property
    def variants(self) -> int:
        """How many variants are written down in all: the sum that the product comes from."""
        return sum(len(symbol.variants) for layer in self.layers for symbol in layer.symbols)

    def split(self, text: str) -> list[str]:
        """The normalised words of a text."""
        return split_words(text, self.numerals).words

    def with_variant(self, symbol: str, say: str) -> Domain:
        """The same domain with one more way to say a symbol; nothing that was there changes."""
        self.symbol(symbol)
        new = Variant(say, read_pattern(say, self.split, f"symbol {symbol!r}"))
        layers = tuple(
            replace(
                layer,
                symbols=tuple(
                    replace(one, variants=(*one.variants, new)) if one.name == symbol else one for one in layer.symbols
                ),
            )
            for layer in self.layers
        )
        return replace(self, layers=layers)
