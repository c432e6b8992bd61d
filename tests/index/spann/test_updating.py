"""Updates of SPANN: recall and reads after shifted additions, lists that stay short, deletions, versions, kills, a full disk, searches meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

pytest.importorskip("numba")

from lamina.errors import InputError, StateError, StoreFullError, VectorError
from lamina.index.spann.spann import SPANN
from lamina.index.spann.splitting import halved, parted
from lamina.index.spann.updating import Updater

DIM = 32
OLD, NEW = 4000, 1000


def clustered(count: int, clusters: int, shift: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(clusters, DIM))
    centres[:, :8] += shift
    return (centres[generator.integers(0, clusters, count)] + 0.6 * generator.normal(size=(count, DIM))).astype(np.float32)


def points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of which the last fifth lies elsewhere, queries near these, and what is nearest to them."""
    new = clustered(NEW + 100, 15, 2.0, 2)
    vectors, queries = np.concatenate([clustered(OLD, 100, 0.0, 1), new[:NEW]]), new[NEW:]
    apart = ((queries[:, None] - vectors[None]) ** 2).sum(axis=2)
    return vectors, queries, np.argsort(apart, axis=1)[:, :10]


def built(folder: Path, vectors: np.ndarray, **settings: object) -> SPANN:
    index = SPANN(vectors.shape[1], folder, metric="l2", **settings)  # type: ignore[arg-type]
    index.build(np.arange(len(vectors)), vectors)
    return index


def asked(index: SPANN, queries: np.ndarray, truth: np.ndarray, probes: int = 8) -> tuple[float, float]:
    """Recall at 10, and bytes read for a query."""
    before = index.bytes_read
    found, _ = index.search(queries, truth.shape[1], probes=probes)
    recall = float(np.mean([len(set(one) & set(right)) for one, right in zip(found.tolist(), truth.tolist(), strict=True)]))
    return recall / truth.shape[1], (index.bytes_read - before) / len(queries)


# ------------------------------------------------------------------------------------------------------------- splitting
def test_halves_are_balanced_and_follow_clusters():
    rows = np.concatenate([clustered(40, 1, 0, 1), clustered(60, 1, 9, 2)])
    second = halved(rows, 100)
    assert len(set(second[:40].tolist())) == 1
    assert len(set(second[40:].tolist())) == 1
    lopsided = np.concatenate([np.zeros((97, 2)), np.full((3, 2), 50.0)]).astype(np.float32)
    assert 25 <= int(halved(lopsided, 100).sum()) <= 75


@pytest.mark.parametrize("count", [2, 3, 50, 301])
def test_parts_are_never_longer_than_they_may_be_even_of_equal_points(count):
    for rows in (np.ones((count, 3), np.float32), np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)):
        parts = parted(rows, 60)
        assert sorted(np.concatenate(parts).tolist()) == list(range(count))
        assert len(parts) >= 2
        assert all(1 <= len(part) <= 60 for part in parts)


# -------------------------------------------------------------------------------------------------- shifted additions
def test_a_fifth_of_new_vectors_from_elsewhere_is_found_as_after_a_rebuild_and_appending_alone_loses_recall(tmp_path):
    vectors, queries, truth = points()
    fresh, fresh_bytes = asked(built(tmp_path / "fresh", vectors), queries, truth)
    index = built(tmp_path / "updated", vectors[:OLD])
    index.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
    updated, updated_bytes = asked(index, queries, truth)
    assert updated >= fresh - 0.02
    assert int(index.postings.counts.max()) <= index.limit
    assert index.verify() == []
    counts = index.updater.counts
    assert counts.splits > 5
    assert 0 < counts.moved < 0.10 * len(vectors)
    # a file of longer lists takes all that comes: nothing is ever split
    plain = built(tmp_path / "appended", vectors[:OLD], pages=200)
    plain.updater.limit = plain.limit
    plain.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
    appended, appended_bytes = asked(plain, queries, truth)
    assert plain.updater.counts.splits == 0
    assert appended < updated - 0.02 or appended_bytes > 1.5 * updated_bytes
    # splitting without moving is not enough
    still = built(tmp_path / "still", vectors[:OLD])
    updater = Updater(still, reassign=False)
    updater.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
    assert asked(still, queries, truth)[0] < updated - 0.02
    assert fresh_bytes > 0


