"""The loop: by rule in the kitchen, and with a language model in each of the four roles."""

from __future__ import annotations

import re

import pytest

from lamina.agents.closed_loop import ClosedLoop, Report
from lamina.agents.critic import FactCritic
from lamina.agents.environments.disturbed_kitchen import NAMES, DisturbedKitchen
from lamina.agents.escalation import Thresholds
from lamina.agents.model_critic import ModelCritic
from lamina.agents.model_observer import ModelObserver
from lamina.agents.model_planner import ModelPlanner
from lamina.agents.open_loop import open_loop, plan_whole
from lamina.agents.planner import SearchPlanner
from lamina.agents.roles import Look, Plan, Situation, Task, Verdict
from lamina.agents.skills import Call
from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models import Completion
from lamina.working.belief import BeliefMemory, Record
from lamina.working.sightings import Fact, Sighting
from lamina.working.summariser import ModelSummariser

GOAL = (Fact("cup", "in", "table"),)


def kitchen_with(**state: str) -> DisturbedKitchen:
    """A kitchen without disturbances, with the robot at the counter and the cup in the oven unless said otherwise."""
    kitchen = DisturbedKitchen(GOAL)
    kitchen.state.update({("robot_1", "at"): "counter", ("cup", "in"): state.get("cup", "oven")})
    kitchen.began = dict(kitchen.state)
    return kitchen


def loop_in(kitchen: DisturbedKitchen, known: bool = True, **more) -> ClosedLoop:
    belief = more.pop("belief", None) or BeliefMemory()
    if known:
        belief.record(Record(kitchen.known().text, seen=kitchen.known().seen))
    critic = more.pop("critic", FactCritic(kitchen.model))
    planner = more.pop("planner", None) or SearchPlanner(kitchen.model)
    return ClosedLoop(kitchen, Task(kitchen.goal, kitchen.facts), planner, critic, belief=belief, model=kitchen.model, **more)


def calls(report: Report) -> list[str]:
    return [one.call for one in report.calls]


# --------------------------------------------------------------------------------------------------------------- by rule
def test_without_disturbances_it_does_what_the_open_loop_does():
    kitchen = kitchen_with()
    planned = plan_whole(kitchen, Task(kitchen.goal, kitchen.facts), SearchPlanner(kitchen.model), kitchen.model, kitchen.known())
    report = loop_in(kitchen).run()
    assert calls(report) == [call.text for call in planned]
    assert (report.end, report.progress, report.invalid, report.events) == ("done", 1.0, 0, [])


def test_what_was_moved_is_looked_for_and_the_open_loop_fails():
    kitchen = kitchen_with()
    kitchen.state["cup", "in"] = "pantry"
    report = loop_in(kitchen).run()
    assert (report.end, report.progress, report.invalid) == ("done", 1.0, 0)
    assert any(event.about_object for event in report.events)
    again = kitchen_with()
    again.state["cup", "in"] = "pantry"
    blind = open_loop(again, Task(again.goal, again.facts), SearchPlanner(again.model), again.model, again.known())
    assert (blind.progress, blind.invalid) == (0.0, 2)


class Meddling(DisturbedKitchen):
    """A kitchen in which something happens after one of the steps."""

    after, change = 0, {}

    def step(self, action):
        outcome = super().step(action)
        if self.steps == self.after:
            self.state.update(self.change)
        return outcome


def test_a_door_that_closes_is_level_one_and_the_subgoal_stays():
    kitchen = Meddling(GOAL)
    kitchen.after, kitchen.change = 2, {("oven", "is"): "closed"}
    kitchen.state.update({("robot_1", "at"): "counter", ("cup", "in"): "oven"})
    kitchen.began = dict(kitchen.state)
    report = loop_in(kitchen).run()
    assert report.progress == 1
    assert [(event.level, event.about_object) for event in report.events] == [(1, False)]
    assert len({one.subgoal for one in report.calls}) == 1
    assert calls(report).count("open_door('robot_1', 'oven')") == 2


