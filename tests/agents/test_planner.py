"""Planning by search over what is believed, and judging by how old that is."""

from __future__ import annotations

import pytest

from lamina.agents.critic import FactCritic, open_needs
from lamina.agents.environments.disturbed_kitchen import NAMES, DisturbedKitchen, KitchenModel
from lamina.agents.planner import SearchPlanner, search
from lamina.agents.roles import Look, NoPlanError, Plan, Situation, Task
from lamina.agents.skills import Call
from lamina.errors import InputError
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact, Sighting

MODEL = KitchenModel()
HERE = Fact("robot_1", "at", "table")
CUP = Fact("cup", "in", "oven")
GOAL = Fact("cup", "in", "table")


def believing(*facts: Fact, denied: tuple[Fact, ...] = (), ago: int = 0) -> BeliefMemory:
    belief = BeliefMemory()
    belief.record(Record("", seen=Sighting(frozenset(facts), frozenset(denied))))
    for _ in range(ago):
        belief.record(Record("", seen=Sighting()))
    return belief


def situation(belief: BeliefMemory, *goal: Fact, **more) -> Situation:
    return Situation(Task("tidy up", goal), belief, Look(""), MODEL.pool, NAMES, **more)


def told(plan: Plan) -> list[str]:
    return [call.text for call in (*plan.calls, *plan.rest)]


def test_the_fewest_calls_are_planned_and_at_most_five_at_once():
    plan = SearchPlanner(MODEL).plan(situation(believing(HERE, CUP), GOAL))
    assert told(plan) == [
        "navigate_to('stove')", "open_door('robot_1', 'oven')", "pick_from('robot_1', 'cup', 'oven')", "navigate_to('table')", "release_to('robot_1', 'cup', 'table')",
    ]  # fmt: skip
    assert (plan.subgoal, plan.aims) == ("make it so: cup in table", (GOAL,))
    longer = SearchPlanner(MODEL).plan(situation(believing(HERE, CUP), Fact("cup", "in", "refrigerator")))
    assert (len(longer.calls), len(longer.rest)) == (5, 2)


def test_the_plan_follows_the_belief_not_the_world():
    kitchen = DisturbedKitchen([GOAL])
    kitchen.state["cup", "in"] = "cabinet"
    plan = SearchPlanner(kitchen.model).plan(situation(believing(HERE, CUP), GOAL))
    assert "'oven'" in told(plan)[1]


def test_a_full_hand_is_emptied_before_a_door_is_opened():
    held = (Fact("robot_1", "holds", "fork"), Fact("fork", "in", "robot_1"))
    plan = SearchPlanner(MODEL).plan(situation(believing(HERE, CUP, *held), GOAL))
    calls = told(plan)
    emptied = next(place for place, call in enumerate(calls) if call.startswith("release_to('robot_1', 'fork'"))
    assert emptied < calls.index("open_door('robot_1', 'oven')")


def test_an_unknown_thing_is_looked_for_where_it_was_not_looked_for_yet():
    absent = tuple(
        Fact("cup", "in", place) for place in ("table", "stove", "pantry", "counter", "oven", "refrigerator", "drawer")
    )
    plan = SearchPlanner(MODEL).plan(situation(believing(HERE, denied=absent), GOAL))
    assert told(plan) == ["open_door('robot_1', 'cabinet')"]
    assert plan.subgoal == "find cup: look into cabinet"


def test_where_it_was_looked_for_everywhere_the_oldest_look_is_repeated():
    belief = BeliefMemory()
    for place in ("oven", "table", "stove", "pantry", "counter", "refrigerator", "drawer", "cabinet"):
        belief.record(Record("", seen=Sighting(frozenset([HERE]), frozenset([Fact("cup", "in", place)]))))
    assert SearchPlanner(MODEL).plan(situation(belief, GOAL)).subgoal == "find cup: look into oven"


def test_doors_are_the_last_goals_and_a_kept_subgoal_stays():
    goals = (Fact("cabinet", "is", "open"), GOAL, Fact("fork", "in", "table"))
    belief = believing(HERE, CUP, Fact("fork", "in", "stove"))
    planner = SearchPlanner(MODEL)
    assert planner.plan(situation(belief, *goals)).subgoal == "make it so: fork in table"  # fewer calls than the cup
    assert planner.plan(situation(belief, *goals, keep="make it so: cup in table")).subgoal == "make it so: cup in table"


