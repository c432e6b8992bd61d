"""The hash table of vectors: the suite of every index, the law of its hash, and what it saves and loses against exact search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.algorithms.lsh import ProjectionHash
from lamina.errors import InputError, StoreError, VectorError
from lamina.index.flat import FlatIndex
from lamina.index.lsh import MultiProbeLSH
from tests.index.conformance import DIM, IndexConformance, vectors


class TestMultiProbeLSHThatLooksEverywhere(IndexConformance):
    def make(self, dim: int = DIM) -> MultiProbeLSH:
        return MultiProbeLSH(dim, buckets=8, probes=8)


class TestMultiProbeLSHThatGrowsAndHasTwoTables(IndexConformance):
    def make(self, dim: int = DIM) -> MultiProbeLSH:
        return MultiProbeLSH(dim, buckets=4, probes=4, tables=2, limit=400, centre=np.full(max(dim, 0), 0.1, np.float32))


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def pairs(cosine: float, count: int, dim: int, seed: int) -> tuple[Any, Any]:
    """Random unit vectors, and others at this cosine to them."""
    generator = np.random.default_rng(seed)
    one = unit(generator.normal(size=(count, dim)))
    other = generator.normal(size=(count, dim))
    other = unit(other - (other * one).sum(1, keepdims=True) * one)
    return one, unit(cosine * one + np.sqrt(1 - cosine**2) * other)


LAW = {
    16: {0.95: 0.70, 0.9: 0.60, 0.8: 0.45, 0.5: 0.24, 0.0: 0.06},
    64: {0.95: 0.64, 0.9: 0.51, 0.8: 0.34, 0.5: 0.14, 0.0: 0.01},
}


@pytest.mark.parametrize("buckets", [16, 64])
def test_effect_the_law_of_the_hash(buckets: int) -> None:
    """The closer two vectors, the likelier they share a bucket; at a right angle it is one in so many buckets."""
    shares = {}
    for cosine in LAW[buckets]:
        hits = []
        for seed in range(20):
            one, other = pairs(cosine, 500, 384, seed)
            hash = ProjectionHash(384, buckets, seed)
            hits.append((hash.of(one) == hash.of(other)).mean())
        shares[cosine] = float(np.mean(hits))
    print(f"b={buckets}: " + ", ".join(f"cos {cosine} → {share:.3f}" for cosine, share in shares.items()))
    assert all(abs(share - LAW[buckets][cosine]) <= 0.03 for cosine, share in shares.items())
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert shares[0.0] == pytest.approx(1 / buckets, abs=0.01)


def clustered(count: int, dim: int = 384, topics: int = 200, queries: int = 500) -> tuple[Any, Any]:
    """Vectors around topics whose mean cosine to their ten nearest is 0.76 with 20,000 of them, and queries of the same kind."""
    generator = np.random.default_rng(0)
    centres = unit(generator.normal(size=(topics, dim)))
    spread = 0.60 / np.sqrt(dim)

    def some(number: int) -> Any:
        return unit(centres[generator.integers(0, topics, number)] + spread * generator.normal(size=(number, dim)))

    return some(count), some(queries)


def random_buckets(rows: Any, queries: Any, right: Any, buckets: int, probes: int) -> float:
    """The control: recall@10 where vectors lie in buckets at random, and as many buckets are looked into."""
    generator = np.random.default_rng(1)
    place = generator.integers(0, buckets, len(rows))
    found = []
    for best in right:
        probed = generator.permutation(buckets)[:probes]
        found.append(np.isin(place[best], probed).mean())
    return float(np.mean(found))


def seconds(index: Any, queries: Any) -> float:
    """Of the processor, for a search of all queries at once: the least of three, since the machine has other things to do."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        index.search(queries, 10)
        spent.append(time.process_time() - began)
    return min(spent)


