"""What changes leave alone: older vectors where newer ones could not be taken, and the answers of those who search meanwhile."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from lamina.errors import StoreFullError
from lamina.index.spann.spann import SPANN

DIM = 16
CENTRES = np.random.default_rng(5).normal(size=(40, DIM))


def drawn(count: int, seed: int) -> np.ndarray:
    own = np.random.default_rng(seed)
    return (CENTRES[own.integers(0, len(CENTRES), count)] + own.normal(size=(count, DIM)) * 0.4).astype(np.float32)


def built(folder: Path, rows: np.ndarray, limit: int) -> SPANN:
    index = SPANN(DIM, folder, metric="l2", pages=1)
    index.limit = limit
    index.build(np.arange(len(rows)), rows)
    return index


def test_what_was_to_be_replaced_stays_where_the_disk_is_full(tmp_path: Path) -> None:
    """A list that is cleaned while new vectors are placed must keep the old ones until these stand."""
    rows = np.concatenate([drawn(500, 27), drawn(500, 28)])
    index = built(tmp_path, rows[:500], limit=30)
    room = 0

    def write(handle: int, data: bytes, at: int) -> int:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.pwrite(handle, data, at)

    assert index.postings is not None
    index.postings._write_at = write
    failures = 0
    for step in range(40):
        room = step * 3
        slots = np.random.default_rng(step).choice(500, 60, replace=False)
        try:
            index.add(slots, rows[slots + 500])
        except StoreFullError:
            failures += 1
        room = 1 << 30
        held = index.rows(np.arange(500))
        old, new = np.abs(held - rows[:500]).max(axis=1), np.abs(held - rows[500:]).max(axis=1)
        assert np.minimum(old, new).max() < 1e-2
        assert index.verify() == []  # none stands in no list
    assert failures > 5


@pytest.mark.slow
def test_searches_with_and_without_a_mask_go_on_while_slots_come_change_and_go(tmp_path: Path) -> None:
    rows = drawn(1300, 29)
    index = built(tmp_path, rows[:600], limit=30)
    over, problems = threading.Event(), []
    holes: list[int] = []
    odd = np.arange(600) % 2 > 0

    def search(mask: np.ndarray | None) -> None:
        try:
            while not over.is_set():
                found, scores = index.search(rows[:100], 5, mask, probes=8)
                if mask is not None:
                    assert found.max() < 600
                    assert (found[found >= 0] % 2 == 1).all()
                holes.append(int(((found < 0) & np.isfinite(scores)).sum()))
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    readers = [threading.Thread(target=search, args=(mask,)) for mask in (odd, None)]
    for reader in readers:
        reader.start()
    own = np.random.default_rng(3)
    for start in range(600, 1050, 90):
        index.add(np.arange(start, start + 90), rows[start : start + 90])
        some = own.choice(600, 40, replace=False)
        index.add(some, rows[some + 600])
        index.remove(own.choice(start, 40, replace=False))
    over.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert len(holes) > 4
    assert sum(holes) == 0  # a score stands beside a slot, always
    assert index.verify() == []
