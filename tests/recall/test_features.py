"""Every feature against a computation item by item, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest

from lamina.expressions import told_times
from lamina.index.approximate import UsearchIndex
from lamina.models.word_table import word_table
from lamina.recall.features import FEATURES, LEAD, Scene, feature_matrix
from lamina.recall.likeness import BESIDE
from lamina.recall.signals import ALIKE, K1, B
from lamina.records import Filter, Item
from lamina.terms import hash_of, term_hashes
from lamina.text import index_text
from lamina.times import DAY
from lamina.traits import FIRST_PERSON, NUMBERS, QUESTION, TIME_WORDS, names_in, text_flags
from tests.recall.world import World


class Naive:
    """What the features mean, computed from the items of the store."""

    def __init__(self, world: World, where: Filter | None = None) -> None:
        store, self.cue = world.store, world.cue
        self.words = word_table().embedder.word_vectors(self.cue.spoken)
        self.items: list[Item] = list(store.items.each(where or Filter()))
        self.traces = [item for item in self.items if item.kind == "trace"]
        self.vectors = store.vectors.get(store.vectors.active(), [item.key for item in self.items])  # type: ignore[arg-type]
        self.terms = {item.key: term_hashes(index_text(item.text, item.speaker)).tolist() for item in self.items}
        self.flags = {item.key: text_flags(index_text(item.text, item.speaker)) for item in self.items}
        everything = Filter(forgotten=True, kinds=("trace",))  # a hidden trace still stands between its neighbours
        self.sessions: dict[Any, list[Item]] = {}
        for item in sorted(store.items.each(everything), key=lambda item: (item.at, item.key)):
            self.sessions.setdefault(item.session, []).append(item)
        having = {t: sum(t in self.terms[item.key] for item in self.traces) for t in self.cue.terms.tolist()}
        self.idf = {t: math.log1p((len(self.traces) - n + 0.5) / (n + 0.5)) for t, n in having.items()}
        self.weight = sum(self.idf.values())
        self.mean_length = fmean(len(self.terms[item.key]) for item in self.traces)
        scores = [self.dot(item) for item in self.traces]
        self.mean, self.spread = fmean(scores), max(pstdev(scores), 1e-3)

    def dot(self, item: Item) -> float:
        vector = self.vectors.get(item.key)
        return 0.0 if vector is None else float(vector @ self.cue.vector)

    def beside(self, item: Item, steps: int) -> Item | None:
        if item.kind != "trace":
            return None
        row = self.sessions[item.session]
        place = [other.key for other in row].index(item.key) + steps
        found = row[place] if 0 <= place < len(row) else None
        return found if found is not None and found.key in self.terms else None

    def bm25(self, item: Item | None) -> float:
        if item is None:
            return 0.0
        terms = self.terms[item.key]
        norm = K1 * (1 - B + B * len(terms) / self.mean_length)
        return sum(idf * terms.count(t) * (K1 + 1) / (terms.count(t) + norm) for t, idf in self.idf.items()) / self.weight

    def dense(self, item: Item | None) -> float:
        return 0.0 if item is None else (self.dot(item) - self.mean) / self.spread

    def coverage(self, *items: Item | None) -> float:
        found = {t for item in items if item is not None for t in self.terms[item.key]}
        return sum(idf for t, idf in self.idf.items() if t in found) / self.weight

    def near(self, item: Item, reach: int) -> float:
        return self.coverage(item, *(self.beside(item, steps) for steps in range(-reach, reach + 1) if steps))

    def session(self, item: Item) -> list[Item]:
        return [other for other in self.traces if other.session == item.session]

    def session_dense(self, item: Item) -> float:
        return max((self.dense(other) for other in self.session(item)), default=0.0)

    def vector(self, item: Item | None) -> Any:
        return np.zeros(len(self.cue.vector)) if item is None else self.vectors.get(item.key, np.zeros(len(self.cue.vector)))

    def dense_near(self, item: Item) -> float:
        total = self.vector(item) + BESIDE * (self.vector(self.beside(item, -1)) + self.vector(self.beside(item, 1)))
        length = float(np.linalg.norm(total))
        return 0.0 if length == 0 else (float(total @ self.cue.vector) / length - self.mean) / self.spread

    def alike(self, word: str, term: int) -> float:
        """How well another term says a word."""
        table = word_table()
        if term == hash_of(word):
            return 1.0
        row = table.rows(np.array([term], np.uint32))[0]
        if row == len(table.hashes):
            return 0.0
        cosine = float(table.embedder.word_vectors([word])[0] @ table.vectors[row])
        return cosine**2 if cosine > ALIKE else 0.0

    def soft(self, *items: Item | None) -> float:
        terms = {t for item in items if item is not None for t in self.terms[item.key]}
        best = [max((self.alike(word, t) for t in terms), default=0.0) for word in self.cue.spoken]
        return sum(idf * share for idf, share in zip(self.idf.values(), best, strict=True)) / self.weight

    def soft_around(self, item: Item) -> float:
        return self.soft(item, *(self.beside(item, steps) for steps in (-2, -1, 1, 2)))

    def topic(self, item: Item | None) -> Any:
        table = word_table()
        rows = [] if item is None else table.rows(np.array(self.terms[item.key], np.uint32))
        return sum((table.topics[row] for row in rows if row < len(table.hashes)), np.zeros(table.topics.shape[1]))

    def topic_near(self, item: Item) -> float:
        about = self.topic(item) + BESIDE * (self.topic(self.beside(item, -1)) + self.topic(self.beside(item, 1)))
        length = float(np.linalg.norm(about))
        return float(about @ word_table().topic(self.words, self.cue.terms)) / length if length else 0.0

    def lead(self, item: Item) -> float:
        first = self.terms[item.key][:LEAD]
        return sum(idf for t, idf in self.idf.items() if t in first) / self.weight

    def position(self, item: Item) -> int:
        return [other.key for other in self.sessions[item.session]].index(item.key) if item.kind == "trace" else 0

    def tells_named_time(self, item: Item) -> float:
        shares = [0.0]
        for told in told_times(item.text, item.at):
            for one in self.cue.ranges:
                days = [day for day in range(told.start, told.end, DAY) if one.start <= day < one.end]
                shares.append(len(days) * DAY / (told.end - told.start))
        return max(shares)

    def names(self, item: Item) -> float:
        return math.log1p(int(names_in(np.array([self.flags[item.key]]))[0]))

    def named(self, item: Item) -> bool:
        return len(self.cue.names) == 1 and (item.speaker or "").lower() in self.cue.names

    def flag(self, item: Item | None, bit: int) -> bool:
        return item is not None and bool(self.flags[item.key] & bit)


EXPECTED: dict[str, Callable[[Naive, Item], float]] = {
    "bm25": lambda n, i: n.bm25(i),
    "coverage": lambda n, i: n.coverage(i),
    "coverage_squared": lambda n, i: n.coverage(i) ** 2,
    "lead": lambda n, i: n.lead(i),
    "soft": lambda n, i: n.soft(i),
    "soft_around": lambda n, i: n.soft_around(i),
    "topic_near": lambda n, i: n.topic_near(i),
    "dense": lambda n, i: n.dense(i),
    "dense_length": lambda n, i: n.dense(i) * math.log1p(len(n.terms[i.key])),
    "dense_near": lambda n, i: n.dense_near(i),
    "dense_unsaid": lambda n, i: n.dense(i) * (1 - max(n.coverage(other) for other in n.items)),
    "window5": lambda n, i: n.near(i, 2),
    "dense_before_two": lambda n, i: n.dense(n.beside(i, -2)),
    "session_coverage": lambda n, i: n.coverage(*n.session(i)),
    "session_dense": lambda n, i: n.session_dense(i),
    "first_in_session": lambda n, i: i.kind == "trace" and n.position(i) == 0,
    "position": lambda n, i: math.log1p(n.position(i)),
    "named_speaker": lambda n, i: n.named(i),
    "named_first_person": lambda n, i: n.named(i) and n.flag(i, FIRST_PERSON),
    "named_soft": lambda n, i: n.named(i) * n.soft(i),
    "answers": lambda n, i: n.flag(n.beside(i, -1), QUESTION) * n.bm25(n.beside(i, -1)),
    "after_question": lambda n, i: n.flag(n.beside(i, -1), QUESTION),
    "is_question": lambda n, i: n.flag(i, QUESTION),
    "length": lambda n, i: math.log1p(len(n.terms[i.key])),
    "names": lambda n, i: n.names(i),
    "tells_when": lambda n, i: n.cue.asks_when and n.flag(i, TIME_WORDS),
    "tells_count": lambda n, i: n.cue.asks_count and n.flag(i, NUMBERS),
    "tells_where": lambda n, i: n.cue.asks_where * n.names(i),
    "in_named_time": lambda n, i: any(i.at in stretch for stretch in n.cue.ranges),
    "tells_named_time": lambda n, i: n.tells_named_time(i),
    "walk": lambda n, i: 0.0,  # filled in by the recaller: see test_walk
    "derived": lambda n, i: i.kind != "trace",
}


def test_every_feature_has_a_plain_meaning_here() -> None:
    assert [feature.name for feature in FEATURES] == list(EXPECTED)
    assert len({feature.words for feature in FEATURES}) == len(FEATURES)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("seed", range(4))
def test_a_feature_is_what_it_means(name: str, seed: int) -> None:
    where = Filter(kinds=("trace", "note"), speakers=("Ana",)) if seed == 3 else None
    world = World(seed, where=where)
    naive = Naive(world, where)
    feature = next(one for one in FEATURES if one.name == name)
    column = feature.column(world.scene)
    assert column.dtype == np.float32
    items = {item.key: item for item in naive.items}
    expected = [float(EXPECTED[name](naive, items[key])) for key in world.view.keys[world.slots].tolist()]
    assert column.tolist() == pytest.approx(expected, abs=2e-4)
    if seed < 3 and name != "walk":
        assert len(set(expected)) > 1, "this world says nothing about the feature"


@pytest.mark.parametrize("cue", ["the of", "Ana", "🙂", "zzz qqq", "storm"])
def test_a_cue_without_matches_gives_finite_features(cue: str) -> None:
    for count in (1, 5, 60):
        world = World(1, cue, count=count)
        matrix = feature_matrix(world.scene)
        assert matrix.shape == (len(world.slots), len(FEATURES))
        assert np.isfinite(matrix).all()


def test_nothing_allowed_gives_no_row() -> None:
    world = World(0, where=Filter(speakers=("Zoe",)))
    assert feature_matrix(world.scene).shape == (0, len(FEATURES))
    assert np.isfinite(world.signals.dense_spread).all()


def test_no_vector_leaves_the_dense_features_at_rest() -> None:
    world = World(0)
    object.__setattr__(world.cue, "vector", None)
    matrix = feature_matrix(Scene(world.signals, world.slots))
    for place, feature in enumerate(FEATURES):
        if "dense" in feature.name:
            assert not matrix[:, place].any()


def test_with_a_graph_the_features_of_a_small_view_are_the_same_and_not_all_is_scored() -> None:
    pytest.importorskip("usearch")
    exact, graph = World(2), World(2, make_index=lambda dim: UsearchIndex(dim, crossover=1))
    assert graph.view.flat.approximate
    assert np.allclose(feature_matrix(exact.scene), feature_matrix(graph.scene), atol=1e-3)
    assert "dense" not in vars(graph.signals)
    assert "dense" in vars(exact.signals)
