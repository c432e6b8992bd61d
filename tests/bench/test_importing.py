"""The benchmark of importing, at a small size: what it tells, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lamina.bench import run_benchmark
from lamina.bench.chatgpt_export import write_export
from lamina.errors import InputError


def test_a_small_export_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "importing.json"
    result = run_benchmark("importing", json_path=out, megabytes=0.5, kills=0.5)
    rows: Mapping[str, Any] = {row["system"]: row["metrics"] for row in json.loads(out.read_text())["rows"]}
    once = rows["lamina ingest"]
    assert once["messages"] > 300
    assert once["acknowledged_per_second"] >= once["embedded_per_second"] > 0
    assert once["resident_peak_bytes"] > 10e6
    assert rows["lamina ingest, once more"]["doubles"] == 0
    assert rows["lamina ingest, killed and resumed"]["messages"] == once["messages"]
    assert list(result.row("lamina ingest, killed and resumed").by) == ["killed at 50%"]


def test_the_export_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.json" for name in "abc"]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        write_export(path, 0.3, seed)
    contents = [path.read_bytes() for path in paths]
    assert contents[0] == contents[1] != contents[2]
    assert 300_000 <= len(contents[0]) < 500_000


@pytest.mark.parametrize("settings", [{"megabytes": 0}, {"kills": [1.5]}, {"kills": []}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be"):
        run_benchmark("importing", **settings)
