"""The machine: what it says, what it refuses, what it keeps; with answers written out by hand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.agents import program_prompts as prompts
from lamina.agents.control_unit import Budget, ControlUnit, Event
from lamina.agents.evaluators import Evaluation, ProseEvaluator
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.errors import BudgetError, Cancelled, InputError, ModelError, ModelOutputError
from lamina.models import Completion, Message, ToolCall
from lamina.models.tokens import WordLlamaTokens
from lamina.records import Run
from lamina.working.files import FileStore, Snapshot
from lamina.working.program import InstructionRegistry, StoredProgram
from lamina.working.steps import Step, prompt_tokens
from tests.agents.answers import DONE, SUMMARY, Answers, raw, use, write


def made(tmp_path: Path, *instructions: str, task: str = "Write a guide.") -> StoredProgram:
    return StoredProgram(task, FileStore(tmp_path / "out"), InstructionRegistry(instructions))


def unit(model: Any, program: StoredProgram, context: int = 4000, **given: Any) -> ControlUnit:
    budget = given.pop("budget", Budget(context=context, margin=300))
    return ControlUnit(model, program, budget=budget, **given)


class Judge:
    """Gives verdicts in order, the last one again and again."""

    advice = "It is judged."

    def __init__(self, *outcomes: str) -> None:
        self.outcomes = list(outcomes)
        self.seen: list[Snapshot] = []

    def evaluate(self, files: Snapshot) -> Evaluation:
        self.seen.append(files)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        return Evaluation(outcome, output=f"because {len(self.seen)}")  # type: ignore[arg-type]


def test_a_plan_is_made_and_done_one_instruction_at_a_time(tmp_path: Path) -> None:
    plan = use("provide_detailed_sub_task_steps", steps=["Write a.md.", " ", "Write b.md."])
    model = Answers(plan, write(a__md="one"), DONE, SUMMARY, write(b__md="two"), DONE, Completion("Both are there. Good. More."))
    program = made(tmp_path)
    report = unit(model, program, evaluator=ProseEvaluator()).run()
    assert report.finished
    assert program.store.snapshot().files == {"a.md": "one", "b.md": "two"}
    assert [one.summary for one in program.registry] == ["The file is there. It works.", "Both are there. Good."]
    fourth = model.asked[4]
    assert [one.role for one in fourth] == ["system", "user", "user"]
    assert "Write b.md." in fourth[2].content
    assert "Files: a.md" in fourth[2].content
    assert "The file is there. It works." in fourth[2].content
    assert "Write a.md." not in "".join(one.content for one in fourth)


def test_what_fails_is_shown_to_the_model_and_no_instruction_is_complete_before_it_passes(tmp_path: Path) -> None:
    model = Answers(write(a__md="1"), DONE, write(a__md="2"), DONE, SUMMARY)
    judge = Judge("failed", "passed")
    program = made(tmp_path, "Write a.md.")
    assert unit(model, program, evaluator=judge).run().finished
    assert "because 1" in model.asked[1][-2].content
    assert model.asked[2][-1].content.startswith("The instruction is not complete")
    assert len(judge.seen) == 2  # the same files are not judged twice
    assert program.registry._instructions[0].outcome == "passed"


@pytest.mark.parametrize(
    ("variant", "outcome", "finished"),
    [
        ("paper", "no tests", True),
        ("code", "no tests", True),
        ("paper", "timed out", False),
        ("code", "timed out", True),
        ("code", "failed", False),
    ],
)
def test_tests_that_do_not_end_pass_in_the_published_program_alone(
    tmp_path: Path, variant: str, outcome: str, finished: bool
) -> None:
    model = Answers(write(a__md="1"), DONE, SUMMARY if finished else Completion("Hm."))
    program = made(tmp_path, "Write a.md.")
    budget = Budget(context=4000, margin=300, calls=3)
    report = unit(model, program, evaluator=Judge(outcome), variant=variant, budget=budget).run()
    assert report.finished is finished
    assert finished or "3 calls" in report.reason


def test_an_instruction_without_a_trace_of_work_is_sent_back_and_marked(tmp_path: Path) -> None:
    model = Answers(DONE, DONE, DONE, SUMMARY)
    program = made(tmp_path, "Write a.md.")
    assert unit(model, program).run().finished
    assert model.asked[1][-1].content == prompts.UNPROVED
    assert next(iter(program.registry)).unproved
    shipped = made(tmp_path / "two", "Write a.md.")
    assert unit(Answers(DONE, SUMMARY), shipped, variant="code").run().finished


def test_work_done_before_an_interruption_counts(tmp_path: Path) -> None:
    def fail(messages: Any) -> Completion:
        raise ModelError("the endpoint is away")

    program = made(tmp_path, "Write a.md.", "Write b.md.")
    with pytest.raises(ModelError, match="away"):
        unit(Answers(write(a__md="1"), DONE, SUMMARY, write(b__md="2"), fail), program).run()
    again = StoredProgram.open(tmp_path / "out", "Write a guide.")
    assert again.registry.at == 1
    model = Answers(DONE, SUMMARY)
    assert unit(model, again).run().finished
    assert "The file is there. It works." in model.asked[0][2].content
    assert not any(one.unproved for one in again.registry)


def test_it_can_be_cancelled_between_calls_and_goes_on(tmp_path: Path) -> None:
    program = made(tmp_path, "Write a.md.", "Write b.md.")
    model = Answers(write(a__md="1"), DONE, SUMMARY, write(b__md="2"))
    with pytest.raises(Cancelled):
        unit(model, program, run=Run(cancelled=lambda: len(model.asked) == 4)).run()
    again = StoredProgram.open(tmp_path / "out")
    assert again.registry.at == 1
    assert again.store.snapshot().files == {"a.md": "1", "b.md": "2"}
    assert unit(Answers(DONE, SUMMARY), again).run().finished


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (raw("write_files", '{"files": [{"path": "a.md", "con'), "are not JSON"),
        (raw("write_files", "[1]"), "break its schema"),
        (raw("write_files", '{"files": [{"path": "a.md"}]}'), "break its schema"),
        (raw("write_files", '{"files": []}'), "at least one file"),
        (raw("write_files", '{"files": [{"path": "a", "contents": ""}, {"path": "a", "contents": "x"}]}'), "twice"),
        (raw("write_files", '{"files": [{"path": "../a", "contents": ""}]}'), "leaves the folder"),
        (raw("write_files", '{"files": [{"path": "/a", "contents": ""}]}'), "absolute"),
        (raw("write_files", '{"files": [', truncated=True), "cut off"),
        (raw("view_files", '{"paths": ["none.md"]}'), "no file none.md"),
        (raw("view_files", '{"paths": []}'), "paths is empty"),
        (raw("delete_files", '{"paths": ["none.md"]}'), "no file 'none.md'"),
        (raw("delete_files", '{"paths": []}'), "paths is empty"),
        (raw("run_file", '{"path": "a.py"}'), "no tool 'run_file'"),
        (raw("format_disk", "{}"), "no tool 'format_disk'"),
        (raw("", ""), "no tool ''"),
    ],
)
def test_calls_that_cannot_be_done_are_answered_not_raised(tmp_path: Path, answer: Completion, told: str) -> None:
    model = Answers(answer, write(a__md="1"), DONE, SUMMARY)
    program = made(tmp_path, "Write a.md.")
    assert unit(model, program).run().finished
    shown = next(one for one in model.asked[1] if one.role == "tool")
    assert told in shown.content
    assert program.store.list() == ["a.md"]


def test_calls_get_ids_of_their_own_and_none_is_done_after_completion(tmp_path: Path) -> None:
    calls = (*(ToolCall("", "list_files", "") for _ in range(2)), DONE.tool_calls[0], *write(b__md="late").tool_calls)
    model = Answers(write(a__md="1"), Completion("", tool_calls=calls), SUMMARY)
    program = made(tmp_path, "Write a.md.")
    assert unit(model, program).run().finished
    results = [one for one in model.asked[2] if one.role == "tool"][1:]
    assert len({one.tool_call_id for one in results}) == 4
    assert "Not done" in results[-1].content
    assert program.store.list() == ["a.md"]


def test_everything_can_be_deleted_in_a_mixed_list(tmp_path: Path) -> None:
    model = Answers(
        write(a__md="1", b__md="2"), use("delete_files", paths=["a.md", "-1", "none"]), write(c__md="3"), DONE, SUMMARY
    )
    program = made(tmp_path, "Write c.md.")
    assert unit(model, program).run().finished
    assert program.store.list() == ["c.md"]


def test_silence_is_asked_again_and_then_filled_in(tmp_path: Path) -> None:
    model = Answers(write(a__md="1"), DONE, Completion(""), Completion(" \n"), Completion("", tool_calls=DONE.tool_calls))
    program = made(tmp_path, "Write a.md. It is short.")
    assert unit(model, program).run().finished
    assert model.asked[3][-1].content == prompts.IN_WORDS
    assert next(iter(program.registry)).summary == "Done: Write a; files: a.md"


def test_summaries_are_cut_to_size() -> None:
    assert len(prompts.in_short("word " * 1000)) <= prompts.CHARACTERS
    assert prompts.in_short("One. Two! Three? Four.") == "One. Two!"
    assert prompts.in_short("  \n ") == ""


def test_the_context_is_never_exceeded_and_calls_keep_their_results(tmp_path: Path) -> None:
    counter = WordLlamaTokens()
    long = "\n".join(f"line {n} of a long text about ferries and their times" for n in range(60))
    answers: list[Any] = []
    for n in range(6):
        answers += [write(**{f"f{n}__md": long}), use("view_files", paths=[f"f{n}.md"])]
    left = iter([*answers, DONE])

    def next_one(messages: Any) -> Completion:
        if messages[-1].content.startswith(prompts.EXHAUSTED[:30]):
            return Completion("Some are written. Others are left.")
        return SUMMARY if messages[-1].content.startswith(prompts.SUMMARISE[:30]) else next(left)

    model = Answers(*[next_one] * 60)
    program = made(tmp_path, "Write six files.")
    events: list[Event] = []
    report = unit(model, program, 2400, watch=events.append).run()
    assert report.finished
    assert report.restarts >= 2
    assert max(prompt_tokens(one, counter) for one in model.asked) + 200 < 2400
    assert program.spent.largest_prompt <= 2400
    assert "Some are written. Others are left." in model.asked[-2][2].content
    assert len(program.store.list()) == 6
    assert {"begin", "ask", "tool", "restart", "done"} <= {one.kind for one in events}


def test_a_file_larger_than_the_context_is_kept_though_its_call_cannot_be(tmp_path: Path) -> None:
    long = "\n".join(f"line {n} of a long text about ferries" for n in range(400))
    model = Answers(write(a__md=long), Completion("a.md is written. It is to be called complete."), DONE, SUMMARY)
    program = made(tmp_path, "Write a.md.")
    report = unit(model, program, 2000).run()
    assert (report.finished, report.restarts) == (True, 1)
    assert program.store.snapshot().files == {"a.md": long}
    assert program.spent.largest_prompt <= 2000


CALLS = st.sampled_from(
    ["list_files", "view_files", "write_files", "delete_files", "sub_task_step_complete", "unknown", "run_file"]
)
PATHS = st.sampled_from(["a.md", "b/c.md", "../x", "", "-1", "A.md", "b"])
TEXTS = st.builds(
    lambda word, times: f"{word} " * times, st.sampled_from(["ferry", "x\ny", "é"]), st.sampled_from([0, 5, 200, 1500])
)
ARGUMENTS = st.one_of(
    st.builds(
        lambda paths, first: json.dumps({"paths": paths, "first": first}), st.lists(PATHS, max_size=3), st.integers(-1, 900)
    ),
    st.builds(lambda path, text: json.dumps({"files": [{"path": path, "contents": text}]}), PATHS, TEXTS),
    st.sampled_from(["", "{}", "{", "null", '{"paths": [1]}']),
)
ANSWERS = st.builds(
    lambda text, calls: Completion(text, tool_calls=tuple(ToolCall(*call) for call in calls)),
    TEXTS,
    st.lists(st.tuples(st.sampled_from(["", "a", "b"]), CALLS, ARGUMENTS), max_size=4),
)


@settings(max_examples=int(settings().max_examples / 5))
@given(st.lists(ANSWERS, min_size=1, max_size=12))
def test_whatever_a_model_does_prompts_stay_small_and_well_formed(answers: list[Completion]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = made(Path(folder), "Write a guide.", "Write another.")
        model = Answers(*answers * 10)
        budget = Budget(context=1500, margin=200, retries=4, calls=len(answers) * 2)
        report = unit(model, program, budget=budget, evaluator=Judge("passed", "failed", "passed")).run()
        assert program.spent.largest_prompt <= 1500
        assert report.finished is program.finished
        assert all(path in ("a.md", "b/c.md", "-1", "A.md", "b") for path in program.store.list())
        again = StoredProgram.open(Path(folder) / "out")
        assert (list(again.registry), again.store.accesses) == (list(program.registry), program.store.accesses)


def test_a_file_larger_than_the_context_can_be_read_in_parts(tmp_path: Path) -> None:
    lines = [f"{n}: the ferry leaves at {n * 7 % 60} past the hour" for n in range(1, 900)]
    program = made(tmp_path, "Find the last line.")
    program.store.change({"times.md": "\n".join(lines)})
    seen: set[str] = set()
    first = [1]

    def read(messages: Any) -> Completion:
        last = messages[-1].content
        if last.startswith(prompts.EXHAUSTED[:30]):
            return Completion(f"Read up to line {first[0] - 1}.")
        if last.startswith(prompts.SUMMARISE[:30]):
            return SUMMARY
        shown = [one.content for one in messages if one.role == "tool"]
        for text in shown:
            seen.update(line for line in text.splitlines() if line in known)
        first[0] = len(seen) + 1
        return (
            write(found__md=lines[-1])
            if len(seen) == len(lines) and "found.md" not in last + "".join(shown)
            else (DONE if len(seen) == len(lines) else use("view_files", paths=["times.md"], first=first[0]))
        )

    known = set(lines)
    assert unit(Answers(*[read] * 200), program, 2500).run().finished
    assert program.store.snapshot().files["found.md"] == lines[-1]


def test_a_line_longer_than_the_context_can_be_read_in_parts(tmp_path: Path) -> None:
    text = "".join(f"<{n}>" for n in range(6000))
    program = made(tmp_path, "Read it.")
    program.store.change({"one.txt": text})
    tools = unit(Answers(), program).tools
    offset, read = 0, ""
    while offset < len(text):
        result = tools.use(ToolCall("c", "view_files", f'{{"paths": ["one.txt"], "offset": {offset}}}'), 800)
        assert WordLlamaTokens().count(result.text) <= 800
        part = result.text.split("\n")[2]
        assert part
        read, offset = read + part, offset + len(part)
    assert read == text
    assert "no offset" in tools.use(ToolCall("c", "view_files", f'{{"paths": ["one.txt"], "offset": {len(text) + 1}}}'), 800).text


def test_views_name_what_they_leave_out(tmp_path: Path) -> None:
    program = made(tmp_path, "Read it.")
    program.store.change({f"f{n}.md": "words and words\n" * 300 for n in range(3)} | {"small.md": "x"})
    tools = unit(Answers(), program).tools
    result = tools.use(ToolCall("c", "view_files", '{"paths": ["small.md", "f0.md", "f1.md", "f2.md", "no.md"]}'), 1000)
    assert result.status == "error"
    assert "go on with first=" in result.text
    assert "not shown for want of room: f1.md f2.md" in result.text
    assert "there is no file no.md" in result.text
    assert WordLlamaTokens().count(result.text) <= 1000
    assert "go with one path" in tools.use(ToolCall("c", "view_files", '{"paths": ["f0.md", "f1.md"], "first": 2}'), 1000).text


def test_a_base_prompt_over_the_context_is_refused_with_both_counts(tmp_path: Path) -> None:
    program = made(tmp_path, "Write it.", task="word " * 3000)
    with pytest.raises(BudgetError, match=r"take \d+ tokens, and a context of 2000 leaves 1700"):
        unit(Answers(), program, 2000).run()
    with pytest.raises(BudgetError, match=r"the prompt takes \d+ tokens"):
        unit(Answers(), made(tmp_path / "two", task="word " * 3000), 2000).run()


def test_a_long_list_of_files_gives_way(tmp_path: Path) -> None:
    program = made(tmp_path, "Write x.md.")
    program.store.change({f"chapters/a_rather_long_name_of_a_chapter_{n}.md": "x" for n in range(200)})
    model = Answers(write(x__md="1"), DONE, SUMMARY)
    assert unit(model, program, 2500).run().finished
    assert "Files: 200 files; list_files names them" in model.asked[0][2].content


@pytest.mark.parametrize("steps", [[], [" "], ["x"] * 11, "x", [1]])
def test_plans_that_are_none_are_asked_for_again(tmp_path: Path, steps: Any) -> None:
    bad = use("provide_detailed_sub_task_steps", steps=steps)
    good = use("provide_detailed_sub_task_steps", steps=["Write a.md."])
    model = Answers(bad, Completion("I plan."), good, write(a__md="1"), DONE, SUMMARY)
    assert unit(model, made(tmp_path)).run().finished
    assert model.asked[1][-1].content.startswith("Call provide_detailed_sub_task_steps")
    with pytest.raises(ModelOutputError, match="no plan in 3 answers"):
        unit(Answers(bad, bad, bad), made(tmp_path / "two")).run()


def test_the_plan_is_looked_at_again_where_that_is_asked_for(tmp_path: Path) -> None:
    first = use("provide_detailed_sub_task_steps", steps=["Write."])
    better = use("provide_detailed_sub_task_steps", steps=["Write a.md.", "Write b.md."])
    budget = Budget(context=4000, margin=300, reflections=1)
    program = made(tmp_path)
    unit(Answers(first, better), program, budget=budget).plan()
    assert [one.text for one in program.registry] == ["Write a.md.", "Write b.md."]
    kept = made(tmp_path / "two")
    unit(Answers(first, *[Completion("fine")] * 3), kept, budget=budget).plan()
    assert [one.text for one in kept.registry] == ["Write."]
    shipped = made(tmp_path / "three")
    unit(Answers(first), shipped, budget=budget, variant="code").plan()
    assert len(shipped.registry) == 1


def test_an_instruction_that_is_never_complete_fails_and_can_be_tried_again(tmp_path: Path) -> None:
    def talk(messages: Any) -> Completion:
        return Completion("I think about it, at length. " * 60)

    program = made(tmp_path, "Write a.md.")
    report = unit(Answers(*[talk] * 100), program, 2400, budget=Budget(context=2400, margin=300, retries=2)).run()
    assert not report.finished
    assert "began anew 2 times" in report.reason
    assert next(iter(program.registry)).status == "failed"
    again = StoredProgram.open(tmp_path / "out")
    assert unit(Answers(write(a__md="1"), DONE, SUMMARY), again).run().finished


def test_going_in_circles_raises_the_temperature(tmp_path: Path) -> None:
    view = use("view_files", paths=["a.md"])
    model = Answers(write(a__md="1"), view, view, view, DONE, SUMMARY)
    report = unit(model, made(tmp_path, "Write a.md.")).run()
    assert model.temperatures == [0.0, 0.0, 0.0, 0.4, 0.8, 0.7]
    assert report.loops == 2


def test_any_model_will_do_and_turns_are_kept_beyond_the_run(tmp_path: Path) -> None:
    class Plain:
        name = "plain"
        answers = iter(
            [
                '{"tool": "provide_detailed_sub_task_steps", "arguments": {"steps": ["Write a.md."]}}',
                '{"tool": "write_files", "arguments": {"files": [{"path": "a.md", "contents": "one"}]}}',
                '{"tool": "sub_task_step_complete", "arguments": {}}',
                "It is in a.md.",
            ]
        )

        def complete(self, messages: Any, **given: Any) -> Completion:
            assert all(one.role != "tool" for one in messages)
            return Completion(next(self.answers))

    class Sink:
        kept: list[Step] = []
        outcome = ""

        def keep(self, step: Step, title: str | None) -> None:
            self.kept.append(step)

        def close(self, outcome: str) -> None:
            self.outcome = outcome

    sink = Sink()
    program = made(tmp_path)
    assert unit(Plain(), program, sink=sink).run().finished
    assert program.store.snapshot().files == {"a.md": "one"}
    assert [step.messages[0].tool_calls[0].name for step in sink.kept] == ["write_files", "sub_task_step_complete"]
    assert sink.outcome == "finished"


def test_settings_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    for wrong in ({"context": 0}, {"steps": 0}, {"retries": -1}, {"answer": 1.5}, {"calls": True}, {"margin": 8000}):
        with pytest.raises(InputError):
            Budget(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'paper' or 'code'"):
        unit(Answers(), made(tmp_path, "x"), variant="other")


def test_the_scripted_processor_knows_only_what_it_is_shown() -> None:
    processor = ScriptedProcessor()
    task = "bread: 3x+2\nlunch: 2x+4 bread"
    asked = prompts.execute_message("lunch: 2x+4 bread", "kit/ bread.py; tests/ test_bread.py", "", "")
    answer = processor.call([prompts.task_message(task), asked], ())
    assert answer.text == "I do not know what the function of bread is called: it is not in what I was shown."
    head = Message("user", '"""bread: 3x+2"""\n# interface: bread.cost_1(x)\n# uses: nothing')
    assert (
        "I do not know what bread computes"
        in processor.call([head.__class__("user", head.content.replace("3x+2", "")), asked], ()).text
    )
    assert processor.call([prompts.task_message(task), head, asked], ()).tool_calls[0].name == "write_files"
