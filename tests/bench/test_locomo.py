"""LoCoMo itself, where its data is: the thresholds, and the baselines as they were measured elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from lamina.bench import Result, locomo, run_benchmark
from lamina.bench.locomo import CROSS_VALIDATED, POOLED, data_file
from lamina.errors import InputError

LEAST = {"recall@5": 0.60, "recall@10": 0.69, "recall@20": 0.76}
MEASURED_ELSEWHERE = {"fts5": (0.520, 0.618, 0.693), "dense": (0.334, 0.409, 0.504)}
AT_LEAST_ELSEWHERE = {"blend": (0.589, 0.685, 0.744)}


@pytest.fixture(scope="module")
def result(data_root: Path) -> Result:
    """The shipped weights and the baselines, without the refits."""
    try:
        data_file(data_root)
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    return run_benchmark("locomo", data=data_root, peers=False, cross_validate=False)


@pytest.fixture(scope="module")
def refitted(data_root: Path) -> Result:
    """The same with weights fitted on the other conversations, and on this project's own too: each a fit for every conversation."""
    try:
        data_file(data_root)
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    corpora = Path(__file__).parents[2] / "corpora"
    return run_benchmark("locomo", data=data_root, peers=False, corpora=corpora)


def check_recall(result: Result, system: str) -> None:
    metrics = result.row(system).metrics
    assert all(metrics[name] >= least for name, least in LEAST.items()), metrics


def check_against_baselines(result: Result, system: str) -> None:
    by = result.row(system).by
    for other in ("fts5", "dense", "blend", "random"):
        assert by[f"against {other}"]["recall@10_low_points"] > 0


def test_recall_of_the_right_turns(result: Result) -> None:
    check_recall(result, "lamina")


@pytest.mark.slow
@pytest.mark.parametrize("system", [CROSS_VALIDATED, POOLED])
def test_recall_of_the_right_turns_with_weights_of_others(refitted: Result, system: str) -> None:
    check_recall(refitted, system)


def test_baselines_are_what_they_were_measured_to_be(result: Result) -> None:
    for system, expected in MEASURED_ELSEWHERE.items():
        assert list(result.row(system).metrics.values()) == pytest.approx(list(expected), abs=0.01), system
    for system, expected in AT_LEAST_ELSEWHERE.items():
        assert all(value > least - 0.01 for value, least in zip(result.row(system).metrics.values(), expected, strict=True)), (
            system
        )
    assert result.row("random").metrics["recall@20"] < 0.1


def test_ours_is_better_than_every_baseline_beyond_chance(result: Result) -> None:
    check_against_baselines(result, "lamina")


@pytest.mark.slow
def test_weights_of_others_are_better_than_every_baseline_beyond_chance(refitted: Result) -> None:
    check_against_baselines(refitted, CROSS_VALIDATED)


@pytest.mark.slow
def test_weights_from_our_own_conversations_too_keep_what_questions_with_several_answers_need(refitted: Result) -> None:
    """The other four conversations alone lose there; with the conversations of this project nothing is lost on the whole."""
    pooled, alone = refitted.row(POOLED), refitted.row(CROSS_VALIDATED)
    assert pooled.by["multi-hop"]["recall@10"] >= 0.56 > alone.by["multi-hop"]["recall@10"]
    assert pooled.metrics["recall@10"] >= 0.82
    assert pooled.by[f"against {CROSS_VALIDATED}"]["recall@10_high_points"] > 0


def test_every_conversation_and_category_is_reported(result: Result) -> None:
    parts = result.row("lamina").by
    assert {"single-hop", "multi-hop", "temporal", "open-domain"} <= set(parts)
    assert sum(name.startswith("conv-") for name in parts) >= 5


def test_refits_are_rows_beside_the_shipped_weights(small_locomo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few turns, with the packaged conversation in the place of this project's own."""
    folder, packaged = tmp_path / "conversations", resources.files("lamina.demo")
    folder.mkdir()
    for part, file in ((".jsonl", "conversation.jsonl"), (".questions.jsonl", "questions.jsonl")):
        (folder / f"one{part}").write_text(packaged.joinpath(file).read_text(encoding="utf-8"), encoding="utf-8")
    joined: list[list[int]] = []
    inner = locomo.leave_one_out

    def noted(*given: Any, also: Sequence[Sequence[Any]] = (), **more: Any) -> Any:
        joined.append([len(groups) for groups in also])
        return inner(*given, also=also, **more)

    monkeypatch.setattr(locomo, "leave_one_out", noted)
    small = run_benchmark("locomo", data=small_locomo, peers=False, corpora=tmp_path)
    assert [row.system for row in small.rows][:3] == ["lamina", CROSS_VALIDATED, POOLED]
    assert {"against lamina", f"against {CROSS_VALIDATED}", "against fts5"} <= set(small.row(POOLED).by)
    assert joined[0] == []
    assert [count > 40 for count in joined[1]] == [True]  # the questions of one conversation
    assert set(small.config["ridge_of_left_out"]) == {"conv-0", "conv-1", "conv-2"}
    assert all(
        small.row(one).metrics["recall@20"] > small.row("random").metrics["recall@20"]
        for one in ("lamina", CROSS_VALIDATED, POOLED)
    )


def test_shipped_weights_serve_another_domain_too() -> None:
    """The packaged conversation, on which nothing was fitted."""
    demo = run_benchmark("demo")
    ours = demo.row("lamina")
    for other in ("fts5", "dense", "blend"):
        assert ours.metrics["recall@10"] > demo.row(other).metrics["recall@10"]
    assert ours.by["against random"]["recall@10_low_points"] > 0
