"""What a ranking is compared with: SQLite's full-text search, vectors, a blend of both, and chance."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lamina.bench.ranking.collections import Collection, Passage
from lamina.bench.ranking.embedders import static
from lamina.index.flat import top
from lamina.models.protocols import Embedder
from lamina.terms import STOPWORDS
from lamina.text import fold

Scores = NDArray[np.float32]
_WORD = re.compile(r"\w+")


class FullText:
    """SQLite FTS5 with the Porter stemmer over all collections, the question's words without stopwords joined by OR.

    The statistics are those of the whole table; matches are taken from the question's own collection.
    """

    def __init__(self, collections: Sequence[Collection]) -> None:
        self._table = sqlite3.connect(":memory:")
        self._table.execute("CREATE VIRTUAL TABLE passage USING fts5(body, collection UNINDEXED, tokenize='porter unicode61')")
        self._first: dict[str, int] = {}
        count = 1
        for collection in collections:
            self._first[collection.name] = count
            rows = ((passage.shown, collection.name) for passage in collection.passages)
            self._table.executemany("INSERT INTO passage(body, collection) VALUES (?, ?)", rows)
            count += len(collection.passages)

    def scores(self, collection: Collection, question: str) -> Scores:
        """BM25 of each passage, shape (passages,); 0 where nothing matches."""
        words = [word for word in _WORD.findall(question.lower()) if word not in STOPWORDS]
        scores = np.zeros(len(collection.passages), np.float32)
        if words:
            match = " OR ".join(f'"{word}"' for word in words)
            found = self._table.execute(
                "SELECT rowid, -bm25(passage) FROM passage WHERE passage MATCH ? AND collection = ?", (match, collection.name)
            )
            for row, score in found:
                scores[row - self._first[collection.name]] = score
        return scores


class Vectors:
    """Inner products of the vectors of question and passage, by an embedder (None: the static one)."""

    def __init__(self, collections: Sequence[Collection], embedder: Embedder | None = None) -> None:
        self._embedder = embedder or static()
        self._vectors = {one.name: self._embedder.embed([passage.shown for passage in one.passages]) for one in collections}

    def scores(self, collection: Collection, question: str) -> Scores:
        """Likeness of each passage, shape (passages,)."""
        return np.asarray(self._vectors[collection.name] @ self._embedder.embed([question], "query")[0], np.float32)


@dataclass(frozen=True)
class Fts5:
    """Full-text search alone; only passages that match are returned."""

    name: str = "fts5"

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        search = FullText(collections)
        return {
            one.name: [_best(one.passages, search.scores(one, asked.text), k, least=0.0) for asked in one.questions]
            for one in collections
        }


@dataclass(frozen=True)
class Dense:
    """Vectors alone: those of an embedder, or the static ones."""

    name: str = "dense"
    embedder: Embedder | None = None

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        search = Vectors(collections, self.embedder)
        return {
            one.name: [_best(one.passages, search.scores(one, asked.text), k) for asked in one.questions] for one in collections
        }


@dataclass(frozen=True)
class Blend:
    """Both scores, each scaled to [0, 1], summed; then the better neighbour's sum, and whether the question names the speaker.

    Parameters: the weights of the four parts, set by hand; `embedder` (None: the static one). What has no session has no neighbours.
    """

    name: str = "blend"
    lexical: float = 0.6
    dense: float = 0.4
    neighbour: float = 0.3
    speaker: float = 0.2
    embedder: Embedder | None = None

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        words, vectors = FullText(collections), Vectors(collections, self.embedder)
        found: dict[str, list[list[str]]] = {}
        for one in collections:
            sessions = [passage.session for passage in one.passages]
            joined = np.array([a is not None and a == b for a, b in pairwise(sessions)], np.bool_)
            speakers = [fold(passage.speaker or "") for passage in one.passages]
            found[one.name] = []
            for asked in one.questions:
                both = self.lexical * _scaled(words.scores(one, asked.text)) + self.dense * _scaled(
                    vectors.scores(one, asked.text)
                )
                spoken = set(_WORD.findall(fold(asked.text)))
                named = np.array([speaker in spoken for speaker in speakers], np.float32)
                scores = both + self.neighbour * _better_neighbour(both, joined) + self.speaker * named
                found[one.name].append(_best(one.passages, scores, k))
        return found


@dataclass(frozen=True)
class Chance:
    """Passages in random order: the control."""

    seed: int = 0
    name: str = "random"

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        generator = random.Random(self.seed)
        return {
            one.name: [
                [passage.id for passage in generator.sample(list(one.passages), min(k, len(one.passages)))] for _ in one.questions
            ]
            for one in collections
        }


def _scaled(scores: Scores) -> Scores:
    """Scores between 0 and 1."""
    low, high = float(scores.min()), float(scores.max())
    return (scores - np.float32(low)) / np.float32(high - low) if high > low else np.zeros_like(scores)


def _better_neighbour(scores: Scores, joined: NDArray[np.bool_]) -> Scores:
    """The larger score of the passages just before and after in the same session; 0 without one."""
    best = np.zeros_like(scores)
    best[1:] = np.where(joined, scores[:-1], 0)
    best[:-1] = np.maximum(best[:-1], np.where(joined, scores[1:], 0))
    return best


def _best(passages: Sequence[Passage], scores: Scores, k: int, least: float = -np.inf) -> list[str]:
    """The ids of the k best-scored passages with a score above `least`."""
    return [passages[place].id for place in top(np.asarray(scores, np.float32), k).tolist() if scores[place] > least]
