"""A step: what an agent said or did and what came back of it, kept together whatever else is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from lamina.errors import InputError
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter

ACTION: Final = "Action: "
OBSERVATION: Final = "Observation: "
SUBGOAL: Final = "Subgoal: "

MESSAGE_TOKENS: Final = 4
"""What a message costs beside its words: chat templates write its role and its ends in about as many tokens."""


@dataclass(frozen=True, slots=True)
class Step:
    """Messages that belong together: an action and its observation, a turn of a dialogue, calls of tools and their results.

    `subgoal`: the subgoal that begins with this step, in one line. Raises `InputError` for no message, a system's message, an
    empty subgoal or one of several lines, and for a tool's result without its call or a call without its result.

    >>> Step.acted("open the boot", "The boot is open.", subgoal="Get the wheel").messages[0].content
    'Action: open the boot'
    >>> Step((Message("tool", "4", tool_call_id="a"),))
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: a step must hold each call of a tool and its one result: 'a' stands alone
    """

    messages: tuple[Message, ...]
    subgoal: str | None = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise InputError("a step needs at least one message")
        called = [call.id for message in self.messages for call in message.tool_calls]
        answered = [message.tool_call_id for message in self.messages if message.role == "tool"]
        if any(message.role == "system" for message in self.messages):
            raise InputError("a step holds what was said and done: a system's message belongs to the head of the prompt")
        if called != answered and sorted(called) != sorted(answered):
            alone = next(one for one in [*called, *answered] if called.count(one) != answered.count(one))
            raise InputError(f"a step must hold each call of a tool and its one result: {alone!r} stands alone")
        if self.subgoal is not None and (not self.subgoal.strip() or len(self.subgoal.splitlines()) > 1):
            raise InputError(f"a subgoal is one line of text, not {self.subgoal[:60]!r}")

    @classmethod
    def acted(cls, action: str, observation: str, *, subgoal: str | None = None) -> Step:
        """An action in words and what was observed after it."""
        return cls((Message("assistant", ACTION + action), Message("user", OBSERVATION + observation)), subgoal)

    @classmethod
    def observed(cls, observation: str) -> Step:
        """What was observed before anything was done."""
        return cls((Message("user", OBSERVATION + observation),))

    @classmethod
    def turn(cls, said: str, answered: str) -> Step:
        """What a user said and what the assistant answered."""
        return cls((Message("user", said), Message("assistant", answered)))

    @property
    def action(self) -> str:
        """What the agent said first, without the label; empty where it said nothing."""
        return next((one.content.removeprefix(ACTION) for one in self.messages if one.role == "assistant"), "")

    @property
    def observation(self) -> str:
        """What came back last, without the label; empty where nothing did."""
        return next((one.content.removeprefix(OBSERVATION) for one in reversed(self.messages) if one.role != "assistant"), "")

    @property
    def spoken(self) -> tuple[Message, ...]:
        """The messages with the subgoal in the agent's own words, as it said it."""
        if self.subgoal is None:
            return self.messages
        line = SUBGOAL + self.subgoal
        for place, message in enumerate(self.messages):
            if message.role == "assistant":
                said = replace(message, content=f"{line}\n{message.content}" if message.content else line)
                return (*self.messages[:place], said, *self.messages[place + 1 :])
        return (Message("assistant", line), *self.messages)

    @property
    def text(self) -> str:
        """The messages as lines of one text, without the subgoal; calls of tools read as actions.

        >>> Step.acted("look", "A hall.").text
        'Action: look\\nObservation: A hall.'
        """
        return "\n".join(text_of(message) for message in self.messages)


def text_of(message: Message) -> str:
    """A message as text: its words, then its calls; a tool's result reads as an observation."""
    if message.role == "tool":
        return OBSERVATION + message.content
    calls = [f"{ACTION}{call.name}({call.arguments})" for call in message.tool_calls]
    return "\n".join([message.content, *calls] if message.content else calls)


def message_tokens(message: Message, counter: TokenCounter) -> int:
    """What a message costs in a prompt: its words, its calls and `MESSAGE_TOKENS`."""
    called = sum(counter.count(call.name) + counter.count(call.arguments) + MESSAGE_TOKENS for call in message.tool_calls)
    return counter.count(message.content) + called + MESSAGE_TOKENS


def prompt_tokens(messages: Sequence[Message], counter: TokenCounter) -> int:
    """What a prompt costs.

    >>> from lamina.models.tokens import CallableTokens
    >>> prompt_tokens([Message("user", "one two"), Message("assistant", "three")], CallableTokens(lambda text: len(text.split())))
    11
    """
    return sum(message_tokens(message, counter) for message in messages)
