"""A companion over three days: it remembers, sleeps, and lets fade what was of no use. The model is a stand-in: put your own in its place.

Two things to notice. The prompt stays under its budget while what was said grows. And what an answer used is still there weeks later, while what was never needed has faded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lamina import Memory
from lamina.agents.companion import Companion
from lamina.episodic.forgetting import EbbinghausForgetting
from lamina.models.protocols import Completion, Message
from lamina.records import Run


class StandIn:
    """Answers a question with the recalled line that shares most words with it."""

    name = "stand-in"

    def complete(
        self, messages: Sequence[Message], *, schema: Any = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """The line, or a nod."""
        asked = messages[-1].content
        if not asked.endswith("?"):
            return Completion("I see.")
        words = set(asked.lower().rstrip("?").split())
        lines = [
            line.removeprefix("- ").removeprefix("Ana: ")
            for line in messages[0].content.splitlines()
            if line.startswith("- Ana: ")
        ]
        known = [line for line in lines if not line.endswith("?")]
        return Completion(max(known, key=lambda line: len(words & set(line.lower().split())), default="I do not know."))


class Days:
    """A clock that can be moved, so that weeks pass in a moment."""

    def __init__(self) -> None:
        self.now = int(datetime(2026, 3, 1, 20, tzinfo=UTC).timestamp() * 1_000_000)

    def __call__(self) -> int:
        """Now, in UTC microseconds."""
        return self.now

    def pass_(self, days: int) -> None:
        """Let days pass."""
        self.now += days * 86_400_000_000


def main(folder: Path) -> None:
    """Run the example in a folder."""
    clock = Days()
    run = Run(clock=clock)
    with Memory(folder / "companion.db", run=run) as memory:
        friend = Companion(
            memory, StandIn(), budget=700, person="Ana", policy=EbbinghausForgetting(threshold=0.3), run=run, user="ana"
        )
        for day in (
            ["My sister Clara lives in Braga.", "I am allergic to walnuts.", "The lift was broken again."],
            ["Where does my sister Clara live?", "I planted tomatoes in the garden."],
            ["What am I allergic to?"],
        ):
            for said in day:
                reply = friend.reply(said)
                print(
                    f"you: {said}\nit:  {reply.text}   [{reply.prompt.tokens} tokens asked, {len(reply.strengthened)} strengthened]"
                )
            friend.rest()
            clock.pass_(1)
        clock.pass_(5)
        friend.rest()
        left = [one.text for one in memory.get_all(user="ana", kinds=["trace"]) if one.speaker == "Ana"]
        print(f"a week later there is left: {left}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
