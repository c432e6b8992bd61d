"""The file of lists: packing, changes, commits, kills, damage, a full disk, readers beside the writer."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lamina.errors import (
    Cancelled,
    ClosedError,
    CorruptStoreError,
    InputError,
    LaminaError,
    NotFoundError,
    ReadOnlyError,
    SchemaError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from lamina.index.spann.extents import PAGE, FreeSpace, packed
from lamina.index.spann.postings import PostingFile
from lamina.records import Run

WIDTH = 100


def records(count: int, seed: int, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 256, (count, width)).astype(np.uint8)


def content(file: PostingFile) -> list[bytes]:
    return [file.get(number).tobytes() for number in range(len(file))]


def filled(path: Path, lists: int = 40, **settings: object) -> PostingFile:
    file = PostingFile.create(path, WIDTH, 3, **settings)  # type: ignore[arg-type]
    counts = np.random.default_rng(0).integers(0, file.limit + 1, lists)
    file.write_all(counts, (records(int(count), seed) for seed, count in enumerate(counts)))
    file.commit({"step": 0})
    return file


# ---------------------------------------------------------------------------------------------------------------- packing
def test_no_packed_list_touches_more_pages_than_it_must_and_little_room_is_lost():
    sizes = np.random.default_rng(1).integers(0, 12289, 3000)
    offsets, end = packed(sizes, 2 * PAGE)
    there = np.flatnonzero(sizes)
    pages = (offsets[there] + sizes[there] - 1) // PAGE - offsets[there] // PAGE + 1
    assert (pages == -(-sizes[there] // PAGE)).all()
    order = there[np.argsort(offsets[there])]
    assert (offsets[order][1:] >= (offsets + sizes)[order][:-1]).all()
    assert offsets[there].min() >= 2 * PAGE
    assert (offsets + sizes).max() <= end
    one_by_one = int((-(-sizes // PAGE) * PAGE).sum())
    assert end - 2 * PAGE < 1.02 * sizes.sum() < one_by_one  # each list on pages of its own would take a third more


def test_free_space_joins_neighbours_and_gives_whole_pages():
    free = FreeSpace()
    for start in (0, 8192, 4096):
        free.give(start, start + 4096)
    assert free.take(12288) == 0
    assert free.total == 0
    free.give(100, 8000)
    assert free.take(4096) is None  # no whole page in it
    free.give(8000, 8192)
    assert free.take(4096) == 4096
    assert free.total == 3996


# ----------------------------------------------------------------------------------------------------------------- changes
def test_bulk_lists_come_back_and_touch_the_fewest_pages(tmp_path):
    file = filled(tmp_path / "lists", 200)
    counts = file.counts
    for number, count in enumerate(counts.tolist()):
        assert np.array_equal(file.get(number), records(count, number))
        assert file.pages_of(number) == -(-count * WIDTH // PAGE)
    assert file.verify() == []
    assert os.stat(file.path).st_mode & 0o777 == 0o600


class AgainstDict(RuleBasedStateMachine):
    """Any order of changes, commits, kills (reopening without a commit) and compactions leaves what a dict would hold."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = Path(tempfile.mkdtemp())
        self.file = PostingFile.create(self.folder / "lists", 16, 1)
        self.file.commit({"step": 0})
        self.now: dict[int, bytes] = {}
        self.committed: dict[int, bytes] = {}
        self.step = self.seed = 0
        self.held: list[tuple[int, np.ndarray, np.ndarray, dict[int, bytes]]] = []

    @rule(number=st.integers(0, 12), count=st.integers(0, 256))
    def put(self, number: int, count: int) -> None:
        self.seed += 1
        rows = records(count, self.seed, 16)
        self.file.put(number, rows)
        self.now[number] = rows.tobytes()

    @rule(number=st.integers(0, 12), count=st.integers(0, 40))
    def append(self, number: int, count: int) -> None:
        self.seed += 1
        rows = records(count, self.seed, 16)
        before = self.now.get(number, b"")
        if len(before) // 16 + count > self.file.limit:
            with pytest.raises(InputError, match="split"):
                self.file.append(number, rows)
        else:
            self.file.append(number, rows)
            self.now[number] = before + rows.tobytes()

    @rule(number=st.integers(0, 12))
    def drop(self, number: int) -> None:
        self.file.drop(number)
        self.now[number] = b""

    @rule()
    def commit(self) -> None:
        self.step += 1
        self.file.commit({"step": self.step}, {"mine": np.arange(self.step)})
        self.committed = dict(self.now)

    @rule()
    def kill(self) -> None:
        self.file.close()
        self.held = []
        self.file = PostingFile.open(self.folder / "lists")
        self.now = dict(self.committed)
        assert self.file.meta == {"step": self.step}

    @rule()
    def compact(self) -> None:
        self.file.commit({"step": self.step})
        self.file.compact()
        self.committed = dict(self.now)

    @rule()
    def hold(self) -> None:
        self.held.append((self.file.handle, self.file.offsets, self.file.counts, dict(self.now)))

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        self.held.pop(0)

    @invariant()
    def all_is_as_in_the_dict(self) -> None:
        if not hasattr(self, "file"):
            return
        for number in range(len(self.file)):
            assert self.file.get(number).tobytes() == self.now.get(number, b"")
        for handle, offsets, counts, was in self.held:  # what somebody holds stays readable whatever came later
            for number, (offset, count) in enumerate(zip(offsets.tolist(), counts.tolist(), strict=True)):
                assert os.pread(handle, count * 16, offset) == was.get(number, b"")

    def teardown(self) -> None:
        if hasattr(self, "file"):
            self.file.close()
            shutil.rmtree(self.folder)


