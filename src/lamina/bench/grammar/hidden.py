"""Hidden grammars to be learned from pairs: what is given at first, the pairs, the test, and other learners of the same pairs.

The hidden grammar is the small language without blocks, one symbol inside another at most. At first each keyword is known
in one form only, the sentences made of keywords are known. A pair is a drawn sentence and its normal form.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.bench.grammar.programs import data, script_domain, script_grammar
from lamina.models.grammar import Domain, Grammar
from lamina.models.grammar.learning import learn_all
from lamina.models.grammar.producing import Producer

SIMPLE: Final = ("assign", "show", "push", "raise_by", "lower_by", "start_list", "read_file", "take_last")
Pair = tuple[str, str]
_DATA: Final = re.compile(r'"[^"]*"|\b\d+\b|\b[b-hj-z]\d?\b')


class Learner(Protocol):
    """Something that learns from pairs to give the normal form of a sentence."""

    name: str

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Learn from pairs; a second call goes on from the first."""

    def normal(self, sentence: str) -> str:
        """The normal form of a sentence ("" where it is not known)."""


def bare_domain(domain: Domain) -> Domain:
    """A domain that knows each keyword in one form alone: the first variant of each symbol of the lowest layer."""
    lowest = domain.layers[0]
    bare = replace(lowest, symbols=tuple(replace(symbol, variants=symbol.variants[:1]) for symbol in lowest.symbols))
    return replace(domain, layers=(bare, *domain.layers[1:]))


def draw_pairs(count: int, random: Random, frames: Sequence[str] = SIMPLE, avoid: frozenset[str] = frozenset()) -> list[Pair]:
    """Different sentences of the hidden grammar with their normal forms, a frame as likely as another."""
    producer, grammar = Producer(script_domain(), depth=1), script_grammar()
    found: dict[str, str] = {}
    while len(found) < count:
        sentence = producer.draw(random.choice(frames), random, data).text
        if sentence not in avoid:
            found[sentence] = grammar.parse(sentence).normal()
    return list(found.items())


class Forest:
    """The grammar that learns by gaps."""

    name = "grammar, gaps learned"

    def __init__(self) -> None:
        self.grammar = Grammar(bare_domain(script_domain()))
        self.asked = 0
        self._kept: list[str] = []

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Learn what single gaps teach; the rest is counted as asked."""
        self.grammar, asked = learn_all(self.grammar, pairs, self._kept)
        self._kept += [sentence for pair in pairs for sentence in pair]
        self.asked = len(asked)

    def normal(self, sentence: str) -> str:
        """The normal form, where the sentence is understood."""
        parse = self.grammar.parse(sentence)
        return parse.normal() if parse.ok else ""


def delexical(sentence: str) -> tuple[str, list[str]]:
    """A sentence with its data as ⟨0⟩, ⟨1⟩, …, and the data.

    >>> delexical('set b to 5')
    ('set ⟨0⟩ to ⟨1⟩', ['b', '5'])
    """
    found: list[str] = []

    def taken(match: re.Match[str]) -> str:
        if match[0] not in found:
            found.append(match[0])
        return f"⟨{found.index(match[0])}⟩"

    return _DATA.sub(taken, sentence), found


def template_of(pair: Pair) -> str:
    """The normal form of a pair with the sentence's data as ⟨0⟩, ⟨1⟩, …"""
    _, data_words = delexical(pair[0])
    return _DATA.sub(lambda match: f"⟨{data_words.index(match[0])}⟩" if match[0] in data_words else match[0], pair[1])


def filled(template: str, data_words: Sequence[str]) -> str:
    """A template with data put in; what is missing stays open."""
    return re.sub(r"⟨(\d+)⟩", lambda match: data_words[int(match[1])] if int(match[1]) < len(data_words) else match[0], template)


class Nearest:
    """The nearest known sentence by vectors, its normal form with the data exchanged. `embed` gives vectors of unit length."""

    def __init__(self, name: str, embed: Callable[[Sequence[str]], NDArray[np.float32]]) -> None:
        self.name = name
        self._embed = embed
        self._templates: list[str] = []
        self._rows: NDArray[np.float32] | None = None

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Keep the pairs."""
        rows = self._embed([delexical(sentence)[0] for sentence, _ in pairs])
        self._rows = rows if self._rows is None else np.concatenate([self._rows, rows])
        self._templates += [template_of(pair) for pair in pairs]

    def normal(self, sentence: str) -> str:
        """The nearest one's normal form with this sentence's data."""
        assert self._rows is not None
        text, data_words = delexical(sentence)
        place = int(np.argmax(self._rows @ self._embed([text])[0]))
        return filled(self._templates[place], data_words)


class Softmax:
    """A linear classifier of templates on words and pairs of words, trained by gradient descent; trained again, it goes on with what is new."""

    name = "softmax classifier"
    buckets: Final = 4096

    def __init__(self, steps: int = 300, rate: float = 2.0) -> None:
        self._steps, self._rate = steps, rate
        self._templates: list[str] = []
        self._weights = np.zeros((self.buckets, 0), dtype=np.float32)

    def fit(self, pairs: Sequence[Pair]) -> None:
        """Train on these pairs alone."""
        wanted = [template_of(pair) for pair in pairs]
        self._templates += [one for one in dict.fromkeys(wanted) if one not in self._templates]
        grown = np.zeros((self.buckets, len(self._templates)), dtype=np.float32)
        grown[:, : self._weights.shape[1]] = self._weights
        rows = self._features([sentence for sentence, _ in pairs])
        gold = np.eye(len(self._templates), dtype=np.float32)[[self._templates.index(one) for one in wanted]]
        for _ in range(self._steps):
            grown += self._rate / len(rows) * rows.T @ (gold - _shares(rows @ grown))
        self._weights = grown

    def normal(self, sentence: str) -> str:
        """The likeliest template with this sentence's data."""
        place = int(np.argmax(self._features([sentence])[0] @ self._weights))
        return filled(self._templates[place], delexical(sentence)[1])

    def _features(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        from zlib import crc32

        rows = np.zeros((len(sentences), self.buckets), dtype=np.float32)
        for number, sentence in enumerate(sentences):
            words = ["^", *delexical(sentence)[0].split(), "$"]
            for one in [*words, *(f"{a} {b}" for a, b in itertools.pairwise(words))]:
                rows[number, crc32(one.encode()) % self.buckets] = 1.0
        unit: NDArray[np.float32] = rows / np.maximum(1.0, np.linalg.norm(rows, axis=1, keepdims=True))
        return unit


def _shares(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def exact(learner: Learner, pairs: Sequence[Pair]) -> float:
    """The share of sentences whose normal form a learner gives exactly."""
    return sum(learner.normal(sentence) == known for sentence, known in pairs) / len(pairs)
