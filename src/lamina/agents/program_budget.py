"""What a run of a stored program may spend, what it tells while it works, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lamina.errors import InputError

EventKind = Literal["plan", "begin", "ask", "answer", "tool", "restart", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much the model may see, and how often it is asked.

    `context`: tokens of the largest prompt, with messages and tools; `answer`: tokens of an answer, beside it; `margin`: tokens that
    are free when a note is asked for (700 in the source, for 8,000); `steps` of a plan; `retries`: how often an instruction may begin
    anew; `calls` of the model for one instruction; `reflections`: how often the plan is looked at once more.
    """

    context: int = 8000
    answer: int = 4096
    margin: int = 700
    steps: int = 10
    retries: int = 30
    calls: int = 400
    reflections: int = 0

    def __post_init__(self) -> None:
        for name in ("context", "answer", "margin", "steps", "retries", "calls", "reflections"):
            value, least = getattr(self, name), 0 if name in ("retries", "reflections", "margin") else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"{name} must be a whole number of at least {least}, not {value!r}")
        if self.margin >= self.context:
            raise InputError(f"a margin of {self.margin} tokens leaves nothing of a context of {self.context}")


@dataclass(frozen=True, slots=True)
class Event:
    """What is happening: in which instruction (from 1; 0 is the plan) of how many, in words, with the tokens of the prompt."""

    kind: EventKind
    instruction: int
    instructions: int
    text: str = ""
    tokens: int = 0
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. `finished`: all instructions are done; `reason`: why not."""

    finished: bool
    reason: str = ""
    restarts: int = 0
    loops: int = 0
