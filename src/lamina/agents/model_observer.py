"""An observer that has a language model say in one paragraph what is seen, with the names that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.agents.roles import Look
from lamina.errors import ModelError
from lamina.models.protocols import Message

if TYPE_CHECKING:
    from lamina.agents.roles import Task, World
    from lamina.models.protocols import LanguageModel

_ASK: Final = """Say in one paragraph, without any markup, what is seen: for each robot where it is, what is there and where, and how things stand to each
other. Use only the names in the list. Look closest at what matters for the task and the subgoal, but do not mention them. Add nothing."""


@dataclass(frozen=True, slots=True)
class ModelObserver:
    """Has a language model tell what the world tells; the facts, where the world gives them, stay as they are.

    Parameters: `model`; `max_tokens`, `temperature` (the source's 1024 and 0.2). Where the model fails, the world's own words stand.
    """

    model: LanguageModel
    max_tokens: int = 1024
    temperature: float = 0.2

    def observe(self, world: World, task: Task, subgoal: str) -> Look:
        """See `Observer`."""
        look = world.look()
        names = "\n".join(f"{kind}: {', '.join(one)}" for kind, one in world.names.items())
        told = f"Seen:\n{look.text}\n\nNames:\n{names}\n\nTask:\n{task.text}\n\nSubgoal:\n{subgoal or '(none yet)'}"
        try:
            asked = [Message("system", _ASK), Message("user", told)]
            words = self.model.complete(asked, max_tokens=self.max_tokens, temperature=self.temperature).text
        except ModelError:
            return look
        paragraph = " ".join(words.split())
        return Look(paragraph or look.text, look.seen)