def test_what_is_doubted_is_seen_again_first_and_the_subgoal_stays():
    where = Fact("refrigerator", "is", "open")
    belief = believing(HERE, Fact("cup", "in", "stove"), where)
    goal = Fact("cup", "in", "refrigerator")
    plain = SearchPlanner(MODEL).plan(situation(belief, goal))
    doubting = SearchPlanner(MODEL).plan(situation(belief, goal, doubted=frozenset([where])))
    assert told(plain)[0] == "navigate_to('stove')"
    assert (told(doubting), doubting.partly, doubting.subgoal) == (["navigate_to('pantry')"], True, plain.subgoal)


def test_a_goal_that_was_seen_long_ago_is_seen_again_before_the_task_is_done():
    planner = SearchPlanner(MODEL, certainty=0.2)
    away = Fact("robot_1", "at", "stove")
    assert planner.plan(situation(believing(away, GOAL, ago=31), GOAL)).finished  # 0.95 to the power of 31 is 0.204
    assert told(planner.plan(situation(believing(away, GOAL, ago=32), GOAL))) == ["navigate_to('table')"]


def test_what_leads_nowhere_is_said():
    with pytest.raises(NoPlanError, match="nothing that is known leads to: drawer is broken"):
        SearchPlanner(MODEL).plan(situation(believing(HERE), Fact("drawer", "is", "broken")))


def test_a_search_for_what_is_so_already_is_empty():
    assert search(MODEL, believing(HERE, GOAL).sightings, (GOAL,)) == []


# ---------------------------------------------------------------------------------------------------------------- critic
PLAN = Plan(
    "get the cup",
    (Call("navigate_to", ("stove",)), Call("pick_from", ("robot_1", "cup", "oven"))),
    aims=(Fact("cup", "in", "robot_1"),),
)
OPEN = Fact("oven", "is", "open")


def test_the_chance_falls_with_the_age_of_what_a_plan_rests_on():
    critic = FactCritic(MODEL)
    for ago in (0, 3, 20):
        verdict = critic.judge(situation(believing(HERE, CUP, ago=ago)), PLAN, 0)
        assert verdict.chance == pytest.approx(0.95**ago)
    assert verdict.doubted == {CUP}
    assert "last seen 20 steps ago" in verdict.reason


def test_several_facts_multiply_and_what_is_seen_now_counts_fully():
    belief = believing(CUP, OPEN, ago=4)
    belief.record(Record("", seen=Sighting(frozenset([OPEN]))))
    assert FactCritic(MODEL).judge(situation(belief), PLAN, 0).chance == pytest.approx(0.95**5)
    old = believing(CUP, OPEN, ago=5)
    assert FactCritic(MODEL).judge(situation(old), PLAN, 0).chance == pytest.approx(0.95**10)


def test_what_was_seen_to_be_otherwise_has_no_chance():
    verdict = FactCritic(MODEL).judge(situation(believing(Fact("oven", "is", "closed"), denied=(CUP,))), PLAN, 1)
    assert verdict.chance == 0
    assert verdict.contradicted == {CUP, OPEN}


def test_what_a_plan_brings_about_itself_is_not_needed_before():
    calls = [
        Call("navigate_to", ("stove",)),
        Call("open_door", ("robot_1", "oven")),
        Call("pick_from", ("robot_1", "cup", "oven")),
    ]
    assert set(open_needs(MODEL, calls)) == {Fact("robot_1", "holds", "nothing"), Fact("oven", "is", "closed"), CUP}
    assert open_needs(MODEL, [calls[2], calls[2]]) is None
    broken = Plan("x", (calls[2], calls[2]))
    assert "undoes what it needs" in FactCritic(MODEL).judge(situation(believing(HERE)), broken, 0).reason


def test_what_nothing_is_known_of_counts_as_is_said():
    assert FactCritic(MODEL).judge(situation(BeliefMemory()), PLAN, 1).chance == 1
    assert FactCritic(MODEL, unknown=0.5).judge(situation(BeliefMemory()), PLAN, 1).chance == 0.5**4


@pytest.mark.parametrize("wrong", [{"decay": 0}, {"decay": 1.1}, {"unknown": -0.1}, {"unknown": 2}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match="decay"):
        FactCritic(MODEL, **wrong)


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"calls": 6}, {"calls": True}, {"decay": 0}, {"certainty": 1.5}])
def test_a_planner_refuses_numbers_out_of_range(wrong):
    with pytest.raises(InputError, match=r"calls|certainty"):
        SearchPlanner(MODEL, **wrong)


def test_a_task_without_facts_cannot_be_searched_for():
    with pytest.raises(InputError, match="give the task a goal"):
        SearchPlanner(MODEL).plan(situation(believing(HERE)))
