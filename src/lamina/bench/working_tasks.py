"""The tasks of the benchmark of working memories: AgentBoard's planning problems, and maps of a house to fetch things in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.environments.pddl_files import read_domain, read_problem
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.policies.fetching import FetchPolicy
from lamina.agents.policies.planning import PlanningPolicy
from lamina.agents.policies.states import state_of_domain, state_of_fetching
from lamina.agents.policies.summaries import SUMMARIES
from lamina.bench.results import find_data
from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina.agents.environments.protocol import Environment
    from lamina.models.protocols import LanguageModel
    from lamina.working.folding import Summarise
    from lamina.working.nesting import Condense

FOLDER: Final = "agentboard_pddl"
FILES: Final[Mapping[str, str]] = {
    "blocksworld": "blockworld",
    "gripper": "gripper",
    "tyreworld": "tyreworld",
    "barman": "barman",
}
"""Where each domain's problems lie: a domain in FILE.pddl, its problems in FILE/."""
FETCH_HORIZON: Final = 60
"""Steps of the fetch world: ten rooms, eight things, four of them to deliver."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task: its domain, what makes its world and its player, the rules for summaries and for what is known after them. `horizon`: the least it is given."""

    domain: str
    name: str
    world: Callable[[], Environment]
    player: Callable[[], LanguageModel]
    summarise: Summarise
    condense: Condense
    fully_observable: bool
    horizon: int = 0


def tasks_of(
    data: Path | None, seed: int, maps: int, domains: Sequence[str] = (), *, ranked: bool = True
) -> dict[str, list[Task]]:
    """The tasks by domain; `ranked`: what is known is told in the order in which the goal needs it. Raises `InputError` where AgentBoard's problems are wanted and not there, and for an unknown domain."""
    known = (*FILES, "fetch")
    if unknown := [one for one in domains if one not in known]:
        raise InputError(f"{unknown[0]!r} is no domain of this benchmark: use some of {', '.join(known)}")
    if isinstance(maps, bool) or not isinstance(maps, int) or maps < 1:
        raise InputError(f"maps must be a whole number of at least 1, not {maps!r}")
    wanted = [one for one in known if not domains or one in domains]
    tasks = {one: _problems(data, one, ranked) for one in wanted if one != "fetch"}
    if "fetch" in wanted:
        tasks["fetch"] = [fetch_task(1000 * seed + number, ranked=ranked) for number in range(maps)]
    return tasks


def fetch_task(number: int, summarise: Summarise = SUMMARIES["fetch"], *, ranked: bool = True) -> Task:
    """Four of eight things are delivered in a house of ten rooms."""
    plan = FetchMap.generate(seed=number)
    world = FetchWorld(plan)
    condense = state_of_fetching(world.goal if ranked else "")
    return Task("fetch", f"fetch-{number}", lambda: FetchWorld(plan), FetchPolicy, summarise, condense, False, FETCH_HORIZON)


def _problems(data: Path | None, domain: str, ranked: bool) -> list[Task]:
    """AgentBoard's problems of a domain, as they lie in the data."""
    file = find_data(data, FOLDER, f"{FILES[domain]}.pddl")
    if file is None:
        raise InputError(
            f"AgentBoard's planning problems are needed: name the folder with {FILES[domain]}.pddl, or the one above {FOLDER}, by --data "
            'or LAMINA_DATA (or measure the fetch world alone: --set domains=["fetch"])'
        )
    rules = read_domain(file)
    found = sorted((file.parent / FILES[domain]).glob("*.pddl"), key=lambda one: (len(one.name), one.name))
    if not found:
        raise InputError(f"there are no problems in {file.parent / FILES[domain]}")
    return [_task(domain, PlanningWorld(read_problem(path, rules)), ranked) for path in found]


def _task(domain: str, world: PlanningWorld, ranked: bool) -> Task:
    problem = world.problem
    return Task(
        domain,
        problem.name,
        lambda: PlanningWorld(problem),
        lambda: PlanningPolicy(domain),
        SUMMARIES[domain],
        state_of_domain(domain, world.goal if ranked else "", problem.objects),
        world.fully_observable,
    )
