"""Lists on disk for a hundred thousand windows of texts, and for ten million: minutes, and most of an hour."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.bench import index as bench
from lamina.bench.indexes.sets import prepare
from lamina.bench.indexes.truth import recall, truth
from lamina.index.hnsw import HNSW
from lamina.index.spann.closure import Closure
from lamina.index.spann.clustering import BalancedTree
from lamina.index.spann.spann import SPANN

pytestmark = pytest.mark.slow
SOURCE = 100_000  # vectors for which the source's effects are asked
ROOM = 30 << 30  # bytes of disk


def silent(_: str) -> None:
    """Say nothing."""


def asked(index: SPANN, base: np.ndarray, queries: np.ndarray, edge: np.ndarray, **how: int) -> tuple[float, float, float]:
    """Recall, bytes and lists of a query."""
    size, lists = index.bytes_read, index.lists_read
    found = index.search(queries, 10, **how)[0]
    return recall(base, queries, found, edge), (index.bytes_read - size) / len(queries), (index.lists_read - lists) / len(queries)


def test_a_hundred_thousand_windows(data_root: Path, tmp_path: Path) -> None:
    """Even lists, copies against one list each for equal bytes, patience against a fixed number of lists, and memory."""
    texts = sorted((data_root / "booksort").glob("*.txt"))
    if not texts:
        pytest.skip("no texts in booksort")
    made = prepare("windows", SOURCE, tmp_path, texts=texts, seed=0, asked=500, say=silent)
    base, queries, edge = np.asarray(made.vectors()), np.load(made.asked("held-out")), truth(made, "held-out")
    index, single, plain = (
        SPANN(made.dim, tmp_path / name, metric="ip", closure=closure, tree=tree)
        for name, closure, tree in (
            ("copies", Closure(), BalancedTree()),
            ("single", Closure(replicas=1), BalancedTree()),
            ("plain", Closure(even=False), BalancedTree(factor=np.inf)),
        )
    )
    for one in (index, single, plain):
        one.build(np.arange(len(base)), base)
    print(f"\nlists vary by {index.built['evenness']:.3f} of their mean, those of plain k-means by {plain.built['evenness']:.3f}")
    assert index.built["longest_list"] <= index.limit
    assert index.built["evenness"] <= 0.5 * plain.built["evenness"]

    steps = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
    curve = np.array([asked(index, base, queries, edge, probes=probes, patience=0) for probes in steps])
    other = np.array([asked(single, base, queries, edge, probes=probes, patience=0) for probes in steps])
    bytes_at_90 = np.exp(np.interp(0.9, curve[:, 0], np.log(curve[:, 1])))
    alone = float(np.interp(np.log(bytes_at_90), np.log(other[:, 1]), other[:, 0]))
    print(f".9 of the ten best with {bytes_at_90 / 1000:.0f} kB, single lists find {alone:.3f} with as much")
    assert 0.9 - alone >= 0.05

    patient = np.array([asked(index, base, queries, edge, probes=384, patience=one) for one in (2, 8, 16, 24, 32, 48, 64, 96)])
    level = max(0.95, patient[0, 0])  # the least that patience was asked for may be more
    assert min(curve[-1, 0], patient[-1, 0]) >= level
    fixed, pruned = (float(np.interp(level, one[:, 0], one[:, 2])) for one in (curve, patient))
    print(f"{level:.3f} with {fixed:.0f} lists, with {pruned:.0f} where a search ends once lists bring nothing")
    assert pruned <= 0.85 * fixed
    assert index.nbytes() <= 0.35 * HNSW.estimate(SOURCE, made.dim)


def test_ten_million_windows(data_root: Path, tmp_path: Path) -> None:
    """Codes of eight bits on disk find .9 of the ten best within a quarter of what a graph of all would hold.

    .924 were found with 384 lists when it was measured; the .95 of a million is not reached, however many heads a query looks among.
    """
    if shutil.disk_usage(tmp_path).free < ROOM:
        pytest.skip("less than 30 GB of disk are free")
    texts = data_root / "booksort"
    if not any(texts.glob("*.txt")):
        pytest.skip("no texts in booksort")
    result = bench.run(
        data=None, seed=0, peers=False, progress=print, sets="windows", sizes="10m", systems="lamina-spann", texts=str(texts),
        work=str(tmp_path), rounds=1, two_threads=False,
    )  # fmt: skip
    (row,) = [one for one in result.rows if "held-out" in one.system]
    best = max(point["recall"] for point in row.by.values())
    graph = HNSW.estimate(10_000_000, 256)
    print(f"recall {best:.3f}, {row.metrics['resident_bytes'] / 1e6:.0f} MB, a graph {graph / 1e6:.0f} MB")
    assert best >= 0.9
    assert row.metrics["resident_bytes"] <= 0.25 * graph