def test_removing_half_and_adding_it_again_keeps_recall_and_lists_clean(tmp_path):
    vectors, queries, truth = points()
    index = built(tmp_path / "index", vectors)
    before, bytes_before = asked(index, queries, truth)
    gone = np.random.default_rng(0).permutation(len(vectors))[: len(vectors) // 2]
    index.remove(gone)
    found, _ = index.search(queries, 10, probes=8)
    assert not np.isin(found, gone).any()
    assert len(index) == len(vectors) - len(gone)
    assert index.verify() == []
    assert index.updater.counts.cleaned > 0
    index.add(gone, vectors[gone])
    after, bytes_after = asked(index, queries, truth)
    assert after >= before - 0.02
    assert bytes_after < 1.6 * bytes_before
    assert index.verify() == []


def test_lists_that_become_short_are_merged_and_their_heads_go(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors)
    heads = len(index.heads)
    index.remove(np.arange(50, len(vectors)))
    assert index.updater.counts.merges > heads // 2
    assert len(index.heads) == heads - index.updater.counts.merges
    assert index.search(vectors[:50], 1)[0][:, 0].tolist() == list(range(50))
    index.remove(np.arange(50))
    assert len(index) == 0
    assert index.search(vectors[:2], 3)[0].tolist() == [[-1] * 3] * 2
    index.add(np.arange(200), vectors[:200])
    assert index.search(vectors[:200], 1)[0][:, 0].tolist() == list(range(200))
    assert index.verify() == []


def test_a_head_whose_point_is_removed_still_leads_to_its_list(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors)
    heads = index.heads.rows(index.heads.slot_of[:40])
    slots = index.search(heads, 1)[0][:, 0]
    count = len(index.heads)
    index.remove(slots)
    assert len(index.heads) == count - index.updater.counts.merges >= count - 3
    left = np.setdiff1d(np.arange(len(vectors)), slots)[::20]
    found = index.search(vectors[left], 1, probes=8)[0][:, 0]
    assert (found == left).mean() > 0.99
    assert not np.isin(found, slots).any()


def test_more_equal_vectors_than_a_list_holds_are_all_found(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors[:500])
    same = np.repeat(clustered(1, 1, 5.0, 9), 3 * index.limit, axis=0)
    slots = np.arange(500, 500 + len(same))
    index.add(slots, same)
    assert int(index.postings.counts.max()) <= index.limit
    found, _ = index.search(same[:1], len(same))
    assert sorted(found[0].tolist()) == slots.tolist()
    assert index.verify() == []


def test_a_vector_that_was_moved_255_times_gets_another_row(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors[:300])
    updater = index.updater
    for _ in range(300):
        row = index.nodes_of(np.array([7]))
        updater._move(row, vectors[7:8], {}, 9)
        updater.publish()
    assert int(index.nodes_of(np.array([7]))[0]) == 300
    assert index.search(vectors[7:8], 1)[0].tolist() == [[7]]
    assert index.verify() == []
    copies = sum(int((index.state().slots[rows] == 7).sum()) for rows in _rows(index))
    assert copies <= index.closure.replicas


def _rows(index: SPANN) -> list[np.ndarray]:
    lists = [index.updater._living(number) for number in range(len(index.postings))]
    return [np.ascontiguousarray(one[:, :4]).view(np.int32)[:, 0] for one in lists]


# --------------------------------------------------------------------------------------------------- against a dict
class AgainstDict(RuleBasedStateMachine):
    """Additions, replacements, removals, saves, kills and packing in any order leave what a dict would hold."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float16).astype(np.float32)
        self.index = self.fresh()
        self.index.build(np.arange(30), rows)
        self.now = dict(enumerate(rows))
        self.saved = dict(self.now)
        self.seed = 1

    def fresh(self) -> SPANN:
        # lists of two pages would hold hundreds: a record that fills a page makes them hold two or three dozen
        index = SPANN(4, self.folder / "index", metric="l2", pages=1, share=0.2)
        index.limit = 12
        return index

    @rule(count=st.integers(1, 40), first=st.integers(0, 60))
    def add(self, count: int, first: int) -> None:
        self.seed += 1
        rows = np.random.default_rng(self.seed).normal(size=(count, 4)).astype(np.float16).astype(np.float32)
        self.index.add(np.arange(first, first + count), rows)
        self.now.update(zip(range(first, first + count), rows, strict=True))

    @rule(count=st.integers(1, 30), first=st.integers(0, 60))
    def remove(self, count: int, first: int) -> None:
        self.index.remove(np.arange(first, first + count))
        for slot in range(first, first + count):
            self.now.pop(slot, None)

    @rule()
    def save(self) -> None:
        self.index.save()
        self.saved = dict(self.now)

    @rule()
    def compact(self) -> None:
        self.index.compact()
        self.saved = dict(self.now)

    @rule()
    def kill(self) -> None:
        self.index.postings.close()
        self.index = self.fresh()
        self.index.load()
        self.now = dict(self.saved)

    @invariant()
    def what_is_found_is_what_the_dict_holds(self) -> None:
        if not hasattr(self, "index"):
            return
        assert len(self.index) == len(self.now)
        assert int(self.index.postings.counts.max(initial=0)) <= self.index.limit
        if not self.now:
            return
        slots, rows = np.array(sorted(self.now)), np.stack([self.now[slot] for slot in sorted(self.now)])
        assert np.array_equal(self.index.rows(slots), rows)
        found, _ = self.index.search(rows, 1, probes=200)
        assert found[:, 0].tolist() == slots.tolist()

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.postings.close()
            shutil.rmtree(self.folder)


AgainstDict.TestCase.settings = settings(
    max_examples=5, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_any_updates_leave_what_a_dict_would_hold = AgainstDict.TestCase


# ------------------------------------------------------------------------------------------------- kills, a full disk
WRITER = """
import sys, numpy as np; from pathlib import Path
from lamina.index.spann.spann import SPANN
index = SPANN(16, Path(sys.argv[1]), metric="l2"); index.load(); print("begun", flush=True)
rows = np.random.default_rng(5).normal(size=(20000, 16)).astype(np.float32)
for start in range(int(np.flatnonzero(index.present).max()) + 1, 20000, 50):
    index.add(np.arange(start, start + 50), rows[start : start + 50])
    index.remove(np.arange(start - 1000, start - 990))
    index.save()
"""


def test_a_killed_process_leaves_the_last_save(tmp_path):
    rows = np.random.default_rng(5).normal(size=(20000, 16)).astype(np.float32)
    index = SPANN(16, tmp_path / "index", metric="l2")
    index.build(np.arange(1000), rows[:1000])
    index.postings.close()
    generator = np.random.default_rng(0)
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "index")], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.3 + float(generator.random()))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        again = SPANN(16, tmp_path / "index", metric="l2")
        again.load()
        assert again.verify() == []
        there = np.flatnonzero(again.present)
        steps = (int(there.max()) + 1 - 1000) // 50  # whole steps alone
        gone = [slot for start in range(1000, 1000 + 50 * steps, 50) for slot in range(start - 1000, start - 990)]
        assert there.tolist() == sorted(set(range(1000 + 50 * steps)) - set(gone))
        assert (again.search(rows[there[::7]], 1)[0][:, 0] == there[::7]).mean() > 0.98
        again.postings.close()


def test_a_full_disk_loses_nothing_that_was_there(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors[:1500])
    left = 0

    def write(handle: int, data: bytes, at: int) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(handle, data, at)

    index.postings._write_at = write
    for left_now in (0, 1, 5, 30, 90, 200, 400):
        left = left_now
        with pytest.raises(StoreFullError):
            index.add(np.arange(1000, 2500), vectors[1500:3000])
        assert (index.search(vectors[:1000:10], 1)[0][:, 0] == np.arange(0, 1000, 10)).mean() > 0.98
        assert index.verify() == []
        kept = np.flatnonzero(index.nodes_of(np.arange(1000, 1500)) >= 0)
        assert len(kept) == 500  # those that were to be replaced stand there, old or new
    index.postings._write_at = os.pwrite
    index.add(np.arange(1000, 2500), vectors[1500:3000])
    assert index.verify() == []
    assert (index.search(vectors[1500:3000:10], 1)[0][:, 0] == np.arange(1000, 2500, 10)).mean() > 0.98
    index.save()


# ------------------------------------------------------------------------------------------------- searches meanwhile
def test_searches_go_on_during_updates_and_see_whole_states(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors[:OLD])
    stay = np.arange(0, OLD, 40)
    problems: list[object] = []
    done = threading.Event()
    searches = 0

    def search() -> None:
        nonlocal searches
        while not done.is_set():
            found = index.search(vectors[stay], 1, probes=16)[0][:, 0]
            searches += 1
            if (found == stay).mean() < 0.99:
                problems.append((found == stay).mean())

    thread = threading.Thread(target=search)
    thread.start()
    try:
        others = np.setdiff1d(np.arange(OLD), stay)
        index.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
        index.remove(others[::2])
        index.save()
        index.add(others[::2], vectors[others[::2]])
        index.compact()
    finally:
        done.set()
        thread.join()
    assert problems == []
    assert searches > 3
    assert index.verify() == []


@pytest.mark.slow
def test_work_between_two_states_that_searches_see_is_bounded(tmp_path):
    vectors, _, _ = points()
    index = built(tmp_path / "index", vectors[:OLD])
    updater = Updater(index, jobs=2, neighbours=16)
    updater.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
    wide = Updater(built(tmp_path / "wide", vectors[:OLD]))
    wide.add(np.arange(OLD, OLD + NEW), vectors[OLD:])
    assert updater.counts.most_lists_read < wide.counts.most_lists_read
    assert updater.counts.most_lists_read <= 300


# ---------------------------------------------------------------------------------------------------- packing, bad input
def test_packing_leaves_nothing_of_removed_vectors_in_any_file(tmp_path):
    vectors, queries, truth = points()
    index = built(tmp_path / "index", vectors)
    gone = np.arange(0, OLD, 2)
    nodes = index.nodes_of(gone)
    secrets = [vectors[slot].astype(np.float16).tobytes() for slot in gone[::50]]
    records = index.encoded(nodes, vectors[gone], np.zeros(len(gone), np.uint8))[::50]
    assert sum(secret in (tmp_path / "index" / index.full.path.name).read_bytes() for secret in secrets) == len(secrets)
    before = index.postings.bytes_on_disk
    index.remove(gone)
    index.compact()
    whole = b"".join(one.read_bytes() for one in (tmp_path / "index").iterdir())
    assert not any(secret in whole for secret in secrets)
    assert not any(record[16:].tobytes() in whole for record in records)
    assert index.postings.bytes_on_disk < 0.8 * before
    assert index.verify() == []
    index.postings.close()
    again = SPANN(DIM, tmp_path / "index", metric="l2")
    again.load()
    assert asked(again, queries, truth)[0] > 0.9


def test_bad_input_is_refused_and_changes_nothing(tmp_path):
    vectors, _, _ = points()
    with pytest.raises(StateError):
        Updater(SPANN(DIM, tmp_path / "none", metric="l2"))
    index = built(tmp_path / "index", vectors[:500])
    bad = vectors[:2].copy()
    bad[1, 3] = np.nan
    for slots, rows, error in (
        (np.array([1, 2]), vectors[:2, :5], VectorError),
        (np.array([1]), vectors[:2], VectorError),
        (np.array([1, 2]), bad, VectorError),
        (np.array([1, -2]), vectors[:2], InputError),
        (np.array([1, 1 << 30]), vectors[:2], InputError),
        (np.array([1.0, 2.7]), vectors[:2], InputError),
    ):
        with pytest.raises(error):
            index.add(slots, rows)
    for settings_ in ({"neighbours": 0}, {"depth": 0}, {"jobs": 0}, {"shortest": index.limit}):
        with pytest.raises(InputError):
            Updater(index, **settings_)
    with pytest.raises(InputError, match="whole numbers"):
        index.remove(np.array([1.0, 2.7]))
    index.remove(np.array([-1, 500, 1 << 40]))
    assert len(index) == 500
    index.add(np.array([9, 9]), vectors[[10, 11]])
    assert index.search(vectors[11:12], 2)[0][0].tolist() in ([9, 11], [11, 9])
    assert index.verify() == []
