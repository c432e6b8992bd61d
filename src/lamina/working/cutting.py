"""A step that alone is too long for a prompt, shortened for that prompt: in the middle of its longest message, and it stays a whole step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lamina.models.protocols import Message
    from lamina.working.steps import Step

_CUT: Final = " […] "
_LONG: Final = 60  # characters of a call's arguments that are never cut


def cut(step: Step, room: int, cost: Callable[[Step], int]) -> Step:
    """The step with the longest of its messages shortened in the middle until it costs at most `room`; then long arguments of calls.

    Where nothing is left to shorten, what comes back still costs more.

    >>> from lamina.working.steps import Step
    >>> cut(Step.acted("read", "a" * 50 + "z" * 50), 45, lambda step: len(step.text)).observation
    'a […] zzzzzzzzzzzzz'
    """
    for _ in range(2 * len(step.messages)):
        if cost(step) <= room:
            return step
        longest = max(range(len(step.messages)), key=lambda place: len(step.messages[place].content))
        least, most = 0, len(step.messages[longest].content)
        while least < most:  # the most characters with which the step fits
            half = (least + most + 1) // 2
            least, most = (half, most) if cost(_shortened(step, longest, half)) <= room else (least, half - 1)
        step = _shortened(step, longest, least)
    return step if cost(step) <= room else replace(step, messages=tuple(map(_without_arguments, step.messages)))


def _shortened(step: Step, place: int, characters: int) -> Step:
    message = step.messages[place]
    if characters >= len(message.content):
        return step
    front = (characters + 1) // 2
    back = message.content[len(message.content) - (characters - front) :]
    shorter = replace(message, content=message.content[:front] + _CUT + back)
    return replace(step, messages=(*step.messages[:place], shorter, *step.messages[place + 1 :]))


def _without_arguments(message: Message) -> Message:
    """The message with long arguments of its calls replaced by their length: still JSON."""
    calls = tuple(
        replace(call, arguments=json.dumps({"cut": f"{len(call.arguments)} characters"})) if len(call.arguments) > _LONG else call
        for call in message.tool_calls
    )
    return replace(message, tool_calls=calls)
