"""Notices that a model goes in circles and makes it less sure of itself for a while.

Source: S. Holt, M. Ruiz Luyten, M. van der Schaar, L2MAC: Large Language Model Automatic Computer for Extensive Code Generation (2023).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lamina.models.protocols import Message

_PASSING: Final = re.compile(r"(?:/\w+)*/(?:tmp|temp)[\w.-]*(?:/[\w.-]+)?|\b\d+\.\d+ ?s(?:econds)?\b|0x[0-9a-fA-F]+")
"""What differs from one run to the next and means nothing: temporary folders, times, addresses."""


@dataclass(slots=True)
class LoopBreaker:
    """The temperature for the next call, from the turns so far.

    When the last `n` turns equal the `n` before them, for some `n` up to `longest`, the temperature rises by `up`, to `most` at
    most; otherwise it falls by `down`. (The source compares messages; a turn here is an answer with what came back.)

    >>> from lamina.models.protocols import Message
    >>> breaker = LoopBreaker()
    >>> [breaker.observe([Message("assistant", word)]) for word in ("a", "b", "a", "b", "c")]
    [0.0, 0.0, 0.0, 0.4, 0.3]
    """

    up: float = 0.4
    down: float = 0.1
    most: float = 1.0
    longest: int = 4
    temperature: float = 0.0
    broken: int = 0
    _turns: list[object] = field(default_factory=list)

    def observe(self, turn: Sequence[Message]) -> float:
        """Take in a turn; the temperature for what comes next. `broken` counts the circles noticed."""
        self._turns = [*self._turns, _sign(turn)][-2 * self.longest :]
        if self.circling:
            self.broken += 1
            self.temperature = min(self.temperature + self.up, self.most)
        else:
            self.temperature = max(round(self.temperature - self.down, 6), 0.0)
        return self.temperature

    @property
    def circling(self) -> bool:
        """Whether the last turns repeat those before."""
        turns = self._turns
        return any(len(turns) >= 2 * n and turns[-n:] == turns[-2 * n : -n] for n in range(1, self.longest + 1))


def _sign(turn: Sequence[Message]) -> tuple[object, ...]:
    """What makes two turns the same: roles, words and calls, without what differs by chance."""
    return tuple(
        (one.role, _PASSING.sub("", one.content), tuple((call.name, _PASSING.sub("", call.arguments)) for call in one.tool_calls))
        for one in turn
    )
