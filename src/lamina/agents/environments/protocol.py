"""What a world of text is to an agent, and what the worlds here share: the check of actions and the end of an episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

MOST_CHARACTERS: Final = 1000
"""An action of more characters is not valid, whatever it says."""

CHECK: Final = "check valid actions"
"""The action that lists the applicable ones; it costs a step like any other."""

NOT_VALID: Final = "That action is not valid here and changes nothing. You can check valid actions."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    `observation`: what is told; `valid`: whether the action could be done; `progress`: satisfied literals of the goal by all of its
    literals, now; `done`: whether the episode is over.
    """

    observation: str
    valid: bool
    progress: float
    done: bool


class Environment(Protocol):
    """A world of text.

    `name`: for people; `fully_observable`: whether each observation tells the whole state; `instruction`: the rules and the actions
    with what they need and what they change; `goal`: the task in one sentence.

    `reset` starts the episode, the same each time, and returns the first observation. `step` takes any text: one that is no action,
    is longer than 1,000 characters or cannot be done now changes nothing, and a fixed sentence says so; "check valid actions"
    lists what can be done. Both cost a step. After the end it raises `StateError`. `valid_actions` lists them, sorted.
    """

    @property
    def name(self) -> str: ...

    @property
    def fully_observable(self) -> bool: ...

    @property
    def instruction(self) -> str: ...

    @property
    def goal(self) -> str: ...

    def reset(self) -> str: ...

    def step(self, action: str) -> Outcome: ...

    def valid_actions(self) -> list[str]: ...


def normalised(action: object) -> str:
    """An action's text in lower case, with single spaces, without a full stop at its end; "" for what is no action at all.

    >>> normalised("  Pick-Up   B1. ")
    'pick-up b1'
    >>> normalised("x" * 1001)
    ''
    """
    if not isinstance(action, str) or len(action) > MOST_CHARACTERS:
        return ""
    return " ".join(action.lower().split()).rstrip(" .!")


def listed(actions: Sequence[str]) -> str:
    """The answer to "check valid actions".

    >>> listed(["move rooma roomb"])
    'Valid actions are: move rooma roomb.'
    """
    return f"Valid actions are: {', '.join(actions)}." if actions else "There is no valid action."
