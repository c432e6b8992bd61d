"""The benchmark of programs: each check reaches its goal, and each baseline falls short of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.agents import scripted_code as code
from lamina.agents.sandbox import confined
from lamina.bench import program as bench
from lamina.bench import run_benchmark
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.working.files import Snapshot
from tests.bench.test_harness import check_form

needs_namespaces = pytest.mark.skipif(confined() is None, reason="namespaces cannot be made here")
SMALL = 2000


def test_circles_are_broken_within_three_calls_and_the_temperature_returns_to_nought() -> None:
    for metrics in bench.loops().values():
        assert metrics["extra_calls"] <= 3
        assert metrics["last_temperature"] == 0
        assert metrics["finished"] == 1


@needs_namespaces
def test_requirements_stay_in_instructions_and_prompts_and_are_done() -> None:
    found = bench.retention(SMALL, 0)
    assert found["machine"]["retained"] >= 0.95
    assert found["machine"]["done"] >= 0.95
    assert found["six sentences"]["retained"] <= 0.5
    assert found["six sentences"]["done"] <= 0.5


def test_a_plan_of_six_sentences_is_one() -> None:
    wanted = bench.requirements(0)
    plan = bench.in_sentences(wanted)
    told = [one for one in plan.split(". ") if one]
    assert len(told) == 6
    assert all(len(one.split()) <= bench.WORDS for one in told)
    assert 0 < len(code.constants_in(plan)) < len(wanted)
    assert len(code.constants_in("\n".join(wanted))) == len(wanted) == 40


@needs_namespaces
def test_an_acceptance_test_can_fail() -> None:
    pieces = bench.drawn(4, 0)
    known = {piece.name: piece for piece in pieces}
    files = {}
    for piece in pieces:
        used = {name: code.chosen(name, False) for name in piece.uses}
        files[code.module_path(piece.name)] = code.module_text(piece, code.chosen(piece.name, False), used)
    assert bench.right(Snapshot.of(files), pieces) == 1
    assert bench.right(Snapshot.of({}), pieces) == 0
    last = pieces[-1]
    used = {name: code.chosen(name, False) for name in last.uses}
    for fault in ("syntax", "logic"):
        wrong = {**files, code.module_path(last.name): code.module_text(last, code.chosen(last.name, False), used, fault)}
        assert bench.right(Snapshot.of(wrong), pieces) == 0.75
    assert code.value_of(last.name, 3, known) > 0


def test_one_context_forgets() -> None:
    pieces = bench.drawn(12, 0)
    task = bench.task_of(pieces)
    small, large = (bench.one_context(task, pieces, size, kept=True).files for size in (SMALL, 40_000))
    assert len(large) == 24
    assert len(small) < 18
    assert WordLlamaTokens().count(task) < SMALL


def test_settings_that_make_no_sense_are_refused() -> None:
    for given in ({"modules": 2}, {"modules": "many"}, {"context": 100}):
        with pytest.raises(InputError):
            run_benchmark("program", **given)


@pytest.mark.slow
@needs_namespaces
def test_the_benchmark_reaches_its_goals(tmp_path: Path) -> None:
    out = tmp_path / "program.json"
    result = run_benchmark("program", json_path=out)
    check_form(json.loads(out.read_text()))
    machine = result.row("machine").by
    assert machine["long output"]["modules"] == machine["long output"]["own_tests"] == 1
    assert machine["long output"]["contexts_written"] >= 8
    assert machine["long output"]["largest_prompt_tokens"] <= SMALL
    assert result.row("one context").metrics["long output: modules"] < 0.4
    assert result.row("one context, task kept").metrics["long output: modules"] < 0.4
    assert machine["in place"]["modules"] == 1
    assert result.row("append only").metrics["in place: modules"] <= 0.5
    assert result.row("append only").by["in place"]["instructions_done"] < 0.7
    assert machine["faults"]["faulty"] == 0
    assert result.row("no checks").metrics["faults: faulty"] >= 0.2
    assert machine["faults"]["rewrites_per_fault"] == pytest.approx(1, abs=0.2)
    assert machine["restarts"]["restarts"] > 0
    assert machine["restarts"]["files_lost"] == 0
    assert machine["restarts"]["identical_rewrites"] <= 2
    assert machine["restarts"]["same_files"] == 1
    assert result.row("four times the context").metrics["restarts: restarts"] == 0
    assert (tmp_path / "program.png").exists()
