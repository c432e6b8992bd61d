"""A belief written by a language model: the belief so far and what is new, in; the next belief, out; refused where it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from lamina.errors import ModelOutputError
from lamina.models.protocols import Message
from lamina.text import recalled

if TYPE_CHECKING:
    from lamina.models.protocols import LanguageModel, TokenCounter

TRAJECTORY: Final = "Trajectory"
SPATIAL: Final = "Spatial"

_ASK: Final = f"""You keep the belief of an agent that acts in a world: what it did, and what it knows of the world.
Write the new belief as plain text in two sections, each after a line with its name alone.
{TRAJECTORY}: what was done, step by step, and how it went; what happens again and again. Shorten what is long ago.
{SPATIAL}: where the agent is; what was seen where, and at which step last; where something was looked for and was not.
Keep what the belief so far says unless something newer says otherwise. Add nothing that was not seen. At most {{cap}} tokens.

Belief so far:
{{belief}}

New records:
{{records}}"""


class Summariser(Protocol):
    """Makes the next belief."""

    def summarise(self, belief: str, records: Sequence[str], cap: int, counter: TokenCounter) -> str:
        """The next belief of at most `cap` tokens, from the one so far (empty at first) and records in words, the oldest first.

        Raises `ModelError` where there is none; the belief by rule then stands.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelSummariser:
    """Has a language model write the belief.

    Parameters: `model`; `temperature` (Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic
    Environments", 2025, ask at 0.2).
    """

    model: LanguageModel
    temperature: float = 0.2

    def summarise(self, belief: str, records: Sequence[str], cap: int, counter: TokenCounter) -> str:
        """See `Summariser`. Raises `ModelOutputError` for an answer without the two sections, or over the cap."""
        ask = _ASK.format(cap=cap, belief=recalled(belief or "(nothing yet)"), records=recalled("\n".join(records)))
        answer = self.model.complete([Message("user", ask)], max_tokens=cap, temperature=self.temperature).text.strip()
        names = [line.strip().strip("#*: ").casefold() for line in answer.splitlines()]
        for section in (TRAJECTORY, SPATIAL):
            if section.casefold() not in names:
                raise ModelOutputError(f"the belief that {self.model.name} wrote has no section {section!r}")
        tokens = counter.count(answer)
        if tokens > cap:
            raise ModelOutputError(f"the belief that {self.model.name} wrote has {tokens} tokens; the most is {cap}")
        return answer
