"""What makes the graph find: layers, links in different directions, growth with the number of vectors; beside hnswlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.index.graphs.construction import levels_of
from lamina.index.hnsw import HNSW


def truth(rows: Any, queries: Any, k: int = 10, metric: str = "l2") -> Any:
    """The k-th best score of each query, shape (queries, 1)."""
    if metric == "ip":
        scores = queries @ rows.T
    else:
        scores = 2 * queries @ rows.T - (rows**2).sum(1) - (queries**2).sum(1)[:, None]
    return -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]


def curve(index: HNSW, queries: Any, edge: Any, efs: tuple[int, ...], slack: float = 1e-4) -> list[tuple[int, float, float]]:
    """For each ef: recall@10 by score, and distances computed for a query."""
    points = []
    for ef in efs:
        index.computed = 0
        _, scores = index.search(queries, 10, ef=ef)
        points.append((ef, float((scores >= edge - slack).mean()), index.computed / len(queries)))
    return points


def distances_for(points: list[tuple[int, float, float]], recall: float) -> float:
    """Distances a query at which a curve reaches a recall (between its points in proportion), or infinity."""
    before = (0, 0.0, 0.0)
    for point in points:
        if point[1] >= recall:
            return before[2] + (recall - before[1]) / max(point[1] - before[1], 1e-9) * (point[2] - before[2])
        before = point
    return np.inf


def components(index: HNSW) -> int:
    """Pieces of the bottom layer, links taken in both directions."""
    links, count = index.graph.links, len(index.slot_of)
    named = np.arange(1, links.shape[1]) <= links[:count, :1]
    sources, targets = np.nonzero(named)[0], links[:count, 1:][named]
    label = np.arange(count)
    while True:
        lower = label.copy()
        np.minimum.at(lower, sources, label[targets])
        np.minimum.at(lower, targets, label[sources])
        lower = lower[lower]
        if np.array_equal(lower, label):
            return len(np.unique(label))
        label = lower


# ------------------------------------------------------------------------------------------------------------- levels
@pytest.mark.parametrize("M", [4, 16])
def test_the_share_of_each_layer_is_a_power_of_its_links(M: int) -> None:
    """The card's fourth check: P(level ≥ l) = M^-l, within three standard errors."""
    count = 50_000
    levels = levels_of(np.random.default_rng(0), count, M)
    for layer in (1, 2):
        share = M**-layer
        assert abs((levels >= layer).mean() - share) <= 3 * np.sqrt(share * (1 - share) / count)


def test_nodes_stand_in_the_layers_that_were_drawn() -> None:
    rows = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    index = HNSW(4, M=4, ef_construction=20, metric="l2")
    index.add(np.arange(4000), rows)
    by_layer = index.stats()["nodes_by_layer"]
    assert by_layer[0] == 4000
    assert abs(by_layer[1] / 4000 - 0.25) <= 3 * np.sqrt(0.25 * 0.75 / 4000)
    assert index.graph.levels[index.entry] == index.top == len(by_layer) - 1
    graph = index.graph
    assert (graph.links[:4000, 0] <= 8).all()
    assert (graph.upper[:, 0] <= 4).all()


