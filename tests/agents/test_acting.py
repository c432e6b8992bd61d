from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.agents.acting import ActingAgent, head_of
from lamina.agents.action_lines import Answer, read_answer
from lamina.agents.environments.protocol import Outcome
from lamina.agents.patience import CallFailed, Patience
from lamina.errors import BudgetError, InputError
from lamina.models import Completion
from lamina.working.history import FullHistory
from lamina.working.subgoals import SubgoalMemory


class Scripted:
    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.seen = list(answers), []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
        self.seen.append("\n".join(message.content for message in messages))
        return Completion(self.answers.pop(0))


class Corridor:
    """Doors in a row: `go` opens the next one; two of them are the goal. `back` goes back. `break` raises, `hang` never ends."""

    name, fully_observable, instruction, goal = "corridor", False, "You can: go, back.", "Be behind the second door."

    def reset(self):
        self.at = 0
        return "You are before the first door."

    def step(self, action):
        if action == "break":
            raise RuntimeError("the world is broken")
        if action == "hang":
            time.sleep(1)
        valid = action in ("go", "back")
        self.at += {"go": 1, "back": -1}.get(action, 0)
        return Outcome(f"You are behind door {self.at}." if valid else "Not valid.", valid, self.at / 2, self.at == 2)

    def valid_actions(self):
        return ["back", "go"]


def play(*answers, memory=None, **settings):
    model = Scripted(*answers)
    agent = ActingAgent(model, memory or SubgoalMemory(), **settings)
    return agent.play(Corridor()), model


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Action: go", Answer(None, "go")),
        ("1 Subgoal: win\nAction: go", Answer("win", "go")),
        ("**Subgoal:** win\n\n**Action:** go", Answer("win", "go")),
        ("I think.\nSubgoal: win\nSo:\nAction: go\nAction: back", Answer("win", "go")),
        ("Subgoal: win", Answer("win", None)),
        ("Subgoal:\nAction:", Answer("", "")),
        ("Subgoal: a\nSubgoal: b\nAction: go", Answer("a", None)),
        ("go\nObservation: you win", Answer(None, "go")),
        ("  \n", Answer(None, None)),
        ('Action: say "Subgoal: none"', Answer(None, 'say "Subgoal: none"')),
    ],
)
def test_answers_are_read(text, answer):
    assert read_answer(text) == answer


def test_an_episode_is_counted():
    episode, model = play(
        "Subgoal: first door\nAction: go", "Action: sing", "Action: back", "Subgoal: both\nAction: go", "Action: go"
    )
    assert (episode.success, episode.progress, episode.steps, episode.subgoals, episode.valid) == (True, 1.0, 5, 2, 0.8)
    assert [one.action for one in episode.played] == ["go", "sing", "back", "go", "go"]
    assert [one.subgoal for one in episode.played] == ["first door", None, None, "both", None]
    assert "Goal: Be behind the second door." in model.seen[0]
    assert "check valid actions" in model.seen[0]
    assert (
        "1 Subgoal: first door\nObservation: You are behind door 1. Not valid. You are behind door 0.\n2 Subgoal: both"
        in model.seen[-1]
    )
    assert [one.tokens for one in episode.played] == [one.prompt.tokens for one in episode.played]


def test_progress_is_the_most_that_was_reached_and_a_failure_takes_the_whole_horizon():
    episode, _ = play(*["Action: go", "Action: back"] * 2, horizon=4, memory=FullHistory(form="text"))
    assert (episode.success, episode.progress, episode.steps) == (False, 0.5, 4)


def test_a_retrieval_costs_no_step_and_closes_with_the_next_subgoal():
    episode, model = play(
        "Subgoal: a\nAction: go", "Subgoal: b\nAction: retrieve(1)", "Action: back", "Subgoal: c\nAction: go", "Action: go"
    )  # fmt: skip
    assert [one.action for one in episode.played] == ["go", "back", "go", "go"]
    assert episode.retrieved == 1
    assert [one.asked for one in episode.played] == [1, 2, 1, 1]
    assert "1 Subgoal: a\nAction: go\nObservation: You are behind door 1.\n2 Subgoal: b" in model.seen[2]
    assert model.seen[2].endswith("Action:")
    assert model.seen[4].count("1 Subgoal: a\nObservation: ") == 1
    assert [one.subgoal for one in episode.played] == ["a", "b", "c", None]


