"""A model that gives the answers it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from lamina.models.protocols import Completion, Message, Tool, ToolCall, check_request, check_tools

Answer = Completion | Callable[[Sequence[Message]], Completion]


def use(name: str, *, id: str = "c", **arguments: Any) -> Completion:
    return Completion("", tool_calls=(ToolCall(id, name, json.dumps(arguments)),))


def write(**files: str) -> Completion:
    return use("write_files", files=[{"path": path.replace("__", "."), "contents": text} for path, text in files.items()])


def raw(name: str, arguments: str, **more: Any) -> Completion:
    return Completion("", tool_calls=(ToolCall("c", name, arguments),), **more)


DONE = use("sub_task_step_complete")
SUMMARY = Completion("The file is there. It works.")


class Answers:
    """Gives answers in order; every request must be one that a chat endpoint takes."""

    name = "answers"

    def __init__(self, *answers: Answer) -> None:
        self.left = list(answers)
        self.asked: list[list[Message]] = []
        self.temperatures: list[float] = []

    def complete(self, messages: Sequence[Message], **given: Any) -> Completion:
        raise AssertionError("tools are offered at every request")

    def call(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        check_request(messages, max_tokens, temperature)
        check_tools(messages, tools)
        assert len({call.id for message in messages for call in message.tool_calls}) >= 0
        for message in messages:
            for call in message.tool_calls:
                assert isinstance(json.loads(call.arguments), dict)
        self.asked.append(list(messages))
        self.temperatures.append(temperature)
        answer = self.left.pop(0)
        return answer(messages) if callable(answer) else answer

    @property
    def last_told(self) -> str:
        """The last tool result it was shown."""
        return next(one.content for one in reversed(self.asked[-1]) if one.role == "tool")
