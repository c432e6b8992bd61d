"""What outlives a task: its steps as traces of a session, and for the next task in the same world what they taught.

A working memory forgets with its task. Here each step is also kept in a `Memory` as it happened; when the task is over it is consolidated,
so that it becomes an episode. A later task in the same world begins with what is recalled of earlier ones with its goal as the cue,
under a share of the budget: memory across trials, which HiAgent (Mengkang Hu et al., 2024) leaves open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.working.steps import OBSERVATION

if TYPE_CHECKING:
    from lamina.memory import Memory
    from lamina.models.protocols import Message, TokenCounter
    from lamina.working.steps import Step


@dataclass(slots=True)
class MemorySink:
    """A sink that keeps the steps of one task as traces; what was observed has the role "tool", since no person said it.

    Parameters: `memory`; `world`, where it happened (the traces' place); `session`, the task's, new for each; `agent`, its scope;
    `task`, the goal, told at the end with the outcome; `consolidate`: make an episode of the task once it is over.

    >>> from lamina import Memory
    >>> from lamina.working.subgoals import SubgoalMemory
    >>> from lamina.working.steps import Step
    >>> with Memory(":memory:") as memory:
    ...     sink = MemorySink(memory, "house", "task 1", agent="robot")
    ...     working = SubgoalMemory(sink=sink)
    ...     working.observe(Step.acted("open the drawer", "A key lies in it.", subgoal="Find the key"))
    ...     working.close_task("The key was found.")
    ...     [hit.text for hit in memory.search("key", agent="robot", kinds=["trace"], roles=["tool"])]
    ['Observation: A key lies in it.']
    """

    memory: Memory
    world: str
    session: str
    agent: str = "agent"
    task: str = ""
    consolidate: bool = True

    def keep(self, step: Step, title: str | None) -> None:
        """Keep the messages of a step, in one transaction, with the subgoal they belong to."""
        metadata = {"subgoal": title} if title else None
        told = [_trace(message) for message in step.messages if message.content or message.tool_calls]
        if told:
            self.memory.add(told, session=self.session, place=self.world, metadata=metadata, agent=self.agent)

    def fold(self, title: str, line: str) -> None:
        """Keep what came of a finished subgoal, as the memory of the task put it."""
        told = {"role": "assistant", "content": f"{title}: {line}", "metadata": {"subgoal": title, "result": True}}
        self.memory.add(told, session=self.session, place=self.world, agent=self.agent)

    def close(self, outcome: str) -> None:
        """Keep the outcome, and make an episode of the task."""
        told = " ".join(part for part in (f"Task: {self.task.strip()}" if self.task.strip() else "", outcome) if part)
        if told:
            self.memory.add(told, role="assistant", session=self.session, place=self.world, agent=self.agent)
        if self.consolidate:
            self.memory.consolidate(agent=self.agent)


def _trace(message: Message) -> dict[str, Any]:
    """A message of a step as one for a memory."""
    observed = message.role == "user" and message.content.startswith(OBSERVATION)
    role = "tool" if observed else message.role
    calls = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls]
    text = message.content or "\n".join(f"{call.name}({call.arguments})" for call in message.tool_calls)
    told: dict[str, Any] = {"role": role, "content": text}
    if calls:
        told["tool_calls"] = calls
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    return told


@dataclass(frozen=True, slots=True)
class Experience:
    """Earlier tasks of an agent, kept in a `Memory`: where the steps of a new one go, and what is known when it begins.

    Parameters: `memory`; `agent`, whose experience it is; `share` of a prompt's budget that what is recalled may take; `roles`, what of
    earlier tasks is recalled beside what came of their subgoals (default: what was observed); `counter` of tokens.
    """

    memory: Memory
    agent: str = "agent"
    share: float = 0.25
    roles: Sequence[str] = ("tool",)
    counter: TokenCounter | None = None

    def __post_init__(self) -> None:
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 <= self.share < 1:
            raise InputError(f"the share of the budget for what is recalled must be at least 0 and below 1, not {self.share!r}")

    def sink(self, world: str, goal: str, session: str) -> MemorySink:
        """Where the steps of a new task go. Raises `InputError` where the session is there already: each task has its own."""
        if self.memory.count(agent=self.agent, sessions=[session]):
            raise InputError(f"there is a task {session!r} in this memory already: give the new one another session")
        return MemorySink(self.memory, world, session, self.agent, goal)

    def known(self, world: str, goal: str, budget: int) -> str:
        """What earlier tasks in a world taught that bears on a goal, quoted, in at most `share * budget` tokens; "" where nothing is known.

        What came of their subgoals has half of it, single steps what is left.
        """
        room = int(self.share * budget)
        lines = self._context(goal, room // 2, world, metadata={"result": True})
        steps = self._context(goal, room - self._tokens(lines) - 1, world, roles=list(self.roles))
        return "\n".join(part for part in (lines, steps) if part)

    def _context(self, goal: str, budget: int, world: str, **conditions: Any) -> str:  # Any: whatever a recall can be narrowed by
        return self.memory.context(
            goal, budget=max(budget, 0), counter=self.counter, agent=self.agent, places=[world], kinds=["trace"], **conditions
        ).text

    def _tokens(self, text: str) -> int:
        return (self.counter or WordLlamaTokens()).count(text)
