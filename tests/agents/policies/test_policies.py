"""Policies that know nothing but the prompt."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents.environments.domains import DOMAINS
from lamina.agents.environments.fetch import FetchMap, FetchWorld
from lamina.agents.environments.generators import barman, blocksworld, gripper, tyreworld
from lamina.agents.environments.pddl_files import read_domain, read_problem
from lamina.agents.environments.planning_world import PlanningWorld
from lamina.agents.environments.protocol import CHECK, NOT_VALID, Environment
from lamina.agents.policies.fetching import FetchPolicy
from lamina.agents.policies.planning import PlanningPolicy
from lamina.agents.policies.prompt import PromptView
from lamina.agents.policies.summaries import of_domain, of_fetching, of_fetching_without_places
from lamina.errors import InputError
from lamina.models.protocols import LanguageModel, Message
from lamina.working.chunks import ChunkLog
from lamina.working.steps import Step

SUBGOALS = "Name the next milestone in a line 'Subgoal: …' and act in the next line 'Action: …'."
RETRIEVE = " 'Action: retrieve(1, 2)' shows finished ones again."
PROBLEMS = {"blocksworld": blocksworld(5, seed=4), "gripper": gripper(4), "tyreworld": tyreworld(1), "barman": barman(2, seed=3)}


class Episode:
    """A loop of the kind the policies are made for: a prompt of text, with finished subgoals folded, cut to its last `words`."""

    def __init__(self, world: Environment, model: LanguageModel, *, summarise=None, words=10**9, retrieve=False) -> None:
        self.world, self.model, self.words, self.summarise = world, model, words, summarise
        self.rules = (SUBGOALS + (RETRIEVE if retrieve else "")) if summarise else ""
        self.pre = f"Observation: {world.reset()}"
        self.chunks: list[tuple[str, list[tuple[str, str]]]] = []
        self.opened: set[int] = set()
        self.asked: list[str] = []
        self.steps, self.valid, self.retrieved = 0, 0, 0

    def prompt(self) -> list[Message]:
        lines = [self.pre]
        for number, (subgoal, pairs) in enumerate(self.chunks, 1):
            label = f"{number} Subgoal: {subgoal}" if subgoal else ""
            if self.summarise and number < len(self.chunks) and number not in self.opened:
                lines.append(f"{label}\nObservation: {self.summarise(subgoal, pairs)}")
            else:
                lines += [label, *(f"Action: {action}\nObservation: {seen}" for action, seen in pairs)]
        while len(lines) > 1 and sum(len(line.split()) for line in lines) > self.words:
            lines.pop(0)
        body = "\n".join(line for line in lines if line)
        return [Message("user", f"{self.world.instruction}\n{self.rules}\nGoal: {self.world.goal}\n{body}")]

    def act(self) -> bool:
        """One step; whether the episode is over."""
        text = self.model.complete(self.prompt()).text
        if text.startswith("Action: retrieve("):
            self.retrieved += 1
            self.opened |= {int(one) for one in text.partition("(")[2].rstrip(")").split(",")}
            text = self.model.complete(self.prompt()).text
        for line in text.splitlines():
            if line.startswith("Subgoal: "):
                self.chunks.append((line.removeprefix("Subgoal: "), []))
                self.opened.clear()
        action = text.splitlines()[-1].removeprefix("Action: ")
        if not self.chunks:
            self.chunks.append(("", []))
        outcome = self.world.step(action)
        self.chunks[-1][1].append((action, outcome.observation))
        self.asked.append(action)
        self.steps, self.valid = self.steps + 1, self.valid + outcome.valid
        return outcome.done

    def run(self, most: int) -> bool:
        return any(self.act() for _ in range(most))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("folded", [False, True])
def test_a_planner_that_sees_all_or_folded_subgoals_wins_without_an_invalid_action(domain: str, folded: bool) -> None:
    episode = Episode(PlanningWorld(PROBLEMS[domain]), PlanningPolicy(domain), summarise=of_domain(domain) if folded else None)
    assert episode.run(40)
    assert episode.valid == episode.steps
    assert CHECK not in episode.asked
    assert bool(episode.chunks[0][0]) is folded
    if folded:
        assert 1 < len(episode.chunks) <= len(PROBLEMS[domain].goal)
        assert all(pairs for _, pairs in episode.chunks)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["blockworld", "gripper", "tyreworld", "barman"])
def test_a_planner_wins_every_problem_of_agentboard(folder: str, data_root: Path) -> None:
    pytest.importorskip("pddl")
    root, name = data_root / "agentboard_pddl", "blocksworld" if folder == "blockworld" else folder
    if not root.is_dir():
        pytest.skip("no folder agentboard_pddl in the evaluation data")
    rules = read_domain(root / f"{folder}.pddl")
    steps: dict[bool, list[int]] = {False: [], True: []}
    began = time.perf_counter()
    for file in sorted((root / folder).glob("*.pddl")):
        for folded, counts in steps.items():
            world = PlanningWorld(read_problem(file, rules))
            episode = Episode(world, PlanningPolicy(name), summarise=of_domain(name) if folded else None)
            assert episode.run(60), file
            assert episode.valid == episode.steps
            counts.append(episode.steps)
    print(f"{name}: steps with all shown {steps[False]}, folded {steps[True]}, {time.perf_counter() - began:.1f} s")


def test_a_fetcher_with_folded_subgoals_keeps_within_few_words_what_one_without_forgets() -> None:
    won = {"all": 0, "cut": 0, "folded": 0}
    steps = dict(won)
    for seed in range(30):
        for name in won:
            summarise = of_fetching if name == "folded" else None
            world = FetchWorld(FetchMap.generate(seed=seed))
            episode = Episode(world, FetchPolicy(), summarise=summarise, words=10**9 if name == "all" else 260)
            won[name] += episode.run(60)
            steps[name] += episode.steps
            assert episode.valid == episode.steps
    print(f"of 30: won {won}, steps in all {steps}")
    assert won["all"] == won["folded"] == 30
    assert won["cut"] <= 15
    assert steps["cut"] - steps["folded"] >= 10 * 30


def test_places_that_a_summary_drops_are_looked_up_where_that_is_offered() -> None:
    won = {False: 0, True: 0}
    for seed in range(30):
        for retrieve in won:
            world = FetchWorld(FetchMap.generate(seed=seed))
            episode = Episode(world, FetchPolicy(), summarise=of_fetching_without_places, retrieve=retrieve)
            won[retrieve] += episode.run(25)
            assert bool(episode.retrieved) is retrieve
    print(f"of 30 in 25 steps: without looking up {won[False]}, with it {won[True]}")
    assert won[True] >= 28
    assert won[False] <= won[True] - 9


def test_what_the_prompt_no_longer_shows_is_not_known() -> None:
    """The control of the above: the same policy, asked with and without the line that tells where the thing is."""
    world = FetchWorld(FetchMap(("hall", "loft", "den", "attic"), (("jar", "attic"),)), ("jar",), filler=0)
    head, here = f"{world.instruction}\nGoal: {world.goal}\n", f"Observation: {world.reset()}"
    told = "Action: go to attic\nObservation: You are in the attic. You see: jar. You carry nothing.\n"
    ask = lambda text: FetchPolicy().complete([Message("user", head + text)]).text  # noqa: E731
    assert ask(told + here) == "Action: go to attic"
    assert ask(here) == "Action: go to loft"
    seen = "1 Subgoal: Deliver the bell\nObservation: Delivered: bell. Been in: loft, den.\n"
    assert ask(seen + here) == "Action: go to attic"  # where one has been is looked into last
    assert ask(seen.replace("den", "den, attic") + here) == "Action: go to loft"
    wheels = PlanningWorld(tyreworld(1))
    head = f"{wheels.instruction}\nGoal: {wheels.goal}\n"
    policy = PlanningPolicy("tyreworld")
    assert policy.complete([Message("user", f"{head}Observation: {wheels.reset()}")]).text == "Action: open boot"
    assert policy.complete([Message("user", f"{head}Observation: boot is closed.")]).text == f"Action: {CHECK}"


def test_a_planner_asks_for_a_folded_subgoal_that_names_what_it_misses() -> None:
    world = PlanningWorld(tyreworld(1))
    head = f"{world.instruction}\n{SUBGOALS}{{}}\nGoal: {world.goal}\n"
    shown = "1 Subgoal: r1 is inflated\nObservation: Done.\n2 Subgoal: w1 is in boot\nAction: fetch r1 boot\nObservation: Nothing changes."
    ask = lambda offered: PlanningPolicy("tyreworld").complete([Message("user", head.format(offered) + shown)]).text  # noqa: E731
    assert ask(RETRIEVE) == "Action: retrieve(1)"
    assert "retrieve" not in ask("")


def test_a_planner_learns_from_valid_actions_and_does_not_repeat_what_failed() -> None:
    world = PlanningWorld(gripper(1))
    head = f"{world.instruction}\nGoal: {world.goal}\nObservation: {world.reset()}\n"
    policy = PlanningPolicy("gripper")
    first = policy.complete([Message("user", head)]).text
    failed = f"{head}{first}\nObservation: {NOT_VALID}"
    assert policy.complete([Message("user", failed)]).text == f"Action: {CHECK}"
    other = f"{failed}\nAction: {CHECK}\nObservation: Valid actions are: move rooma roomb."
    assert policy.complete([Message("user", other)]).text == "Action: move rooma roomb"


def test_policies_hold_nothing_but_words_and_cannot_be_changed() -> None:
    for policy in (*map(PlanningPolicy, DOMAINS), FetchPolicy()):
        fields = {field.name: getattr(policy, field.name) for field in dataclasses.fields(policy)}
        assert all(isinstance(one, str) for one in fields.values())
        assert not hasattr(policy, "__dict__")
        with pytest.raises((dataclasses.FrozenInstanceError, AttributeError, TypeError)):
            policy.world = PlanningWorld(gripper(1))  # type: ignore[attr-defined]


def test_policies_do_not_even_load_the_worlds() -> None:
    code = (
        "import sys, lamina.agents.policies.planning, lamina.agents.policies.summaries\n"
        "print([one for one in ('planning_world', 'fetch', 'kitchen') if f'lamina.agents.environments.{one}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_same_messages_get_the_same_answer_in_another_process_and_in_any_order() -> None:
    episode = Episode(PlanningWorld(PROBLEMS["barman"]), PlanningPolicy("barman"), summarise=of_domain("barman"))
    prompts: list[str] = []
    answers: list[str] = []
    for _ in range(8):
        prompts.append(episode.prompt()[0].content)
        answers.append(episode.model.complete(episode.prompt()).text)
        episode.act()
    code = (
        "import json, sys\nfrom lamina.agents.policies.planning import PlanningPolicy\nfrom lamina.models.protocols import Message\n"
        "prompts = json.load(sys.stdin)\n"
        "answers = [PlanningPolicy('barman').complete([Message('user', one)]).text for one in reversed(prompts)]\n"
        "json.dump(answers[::-1], sys.stdout)"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(prompts),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={"PYTHONPATH": ":".join(one for one in sys.path if one), "PYTHONHASHSEED": seed},
        )
        assert json.loads(done.stdout) == answers


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=300),
    st.sampled_from(
        ["", "Goal: ball1 is at roomb.\n", "Goal: \n", "Goal: Deliver these things to the hall, in this order: jar\n"]
    ),
)
def test_any_prompt_gets_an_action(text: str, goal: str) -> None:
    for policy in (PlanningPolicy("gripper"), FetchPolicy()):
        answer = policy.complete([Message("user", f"{goal}{text}")]).text
        assert answer.splitlines()[-1].startswith("Action: ")


def test_prompts_of_several_messages_are_read_as_those_of_one() -> None:
    lines = [
        "Observation: You are in the hall.",
        "1 Subgoal: Find",
        "Observation: s",
        "2 Subgoal: Open",
        "Action: a",
        "Observation: b",
    ]
    one = PromptView.of([Message("user", "Rules.\nGoal: G.\n" + "\n".join(lines))])
    many = PromptView.of(
        [
            Message("system", "Rules."),
            Message("user", "Goal: G."),
            Message("user", lines[0]),
            Message("user", "\n".join(lines[1:3])),
            Message("user", lines[3]),
            Message("assistant", lines[4]),
            Message("user", lines[5]),
            Message("user", "(2 steps hidden before this)\nAction:"),
        ]
    )
    assert [one.subgoal, one.last_action] == [many.subgoal, many.last_action] == ["Open", "a"]
    assert [(chunk.folded, chunk.subgoal) for chunk in many.chunks] == [(False, None), (True, "Find"), (False, "Open")]


def test_summaries_are_one_line_and_say_whether_the_subgoal_is_reached() -> None:
    summarise = of_domain("tyreworld")
    pairs = [
        ("open boot", "boot is open.\nboot is no longer closed."),
        (CHECK, "Valid actions are: close boot."),
        ("x", NOT_VALID),
    ]
    assert summarise("boot is open", pairs) == "The subgoal is reached. boot is open. boot is no longer closed."
    assert summarise("you have pump", pairs).startswith("The subgoal is not seen to be reached. ")
    assert of_domain("gripper")("s", [("a", "robby is at rooma."), (CHECK, "Valid actions are: x.")]) == "robby is at rooma."
    assert of_fetching("Deliver the jar", []) == "Delivered: nothing."


def test_what_a_policy_does_not_know_or_take_is_refused() -> None:
    with pytest.raises(InputError, match="no domain of this policy"):
        PlanningPolicy("chess")
    with pytest.raises(InputError, match="no domain with a rule"):
        of_domain("chess")
    for policy in (PlanningPolicy("gripper"), FetchPolicy()):
        with pytest.raises(InputError, match="takes no schema"):
            policy.complete([Message("user", "hello")], schema={"type": "object"})
        with pytest.raises(InputError):
            policy.complete([])


@pytest.mark.parametrize("form", ["chat", "text"])
def test_prompts_of_the_houses_own_log_are_understood(form) -> None:
    world, model = PlanningWorld(gripper(3)), PlanningPolicy("gripper")
    log = ChunkLog(form=form)
    head = [Message("system", SUBGOALS), Message("user", f"{world.instruction}\nGoal: {world.goal}")]
    log.append(Step.observed(world.reset()))
    pairs: list[tuple[str, str]] = []
    for _ in range(20):
        lines = model.complete(log.render(4000, head=head).messages).text.splitlines()
        if len(lines) == 2:
            if pairs:
                log.fold(of_domain("gripper")("", pairs))
            log.open(lines[0].removeprefix("Subgoal: "))
            pairs = []
        action = lines[-1].removeprefix("Action: ")
        outcome = world.step(action)
        log.append(Step.acted(action, outcome.observation))
        pairs.append((action, outcome.observation))
        if outcome.done:
            break
    assert outcome.done
    assert len(log.chunks) == 3  # what came before, and two ways with up to two balls
