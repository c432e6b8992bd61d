"""A runner without a library: characters are tokens, and what comes next is a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from numpy.typing import NDArray

from lamina.models.protocols import Message, Schema

LETTERS = "\0 abcdefghijklmnopqrstuvwxyz.:{}\"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'_,()[]!?\n-/$#"
END = 0
Rule = Callable[[str], str]


class FakeSession:
    def __init__(self, runner: FakeRunner) -> None:
        self.runner = runner
        self.read: list[int] = []

    @property
    def length(self) -> int:
        return len(self.read)

    def extend(self, ids: Sequence[int]) -> NDArray[np.float32]:
        self.read += ids
        self.runner.read += len(ids)
        return self._logits()

    def score(self, ids: Sequence[int]) -> NDArray[np.float64]:
        found = []
        for place, token in enumerate(ids):
            if place:
                logits = self._logits().astype(np.float64)
                found.append(logits[token] - np.log(np.exp(logits).sum()))
            self.extend([token])
        return np.array(found, np.float64)

    def crop(self, length: int) -> None:
        del self.read[length:]

    def _logits(self) -> NDArray[np.float32]:
        wanted = self.runner.rule(self.runner.decode(self.read))
        logits = np.zeros(len(LETTERS), np.float32)
        logits[LETTERS.index(wanted)] = 4.0
        return logits


class FakeRunner:
    """Parameters: `rule`, from the text so far to the likeliest next letter ("\\0": the end); `context`."""

    endless = False
    opening: tuple[int, ...] = ()
    ends = frozenset([END])

    def __init__(self, rule: Rule, context: int = 4096) -> None:
        self.rule, self.context, self.read = rule, context, 0

    def encode(self, text: str) -> list[int]:
        return [LETTERS.index(letter) for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(LETTERS[one] for one in ids)

    def chat(self, messages: Sequence[Message]) -> list[int]:
        return self.encode("".join(f"{one.role}: {one.content}\n" for one in messages) + "assistant: ")

    def session(self) -> FakeSession:
        return FakeSession(self)

    def reading(self, tokens: int) -> AbstractContextManager[None]:
        return nullcontext()

    def form(self, schema: Schema) -> LooseForm:
        return LooseForm()


class LooseForm:
    """A form that binds to nothing, as where the library cannot enforce a part of a schema."""

    done = cut = False
    needed = 1

    def allowed(self) -> NDArray[np.bool_]:
        return np.ones(len(LETTERS), bool)

    def take(self, token: int, room: int) -> int:
        return token


def saying(*answers: str) -> Rule:
    """Says one answer after another, by how often it was asked before."""

    def rule(text: str) -> str:
        turn = text.count("assistant: ") - 1
        said = len(text.rpartition("assistant: ")[2])
        return answers[turn][said] if turn >= 0 and said < len(answers[turn]) else "\0"

    return rule
