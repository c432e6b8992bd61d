"""The benchmark of notes: its rows, and that its control differs from what it controls in the links alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.bench import run_benchmark
from lamina.bench.locomo import collections_of
from lamina.bench.notes import ALL, LACKING, _Bench, _interleaved
from lamina.errors import InputError
from lamina.recall.features import FEATURES
from tests.bench.material import write_locomo
from tests.bench.test_harness import check_form


def test_every_row_stands_beside_what_it_adds_to(small_locomo: Path) -> None:
    result = run_benchmark("notes", data=small_locomo, peers=False)
    check_form(result.as_json())
    systems = {row.system for row in result.rows}
    assert set(LACKING) <= systems
    assert {other for others in LACKING.values() for other in others} <= systems
    for name, others in LACKING.items():
        assert {part for part in result.row(name).by if part.startswith("against ")} == {f"against {other}" for other in others}


def test_the_control_has_as_many_links_of_each_note_and_none_to_itself(small_locomo: Path) -> None:
    collections = collections_of(small_locomo)
    bench = _Bench(collections)
    with bench:
        noted = bench.noted(collections[0], 0)
        [(true, dealt, relevant), *_] = bench.matrices(collections[0], noted)
    assert [len(ends) for ends in noted.links] == [len(ends) for ends in noted.shuffled]
    assert all(place not in ends for place, ends in enumerate(noted.shuffled))
    assert any(set(one) != set(other) for one, other in zip(noted.links, noted.shuffled, strict=True))
    assert true.shape == dealt.shape == (len(noted.ids), len(ALL))
    same = len(FEATURES) + 1  # the note's own likeness too
    assert np.array_equal(true[:, :same], dealt[:, :same])
    assert not np.array_equal(true[:, same:], dealt[:, same:])
    assert relevant.sum() >= 1


def test_links_are_seen_through_to_what_they_lead_to() -> None:
    links = [np.array([2]), np.array([], np.int64), np.array([0, 1])]
    scores = np.array([3, 2, 1], np.float32)
    assert _interleaved([0, 1, 2], links, scores, 3) == [0, 2, 1]
    assert _interleaved([2, 0, 1], links, scores, 2) == [2, 0]


def test_one_conversation_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs two or more"):
        run_benchmark("notes", data=write_locomo(tmp_path, 1), peers=False)
