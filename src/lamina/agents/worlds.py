"""Worlds by name, each with a player by rules that reads nothing but the prompt, and a rule that sums a finished subgoal up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.environments.generators import barman, blocksworld, gripper, tyreworld
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.policies.fetching import FetchPolicy
from lamina.agents.policies.planning import PlanningPolicy
from lamina.agents.policies.states import state_of_domain, state_of_fetching
from lamina.agents.policies.summaries import SUMMARIES
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.agents.environments.planning import Problem
    from lamina.agents.environments.protocol import Environment
    from lamina.models.protocols import LanguageModel
    from lamina.working.folding import Summarise
    from lamina.working.nesting import Condense

_PROBLEMS: Final[Mapping[str, Callable[..., Problem]]] = {
    "blocksworld": blocksworld,
    "gripper": gripper,
    "tyreworld": tyreworld,
    "barman": barman,
}
WORLDS: Final[Mapping[str, str]] = {
    "blocksworld": "blocks that are to stand in other towers (size: blocks)",
    "gripper": "balls that are to be carried to another room (size: balls)",
    "tyreworld": "flat wheels that are to be changed (size: wheels)",
    "barman": "cocktails that are to be mixed (size: cocktails)",
    "fetch": "things in a house that are to be found and delivered in order (size: rooms)",
}
"""The worlds, with a line about each."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A world, who plays it, how a finished subgoal becomes a line, and how what is known after it is told. `place`: which world it is, whatever the task in it."""

    world: Environment
    player: LanguageModel
    summarise: Summarise
    condense: Condense
    place: str


def setting(name: str, *, size: int | None = None, seed: int = 0) -> Setting:
    """A world of this kind, made from a seed.

    Raises `InputError` for a name that is none of `WORLDS` and a size that the world cannot have.

    >>> setting("gripper", size=1).world.goal
    'Make this true: ball1 is at roomb.'
    """
    if name == "fetch":
        plan = FetchMap.generate(seed=seed) if size is None else FetchMap.generate(size, seed=seed)
        house = FetchWorld(plan)
        return Setting(house, FetchPolicy(), SUMMARIES["fetch"], state_of_fetching(house.goal), f"fetch {len(plan.rooms)} {seed}")
    if name not in WORLDS:
        raise InputError(f"{name!r} is not a world: use one of {', '.join(WORLDS)}")
    problem = _PROBLEMS[name](seed=seed) if size is None else _PROBLEMS[name](size, seed=seed)
    world = PlanningWorld(problem)
    condense = state_of_domain(name, world.goal, problem.objects)
    return Setting(world, PlanningPolicy(name), SUMMARIES[name], condense, problem.name)
