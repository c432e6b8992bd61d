"""SPANN's folder: other processes, kills, damage, a full disk."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import CorruptStoreError, LaminaError, NotFoundError, StoreBusyError, StoreError, StoreFullError, VectorError
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.spann.postings import PostingFile
from lamina.index.spann.spann import SPANN
from tests.index.spann.sets import DIM, build, mixture

ROOT = Path(__file__).parents[3]


def opened(folder: Path, **settings: object) -> SPANN:
    index = SPANN(**{"dim": DIM, "folder": folder, "metric": "l2", "pages": 1, **settings})  # type: ignore[arg-type]
    index.load()
    return index


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an index of 400 vectors that nobody has open."""
    folder = tmp_path_factory.mktemp("saved")
    build(folder, mixture(400, 1), probes=12, patience=3).close()
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(saved, tmp_path / "index"))


# -------------------------------------------------------------------------------------------------------- other processes
READER = """
import json, sys
from pathlib import Path
import numpy as np
from lamina.index.spann.spann import SPANN
from tests.index.spann.sets import mixture
index = SPANN(32, Path(sys.argv[1]), metric="l2", pages=1)
index.load()
print(json.dumps([part.tolist() for part in index.search(mixture(20, 2), 10)]))
"""


def test_another_process_finds_the_same(tmp_path: Path) -> None:
    index = build(tmp_path, mixture(400, 1), probes=12, patience=3)
    right = [part.tolist() for part in index.search(mixture(20, 2), 10)]
    index.close()
    out = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path)], cwd=ROOT, env=_environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(out.stdout) == right


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def test_what_was_set_comes_back(folder: Path) -> None:
    index = opened(folder, probes=40)
    assert (index.probes, index.patience, len(index)) == (12, 3, 400)
    assert index.built["heads"] > 0
    assert index.verify() == []
    assert sorted(path.name.partition(".")[0] for path in folder.iterdir()) == ["heads", "lists", "rows"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_an_index_that_was_closed_is_empty_and_can_be_opened_by_another(folder: Path) -> None:
    index = opened(folder)
    with pytest.raises(StoreBusyError):
        opened(folder)
    index.close()
    index.close()
    assert len(index) == 0
    assert (index.search(mixture(1, 1), 3)[0] == -1).all()
    assert len(opened(folder)) == 400


# ------------------------------------------------------------------------------------------------------------------ kills
WRITER = """
import sys
from pathlib import Path
import numpy as np
from lamina.index.spann.spann import SPANN
from tests.index.spann.sets import mixture
index = SPANN(32, Path(sys.argv[1]), metric="l2", pages=1)
index.load()
rows = mixture(4000, 9)
print("begun", flush=True)
at = 400
while at < 3900:
    index.add(np.arange(at, at + 20), rows[at : at + 20])
    index.save()
    at += 20
    print(at, flush=True)
"""


def test_a_process_killed_while_it_saves_leaves_a_commit(folder: Path) -> None:
    """What was said to be saved is there, whole, and nothing but what the next commit would have brought."""
    generator = np.random.default_rng(0)
    for _ in range(3):
        copy = Path(shutil.copytree(folder, folder.with_name("copy")))
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(copy)], cwd=ROOT, env=_environment(), stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        child.stdout.readline()
        time.sleep(float(generator.random()) * 0.1)
        child.send_signal(signal.SIGKILL)
        said = [420, *map(int, child.stdout.read().split())][-1]
        child.wait()
        child.stdout.close()
        index = opened(copy)
        assert index.verify() == []
        assert said <= len(index) <= said + 20
        assert index.search(mixture(5, 2), 10)[0].min() >= 0
        index.add(np.array([9000]), mixture(1, 3))
        index.save()
        index.close()
        shutil.rmtree(copy)


# ----------------------------------------------------------------------------------------------------------------- damage
def tried(folder: Path, right: list[list[int]]) -> str:
    """What becomes of a folder that was tampered with: refused, or found out by `verify`, or the same answers."""
    index = SPANN(DIM, folder, metric="l2", pages=1)
    try:
        index.load()
    except LaminaError:
        assert len(index) == 0
        assert index.probes == SPANN(DIM, folder).probes
        return "refused"
    try:
        found, _ = index.search(mixture(20, 2), 10)
        assert found.max() < 400
        problems = index.verify()
    except LaminaError:
        return "refused later"
    finally:
        index.close()
    if problems:
        return "found"
    return "same" if found.tolist() == right else "other"