def test_an_object_that_goes_is_level_two_and_the_subgoal_goes_too():
    kitchen = Meddling(GOAL)
    kitchen.after, kitchen.change = 2, {("cup", "in"): "refrigerator"}
    kitchen.state.update({("robot_1", "at"): "counter", ("cup", "in"): "oven"})
    kitchen.began = dict(kitchen.state)
    report = loop_in(kitchen, critic=FactCritic(kitchen.model)).run()
    assert report.progress == 1
    assert [(event.level, event.about_object) for event in report.events][:1] == [(2, True)]
    assert any(one.subgoal.startswith("find cup") for one in report.calls)


def test_it_searches_what_it_was_not_told_and_opens_each_container_once():
    kitchen = DisturbedKitchen(GOAL, seed=4, hidden=True, spring=True)
    report = loop_in(kitchen, known=False).run()
    assert report.progress == 1
    opened = [one.call for one in report.calls if one.subgoal.startswith("find") and one.call.startswith("open_door")]
    assert len(opened) == len(set(opened)) > 0


def test_it_stops_at_the_limit_and_where_the_world_ends():
    assert loop_in(kitchen_with(), limit=3).run().end == "limit"
    kitchen = kitchen_with()
    kitchen.limit = 2
    assert loop_in(kitchen).run().end == "over"
    with pytest.raises(InputError, match="limit"):
        loop_in(kitchen_with(), limit=0)


def test_a_critic_that_always_says_no_does_not_go_on_for_ever():
    class No:
        def judge(self, situation, plan, place):
            told.append(situation.reflection)
            return Verdict(0.0, "because")

    told: list[tuple[str, ...]] = []
    report = loop_in(kitchen_with(), critic=No()).run()
    assert (report.end, report.steps) == ("given up", 0)
    assert report.levels[2] >= 2
    assert report.levels[3] == report.levels[4] == 1
    assert ("because (rejected 2 times)",) in told
    assert "given up after 0 steps" in report.text


def test_level_three_looks_again_and_makes_the_belief_anew():
    class NoThenYes:
        def __init__(self):
            self.count = 0

        def judge(self, situation, plan, place):
            self.count += 1
            return Verdict(0.1 if self.count < 7 else 1.0, f"reason {self.count}")

    belief = BeliefMemory(records=2)
    belief.record(Record("", seen=Sighting(frozenset([Fact("ghost", "in", "attic")]))))
    kitchen = kitchen_with()
    report = loop_in(kitchen, critic=NoThenYes(), belief=belief).run()
    assert report.levels[3] == 1
    assert report.progress == 1
    assert belief.sightings.get(("ghost", "in")) is None


def test_a_planner_that_says_done_too_early_is_asked_again():
    class Hasty:
        def __init__(self, planner):
            self.planner, self.count = planner, 0

        def plan(self, situation):
            self.count += 1
            return Plan("done", (), finished=True) if self.count == 1 else self.planner.plan(situation)

    kitchen = kitchen_with()
    report = loop_in(kitchen, planner=Hasty(SearchPlanner(kitchen.model))).run()
    assert report.progress == 1
    assert report.events[0].cause == "not done"
    assert report.events[0].reason == "it is not done: cup in table"


def test_without_watching_a_list_goes_on_whatever_happens():
    kitchen = kitchen_with()
    kitchen.state["cup", "in"] = "pantry"
    report = loop_in(kitchen, critic=None, watch=False).run()
    assert report.invalid >= 2
    assert (report.events, report.progress) == ([], 1.0)


def test_the_critic_is_told_to_whoever_listens():
    heard = []
    loop_in(kitchen_with(), judged=lambda plan, place, verdict, accepted: heard.append((verdict.chance > 0.5, accepted))).run()
    assert heard == [(True, True)] * 5


