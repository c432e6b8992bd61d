"""A grammar run backwards: how many sentences it covers, which they are, and a drawn one with its meaning.

What fills a slot is data, drawn or fixed by the caller, or a symbol of the slot's type, to a depth. Every way to spell a sentence
is counted, so two ways to the same words count twice; a domain that `compile_domain` accepts has no two meanings for one spelling within a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from random import Random
from typing import Final, NamedTuple

from lamina.models.grammar.domain import BUILT_IN, Domain, Symbol
from lamina.models.grammar.parsing import Meaning
from lamina.models.grammar.patterns import Leaf, Reference, Slot, Word, sequences

Draw = Callable[[str, Random], str]
"""Gives data of a type: "number", "string", "time", or a type of the domain."""
_HAN: Final = ("\u3400", "\u9fff")


class Produced(NamedTuple):
    """A sentence, and what it means."""

    text: str
    meaning: Meaning


class Producer:
    """The sentences of a domain.

    `depth`: how many symbols may lie in slots of one another.

    >>> from lamina.models.grammar.reading import read_domain
    >>> lamp = read_domain({"name": "lamp", "layers": [
    ...     {"name": "words", "symbols": {"switch": ["switch", "turn", "put"], "lamp": ["lamp", "light"]}},
    ...     {"name": "sentences", "frames": {"on": ["<switch> [the] <lamp> on"]}}]})
    >>> lamp.variants, Producer(lamp).count("on"), len(set(Producer(lamp).sentences("on")))
    (6, 12, 12)
    """

    def __init__(self, domain: Domain, depth: int = 3) -> None:
        self.depth = depth
        self._symbols = {symbol.name: symbol for layer in domain.layers for symbol in layer.symbols}
        self._types = domain.types
        self._rows = {name: self._spellings(symbol) for name, symbol in self._symbols.items()}
        self._counted = lru_cache(maxsize=None)(self._count)
        self._fillers = lru_cache(maxsize=None)(self._found_fillers)
        self._weights = lru_cache(maxsize=None)(self._found_weights)

    def count(self, symbol: str) -> int:
        """How many ways there are to say a symbol; data counts once."""
        return self._counted(symbol, self.depth)

    def sentences(self, symbol: str, data: Mapping[str, Sequence[str]] | None = None) -> Iterator[str]:
        """All ways to say a symbol; `data`: what may fill slots of each type (default: the type's name, once)."""
        return (join(words) for words in self._all(symbol, self.depth, data or {}))

    def draw(self, symbol: str, random: Random, data: Draw) -> Produced:
        """One of all ways to say a symbol, each as likely as the others."""
        words, arguments = self._drawn(symbol, self.depth, random, data)
        return Produced(join(words), Meaning(symbol, arguments, self._symbols[symbol].output))

    def _spellings(self, symbol: Symbol) -> list[tuple[Leaf, ...]]:
        return list(dict.fromkeys(row for variant in symbol.variants for row in sequences(variant.pattern)))

    def _found_fillers(self, kind: str) -> tuple[list[str], list[str]]:
        """The types of data and the symbols that may fill a slot of a type."""
        wanted, data = [kind], []
        for one in wanted:
            declared = self._types.get(one)
            if declared is not None and declared.any:
                wanted += [other for other in declared.any if other not in wanted]
            elif declared is not None or one in BUILT_IN:
                data.append(one)
        return data, [symbol.name for symbol in self._symbols.values() if symbol.type in wanted]

    def _count(self, symbol: str, depth: int) -> int:
        return sum(self._ways(row, depth) for row in self._rows[symbol])

    def _found_weights(self, symbol: str, depth: int) -> list[int]:
        return [self._ways(row, depth) for row in self._rows[symbol]]

    def _ways(self, row: Sequence[Leaf], depth: int) -> int:
        ways = 1
        for leaf in row:
            if isinstance(leaf, Reference):
                ways *= self._counted(leaf.symbol, depth)
            elif isinstance(leaf, Slot):
                data, inner = self._fillers(leaf.type)
                ways *= len(data) + (sum(self._counted(one, depth - 1) for one in inner) if depth else 0)
        return ways

    def _all(self, symbol: str, depth: int, data: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
        for row in self._rows[symbol]:
            parts = [list(self._of_leaf(leaf, depth, data)) for leaf in row]
            for choice in product(*parts):
                yield tuple(word for part in choice for word in part)

    def _of_leaf(self, leaf: Leaf, depth: int, data: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
        if isinstance(leaf, Word):
            yield (leaf.key,)
        elif isinstance(leaf, Reference):
            yield from self._all(leaf.symbol, depth, data)
        else:
            kinds, inner = self._fillers(leaf.type)
            for kind in kinds:
                yield from ((word,) for word in data.get(kind, (kind,)))
            for one in inner if depth else ():
                yield from self._all(one, depth - 1, data)

    def _drawn(self, symbol: str, depth: int, random: Random, data: Draw) -> tuple[list[str], dict[str, Meaning | str]]:
        rows = self._rows[symbol]
        (row,) = random.choices(rows, self._weights(symbol, depth))
        words: list[str] = []
        arguments: dict[str, Meaning | str] = {}
        for leaf in row:
            if isinstance(leaf, Word):
                words.append(leaf.key)
            elif isinstance(leaf, Reference):
                inner, handed = self._drawn(leaf.symbol, depth, random, data)
                words += inner
                arguments |= handed
            else:
                kinds, symbols = self._fillers(leaf.type)
                options = [*kinds, *(symbols if depth else ())]
                weights = [1] * len(kinds) + [self._counted(one, depth - 1) for one in (symbols if depth else ())]
                (taken,) = random.choices(range(len(options)), weights)
                if taken < len(kinds):
                    arguments[leaf.name] = data(options[taken], random)
                    words.append(str(arguments[leaf.name]))
                else:
                    inner, given = self._drawn(options[taken], depth - 1, random, data)
                    words += inner
                    arguments[leaf.name] = Meaning(options[taken], given, self._symbols[options[taken]].output)
        return words, arguments


def join(words: Sequence[str]) -> str:
    """Words as a sentence: a space between them, none between two of a script without spaces.

    >>> join(["print", "打", "印", "x"])
    'print 打印 x'
    """
    out = ""
    for word in words:
        near = out and _HAN[0] <= out[-1] <= _HAN[1] and _HAN[0] <= word[0] <= _HAN[1]
        out += word if near or not out else f" {word}"
    return out
