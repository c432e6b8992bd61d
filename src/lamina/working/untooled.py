"""What working memories have in common that look by themselves: no tools, and a sink that is told of the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.models.protocols import Tool
    from lamina.working.protocol import TraceSink


class Untooled:
    """The part of the protocol `WorkingMemory` that is the same for all of them."""

    rules = ""
    _sink: TraceSink | None

    def tools(self) -> Sequence[Tool]:
        """None: the memory looks by itself."""
        return ()

    def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """There is no tool to call (its arguments are any JSON)."""
        raise InputError(f"there is no tool {name!r} of this memory")

    def close_task(self, outcome: str = "") -> None:
        """Tell the sink that the task is over."""
        if self._sink is not None:
            self._sink.close(outcome)