def test_effect_speed_against_recall() -> None:
    """One probe computes far less and loses most; four probes find seven in ten of the best; random buckets find what they look at."""
    rows, queries = clustered(20_000)
    exact = FlatIndex(384)
    exact.add(np.arange(len(rows)), rows)
    right, scores = exact.search(queries, 10)
    slow = seconds(exact, queries)
    print(f"mean cosine to the ten best: {scores.mean():.3f}; exact {1e3 * slow / len(queries):.2f} ms a query")
    figures = {}
    for buckets, probes in ((16, 4), (32, 1), (32, 4), (64, 1), (64, 4)):
        index = MultiProbeLSH(384, buckets=buckets, probes=probes)
        index.add(np.arange(len(rows)), rows)
        found, _ = index.search(queries, 10)
        scanned = index.compared / (len(rows) * len(queries))
        recall = float(np.mean([np.isin(one, other).mean() for one, other in zip(right, found, strict=True)]))
        control = random_buckets(rows, queries, right, buckets, probes)
        quick = seconds(index, queries)
        figures[buckets, probes] = scanned, recall, control, quick
        share = float(index.bucket_sizes().max() / len(rows))
        print(
            f"b={buckets}, {probes} probes: scanned {scanned:.3f}, recall@10 {recall:.2f}, random buckets {control:.2f}, "
            f"{1e3 * quick / len(queries):.2f} ms a query, largest bucket {share:.3f}"
        )
    assert figures[32, 1][0] <= 0.1
    assert figures[32, 4][1] >= 0.70
    assert figures[32, 1][1] < 0.5
    assert all(recall > control + 0.2 for _, recall, control, _ in figures.values())
    assert figures[32, 4][3] < slow


def test_a_common_direction_fills_one_bucket_unless_it_is_taken_off() -> None:
    rows, _ = clustered(2_000, dim=64)
    rows = unit(rows + 2 * np.eye(64, dtype=np.float32)[0])
    index = MultiProbeLSH(64, buckets=16)
    index.add(np.arange(len(rows)), rows)
    before = index.bucket_sizes().max() / len(rows)
    index.rehash(16, centre=index.centred())
    after = index.bucket_sizes().max() / len(rows)
    print(f"largest bucket: {before:.2f} of all, {after:.2f} about the mean")
    assert after < before / 2
    assert index.bucket_sizes().sum() == len(rows)


def test_stats_tell_how_evenly_the_buckets_are_filled() -> None:
    index = MultiProbeLSH(DIM, buckets=8, probes=2, tables=2)
    assert index.stats()["largest_share"] == 0
    index.add(np.arange(101), np.vstack([vectors(100), np.zeros((1, DIM), np.float32)]))
    index.search(vectors(3, seed=9), 5)
    stats, sizes = index.stats(), index.bucket_sizes()
    assert (stats["vectors"], stats["unfiled"], stats["buckets"], stats["tables"]) == (101, 1, 8, 2)
    assert stats["largest_share"] == sizes.max() / 101
    assert stats["mean"] == 12.5
    assert stats["compared"] == index.compared > 0
    one_sided = MultiProbeLSH(DIM, buckets=8)
    one_sided.add(np.arange(100), vectors(100) + 20)
    assert one_sided.stats()["largest_share"] == 1.0
    assert one_sided.stats()["empty"] == 7 / 8


def test_tables_and_probes_find_more() -> None:
    rows, queries = clustered(3_000, dim=64, topics=50, queries=100)
    exact = FlatIndex(64)
    exact.add(np.arange(len(rows)), rows)
    right, _ = exact.search(queries, 10)

    def recall(**options: int) -> float:
        index = MultiProbeLSH(64, buckets=32, **options)
        index.add(np.arange(len(rows)), rows)
        found, _ = index.search(queries, 10)
        return float(np.mean([np.isin(one, other).mean() for one, other in zip(right, found, strict=True)]))

    one, two, four = recall(probes=1), recall(probes=1, tables=2), recall(probes=4, tables=2)
    assert one < two < four
    assert recall(probes=32) == 1.0