# ---------------------------------------------------------------------------------------------------- language models
class Scripted:
    """A language model that answers what it is given to say; an exception is raised."""

    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
        self.asked.append([message.content for message in messages])
        answer = self.answers.pop(0) if self.answers else ModelError("it is away")
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer)


class Leaning(Scripted):
    """One that tells its logits too."""

    def __init__(self, yes, no, *answers):
        super().__init__(*answers)
        self.lean, self.before = [yes, no], []

    def logits(self, messages, answers):
        self.before.append(messages[-1].content)
        return self.lean


def block(subgoal: str, *written: str, done: str = "False") -> str:
    return (
        f"1. I think.\n```yaml\nSubgoal: {subgoal}\nAction Plan:\n"
        + "".join(f"- {one}\n" for one in written)
        + f"Done: {done}\n```"
    )


def situation(belief: BeliefMemory | None = None, **more) -> Situation:
    kitchen = kitchen_with()
    return Situation(
        Task("Bring the cup to the table."), belief or BeliefMemory(), Look("A kitchen."), kitchen.skills, NAMES, **more
    )


PLAN = Plan("get the cup", (Call("navigate_to", ("stove",)),))
YES, NO = "Action Suitability: True\nFeedback:", "Action Suitability: 'False'\nFeedback: it is not there"


def test_four_models_do_the_task():
    writer = Scripted(*["Trajectory\nnothing yet\nSpatial\nthe cup is in the oven"] * 40)
    planner = Scripted(
        block("get the cup", "navigate_to('stove')", "open_door('robot_1', 'oven')", "pick_from('robot_1', 'cup', 'oven')"),
        block("bring it", "navigate_to('table')", "release_to('robot_1', 'cup', 'table')"),
        block("nothing is left", done="True"),
    )
    observer = Scripted(*["robot_1 stands\nthere."] * 40)
    kitchen = kitchen_with()
    loop = ClosedLoop(
        kitchen, Task(kitchen.goal), ModelPlanner(planner), ModelCritic(Scripted(*[YES] * 10)),
        observer=ModelObserver(observer), belief=BeliefMemory(summariser=ModelSummariser(writer)),
    )  # fmt: skip
    report = loop.run()
    assert (report.end, report.progress, report.steps) == ("done", 1.0, 5)
    assert "the cup is in the oven" in planner.asked[0][1]
    assert "robot_1 stands there." in planner.asked[1][1]
    assert "(none was)" in planner.asked[1][1]


def test_a_quoted_no_stops_the_list_and_its_reason_reaches_the_planner():
    planner = Scripted(block("get the cup", "navigate_to('stove')"), block("x", done="True"))
    kitchen = kitchen_with()
    report = ClosedLoop(kitchen, Task(kitchen.goal), ModelPlanner(planner), ModelCritic(Scripted(NO))).run()
    assert [(event.level, event.reason, event.chance) for event in report.events] == [(1, "it is not there", 0.3)]
    assert report.steps == 0
    assert "it is not there" in planner.asked[1][1]
    assert "get the cup" in planner.asked[1][1]  # the subgoal to keep


def test_a_plan_that_cannot_be_read_twice_is_level_one_and_it_goes_on():
    planner = Scripted("Hm.", "Subgoal: {{", block("get the cup", "navigate_to('stove')"), block("x", done="True"))
    kitchen = kitchen_with()
    report = ClosedLoop(kitchen, Task(kitchen.goal), ModelPlanner(planner), None).run()
    assert [(event.level, event.cause) for event in report.events] == [(1, "no plan")]
    assert calls(report) == ["navigate_to('stove')"]


