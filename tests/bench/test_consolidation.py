"""The benchmark of consolidation, on little."""

from __future__ import annotations

import pytest

from lamina.bench import run_benchmark
from lamina.errors import InputError


def test_interrupted_or_not_it_ends_the_same() -> None:
    result = run_benchmark("consolidation", messages=600, more=40, stops=5)
    assert result.row("interrupted").metrics["interruptions"] == 5
    assert result.row("interrupted").metrics["different"] == 0
    assert result.row("40 more").metrics["different"] == 0
    assert result.row("40 more").metrics["items"] > 10
    assert result.row("consolidate").metrics["resident_peak_bytes"] < 1.5e9


def test_what_makes_no_sense_is_refused() -> None:
    for options in ({"messages": 0}, {"more": 0}, {"stops": -1}, {"also": "nonsense"}):
        with pytest.raises(InputError):
            run_benchmark("consolidation", **options)
