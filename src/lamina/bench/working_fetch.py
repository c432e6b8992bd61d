"""The fetch world in particular: fixed limits in tokens, what retrieval is worth, and what a first task teaches for a second.

A house of ten rooms, of which one sees the room one is in: eight things, four to deliver in order, 25 words without meaning in each
observation, at most 60 steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from lamina.agents.acting import ActingAgent, Episode
from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.policies.fetching import FetchPolicy
from lamina.agents.policies.summaries import of_fetching, of_fetching_without_places
from lamina.agents.remembering import Experience
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Row
from lamina.bench.table import AGAINST
from lamina.bench.working_tasks import FETCH_HORIZON, fetch_task
from lamina.memory import Memory
from lamina.working.subgoals import SubgoalMemory

WINDOWS: Final = (450, 600, 900, 1500)
"""Tokens for the steps, oldest left out first; the last has room for all that is retrieved."""
SOON: Final = 24
"""Steps within which a player that knows where things lie is nearly always done; 60 forgive a second search."""
BUDGET: Final = 4000
"""Tokens of a prompt of the two tasks in one house: room for all, so that only what was known counts."""

Play = Callable[..., Episode]


def window_rows(play: Play, maps: int, seed: int, horizon: int) -> list[Row]:
    """Success, steps and tokens at fixed limits; then with a rule for summaries that drops where things lie."""
    rows = []
    for name in ("full", "hiagent"):
        metrics: dict[str, float] = {}
        for window in WINDOWS:
            metrics |= _figures(
                [play(fetch_task(1000 * seed + one), name, window, horizon, 5) for one in range(maps)], f"at_{window}_tokens"
            )
        rows.append(Row(f"fetch, {name}", metrics))
    for name in ("hiagent", "hiagent-no-retrieval"):
        metrics = {}
        for window in WINDOWS:
            tasks = [fetch_task(1000 * seed + one, of_fetching_without_places) for one in range(maps)]
            metrics |= _figures([play(task, name, window, horizon, 5) for task in tasks], f"at_{window}_tokens")
        rows.append(Row(f"fetch, {name}, places dropped", metrics))
    return rows


def _figures(episodes: Sequence[Episode], where: str) -> dict[str, float]:
    return {
        f"success_{where}": float(np.mean([one.success for one in episodes])),
        f"success_within_{SOON}_steps_{where}": float(np.mean([one.success and one.steps <= SOON for one in episodes])),
        f"steps_{where}": float(np.mean([one.steps for one in episodes])),
        f"tokens_per_step_{where}": float(np.mean([one.tokens_per_step for one in episodes])),
    }


def trial_rows(maps: int, seed: int) -> list[Row]:
    """A second task in a house, with other things to deliver: without what the first taught, with it, and with the steps of a first
    task in a house of the same rooms in which the things lay elsewhere."""
    first, fresh, own, other = [], [], [], []
    for number in range(1000 * seed, 1000 * seed + maps):
        house = FetchMap.generate(seed=number)
        goals = random.Random(f"goals {number}").sample([name for name, _ in house.items], 8)
        one, two = FetchWorld(house, goals[:4]), FetchWorld(house, goals[4:])
        first.append(_steps(one, ""))
        fresh.append(_steps(two, ""))
        own.append(_steps(two, _known(one, two)))
        other.append(_steps(two, _known(FetchWorld(_moved(house), goals[:4]), two)))
    values = {
        "first task": first,
        "second task": fresh,
        "second task, recalled": own,
        "second task, recalled of another house": other,
    }
    rows = [Row(f"fetch, {name}", {"steps": float(np.mean(steps))}) for name, steps in values.items()]
    for place, against in ((2, (0, 1, 3)), (3, (1,))):
        by = {
            f"{AGAINST}{rows[rival].system}": _fewer(list(values.values())[place], list(values.values())[rival], seed)
            for rival in against
        }
        rows[place] = Row(rows[place].system, rows[place].metrics, by)
    return rows


def _fewer(steps: Sequence[float], others: Sequence[float], seed: int) -> dict[str, float]:
    """The difference of steps with its interval (`difference` speaks of points, hundredths; these are steps)."""
    found = difference("steps", np.array(steps) / 100, np.array(others) / 100, seed)
    return dict(found)


def _moved(house: FetchMap) -> FetchMap:
    """The same rooms and things, no thing where it was."""
    rng = random.Random(f"moved {house.seed}")
    rooms = house.rooms[1:]
    return FetchMap(
        house.rooms, tuple((name, rng.choice([one for one in rooms if one != room])) for name, room in house.items), house.seed
    )


def _steps(world: FetchWorld, known: str) -> float:
    memory = SubgoalMemory(of_fetching)
    return float(ActingAgent(FetchPolicy(), memory, budget=BUDGET, horizon=FETCH_HORIZON).play(world, known=known).steps)


def _known(first: FetchWorld, second: FetchWorld) -> str:
    """What is recalled for the second task after the first was played and kept."""
    with Memory(":memory:") as memory:
        experience = Experience(memory)
        working = SubgoalMemory(of_fetching, sink=experience.sink("house", first.goal, "first"))
        ActingAgent(FetchPolicy(), working, budget=BUDGET, horizon=FETCH_HORIZON).play(first)
        return experience.known("house", second.goal, BUDGET)
