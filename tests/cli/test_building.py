"""`lamina build`: a package from a specification, with the scripted processor or an endpoint; taken up again; refusals."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lamina.agents.program_budget import Event
from lamina.agents.sandbox import confined
from lamina.cli.building_view import BuildingView
from lamina.working.program import StoredProgram
from tests.agents.answers import DONE, SUMMARY, Answers, use, write
from tests.cli.conftest import Shell

needs_namespaces = pytest.mark.skipif(confined() is None, reason="namespaces cannot be made here")


@pytest.mark.parametrize("check", ["--no-check", pytest.param("--check", marks=[pytest.mark.slow, needs_namespaces])])
def test_the_demo_writes_a_package_and_keeps_nothing(shell: Shell, tmp_path: Path, check: str) -> None:
    out = shell("build", "--demo", "--context", 2500, check)
    assert "12 files" in out
    assert "finished" in out
    assert "kit/bread.py" in out
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model that an endpoint's name stands for."""

    def given(*some: Any) -> Answers:
        model = Answers(*some)
        monkeypatch.setattr("lamina.models.registry.load_model", lambda spec, environment=None: model if spec else None)
        return model

    return given


def test_a_book_is_written_by_an_endpoint_and_taken_up_again(shell: Shell, tmp_path: Path, answers: Any) -> None:
    (tmp_path / "spec.txt").write_text("Write a guide to ferries.")
    plan = use("provide_detailed_sub_task_steps", steps=["Write a.md.", "Write b.md."])
    answers(plan, write(a__md="one two"), DONE, SUMMARY)
    with pytest.raises(IndexError):  # the endpoint breaks down
        shell("build", "spec.txt", "--out", "book", "--model", "openai:m@http://local/v1", "--prose", "--words", 2)
    model = answers(write(b__md="one"), write(b__md="one two"), DONE, SUMMARY)
    done = shell.json("build", "spec.txt", "-o", "book", "-m", "openai:m@http://local/v1", "--prose", "--words", 2, "-q")
    assert (done["finished"], done["files"]) == (True, ["a.md", "b.md"])
    assert "1 words" in model.asked[1][-2].content
    assert [one["status"] for one in done["instructions"]] == ["done", "done"]
    again = shell("build", "spec.txt", "-o", "book", "-m", "openai:m@http://local/v1", "--prose", "-q")
    assert "2 files" in again


@pytest.mark.parametrize("text", ['["Write a.md.", "Write b.md."]', "Write a.md.\n\nWrite b.md."])
def test_a_plan_may_be_given(shell: Shell, tmp_path: Path, answers: Any, text: str) -> None:
    (tmp_path / "plan").write_text(text)
    answers(write(a__md="1"), DONE, SUMMARY, write(b__md="2"), DONE, SUMMARY)
    shell("build", "-", "-o", "out", "-m", "x:y", "--plan", "plan", "--no-check", "--plot", "map.png", given="Write both.")
    assert [one.text for one in StoredProgram.open(tmp_path / "out").registry] == ["Write a.md.", "Write b.md."]
    assert (tmp_path / "map.png").stat().st_size > 1000
    assert "2 of 2, done" in shell.err


def test_what_is_not_finished_says_so(shell: Shell, tmp_path: Path, answers: Any) -> None:
    answers(*[DONE.__class__("I think at length about it. " * 40)] * 60)
    shell("build", "-", "-o", "out", "-m", "x:y", "--plan", "plan.json", code=2, given="Write.")
    (tmp_path / "plan.json").write_text('["Write a.md."]')
    out = shell(
        "build",
        "-",
        "-o",
        "out",
        "-m",
        "x:y",
        "--plan",
        "plan.json",
        "--no-check",
        "--retries",
        1,
        "-c",
        2000,
        code=1,
        given="Write.",
    )
    assert "not finished: instruction 1 began anew 1 times" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["build"], "SPEC"),
        (["build", "spec.txt"], "--out"),
        (["build", "none.txt", "-o", "x"], "not a file"),
        (["build", "spec.txt", "-o", "x"], "no language model"),
        (["build", "spec.txt", "-o", "x", "-m", "gpt"], "not a language model"),
        (["build", "--demo", "--network", "some"], "neither"),
        (["build", "--demo", "--context", "10"], "1000"),
        (["build", "--demo", "--prose", "--plan", "empty.json"], "no instructions"),
        (["build", "--demo", "--plan", "bad.json"], "JSON list"),
        (["build", "empty.json", "-o", "x", "--demo"], "must say"),
        (["build", "spec.txt", "--demo", "-o", "spec.txt"], "is a file"),
    ],
)
def test_what_cannot_be_is_refused(shell: Shell, tmp_path: Path, words: list[str], why: str) -> None:
    (tmp_path / "spec.txt").write_text("Write.")
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "bad.json").write_text("[1]")
    shell(*words, code=2)
    assert why in " ".join(shell.err.split())


def test_the_live_view_shows_instructions_context_and_files(tmp_path: Path) -> None:
    program = StoredProgram.open(tmp_path, "Write.")
    for n in range(30):
        program.registry.append(f"Write file {n}.")
    program.store.step = 1
    program.store.change({"a.md": "1"})
    program.registry.finish("done")
    view = BuildingView(program, 1000, shown=False)
    view.watch(Event("ask", 2, 30, tokens=500))
    view.watch(Event("tool", 2, 30, "write_files: Written: a.md."))
    out = Console(width=100, record=True, file=io.StringIO())
    out.print(view.picture())
    shown = out.export_text()
    assert "✓ Write file 0." in shown
    assert "500 of 1,000 tokens" in shown
    assert "a.md" in shown
    assert "write_files: Written" in shown