@pytest.mark.parametrize("tables", [1, 2])
def test_many_queries_at_once_find_what_each_finds_alone(tables: int) -> None:
    rows, queries = clustered(2_000, dim=32, topics=40, queries=60)
    index = MultiProbeLSH(32, buckets=16, probes=3, tables=tables, centre=rows.mean(axis=0))
    index.add(np.arange(len(rows)), rows)
    queries[7] = index.centre  # of no direction: it looks everywhere
    for allow in (None, np.arange(2_000) % 3 == 0, np.arange(2_000) < 9):
        together, scores = index.search(queries, 12, allow)
        for query, slots, given in zip(queries, together, scores, strict=True):
            alone, said = index.search(query[None], 12, allow)
            assert slots.tolist() == alone[0].tolist()
            assert np.allclose(given[slots >= 0], said[0][alone[0] >= 0], atol=1e-5)


def test_buckets_grow_with_the_vectors() -> None:
    index = MultiProbeLSH(DIM, buckets=4, probes=2, limit=10)
    index.add(np.arange(300), vectors(300))
    assert index.buckets == 32
    assert index.bucket_sizes().sum() == 300
    index.rehash()
    assert index.buckets == 18


def test_zero_vectors_fall_into_no_bucket_and_are_found_when_everything_is() -> None:
    index = MultiProbeLSH(DIM, buckets=4, probes=1)
    index.add(np.arange(3), np.vstack([np.zeros((1, DIM), np.float32), vectors(2)]))
    assert index.bucket_sizes().sum() == 2
    assert set(index.search(vectors(1, seed=3), 3)[0][0].tolist()) == {0, 1, 2}
    assert index.search(np.zeros((1, DIM), np.float32), 3)[0].shape == (1, 3)


@pytest.mark.parametrize("options", [{"seed": 1}, {"tables": 2}, {"fingerprint": "other/1"}])
def test_an_index_that_was_hashed_otherwise_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    index = MultiProbeLSH(DIM, buckets=8)
    index.add(np.arange(20), vectors(20))
    index.save(tmp_path / "index")
    other = MultiProbeLSH(DIM, buckets=8, **options)
    with pytest.raises(StoreError, match=r"hashed with 1 tables from seed 0|vectors of the embedder ''"):
        other.load(tmp_path / "index")
    assert len(other) == 0


def test_a_loaded_index_has_the_buckets_it_was_saved_with(tmp_path: Path) -> None:
    index = MultiProbeLSH(DIM, buckets=8, centre=np.full(DIM, 0.3, np.float32))
    index.add(np.arange(50), vectors(50))
    index.rehash(16)
    index.save(tmp_path / "index")
    other = MultiProbeLSH(DIM)
    other.load(tmp_path / "index")
    assert other.buckets == 16
    assert other.bucket_sizes().tolist() == index.bucket_sizes().tolist()
    assert other.candidates(vectors(1, seed=5)[0], 2).tolist() == index.candidates(vectors(1, seed=5)[0], 2).tolist()


@pytest.mark.parametrize(
    "options", [{"buckets": 5}, {"buckets": 0}, {"buckets": -2}, {"probes": 0}, {"probes": 9, "buckets": 8}, {"tables": 0}, {"limit": 0},
                {"centre": np.zeros(3, np.float32)}, {"centre": np.full(DIM, np.nan, np.float32)}, {"seed": -1}],
)  # fmt: skip
def test_nonsense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        MultiProbeLSH(DIM, **options)


@pytest.mark.parametrize("bad", [np.zeros((1, DIM)), np.ones((1, DIM + 1)), np.full((1, DIM), np.nan), np.ones(DIM)])
def test_what_has_no_direction_has_no_bucket(bad: Any) -> None:
    with pytest.raises(VectorError):
        ProjectionHash(DIM, 8).of(bad.astype(np.float32))


def test_a_rehash_that_is_refused_changes_nothing() -> None:
    index = MultiProbeLSH(DIM, buckets=8, probes=4)
    index.add(np.arange(20), vectors(20))
    for buckets in (3, 2):
        with pytest.raises(InputError):
            index.rehash(buckets)
    assert index.buckets == 8
    assert index.bucket_sizes().sum() == 20
