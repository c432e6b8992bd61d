"""The benchmark of taxonomies: its rows, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.bench import run_benchmark
from lamina.bench.taxonomy import load_trees, statistics
from lamina.errors import InputError


def table(path: Path, *rows: str) -> Path:
    path.write_text("review_id,claude_claim_hierarchy\n" + "".join(f'{n},"{row}"\n' for n, row in enumerate(rows)))
    return path


def test_reviews_are_made_up_and_trees_counted_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "chime").mkdir()
    table(tmp_path / "chime" / "raw_generated_hierarchy.csv", "- a (Claim 0)\n    - b (Claim 0, 1)\n- c", "- d")
    result = run_benchmark("taxonomy", data=tmp_path, topics=6)
    assert result.row("corrected, along paths").metrics["f1"] > result.row("listed, along paths").metrics["f1"]
    assert result.row("chime: generated trees").metrics == {
        "topics": 2, "trees": 3, "categories": 4, "links": 1, "children_of_inner": 1, "links_violated": 1, "depth_1": 2, "depth_2": 1
    }  # fmt: skip
    assert result.as_json() == run_benchmark("taxonomy", data=tmp_path, topics=6).as_json() | {
        "environment": result.as_json()["environment"]
    }


def test_other_tables_and_topics_that_stand_twice_or_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"topic 1 .*line 1"):
        load_trees(table(tmp_path / "a.csv", "- a", "- (Claim 1)"))
    twice = tmp_path / "b.csv"
    twice.write_text('review_id,claude_claim_hierarchy\nx,"- a"\nx,"- b"\n')
    with pytest.raises(InputError, match="twice"):
        load_trees(twice)
    other = tmp_path / "c.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns"):
        load_trees(other)
    with pytest.raises(InputError, match="topics"):
        run_benchmark("taxonomy", topics=2)
    assert statistics({})["trees"] == 0
