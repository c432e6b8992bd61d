"""What a model answers: how likely the true answer is among what it may be taken for, and what the model says by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lamina.bench.caches.needles import Question

SPARE = 1  # tokens that may be said beyond the true answer's: enough to see that its word is over


class Reader(Protocol):
    """A text that was read, to be gone on with: see `lamina.kv.Session`."""

    def extend(self, ids: Sequence[int]) -> NDArray[np.floating[Any]]:
        """Read on; the logits of what comes next."""
        ...

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        """Read on; the log-likelihoods of all but the first."""
        ...

    def decode(self, max_tokens: int) -> Iterator[int]:
        """The likeliest tokens."""
        ...

    def attended(self) -> NDArray[np.float64]:
        """How many tokens the last one saw, by layer."""
        ...

    def fork(self) -> Self:
        """The same, apart."""
        ...


@dataclass(frozen=True)
class Answer:
    """`nats`, log-likelihoods of the options, the true one first; `said`, what the model says; `attended`, tokens seen, the mean over layers."""

    nats: tuple[float, ...]
    said: str
    attended: float

    @property
    def likeliest(self) -> bool:
        """Whether the true answer is likelier than all others."""
        return self.nats[0] > max(self.nats[1:])


def ask(reader: Reader, question: Question, decode: Callable[[Sequence[int]], str]) -> Answer:
    """Ask one question of what `reader` has read, which stays as it was."""
    asked = reader.fork()
    asked.extend(question.asked)
    logits = asked.extend(question.lead).astype(np.float64)
    first = logits - logits.max()
    first -= np.log(np.exp(first).sum())
    attended = float(asked.attended().mean())
    nats = []
    for option in question.options:
        rest = float(asked.fork().score(option).sum()) if len(option) > 1 else 0.0
        nats.append(float(first[option[0]]) + rest)
    said = list(asked.fork().decode(len(question.options[0]) + SPARE))
    return Answer(tuple(nats), decode(said), attended)


def right(said: str, answer: str) -> bool:
    """Whether the first word said is the answer, exactly.

    >>> right(" 48213. The", "48213"), right(" 482134", "48213"), right(" not Oslo", "Oslo")
    (True, False, False)
    """
    first = re.match(r"\W*(\w+)", said)
    return first is not None and first[1] == answer
