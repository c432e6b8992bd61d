"""The STRIPS core, the words of the domains and the planner."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.generators import barman, blocksworld, gripper, tyreworld
from lamina.agents.environments.ordering import stages
from lamina.agents.environments.planning import Action, Domain, Literal, Problem, literals
from lamina.agents.environments.search import Planner
from lamina.agents.environments.wording import Wording
from lamina.errors import InputError

MADE = [blocksworld(5, seed=3), gripper(4, seed=1), tyreworld(2, seed=1), barman(2, seed=1)]
WORDS = {domain.name: words for domain, words, _ in DOMAINS.values()}


def domain(*actions: Action) -> Domain:
    return Domain("toy", actions, {"at": ("place",), "wet": ("place",)}, {"place": "object"})


def problem(of: Domain, start: str, goal: str) -> Problem:
    facts = frozenset(one.fact for one in literals(start))
    return Problem("toy", of, {"a": "place", "b": "place"}, facts, literals(goal))


def test_negative_conditions_and_equality_limit_what_applies() -> None:
    rain = Action.of("rain", "?x:place", "wet ?x, at ?x", "wet ?x")
    moves = domain(Action.of("go", "?x:place ?y:place", "at ?x, not wet ?y, not = ?x ?y", "at ?y, not at ?x"), rain)
    assert [str(step) for step in problem(moves, "at a", "at b").applicable(frozenset({("at", "a")}))] == ["go a b"]
    assert not list(problem(moves, "at a", "at b").applicable(frozenset({("at", "a"), ("wet", "b")})))


def test_a_fact_that_is_taken_and_added_stays() -> None:
    moves = domain(Action.of("go", "?x:place ?y:place", "at ?x", "at ?y, not at ?x"))
    stay = problem(moves, "at a", "at b").named("go", ("a", "a"))[0]
    assert stay.after(frozenset({("at", "a")})) == {("at", "a")}


def test_a_planner_reaches_and_keeps_away_from_negative_goals() -> None:
    moves = domain(Action.of("go", "?x:place ?y:place", "at ?x, not = ?x ?y", "at ?y, not at ?x, wet ?y"))
    assert [str(one) for one in Planner(problem(moves, "at a", "at b, not at a")).plan() or ()] == ["go a b"]
    assert Planner(problem(moves, "at a", "at b, not wet b")).plan() is None


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (Action.of("x", "?x:place", "dry ?x", ""), "'dry', which is no predicate"),
        (Action.of("x", "?x:place", "at ?x ?x", ""), "2 arguments where it has 1"),
        (Action.of("x", "?x:place", "at ?y", ""), "names '\\?y'"),
        (Action.of("x", "?x:planet", "at ?x", ""), "no type 'planet'"),
        (Action.of("x", "?x:place", "", "= ?x ?x"), "cannot change"),
    ],
)
def test_a_domain_that_does_not_fit_itself_is_refused(action: Action, said: str) -> None:
    with pytest.raises(InputError, match=said):
        domain(action)


def test_a_problem_that_does_not_fit_its_domain_is_refused() -> None:
    rules = domain()
    for objects, start, goal in (({"a": "planet"}, "", "at a"), ({"a": "place"}, "at b", "at a"), ({"a": "place"}, "", "")):
        with pytest.raises(InputError):
            Problem("p", rules, objects, frozenset(one.fact for one in literals(start)), literals(goal))
    with pytest.raises(InputError, match="below itself"):
        Domain("d", (), {}, {"a": "b", "b": "a"})


@pytest.mark.parametrize("made", MADE, ids=lambda one: one.domain.name)
def test_plans_lead_to_the_goal_and_the_same_seed_makes_the_same_problem(made: Problem) -> None:
    ways = (Planner(made).staged, *([] if made.domain.name == "barman" else [Planner(made).plan]))  # two drinks at once take long
    for way in ways:
        plan = way()
        assert plan is not None
        state = made.start
        for step in plan:
            assert step.applies(state)
            state = step.after(state)
        assert made.progress(state) == 1.0


def test_breadth_first_is_never_longer() -> None:
    for seed in range(5):
        made = blocksworld(4, seed=seed)
        planner = Planner(made)
        found, shortest = planner.plan(), planner.shortest(made.start, made.goal)
        assert found is not None
        assert shortest is not None
        assert len(shortest) <= len(found)
        assert blocksworld(4, seed=seed) == made


def test_what_cannot_be_reached_has_no_plan() -> None:
    made = gripper(2)
    assert Planner(made).plan(made.start, literals("at rooma rooma")) is None
    assert Planner(made).shortest(made.start - {("at-robby", "rooma")}, made.goal) is None
    with pytest.raises(InputError, match="at least 1"):
        Planner(made, limit=0)


@pytest.mark.parametrize(
    "call", [lambda: gripper(0), lambda: blocksworld(True), lambda: tyreworld(1.5), lambda: barman(4, shots=4)]
)
def test_generators_refuse_sizes_that_make_no_problem(call) -> None:
    with pytest.raises(InputError):
        call()


def test_blocks_are_stacked_from_below_and_balls_carried_in_pairs() -> None:
    assert [str(one) for stage in stages("blocksworld-4ops", literals("on a b, on c d, on b c")) for one in stage] == [
        "on c d", "on b c", "on a b",
    ]  # fmt: skip
    assert [len(one) for one in stages("gripper-strips", gripper(5).goal)] == [2, 2, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 3), st.integers(0, 10**6))
def test_states_and_commands_can_be_read_back_wherever_one_walks(which: int, seed: int) -> None:
    made, rng = MADE[which], random.Random(seed)
    words, state = WORDS[made.domain.name], made.start
    for _ in range(12):
        assert frozenset(one.fact for one in words.read(words.state(state))) == state
        gone = [Literal(one, False) for one in sorted(state)]
        assert words.read(words.paragraph(gone)) == gone
        step = rng.choice(list(made.applicable(state)))
        assert words.parse(words.command(step), made.domain, made.objects) == (step.action, step.arguments)
        state = step.after(state)


def test_actions_may_be_said_in_several_ways() -> None:
    rules, words, _ = DOMAINS["tyreworld"]
    names = tyreworld(1).objects
    for said in ("put-away w1 boot", "Put away  W1 in the boot.", "PUT_AWAY w1 boot"):
        assert words.parse(said, rules, names) == ("put-away", ("w1", "boot"))
    assert words.parse("do up nuts1 the-hub1", rules, names) == ("do-up", ("nuts1", "the-hub1"))
    for said in ("put-away w1", "put-away w1 boot boot", "put-away w1 moon", "dance", "", "put-away w1 boot and then open boot"):
        assert words.parse(said, rules, names) is None
    rules, words, _ = DOMAINS["barman"]
    assert words.parse("right grasp shot1", rules, {"right", "shot1"}) == ("grasp", ("right", "shot1"))


def test_a_domain_without_words_gets_bare_ones() -> None:
    moves = domain(Action.of("go", "?x:place ?y:place", "at ?x", "at ?y, not at ?x"))
    words = Wording.of(moves)
    assert words.read(words.paragraph(literals("at a, not wet b"))) == list(literals("at a, not wet b"))
    assert words.parse("go a b", moves, {"a", "b"}) == ("go", ("a", "b"))
