"""A grammar reads a text: words, layers, frames, and a parse that shows each step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Final, NamedTuple

from lamina.errors import InputError
from lamina.expressions.finding import may_name_a_time
from lamina.models.grammar.characters import Words, split_words, unbalanced
from lamina.models.grammar.compiling import TIME, compile_domain
from lamina.models.grammar.digestion import BEST, Digester, Items, plain_cells
from lamina.models.grammar.domain import Domain
from lamina.models.grammar.time_marks import time_spans
from lamina.models.grammar.trie import Node, Piece

CHARACTERS: Final = "characters"
"""The name of the lowest layer in traces."""
_FORMS: Final = 64
"""How many forms of a sentence are made at most."""
_FOLLOWS: Final = re.compile(r"\{([^{}]*)\}")


class Filled(NamedTuple):
    """What fills a slot: the words as they stand in the text, and where they stand."""

    text: str
    start: int
    end: int


class Step(NamedTuple):
    """A rule that was used: its layer, the span of the text it took, and its name (symbol and number of the variant)."""

    layer: str
    start: int
    end: int
    rule: str


_step = Step._make


@dataclass(frozen=True)
class Meaning:
    """A symbol with what fills its slots: data as text, symbols as meanings."""

    name: str
    arguments: Mapping[str, Meaning | str]
    output: str | None = None

    def code(self) -> str:
        """The code of a meaning: its output template with that of its arguments put in, or name(argument, …).

        >>> Meaning("sum", {"a": "1", "b": Meaning("sum", {"a": "2", "b": "x"})}, "({a} + {b})").code()
        '(1 + sum(2, x))'
        """
        inner = {name: one if isinstance(one, str) else one.code() for name, one in self.arguments.items()}
        if self.output is None:
            return f"{self.name}({', '.join(inner.values())})"
        return _FOLLOWS.sub(lambda found: inner.get(found[1], ""), self.output)


class Parse:
    """What a grammar read in a text.

    `ok`: whether nothing is left over; `frame`: the name of the (first) sentence; `residue`: spans of the text that no rule read;
    `times`: where expressions of time stand in it, None where the domain has no times or no word speaks of one.
    """

    __slots__ = ("_items", "_nodes", "grammar", "ok", "times", "words")

    def __init__(
        self, grammar: Grammar, words: Words, items: Items, nodes: Sequence[Node], times: Sequence[tuple[int, int]] | None = None
    ) -> None:
        self.grammar = grammar
        self.words = words
        self._items = items
        self._nodes = nodes
        self.times = times
        self.ok = bool(nodes)

    @property
    def text(self) -> str:
        """The text that was read."""
        return self.words.source

    @property
    def frame(self) -> str | None:
        """The name of the (first) sentence, or None."""
        return self._nodes[0].rule.symbol.name if self._nodes else None

    @property
    def slots(self) -> dict[str, Filled]:
        """What fills the slots of the (first) sentence."""
        words = self.words
        source, starts, ends = words.source, words.starts, words.ends
        found: dict[str, Filled] = {}
        if self._nodes:
            for name, piece in self._nodes[0].slots.items():
                start, end = starts[piece.first], ends[piece.last]
                found[name] = Filled(source[start:end], start, end)
        return found

    @property
    def trace(self) -> list[Step]:
        """Every rule that was used, in order: numerals and times first, then layer by layer."""
        starts, ends = self.words.starts, self.words.ends
        names = self.grammar.layer_names
        return [_step((names[layer], starts[first], ends[last], rule)) for layer, first, last, rule in self._items.steps]

    @property
    def residue(self) -> list[Filled]:
        """What was not read: the words that no symbol covers (all of them, where none is covered and there is no sentence)."""
        if self.ok:
            return []
        items, words = self._items, self.words
        bare = [place for place, cell in enumerate(items.cells) if cell[3] is None]
        spans: list[tuple[int, int]] = []
        for place in bare or range(len(items.keys)):
            start, end = words.starts[items.cells[place][1]], words.ends[items.cells[place][2]]
            if spans and place - 1 in bare and spans[-1][1] <= start and not words.source[spans[-1][1] : start].strip():
                spans[-1] = spans[-1][0], end
            else:
                spans.append((start, end))
        return [Filled(words.source[start:end], start, end) for start, end in spans]

    @property
    def meaning(self) -> list[Meaning]:
        """The sentences as meanings, in order."""
        return [self._meaning(node) for node in self._nodes]

    def code(self) -> str:
        """The code of the sentences, one a line."""
        return "\n".join(one.code() for one in self.meaning)

    def normal(self) -> str:
        """The normal form: the canonical sentence of each frame with the data put back. Raises `InputError` where nothing was read."""
        if not self.ok:
            raise InputError(f"{self.text[:80]!r} was not read, so it has no normal form: see residue")
        return " . ".join(" ".join(self._canonical(node)) for node in self._nodes)

    def spellings(self) -> list[str]:
        """The (first) sentence in its canonical words, in each order and form that its frame has; the normal form first."""
        if not self.ok:
            return []
        return list(dict.fromkeys(" ".join(words) for words in islice(self._forms(self._nodes[0]), _FORMS)))

    def _forms(self, node: Node) -> Iterator[list[str]]:
        """A symbol in each form, what fills its slots in each form."""
        names = list(node.slots)
        options = [
            [[self._data(piece)]] if piece.node is None else list(self._forms(piece.node)) for piece in node.slots.values()
        ]
        for choice in product(*options):
            yield from self.grammar.forms(node.rule.symbol.name, dict(zip(names, choice, strict=True)))

    def _meaning(self, node: Node) -> Meaning:
        arguments: dict[str, Meaning | str] = {}
        for name, piece in node.slots.items():
            arguments[name] = self._meaning(piece.node) if piece.node is not None else self._data(piece)
        return Meaning(node.rule.symbol.name, arguments, node.rule.symbol.output)

    def _data(self, piece: Piece) -> str:
        if piece.first == piece.last:
            return self.words.words[piece.first]
        return self.text[self.words.starts[piece.first] : self.words.ends[piece.last]]

    def _canonical(self, node: Node) -> list[str]:
        words = {
            name: [self._data(piece)] if piece.node is None else self._canonical(piece.node) for name, piece in node.slots.items()
        }
        return self.grammar.spell(node.rule.symbol.name, words)


class Grammar:
    """A domain made ready to read texts.

    Reading takes time in proportion to the words of a text; a grammar is never changed by it and may be shared by threads.

    >>> from lamina.models.grammar.reading import read_domain
    >>> lamp = read_domain({"name": "lamp", "layers": [
    ...     {"name": "words", "symbols": {"switch": ["switch", "turn", "put"], "lamp": ["lamp", "light"]}},
    ...     {"name": "sentences", "frames": {"on": ["<switch> [the] <lamp> on", "<switch> on [the] <lamp>"]}}]})
    >>> parse = Grammar(lamp).parse("Turn on the LIGHT")
    >>> parse.frame, parse.normal(), [step.rule for step in parse.trace]
    ('on', 'switch the lamp on', ['switch.2', 'lamp.2', 'on.2'])
    >>> Grammar(lamp).parse("Turn on the radio").residue
    [Filled(text='on the radio', start=5, end=17)]
    """

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self._compiled = compile_domain(domain)
        self.layer_names = [*(layer.name for layer in domain.layers), CHARACTERS]
        self._goal = "" if domain.goal is None else f"{{{domain.goal}}}"

    def parse(self, text: str, *, robust: bool = False, now: int = 0, offset: int = 0) -> Parse:
        """Read a text; with `robust`, over the best segmentations of each layer instead of the longest match alone.

        `now` (UTC microseconds) and `offset` (minutes east of UTC) matter to domains with times. Raises `InputError` for what is no
        text, is longer than the domain's limit, or has quotation marks that are not closed where the domain wants them to be.
        """
        words = self.words(text)
        items = self._items(words)
        times = None
        if self.domain.times and may_name_a_time(text):
            times = time_spans(text, now, offset)
            if times:
                items = self._with_times(items, words, times)
        if robust:
            hypotheses = [items]
            for digester in self._compiled.digesters:
                hypotheses = digester.segmentations(hypotheses, BEST)
            for one in hypotheses:
                nodes = self._sentences(one)
                if nodes:
                    return Parse(self, words, one, nodes, times)
            return Parse(self, words, hypotheses[0], (), times)
        for digester in self._compiled.digesters:
            items = digester.digest(items)
        return Parse(self, words, items, self._sentences(items), times)

    def words(self, text: str) -> Words:
        """The normalised words of a text with their places; the lowest layer by itself. Refuses what `parse` refuses."""
        if not isinstance(text, str):
            raise InputError(f"a text must be a string, not {type(text).__name__}")
        if len(text) > self.domain.limit:
            raise InputError(
                f"the text has {len(text):,} characters; the domain {self.domain.name!r} reads at most {self.domain.limit:,}"
            )
        words = split_words(text, self.domain.numerals)
        if self.domain.quotes:
            place = unbalanced(words.words)
            if place is not None:
                raise InputError(
                    f"the quotation mark at character {words.starts[place]} has no partner: close it, or leave it out"
                )
        return words

    @property
    def digesters(self) -> Sequence[Digester]:
        """The layers of symbols at work, the lowest first."""
        return self._compiled.digesters

    def start(self, text: str) -> Items:
        """The items of a text before any layer, times apart."""
        return self._items(self.words(text))

    def spell(self, symbol: str, slots: Mapping[str, list[str]]) -> list[str]:
        """The canonical words of a symbol, given those of what fills its slots."""
        for words in self.forms(symbol, slots):
            return words
        raise InputError(f"symbol {symbol!r} has no variant with the slots {', '.join(slots) or 'none'}")

    def forms(self, symbol: str, slots: Mapping[str, list[str]]) -> Iterator[list[str]]:
        """The words of each form of a symbol that has just these slots, all symbols in it in their canonical words."""
        for rule in self._compiled.rules[symbol]:
            named = dict(rule.slots)
            handed = {place: self._handed(rule.keys[place][1:-1]) & slots.keys() for place in rule.merges}
            if {*named.values()}.union(*handed.values()) != slots.keys():
                continue
            out: list[str] = []
            for place, key in enumerate(rule.keys):
                if place in named:
                    out += slots[named[place]]
                elif key.startswith("<") and len(key) > 2:
                    out += self.spell(key[1:-1], {name: slots[name] for name in handed.get(place, ())})
                else:
                    out.append(key)
            yield out

    def _handed(self, symbol: str) -> set[str]:
        found: set[str] = set()
        for rule in self._compiled.rules[symbol]:
            found |= {name for _, name in rule.slots}
            for place in rule.merges:
                found |= self._handed(rule.keys[place][1:-1])
        return found

    def _items(self, words: Words) -> Items:
        keys = words.words
        steps = [(-1, place, place, "numeral") for place in words.numerals]
        if self._compiled.kinds.wanted:
            of = self._compiled.kinds.of
            return Items(keys, [(of(word), place, place, None) for place, word in enumerate(keys)], steps)
        return Items(keys, plain_cells(len(keys)), steps)

    def _with_times(self, items: Items, words: Words, spans: Sequence[tuple[int, int]]) -> Items:
        """The same with each expression of time as one item."""
        kinds = self._compiled.kinds.above("time")
        out = Items([], [], items.steps.copy())
        place, size = 0, len(items.keys)
        for start, end in spans:
            first = place
            while first < size and words.starts[first] < start:
                first += 1
            last = first
            while last < size and words.ends[last] <= end:
                last += 1
            if first == last:
                continue
            out.keys += [*items.keys[place:first], TIME]
            out.cells += [*items.cells[place:first], (kinds, first, last - 1, None)]
            out.steps.append((-1, first, last - 1, "time"))
            place = last
        out.keys += items.keys[place:]
        out.cells += items.cells[place:]
        return out

    def _sentences(self, items: Items) -> Sequence[Node]:
        if self._compiled.frames is None:
            nodes = [node for kinds, _, _, node in items.cells if node is not None and self._goal in kinds]
            return nodes if len(nodes) == len(items.keys) else ()
        node = self._compiled.frames.read(items)
        return () if node is None else (node,)
