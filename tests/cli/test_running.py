"""lamina run: worlds of text played from the command line."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell


def test_a_world_is_played_and_told_line_by_line(shell: Shell) -> None:
    out = shell("run", "fetch", "--budget", 900, "--horizon", 60)
    assert "subgoal: Deliver the " in out
    assert "folded 1" in out
    assert "The goal was reached in " in out
    assert "\x1b" not in out


def test_the_json_says_what_each_prompt_folds_and_keeps_the_budget(shell: Shell) -> None:
    found = shell.json("run", "fetch", "--budget", 700, "--horizon", 60, "--seed", 2)
    assert found["success"] is True
    assert found["memory"] == "hiagent"
    assert found["steps"] == len(found["played"]) == found["played"][-1]["step"]
    assert all(one["tokens"] <= 700 * one["asked"] for one in found["played"])
    assert any(one["folded"] for one in found["played"])
    assert any(one["hidden_subgoals"] for one in found["played"])
    assert found["subgoals"] == sum(one["subgoal"] is not None for one in found["played"]) == 4


def test_nested_folding_says_which_subgoals_are_condensed(shell: Shell) -> None:
    found = shell.json("run", "tyreworld", "--size", 2, "--memory", "nested", "--budget", 1250)
    assert found["success"] is True
    assert found["memory"] == "nested"
    assert found["played"][-1]["condensed"] == list(range(1, found["subgoals"] - 1))  # the last began with it
    assert not any(one["hidden_subgoals"] for one in found["played"])
    assert "condensed 1, 2" in shell("run", "tyreworld", "--size", 2, "--memory", "nested", "--budget", 1250)


def test_a_goal_that_is_not_reached_is_an_exit_code(shell: Shell) -> None:
    out = shell("run", "fetch", "--memory", "window", "--budget", 700, "--horizon", 9, code=1)
    assert "The goal was not reached in 9 steps with the memory window" in out
    assert "hidden " in out


@pytest.mark.parametrize("world", ["blocksworld", "gripper", "tyreworld"])
def test_the_planning_worlds_can_be_played(shell: Shell, world: str) -> None:
    assert shell.json("run", world)["success"] is True


def test_a_second_task_in_the_same_world_begins_with_what_the_first_taught(shell: Shell) -> None:
    first = shell.json("run", "fetch", "--keep", "robot.db", "--session", "first", "--budget", 3000, "--horizon", 60)
    second = shell.json("run", "fetch", "--keep", "robot.db", "--session", "second", "--budget", 3000, "--horizon", 60)
    assert first["known"] == ""
    assert "<recalled-memory>" in second["known"]
    assert "Seen in the " in second["known"]
    assert len(shell.json("search", "robot.db", "hall", "--agent", "agent", "--session", "first")) > 0
    shell("run", "fetch", "--keep", "robot.db", "--session", "second", code=2)
    assert "a task 'second' in this memory already" in shell.err
    other = shell.json("run", "fetch", "--seed", 5, "--keep", "robot.db", "--horizon", 60)
    assert other["known"] == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mars"], "'mars' is not a world: use one of blocksworld"),
        (["fetch", "--memory", "elephant"], "'elephant' is not a working memory: use one of full"),
        (["fetch", "--budget", "100"], r"in a budget of 100"),
        (["fetch", "--budget", "-3"], "budget must be a whole number"),
        (["fetch", "--size", "1"], "number of rooms"),
        (["fetch", "--model", "oracle"], "'oracle' is not a language model"),
        (["fetch", "--patience", "0"], "seconds to wait"),
    ],
)
def test_bad_input_is_refused_in_a_line(shell: Shell, words: list[str], told: str) -> None:
    shell("run", *words, code=2)
    assert told in shell.err
    assert len(shell.err.strip().splitlines()) == 1
