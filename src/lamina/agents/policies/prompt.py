"""What a prompt says: instructions, goal, and the steps it shows. Policies read this and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lamina.models.protocols import Message

Kind = Literal["observation", "action", "subgoal"]

_LINE: Final = re.compile(r"\s*(?:(\d+)\s+)?(Observation|Action|Subgoal):\s*(.*)")
_GOAL: Final = re.compile(r"^Goal:[ \t]*(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the prompt's memory. `number`: that of a subgoal, where it has one."""

    kind: Kind
    text: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A subgoal and what is shown under it; `subgoal` is None for what stands before the first."""

    subgoal: str | None
    number: int | None
    entries: tuple[Entry, ...]

    @property
    def folded(self) -> bool:
        """Whether only a summary of it is shown: a numbered subgoal without any action."""
        return self.number is not None and bool(self.entries) and all(one.kind == "observation" for one in self.entries)


@dataclass(frozen=True, slots=True)
class PromptView:
    """A prompt, read. `instruction`: what stands before the goal.

    >>> view = PromptView.of([
    ...     Message("system", "Name a subgoal in a line 'Subgoal: …', then act."),
    ...     Message("user", "Rules.\\nGoal: Find the key.\\nObservation: A hall.\\n1 Subgoal: Look\\nObservation: A drawer."),
    ...     Message("user", "2 Subgoal: Open\\nAction: open drawer\\nObservation: A key,\\nand a coin."),
    ... ])
    >>> view.goal, view.wants_subgoals, view.offers_retrieve
    ('Find the key.', True, False)
    >>> [(chunk.number, chunk.folded, len(chunk.entries)) for chunk in view.chunks]
    [(None, False, 1), (1, True, 1), (2, False, 2)]
    >>> view.entries[-1].text
    'A key,\\nand a coin.'
    """

    instruction: str
    goal: str
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> PromptView:
        """Read the messages of a prompt: the goal is the last line `Goal: …` of the first user's message that has one."""
        before: list[str] = []
        after: list[str] = []
        goal = ""
        for message in messages:
            found = list(_GOAL.finditer(message.content)) if message.role == "user" and not goal else []
            if found:
                goal = found[-1][1].strip()
                before.append(message.content[: found[-1].start()])
                after += message.content[found[-1].end() :].splitlines()
            else:
                (after if goal and message.role != "system" else before).extend(message.content.splitlines())
        entries, stray = _entries(after)
        return cls("\n".join([*before, *stray]), goal, tuple(entries))

    @property
    def wants_subgoals(self) -> bool:
        """Whether the instructions ask for lines `Subgoal: …`."""
        return "Subgoal:" in self.instruction

    @property
    def offers_retrieve(self) -> bool:
        """Whether the instructions offer to show a folded chunk again."""
        return "retrieve(" in self.instruction

    @property
    def chunks(self) -> list[Chunk]:
        """The entries, cut before each subgoal."""
        found: list[Chunk] = []
        head: Entry | None = None
        body: list[Entry] = []
        for one in self.entries:
            if one.kind == "subgoal":
                if head is not None or body:
                    found.append(Chunk(head.text if head else None, head.number if head else None, tuple(body)))
                head, body = one, []
            else:
                body.append(one)
        if head is not None or body:
            found.append(Chunk(head.text if head else None, head.number if head else None, tuple(body)))
        return found

    @property
    def subgoal(self) -> str | None:
        """The current subgoal, or None where the prompt shows none or only finished ones."""
        chunks = self.chunks
        return chunks[-1].subgoal if chunks and not chunks[-1].folded else None

    @property
    def last_action(self) -> str:
        """The last action shown, "" for none."""
        return next((one.text for one in reversed(self.entries) if one.kind == "action"), "")

    @property
    def last_observation(self) -> str:
        """What was observed last, "" for nothing."""
        return next((one.text for one in reversed(self.entries) if one.kind == "observation"), "")


def _entries(lines: Sequence[str]) -> tuple[list[Entry], list[str]]:
    """Entries, and the lines before the first that belong to none. A line without a label goes on with the entry before it."""
    entries: list[Entry] = []
    stray: list[str] = []
    kinds: dict[str, Kind] = {"Observation": "observation", "Action": "action", "Subgoal": "subgoal"}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match:
            entries.append(Entry(kinds[match[2]], match[3].strip(), int(match[1]) if match[1] else None))
        elif entries and line.strip() and entries[-1].kind == "observation":
            last = entries[-1]
            entries[-1] = Entry(last.kind, f"{last.text}\n{line.strip()}", last.number)
        elif not entries and line.strip():
            stray.append(line)
    return [one for one in entries if one.text], stray
