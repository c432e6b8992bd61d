"""What a working memory and a sink of traces are to the agents that use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lamina.models.protocols import Message, Tool
    from lamina.working.chunks import Rendered
    from lamina.working.steps import Step


class WorkingMemory(Protocol):
    """Decides what of a task's steps the next prompt shows, within a budget of tokens that it never exceeds."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def rules(self) -> str:
        """What the model must be told to use it, for the head of the prompt; empty where it needs to know nothing."""
        ...

    def observe(self, step: Step) -> None:
        """Take in a step that is over."""
        ...

    def prompt(self, head: Sequence[Message], budget: int, *, tail: str = "") -> Rendered:
        """The next prompt: `head` (rules, task, goal), what is shown of the steps, and `tail`, what is said now.

        Raises `BudgetError` with both counts where head and tail alone are over the budget.
        """
        ...

    def tools(self) -> Sequence[Tool]:
        """What the model may ask of the memory itself, such as showing something hidden."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Do what a tool of `tools()` does; returns what the model is told (the arguments are any JSON).

        Raises `InputError` for another name and for arguments that name nothing; its text can be shown to the model.
        """
        ...

    def close_task(self, outcome: str = "") -> None:
        """The task is over; `outcome` says how it ended."""
        ...


class TraceSink(Protocol):
    """Where the steps of a task are kept beyond it."""

    def keep(self, step: Step, title: str | None) -> None:
        """Keep a step that belongs to the chunk of this title."""
        ...

    def close(self, outcome: str) -> None:
        """The task is over."""
        ...


@runtime_checkable
class LineSink(Protocol):
    """A sink of traces that is also told in one line what came of each finished chunk."""

    def fold(self, title: str, line: str) -> None:
        """Keep what came of the chunk of this title."""
        ...
