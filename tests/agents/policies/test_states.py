"""Rules that say what is known: in few words, read back whole, and nothing left out that a plan needs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents.acting import ActingAgent, head_of
from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.environments.generators import blocksworld, gripper, tyreworld
from lamina.agents.environments.planning import Problem, literals
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.protocol import CHECK
from lamina.agents.environments.relevance import Relevance
from lamina.agents.environments.search import Planner
from lamina.agents.memories import make_memory
from lamina.agents.policies.fetching import FetchPolicy, Known
from lamina.agents.policies.planning import PlanningPolicy
from lamina.agents.policies.states import state_of_domain, state_of_fetching
from lamina.agents.policies.summaries import SUMMARIES
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.working.steps import prompt_tokens


def bar(shots: int, cocktails: int) -> Problem:
    rules = DOMAINS["barman"][0]
    objects = {"left": "hand", "right": "hand", "shaker1": "shaker", "l0": "level", "l1": "level", "l2": "level"}
    start = "ontable shaker1, clean shaker1, empty shaker1, handempty left, handempty right, next l0 l1, next l1 l2"
    start += ", shaker-empty-level shaker1 l0, shaker-level shaker1 l0"
    for n in range(1, shots + 1):
        objects[f"shot{n}"] = "shot"
        start += f", ontable shot{n}, clean shot{n}, empty shot{n}"
    for n in range(1, 4):
        objects |= {f"ingredient{n}": "ingredient", f"dispenser{n}": "dispenser"}
        start += f", dispenses dispenser{n} ingredient{n}"
    for n in range(1, cocktails + 1):
        objects[f"cocktail{n}"] = "cocktail"
        start += f", cocktail-part1 cocktail{n} ingredient{n % 3 + 1}, cocktail-part2 cocktail{n} ingredient{(n + 1) % 3 + 1}"
    return Problem(
        "bar",
        rules,
        objects,
        frozenset(one.fact for one in literals(start)),
        literals("contains shot1 cocktail1, contains shot2 ingredient2"),
    )


PROBLEMS = {"blocksworld": blocksworld(5, seed=2), "gripper": gripper(4), "tyreworld": tyreworld(2), "barman": bar(4, 4)}


def walked(problem: Problem, seed: int, steps: int) -> list[tuple[PlanningWorld, str, str]]:
    """A world after each step of a random walk, with the action and what was observed."""
    draw, world = random.Random(seed), PlanningWorld(problem)
    found = [(world, "", world.reset())]
    for _ in range(steps):
        allowed = world.valid_actions()
        if not allowed:
            break
        action = draw.choice(allowed)
        found.append((world, action, world.step(action).observation))
        if problem.progress(world.state) == 1.0:
            break
    return found


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PROBLEMS)), st.integers(0, 10_000), st.integers(0, 25), st.integers(1, 6))
def test_what_is_known_is_the_state_however_steps_are_put_together(domain: str, seed: int, steps: int, size: int) -> None:
    problem, words = PROBLEMS[domain], DOMAINS[domain][1]
    walk = walked(problem, seed, steps)
    pairs = [(action, seen) for _, action, seen in walk]
    pairs.insert(len(pairs) // 2, (CHECK, "Valid actions are: nothing."))
    condense, known = state_of_domain(domain), ""
    for start in range(0, len(pairs), size):
        known = condense(known, "", pairs[start : start + size])
    assert {one.fact for one in words.read(known)} == walk[-1][0].state
    assert known == condense("", "", pairs)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(PROBLEMS)), st.integers(0, 10_000), st.integers(0, 12))
def test_what_is_told_is_enough_for_a_plan(domain: str, seed: int, steps: int) -> None:
    problem, words = PROBLEMS[domain], DOMAINS[domain][1]
    walk = walked(problem, seed, steps)
    goal = words.paragraph(problem.goal)
    known = state_of_domain(domain, goal, problem.objects)("", "", [(action, seen) for _, action, seen in walk])
    told = frozenset(one.fact for one in words.read(known))
    state = walk[-1][0].state
    assert told <= state
    if Planner(problem, limit=5_000).plan(state) is None:
        return
    fixed = frozenset(one for one in told if one[0] in problem.domain.fixed)
    plan = Planner(Problem("known", problem.domain, problem.objects, fixed, problem.goal), limit=5_000).plan(told)
    assert plan is not None
    for step in plan:
        assert step.applies(state)
        state = step.after(state)
    assert problem.progress(state) == 1.0


def test_a_relaxed_plan_rests_on_what_the_goal_needs_and_on_nothing_else() -> None:
    problem = bar(4, 4)
    used = Relevance(problem).used(problem.start, [("contains", "shot1", "cocktail1")])
    assert {("cocktail-part1", "cocktail1", "ingredient2"), ("cocktail-part2", "cocktail1", "ingredient3")} <= used
    assert not any("cocktail2" in fact for fact in used)
    assert Relevance(problem).used({("clean", "shot1")}, [("contains", "shot1", "cocktail1")]) == frozenset()


def test_what_the_goal_needs_comes_first_and_other_recipes_last() -> None:
    problem, words = bar(4, 4), DOMAINS["barman"][1]
    text = state_of_domain("barman", words.paragraph(problem.goal), problem.objects)("", "", [("", words.state(problem.start))])
    assert text.index("parts of cocktail1") < text.index("shot4") < text.index("parts of cocktail2")
    assert "l0 before l1, l1 before l2" in text  # fixed facts under the same heading go along


def test_grouped_facts_take_fewer_tokens_than_sentences() -> None:
    counter = WordLlamaTokens()
    for domain, most in (("tyreworld", 0.8), ("barman", 0.8), ("gripper", 0.6)):
        words, problem = DOMAINS[domain][1], PROBLEMS[domain]
        assert counter.count(words.grouped(problem.start)) <= most * counter.count(words.state(problem.start))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(PROBLEMS)))
def test_any_facts_are_read_back_from_groups(data: st.DataObject, domain: str) -> None:
    rules, words, _ = DOMAINS[domain]
    names = st.sampled_from(["a1", "b-2", "the-hub1", "boot", "l0", "left", "open"])
    fact = st.sampled_from(sorted(rules.predicates)).flatmap(
        lambda one: st.tuples(st.just(one), *[names for _ in rules.predicates[one]])
    )
    facts = data.draw(st.sets(fact, max_size=20))
    assert {one.fact for one in words.read(words.grouped(facts))} == facts


def test_what_lies_in_a_room_is_as_it_was_last_seen() -> None:
    condense = state_of_fetching("Deliver these things to the hall, in this order: cup.")
    known = condense("", "", [("", "You are in the hall. You see: bell, jar. You carry nothing.")])
    known = condense(known, "s", [("go to loft", "You are in the loft. You see: cup. You carry nothing.")])
    known = condense(known, "s", [("take cup", "You take the cup. You are in the loft. You see nothing. You carry the cup.")])
    assert known == (
        "Delivered: nothing. Seen in the hall: bell, jar. Seen in the loft: nothing. You are in the loft. You carry the cup."
    )
    again = Known().after(known)
    assert (again.carried, dict(again.contents)) == ("cup", {"hall": ("bell", "jar"), "loft": ()})


def played(world, player, memory: str, room: int, domain: str, condense):
    counter = WordLlamaTokens()
    working = make_memory(
        memory,
        room=room,
        summarise=SUMMARIES[domain],
        condense=condense,
        fully_observable=world.fully_observable,
        counter=counter,
    )
    fixed = prompt_tokens(head_of(world, working.rules), counter)
    episode = ActingAgent(player, working, budget=fixed + room, horizon=60).play(world)
    assert all(step.prompt.tokens <= fixed + room for step in episode.played)
    return episode


@pytest.mark.parametrize(("domain", "room"), [("tyreworld", 200), ("barman", 250)])
def test_a_tight_room_is_enough_for_what_folded_lines_and_plain_history_cannot_do(domain: str, room: int) -> None:
    problem = PROBLEMS[domain]
    condense = state_of_domain(domain, PlanningWorld(problem).goal, problem.objects)
    done = {
        memory: played(PlanningWorld(problem), PlanningPolicy(domain), memory, room, domain, condense)
        for memory in ("nested", "nested-recent", "nested-when-full", "hiagent", "full")
    }
    assert {memory: episode.success for memory, episode in done.items()} == {
        "nested": True, "nested-recent": True, "nested-when-full": True, "hiagent": False, "full": False,
    }  # fmt: skip
    assert done["nested"].valid == 1.0


def test_a_fetcher_loses_nothing_by_nested_folding() -> None:
    for seed in range(5):
        plan = FetchMap.generate(seed=seed)
        condense = state_of_fetching(FetchWorld(plan).goal)
        steps = {
            memory: played(FetchWorld(plan), FetchPolicy(), memory, room, "fetch", condense).steps
            for memory, room in (("nested", 300), ("nested-when-full", 300), ("full", 5000))
        }
        assert len(set(steps.values())) == 1


def test_unknown_domains_are_refused() -> None:
    with pytest.raises(InputError, match="no domain with a rule"):
        state_of_domain("chess")
