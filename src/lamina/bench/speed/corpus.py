"""A stream of messages of any length that resembles real ones, so that growth with size can be measured.

Sentences of real conversations are recombined, and rare words are drawn from a process whose vocabulary goes on growing.
Repeating a small conversation instead would leave every word's share of the messages, and the vocabulary, as they are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lamina.text import sentences

START: Final = datetime(2024, 1, 1, 8, 0, tzinfo=UTC)
STEP: Final = timedelta(minutes=7)  # between messages
SESSION: Final = 24  # messages in a session, as in LoCoMo
TAIL: Final = 0.06  # share of longer words that are replaced by a word of the tail
LONGER: Final = re.compile(r"\b[a-z]{5,}\b")
ENDINGS: Final = ("a", "e", "i", "o", "u", "ar", "en", "il", "on")
SYLLABLES: Final = tuple(consonant + ending for consonant in "bdfgklmnprstvz" for ending in ENDINGS)


class GrowingVocabulary:
    """Words drawn so that n draws have about n^discount different ones, the frequent ones more and more frequent.

    Parameters: `strength`, `discount`: of the process. Source: Pitman and Yor 1997, The two-parameter Poisson-Dirichlet
    distribution derived from a stable subordinator (an old word is drawn by its count, without the discount).

    >>> words = GrowingVocabulary()
    >>> generator = random.Random(0)
    >>> drawn = [words.draw(generator) for _ in range(10_000)]
    >>> 300 < len(set(drawn)) < 5_000
    True
    """

    def __init__(self, strength: float = 20.0, discount: float = 0.7) -> None:
        self._strength = strength
        self._discount = discount
        self._drawn: list[str] = []
        self._different: dict[str, None] = {}

    def draw(self, generator: random.Random) -> str:
        """The next word."""
        new = (self._strength + self._discount * len(self._different)) / (self._strength + len(self._drawn))
        word = self._coin(generator) if generator.random() < new else generator.choice(self._drawn)
        self._drawn.append(word)
        return word

    def _coin(self, generator: random.Random) -> str:
        while True:
            word = "".join(generator.choices(SYLLABLES, k=generator.randint(2, 4)))
            if word not in self._different:
                self._different[word] = None
                return word


@dataclass(frozen=True)
class Corpus:
    """Messages made of what others said.

    Parameters: `said`, pairs (speaker, text) to take sentences from; `seed`. The same seed gives the same stream, and a
    longer stream begins with the shorter one.
    """

    said: Sequence[tuple[str, str]]
    seed: int = 0

    def messages(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` messages, as `Memory.add_many` takes them."""
        generator = random.Random(self.seed)
        vocabulary = GrowingVocabulary()
        pool = [sentence for _, text in self.said for sentence in sentences(text)]
        people = sorted({speaker for speaker, _ in self.said})
        pair: list[str] = []
        for place in range(count):
            if place % SESSION == 0:
                pair = generator.sample(people, min(2, len(people)))
            parts = generator.choices(pool, k=generator.choice((1, 1, 2, 2, 3)))
            yield {
                "speaker": pair[place % len(pair)],
                "content": LONGER.sub(lambda found: self._word(found[0], vocabulary, generator), " ".join(parts)),
                "session": f"session {place // SESSION + 1}",
                "at": START + place * STEP,
            }

    @staticmethod
    def _word(word: str, vocabulary: GrowingVocabulary, generator: random.Random) -> str:
        return vocabulary.draw(generator) if generator.random() < TAIL else word
