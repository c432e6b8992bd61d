"""Planning problems as worlds of text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents.environments.domains import BLOCKSWORLD
from lamina.agents.environments.generators import barman, blocksworld, gripper, tyreworld
from lamina.agents.environments.planning import Problem, literals
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.protocol import CHECK, NOT_VALID
from lamina.agents.environments.search import Planner
from lamina.errors import StateError


def blocks(start: str, goal: str) -> PlanningWorld:
    facts = frozenset(one.fact for one in literals(start))
    return PlanningWorld(Problem("blocks", BLOCKSWORLD, dict.fromkeys(("b1", "b2", "b3"), "object"), facts, literals(goal)))


FLAT = "on-table b1, on-table b2, on-table b3, clear b1, clear b2, clear b3, arm-empty"


@pytest.mark.parametrize(
    ("start", "goal", "actions", "progress", "valid"),
    [  # worked out by hand
        (FLAT, "on b1 b2, on b2 b3", "pickup b2|stack b2 b3|pickup b1|stack b1 b2", [0, 0.5, 0.5, 1], "1111"),
        (FLAT, "on b1 b2", "stack b1 b2|pickup b1|stack b1 b2", [0, 0, 1], "011"),
        (FLAT, "on b1 b2, on b2 b3", "pickup b1|stack b1 b2|unstack b1 b2|putdown b1", [0, 0.5, 0, 0], "1111"),
        ("on b1 b2, on b2 b3, on-table b3, clear b1, arm-empty", "on-table b1, clear b3",
         "unstack b1 b2|putdown b1|unstack b2 b3", [0, 0.5, 1], "111"),
        (FLAT, "holding b1, on-table b2", "check valid actions|pickup b2|putdown b2|pickup b1", [0.5, 0, 0.5, 1], "1111"),
    ],
)  # fmt: skip
def test_progress_and_validity_agree_with_a_table(start, goal, actions, progress, valid) -> None:
    world = blocks(start, goal)
    world.reset()
    outcomes = [world.step(one) for one in actions.split("|")]
    assert [one.progress for one in outcomes] == progress
    assert "".join(str(int(one.valid)) for one in outcomes) == valid
    assert [one.done for one in outcomes] == [one == 1 for one in progress]


def test_every_observation_of_blocks_tells_the_state_and_of_wheels_the_changes() -> None:
    world = blocks(FLAT, "on b1 b2")
    assert world.fully_observable
    world.reset()
    assert (
        world.step("pickup b1").observation
        == "b2 is clear. b2 is on the table. b3 is clear. b3 is on the table. the arm holds b1."
    )
    wheels = PlanningWorld(tyreworld(1))
    assert not wheels.fully_observable
    assert "boot is closed." in wheels.reset()
    assert wheels.step("open boot").observation == "boot is open. boot is no longer closed."
    assert PlanningWorld(barman(1)).fully_observable is False


def test_reset_begins_the_same_again_and_the_end_is_an_end() -> None:
    world = PlanningWorld(gripper(1))
    with pytest.raises(StateError, match="not begun"):
        world.step(CHECK)
    with pytest.raises(StateError, match="not begun"):
        world.valid_actions()
    first = world.reset()
    for step in Planner(world.problem).plan() or ():
        outcome = world.step(str(step))
    assert outcome.done
    with pytest.raises(StateError, match="is over"):
        world.step(CHECK)
    assert world.reset() == first
    assert world.step("move rooma roomb").progress == 0


def test_valid_actions_are_told_and_are_valid() -> None:
    world = PlanningWorld(blocksworld(4, seed=5))
    world.reset()
    listed = world.valid_actions()
    assert listed == sorted(listed)
    assert world.step("Check  valid actions.").observation == f"Valid actions are: {', '.join(listed)}."
    for one in listed:
        world.reset()
        assert world.step(one).valid


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.text(max_size=60), st.sampled_from(["pickup b9", "x" * 1001, "pickup b1 " * 200, "stack", "\x00", "move\nb1"]))
)
def test_whatever_is_no_action_changes_nothing(text: str) -> None:
    world = blocks(FLAT, "on b1 b2")
    world.reset()
    outcome = world.step(text)
    assert (outcome.observation, outcome.valid, outcome.progress, outcome.done) == (NOT_VALID, False, 0.0, False)
    assert world.state == world.problem.start


def test_the_instruction_tells_every_action_and_object() -> None:
    for world in map(PlanningWorld, (gripper(2), tyreworld(1), barman(1), blocksworld(3))):
        told = world.instruction
        assert all(action.name in told for action in world.problem.domain.actions)
        assert all(name in told for name in world.problem.objects)
        assert "\n" not in world.goal
