"""Whole sessions as items: how they are put together, that a long one counts once, and the measures by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.locomo import data_file
from lamina.bench.ranking.collections import Asked, Collection, Passage
from lamina.bench.ranking.ours import Lamina
from lamina.bench.ranking.scoring import measured
from lamina.bench.sessions import LEAST, MEASURES, sessions_of
from lamina.errors import InputError
from lamina.text import CHUNK
from tests.bench.test_harness import check_form


def test_a_session_is_its_turns_with_their_captions_at_its_date(small_locomo: Path) -> None:
    first = sessions_of(small_locomo)[0]
    assert [passage.id for passage in first.passages] == ["session_1", "session_2"]
    one = first.passages[0]
    lines = one.text.split("\n")
    assert len(lines) == 12
    assert lines[0] == "Ben0: I lost the boat in week 1. [image: a photo of a harbour]"
    assert one.at == datetime(2023, 5, 4, 13, 30, tzinfo=UTC)
    assert set(one.message()) == {"content", "at", "origin"}


def test_all_five_categories_are_asked_and_what_has_no_evidence_is_not(small_locomo: Path) -> None:
    questions = sessions_of(small_locomo)[0].questions
    assert len(questions) == 24
    assert {asked.slice for asked in questions} == {"multi-hop", "temporal", "open-domain", "single-hop", "adversarial"}
    assert {asked.gold for asked in questions} == {frozenset({"session_1"}), frozenset({"session_2"})}


def test_gold_is_the_sessions_of_the_evidence_each_once(tmp_path: Path) -> None:
    turns = [{"speaker": "Ana", "dia_id": f"D1:{place}", "text": f"word {place}"} for place in (1, 2)]
    other = [{"speaker": "Ana", "dia_id": "D2:1", "text": "elsewhere"}]
    talk = {"speaker_a": "Ana", "session_1": turns, "session_2": other}
    asked = [{"question": "Which?", "evidence": ["D1:1", "D1:2", "D2:1"], "category": 1}]
    file = tmp_path / "locomo_two.json"
    file.write_text(json.dumps([{"conversation": talk, "qa": asked}]), encoding="utf-8")
    assert sessions_of(file)[0].questions[0].gold == {"session_1", "session_2"}


def long_collection() -> Collection:
    """Three sessions, the first of them so long that it becomes three traces, all of which match."""
    sentence = "Ana: the harbour was full of red boats again. "
    long = sentence * (2 * CHUNK // len(sentence) + 20)
    passages = [
        Passage("long#2", long, None, None),  # the id itself looks like that of a part
        Passage("short", "Ben: one red boat", None, None),
        Passage("none", "Ben: the weather", None, None),
    ]
    return Collection("c", passages, [Asked("red boats in the harbour", frozenset({"long#2"}), "s")])


def test_a_session_cut_into_parts_counts_once_and_pushes_nothing_out() -> None:
    one = long_collection()
    assert len(one.passages[0].text) > 2 * CHUNK
    found = Lamina().rankings([one], 3)["c"][0]
    assert found[0] == "long#2"
    assert sorted(found) == ["long#2", "none", "short"]
    assert Lamina().rankings([one], 2)["c"][0] == ["long#2", "short"]


def test_any_and_all_count_questions() -> None:
    asked = [Asked("?", frozenset({"a", "b"}), "s"), Asked("?", frozenset({"c"}), "s")]
    rest = [f"x{place}" for place in range(9)]
    rankings = {"c": [["a", *rest, "b"], [*rest, "c"]]}
    values = measured(rankings, [Collection("c", [], asked)], MEASURES)
    assert list(MEASURES) == ["recall@5", "recall@10", "recall@20", "any@10", "all@10"]
    assert values.tolist() == [[0.5, 0.5, 1.0, 1.0, 0.0], [0.0, 1.0, 1.0, 1.0, 1.0]]


def test_the_result_has_the_common_form(small_locomo: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.json"
    result = run_benchmark("sessions", data=small_locomo, peers=False, json_path=out)
    check_form(json.loads(out.read_text()))
    assert [made.system for made in result.rows] == ["lamina", "fts5", "dense", "random"]
    assert result.config["sessions"] == 6
    assert result.config["sessions_cut"] == 0
    assert {"against fts5", "against dense", "against random"} <= set(result.row("lamina").by)
    assert "all@10_points" in result.row("lamina").by["against fts5"]


def test_sessions_without_data_say_where_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    with pytest.raises(InputError, match="LAMINA_DATA"):
        run_benchmark("sessions")


@pytest.fixture(scope="module")
def result(data_root: Path) -> Result:
    try:
        data_file(data_root)
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    return run_benchmark("sessions", data=data_root, peers=False)


@pytest.mark.slow
def test_baselines_are_near_what_they_were_measured_to_be(result: Result) -> None:
    """Full-text search over twice as many conversations, measured elsewhere: 86.3 at 5, 92.6 at 10, any 95.9, all 89.0."""
    expected = {"recall@5": 0.863, "recall@10": 0.926, "any@10": 0.959, "all@10": 0.890}
    found = result.row("fts5").metrics
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=0.03)
    assert 0.3 < result.row("random").metrics["recall@10"] < 0.45


@pytest.mark.slow
def test_ours_reaches_the_goal_and_finds_more_than_vectors_alone(result: Result) -> None:
    assert result.row("lamina").metrics["recall@10"] >= LEAST
    assert result.row("lamina").by["against dense"]["recall@10_low_points"] > 0
