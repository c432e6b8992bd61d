"""A language model that answers by a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina.models.protocols import Completion, Message

Answer = Callable[[str, str], Any]


class Scripted:
    """Answers by a function of the task and of what is shown, and keeps what it was asked; an exception is raised."""

    name = "scripted"

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Sequence[Message]] = []

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        self.asked.append(messages)
        data = self.answer(messages[0].content, messages[1].content)
        if isinstance(data, Exception):
            raise data
        return Completion("", data=data, model=self.name)
