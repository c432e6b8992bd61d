"""The benchmark of grammars: its form, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lamina.bench.grammar as bench
from lamina.bench import run_benchmark
from lamina.errors import InputError
from tests.bench.test_harness import check_form

LABELLED = Path(__file__).parents[2] / "corpora" / "commands.jsonl"


def test_the_rows_have_the_common_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PAIRS", (20,))
    monkeypatch.setattr(bench, "learning", lambda pairs, seeds: {"pairs": float(pairs)})
    monkeypatch.setattr(bench, "sequence", lambda seed: {"seed": float(seed)})
    out = tmp_path / "grammar.json"
    run_benchmark("grammar", json_path=out, labelled=LABELLED, drawn=50, seeds=1)
    written = json.loads(out.read_text())
    check_form(written)
    rows = {row["system"]: row["metrics"] for row in written["rows"]}
    assert rows["learning 20"] == {"pairs": 20.0}
    assert rows["commands held-out"]["intent"] > rows["commands held-out, nearest sentence"]["intent"]


def test_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        run_benchmark("grammar", labelled=tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(InputError, match="each line needs part, text, intent and slots"):
        run_benchmark("grammar", labelled=tmp_path / "bad.jsonl")
