"""Language models for tests: they say what they are told to, or fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.errors import ModelError
from lamina.models.protocols import Completion, Message


class Scripted:
    """Answers with what a function makes of the messages; what it raises is raised."""

    def __init__(self, answer: Callable[[Sequence[Message]], Any], name: str = "scripted") -> None:
        self.name = name
        self.asked: list[Sequence[Message]] = []
        self._answer = answer

    def complete(
        self, messages: Sequence[Message], *, schema: Any = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        self.asked.append(messages)
        answer = self._answer(messages)
        return Completion(text=answer if isinstance(answer, str) else "", data=None if isinstance(answer, str) else answer)


def failing(messages: Sequence[Message]) -> Any:
    raise ModelError("out of order")
