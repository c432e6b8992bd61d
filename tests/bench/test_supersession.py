"""The benchmark of changing facts: its data, its judge, and what the stage reaches on the half no rule was written for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.supersession import GOALS, HISTORIES, Question, judge, read_histories
from lamina.errors import InputError
from tests.bench.test_harness import check_form


def asked(*answers: str, attribute: str = "city") -> Question:
    return Question("Ana", (attribute,), 0, None, True, answers)


def test_the_file_holds_what_it_says() -> None:
    histories = read_histories(HISTORIES)
    assert Counter((one.control, one.part) for one in histories) == {
        (False, "development"): 100, (False, "held-out"): 100, (True, "development"): 50, (True, "held-out"): 50,
    }  # fmt: skip
    assert len({one.id for one in histories}) == 300
    assert all(one.questions for one in histories if not one.control)


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (["Lisbon"], True),
        (["the city of Lisbon"], True),
        (["Porto"], False),
        ([], False),
        (["Lisbon", "Porto"], False),
        (["Porto Lisbon"], False),
    ],
)
def test_an_answer_has_the_words_asked_for_and_none_of_another_time(found: list[str], right: bool) -> None:
    assert judge(found, asked("Lisbon"), [asked("Lisbon"), asked("Porto")]) is right


def test_nothing_is_an_answer_only_where_nothing_held() -> None:
    assert judge([], asked(), [asked()])
    assert not judge(["Porto"], asked(), [asked()])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        run_benchmark("supersession", histories=tmp_path / "none.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "x"}\n')
    with pytest.raises(InputError, match="not a file of histories"):
        run_benchmark("supersession", histories=bad)
    with pytest.raises(InputError, match="no part"):
        run_benchmark("supersession", part="other")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("bench") / "supersession.json"
    found = run_benchmark("supersession", json_path=out)
    check_form(json.loads(out.read_text()))
    return found


@pytest.mark.parametrize("part", ["development", "held-out"])
def test_facts_reach_the_goals_on_both_halves(result: Result, part: str) -> None:
    metrics = result.row("facts").by[part]
    assert metrics["now"] >= GOALS["now"]
    assert metrics["then"] >= GOALS["then"]
    assert metrics["false_supersession"] <= GOALS["false_supersession"]


def test_facts_do_better_than_the_latest_mention_and_than_rules_without_corrections(result: Result) -> None:
    ours = result.row("facts").metrics
    for name in ("latest mention", "no corrections or retractions"):
        other = result.row(name).metrics
        assert ours["now"] > other["now"] + 0.05
        assert ours["then"] > other["then"] + 0.04
