"""Authored expressions resolve to exactly the days they mean; what means none is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.expressions import find_ranges
from lamina.times import isoformat, parse_moment

HERE = Path(__file__).parent
Days = list[tuple[str, str]]


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def resolved(row: dict[str, Any]) -> Days:
    at = parse_moment(row["at"])
    ranges = find_ranges(row["text"], at.at, "told" if row["side"] == "trace" else "past", at.offset)
    return [(isoformat(r.start, at.offset)[:10], isoformat(r.end, at.offset)[:10]) for r in ranges]


def meant(row: dict[str, Any]) -> Days:
    return [] if row["start"] is None else [(row["start"], row["end"])]


@pytest.mark.parametrize("row", read("examples.jsonl"), ids=lambda row: row["text"])
def test_an_example_means_exactly_its_days(row: dict[str, Any]) -> None:
    assert resolved(row) == meant(row)


@pytest.mark.parametrize("name", ["acceptance.jsonl"])
def test_an_authored_set_is_understood_or_left_alone(name: str) -> None:
    """At least 95 of 100 are exact, and a miss is no range at all, never a wrong one."""
    rows = read(name)
    misses = [(row["text"], resolved(row), meant(row)) for row in rows if resolved(row) != meant(row)]
    assert not [miss for miss in misses if miss[1]], "a wrong range"
    assert len(rows) - len(misses) >= 0.95 * len(rows), misses
