"""LoCoMo conversations as messages: each sample becomes a user of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lamina.bench.locomo_data import Conversation, Question, load_locomo


@dataclass
class LocomoSample:
    """The messages of one conversation, in order; origins are the dia_ids, pictures come as captions."""

    conversation: Conversation
    done: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """The sample's id."""
        return self.conversation.sample_id

    @property
    def user(self) -> str | None:
        """The scope of the sample: its id as the user."""
        return self.conversation.sample_id

    @property
    def size(self) -> int:
        """Characters in all its turns."""
        return sum(len(turn.text) for turn in self.conversation.turns)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.done = 0
        for turn in self.conversation.turns:
            self.done += len(turn.text)
            message: dict[str, Any] = {
                "content": turn.text, "role": "user", "speaker": turn.speaker, "session": turn.session, "origin": turn.dia_id,
            }  # fmt: skip
            if turn.at is not None:
                message["at"] = turn.at
            if turn.captions:
                message["captions"] = list(turn.captions)
            if turn.text.strip() or turn.captions:
                yield message


def samples_of(path: str | os.PathLike[str]) -> list[LocomoSample]:
    """A reader for each conversation of a LoCoMo file. Raises `InputError` for a file of another form."""
    return [LocomoSample(conversation) for conversation in load_locomo(path)]


def questions(sample: LocomoSample | Conversation) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Each question of a sample, its category, and the origins of the messages that answer it."""
    conversation = sample if isinstance(sample, Conversation) else sample.conversation
    asked: tuple[Question, ...] = conversation.questions
    for question in asked:
        yield question.text, question.category, question.evidence
