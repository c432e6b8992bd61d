"""The stream of turns of a dialogue: each with its text, a short form, a vector, and when it was last used.

Source: "Unleashing Infinite-Length Input Capacity for Large-scale Language Models with Self-Controlled Memory System" (X. Liang et al., 2023;
later "SCM: Enhancing Large Language Model with Self-Controlled Memory Framework", B. Wang et al.).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.strength import geometric_decay
from lamina.errors import InputError
from lamina.index.flat import FlatIndex, top
from lamina.models.guarded import GuardedEmbedder
from lamina.text import check_text
from lamina.working.chunks import Chunk
from lamina.working.extracts import Shortener, sized
from lamina.working.steps import ACTION, OBSERVATION, SUBGOAL, Step, text_of

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder, Message, TokenCounter

EmbedOn = Literal["summary", "text"]
FloatArray = NDArray[np.float64]

_LABELS: Final = {"user": "User: ", "assistant": "Assistant: "}


@dataclass(slots=True)
class Turn:
    """One turn. `chunk` holds its step verbatim, under the turn's number, from 1; `text` is what a prompt shows of it, `summary` its
    short form, and `tokens` and `summary_tokens` what these take; `last_access`: the turn for which it was last shown."""

    chunk: Chunk
    text: str
    summary: str
    tokens: int
    summary_tokens: int
    last_access: int

    @property
    def number(self) -> int:
        """The turn's number."""
        return self.chunk.id


@dataclass(frozen=True)
class Ranking:
    """Which turns matter for an input: what is like it, and what was used lately.

    The two are scaled to [0, 1] over the candidates and added: the likeness of vectors, and `gamma` to the power of the turns since
    the last use. The source names both and gives no formula; the scaling is ours. The released code has relevance alone.

    Parameters: `k` turns at most; `gamma` in (0, 1]; `recency_weight`, from 0 (relevance alone); `pool`, how many times `k` of the
    turns most like the input are candidates (None: all).

    >>> found = Ranking(k=1, recency_weight=0.5).best(np.array([0.8, 0.1, 0.79]), np.array([90, 50, 10]))
    >>> found.tolist()
    [2]
    """

    k: int = 4
    gamma: float = 0.995
    recency_weight: float = 0.5
    pool: int | None = 5

    def __post_init__(self) -> None:
        sized(self.k, "k, the number of turns that are brought back,")
        if self.pool is not None:
            sized(self.pool, "pool, in multiples of k,")
        if not 0 < self.gamma <= 1:
            raise InputError(f"gamma, what is left of recency after a turn, must lie in (0, 1], not {self.gamma!r}")
        if not 0 <= self.recency_weight < float("inf"):
            raise InputError(f"recency_weight must be a finite number from 0, not {self.recency_weight!r}")

    def best(self, relevance: FloatArray, ages: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of the best, best first, at most `k`: from the relevance (n,) of candidates and the turns (n,) since their last use."""
        if not len(relevance):
            return np.empty(0, np.int64)
        near = np.arange(len(relevance))
        if self.pool is not None and self.recency_weight:
            near = np.sort(top(relevance.astype(np.float32), self.k * self.pool))
        recency = geometric_decay(np.ones(len(near)), self.gamma, ages[near])
        scores = _scaled(relevance[near]) + self.recency_weight * _scaled(recency)
        found: NDArray[np.int64] = near[np.lexsort((-near, -scores))][: self.k]  # of equals the newer one
        return found


def _scaled(values: FloatArray) -> FloatArray:
    least, most = values.min(), values.max()
    scaled: FloatArray = (values - least) / (most - least) if most > least else np.zeros(len(values))
    return scaled


class TurnStream:
    """All turns so far, and how like an input each is. Nothing is ever taken out.

    Parameters: `embedder`; `counter` of tokens; `shortener` of a side of a turn; `short`, tokens of a turn up to which it is its own
    summary; `embed_on`, what a turn's vector is of: "summary", both sides shortened, so that a long one does not drown the other, or "text", all of it.
    """

    def __init__(
        self, embedder: Embedder, counter: TokenCounter, shortener: Shortener, *, short: int = 300, embed_on: EmbedOn = "summary"
    ) -> None:
        if embed_on not in ("summary", "text"):
            raise InputError(f"embed_on must be 'summary' or 'text', not {embed_on!r}")
        self._embedder = GuardedEmbedder(embedder)
        self._counter = counter
        self._shortener = shortener
        self.short = sized(short, "short, the tokens up to which a turn is its own summary,", 0)
        self.embed_on = embed_on
        self.turns: list[Turn] = []
        self._index = FlatIndex(embedder.dim)

    def __len__(self) -> int:
        return len(self.turns)

    def write(self, step: Step) -> Turn:
        """Take in a turn. Raises `InputError` for one without words, `VectorError` for a vector of another width or with NaN; nothing is then kept."""
        number = len(self.turns) + 1
        said = [text_of(message) for message in step.spoken]
        if not any(one.strip() for one in said):
            raise InputError(f"turn {number} is empty: there is nothing to remember")
        for one in said:
            if one.strip():
                check_text(one, f"what is said in turn {number}")
        text = _labelled(number, step.spoken, said)
        tokens = self._counter.count(text)
        summary, sides = text, said
        if tokens > self.short:
            sides = self._sides(step, said)
            summary = _labelled(number, step.spoken, sides)
        shown = text if self.embed_on == "text" else "\n".join(one for one in sides if one)
        vector = self._embedder.embed([shown])
        shorter = self._counter.count(summary) if summary is not text else tokens
        if shorter >= tokens:
            summary, shorter = text, tokens
        chunk = Chunk(number, steps=[step], costs=[tokens], summary=summary, line_cost=shorter)
        turn = Turn(chunk, text, summary, tokens, shorter, number)
        self._index.add(np.array([number - 1]), vector)
        self.turns.append(turn)
        return turn

    def relevance(self, text: str, until: int) -> FloatArray:
        """How like a text the first `until` turns are: the inner product of the vectors, float64 (until,)."""
        (query,) = self._embedder.embed([text], "query")
        return self._index.scores(query)[:until].astype(np.float64)

    def ages(self, now: int, until: int) -> NDArray[np.int64]:
        """The turns from the last use of each of the first `until` turns to turn `now`, (until,)."""
        return np.array([now - turn.last_access for turn in self.turns[:until]], np.int64)

    def _sides(self, step: Step, said: list[str]) -> list[str]:
        """One sentence for what the user and the tools said, one for what the assistant said, each in the place of its first words."""
        shortened = [""] * len(said)
        for own in (False, True):
            places = [n for n, message in enumerate(step.spoken) if (message.role == "assistant") == own and said[n].strip()]
            if places:
                shortened[places[0]] = self._shortener.one("\n".join(said[place] for place in places))
        return shortened


def _labelled(number: int, messages: tuple[Message, ...], said: list[str]) -> str:
    """A turn as a prompt shows it: its number, and who said what."""
    lines = []
    for message, text in zip(messages, said, strict=True):
        if text.strip():
            named = message.role in _LABELS and not text.startswith((ACTION, OBSERVATION, SUBGOAL))
            lines.append(f"{_LABELS[message.role]}{text}" if named else text)
    return f"[Turn {number}] " + "\n".join(lines)
