"""The four roles of an agent in a world, and what passes between them: what is seen, what is planned, what is judged.

Source: M. Lei et al., "CLEA: Closed-Loop Embodied Agent for Enhancing Task Execution in Dynamic Environments", 2025: observer, summariser
(see `lamina.working.belief`), planner, critic. Each is a protocol here, with one implementation by rule and one by a language model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from lamina.errors import InputError, LaminaError
from lamina.working.sightings import Fact, Key, Sighting

if TYPE_CHECKING:
    from lamina.agents.environments.protocol import Outcome
    from lamina.agents.skills import Call, Names, SkillPool
    from lamina.working.belief import BeliefMemory


class NoPlanError(LaminaError):
    """Nothing that is known leads to the goal: the world must be looked at anew, or the task cannot be done."""


MOST_CALLS: Final = 5
"""A plan has at most so many calls; one to three are asked for."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen without acting: in words, and as facts where the world gives them."""

    text: str
    seen: Sighting | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done, in words; `goal`, the facts that must hold at the end, where they are known; `knowledge`, what else holds."""

    text: str
    goal: tuple[Fact, ...] = ()
    knowledge: str = ""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InputError("a task needs words that say what is to be done")


class World(Protocol):
    """What an agent acts in.

    `skills` and `names`: what can be called, with what; `look` costs no step; `step` does an action in words (a call, as `Call.text` writes
    it), also one that is not valid, and tells what came of it.
    """

    @property
    def skills(self) -> SkillPool:
        """What the agent can do."""
        ...

    @property
    def names(self) -> Names:
        """What it can do it with, by kind."""
        ...

    def look(self) -> Look:
        """What is seen now."""
        ...

    def step(self, action: str) -> Outcome:
        """Do something."""
        ...


class ActionModel(Protocol):
    """What the skills need and change, for the roles that work by rule. It says nothing of the state of the world."""

    def calls(self, about: frozenset[str]) -> Sequence[Call]:
        """All calls whose things are among these; robots and places are always."""
        ...

    def needs(self, call: Call) -> tuple[Fact, ...]:
        """What must hold before the call."""
        ...

    def effects(self, call: Call) -> tuple[Fact, ...]:
        """What holds after it."""
        ...

    def sight(self, fact: Fact) -> tuple[Fact, ...]:
        """What must hold for it to be seen whether a fact holds."""
        ...

    def whereabouts(self, key: Key) -> Sequence[str]:
        """The values a key may have that can be looked for; none where it cannot be."""
        ...

    @property
    def presumed(self) -> Mapping[Key, Fact]:
        """What is taken to be so where nothing was seen of it."""
        ...

    def rank(self, goal: Fact) -> int:
        """Goals of a smaller rank are to be reached first."""
        ...


@dataclass(frozen=True, slots=True)
class Situation:
    """What planner and critic know.

    `keep`: the subgoal to be kept, if any; `reflection`: why plans before this were given up; `doubted`: facts to be looked at again before
    a plan rests on them.
    """

    task: Task
    belief: BeliefMemory
    look: Look
    skills: SkillPool
    names: Names
    keep: str | None = None
    reflection: tuple[str, ...] = ()
    doubted: frozenset[Fact] = frozenset()

    @property
    def text(self) -> str:
        """The situation in words, for a model. What is absent is said to be, so no label stands alone."""
        listed = "\n".join(f"{kind}: {', '.join(names)}" for kind, names in self.names.items())
        parts = {
            "Task": self.task.text,
            "Knowledge": self.task.knowledge or "(none)",
            "Belief": self.belief.text or "(nothing yet)",
            "Observation now": self.look.text or "(nothing)",
            "Skills": self.skills.text,
            "Names": listed,
            "Subgoal to keep": self.keep or "(choose one)",
            "Why earlier plans were given up": "\n".join(self.reflection) or "(none was)",
        }
        return "\n\n".join(f"{name}:\n{value}" for name, value in parts.items())


@dataclass(frozen=True, slots=True)
class Plan:
    """A subgoal and what to do for it.

    `calls`: at most `MOST_CALLS`; `rest`: what comes after them for the same subgoal, where the planner knows; `aims`: the facts that make
    the subgoal; `notes`: what was cut off; `partly`: after these calls the subgoal is not reached yet; `finished`: the task is done, and nothing
    is left to do. Raises `InputError` for a plan that has too many calls, or none and is not finished.
    """

    subgoal: str
    calls: tuple[Call, ...]
    rest: tuple[Call, ...] = ()
    aims: tuple[Fact, ...] = ()
    notes: str = ""
    partly: bool = False
    finished: bool = False

    def __post_init__(self) -> None:
        if len(self.calls) > MOST_CALLS:
            raise InputError(f"a plan has at most {MOST_CALLS} calls, not {len(self.calls)}")
        if not self.calls and not self.finished:
            raise InputError("a plan needs at least one call")

    @property
    def objects(self) -> frozenset[str]:
        """What the subgoal is about."""
        return frozenset(fact.subject for fact in self.aims)

    @property
    def subjects(self) -> frozenset[str]:
        """All names in the plan."""
        return self.objects | {name for call in (*self.calls, *self.rest) for name in call.arguments}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a critic says of a call: the chance that it is suitable, and why.

    `contradicted`: facts that it rests on and that were seen to be otherwise; `doubted`: the fact among them that was seen longest ago.
    """

    chance: float
    reason: str = ""
    contradicted: frozenset[Fact] = frozenset()
    doubted: frozenset[Fact] = frozenset()

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise InputError(f"a chance lies in [0, 1], not at {self.chance!r}")


class Observer(Protocol):
    """Tells what is seen, with the task in view."""

    def observe(self, world: World, task: Task, subgoal: str) -> Look:
        """What is seen now."""
        ...


class Planner(Protocol):
    """Proposes a subgoal and a few calls."""

    def plan(self, situation: Situation) -> Plan:
        """The next plan. Raises `ModelError` where a model gave none, `NoPlanError` where nothing leads on."""
        ...


class Critic(Protocol):
    """Judges a call before it is made."""

    def judge(self, situation: Situation, plan: Plan, place: int) -> Verdict:
        """How suitable the call at this place of the plan is."""
        ...