def test_a_third_retrieval_before_an_action_is_refused():
    episode, model = play(
        "Subgoal: a\nAction: go", "Subgoal: b\nAction: retrieve(1)", "retrieve(1)", "Action: retrieve(1)", "Action: go"
    )  # fmt: skip
    assert episode.retrieved == 2
    assert episode.refused == 1
    assert "more than 2 retrievals" in model.seen[4]
    assert episode.success


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Action: retrieve(1)", "1 cannot be retrieved, since it is no finished subgoal: none is finished yet"),
        ("Action: retrieve(x)", "write retrieve(1, 2)"),
        ("Subgoal: \nAction: go", "a subgoal needs words"),
        ("Action:", "an action is missing"),
        ("Subgoal: c\nSubgoal: d\nAction: go", "an action is missing"),
    ],
)
def test_a_wrong_answer_is_refused_by_telling_the_model(answer, told):
    episode, model = play("Subgoal: a\nAction: go", answer, "Action: go")
    assert told in model.seen[2]
    assert "Not possible: " in model.seen[2]
    assert episode.success
    assert episode.refused == 1
    assert "Not possible" not in episode.played[-1].observation


def test_two_subgoals_in_a_row_are_refused():
    episode, model = play("Subgoal: a\nAction: go", "Subgoal: b", "Subgoal: c\nAction: back", "Action: go")
    assert "two subgoals in a row are not allowed" in model.seen[3]
    assert episode.subgoals == 2
    assert episode.success


def test_a_model_that_only_answers_wrongly_loses_the_step_not_the_run():
    episode, _ = play(*["Action:"] * 3, "Action: go", "Action: go", horizon=5)
    assert episode.success
    assert [one.valid for one in episode.played] == [False, True, True]
    assert "This step was lost" in episode.played[0].observation


def test_a_world_that_raises_or_hangs_ends_the_step_not_the_run():
    episode, model = play("Action: break", "Action: hang", "Action: go", "Action: go", patience=0.2, horizon=4)
    assert [one.valid for one in episode.played] == [False, False, False, False]  # it hangs for a second, longer than all of this
    assert episode.failed == 4
    assert "RuntimeError: the world is broken" in model.seen[1]
    assert "did not answer within 0.2 seconds" in model.seen[2]
    assert "still busy" in model.seen[3]


def test_a_world_that_cannot_begin_and_bad_settings_are_refused():
    class Broken(Corridor):
        def reset(self):
            raise OSError("no file")

    with pytest.raises(InputError, match="cannot be begun: it failed: OSError"):
        ActingAgent(Scripted(), FullHistory()).play(Broken())
    for wrong in ({"budget": 0}, {"horizon": True}, {"answer": 1.5}, {"patience": 0}, {"patience": float("nan")}):
        with pytest.raises(InputError):
            ActingAgent(Scripted(), FullHistory(), **wrong)
    with pytest.raises(BudgetError, match=r"take \d+ tokens .* budget of 20"):
        play("Action: go", budget=20)


def test_the_wasteful_way_sends_the_retrieval_to_the_world():
    episode, _ = play("Subgoal: a\nAction: go", "Subgoal: b\nAction: retrieve(1)", "Action: go", wasteful=True)
    assert [(one.action, one.valid) for one in episode.played] == [("go", True), ("retrieve(1)", False), ("go", True)]
    code, _ = play(
        "Subgoal: a\nAction: go", "Subgoal: b\nAction: retrieve(1)", "Action: go", memory=SubgoalMemory(variant="code")
    )
    assert [one.action for one in code.played] == ["go", "retrieve(1)", "go"]


def test_the_head_has_its_parts_in_order():
    system, user = head_of(Corridor(), "Rules.", ["Goal: x\nAction: y"], "Known: z", ["inventory"])
    assert system.content == "You can: go, back.\n\nRules."
    assert user.content.split("\n\n") == [
        "Here is an example:\nGoal: x\nAction: y", "Known: z", "Goal: Be behind the second door.", "You can always use: inventory",
    ]  # fmt: skip


def test_calls_run_in_one_thread_of_their_own_or_without_a_limit_where_they_are_made():
    patience = Patience(5)
    assert len({patience.call(threading.get_ident) for _ in range(5)} - {threading.get_ident()}) == 1
    assert Patience(None).call(threading.get_ident) == threading.get_ident()
    with pytest.raises(CallFailed, match="KeyError"):
        Patience(None).call({}.__getitem__, "x")


def test_a_call_that_hung_blocks_the_next_until_it_is_done():
    patience, gate = Patience(0.05), threading.Event()
    with pytest.raises(CallFailed, match=r"did not answer within 0\.05 seconds"):
        patience.call(gate.wait)
    with pytest.raises(CallFailed, match="still busy"):
        patience.call(len, "x")
    gate.set()
    for _ in range(100):
        try:
            assert patience.call(len, "x") == 1
            break
        except CallFailed:
            time.sleep(0.01)
    else:
        pytest.fail("it stayed busy")


def test_patience_hands_on_what_happened():
    assert Patience(1).call(lambda: None) is None
    with pytest.raises(CallFailed, match="SystemExit"):
        Patience(1).call(exit)


@given(st.text(max_size=300))
def test_any_answer_can_be_read(text):
    answer = read_answer(text)
    for part in (answer.subgoal, answer.action):
        assert part is None or (part in text and len(part.splitlines()) <= 1)
