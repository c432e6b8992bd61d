"""Searches that sketches guide: they find what others find and compare fewer vectors, and do without where sketches say little."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from lamina.index.graphs import guiding
from lamina.index.graphs.guiding import Guidance
from lamina.index.hnsw import HNSW
from tests.index.sets import clustered

DIM, COUNT, K, EF = 128, 9000, 10, 48


@pytest.fixture(scope="module", params=["ip", "l2", "int8"])
def made(request: pytest.FixtureRequest) -> tuple[HNSW, Any, Any, Any]:
    """An index, its vectors, queries and the ten best of each; lengths differ where distances are asked for."""
    rows, _ = clustered(COUNT + 200, DIM, spread=0.7)
    euclidean = request.param == "l2"
    if euclidean:
        rows = rows * np.random.default_rng(3).uniform(0.5, 1.5, (len(rows), 1)).astype(np.float32)
    index = HNSW(
        DIM, metric="l2" if euclidean else "ip", ef_construction=80, form="int8" if request.param == "int8" else "float32"
    )
    index.add(np.arange(COUNT), rows[:COUNT])
    queries = rows[COUNT:]
    scores = queries @ rows[:COUNT].T
    if euclidean:
        scores = 2 * scores - (rows[:COUNT] ** 2).sum(axis=1)
    return index, rows[:COUNT], queries, np.argsort(-scores, axis=1)[:, :K]


def found(index: HNSW, queries: Any, best: Any, guidance: Guidance | None) -> tuple[float, float]:
    """Recall, and vectors compared for each query, with this guidance (None: what is measured)."""
    now = index.snapshot()
    index.guide._known = (None, None, 0, None) if guidance is None else (now.layers, now.form, now.used, guidance)
    before = index.computed
    slots, _ = index.search(queries, K, ef=EF)
    share = np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(slots, best, strict=True)])
    return float(share), (index.computed - before) / len(queries)


def test_guided_searches_find_as_much_and_compare_far_fewer_vectors(made: tuple[HNSW, Any, Any, Any]) -> None:
    index, _, queries, best = made
    plain, all_compared = found(index, queries, best, Guidance(0.0, 1.0, False))
    spared = index.spared
    guided, compared = found(index, queries, best, None)
    assert plain > 0.9
    assert guided > plain - 0.02
    assert compared < 0.7 * all_compared
    assert index.spared - spared > 0.3 * all_compared * len(queries)


def test_sketches_of_other_nodes_mislead(made: tuple[HNSW, Any, Any, Any]) -> None:
    """The control: with sketches dealt out anew, searches lose what they find."""
    index, _, queries, best = made
    true, _ = found(index, queries, best, None)
    sketches = index.snapshot().layers.sketched(COUNT)
    bits, factors = sketches.bits.copy(), sketches.factors.copy()
    order = np.random.default_rng(0).permutation(COUNT)
    try:
        sketches.bits[:], sketches.factors[:] = bits[order], factors[order]
        false, _ = found(index, queries, best, None)
    finally:
        sketches.bits[:], sketches.factors[:] = bits, factors
    assert false < true - 0.2


def test_without_a_margin_more_is_lost(made: tuple[HNSW, Any, Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    index, _, queries, best = made
    measured = index.guide.of(index.snapshot())
    assert measured is not None
    shares = []
    for margin in (-1.0, guiding.MARGIN, 3.0):
        monkeypatch.setattr(guiding, "MARGIN", margin)
        shares.append(found(index, queries, best, measured))
    recalls, compared = zip(*shares, strict=True)
    assert recalls[0] < recalls[1] <= recalls[2] + 0.01
    assert compared[0] < compared[1] < compared[2]


def test_one_query_is_answered_as_among_many(made: tuple[HNSW, Any, Any, Any]) -> None:
    index, _, queries, best = made
    found(index, queries, best, None)
    together, _ = index.search(queries[:20], K, ef=EF)
    for row, query in enumerate(queries[:20]):
        assert index.search(query[None], K, ef=EF)[0][0].tolist() == together[row].tolist()


@pytest.mark.parametrize("kind", ["few", "narrow", "spiky"])
def test_searches_are_not_guided_where_it_would_not_pay(kind: str) -> None:
    """Few vectors, few components, or nearly all of each vector's length in one of them."""
    generator = np.random.default_rng(0)
    count, dim = (3000 if kind == "few" else COUNT), (32 if kind == "narrow" else DIM)
    rows = generator.standard_normal((count, dim)).astype(np.float32)
    if kind == "spiky":
        rows = (generator.standard_cauchy((count, dim)) ** 3).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    index = HNSW(dim, M=6, ef_construction=20)
    index.add(np.arange(count), rows)
    index.search(rows[:5], K)
    measured = index.guide.of(index.snapshot())
    assert (measured is None) == (kind != "spiky")
    assert measured is None or (not measured.good and measured.left > guiding.WORTH)
    assert index.spared == 0


def test_what_comes_and_goes_is_seen() -> None:
    rows, _ = clustered(COUNT + 1500, DIM, spread=0.7)
    index = HNSW(DIM, M=8, ef_construction=40)
    index.add(np.arange(COUNT), rows[:COUNT])
    index.search(rows[:3], K)
    assert index.spared > 0
    index.add(np.arange(COUNT, COUNT + 1500), rows[COUNT:])
    assert (index.search(rows[COUNT:], 1)[0][:, 0] == np.arange(COUNT, COUNT + 1500)).mean() > 0.97
    index.remove(np.arange(3000))
    index.compact()
    index.add(np.arange(3000), rows[:3000])  # into nodes that others had
    assert (index.search(rows[:3000], 1)[0][:, 0] == np.arange(3000)).mean() > 0.97


def test_nodes_beyond_the_sketches_are_compared() -> None:
    """A reader may meet nodes that came after it took its sketches."""
    rows, _ = clustered(COUNT, DIM, spread=0.7)
    index = HNSW(DIM, M=8, ef_construction=40)
    index.add(np.arange(COUNT), rows)
    now = index.snapshot()
    measured = index.guide.of(now)
    assert measured is not None
    encoded = now.form.encode_queries(rows[-100:], False)
    whole = index.guide.guess(now, encoded)
    half = whole._replace(bits=whole.bits[: COUNT // 2], factors=whole.factors[: COUNT // 2])
    index.guide.guess = lambda *_: half  # type: ignore[method-assign]
    assert (index.search(rows[-100:], 1)[0][:, 0] == np.arange(COUNT - 100, COUNT)).mean() > 0.97