# --------------------------------------------------------------------------------------------------------- heuristic
def clusters(count: int, centres: int, dim: int = 16) -> tuple[Any, Any]:
    """Points of narrow clusters, one cluster after the other, and queries of the same."""
    generator = np.random.default_rng(0)
    middle = generator.random((centres, dim))
    belongs = np.repeat(np.arange(centres), count // centres)
    rows = middle[belongs] + 0.02 * generator.normal(size=(len(belongs), dim))
    queries = middle[generator.integers(0, centres, 200)] + 0.02 * generator.normal(size=(200, dim))
    return rows.astype(np.float32), queries.astype(np.float32)


def compare_selection(count: int, centres: int, M: int) -> dict[str, Any]:
    rows, queries = clusters(count, centres)
    edge, made = truth(rows, queries), {}
    for selection in ("heuristic", "simple"):
        index = HNSW(16, metric="l2", M=M, ef_construction=100, selection=selection)
        for start in range(0, count, count // centres):
            index.add(np.arange(start, start + count // centres), rows[start : start + count // centres])
        made[selection] = (curve(index, queries, edge, (10, 16, 24, 32, 48, 64, 96, 128, 256), 1e-5), components(index))
        print(selection, "components", made[selection][1], "ef, recall, distances", made[selection][0])
    return made


def check_selection(made: dict[str, Any]) -> None:
    heuristic, simple = made["heuristic"], made["simple"]
    budget = distances_for(heuristic[0], 0.9)
    assert np.isfinite(budget)
    distances, recalls = [0.0] + [p[2] for p in simple[0]], [0.0] + [p[1] for p in simple[0]]
    other = float(np.interp(budget, distances, recalls))
    print(f"at {budget:.0f} distances: heuristic 0.900, simple {other:.3f}")
    assert other <= 0.80
    assert heuristic[1] <= simple[1]


def test_links_in_different_directions_find_more_among_clusters() -> None:
    """The card's second check, smaller: at equal distances, and with how many pieces the bottom layer falls into."""
    check_selection(compare_selection(4000, 40, 8))


@pytest.mark.slow
def test_links_in_different_directions_find_more_among_many_clusters() -> None:
    check_selection(compare_selection(20_000, 200, 16))


# ------------------------------------------------------------------------------------------------------------- growth
def growth(sizes: tuple[int, ...], dim: int, flat: bool = False) -> list[float]:
    """Distances a query for recall@10 of 0.95 among so many uniform vectors."""
    generator = np.random.default_rng(0)
    rows, queries = generator.random((sizes[-1], dim)).astype(np.float32), generator.random((200, dim)).astype(np.float32)
    needed = []
    for size in sizes:
        index = HNSW(dim, metric="l2", M=8, ef_construction=60, flat=flat)
        index.add(np.arange(size), rows[:size])
        points = curve(
            index,
            queries,
            truth(rows[:size].astype(np.float64), queries.astype(np.float64)),
            (10, 12, 14, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256),
            1e-6,
        )
        needed.append(distances_for(points, 0.95))
    return needed


def fit(sizes: tuple[int, ...], needed: list[float]) -> float:
    """R² of a + b·log n."""
    return float(np.corrcoef(np.log(sizes), needed)[0, 1] ** 2)


def test_distances_grow_with_the_logarithm_of_the_number_in_few_dimensions() -> None:
    """The card's third check, smaller, with its ablation: all nodes in the bottom layer alone."""
    sizes = (1000, 4000, 16_000)
    layered, flat = growth(sizes, 4), growth(sizes, 4, flat=True)
    print("d=4", sizes, "layered", np.round(layered), "flat", np.round(flat), "R²", round(fit(sizes, layered), 3))
    assert layered[2] - layered[1] <= 1.3 * (layered[1] - layered[0])  # no more for the second quadrupling than for the first
    assert layered[-1] / layered[0] < 2
    assert all(one < other for one, other in zip(layered, flat, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("dim", [4, 8, 32])
def test_growth_up_to_64_000(dim: int) -> None:
    sizes = (1000, 4000, 16_000, 64_000)
    layered, flat = growth(sizes, dim), growth(sizes, dim, flat=True)
    print(f"d={dim}", sizes, "layered", np.round(layered), "flat", np.round(flat), "R²", round(fit(sizes, layered), 3))
    if dim <= 8:
        assert fit(sizes, layered) > 0.95
        assert layered[-1] / layered[0] < 4
    if dim == 4:
        assert all(one < other for one, other in zip(layered, flat, strict=True))


# ------------------------------------------------------------------------------------------------------ beside hnswlib
def tokens(count: int) -> tuple[Any, Any]:
    """Static token vectors of unit length, and 1000 more as queries."""
    import wordllama
    from safetensors.numpy import load_file

    file = next(Path(wordllama.__file__).parent.rglob("*.safetensors"))
    table = next(iter(load_file(file).values()))[:, :256].astype(np.float32)
    table = table[np.random.default_rng(0).permutation(len(table))[: count + 1000]]
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    return table[1000:], table[:1000]


def beside_hnswlib(count: int, efs: tuple[int, ...]) -> dict[str, list[tuple[int, float, float]]]:
    hnswlib = pytest.importorskip("hnswlib")
    rows, queries = tokens(count)
    edge = truth(rows, queries, metric="ip")
    peer = hnswlib.Index("ip", 256)
    peer.init_index(len(rows), M=16, ef_construction=200, random_seed=1)
    peer.add_items(rows, num_threads=1)
    points = []
    for ef in efs:
        peer.set_ef(ef)
        _, away = peer.knn_query(queries, 10, num_threads=1)
        points.append((ef, float((1 - away >= edge - 1e-4).mean()), 0.0))
    made = {"hnswlib": points}
    for form in ("float32", "float16", "int8"):
        index = HNSW(256, form=form)
        index.add(np.arange(len(rows)), rows)
        made[form] = curve(index, queries, edge, efs, 5e-4 if form != "float32" else 1e-4)
    for name, points in made.items():
        print(name, [(ef, round(recall, 4), round(computed)) for ef, recall, computed in points])
    for form in ("float32", "float16", "int8"):
        for (_, recall, _), (_, other, _) in zip(made[form], made["hnswlib"], strict=True):
            assert recall >= other - 0.02
        assert all(b[1] >= a[1] - 0.005 for a, b in zip(made[form], made[form][1:], strict=False))
    return made


def test_recall_is_that_of_hnswlib() -> None:
    beside_hnswlib(3000, (16, 64))


@pytest.mark.slow
def test_recall_of_the_token_table() -> None:
    """The card's first check: recall of 0.95 with less than a tenth of all distances, 0.99 with less than a quarter."""
    made = beside_hnswlib(31_000, (16, 32, 64, 80, 128, 256))
    for form in ("float32", "float16", "int8"):
        assert distances_for(made[form], 0.95) < 0.10 * 31_000
        assert distances_for(made[form], 0.99) < 0.25 * 31_000
