"""Graphs of other libraries, searched here: with their own links they find what they found there; with new links, no less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.errors import TransferError
from lamina.index.collection import Collection
from lamina.index.importing import read_index
from tests.index.importing import written

COUNT, DIM, LINKS, EF = 3000, 16, 8, 24


def sample() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(COUNT + 100, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[100:], rows[:100]


def recall(found: Any, truth: Any) -> float:
    return float(np.mean([len(set(one) & set(other)) / 10 for one, other in zip(found, truth.tolist(), strict=True)]))


def with_hnswlib(path: Path, rows: Any, asked: Any) -> Any:
    hnswlib = pytest.importorskip("hnswlib")
    index = hnswlib.Index("l2", DIM)
    index.init_index(COUNT, M=LINKS, ef_construction=100, random_seed=1)
    index.add_items(rows, np.arange(COUNT), num_threads=1)
    index.save_index(str(path))
    index.set_ef(EF)
    return index.knn_query(asked, 10, num_threads=1)[0].tolist()


def with_faiss(path: Path, rows: Any, asked: Any) -> Any:
    faiss = pytest.importorskip("faiss")
    index = faiss.IndexHNSWFlat(DIM, LINKS)
    index.hnsw.efConstruction = 100
    index.add(rows)
    faiss.write_index(index, str(path))
    index.hnsw.efSearch = EF
    return index.search(asked, 10)[1].tolist()


def with_usearch(path: Path, rows: Any, asked: Any) -> Any:
    usearch = pytest.importorskip("usearch.index")
    index = usearch.Index(ndim=DIM, metric="l2sq", dtype="f32", connectivity=LINKS, expansion_add=100, expansion_search=EF)
    index.add(np.arange(COUNT), rows, threads=1)
    index.save(str(path))
    return index.search(asked, 10, threads=1).keys.astype(int).tolist()


@pytest.mark.parametrize("library", [with_hnswlib, with_faiss, with_usearch])
def test_a_graph_that_is_taken_over_finds_what_it_found(tmp_path: Path, library: Any) -> None:
    rows, asked = sample()
    truth = np.argsort(-(asked @ rows.T), axis=1)[:, :10]
    theirs = recall(library(tmp_path / "file", rows, asked), truth)
    foreign = read_index(tmp_path / "file", library.__name__[5:], "l2")
    kept, made = foreign.hnsw(), foreign.hnsw(relink=True, M=LINKS, ef_construction=100)
    assert foreign.graph is not None
    assert kept.graph.links[:COUNT].tolist() == foreign.graph.links.tolist()
    assert made.graph.links[:COUNT].tolist() != foreign.graph.links.tolist()
    found = {}
    for name, index in (("kept", kept), ("made", made)):
        slots, scores = index.search(asked, 10, ef=EF)
        found[name] = recall(slots.tolist(), truth)
        assert np.allclose(scores, -((rows[slots] - asked[:, None]) ** 2).sum(-1), atol=1e-4)
    control = recall(np.random.default_rng(1).integers(0, COUNT, (100, 10)).tolist(), truth)
    print(
        f"{library.__name__}: theirs {theirs:.3f}, their links here {found['kept']:.3f}, our links {found['made']:.3f}, random {control:.3f}"
    )
    assert abs(found["kept"] - theirs) <= 0.02
    assert found["made"] >= theirs - 0.03
    assert control < 0.05
    kept.add(np.arange(COUNT, COUNT + 50), asked[:50])
    assert (kept.search(asked[:50], 1, ef=EF)[0].ravel() == np.arange(COUNT, COUNT + 50)).mean() >= 0.95
    kept.remove(np.arange(0, COUNT, 2))
    found_now = kept.search(asked, 10)[0]
    assert (found_now >= 0).all()
    assert not ((found_now < COUNT) & (found_now % 2 == 0)).any()
    assert kept.verify() == []


def test_what_was_deleted_there_is_not_found_here(tmp_path: Path) -> None:
    graph = written.Layered(count=300, dim=8)
    deleted = tuple(range(0, 300, 9))
    (tmp_path / "file").write_bytes(written.hnswlib(graph, deleted))
    foreign = read_index(tmp_path / "file", "hnswlib", "ip")
    index = foreign.hnsw()
    collection = Collection(index, names=foreign.names())
    assert len(collection) == len(index) == 300 - len(deleted)
    gone = {str(graph.labels[node]) for node in deleted}
    assert not gone & {match.id for row in collection.search(graph.vectors[:50], 20) for match in row}
    collection.add(sorted(gone), graph.vectors[list(deleted)])
    assert len(collection) == 300
    assert len(collection.index.present) >= 300
    assert collection.verify() == []


def test_a_deleted_vector_without_direction_does_no_harm(tmp_path: Path) -> None:
    graph = written.Layered()
    graph.vectors[4] = 0
    (tmp_path / "file").write_bytes(written.usearch(graph, "c", deleted=(4,)))
    assert len(read_index(tmp_path / "file", "usearch").hnsw()) == 39
    (tmp_path / "file").write_bytes(written.usearch(graph, "c"))
    with pytest.raises(TransferError, match="vector 4 is zero"):
        read_index(tmp_path / "file", "usearch")


@pytest.mark.parametrize("form", ["float16", "int8"])
def test_a_graph_may_be_taken_over_in_a_smaller_form(tmp_path: Path, form: str) -> None:
    graph = written.Layered(count=300, dim=8)
    (tmp_path / "file").write_bytes(written.faiss_hnsw(graph))
    index = read_index(tmp_path / "file", "faiss").hnsw(form=form)
    assert np.allclose(index.rows(np.arange(300)), graph.vectors, atol=5e-3)
    assert (index.search(graph.vectors, 1, ef=150)[0].ravel() == np.arange(300)).mean() > 0.95
