"""Tasks in the kitchen, and one trial of each system on them: everything drawn from one seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from lamina.agents.closed_loop import ClosedLoop, Report
from lamina.agents.critic import FactCritic
from lamina.agents.environments.disturbed_kitchen import LOCATIONS, OBJECTS, PLACES, Disturbed, DisturbedKitchen
from lamina.agents.environments.kitchen import KitchenWorld, kitchen_problem
from lamina.agents.environments.kitchen_facts import KitchenRobots
from lamina.agents.environments.planning import Problem
from lamina.agents.escalation import Thresholds
from lamina.agents.open_loop import open_loop, plan_whole
from lamina.agents.planner import SearchPlanner
from lamina.agents.roles import ActionModel, Critic, Plan, Situation, Task, Verdict
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact

LENGTHS: Final = (10, 14)
"""The fewest and the most calls of a whole plan, where nothing must be searched."""
LIMIT: Final = 60


Judged = tuple[bool, bool, bool]


@dataclass(frozen=True)
class Setting:
    """What a trial is about: `p` and `disturbed` as in `DisturbedKitchen`; `search`: objects lie hidden behind doors that fall shut; `other`: the kitchen of
    `KitchenWorld`, which was written by itself, with the task's things disturbed."""

    p: float = 0.1
    disturbed: Disturbed = "anything"
    search: bool = False
    limit: int = LIMIT
    other: bool = False


@dataclass(frozen=True)
class System:
    """What is tried: `loop`, "closed" or "open"; the others switch off or change parts of the closed loop."""

    loop: str = "closed"
    critic: str = "facts"  # "facts", "none", or "random" for one that rejects as often, whatever the call
    watch: bool = True
    spatial: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    rate: float = 0.0  # of the random critic


@dataclass
class Trial:
    """What came of one trial. `judged`: how often a call could be done in truth, (with all that is planned after it, by itself, and was accepted); `doubted`: chances strictly between
    0 and 1, and whether the call could be done with all that is planned after it."""

    report: Report
    disturbances: int
    judged: Counter[Judged]
    doubted: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def success(self) -> float:
        """1 where the goal holds at the end, else 0."""
        return float(self.report.progress == 1)

    @property
    def repeated(self) -> int:
        """Containers opened again while something was searched."""
        opened = [
            one.call
            for one in self.report.calls
            if one.valid and one.subgoal.startswith("find ") and one.call.startswith("open_door")
        ]
        doors = [call.split("'")[-2] for call in opened]
        return len(doors) - len(set(doors))


class RandomCritic:
    """Rejects a share of the calls, whatever they are."""

    def __init__(self, rate: float, seed: int) -> None:
        self._rate, self._random = rate, random.Random(f"critic {seed}")

    def judge(self, situation: Situation, plan: Plan, place: int) -> Verdict:
        """See `Critic`."""
        rejects = self._random.random() < self._rate
        return Verdict(0.3 if rejects else 1.0, f"{plan.calls[place].text} at step {situation.belief.steps}")


@cache
def goal_of(seed: int, search: bool) -> tuple[Fact, ...]:
    """The goal of a seed: two or three objects to be elsewhere; of a whole plan within `LENGTHS` where nothing is searched."""
    chance = random.Random(f"goal {seed}")
    while True:
        count = 2 if search else chance.choice((2, 3))
        where = PLACES if search else LOCATIONS
        goal = tuple(Fact(thing, "in", chance.choice(where)) for thing in chance.sample(OBJECTS, count))
        if search:
            return goal
        kitchen = DisturbedKitchen(goal, seed=seed)
        calls = plan_whole(kitchen, _task(kitchen), SearchPlanner(kitchen.model, certainty=0), kitchen.model, kitchen.known())
        if LENGTHS[0] <= len(calls) <= LENGTHS[1]:
            return goal


@cache
def _problem(seed: int) -> Problem:
    return kitchen_problem(seed=seed, least=LENGTHS[0], most=LENGTHS[1])


def _kitchen(setting: Setting, seed: int) -> DisturbedKitchen | KitchenRobots:
    if setting.other:
        return KitchenRobots(KitchenWorld(_problem(seed), setting.p, seed=seed))
    return DisturbedKitchen(
        goal_of(seed, setting.search), seed=seed, p=setting.p, disturbed=setting.disturbed, hidden=setting.search, spring=setting.search,
        limit=setting.limit,
    )  # fmt: skip


def _task(kitchen: DisturbedKitchen | KitchenRobots) -> Task:
    return Task(kitchen.goal, kitchen.facts)


def trial(system: System, setting: Setting, seed: int) -> Trial:
    """One trial."""
    kitchen = _kitchen(setting, seed)
    model: ActionModel = kitchen.model
    judged = Counter[Judged]()
    if system.loop == "open":
        report = open_loop(
            kitchen, _task(kitchen), SearchPlanner(model, certainty=0), model, kitchen.known(), limit=setting.limit
        )
        return Trial(report, kitchen.disturbances, judged)
    belief = BeliefMemory(spatial=system.spatial)
    if not setting.search:
        known = kitchen.known()
        belief.record(Record(known.text, seen=known.seen))

    doubted: list[tuple[float, bool]] = []

    def truth(plan: Plan, place: int, verdict: Verdict, accepted: bool) -> None:
        suitable = kitchen.could((*plan.calls[place:], *plan.rest))
        judged[suitable, kitchen.could(plan.calls[place : place + 1]), accepted] += 1
        if 0 < verdict.chance < 1:
            doubted.append((verdict.chance, suitable))

    critics: dict[str, Callable[[], Critic | None]] = {
        "facts": lambda: FactCritic(model), "none": lambda: None, "random": lambda: RandomCritic(system.rate, seed),
    }  # fmt: skip
    loop = ClosedLoop(
        kitchen, _task(kitchen), SearchPlanner(model, seed=seed), critics[system.critic](), belief=belief, model=model,
        thresholds=system.thresholds, limit=setting.limit, watch=system.watch, judged=truth,
    )  # fmt: skip
    return Trial(loop.run(), kitchen.disturbances, judged, doubted)
