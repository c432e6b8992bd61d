"""The kitchen as facts: they say what the world says, and what the skills need and change is what the world does."""

from __future__ import annotations

import random

import pytest

from lamina.agents.closed_loop import ClosedLoop
from lamina.agents.critic import FactCritic
from lamina.agents.environments.kitchen import CONTAINERS, ITEMS, KitchenWorld, kitchen_problem
from lamina.agents.environments.kitchen_facts import KitchenRobots, _facts
from lamina.agents.planner import SearchPlanner
from lamina.agents.roles import Task
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact

EVERYTHING = frozenset((*ITEMS, *CONTAINERS))


@pytest.fixture(scope="module")
def problem():
    return kitchen_problem(seed=1)


def test_what_the_skills_need_and_change_is_what_the_world_does(problem):
    chance = random.Random(0)
    robots = KitchenRobots(KitchenWorld(problem))
    calls = robots.calls(EVERYTHING)
    for _ in range(120):
        state = {fact.key: fact.value for fact in _facts(robots.world.truth)}
        at = state["robot_1", "at"]
        possible = [call for call in calls if robots.could([call]) and call.arguments != (at,)]  # who is there need not go there
        assert {call.text.replace("'", "") for call in possible} == set(robots.world.valid_actions())
        call = chance.choice(possible)
        if robots.step(call.text).done:
            break
        state.update((fact.key, fact.value) for fact in robots.effects(call))
        assert state == {fact.key: fact.value for fact in _facts(robots.world.truth)}
        seen = robots.look().seen
        assert all(state[fact.key] == fact.value for fact in seen.facts)
        assert all(state[fact.key] != fact.value for fact in seen.denied)


def test_where_a_fact_can_be_seen_it_is_seen(problem):
    robots = KitchenRobots(KitchenWorld(problem))
    for item in ITEMS:
        for where in CONTAINERS:
            needed = robots.sight(Fact(item, "in", where))
            assert Fact(where, "is", "open") in needed
            assert (Fact("robot_1", "at", "corner") in needed) == (where == "refrigerator")


def test_the_loop_does_the_tasks_of_this_kitchen_too():
    reached = 0
    for seed in range(6):
        robots = KitchenRobots(KitchenWorld(kitchen_problem(seed=seed), 0.1, seed=seed))
        belief = BeliefMemory()
        belief.record(Record("", seen=robots.known().seen))
        task = Task(robots.goal, robots.facts)
        report = ClosedLoop(robots, task, SearchPlanner(robots), FactCritic(robots), belief=belief, model=robots).run()
        reached += report.progress == 1
    assert reached >= 5
