"""Vectors that come and go in lists on disk."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lamina.errors import Cancelled, InputError, StoreFullError, VectorError
from lamina.index.spann.halving import divide, halve
from lamina.index.spann.spann import SPANN
from lamina.index.spann.updating import LAST_VERSION, Updates
from lamina.records import Run

DIM = 16
generator = np.random.default_rng(5)
CENTRES = generator.normal(size=(40, DIM))
NEW = np.eye(DIM)[0] * 3 + generator.normal(size=(8, DIM)) * 0.8


def drawn(count: int, centres: np.ndarray, seed: int) -> np.ndarray:
    own = np.random.default_rng(seed)
    return (centres[own.integers(0, len(centres), count)] + own.normal(size=(count, DIM)) * 0.4).astype(np.float32)


def nearest(rows: np.ndarray, queries: np.ndarray, k: int = 10) -> np.ndarray:
    return np.argsort(((rows**2).sum(axis=1) - 2 * queries @ rows.T), axis=1, kind="stable")[:, :k]


def recall(index: SPANN, queries: np.ndarray, truth: np.ndarray, probes: int) -> tuple[float, float]:
    """Recall, and bytes read for a query."""
    before = index.bytes_read
    found, _ = index.search(queries, truth.shape[1], probes=probes)
    right = np.mean([len(set(one) & set(two)) for one, two in zip(found.tolist(), truth.tolist(), strict=True)])
    return float(right / truth.shape[1]), (index.bytes_read - before) / len(queries)


def built(folder: Path, rows: np.ndarray, limit: int = 0, pages: int = 2, **settings: object) -> SPANN:
    index = SPANN(rows.shape[1], folder, metric="l2", pages=pages, **settings)  # type: ignore[arg-type]
    if limit:
        index.limit = limit
    index.build(np.arange(len(rows)), rows)
    return index


def whole(index: SPANN) -> None:
    """Every vector stands in a list, no list is too long, each list has a head."""
    assert index.verify() == []
    assert index.postings is not None
    counts = index.postings.counts
    assert counts.max() <= index.limit
    heads = np.flatnonzero(index.heads.present)
    assert set(np.flatnonzero(counts)) <= set(heads.tolist())


# ------------------------------------------------------------------------------------------------------------- dividing
def test_two_clusters_are_the_two_parts() -> None:
    rows = np.concatenate([drawn(30, CENTRES[:1], 1), drawn(20, CENTRES[1:2], 2)])
    after = halve(rows)
    assert len(set(after[:30])) == len(set(after[30:])) == 1
    assert after[0] != after[30]


@pytest.mark.parametrize("rows", [np.zeros((41, 3), np.float32), drawn(41, CENTRES, 3), np.arange(41, dtype=np.float32)[:, None] ** 5])
def test_no_part_is_longer_than_wanted_or_much_smaller_than_another(rows: np.ndarray) -> None:
    parts = divide(rows, 20)
    assert sorted(np.concatenate(parts).tolist()) == list(range(41))
    assert max(map(len, parts)) <= 20
    assert min(map(len, parts)) >= 5


# -------------------------------------------------------------------------------------------------------- what is found
@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """An index that took a fifth of its vectors later, from elsewhere; one that was built of all; one whose lists are never split."""
    rows = np.concatenate([drawn(2400, CENTRES, 7), drawn(600, NEW, 8)])
    queries = np.concatenate([drawn(150, CENTRES, 9), drawn(75, NEW, 10)])
    folder = tmp_path_factory.mktemp("shifted")
    fresh = built(folder / "fresh", rows, limit=60)
    updated = built(folder / "updated", rows[:2400], limit=60)
    updated.add(np.arange(2400, 3000), rows[2400:])
    appended = SPANN(DIM, folder / "appended", metric="l2", pages=32)
    wide, appended.limit = appended.limit, 60
    appended.build(np.arange(2400), rows[:2400])
    appended.limit = wide
    appended.add(np.arange(2400, 3000), rows[2400:])
    return {"rows": rows, "queries": queries, "truth": nearest(rows, queries), "fresh": fresh, "updated": updated, "appended": appended}


def test_vectors_from_elsewhere_are_found_as_after_a_fresh_build(shifted: dict[str, object]) -> None:
    queries, truth = shifted["queries"], shifted["truth"]
    fresh, _ = recall(shifted["fresh"], queries, truth, 8)
    updated, _ = recall(shifted["updated"], queries, truth, 8)
    late, _ = recall(shifted["updated"], queries[150:], truth[150:], 8)
    late_fresh, _ = recall(shifted["fresh"], queries[150:], truth[150:], 8)
    assert fresh > 0.95
    assert updated > fresh - 0.02
    assert late > late_fresh - 0.03


def test_no_list_outgrows_its_limit_and_few_older_vectors_move(shifted: dict[str, object]) -> None:
    updated = shifted["updated"]
    assert isinstance(updated, SPANN)
    whole(updated)
    assert updated.postings.counts.max() <= 60
    assert updated.updates.done.splits > 10
    moved = int((updated.state().versions[:2400] > 0).sum())
    assert 0 < moved < 0.1 * 3000


def test_without_splits_more_is_read_for_less(shifted: dict[str, object]) -> None:
    queries, truth = shifted["queries"][150:], shifted["truth"][150:]
    appended = shifted["appended"]
    assert appended.updates.done.splits == 0
    assert appended.postings.counts.max() > 120
    less, many = recall(appended, queries, truth, 4)
    more, few = recall(shifted["updated"], queries, truth, 4)
    assert many > 1.5 * few or less < more - 0.02


def test_moving_vectors_after_a_split_makes_them_found(tmp_path: Path) -> None:
    """Against the same without moves."""
    rows = np.concatenate([drawn(2000, CENTRES, 7), drawn(500, NEW, 8)])
    queries = drawn(150, NEW, 10)
    truth = nearest(rows, queries)
    found = []
    for depth in (0, 3):
        index = built(tmp_path / str(depth), rows[:2000], limit=60)
        index._updates = Updates(index, *index.state()[2:], depth=depth)
        index.add(np.arange(2000, 2500), rows[2000:])
        whole(index)
        found.append(recall(index, queries, truth, 4)[0])
        assert (index.updates.done.moved == 0) == (depth == 0)
    assert found[1] > found[0] + 0.02


# ------------------------------------------------------------------------------------------------------ coming and going
def test_what_was_removed_is_not_found_and_what_came_again_is(tmp_path: Path) -> None:
    rows = drawn(1500, CENTRES, 11)
    index = built(tmp_path, rows, limit=60)
    own = np.random.default_rng(1)
    there = set(range(1500))
    for _ in range(4):
        gone = own.choice(sorted(there), 250, replace=False)
        index.remove(gone)
        there -= set(gone.tolist())
        back = own.choice(np.setdiff1d(np.arange(1500), sorted(there)), 100, replace=False)
        index.add(back, rows[back])
        there |= set(back.tolist())
        found, _ = index.search(rows, 5, probes=8)
        assert set(found.ravel().tolist()) <= there
    whole(index)
    assert len(index) == len(there)
    left = np.array(sorted(there))
    truth = left[nearest(rows[left], rows[:200])]
    assert recall(index, rows[:200], truth, 16)[0] > 0.95
    assert index.updates.done.cleaned > 0


def test_a_removed_point_goes_on_standing_for_its_list(tmp_path: Path) -> None:
    rows = drawn(600, CENTRES, 12)
    index = built(tmp_path, rows)
    heads = index.heads.rows(np.arange(len(index.heads)))
    points = nearest(rows, heads, 1)[:3, 0]
    before = len(index.heads)
    index.remove(points)
    assert len(index.heads) == before
    assert not set(index.search(heads[:3], 5)[0].ravel().tolist()) & set(points.tolist())


def test_lists_that_became_short_are_merged_and_lose_nothing(tmp_path: Path) -> None:
    rows = drawn(1500, CENTRES, 13)
    index = built(tmp_path, rows, limit=60)
    before = len(index.heads)
    index.remove(np.arange(1500)[np.arange(1500) % 10 > 0])
    assert index.updates.done.merges > 0
    index.updates.clean()
    whole(index)
    assert len(index.heads) < before
    found, scores = index.search(rows[::10], 1, probes=8)
    assert (found[:, 0] == np.arange(0, 1500, 10)).mean() > 0.98
    assert index.postings.counts.sum() <= 8 * 150


def test_all_may_go_and_others_come(tmp_path: Path) -> None:
    rows = drawn(300, CENTRES, 14)
    index = built(tmp_path, rows, limit=40)
    index.remove(np.arange(300))
    assert len(index) == 0
    assert (index.search(rows[:3], 2)[0] == -1).all()
    index.add(np.arange(500, 700), rows[:200])
    whole(index)
    assert (index.search(rows[:200], 1, probes=8)[0][:, 0] == np.arange(500, 700)).mean() > 0.98


def test_many_equal_vectors_fill_several_lists(tmp_path: Path) -> None:
    rows = drawn(400, CENTRES, 15)
    index = built(tmp_path, rows, limit=40)
    index.add(np.arange(400, 700), np.repeat(rows[:1], 300, axis=0))
    whole(index)
    found, _ = index.search(rows[:1], 300, probes=200)
    assert len(set(found[0].tolist()) & {0, *range(400, 700)}) == 300


def test_of_a_slot_named_twice_the_last_vector_counts(tmp_path: Path) -> None:
    rows = drawn(300, CENTRES, 16)
    index = built(tmp_path, rows)
    index.add(np.array([5, 1000, 5]), np.stack([rows[1], rows[2], rows[9] + 5]))
    assert index.search((rows[9] + 5)[None], 1)[0][0, 0] == 5
    assert len(index) == 301
    assert np.allclose(index.rows(np.array([5])), rows[9] + 5, atol=1e-2)


def test_a_vector_whose_versions_are_used_up_gets_a_new_row(tmp_path: Path) -> None:
    rows = drawn(300, CENTRES, 17)
    index = built(tmp_path, rows)
    updates = index.updates
    for _ in range(LAST_VERSION + 3):
        node = index.node_of[[7]].astype(np.int64)
        updates._move(node, rows[7:8], updates._nearest(rows[7:8], 1)[0][:, 0], 0)
    assert index.node_of[7] >= 300
    whole(index)
    found = index.search(rows[7:8], 5)[0][0].tolist()
    assert found.count(7) == 1
    assert found[0] == 7


# ------------------------------------------------------------------------------------------------------------- failures
def test_bad_vectors_and_slots_are_refused_and_change_nothing(tmp_path: Path) -> None:
    rows = drawn(300, CENTRES, 18)
    index = built(tmp_path, rows)
    bad = rows[:2].copy()
    bad[1, 3] = np.nan
    for slots, vectors, error in (
        (np.arange(2), bad, VectorError),
        (np.arange(2), rows[:2, :5], VectorError),
        (np.arange(3), rows[:2], VectorError),
        (np.array([0, -1]), rows[:2], InputError),
        (np.array([0, 1 << 40]), rows[:2], InputError),
        (np.array([0.5, 1.0]), rows[:2], InputError),
    ):
        with pytest.raises(error):
            index.add(slots, vectors)
    with pytest.raises(InputError, match="batch"):
        Updates(index, *index.state()[2:], batch=0)
    index.remove(np.array([-5, 10**9]))
    assert len(index) == 300
    assert index.updates.done.inserted == index.updates.done.removed == 0


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """Whatever write fails, what was there is found, and what was not taken can be added again."""
    rows = np.concatenate([drawn(500, CENTRES, 19), drawn(200, NEW, 20)])
    index = built(tmp_path, rows[:500], limit=40)
    index._updates = Updates(index, *index.state()[2:], batch=32)
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
    for start in range(500, 700, 50):
        room = 3 + start % 7
        slots = np.arange(start, start + 50)
        while True:
            try:
                index.add(slots, rows[slots])
                break
            except StoreFullError:
                failures += 1
                room = 5 + failures
                assert index.present[:500].all()
    assert failures > 5
    room = 1 << 30
    index.updates.work()
    whole(index)
    found, _ = index.search(rows, 1, probes=16)
    assert (found[:, 0] == np.arange(700)).mean() > 0.99


def test_a_cancelled_insertion_keeps_whole_batches(tmp_path: Path) -> None:
    rows = drawn(800, CENTRES, 21)
    index = built(tmp_path, rows[:400])
    index._updates = Updates(index, *index.state()[2:], batch=50)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(Cancelled):
        index.add(np.arange(400, 800), rows[400:], Run(cancelled=stop))
    assert len(index) == 550
    whole(index)


def test_what_was_not_saved_is_gone_after_a_kill_and_the_rest_is_whole(tmp_path: Path) -> None:
    rows = np.concatenate([drawn(400, CENTRES, 22), drawn(300, NEW, 23)])
    index = built(tmp_path, rows[:400], limit=40)
    index.add(np.arange(400, 500), rows[400:500])
    index.remove(np.arange(0, 50))
    index.save()
    child = os.fork()
    if not child:  # dies in the middle
        index.add(np.arange(500, 700), rows[500:])
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert index.postings is not None
    index.postings.close()
    again = SPANN(DIM, tmp_path, metric="l2", pages=2)
    again.limit = 40
    again.load()
    whole(again)
    assert set(np.flatnonzero(again.present).tolist()) == set(range(50, 500))
    again.add(np.arange(500, 700), rows[500:])
    whole(again)
    assert (again.search(rows[50:], 1, probes=16)[0][:, 0] == np.arange(50, 700)).mean() > 0.99


def test_searches_go_on_during_changes(tmp_path: Path) -> None:
    """Those who search meanwhile find what was there all along."""
    rows = np.concatenate([drawn(800, CENTRES, 24), drawn(600, NEW, 25)])
    index = built(tmp_path, rows[:800], limit=40)
    over, found, problems = threading.Event(), [], []

    def search() -> None:
        try:
            while not over.is_set():
                found.append((index.search(rows[:200], 1, probes=16)[0][:, 0] == np.arange(200)).mean())
        except Exception as error:  # noqa: BLE001
            problems.append(error)

    readers = [threading.Thread(target=search) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(800, 1400, 100):
        index.add(np.arange(start, start + 100), rows[start : start + 100])
        index.remove(np.arange(start - 300, start - 250))
    over.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert len(found) > 2
    assert min(found) > 0.97
    whole(index)


# --------------------------------------------------------------------------------------------------------- like a dict
class LikeADict(RuleBasedStateMachine):
    """Inserts, removals, saves and kills against a dict."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = Path(tempfile.mkdtemp())
        self.rows = drawn(1500, np.concatenate([CENTRES, NEW]), 26)
        self.next = 120
        self.index = built(self.folder, self.rows[:120], limit=20)
        self.now = {slot: slot for slot in range(120)}  # slot → its vector
        self.saved = dict(self.now)

    @rule(count=st.integers(1, 60), first=st.integers(0, 250))
    def insert(self, count: int, first: int) -> None:
        count = min(count, len(self.rows) - self.next)
        slots = np.arange(first, first + count)
        self.index.add(slots, self.rows[self.next : self.next + count])
        self.now.update({slot: self.next + i for i, slot in enumerate(slots.tolist())})
        self.next += count

    @rule(first=st.integers(0, 300), count=st.integers(1, 150), step=st.integers(1, 3))
    def remove(self, first: int, count: int, step: int) -> None:
        slots = np.arange(first, first + count, step)
        self.index.remove(slots)
        for slot in slots.tolist():
            self.now.pop(slot, None)

    @rule()
    def clean(self) -> None:
        self.index.updates.clean()

    @rule()
    def save(self) -> None:
        self.index.save()
        self.saved = dict(self.now)

    @rule()
    def compact(self) -> None:
        self.index.save()
        self.saved = dict(self.now)
        assert self.index.postings is not None
        self.index.postings.compact()
        self.index.updates._publish()

    @rule()
    def kill(self) -> None:
        assert self.index.postings is not None
        self.index.postings.close()
        self.index = SPANN(DIM, self.folder, metric="l2", pages=2)
        self.index.limit = 20
        self.index.load()
        self.now = dict(self.saved)

    @invariant()
    def is_the_same(self) -> None:
        if not hasattr(self, "index"):
            return
        assert set(np.flatnonzero(self.index.present).tolist()) == set(self.now)
        whole(self.index)
        if self.now:
            slots = np.array(sorted(self.now))
            own = self.rows[[self.now[slot] for slot in slots.tolist()]]
            assert np.allclose(self.index.rows(slots), own, atol=1e-2)
            found, _ = self.index.search(own, 1, probes=1000)
            assert (found[:, 0] == slots).all()

    def teardown(self) -> None:
        import shutil

        if hasattr(self, "index"):
            assert self.index.postings is not None
            self.index.postings.close()
            shutil.rmtree(self.folder)


LikeADict.TestCase.settings = settings(
    max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLikeADict = LikeADict.TestCase
