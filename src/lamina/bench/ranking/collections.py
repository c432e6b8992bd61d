"""What is ranked and asked: collections of messages, each with its own questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lamina.text import index_text


@dataclass(frozen=True, slots=True)
class Passage:
    """One thing that can be found: a message with its id."""

    id: str
    text: str
    speaker: str | None
    session: str | None
    captions: tuple[str, ...] = ()
    at: Any = None  # whatever `Memory.add` takes as a time
    role: str | None = None

    @property
    def shown(self) -> str:
        """Speaker, text and captions as one text: what every system looks at."""
        return index_text(self.text, self.speaker, self.captions)

    def message(self) -> dict[str, Any]:
        """The passage as `Memory.add_many` takes it."""
        fields = {
            "content": self.text, "speaker": self.speaker, "session": self.session, "at": self.at, "role": self.role,
            "origin": self.id, "captions": list(self.captions),
        }  # fmt: skip
        return {name: value for name, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: the ids that answer it, and the slice of the data it belongs to."""

    text: str
    gold: frozenset[str]
    slice: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Passages that are ranked among themselves, and the questions about them."""

    name: str
    passages: Sequence[Passage]
    questions: Sequence[Asked]


class System(Protocol):
    """Ranks the passages of a collection for each of its questions."""

    @property
    def name(self) -> str:
        """What its row is called."""
        ...

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """For each collection (by name) and question, the ids of the best k passages, best first."""
        ...