def test_models_that_are_away_end_in_a_report_and_lose_nothing():
    kitchen = kitchen_with()
    belief = BeliefMemory(summariser=ModelSummariser(Scripted()))
    loop = ClosedLoop(kitchen, Task(kitchen.goal), ModelPlanner(Scripted()), ModelCritic(Scripted()), observer=ModelObserver(Scripted()), belief=belief)  # fmt: skip
    report = loop.run()
    assert (report.end, report.steps) == ("given up", 0)
    assert {event.cause for event in report.events} == {"no plan"}
    assert "In the counter" in belief.buffer[0][1].observation


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("I do not know.", "no block with 'Subgoal' and 'Action Plan'"),
        (block("get it"), "the list of calls is empty"),
        (block("get it", "fly('robot_1')"), "'fly' is not a skill"),
        (block("get it", "navigate_to('moon')"), "no place 'moon'"),
        (block("get it", "__import__('os').system('true')"), "not a call of a skill"),
        ("```yaml\nSubgoal: [unclosed\n  Action Plan: {{{\n```", "not a call"),
    ],
)
def test_a_bad_plan_is_asked_for_once_more_and_then_refused(bad, told):
    good = block("get the cup", "navigate_to('stove')")
    model = Scripted(bad, good)
    assert ModelPlanner(model).plan(situation()).calls == (Call("navigate_to", ("stove",)),)
    assert re.search(told, model.asked[1][-1])
    with pytest.raises(ModelOutputError, match="twice"):
        ModelPlanner(Scripted(bad, bad)).plan(situation())


def test_a_plan_that_is_too_long_is_cut_with_a_note():
    plan = ModelPlanner(Scripted(block("go round", *["navigate_to('stove')"] * 7))).plan(situation())
    assert (len(plan.calls), plan.notes) == (5, "2 calls beyond 5 were cut off")


def test_plans_of_too_many_calls_or_none_are_refused():
    with pytest.raises(InputError, match="at most 5"):
        Plan("x", PLAN.calls * 6)
    with pytest.raises(InputError, match="at least one"):
        Plan("x", ())


def test_logits_make_the_chance():
    model = Leaning(1.0, 0.0, "Thoughts.\nAction Suitability: True\nFeedback: fine")
    verdict = ModelCritic(model).judge(situation(), PLAN, 0)
    assert verdict.chance == pytest.approx(0.7311, abs=1e-4)
    assert model.before == ["Thoughts.\nAction Suitability:"]
    assert ModelCritic(Leaning(float("nan"), 0.0, YES)).judge(situation(), PLAN, 0).reason.startswith("not judged")


def test_a_critic_that_says_neither_is_asked_again_and_then_another_judges():
    model = Scripted("Hm.", YES)
    assert ModelCritic(model).judge(situation(), PLAN, 0).chance == 1
    assert "no 'Action Suitability" in model.asked[1][-1]

    class Other:
        def judge(self, situation, plan, place):
            return Verdict(0.4, "by rule")

    assert ModelCritic(Scripted("Hm.", "Hm."), fallback=Other()).judge(situation(), PLAN, 0).reason == "by rule"
    assert ModelCritic(Scripted("Hm.", "Hm.")).judge(situation(), PLAN, 0).chance == 1


def test_a_situation_in_words_leaves_no_label_alone():
    text = situation(keep=None).text
    assert "Knowledge:\n(none)" in text
    assert "Subgoal to keep:\n(choose one)" in text
    kept = Situation(Task("x", knowledge="None"), BeliefMemory(), Look(""), kitchen_with().skills, NAMES).text
    assert "Knowledge:\nNone\n" in kept
    with pytest.raises(InputError, match="words"):
        Task("  ")


def test_thresholds_decide_how_often_it_plans_anew():
    counts = []
    for tau in (0.0, 0.5, 0.9):
        replans = 0
        for seed in range(8):
            kitchen = DisturbedKitchen(
                (*GOAL, Fact("fork", "in", "drawer"), Fact("milk", "in", "refrigerator")), seed=seed, p=0.1
            )
            replans += len(loop_in(kitchen, thresholds=Thresholds(tau=tau, tau_low=min(tau, 0.2))).run().events)
        counts.append(replans)
    assert counts == sorted(counts)
    assert counts[2] > 2 * counts[1]
