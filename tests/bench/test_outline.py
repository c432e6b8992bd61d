"""The benchmark of outlines: its rows, real pages where there are some, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.bench import run_benchmark
from lamina.errors import InputError


def test_made_up_passages_and_pages_are_measured(tmp_path: Path) -> None:
    subjects = [
        "cats purr and nap",
        "boats sail and moor",
        "bread is baked and cut",
        "kings reign and die",
        "stars shine and fade",
        "rivers flood and dry",
    ]
    context = [
        [f"T{n}", [f"All {subject}.", f"Most {subject} often.", f"Some {subject} late."]] for n, subject in enumerate(subjects)
    ]
    (tmp_path / "hipporag").mkdir()
    questions = [{"question": "Who purrs and naps?", "context": context, "supporting_facts": [["T0", 0]]}]
    (tmp_path / "hipporag" / "hotpotqa_train.json").write_text(json.dumps(questions))
    result = run_benchmark("outline", data=tmp_path, passages=20)
    names = [row.system for row in result.rows]
    assert {
        "boundaries: outliner",
        "kept: repaired",
        "search, interleaved: outline",
        "search, in order: random groups",
        "claims: whole",
        "pages: outline",
    } <= set(names)
    assert len(names) == len(set(names))
    assert result.row("pages: outline").metrics["recall@10"] == 1
    assert "hotpotqa" in result.data
    with pytest.raises(InputError, match="passages"):
        run_benchmark("outline", passages=3)
