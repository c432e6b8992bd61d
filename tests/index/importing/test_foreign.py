"""Index files of hnswlib, faiss and usearch: read as they were written, by hand and by the libraries themselves; anything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.errors import InputError, LaminaError, NotFoundError, TransferError
from lamina.index.collection import Collection
from lamina.index.importing import read_index
from lamina.index.importing.foreign import ForeignGraph, ForeignIndex
from tests.index.importing import written
from tests.index.importing.written import Layered, M

GRAPH = Layered()
FILES: dict[str, tuple[str, str | None, Callable[[], bytes]]] = {
    "hnswlib": ("hnswlib", "l2", lambda: written.hnswlib(GRAPH)),
    "faiss flat": ("faiss", None, lambda: written.faiss_flat(GRAPH)),
    "faiss hnsw": ("faiss", None, lambda: written.faiss_hnsw(GRAPH)),
    "faiss map": ("faiss", None, lambda: written.faiss_mapped(GRAPH, written.faiss_hnsw(GRAPH), 1, "IxM2")),
    "usearch": ("usearch", None, lambda: written.usearch(GRAPH)),
}


def read(folder: Path, raw: bytes, source: str, metric: str | None = None) -> ForeignIndex:
    (folder / "file").write_bytes(raw)
    return read_index(folder / "file", source, metric)


def links_of(graph: ForeignGraph, node: int, layer: int) -> list[int]:
    row = graph.links[node] if layer == 0 else graph.upper[graph.upper_at[node] + layer - 1]
    return row[1 : 1 + row[0]].tolist()


def same_graph(found: ForeignIndex, graph: Layered = GRAPH) -> None:
    assert found.graph is not None
    assert (found.graph.M, found.graph.entry, found.graph.top) == (M, graph.entry, graph.top)
    assert found.graph.levels.tolist() == graph.levels
    for node, layers in enumerate(graph.lists):
        for layer, links in enumerate(layers):
            assert links_of(found.graph, node, layer) == links


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    source, metric, make = FILES[name]
    found = read(tmp_path, make(), source, metric)
    assert found.vectors.tolist() == GRAPH.vectors.tolist()
    assert found.metric == ("ip" if name == "faiss flat" else "l2")
    assert (len(found), found.dim) == (40, 5)
    if name in ("faiss flat", "faiss hnsw"):
        assert found.labels.tolist() == list(range(40))
    else:
        assert found.labels.tolist() == GRAPH.labels.tolist()
    if name == "faiss flat":
        assert found.graph is None
    else:
        same_graph(found)
        assert found.graph is not None
        assert found.graph.ef_construction == {"hnswlib": 77, "faiss hnsw": 55, "faiss map": 55, "usearch": 0}[name]


def test_what_was_deleted_is_left_out_of_what_is_made(tmp_path: Path) -> None:
    for source, raw in (("hnswlib", written.hnswlib(GRAPH, (0, 7))), ("usearch", written.usearch(GRAPH, "i", deleted=(0, 7)))):
        found = read(tmp_path, raw, source, "ip")
        assert np.flatnonzero(found.dead).tolist() == [0, 7]
        same_graph(found)
        collection = Collection(found.flat(), metric="ip", names=found.names())
        assert list(collection) == [str(label) for node, label in enumerate(GRAPH.labels) if node not in (0, 7)]
        assert collection.get([str(GRAPH.labels[8])]).tolist() == GRAPH.vectors[8:9].tolist()


@pytest.mark.parametrize(("scalar", "error"), [(11, 0), (10, 0), (12, 1e-3), (4, 1e-2), (23, 1e-2)])
def test_numbers_of_every_width_are_read(tmp_path: Path, scalar: int, error: float) -> None:
    found = read(tmp_path, written.usearch(GRAPH, "c", scalar), "usearch")
    lengths = np.linalg.norm(GRAPH.vectors, axis=1, keepdims=True)
    assert found.metric == "cosine"
    assert np.abs(found.vectors - GRAPH.vectors / lengths).max() <= error + 1e-6
    same_graph(found)


def test_sizes_may_have_64_bits(tmp_path: Path) -> None:
    assert read(tmp_path, written.usearch(GRAPH, wide=True), "usearch").vectors.tolist() == GRAPH.vectors.tolist()


def test_metrics_are_what_the_file_says(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say which metric"):
        read(tmp_path, written.hnswlib(GRAPH), "hnswlib")
    with pytest.raises(TransferError, match="not of length 1"):
        read(tmp_path, written.hnswlib(GRAPH), "hnswlib", "cosine")
    with pytest.raises(TransferError, match="not of length 1"):
        read(tmp_path, written.faiss_flat(GRAPH), "faiss", "cosine")
    for source, raw in (("faiss", written.faiss_hnsw(GRAPH)), ("usearch", written.usearch(GRAPH))):
        with pytest.raises(InputError, match="'l2', not 'ip'"):
            read(tmp_path, raw, source, "ip")
    unit = Layered(seed=1)
    unit.vectors /= np.linalg.norm(unit.vectors, axis=1, keepdims=True)
    assert read(tmp_path, written.faiss_flat(unit), "faiss", "cosine").metric == "cosine"
    assert read(tmp_path, written.hnswlib(unit), "hnswlib", "cosine").metric == "cosine"
    for source, metric in (("annoy", None), ("faiss", "hamming")):
        with pytest.raises(InputError):
            read_index(tmp_path / "file", source, metric)
    with pytest.raises(InputError, match="Euclidean distances"):
        read(tmp_path, written.faiss_flat(GRAPH, 1), "faiss").flat()


def test_what_is_not_read_is_refused_by_name(tmp_path: Path) -> None:
    for raw, source, words in (
        (written.faiss_head("IwFl", GRAPH, 1), "faiss", "kind 'IwFl' is not read"),
        (
            written.faiss_flat(GRAPH)[:37].replace(b"\x01\x00\x00\x00\x00", b"\x01\x04\x00\x00\x00"),
            "faiss",
            "metric 4 is not read",
        ),
        (written.usearch(GRAPH, "h"), "usearch", "its metric 'h'"),
        (written.usearch(GRAPH, version=3), "usearch", "version 3"),
        (written.usearch(GRAPH)[8 + GRAPH.vectors.nbytes :], "usearch", "without its vectors"),
        (b"", "usearch", "ends within"),
        (bytes(500), "hnswlib", "does not agree with itself"),
    ):
        with pytest.raises(TransferError, match=words):
            read(tmp_path, raw, source, "l2" if source == "hnswlib" else None)
    with pytest.raises(NotFoundError, match="no file"):
        read_index(tmp_path / "nothing", "faiss")


def test_a_label_that_stands_for_two_vectors_is_refused(tmp_path: Path) -> None:
    twice = Layered()
    twice.labels[3] = twice.labels[9]
    found = read(tmp_path, written.usearch(twice), "usearch")
    with pytest.raises(TransferError, match="stands for several vectors"):
        found.names()


def test_maps_within_maps_end_somewhere(tmp_path: Path) -> None:
    raw = written.faiss_flat(GRAPH)
    for _ in range(3):
        raw = written.faiss_mapped(GRAPH, raw, 0)
    assert read(tmp_path, raw, "faiss").labels.tolist() == GRAPH.labels.tolist()
    for _ in range(200):
        raw = written.faiss_head("IxMp", GRAPH, 0) + raw
    with pytest.raises(TransferError, match="too many"):
        read(tmp_path, raw, "faiss")


# ------------------------------------------------------------------------------------------------------------------- damage
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_cut_at_any_length_is_refused(tmp_path: Path, name: str) -> None:
    source, metric, make = FILES[name]
    raw = make()
    for size in range(len(raw)):
        with pytest.raises(TransferError):
            read(tmp_path, raw[:size], source, metric)
    with pytest.raises(TransferError):
        read(tmp_path, raw + b"\x00\x00\x00\x00", source, metric)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_damaged_file_is_refused_or_leads_nowhere_outside(tmp_path: Path, name: str) -> None:
    """Whatever is read, its graph can be searched: compiled code does not look whether a link leads into its arrays."""
    source, metric, make = FILES[name]
    raw = make()
    generator = np.random.default_rng(0)
    refused = 0
    for turn in range(1500):
        bad = bytearray(raw)
        for _ in range(1 + turn % 3):
            place = int(generator.integers(len(raw) if turn % 2 else min(len(raw), 300)))
            bad[place] = int(generator.integers(256)) if turn % 5 else 0xFF
        try:
            found = read(tmp_path, bytes(bad), source, metric)
        except TransferError:
            refused += 1
            continue
        except InputError:
            continue
        assert np.isfinite(found.vectors).all()
        assert found.graph is None or found.graph.problems() == ""
    assert refused > 50


def test_noise_is_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for turn in range(300):
        raw = generator.bytes(int(generator.integers(0, 400)))
        for source in ("hnswlib", "faiss", "usearch"):
            head = written.faiss_head("IHNf", GRAPH, 1) if source == "faiss" and turn % 2 else b""
            with pytest.raises(LaminaError):
                read(tmp_path, head + raw, source, "ip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda graph: graph.lists[0][0].__setitem__(0, 40), "leads to a node that is not there"),
        (lambda graph: graph.lists[graph.entry][1].__setitem__(0, graph.levels.index(0)), "not in its layer"),
    ],
)
def test_a_link_to_nowhere_is_refused(tmp_path: Path, change: Callable[[Layered], None], words: str) -> None:
    graph = Layered(seed=3)
    change(graph)
    for source, raw in (
        ("hnswlib", written.hnswlib(graph)),
        ("faiss", written.faiss_hnsw(graph)),
        ("usearch", written.usearch(graph)),
    ):
        with pytest.raises(TransferError, match=words):
            read(tmp_path, raw, source, "l2")


# -------------------------------------------------------------------------------------------------- files of the libraries
def sample(count: int = 300, dim: int = 6) -> Any:
    rows = np.random.default_rng(2).normal(size=(count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def symmetric_enough(found: ForeignIndex) -> None:
    """Links lead to what is near: those of a real graph are far nearer than random nodes."""
    graph = found.graph
    assert graph is not None
    near = [float(np.mean(found.vectors[links_of(graph, node, 0)] @ found.vectors[node])) for node in range(len(found.vectors))]
    assert np.mean(near) > 0.4
    assert all(
        links_of(graph, node, layer)
        for node in range(0, 300, 7)
        for layer in range(min(int(graph.levels[node]), graph.top - 1) + 1)
    )


@pytest.mark.parametrize(("space", "metric"), [("l2", "l2"), ("ip", "ip"), ("cosine", "cosine")])
def test_files_of_hnswlib(tmp_path: Path, space: str, metric: str) -> None:
    hnswlib = pytest.importorskip("hnswlib")
    rows = sample()
    index = hnswlib.Index(space, 6)
    index.init_index(400, M=5, ef_construction=60)
    index.save_index(str(tmp_path / "empty"))
    assert len(read_index(tmp_path / "empty", "hnswlib", metric)) == 0
    index.add_items(rows, np.arange(300) + 1000, num_threads=1)
    index.mark_deleted(1005)
    index.save_index(str(tmp_path / "file"))
    found = read_index(tmp_path / "file", "hnswlib", metric)
    assert np.allclose(found.vectors, rows, atol=1e-6)
    assert found.labels.tolist() == list(range(1000, 1300))
    assert np.flatnonzero(found.dead).tolist() == [5]
    assert found.graph is not None
    assert (found.graph.M, found.graph.ef_construction) == (5, 60)
    symmetric_enough(found)


@pytest.mark.parametrize("metric", [0, 1])
def test_files_of_faiss(tmp_path: Path, metric: int) -> None:
    faiss = pytest.importorskip("faiss")
    rows = sample()
    for name, made in (
        ("flat", faiss.IndexFlat(6, metric)), ("graph", faiss.IndexHNSWFlat(6, 5, metric)),
        ("map", faiss.IndexIDMap(faiss.IndexHNSWFlat(6, 5, metric))), ("both", faiss.IndexIDMap2(faiss.IndexFlat(6, metric))),
    ):  # fmt: skip
        faiss.write_index(made, str(tmp_path / "empty"))
        assert len(read_index(tmp_path / "empty", "faiss")) == 0
        mapped = name in ("map", "both")
        if mapped:
            made.add_with_ids(rows, np.arange(300) + 7)
        else:
            made.add(rows)
        faiss.write_index(made, str(tmp_path / "file"))
        found = read_index(tmp_path / "file", "faiss")
        assert found.metric == ("l2" if metric else "ip")
        assert found.vectors.tolist() == rows.tolist()
        assert found.labels.tolist() == [number + (7 if mapped else 0) for number in range(300)]
        if name in ("graph", "map"):
            symmetric_enough(found)
    faiss.write_index(faiss.index_factory(6, "PCA4,Flat"), str(tmp_path / "file"))
    with pytest.raises(TransferError, match="is not read here"):
        read_index(tmp_path / "file", "faiss")


@pytest.mark.parametrize("metric", ["ip", "cos", "l2sq"])
@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16", "i8"])
def test_files_of_usearch(tmp_path: Path, metric: str, dtype: str) -> None:
    usearch = pytest.importorskip("usearch.index")
    rows = sample()
    index = usearch.Index(ndim=6, metric=metric, dtype=dtype, connectivity=5)
    index.save(str(tmp_path / "empty"))
    assert (len(read_index(tmp_path / "empty", "usearch")), read_index(tmp_path / "empty", "usearch").dim) == (0, 6)
    index.add(np.arange(300) + 50, rows, threads=1)
    index.remove(52)
    index.save(str(tmp_path / "file"))
    found = read_index(tmp_path / "file", "usearch")
    assert found.metric == {"ip": "ip", "cos": "cosine", "l2sq": "l2"}[metric]
    assert np.allclose(found.vectors, rows, atol=0.02)
    assert np.flatnonzero(found.dead).tolist() == [2]
    assert found.labels[3] == 53
    symmetric_enough(found)
