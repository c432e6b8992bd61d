"""The kitchen: what can be done in it, what is seen, and what happens by itself."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents.environments.disturbed_kitchen import HOMES, LOCATIONS, OBJECTS, ROBOTS, SKILLS, DisturbedKitchen, KitchenModel
from lamina.agents.environments.protocol import NOT_VALID
from lamina.agents.skills import Call
from lamina.errors import InputError, StateError
from lamina.working.sightings import Fact

GOAL = [Fact("cup", "in", "table")]


def do(kitchen: DisturbedKitchen, *calls: str) -> list[bool]:
    return [kitchen.step(call).valid for call in calls]


def test_an_object_is_carried_and_the_goal_is_told():
    kitchen = DisturbedKitchen([Fact("cup", "in", "drawer")])
    kitchen.state["cup", "in"] = "oven"
    assert do(
        kitchen, "navigate_to('stove')", "open_door('robot_1', 'oven')", "pick_from('robot_1', 'cup', 'oven')", "navigate_to('counter')",
        "release_to('robot_1', 'cup', 'counter')", "open_door('robot_2', 'drawer')", "pick_from('robot_2', 'cup', 'counter')",
    ) == [True] * 7  # fmt: skip
    assert kitchen.progress == 0
    assert kitchen.step("release_to('robot_2', 'cup', 'drawer')").progress == 1


def test_the_robots_have_their_restrictions():
    kitchen = DisturbedKitchen(GOAL)
    kitchen.state.update({("robot_1", "at"): "counter", ("cup", "in"): "table", ("fork", "in"): "counter"})
    assert (
        do(kitchen, "open_door('robot_1', 'drawer')", "pick_from('robot_2', 'cup', 'table')", "open_door('robot_2', 'oven')")
        == [False] * 3
    )
    assert do(kitchen, "pick_from('robot_1', 'fork', 'counter')", "navigate_to('stove')") == [True, True]
    assert kitchen.step("open_door('robot_1', 'oven')").observation == NOT_VALID  # its hand is full


@pytest.mark.parametrize(
    "text", ["fly()", "navigate_to('moon')", "pick_from('robot_3', 'cup', 'table')", "", "open everything", "import os"]
)
def test_what_is_no_call_changes_nothing_and_costs_a_step(text):
    kitchen = DisturbedKitchen(GOAL, limit=2)
    before = dict(kitchen.state)
    outcome = kitchen.step(text)
    assert (outcome.observation, outcome.valid, kitchen.state, kitchen.steps) == (NOT_VALID, False, before, 1)
    assert kitchen.step(text).done
    with pytest.raises(StateError, match="over"):
        kitchen.step(text)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    p=st.sampled_from([0.0, 0.3, 1.0]),
    picks=st.lists(st.integers(0, 1000), max_size=15),
    spring=st.booleans(),
)
def test_every_object_is_in_one_place_and_what_is_seen_is_so(seed, p, picks, spring):
    kitchen = DisturbedKitchen(GOAL, seed=seed, p=p, spring=spring)
    for pick in picks:
        actions = kitchen.valid_actions()
        assert kitchen.step(actions[pick % len(actions)]).valid
        held = {kitchen.state[robot, "holds"]: robot for robot in ROBOTS if kitchen.state[robot, "holds"] != "nothing"}
        for thing in OBJECTS:
            where = kitchen.state[thing, "in"]
            assert where in (*LOCATIONS, *ROBOTS)
            assert held.get(thing) == (where if where in ROBOTS else None)
        seen = kitchen.look().seen
        assert seen is not None
        assert all(kitchen.state[fact.key] == fact.value for fact in seen.facts)
        assert all(kitchen.state[fact.key] != fact.value for fact in seen.denied)


def test_what_is_behind_a_closed_door_is_not_seen():
    kitchen = DisturbedKitchen(GOAL)
    kitchen.state.update({("robot_1", "at"): "stove", ("cup", "in"): "oven"})
    seen = kitchen.look().seen
    assert not any(fact.subject == "cup" and fact.value == "oven" for fact in (*seen.facts, *seen.denied))
    kitchen.step("open_door('robot_1', 'oven')")
    assert Fact("cup", "in", "oven") in kitchen.look().seen.facts


def test_disturbances_come_as_often_as_is_said_and_in_three_kinds():
    counts, before_actions = Counter(), 0
    for seed in range(40):
        kitchen = DisturbedKitchen(GOAL, seed=seed, p=0.25)
        kitchen.state["oven", "is"] = "open"
        for _ in range(50):
            before = dict(kitchen.state)
            kitchen.step("nothing at all")
            before_actions += 1
            changed = {key for key in before if before[key] != kitchen.state[key]}
            assert len(changed) <= 1
            counts[
                "moved"
                if any(key[1] == "in" for key in changed)
                else "closed"
                if changed
                else "fails"
                if kitchen._fails
                else "none"
            ] += 1
            kitchen.state["oven", "is"] = "open"
    assert 0.22 < 1 - counts["none"] / before_actions < 0.28
    assert min(counts[kind] for kind in ("moved", "closed", "fails")) > 0.25 * (before_actions - counts["none"])


def test_a_failure_is_silent():
    kitchen = DisturbedKitchen(GOAL, p=0)
    kitchen.state["robot_1", "at"] = "table"
    kitchen._fails = True
    assert kitchen.step("navigate_to('stove')").observation == "navigate_to('stove'): done."
    assert kitchen.state["robot_1", "at"] == "table"


def test_disturbing_the_task_leaves_other_things_alone():
    kitchen = DisturbedKitchen(GOAL, seed=3, p=1.0, disturbed="task")
    others = {key: value for key, value in kitchen.state.items() if key[0] in OBJECTS and key[0] != "cup"}
    for _ in range(30):
        kitchen.step("nothing at all")
    assert all(kitchen.state[key] == value for key, value in others.items())


def test_doors_with_a_spring_fall_shut_when_the_robot_drives_away():
    kitchen = DisturbedKitchen(GOAL, spring=True)
    do(kitchen, "navigate_to('stove')", "open_door('robot_1', 'oven')", "open_door('robot_2', 'drawer')", "navigate_to('stove')")
    assert (kitchen.state["oven", "is"], kitchen.state["drawer", "is"]) == ("open", "open")
    kitchen.step("navigate_to('table')")
    assert (kitchen.state["oven", "is"], kitchen.state["drawer", "is"]) == ("closed", "open")


def test_the_same_seed_gives_the_same_kitchen():
    one, other = DisturbedKitchen(GOAL, seed=5, p=0.5), DisturbedKitchen(GOAL, seed=5, p=0.5)
    for _ in range(10):
        assert one.step("x") == other.step("x")
        assert one.state == other.state
    begun = one.reset()
    assert begun == DisturbedKitchen(GOAL, seed=5, p=0.5).look().text


def test_hidden_objects_begin_behind_doors():
    assert {DisturbedKitchen(GOAL, seed=2, hidden=True).state[thing, "in"] for thing in OBJECTS} <= set(HOMES)


def test_a_function_more_is_a_skill_more():
    assert set(KitchenModel().pool.skills) == {skill.__name__ for skill in SKILLS}
    assert "robot_2 reaches the counter and the drawer only" in DisturbedKitchen(GOAL).instruction


def test_what_could_be_done_in_a_row_is_told_without_doing_it():
    kitchen = DisturbedKitchen(GOAL)
    before = dict(kitchen.state)
    way = [Call("navigate_to", ("stove",)), Call("open_door", ("robot_1", "oven")), Call("close_door", ("robot_1", "oven"))]
    assert kitchen.could(way)
    assert not kitchen.could([*way, way[-1]])
    assert kitchen.state == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"p": 1.1}, {"p": -0.1}, {"p": float("nan")}, {"disturbed": "all"}, {"limit": 0}, {"goal": []}, {"goal": [Fact("cup", "in", "moon")]},
        {"goal": [Fact("table", "is", "open")]}, {"goal": [Fact("cup", "is", "open")]},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match=r"lies in|disturbed|limit|goal"):
        DisturbedKitchen(**{"goal": GOAL, **wrong})
