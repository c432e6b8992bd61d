"""Files of an HNSW: what is saved comes back, and what is damaged is refused without harm."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import (
    CorruptStoreError,
    InputError,
    LaminaError,
    NotFoundError,
    SchemaError,
    StoreError,
    StoreFullError,
    VectorError,
)
from lamina.index import arrays as files
from lamina.index.arrays import read_arrays, write_arrays
from lamina.index.hnsw import HNSW

FORMS = [("float32", False), ("float16", False), ("int8", False), ("int8", True)]


def normal(count: int, dim: int = 16, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def filled(folder: Path, form: str = "float32", file: bool = False, count: int = 600, **settings: Any) -> HNSW:
    index = HNSW(16, form=form, full=folder / "rows" if file else None, share=0.9, **settings)
    index.add(np.arange(count), np.concatenate([normal(count - 50), np.repeat(normal(5), 10, axis=0)]))
    index.remove(np.arange(0, count, 9))
    index.repair()
    index.remove(np.arange(1, count, 9))
    return index


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("form", "file"), FORMS)
def test_a_loaded_index_answers_and_grows_as_the_saved_one(tmp_path: Path, form: str, file: bool, mapped: bool) -> None:
    index = filled(tmp_path, form, file, metric="l2", M=8, ef_construction=50)
    index.save(tmp_path / "index")
    if file:  # both write their rows: each needs its own file
        (tmp_path / "copy").mkdir()
        for path in tmp_path.glob("[ri]*"):
            shutil.copy(path, tmp_path / "copy")
    other = HNSW.open(tmp_path / ("copy/index" if file else "index"), mapped=mapped)
    assert (other.metric, other.form, other.M, other.ef_construction) == ("l2", form, 8, 50)
    for _ in range(2):
        for one, two in zip(index.search(normal(30, seed=1), 10), other.search(normal(30, seed=1), 10), strict=True):
            assert one.tolist() == two.tolist()
        assert np.array_equal(index.rows(np.arange(600)), other.rows(np.arange(600)))
        assert index.verify() == other.verify()
        for each in (index, other):
            each.add(np.arange(300, 900), normal(600, seed=5))
            each.remove(np.arange(0, 900, 5))
            each.repair()
    assert index.stats()["nodes"] == other.stats()["nodes"]
    assert np.array_equal(index.graph.links[: index.stats()["nodes"]], other.graph.links[: index.stats()["nodes"]])


def test_a_mapped_index_leaves_its_file_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path).save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    other = HNSW.open(tmp_path / "index", mapped=True, check=False)
    other.remove(np.arange(100))
    other.add(np.arange(50), normal(50, seed=4))
    other.repair()
    assert (tmp_path / "index").read_bytes() == before
    assert other.verify() == []


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [({"dim": 17}, VectorError, "16 dimensions, not 17"), ({"metric": "l2"}, StoreError, "metric='ip'"), ({"form": "float16"}, StoreError, "form='float32'")],
)  # fmt: skip
def test_an_index_made_otherwise_is_refused(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    filled(tmp_path).save(tmp_path / "index")
    other = HNSW(**{"dim": 16, **settings})
    with pytest.raises(error, match=message):
        other.load(tmp_path / "index")
    assert len(other) == 0


def test_a_file_of_a_newer_version_or_another_kind_is_refused(tmp_path: Path) -> None:
    filled(tmp_path).save(tmp_path / "index")
    raw = bytearray((tmp_path / "index").read_bytes())
    raw[8] = 2
    (tmp_path / "newer").write_bytes(raw)
    with pytest.raises(SchemaError, match="the form 2 of index files"):
        HNSW.open(tmp_path / "newer")
    write_arrays(tmp_path / "other", "spann", {}, {"x": np.zeros(3)})
    with pytest.raises(CorruptStoreError, match="of the kind 'spann'"):
        HNSW.open(tmp_path / "other")
    with pytest.raises(NotFoundError):
        HNSW.open(tmp_path / "none")


def tried(path: Path, mapped: bool, check: bool) -> bool:
    """Open a file and do everything with what comes of it; whether it was taken."""
    try:
        index = HNSW.open(path, mapped=mapped, check=check)
        index.search(normal(5), 5)
        index.search(normal(5), 5, np.arange(700) % 2 == 0)
        index.remove(np.arange(0, 600, 4))
        index.search(normal(5), 5)
        index.add(np.arange(40), normal(40, seed=2))
        index.repair()
        index.compact()
        index.verify()
        index.stats()
        return True
    except (LaminaError, MemoryError):
        return False


@pytest.mark.parametrize(("form", "file"), FORMS)
def test_damaged_files_are_refused_or_harmless(tmp_path: Path, form: str, file: bool) -> None:
    """Flipped bytes, numbers set to others and cuts, anywhere, with checksums and without: no crash and no foreign error."""
    filled(tmp_path, form, file).save(tmp_path / "index")
    good = (tmp_path / "index").read_bytes()
    generator = np.random.default_rng(0)
    taken = 0
    for turn in range(48):
        raw = bytearray(good)
        kind = turn % 3
        at = int(generator.integers(0, len(raw) if turn % 2 else 4096))
        if kind == 0:
            raw[at] ^= 1 << int(generator.integers(0, 8))
        elif kind == 1:
            raw[at : at + 4] = int(generator.choice([2**31 - 1, -1, 0, 600, 10**6]) % 2**32).to_bytes(4, "little")
        else:
            del raw[at:]
        (tmp_path / "bad").write_bytes(raw)
        checked = tried(tmp_path / "bad", mapped=turn % 4 < 2, check=True)
        assert not checked or bytes(raw) == good or same_arrays(tmp_path / "bad", tmp_path / "index")
        taken += tried(tmp_path / "bad", mapped=turn % 4 < 2, check=False)
    assert taken >= 2  # vectors alone were hit: without checksums nobody can tell


def same_arrays(one: Path, two: Path) -> bool:
    """Whether only bytes between the arrays differ."""
    left, right = (read_arrays(path, "hnsw")[1] for path in (one, two))
    return all(np.array_equal(left[name], right[name]) for name in right)


@pytest.mark.parametrize(("form", "file"), FORMS)
def test_arrays_that_lead_astray_are_refused_without_checksums(tmp_path: Path, form: str, file: bool) -> None:
    """Each array in turn is filled with other numbers, and the file is written with right checksums."""
    filled(tmp_path, form, file).save(tmp_path / "index")
    generator = np.random.default_rng(1)
    for turn in range(60):
        meta, arrays = read_arrays(tmp_path / "index", "hnsw")
        name = ("links", "upper", "upper_at", "levels", "slot_of", "node_of", "dead", "free", "head")[turn % 9]
        array = arrays[name].reshape(-1).view(np.uint8 if name == "dead" else arrays[name].dtype)
        if turn < 45:
            spots = generator.integers(0, len(array), generator.integers(1, 4))
            array[spots] = generator.choice(
                [-1, 1, 2, 31, 100, 127] if array.dtype.itemsize == 1 else [-(2**31), -1, 0, 1, 40, 599, 600, 2**31 - 1],
                len(spots),
            ).astype(array.dtype)
        else:
            key = ("entry", "top", "M", "dim", "step", "fit", "save", "generator", "metric", "form", "full")[turn % 11]
            meta[key] = [None, -1, 10**9, "x", [], {}, 1.5, True][turn % 8]
        write_arrays(tmp_path / "bad", "hnsw", meta, arrays)
        tried(tmp_path / "bad", mapped=turn % 2 == 0, check=turn % 3 == 0)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    index = filled(tmp_path, "int8", True)
    index.save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    count = len(index)

    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    expected = StoreFullError if code == errno.ENOSPC else StoreError
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        with pytest.raises(expected, match="unharmed" if code == errno.ENOSPC else "cannot be written"):
            index.save(tmp_path / "index")
    with monkeypatch.context() as patched:
        patched.setattr("lamina.index.graphs.full.os.pwrite", full)
        with pytest.raises(expected):
            index.add(np.arange(900, 1000), normal(100, seed=3))
    assert (tmp_path / "index").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".part") == []
    assert len(index) == count
    assert index.verify() == []
    index.add(np.arange(900, 1000), normal(100, seed=3))
    assert len(index) == count + 100
    assert len(HNSW.open(tmp_path / "index")) == count


def test_an_older_save_opens_after_later_changes_were_lost(tmp_path: Path) -> None:
    """The file of full rows goes on while the index file does not: a kill at any moment leaves the last save whole."""
    index = filled(tmp_path, "int8", True)
    index.save(tmp_path / "index")
    slots, scores = index.search(normal(30, seed=1), 10)
    index.add(np.arange(200, 900), normal(700, seed=4))
    index.remove(np.arange(100, 700))
    index.repair()
    index.add(np.arange(0, 100), normal(100, seed=6))
    index.compact()
    again = HNSW.open(tmp_path / "index")
    assert again.search(normal(30, seed=1), 10)[0].tolist() == slots.tolist()
    assert again.search(normal(30, seed=1), 10)[1].tolist() == scores.tolist()
    assert again.verify() == []


def test_full_rows_of_another_save_are_refused(tmp_path: Path) -> None:
    index = filled(tmp_path, "int8", True)
    index.save(tmp_path / "index")
    shutil.copy(tmp_path / "index", tmp_path / "older")
    index.remove(np.arange(300))
    index.repair()
    index.save(tmp_path / "index")
    with pytest.raises(CorruptStoreError, match="belong to another save"):
        HNSW.open(tmp_path / "older")
    HNSW.open(tmp_path / "index")
    rows = next(tmp_path.glob("rows.*"))
    os.truncate(rows, 5000)
    with pytest.raises(CorruptStoreError, match="belong to another save"):
        HNSW.open(tmp_path / "index")
    with pytest.raises(CorruptStoreError, match="cut off or cannot be read"):
        index.search(normal(1), 5)
    rows.unlink()
    with pytest.raises(LaminaError, match="is missing"):
        HNSW.open(tmp_path / "index")


def test_only_the_newest_file_of_full_rows_stays(tmp_path: Path) -> None:
    index = filled(tmp_path, "int8", True)
    index.save(tmp_path / "index")
    index.compact()
    index.save(tmp_path / "index")
    assert len(list(tmp_path.glob("rows.*"))) == 1
    assert next(tmp_path.glob("rows.*")).stat().st_mode & 0o777 == 0o600
    assert HNSW.open(tmp_path / "index").verify() == []


@pytest.mark.parametrize(
    "settings",
    [{"dim": 0}, {"M": 1}, {"M": 513}, {"ef": 0}, {"ef_construction": 0}, {"threads": 0}, {"metric": "cos"}, {"selection": "best"}, {"form": "int4"},
     {"rerank": 0}, {"share": 0.0}, {"share": 1.0}, {"full": Path("x")}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HNSW(**{"dim": 4, **settings})


def test_bad_vectors_and_queries_are_refused() -> None:
    index = HNSW(4, metric="cosine")
    with pytest.raises(VectorError, match="vector 1 is zero"):
        index.add(np.arange(2), np.array([[1, 0, 0, 0], [0, 0, 0, 0]], np.float32))
    assert len(index) == 0
    index.add(np.arange(2), np.array([[1e-30, 0, 0, 0], [0, 1e30, 0, 0]], np.float32))
    assert index.search(np.array([[0, 3e38, 0, 0]], np.float32), 1)[1][0, 0] == pytest.approx(1)
    with pytest.raises(VectorError, match="query 0 is zero"):
        index.search(np.zeros((1, 4), np.float32), 1)
    with pytest.raises(InputError, match="ef must be at least 1"):
        index.search(np.ones((1, 4), np.float32), 1, ef=0)
    for form in ("float16", "int8"):
        with pytest.raises(VectorError, match="which float16 cannot hold"):
            HNSW(4, form=form).add(np.arange(1), np.full((1, 4), 1e5, np.float32))


def test_a_graph_that_was_made_elsewhere_is_taken_or_refused() -> None:
    rows, made = normal(300), HNSW(16, M=6)
    made.add(np.arange(300), rows)
    graph, count = made.graph, 300
    tall = graph.levels[:count].astype(np.int64)
    order = np.concatenate([np.arange(graph.upper_at[i], graph.upper_at[i] + tall[i]) for i in range(count)]).astype(np.int64)
    parts: dict[str, Any] = {
        "vectors": rows[made.slot_of], "slots": made.slot_of, "links": graph.links[:count], "levels": graph.levels[:count],
        "upper": graph.upper[order], "entry": made.entry,
    }  # fmt: skip
    index = HNSW.from_graph(**parts, M=6)
    assert index.search(normal(20, seed=1), 5)[0].tolist() == made.search(normal(20, seed=1), 5)[0].tolist()
    assert index.verify() == []
    wrong = parts["links"].copy()
    wrong[5, 1] = 300
    for bad in (
        {"links": wrong},
        {"entry": 300},
        {"slots": np.zeros(300, np.int64)},
        {"upper": parts["upper"][:-1]},
        {"levels": parts["levels"][::-1].copy()},
    ):
        with pytest.raises(InputError, match="that is no graph"):
            HNSW.from_graph(**{**parts, **bad}, M=6)


def test_the_estimate_is_near_what_is_held() -> None:
    for form in ("float32", "float16", "int8"):
        index = HNSW(64, form=form, ef_construction=20)
        index.add(np.arange(3000), normal(3000, 64))
        assert index.nbytes() == pytest.approx(HNSW.estimate(3000, 64, form=form), rel=0.1)
