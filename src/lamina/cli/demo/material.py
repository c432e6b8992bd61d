"""The conversation that ships with the package, its questions, and the messages that hold their answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any, Final

from lamina.text import index_text

ORIGIN: Final = "demo:"
"""What the origins of the conversation's messages begin with."""
KINDS: Final = {
    "single": "one message has it",
    "several": "several messages together",
    "time": "dates and durations",
    "changed": "the fact changed on the way",
    "inferred": "nobody says it outright",
}
"""The categories of the questions, in words."""


@dataclass(frozen=True)
class Question:
    """A question, its answer, and the origins of the messages that give it."""

    text: str
    answer: str
    evidence: tuple[str, ...]
    category: str


@dataclass(frozen=True)
class Material:
    """Messages in the order of time, and questions."""

    messages: tuple[dict[str, Any], ...]
    questions: tuple[Question, ...]

    @cached_property
    def lines(self) -> dict[str, str]:
        """Each message as one line, speaker first, by origin."""
        return {
            message["origin"]: index_text(
                message["text"], message.get("speaker"), [image["caption"] for image in message.get("images", ())]
            )
            for message in self.messages
        }

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len({message["session"] for message in self.messages})

    @property
    def speakers(self) -> list[str]:
        """The people who speak, tools left out."""
        return list(dict.fromkeys(message["speaker"] for message in self.messages if message["role"] != "tool"))

    @property
    def last(self) -> str:
        """When the last message was written: the moment from which the questions are asked."""
        return str(self.messages[-1]["at"])

    def of(self, category: str) -> list[Question]:
        """The questions of a category, in order."""
        return [question for question in self.questions if question.category == category]


def load_material() -> Material:
    """Read the packaged files."""
    folder = resources.files("lamina.demo")
    messages = [json.loads(line) for line in folder.joinpath("conversation.jsonl").read_text("utf-8").splitlines() if line]
    asked = [json.loads(line) for line in folder.joinpath("questions.jsonl").read_text("utf-8").splitlines() if line]
    questions = [Question(one["question"], one["answer"], tuple(one["evidence"]), one["category"]) for one in asked]
    return Material(tuple(messages), tuple(questions))