AgainstDict.TestCase.settings = settings(
    max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
test_any_changes_leave_what_a_dict_would_hold = AgainstDict.TestCase


def test_room_is_used_again_after_a_commit_and_the_file_does_not_grow_for_ever(tmp_path):
    file = filled(tmp_path / "lists")
    sizes = []
    for step in range(60):
        for number in range(40):
            file.put(number, records(60, step))
        file.commit({"step": step})
        sizes.append(file.bytes_on_disk)
    assert sizes[-1] == sizes[5]
    assert sizes[-1] < 3.2 * 40 * 2 * PAGE


def test_what_a_commit_holds_is_never_written_over_before_the_next_one(tmp_path):
    file = filled(tmp_path / "lists")
    before = content(file)
    for step in range(5):
        for number in range(40):
            file.put(number, records(file.limit, step))
            file.append((number + 1) % 40, records(0, 0))
    reader = PostingFile.open(file.path, read_only=True)
    assert content(reader) == before
    assert reader.meta == {"step": 0}


def test_appending_reads_a_list_once_and_then_writes_only_what_is_new(tmp_path):
    file = PostingFile.create(tmp_path / "lists", WIDTH, 3)
    file.write_all(np.array([45, 45]), iter([records(45, 0), records(45, 1)]))
    file.commit()
    written = file.bytes_written
    file.append(0, records(1, 2))
    assert file.bytes_written - written == 46 * WIDTH
    for seed in range(3, 30):
        file.append(0, records(1, seed))
    assert file.bytes_written - written == 46 * WIDTH + 27 * WIDTH
    assert np.array_equal(file.get(0)[45:], np.concatenate([records(1, seed) for seed in range(2, 30)]))


# ------------------------------------------------------------------------------------------------------------------- kills
def changes(file: PostingFile, steps: int = 4) -> None:
    for step in range(1, steps + 1):
        generator = np.random.default_rng(step)
        for number in generator.integers(0, 44, 12).tolist():
            what = generator.integers(0, 3)
            room = file.limit - (file.count(number) if number < len(file) else 0)
            if what == 0:
                file.put(number, records(int(generator.integers(1, file.limit)), step))
            elif what == 1 and room:
                file.append(number, records(min(3, room), step))
            else:
                file.drop(number)
        file.commit({"step": step}, {"step": np.array([step])})


def expected(folder: Path) -> list[list[bytes]]:
    out = []
    for steps in range(5):
        file = filled(folder / f"expected{steps}")
        changes(file, steps)
        out.append(content(file))
        file.close()
    return out


def test_a_copy_of_the_file_at_every_write_half_done_or_done_opens_at_a_commit(tmp_path):
    states = expected(tmp_path)
    path = tmp_path / "lists"
    seen: list[int] = []

    def look() -> None:
        copy = tmp_path / "copy"
        shutil.copyfile(path, copy)
        with PostingFile.open(copy) as file:
            step = file.meta["step"]
            assert content(file) == states[step]
            assert file.verify() == []
            assert not step or file.arrays["step"].tolist() == [step]
            seen.append(step)
            file.put(3, records(7, 9))  # and can be gone on with
            file.commit({"step": 9})
            assert content(file)[:3] == states[step][:3]
            assert file.verify() == []

    def write(handle: int, data: bytes, at: int) -> int:
        if path.exists():
            os.pwrite(handle, data[: len(data) // 2], at)
            look()
        done = os.pwrite(handle, data, at)
        if path.exists():
            look()
        return done

    file = filled(path, write=write)
    changes(file)
    assert content(file) == states[4]
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]
    assert seen == sorted(seen)
    assert len(seen) > 60
    seen.clear()
    file.compact()
    assert set(seen) == {4}
    look()
    assert len(seen) > 2


WRITER = """
import sys; from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.index.spann.test_postings import filled, changes
from lamina.index.spann.postings import PostingFile
file = PostingFile.open(Path(sys.argv[1]))
print("begun", flush=True)
while True:
    changes(file)
    file.compact()
"""


def test_a_killed_process_leaves_the_last_commit(tmp_path):
    states = expected(tmp_path)
    path = tmp_path / "lists"
    filled(path).close()
    root = str(Path(__file__).parents[3])
    generator = np.random.default_rng(0)
    for _ in range(5):
        shutil.copyfile(tmp_path / "expected0", path)
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), root], stdout=subprocess.PIPE, cwd=root)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(float(generator.random()) * 0.15)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        with PostingFile.open(path) as file:
            assert file.verify() == []
            if file.commits <= 5:  # later the same changes run over what they made
                assert content(file) == states[file.meta["step"]]
            file.put(0, records(5, 5))
            file.commit()


