"""A critic that asks a language model whether a call is suitable, by its logits where it tells them and by its words where not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from lamina.agents.answers import fields_of, truth_of
from lamina.agents.roles import Plan, Situation, Verdict
from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.agents.roles import Critic
    from lamina.models.protocols import LanguageModel

_ASK: Final = """You judge one call of a plan before it is made. Number your reasons: is the skill valid and are its arguments listed; is the target there and
can it be seen; was this done already; does it serve the subgoal. Be sparing with False, and let it explore. Then end with one block:
```yaml
Action Suitability: True or False
Feedback: why it is not suitable, what the main problem is, how to do better
```"""
ANSWERS: Final = ("True", "False")


@runtime_checkable
class LogitModel(Protocol):
    """A language model that tells how much it leans to each of a few answers."""

    def logits(self, messages: Sequence[Message], answers: Sequence[str]) -> Sequence[float]:
        """The logit of each answer as the next token, unnormalised."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCritic:
    """Has a language model judge.

    Parameters: `model`; with `logits` (see `LogitModel`) the chance is their softmax over True and False at the place of the answer. Otherwise a yes counts
    as 1 and a plain no as `no`, between the two default thresholds: a model that gives no number is not taken to be sure. `fallback`: the critic that
    judges where the model fails or says neither twice (None: the call is accepted); `max_tokens`, `temperature` (the source's 1024 and 0.2).
    """

    model: LanguageModel
    fallback: Critic | None = None
    no: float = 0.3
    max_tokens: int = 1024
    temperature: float = 0.2

    def judge(self, situation: Situation, plan: Plan, place: int) -> Verdict:
        """See `Critic`. Never raises for a model that fails."""
        asked = [
            Message("system", _ASK),
            Message("user", f"{situation.text}\n\nSubgoal:\n{plan.subgoal}\n\nCall to judge:\n{plan.calls[place].text}"),
        ]
        try:
            return self._judged(asked)
        except ModelError as error:
            if self.fallback is not None:
                return self.fallback.judge(situation, plan, place)
            return Verdict(1.0, f"not judged: {error}")

    def _judged(self, asked: list[Message]) -> Verdict:
        for _ in range(2):
            answer = self.model.complete(asked, max_tokens=self.max_tokens, temperature=self.temperature).text
            fields = fields_of(answer)
            said = truth_of(fields.get("action suitability", ""))
            told = fields.get("feedback", "")
            reason = " ".join((told if isinstance(told, str) else " ".join(told)).split())
            if isinstance(self.model, LogitModel):
                before = answer.rpartition("Action Suitability:")[0] + "Action Suitability:"
                return Verdict(self._chance(self.model, [*asked, Message("assistant", before)]), reason)
            if said is not None:
                return Verdict(1.0 if said else self.no, reason)
            again = "That answer has no 'Action Suitability: True' or 'False'. Give the whole block again."
            asked = [*asked, Message("assistant", answer.strip() or "(no answer)"), Message("user", again)]
        raise ModelOutputError(f"{self.model.name} said neither True nor False, twice")

    def _chance(self, model: LogitModel, asked: Sequence[Message]) -> float:
        """The softmax of the logits of True and False, for True."""
        found = [float(one) for one in model.logits(asked, ANSWERS)]
        if len(found) != len(ANSWERS) or not all(map(math.isfinite, found)):
            raise ModelOutputError(f"{self.model.name} must give a finite logit for each of {', '.join(ANSWERS)}, not {found!r}")
        return softmax_of(found[0], found[1])


def softmax_of(yes: float, no: float) -> float:
    """The softmax of two logits, for the first.

    >>> softmax_of(0.0, 0.0), round(softmax_of(2.0, 0.0), 4), softmax_of(-2000.0, 0.0)
    (0.5, 0.8808, 0.0)
    """
    if not (math.isfinite(yes) and math.isfinite(no)):
        raise InputError(f"logits must be finite, not {yes!r} and {no!r}")
    top = max(yes, no)
    one, other = math.exp(yes - top), math.exp(no - top)
    return one / (one + other)