@pytest.mark.parametrize("which", ["lists", "heads", "rows"])
@pytest.mark.parametrize("how", ["cut", "flip", "scramble", "longer"])
def test_damaged_files_never_crash_and_are_refused_or_harmless(folder: Path, which: str, how: str) -> None:
    index = opened(folder)
    right = index.search(mixture(20, 2), 10)[0].tolist()
    index.close()
    path = next(path for path in folder.iterdir() if path.name.partition(".")[0] == which)
    whole = path.read_bytes()
    generator = np.random.default_rng(5)
    seen: dict[str, int] = {}
    for case in range(25):
        raw = bytearray(whole)
        at = int(generator.integers(0, len(raw))) if case % 2 else int(generator.integers(0, min(len(raw), 6000)))
        if how == "cut":
            raw = raw[:at]
        elif how == "flip":
            raw[at] ^= 1 << int(generator.integers(0, 8))
        elif how == "scramble":
            raw[at : at + 300] = generator.bytes(len(raw[at : at + 300]))
        else:
            raw[at:at] = generator.bytes(64)
        path.write_bytes(raw)
        result = tried(folder, right)
        seen[result] = seen.get(result, 0) + 1
    if which != "rows":  # rows have no checksums: another row is another order of what is found, not a crash
        assert "other" not in seen, seen
    if how == "cut":
        assert set(seen) <= {"refused", "refused later"} | ({"same"} if which == "lists" else set()), seen
    path.write_bytes(whole)
    assert tried(folder, right) == "same"


def test_other_files_in_its_place_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no index in"):
        opened(tmp_path / "nowhere")
    with pytest.raises(VectorError, match="32 dimensions, not 16"):
        opened(folder, dim=16)
    with pytest.raises(StoreError, match="metric"):
        opened(folder, metric="cosine")
    with pytest.raises(StoreError, match="form"):
        opened(folder, form="float16")
    heads = next(folder.glob("heads.*"))
    rows = next(folder.glob("rows.*"))
    lists = folder / "lists"
    kept = {path: path.read_bytes() for path in (heads, rows, lists)}

    def refused(path: Path, error: type[LaminaError]) -> None:
        with pytest.raises(error):
            opened(folder)
        path.write_bytes(kept[path])

    for path in kept:
        path.unlink()
        refused(path, NotFoundError)
        path.write_bytes(b"")
        refused(path, CorruptStoreError)
        path.write_bytes(os.urandom(9000))
        refused(path, CorruptStoreError)
    for dim, metric, form in ((16, "l2", "float16"), (DIM, "ip", "float16"), (DIM, "l2", "float32")):
        other = HNSW(dim, metric=metric, form=form)  # type: ignore[arg-type]
        other.add(np.arange(3), mixture(3, 1, dim))
        other.save(heads)
        refused(heads, CorruptStoreError)
    far = HNSW(DIM, metric="l2", form="float16")
    far.add(np.array([5000]), mixture(1, 1))
    far.save(heads)
    refused(heads, CorruptStoreError)
    rows.unlink()
    FullFile(rows, DIM, new=True).write(0, mixture(400, 1))
    refused(rows, CorruptStoreError)
    lists.unlink()
    with PostingFile.create(lists, 80, 1) as file:
        file.commit({"dim": DIM})
    refused(lists, CorruptStoreError)
    assert len(opened(folder)) == 400


def test_a_refused_folder_leaves_an_index_as_it_was(folder: Path, tmp_path: Path) -> None:
    index = build(tmp_path / "other", mixture(100, 6))
    before = index.search(mixture(5, 2), 5)[0].tolist()
    index.folder = folder
    next(folder.glob("heads.*")).unlink()
    with pytest.raises(NotFoundError):
        index.load()
    assert index.search(mixture(5, 2), 5)[0].tolist() == before


# -------------------------------------------------------------------------------------------------------------- full disk
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("room", [6000, 20_000, 45_000])
def test_a_build_that_finds_no_room_says_so_and_leaves_nothing(tmp_path: Path, room: int) -> None:
    def work() -> None:
        index = SPANN(DIM, tmp_path / "index", metric="l2", pages=1)
        with pytest.raises(StoreFullError):
            index.build(np.arange(600), mixture(600, 1))
        assert len(index) == 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        index.build(np.arange(600), mixture(600, 1))
        assert index.verify() == []
        assert sorted(path.name.partition(".")[0] for path in index.folder.iterdir()) == ["heads", "lists", "rows"]

    _with_room(room, work)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_full_disk_leaves_the_last_commit_and_what_was_changed_can_be_saved_later(folder: Path) -> None:
    largest = max(path.stat().st_size for path in folder.iterdir())

    def work() -> None:
        index = opened(folder)
        rows = mixture(2000, 9)

        def grow() -> None:
            for at in range(400, 2000, 100):
                index.add(np.arange(at, at + 100), rows[at : at + 100])
                index.save()

        with pytest.raises(StoreFullError):
            grow()
        assert index.verify() == []
        index.close()
        again = opened(folder)
        assert again.verify() == []
        assert len(again) >= 400
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        again.add(np.arange(5000, 5100), rows[:100])
        again.save()
        assert again.verify() == []

    _with_room(largest + 8192, work)
    assert opened(folder).present[5000:5100].all()


def _with_room(size: int, work: object) -> None:
    """Do something in a process whose files may not grow beyond `size`."""
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            work()  # type: ignore[operator]
            code = 0
        except BaseException:  # noqa: BLE001
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