# ------------------------------------------------------------------------------------------------------------- disk full
def test_a_full_disk_leaves_the_last_commit_and_what_was_changed_since(tmp_path):
    full = False

    def write(handle: int, data: bytes, at: int) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(handle, data, at)

    file = filled(tmp_path / "lists", write=write)
    file.put(1, records(9, 77))
    before, committed = content(file), content(PostingFile.open(file.path, read_only=True))
    full = True
    for change in (
        lambda: file.put(2, records(3, 1)),
        lambda: file.append(1, records(1, 1)),
        lambda: file.append(0, records(1, 1)),
        lambda: file.write_all(np.array([4]), iter([records(4, 1)])),
        lambda: file.compact(),
        lambda: file.commit({"step": 1}),
    ):
        with pytest.raises(StoreFullError):
            change()
        assert content(file) == before
        assert content(PostingFile.open(file.path, read_only=True)) == committed
    assert not list(tmp_path.glob("*.new"))
    full = False
    size = file.bytes_on_disk
    file.put(2, records(3, 1))
    file.commit({"step": 1})
    assert file.verify() == []
    assert PostingFile.open(file.path, read_only=True).meta == {"step": 1}
    assert file.bytes_on_disk < size + 8 * PAGE  # what could not be written took no room for good


def test_a_disk_that_fills_in_the_header_write_does_not_lose_the_last_commit(tmp_path):
    def write(handle: int, data: bytes, at: int) -> int:
        if at == PAGE * 0 and armed:
            os.pwrite(handle, data[:20], at)
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.pwrite(handle, data, at)

    armed = False
    file = filled(tmp_path / "lists", write=write)
    before = content(file)
    armed = True
    file.put(0, records(5, 5))
    with pytest.raises(StoreFullError):
        file.commit()
    with PostingFile.open(file.path, read_only=True) as reader:
        assert content(reader) == before
    armed = False
    file.commit()
    with PostingFile.open(file.path, read_only=True) as reader:
        assert np.array_equal(reader.get(0), records(5, 5))
        assert reader.verify() == []


