"""The form of results, the finding of data, and what is refused."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lamina.bench import BENCHMARKS, run_benchmark
from lamina.bench.results import Result, Row, find_data
from lamina.bench.table import difference_table, result_table
from lamina.errors import InputError


def check_form(result: dict[str, Any]) -> None:
    assert list(result) == ["benchmark", "data", "config", "environment", "rows"]
    assert isinstance(result["data"], str)
    assert isinstance(result["config"], dict)
    assert {"lamina", "python", "cores"} <= set(result["environment"])
    assert result["rows"]
    for row in result["rows"]:
        assert set(row) == {"system", "metrics", "by"}
        for name, value in [*row["metrics"].items(), *(pair for part in row["by"].values() for pair in part.items())]:
            assert math.isfinite(value), name
            if name.startswith("recall@") and name.removeprefix("recall@").isdigit():
                assert 0 <= value <= 1


def test_a_result_is_written_in_the_common_form(small_locomo: Path, tmp_path: Path) -> None:
    out = tmp_path / "locomo.json"
    result = run_benchmark("locomo", data=small_locomo, json_path=out, peers=False)
    written = json.loads(out.read_text())
    check_form(written)
    assert written == json.loads(json.dumps(result.as_json()))
    assert str(small_locomo.parent) not in out.read_text(), "a result does not say where files lie"
    assert out.with_suffix(".png").exists() == (find_spec("matplotlib") is not None)


def test_every_benchmark_says_what_it_measures() -> None:
    assert all(words.endswith(".") for words in BENCHMARKS.values())


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(InputError, match="use one of locomo"):
        run_benchmark("memory")


def test_a_folder_that_is_not_there_is_refused_before_anything_runs(small_locomo: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        run_benchmark("locomo", data=small_locomo, json_path=tmp_path / "nowhere" / "out.json")


def test_locomo_without_data_says_where_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMINA_DATA", raising=False)
    with pytest.raises(InputError, match="LAMINA_DATA"):
        run_benchmark("locomo")


def test_data_is_a_file_its_folder_or_the_folder_above(
    small_locomo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locomo").mkdir()
    inner = tmp_path / "locomo" / "locomo_x.json"
    inner.write_bytes(small_locomo.read_bytes())
    assert find_data(small_locomo, "locomo", "locomo*.json") == small_locomo
    assert find_data(small_locomo.parent, "locomo", "locomo*.json") == small_locomo
    assert find_data(tmp_path, "locomo", "locomo*.json") == inner
    monkeypatch.setenv("LAMINA_DATA", str(tmp_path))
    assert find_data(None, "locomo", "locomo*.json") == inner
    assert find_data(tmp_path, "longmemeval", "*.json") is None
    (tmp_path / "locomo" / "locomo_y.json").write_bytes(small_locomo.read_bytes())
    with pytest.raises(InputError, match="2 files"):
        find_data(tmp_path, "locomo", "locomo*.json")
    with pytest.raises(InputError, match="not there"):
        find_data(tmp_path / "absent", "locomo", "locomo*.json")


def test_tables_show_fractions_as_percent_and_differences_apart() -> None:
    against = {"recall@5_points": 12.0, "recall@5_low_points": 8.0, "recall@5_high_points": 16.0, "recall@5_p_value": 0.001}
    rows = [
        Row("lamina", {"recall@5": 0.612}, {"temporal": {"recall@5": 0.5}, "against fts5": against}),
        Row("fts5", {"recall@5": 0.5}),
    ]
    result = Result("locomo", "data", {}, rows)
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(result_table(result, slices=True))
    differences = difference_table(result)
    assert differences is not None
    console.print(differences)
    shown = console.export_text()
    assert "61.2" in shown
    assert "temporal" in shown
    assert "+12.0" in shown
    assert difference_table(Result("locomo", "data", {}, rows[1:])) is None


def test_a_missing_row_is_named() -> None:
    with pytest.raises(InputError, match="the rows are lamina"):
        Result("x", "y", {}, [Row("lamina", {})]).row("mem0")
