"""`lamina index`: built from files, searched, looked through, mended, taken over from other libraries; refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.index.collection import Collection
from lamina.index.importing.hdf5 import AnnBenchmark, write_benchmark
from tests.cli.conftest import Shell, environment
from tests.index.importing import written

KINDS = ["exact", "lsh", pytest.param("hnsw", marks=pytest.mark.filterwarnings("ignore"))]


def rows(count: int = 200, dim: int = 8, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows())
    np.save(tmp_path / "asked.npy", rows(5, seed=1))
    (tmp_path / "ids.txt").write_text("".join(f"doc-{number}\n" for number in range(200)))


def best(query: Any, k: int) -> list[int]:
    return [int(row) for row in np.argsort(-(rows() @ query))[:k]]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_is_built_and_searched(shell: Shell, kind: str) -> None:
    if kind == "hnsw":
        pytest.importorskip("numba")
    out = shell("index", "build", "rows.npy", "made", "--kind", kind, "--ids", "ids.txt")
    assert f"made: 200 vectors of 8 dimensions, {kind}" in out
    found = shell.json("index", "search", "made", "asked.npy", "-k", 3)
    shares = []
    for query, row in zip(rows(5, seed=1), found, strict=True):
        right = [f"doc-{number}" for number in best(query, 3)]
        shares.append(len({one["id"] for one in row["found"]} & set(right)) / 3)
        assert row["found"][0]["score"] >= row["found"][-1]["score"]
    assert np.mean(shares) >= (0.3 if kind == "lsh" else 0.95)
    near = shell("index", "search", "made", "--like", "doc-7", "--like", "doc-8", "-k", 4).splitlines()
    assert [line.split(":")[0] for line in near] == ["doc-7", "doc-8"]
    assert "doc-7 " not in near[0].split(":", 1)[1]
    told = shell.json("index", "info", "made")
    assert (told["kind"], told["vectors"], told["dim"], told["metric"]) == (kind, 200, 8, "ip")
    assert told["on_disk"] > 200 * 8 * 4
    assert "kind" in shell("index", "info", "made")
    assert "nothing is wrong" in shell("index", "verify", "made")


@pytest.mark.usefixtures("files")
def test_how_far_a_search_must_look_is_measured_and_kept(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    np.save(tmp_path / "many.npy", rows(3000, 16))
    np.save(tmp_path / "some.npy", rows(60, 16, seed=1))
    shell("index", "build", "many.npy", "made", "--M", 8, "--ef-construction", 60, "-q")
    told = shell.json("index", "tune", "made", "some.npy", "--target", 0.8)
    assert told["reached"]
    assert told["interval"][0] <= told["recall"] <= told["interval"][1]
    assert told["recall"] >= 0.8
    more = shell.json("index", "tune", "made", "some.npy", "--target", 0.95, "--keep")
    assert more["ef"] > told["ef"]
    assert shell.json("index", "info", "made")["ef"] == more["ef"]
    assert shell.json("index", "tune", "made")["queries"] > 0


@pytest.mark.usefixtures("files")
def test_full_rows_may_be_left_on_disk(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("numba")
    shell(
        "index",
        "build",
        "rows.npy",
        "made",
        "--form",
        "int8",
        "--full-on-disk",
        "--M",
        8,
        "--ef-construction",
        40,
        "--metric",
        "l2",
    )
    assert sorted(path.name.partition(".")[0] for path in (tmp_path / "made").iterdir()) == ["full", "ids-1", "index-1"]
    found = shell.json("index", "search", "made", "rows.npy", "-k", 1, "--ef", 100)
    assert np.mean([row["found"][0]["id"] == row["query"] for row in found]) > 0.97
    shell("index", "compact", "made")
    assert shell.json("index", "search", "made", "rows.npy", "-k", 1, "--ef", 100) == found
    shell("index", "build", "rows.npy", "other", "--full-on-disk", code=2)


@pytest.mark.usefixtures("files")
def test_a_search_may_be_kept_to_some_ids(shell: Shell, tmp_path: Path) -> None:
    shell("index", "build", "rows.npy", "made", "--kind", "exact", "--metric", "cosine")
    (tmp_path / "some.txt").write_text("3\n50\n170\nnobody\n")
    for row in shell.json("index", "search", "made", "asked.npy", "--among", "some.txt"):
        assert {one["id"] for one in row["found"]} == {"3", "50", "170"}
        assert all(-1 <= one["score"] <= 1 for one in row["found"])


def test_a_set_of_ann_benchmarks_tells_its_recall(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    train, test = rows(), rows(5, seed=1)
    truth = np.array([best(query, 10) for query in test])
    write_benchmark(tmp_path / "set.hdf5", AnnBenchmark("ip", train, test, truth))
    shell("index", "build", "set.hdf5", "made", "--kind", "exact")
    shell("index", "search", "made", "set.hdf5")
    assert "recall@10: 1.000" in shell.err
    shell("index", "build", "set.hdf5", "made", "--metric", "l2", code=2)
    assert "metric 'ip', not 'l2'" in shell.err


@pytest.mark.usefixtures("files")
def test_damage_is_found_and_mended(shell: Shell, tmp_path: Path) -> None:
    shell("index", "build", "rows.npy", "made", "--kind", "exact")
    collection = Collection.open(tmp_path / "made")
    collection.index.remove(np.array([4]))
    collection.save(tmp_path / "made")
    assert "1 ids have no vector" in shell("index", "verify", "made", code=1)
    assert shell.json("index", "verify", "made", code=1) == ["1 ids have no vector, such as '4'"]
    assert shell("index", "repair", "made").split() == ["4"]
    shell("index", "verify", "made")
    collection = Collection.open(tmp_path / "made")
    collection.delete([str(number) for number in range(100, 200)])
    collection.save(tmp_path / "made")
    assert " now" in shell("index", "compact", "made")
    assert len(Collection.open(tmp_path / "made").index.present) == 99


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
@pytest.mark.parametrize("source", ["hnswlib", "faiss", "usearch"])
def test_an_index_of_another_library_is_taken_over(shell: Shell, tmp_path: Path, source: str, kind: str) -> None:
    if kind == "hnsw":
        pytest.importorskip("numba")
    graph = written.Layered()
    raw = {
        "hnswlib": written.hnswlib(graph, (3,)),
        "faiss": written.faiss_mapped(graph, written.faiss_hnsw(graph, 0), 0),
        "usearch": written.usearch(graph, "i", deleted=(3,)),
    }[source]
    (tmp_path / "file").write_bytes(raw)
    out = shell(
        "index", "import", "file", "taken", "--from", source, "--kind", kind, *(["--metric", "ip"] if source == "hnswlib" else [])
    )
    left = 40 if source == "faiss" else 39
    assert f"taken: {left} vectors of 5 dimensions, {kind}" in out
    assert ("1 deleted vector left out" in shell.err) == (source != "faiss")
    collection = Collection.open(tmp_path / "taken")
    assert set(collection) == {str(label) for node, label in enumerate(graph.labels) if node != 3 or source == "faiss"}
    assert np.allclose(collection.get([str(graph.labels[5])]), graph.vectors[5])
    assert collection.verify() == []


def test_the_memory_of_an_index_is_told_before_it_is_built(shell: Shell) -> None:
    pytest.importorskip("numba")
    told = shell.json("index", "estimate", "--count", 1_000_000, "--dim", 256)
    assert told["exact"] == 1_000_000 * (4 * 256 + 1)
    assert told["hnsw int8, full rows on disk"] < told["hnsw float16"] < told["hnsw int8"] < told["hnsw float32"]
    assert told["hnsw float32"] > told["exact"]
    assert "GB" in shell("index", "estimate", "--count", 1_000_000, "--dim", 256)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("build", "nothing.npy", "made"), "nothing.npy"),
        (("build", "ids.txt", "made"), "no .npy file"),
        (("build", "rows.npy", "made", "--kind", "tree"), "not 'tree'"),
        (("build", "rows.npy", "made", "--kind", "exact", "--M", 4), "cannot be made with M"),
        (("build", "rows.npy", "made", "--kind", "exact", "--metric", "l2"), "inner products"),
        (("build", "rows.npy", "made", "--kind", "exact", "--ids", "asked.npy"), "no text in UTF-8"),
        (("build", "asked.npy", "made", "--kind", "exact", "--ids", "ids.txt"), "200 ids for 5 vectors"),
        (("search", "nowhere", "asked.npy"), "no collection in nowhere"),
        (("search", "built"), "either QUERIES, or --like"),
        (("search", "built", "asked.npy", "--like", "3"), "either QUERIES, or --like"),
        (("search", "built", "--like", "nobody"), "no id 'nobody'"),
        (("search", "built", "asked.npy", "--ef", 30), "has no 'ef'"),
        (("search", "built", "flat.npy"), "must hold one table"),
        (("search", "built", "narrow.npy"), "queries of 8 dimensions"),
        (("tune", "built", "asked.npy"), "has nothing to tune"),
        (("import", "rows.npy", "made", "--from", "annoy"), "not of 'annoy'"),
        (("import", "rows.npy", "made", "--from", "faiss"), "is no file of faiss"),
        (("import", "rows.npy", "made", "--from", "hnswlib"), "does not say which metric"),
        (("import", "rows.npy", "made", "--from", "faiss", "--kind", "lsh"), "not 'lsh'"),
        (("import", "rows.npy", "made", "--from", "faiss", "--kind", "exact", "--relink"), "no links"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(shell: Shell, tmp_path: Path, words: tuple[object, ...], says: str) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(5))
    np.save(tmp_path / "narrow.npy", np.zeros((2, 5)))
    (tmp_path / "asked.npy").write_bytes((tmp_path / "asked.npy").read_bytes() + b"\xff")
    shell("index", "build", "rows.npy", "built", "--kind", "exact")
    shell("index", *words, code=2)
    assert says in shell.err
    assert len(shell.err.strip().splitlines()) == 1
    assert not (tmp_path / "made").exists()


def test_an_exact_index_needs_nothing_compiled(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows())
    code = (
        "import sys; from lamina.cli import app\n"
        "app(['index', 'build', 'rows.npy', 'made', '--kind', 'exact'], standalone_mode=False)\n"
        "app(['index', 'search', 'made', 'rows.npy'], standalone_mode=False)\n"
        "import lamina.index; lamina.index.Collection\n"
        "assert 'numba' not in sys.modules and 'usearch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
