"""LoCoMo itself, where its data is: the thresholds, and the baselines as they were measured elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.bench import Result, run_benchmark
from lamina.bench.locomo import CROSS_VALIDATED, POOLED, data_file
from lamina.errors import InputError

LEAST = {"recall@5": 0.60, "recall@10": 0.69, "recall@20": 0.76}
MEASURED_ELSEWHERE = {"fts5": (0.520, 0.618, 0.693), "dense": (0.334, 0.409, 0.504)}
AT_LEAST_ELSEWHERE = {"blend": (0.589, 0.685, 0.744)}


@pytest.fixture(scope="module")
def result(data_root: Path) -> Result:
    try:
        data_file(data_root)
    except InputError:
        pytest.skip("no LoCoMo file in the evaluation data")
    corpora = Path(__file__).parents[2] / "corpora"
    return run_benchmark("locomo", data=data_root, peers=False, corpora=corpora)


@pytest.mark.parametrize("system", ["lamina", CROSS_VALIDATED, POOLED])
def test_recall_of_the_right_turns(result: Result, system: str) -> None:
    metrics = result.row(system).metrics
    assert all(metrics[name] >= least for name, least in LEAST.items()), metrics


def test_baselines_are_what_they_were_measured_to_be(result: Result) -> None:
    for system, expected in MEASURED_ELSEWHERE.items():
        assert list(result.row(system).metrics.values()) == pytest.approx(list(expected), abs=0.01), system
    for system, expected in AT_LEAST_ELSEWHERE.items():
        assert all(value > least - 0.01 for value, least in zip(result.row(system).metrics.values(), expected, strict=True)), (
            system
        )
    assert result.row("random").metrics["recall@20"] < 0.1


@pytest.mark.parametrize("system", ["lamina", CROSS_VALIDATED])
def test_ours_is_better_than_every_baseline_beyond_chance(result: Result, system: str) -> None:
    by = result.row(system).by
    for other in ("fts5", "dense", "blend", "random"):
        assert by[f"against {other}"]["recall@10_low_points"] > 0


def test_weights_from_our_own_conversations_too_keep_what_questions_with_several_answers_need(result: Result) -> None:
    """The other four conversations alone lose there; with the conversations of this project nothing is lost on the whole."""
    pooled, alone = result.row(POOLED), result.row(CROSS_VALIDATED)
    assert pooled.by["multi-hop"]["recall@10"] >= 0.56 > alone.by["multi-hop"]["recall@10"]
    assert pooled.metrics["recall@10"] >= 0.82
    assert pooled.by[f"against {CROSS_VALIDATED}"]["recall@10_high_points"] > 0


def test_every_conversation_and_category_is_reported(result: Result) -> None:
    parts = result.row("lamina").by
    assert {"single-hop", "multi-hop", "temporal", "open-domain"} <= set(parts)
    assert sum(name.startswith("conv-") for name in parts) >= 5


def test_shipped_weights_serve_another_domain_too() -> None:
    """The packaged conversation, on which nothing was fitted."""
    demo = run_benchmark("demo")
    ours = demo.row("lamina")
    for other in ("fts5", "dense", "blend"):
        assert ours.metrics["recall@10"] > demo.row(other).metrics["recall@10"]
    assert ours.by["against random"]["recall@10_low_points"] > 0
