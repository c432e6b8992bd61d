from __future__ import annotations

import json
import time

import pytest

from lamina.agents.calling import CallingAgent
from lamina.errors import BudgetError, InputError
from lamina.models import Completion, Tool, ToolCall
from lamina.models.protocols import check_tools
from lamina.working.history import FullHistory, SlidingWindow
from lamina.working.subgoals import SubgoalMemory

NUMBER = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
DOUBLE = (Tool("double", "Doubles a number.", NUMBER), lambda number: 2 * number)
FAIL = (Tool("fail", "Fails.", {"type": "object"}), lambda: 1 / 0)
HANG = (Tool("hang", "Hangs.", {"type": "object"}), lambda: time.sleep(1))


def calls(*asked, text=""):
    return Completion(text, tool_calls=tuple(ToolCall(f"c{n}", name, arguments) for n, (name, arguments) in enumerate(asked)))


class Scripted:
    name = "scripted"

    def __init__(self, *answers):
        self.answers, self.seen, self.offered = list(answers), [], []

    def complete(self, messages, **_):
        raise AssertionError

    def call(self, messages, tools, *, max_tokens=1024, temperature=0.0):
        check_tools(messages, tools)
        self.seen.append(messages)
        self.offered.append([tool.name for tool in tools])
        return self.answers.pop(0) if self.answers else Completion("done")


def run(*answers, memory=None, **settings):
    model = Scripted(*answers)
    memory = memory or SubgoalMemory(form="chat")
    return (
        CallingAgent(model, memory, [DOUBLE, FAIL, HANG], **settings).run("Double things.", instruction="Be brief."),
        model,
        memory,
    )


def test_calls_and_results_are_one_step_and_subgoals_fold_them():
    work, model, memory = run(
        calls(("begin_subgoal", '{"subgoal": "First"}'), ("double", '{"number": 4}'), ("double", '{"number": 5}')),
        calls(("begin_subgoal", '{"subgoal": "Second"}')),
        calls(("double", '{"number": 6}')),
        calls(("retrieve", '{"ids": [1]}')),
        Completion("8, 10 and 12"),
    )
    assert (work.answer, work.steps, work.subgoals, work.failed, work.refused) == ("8, 10 and 12", 2, 2, 0, 0)
    assert model.offered[0] == ["begin_subgoal", "retrieve", "double", "fail", "hang"]
    first = list(memory.log.chunk(1).steps)
    assert len(first) == 1
    assert [one.content for one in first[0].messages if one.role == "tool"] == ["8", "10"]
    folded = "\n".join(one.content for one in model.seen[2])
    assert "1 Subgoal: First" in folded
    assert not any(one.role == "tool" for one in model.seen[2])
    assert [one.content for one in model.seen[4] if one.role == "tool"] == ["8", "10", "12"]
    assert model.seen[0][0].content.startswith("Be brief.\n\nWork in subgoals.")


def test_a_subgoal_may_be_named_in_words():
    work, _, memory = run(
        calls(("double", '{"number": 4}'), text="Subgoal: First\nI double."),
        calls(("double", '{"number": 1}'), text="Subgoal: Next"),
    )
    assert work.subgoals == 2
    assert [chunk.title for chunk in memory.log.chunks] == [None, "First", "Next"]
    assert memory.log.chunk(1).steps[0].messages[0].content == "I double."


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("fail", "{}", "Error: it failed: ZeroDivisionError: division by zero"),
        ("hang", "{}", "Error: it did not answer within 0.1 seconds"),
        ("double", '{"number": "x"}', "Error: the arguments of double break its schema"),
        ("double", '{"number"', "Error: the arguments of double are not JSON"),
        ("halve", "{}", "Error: there is no tool 'halve': there is double, fail, hang"),
    ],
)
def test_a_tool_that_fails_is_a_result_not_the_end(name, arguments, result):
    work, model, _ = run(calls((name, arguments), ("double", '{"number": 3}')), patience=0.1)
    results = [one.content for one in model.seen[1] if one.role == "tool"]
    assert results[0].startswith(result)
    assert results[1] == ("Error: it is still busy with what was asked before" if name == "hang" else "6")
    assert work.answer == "done"
    assert work.failed == (2 if name == "hang" else 1)


def test_wishes_the_memory_refuses_are_told_and_capped():
    work, model, _ = run(*[calls(("retrieve", '{"ids": [4]}'))] * 9)
    assert work.refused == 4
    assert not work.answer
    assert "Not possible: 4 cannot be retrieved" in model.seen[1][-1].content
    work, model, _ = run(
        calls(("begin_subgoal", '{"subgoal": "a"}')), calls(("begin_subgoal", '{"subgoal": "b"}')), calls(("retrieve", "[]"))
    )
    assert work.refused == 2
    assert "two subgoals in a row" in model.seen[2][-1].content


@pytest.mark.parametrize("memory", [FullHistory(), SlidingWindow(2), SubgoalMemory(form="text")])
def test_other_memories_serve_as_well(memory):
    work, model, _ = run(*[calls(("double", json.dumps({"number": n}))) for n in range(5)], memory=memory)
    assert work.answer == "done"
    assert "8" in model.seen[5][-1].content


def test_the_horizon_ends_a_run_and_budgets_are_kept():
    work, model, memory = run(*[calls(("double", json.dumps({"number": n}))) for n in range(50)], horizon=20, budget=420)
    assert work.steps == 20
    assert not work.answer
    assert max(work.tokens) <= 420
    assert memory.prompt(model.seen[0][:2], 300).hidden_steps > 0


def test_bad_settings_are_refused():
    with pytest.raises(BudgetError, match="what tells of the tools takes"):
        run(budget=50)
    with pytest.raises(InputError, match="two tools"):
        CallingAgent(Scripted(), FullHistory(), [DOUBLE, DOUBLE])
    with pytest.raises(InputError, match="task is empty"):
        CallingAgent(Scripted(), FullHistory()).run(" ")
    with pytest.raises(InputError, match="horizon"):
        CallingAgent(Scripted(), FullHistory(), horizon=0)


def test_a_model_that_knows_no_tools_is_told_of_them_in_words():
    class Wordy:
        name = "wordy"

        def __init__(self):
            self.answers = [
                '{"tool": "begin_subgoal", "arguments": {"subgoal": "First"}}',
                '{"tool": "double", "arguments": {"number": 4}}',
                "It is 8.",
            ]
            self.seen = []

        def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
            self.seen.append(messages)
            return Completion(self.answers.pop(0))

    model, memory = Wordy(), SubgoalMemory(form="chat")
    work = CallingAgent(model, memory, [DOUBLE]).run("Double 4.")
    assert (work.answer, work.steps, work.subgoals) == ("It is 8.", 1, 1)
    assert "- double: Doubles a number." in model.seen[0][0].content
    assert memory.log.chunk(1).title == "First"
    assert any(message.content == "Result of double:\n8" for message in model.seen[2])
