"""A planner that asks a language model: a subgoal and one to three calls, read against the skills and names there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.agents.answers import Fields, fields_of, truth_of
from lamina.agents.roles import MOST_CALLS, Plan, Situation
from lamina.errors import InputError, ModelOutputError
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.models.protocols import LanguageModel

_ASK: Final = f"""You plan for the robots of a household. Think in six points: what the belief says; what is seen now; what the knowledge forbids
or demands; the next small subgoal; the calls for it; for each call whether it is valid, whether its things exist, what follows from it, what
else could be done. Where you are unsure, explore. Use listed skills and names only. Then end with one block:
```yaml
Subgoal: one line
Action Plan:
- skill('name', 'name')
Done: False
```
One to three calls, at most {MOST_CALLS}. Say "Done: True" with no calls when the whole task is done."""


@dataclass(frozen=True, slots=True)
class ModelPlanner:
    """Has a language model plan. An answer that cannot be read, or that uses what is not listed, is asked for once more.

    Parameters: `model`; `max_tokens`, `temperature` (the source's 1024 and 0.2).
    """

    model: LanguageModel
    max_tokens: int = 1024
    temperature: float = 0.2

    def plan(self, situation: Situation) -> Plan:
        """See `Planner`. Raises `ModelOutputError` where the second answer is wrong too; a plan that is too long is cut, with a note."""
        asked = [Message("system", _ASK), Message("user", situation.text)]
        problem = ""
        for _ in range(2):
            answer = self.model.complete(asked, max_tokens=self.max_tokens, temperature=self.temperature).text
            try:
                return read_plan(fields_of(answer), situation)
            except InputError as error:
                problem = str(error)
            told = f"That answer cannot be used: {problem}. Give the whole block again."
            asked = [*asked, Message("assistant", answer.strip() or "(no answer)"), Message("user", told)]
        raise ModelOutputError(f"{self.model.name} gave no plan that can be used, twice: {problem}")


def read_plan(fields: Fields, situation: Situation) -> Plan:
    """The plan that the fields of an answer are. Raises `InputError` for no fields, no subgoal, no calls, and calls that are not listed."""
    subgoal = fields.get("subgoal", "")
    subgoal = " ".join((subgoal if isinstance(subgoal, str) else " ".join(subgoal)).split())
    if truth_of(fields.get("done", "")):
        return Plan(subgoal or "the task is done", (), finished=True)
    given = fields.get("action plan", fields.get("plan", []))
    written = given if isinstance(given, list) else [given] if given.strip() else []
    if not subgoal or not written:
        raise InputError(
            "it has no block with 'Subgoal' and 'Action Plan'" if not fields else "the subgoal or the list of calls is empty"
        )
    calls = tuple(situation.skills.read(one, situation.names) for one in written[:MOST_CALLS])
    left_out = len(written) - len(calls)
    return Plan(subgoal, calls, notes=f"{left_out} calls beyond {MOST_CALLS} were cut off" if left_out else "")
