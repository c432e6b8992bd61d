"""What feedback is worth, with its controls: on the packaged conversation, and where its data is there on LoCoMo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.bench import feedback, run_benchmark
from lamina.bench.feedback import SYSTEMS
from lamina.bench.locomo import collections_of
from lamina.bench.results import Result


def points(result: Result, system: str, data: str, depth: int = 10) -> tuple[float, float, float]:
    """How much higher a system's recall is than that of the shipped weights, with its interval."""
    slice_ = result.row(system).by[f"against shipped ({data})"]
    return tuple(slice_[f"recall@{depth}{end}_points"] for end in ("", "_low", "_high"))  # type: ignore[return-value]


def tell(result: Result, data: str) -> None:
    for system in SYSTEMS[1:]:
        found, low, high = points(result, system, data)
        print(f"\n{data}: {system} {found:+.1f} points of recall@10 [{low:+.1f}, {high:+.1f}]", end="")


def test_what_is_left_out_does_not_suffer_and_the_controls_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The effect: feedback on half of the questions, whose other half is ranked no worse. Few as they are, it need not rise."""
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    result = run_benchmark("feedback", seed=0, splits=3)
    tell(result, "demo")
    assert {row.system for row in result.rows} == set(SYSTEMS)
    assert 45 <= result.config["questions"]["demo"] <= 58  # a question that no split leaves out is not counted
    found = {system: points(result, system, "demo")[0] for system in SYSTEMS[1:]}
    assert found["learned"] > -1
    assert found["learned"] > found["unchecked"] > found["no prior"]
    assert found["learned"] > found["shuffled"]


def test_the_same_seed_gives_the_same_figures(small_locomo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On little: a small conversation stands for the packaged one too."""
    monkeypatch.setattr(feedback, "collection", lambda: collections_of(small_locomo)[0])
    first, second = (run_benchmark("feedback", data=small_locomo, seed=3, splits=1).as_json()["rows"] for _ in range(2))
    assert first == second
    for row in first:
        assert set(row["by"]) >= {"demo", "locomo"}
        assert all(np.isfinite(value) for metrics in row["by"].values() for value in metrics.values())


@pytest.mark.slow
def test_on_locomo_it_does_not_suffer_either(data_root: Path) -> None:
    """The shipped weights have not seen these conversations."""
    result = run_benchmark("feedback", data=data_root, seed=0)
    for data in ("demo", "locomo"):
        tell(result, data)
    learned, low, _ = points(result, "learned", "locomo")
    assert learned > -0.5
    assert low > -1.5
    assert learned > points(result, "no prior", "locomo")[0]
    assert points(result, "shuffled", "locomo")[2] < 0