# ---------------------------------------------------------------------------------------------------------------- damage
def test_a_flipped_byte_in_any_list_is_found(tmp_path):
    file = filled(tmp_path / "lists")
    file.close()
    whole = (tmp_path / "lists").read_bytes()
    generator = np.random.default_rng(3)
    with PostingFile.open(tmp_path / "lists", read_only=True) as reader:
        offsets, counts = reader.offsets, reader.counts
    for number in np.flatnonzero(counts).tolist():
        raw = bytearray(whole)
        at = int(offsets[number]) + int(generator.integers(0, counts[number] * WIDTH))
        raw[at] ^= 1 << int(generator.integers(0, 8))
        (tmp_path / "bad").write_bytes(raw)
        with PostingFile.open(tmp_path / "bad", read_only=True) as bad:
            assert len(bad.verify()) == 1
            assert f"list {number} " in bad.verify()[0]
            with pytest.raises(CorruptStoreError, match=f"list {number} "):
                bad.get(number)
            assert len(bad.get(number, check=False)) == counts[number]
            assert sum(len(bad.verify(sample=20, seed=seed)) for seed in range(20)) > 0


def test_truncated_foreign_and_scrambled_files_are_refused_and_never_read_wrongly(tmp_path):
    file = filled(tmp_path / "lists")
    changes(file)
    good = content(file)
    file.close()
    whole = (tmp_path / "lists").read_bytes()
    bad = tmp_path / "bad"
    for size in [0, 1, 60, 4096, 8192, len(whole) // 2, len(whole) - PAGE]:
        bad.write_bytes(whole[:size])
        with pytest.raises(LaminaError):
            PostingFile.open(bad)
    bad.write_bytes(os.urandom(30000))
    with pytest.raises(CorruptStoreError):
        PostingFile.open(bad)
    with pytest.raises(NotFoundError):
        PostingFile.open(tmp_path / "none")
    with pytest.raises(StoreError):
        PostingFile.open(tmp_path)
    with pytest.raises(StoreError, match="100 bytes, not 96"):
        PostingFile.open(tmp_path / "lists", width=96)
    generator = np.random.default_rng(0)
    for _ in range(300):
        raw = bytearray(whole)
        at = (
            int(generator.integers(0, len(raw)))
            if generator.random() < 0.5
            else int(generator.integers(0, 2)) * PAGE + int(generator.integers(0, 60))
        )
        raw[at] ^= int(generator.integers(1, 256))
        bad.write_bytes(raw)
        try:
            with PostingFile.open(bad) as one:
                if one.verify() == [] and one.meta == {"step": 4}:
                    assert content(one) == good
        except LaminaError:
            pass


def test_a_file_of_a_newer_form_is_said_to_be_one(tmp_path):
    import zlib

    file = filled(tmp_path / "lists")
    file.close()
    raw = bytearray((tmp_path / "lists").read_bytes())
    raw[PAGE + 8] = 2
    raw[PAGE + 52 : PAGE + 56] = zlib.crc32(raw[PAGE : PAGE + 52]).to_bytes(4, "little")
    (tmp_path / "lists").write_bytes(raw)
    with pytest.raises(SchemaError, match="form 2"):
        PostingFile.open(tmp_path / "lists")


def test_bad_input_is_refused_and_changes_nothing(tmp_path):
    for width, pages in ((0, 3), (PAGE + 1, 1), (10, 0)):
        with pytest.raises(InputError):
            PostingFile.create(tmp_path / "x", width, pages)
    file = filled(tmp_path / "lists")
    before = content(file)
    for change in (
        lambda: file.put(0, records(1, 0, WIDTH + 1)),
        lambda: file.put(0, records(1, 0).astype(np.float32)),
        lambda: file.put(0, records(file.limit + 1, 0)),
        lambda: file.put(-1, records(1, 0)),
        lambda: file.append(-1, records(1, 0)),
        lambda: file.drop(-3),
        lambda: file.get(40),
        lambda: file.get(-1),
        lambda: file.write_all(np.array([1, 2]), iter([records(1, 0)])),
        lambda: file.write_all(np.array([1]), iter([records(2, 0)])),
        lambda: file.write_all(np.array([1]), iter([records(1, 0), records(1, 0)])),
        lambda: file.write_all(np.array([file.limit + 1]), iter([])),
        lambda: file.commit({"bad": object()}),
        lambda: file.commit({}, {"counts": np.zeros(1)}),
        lambda: file.commit({}, {"names": np.array(["a"])}),
    ):
        with pytest.raises(InputError):
            change()
        assert content(file) == before
    reader = PostingFile.open(file.path, read_only=True)
    with pytest.raises(ReadOnlyError):
        reader.put(0, records(1, 0))
    reader.close()
    with pytest.raises(ClosedError):
        reader.get(0)


# --------------------------------------------------------------------------------------------------- writers and readers
def test_there_is_one_writer(tmp_path):
    file = filled(tmp_path / "lists")
    with pytest.raises(StoreBusyError):
        PostingFile.open(file.path)
    file.compact()
    with pytest.raises(StoreBusyError):
        PostingFile.open(file.path)
    file.close()
    PostingFile.open(tmp_path / "lists").close()


def test_readers_stay_at_their_commit_until_they_refresh_whatever_the_writer_does(tmp_path):
    file = filled(tmp_path / "lists")
    reader = PostingFile.open(file.path, read_only=True)
    before = content(reader)
    held = reader.offsets, reader.counts
    for step in range(1, 6):
        for number in range(40):
            file.put(number, records(20, step))
        file.commit({"step": step})
        assert content(reader) == before
    assert reader.refresh()
    assert not reader.refresh()
    assert reader.meta == {"step": 5}
    assert content(reader) == content(file)
    for step in range(6, 9):  # a search that began before the refresh goes on
        for number in range(40):
            file.put(number, records(20, step))
        file.commit({"step": step})
    assert [os.pread(reader.handle, int(c) * WIDTH, int(o)) for o, c in zip(*held, strict=True)] == before
    del held
    reader.refresh()
    sizes = []
    for step in range(9, 40):
        for number in range(40):
            file.put(number, records(20, step))
        file.commit({"step": step})
        reader.refresh()
        sizes.append(file.bytes_on_disk)
    assert sizes[-1] == sizes[9]  # nothing holds room back for good
    file.compact()
    assert content(reader) == content(file)
    assert reader.refresh()
    assert content(reader) == content(file)


def test_a_search_in_the_writers_own_process_keeps_what_it_reads_even_over_a_compaction(tmp_path):
    file = filled(tmp_path / "lists")
    handle, offsets, counts = file.handle, file.offsets, file.counts
    before = content(file)
    for step in range(4):
        for number in range(40):
            file.put(number, records(50, step))
        file.commit()
    file.compact()
    file.commit()
    assert [os.pread(handle, int(c) * WIDTH, int(o)) for o, c in zip(offsets, counts, strict=True)] == before
    del offsets
    file.commit()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)  # nobody needed it any more


