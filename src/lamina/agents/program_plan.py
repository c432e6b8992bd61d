"""Turns a task into instructions: the model writes its own program, once, and may look at it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from lamina.agents import program_prompts as prompts
from lamina.agents.program_tools import PLAN_TOOL
from lamina.errors import ModelOutputError
from lamina.models.protocols import Completion, Message
from lamina.models.tools import arguments_of

_ANSWERS: Final = 3

Ask = Callable[[Sequence[Message]], Completion]


def planned(ask: Ask, task: str, most: int, rounds: int = 0) -> list[str]:
    """The instructions for a task: 1 to `most` texts, looked at again `rounds` times.

    Raises `ModelOutputError` where three answers give none. A later look that gives none changes nothing.
    """
    talk = [Message("system", prompts.SYSTEM), prompts.task_message(task), Message("user", prompts.PLAN.format(steps=most))]
    steps = _answered(ask, talk, most)
    for _ in range(rounds):
        shown = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
        try:
            steps = _answered(ask, [*talk, Message("assistant", shown), Message("user", prompts.REFLECT)], most)
        except ModelOutputError:
            break
    return steps


def _answered(ask: Ask, talk: Sequence[Message], most: int) -> list[str]:
    asked, problem = list(talk), ""
    for _ in range(_ANSWERS):
        answer = ask(asked)
        try:
            return _steps(answer, most)
        except ModelOutputError as error:
            problem = str(error)
            asked = [*talk, Message("user", prompts.AGAIN.format(steps=most, problem=problem[0].upper() + problem[1:] + "."))]
    raise ModelOutputError(f"the model gave no plan in {_ANSWERS} answers: {problem}")


def _steps(answer: Completion, most: int) -> list[str]:
    call = next((one for one in answer.tool_calls if one.name == PLAN_TOOL.name), None)
    if call is None:
        raise ModelOutputError("the answer did not call it")
    steps = [step.strip() for step in arguments_of(call, PLAN_TOOL)["steps"] if step.strip()]
    if not 1 <= len(steps) <= most:
        raise ModelOutputError(f"the plan had {len(steps)} steps")
    return steps
