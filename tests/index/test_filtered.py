"""Searches among allowed vectors: what each plan finds, what it never returns, and that its work is bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from lamina.index.forms import Form
from lamina.index.graphs.filtering import search_filtered
from lamina.index.graphs.guiding import guess, unguided
from lamina.index.hnsw import HNSW
from lamina.index.kernels.filtered import search_allowed
from lamina.index.kernels.scan import scan_sketches
from lamina.index.planning import Allowance, Costs
from lamina.index.sketches import Sketches
from tests.index.sets import clustered

DIM, COUNT, K = 32, 6000, 10
PLANS = ("exact", "sketches", "graph", "two-hop")
FREE = Costs(graph=1e-3, scan=1e3, sketch=1e3)  # the graph costs nothing: it is always chosen, and may work as long as it likes


@pytest.fixture(scope="module")
def made() -> tuple[HNSW, Any, Any, Any]:
    rows, cluster = clustered(COUNT + 100, DIM)
    index = HNSW(DIM, ef_construction=100)
    index.add(np.arange(COUNT), rows[:COUNT])
    return index, rows[:COUNT], rows[COUNT:], cluster[:COUNT]


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> None:
    if "made" in request.fixturenames:
        request.getfixturevalue("made")[0].planner.costs = None


def truth(rows: Any, queries: Any, k: int, allow: Any) -> Any:
    """The k-th best score for each query, or the last there is."""
    scores = np.where(allow[None], queries @ rows.T, -np.inf)
    return np.sort(scores, axis=1)[:, -min(k, max(int(allow.sum()), 1))]


def recall(rows: Any, queries: Any, slots: Any, allow: Any) -> float:
    """Share of the best that was found; what is not allowed must not be there, nor anything twice."""
    edges, hits = truth(rows, queries, slots.shape[1], allow), 0
    for query, found, edge in zip(queries, slots, edges, strict=True):
        here = found[found >= 0]
        assert allow[here].all()
        assert len(set(here.tolist())) == len(here) == min(slots.shape[1], int(allow.sum()))
        hits += int((rows[here] @ query >= edge - 1e-5).sum())
    return hits / max(len(queries) * min(slots.shape[1], int(allow.sum())), 1)


def planned(index: HNSW, queries: Any, allow: Any, plan: str | None, k: int = K, ef: int = 64) -> Any:
    now = index.snapshot()
    nodes, _ = search_filtered(index, now, queries, k, allow, ef, plan)
    return np.where(nodes >= 0, now.slot_of[nodes], -1)


def mask(kind: float | str, cluster: Any) -> Any:
    if kind == "cluster":
        return cluster == 7
    return np.random.default_rng(5).random(COUNT) < kind


@pytest.mark.parametrize("kind", [1.0, 0.5, 0.1, 0.01, 0.001, 0.0, "cluster"])
def test_the_best_of_what_is_allowed_are_found(made: Any, kind: float | str) -> None:
    index, rows, queries, cluster = made
    allow = mask(kind, cluster)
    slots, scores = index.search(queries, K, allow)
    assert recall(rows, queries, slots, allow) >= 0.9 or kind == 0.0
    assert index.plan in PLANS
    assert index.planner.last.name == index.plan
    there = slots >= 0
    assert np.allclose(scores[there], np.einsum("qd,qkd->qk", queries, rows[slots])[there], atol=1e-5)
    assert np.isneginf(scores[~there]).all()
    assert (np.diff(np.where(there, scores, -9)) <= 1e-6).all()


@pytest.mark.parametrize(
    ("plan", "kinds"),
    [
        ("exact", (0.5, 0.01, 0.001, "cluster")),
        ("sketches", (0.5, 0.1, 0.01, "cluster")),
        ("graph", (0.5, 0.1)),
        ("two-hop", (0.5, 0.1, "cluster")),
    ],
)
def test_each_plan_finds_them(made: Any, plan: str, kinds: tuple[float | str, ...]) -> None:
    index, rows, queries, cluster = made
    for kind in kinds:
        index.planner.costs = FREE
        allow = mask(kind, cluster)
        found = recall(rows, queries, planned(index, queries, allow, plan), allow)
        assert found >= (1 if plan == "exact" else 0.9), kind
        assert index.planner.last.name == plan
        assert plan not in ("graph", "two-hop") or index.planner.last.gave_up < len(queries) // 10, kind


def test_the_graph_looks_at_fewer_than_a_scan_and_finds_more_than_chance(made: Any) -> None:
    index, rows, queries, _ = made
    allow = mask(0.5, None)
    index.planner.costs = FREE
    before = index.computed
    slots = planned(index, queries, allow, "graph")
    each = (index.computed - before) / len(queries)
    assert each < 0.5 * allow.sum()
    drawn = np.random.default_rng(1).choice(np.flatnonzero(allow), int(each), replace=False)
    best = drawn[np.argsort(-(queries @ rows[drawn].T), axis=1)[:, :K]]
    assert recall(rows, queries, slots, allow) > recall(rows, queries, best, allow) + 0.3


def asked(index: HNSW, queries: Any, allow: Any, *, hops: int, starts: int, bound: float = 1e9, ef: int = 40) -> tuple[Any, Any]:
    now = index.snapshot()
    allowance = Allowance.of(now, allow)
    keys, counts = np.zeros((len(queries), K), np.uint64), np.zeros((len(queries), 3), np.int64)
    search_allowed(
        now.graph, now.top, now.entry, np.ascontiguousarray(queries), np.zeros(len(queries), np.float32), 0, len(queries), allowance.closed,
        allowance.seeds, starts, hops, ef, 1.0, bound, unguided(4), np.zeros(len(now.slot_of), np.uint8), 0, keys, counts,
    )  # fmt: skip
    nodes = (keys & np.uint64(0xFFFFFFFF)) >> np.uint64(1)
    return np.where(np.arange(K) < counts[:, :1], now.slot_of[nodes.astype(np.int64)], -1), counts


def test_a_region_far_from_the_query_is_reached_from_a_sample_of_it() -> None:
    rows, cluster = clustered(3000, DIM, spread=0.08)
    queries, which = clustered(100, DIM, seed=1, spread=0.08)
    index = HNSW(DIM, M=6, ef_construction=40)
    index.add(np.arange(3000), rows)
    allow, away = cluster == 7, queries[which != 7]
    shares = {}
    for starts in (0, 4):
        slots, _ = asked(index, away, allow, hops=12, starts=starts)
        edges = truth(rows, away, K, allow)
        shares[starts] = np.mean(
            [
                (rows[found[found >= 0]] @ query >= edge - 1e-5).sum() / K
                for query, found, edge in zip(away, slots, edges, strict=True)
            ]
        )
    assert shares[4] >= 0.9
    assert shares[4] > shares[0] + 0.3


@pytest.mark.parametrize("hops", [0, 32])
@pytest.mark.parametrize("bound", [1, 50, 400])
def test_work_beyond_the_bound_is_given_up(made: Any, hops: int, bound: int) -> None:
    index, _, queries, cluster = made
    links = index.graph.links.shape[1]
    slots, counts = asked(index, queries, mask("cluster", cluster), hops=hops, starts=2, bound=bound, ef=500)
    assert (counts[:, 0] == -1).all()
    assert (slots == -1).all()
    beside = 64 + 400  # the sample, and the way down
    assert (counts[:, 1] + counts[:, 2] <= bound + beside + 2 * links).all()


def test_what_the_graph_gives_up_is_scanned_for(made: Any) -> None:
    index, rows, queries, cluster = made
    allow = mask("cluster", cluster)
    index.planner.costs = Costs(graph=1, scan=1, sketch=1e9)
    before = index.computed
    slots = planned(index, queries, allow, "graph")
    assert index.planner.last.gave_up > 0
    assert recall(rows, queries, slots, allow) >= 0.9
    assert index.computed - before < len(queries) * (2 * allow.sum() + 500)
    assert "given up" in index.planner.last.describe()


@pytest.mark.parametrize("plan", PLANS)
def test_more_than_there_are_gives_all_there_are(made: Any, plan: str) -> None:
    index, rows, queries, _ = made
    allow = np.zeros(COUNT, np.bool_)
    allow[[3, 500, 4000]] = True
    slots = planned(index, queries[:5], allow, plan)
    assert recall(rows, queries[:5], slots, allow) == 1
    assert (slots[:, 3:] == -1).all()


def test_masks_of_other_lengths(made: Any) -> None:
    index, rows, queries, _ = made
    short = np.ones(1000, np.bool_)
    slots, _ = index.search(queries, K, short)
    assert recall(rows[:1000], queries, slots, short) >= 0.95
    long = np.ones(COUNT + 500, np.bool_)
    slots, _ = index.search(queries, K, long)
    assert recall(rows, queries, slots, long[:COUNT]) >= 0.95


@pytest.mark.parametrize(
    ("form", "metric", "near"),
    [
        pytest.param("float16", "l2", 2e-3, marks=pytest.mark.slow),
        ("int8", "cosine", 2e-3),
        pytest.param("int8", "l2", 2e-3, marks=pytest.mark.slow),
    ],
)
def test_other_forms_and_metrics(form: str, metric: str, near: float) -> None:
    rows, _ = clustered(2500, DIM)
    rows = rows * np.random.default_rng(3).uniform(0.5, 2, (2500, 1)).astype(np.float32)
    queries = rows[2400:] + 0.01
    index = HNSW(DIM, metric=metric, form=form, ef_construction=60)
    index.add(np.arange(2400), rows[:2400])
    allow = np.random.default_rng(4).random(2400) < 0.6
    if metric == "l2":
        right = -((queries[:, None] - rows[None, :2400]) ** 2).sum(axis=2)
    else:
        right = (queries @ rows[:2400].T) / np.linalg.norm(queries, axis=1)[:, None] / np.linalg.norm(rows[:2400], axis=1)
    edges = np.sort(np.where(allow, right, -np.inf), axis=1)[:, -K]
    index.planner.costs = FREE
    now = index.snapshot()
    prepared = queries / np.linalg.norm(queries, axis=1, keepdims=True) if metric == "cosine" else queries
    for plan in PLANS:
        nodes, scores = search_filtered(index, now, np.ascontiguousarray(prepared, np.float32), K, allow, 64, plan)
        slots = now.slot_of[nodes]
        assert allow[slots].all()
        found = np.take_along_axis(right, slots, axis=1)
        assert np.allclose(found, scores, atol=near * np.abs(right).max()), plan
        assert (found >= edges[:, None] - near).mean() >= 0.9, plan


def test_shuffled_sketches_find_little() -> None:
    rows, _ = clustered(4000, DIM)
    queries, _ = clustered(50, DIM, seed=1)
    index = HNSW(DIM, M=4, ef_construction=20)
    index.add(np.arange(4000), rows)
    allow = np.ones(4000, np.bool_)
    index.planner.costs = FREE
    true = recall(rows, queries, planned(index, queries, allow, "sketches"), allow)
    sketches = index.snapshot().layers.sketched(4000)
    sketches.bits[:] = np.random.default_rng(1).permutation(sketches.bits)
    shuffled = recall(rows, queries, planned(index, queries, allow, "sketches"), allow)
    assert true >= 0.9
    assert shuffled < 0.3


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_after_any_changes_every_plan_sees_what_is_there(data: st.DataObject) -> None:
    """Masks are remembered and sketches kept: neither may be out of date."""
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    index, rows = HNSW(DIM, M=6, ef_construction=30, share=0.1), np.zeros((400, DIM), np.float32)
    present = np.zeros(400, np.bool_)
    allow = generator.random(400) < 0.7
    queries, _ = clustered(4, DIM, seed=1)
    index.planner.costs = FREE
    for step in range(data.draw(st.integers(2, 6))):
        some = generator.choice(400, data.draw(st.integers(1, 200)), replace=False)
        if step == 0 or data.draw(st.booleans()):
            new = clustered(len(some), DIM, seed=step + 10)[0]
            index.add(some, new)
            rows[some], present[some] = new, True
        else:
            index.remove(some)
            rows[some], present[some] = 0, False
        if data.draw(st.booleans()):
            allow[generator.integers(0, 400, 30)] ^= True
        if not len(index):
            continue
        for plan in PLANS:
            assert recall(rows, queries, planned(index, queries, allow, plan), allow & present) >= 0.9, plan


def test_equal_vectors_are_all_found_also_where_the_one_in_the_graph_is_not_allowed() -> None:
    rows, _ = clustered(400, DIM)
    many = np.repeat(rows, 5, axis=0)  # five slots for each vector
    index = HNSW(DIM, M=6, ef_construction=40)
    index.add(np.arange(2000), many)
    index.remove(np.arange(0, 2000, 50))
    queries, _ = clustered(20, DIM, seed=1)
    for seed, share in ((0, 0.8), (1, 0.3)):
        allow = np.random.default_rng(seed).random(2000) < share
        index.planner.costs = FREE
        for plan in PLANS:
            slots = planned(index, queries, allow, plan)
            assert recall(many, queries, slots, allow & index.present) >= 0.9, plan


def test_what_is_added_is_found_through_a_mask_that_is_remembered() -> None:
    rows, _ = clustered(700, DIM)
    index = HNSW(DIM, M=6, ef_construction=40)
    index.reserve(700)
    index.add(np.arange(500), rows[:500])
    allow = np.ones(700, np.bool_)
    index.planner.costs = FREE
    for plan in PLANS:
        planned(index, rows[:3], allow, plan)
    index.add(np.arange(500, 700), rows[500:])
    for plan in PLANS:
        assert (planned(index, rows[500:], allow, plan)[:, 0] == np.arange(500, 700)).mean() > 0.95, plan


def test_sketches_of_nodes_that_are_used_again_are_made_anew() -> None:
    rows, _ = clustered(600, DIM)
    index = HNSW(DIM, M=4, ef_construction=20)
    index.add(np.arange(400), rows[:400])
    kept = index.snapshot().layers.sketched(400)
    index.remove(np.arange(200))
    index.repair()
    index.add(np.arange(200), rows[400:])
    now = index.snapshot()
    assert now.used == 400
    assert now.layers.sketched(400) is kept
    fresh = Sketches(kept.middle)
    fresh.put(0, now.graph.vectors[:400])
    assert (fresh.bits == kept.bits).all()
    assert (fresh.factors == kept.factors).all()


@pytest.mark.parametrize("misled", [False, True])
def test_a_sample_of_sketches_that_misleads_is_noticed(misled: bool) -> None:
    """The likely best all lie where no sample is taken, or all samples lie among them."""
    rows, _ = clustered(20_000, DIM, clusters=1, spread=3)
    queries = rows[:5]
    index = HNSW(DIM, M=4, ef_construction=10)
    index.add(np.arange(0, 1), rows[:1])
    sketches = Sketches(np.zeros(DIM, np.float32))
    order = np.argsort(-(rows @ queries[0]))
    rows = rows[order]  # the best come first
    if misled:
        step = len(rows) / 512
        near, far = order[:512] * 0 + np.arange(512), np.arange(512, len(rows))
        places = (np.arange(512) * step).astype(int)
        mixed = np.empty(len(rows), np.int64)
        mixed[places], mixed[np.setdiff1d(np.arange(len(rows)), places)] = near, far
        rows = rows[mixed]  # every one that is sampled is among the best
    sketches.put(0, rows)
    graph = index.graph._replace(vectors=np.ascontiguousarray(rows), norms=np.zeros(0, np.float32))
    keys, counts = np.zeros((5, K), np.uint64), np.zeros((5, 3), np.int64)
    taken, every = guess(Form("float32", DIM), sketches, queries), np.arange(len(rows), dtype=np.int32)
    scan_sketches(graph, taken, queries, np.zeros(5, np.float32), 0, 5, every, 240, keys, counts)
    assert (counts[:, 0] == K).all()
    assert (counts[:, 1] >= 120).all()
    best = int(keys[0, 0] & np.uint64(0xFFFFFFFF)) >> 1
    assert rows[best] @ queries[0] == (rows @ queries[0]).max()


def test_sketches_hold_nothing_of_what_is_gone() -> None:
    rows, _ = clustered(500, DIM)
    index = HNSW(DIM, M=4, ef_construction=20)
    index.add(np.arange(500), rows)
    sketches = index.snapshot().layers.sketched(500)
    gone = index.node_of[:100].copy()
    assert sketches.bits[gone].any(axis=1).all()
    index.remove(np.arange(100))
    index.repair()
    index.add(np.array([600]), rows[:1])  # whose node may be one of these
    assert (sketches.bits[gone].any(axis=1)).sum() <= 1
    assert (sketches.factors[gone] != 0).sum() <= 1