# ------------------------------------------------------------------------------------------------------------- compaction
def test_compaction_packs_and_leaves_no_byte_of_what_was_removed(tmp_path):
    file = filled(tmp_path / "lists")
    secret = np.frombuffer(b"a secret that is to go".ljust(WIDTH, b"."), np.uint8)[None]
    file.put(3, np.concatenate([secret, records(4, 3)]))
    file.commit()
    file.put(3, records(4, 3))
    for number in range(10, 40):
        file.drop(number)
    file.commit({"step": 1})
    assert b"a secret" in file.path.read_bytes()
    seen: list[int] = []
    size, before = file.bytes_on_disk, content(file)
    file.compact(Run(progress=lambda stage, done, total: seen.append(total)))
    assert b"a secret" not in file.path.read_bytes()
    assert seen == [40]
    assert file.bytes_on_disk < size / 2
    assert content(file) == before
    assert file.verify() == []
    assert file.meta == {"step": 1}
    for number in np.flatnonzero(file.counts).tolist():
        assert file.pages_of(number) == -(-file.count(number) * WIDTH // PAGE)
    file.put(0, records(2, 2))
    file.commit()
    file.close()
    assert np.array_equal(PostingFile.open(tmp_path / "lists").get(0), records(2, 2))


def test_a_cancelled_compaction_or_creation_leaves_the_older_file(tmp_path):
    file = filled(tmp_path / "lists")
    before = content(file)
    with pytest.raises(Cancelled):
        file.compact(Run(cancelled=lambda: True))
    assert content(file) == before
    file.close()
    other = PostingFile.create(tmp_path / "lists", WIDTH, 3)
    other.put(0, records(1, 1))
    with pytest.raises(StoreBusyError):
        PostingFile.create(tmp_path / "lists", WIDTH, 3)
    other.close()
    with PostingFile.open(tmp_path / "lists") as again:
        assert content(again) == before
    assert [one.name for one in tmp_path.iterdir()] == ["lists"]
