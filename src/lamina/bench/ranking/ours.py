"""This library as a system that ranks: through its public face, or with rankers fitted for the occasion."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.embedders import static
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.models.protocols import Embedder
from lamina.recall.cue import read_cue
from lamina.recall.ranker import LinearRanker, Ranker
from lamina.recall.recaller import Recaller
from lamina.records import Filter, Hit, Item, Run
from lamina.scopes import make_scope
from lamina.storage import open_store
from lamina.text import chunks
from lamina.times import parse_moment

FILE = "memory.db"
DAY = 86_400_000_000  # microseconds

Group = tuple[NDArray[np.float32], NDArray[np.float32]]
"""The features of all passages for one question, shape (passages, features), and which of them answer it, shape (passages,)."""


def asked_at(collections: Sequence[Collection]) -> int:
    """The time at which questions are asked: a day after the last message, so that results do not depend on today."""
    times = [parse_moment(passage.at).at for one in collections for passage in one.passages if passage.at is not None]
    return max(times, default=0) + DAY


def _memory(folder: Path, now: int, embedder: Embedder | None) -> Memory:
    """A new memory in a folder, in which it is always the same time."""
    return Memory(folder / FILE, embedder=embedder or static(), run=Run(clock=lambda: now))


def remember(memory: Memory, collections: Sequence[Collection]) -> None:
    """Add every collection to a memory, each in a scope of its name, and embed everything."""
    for one in collections:
        memory.add_many([passage.message() for passage in one.passages], user=one.name)
    memory.flush()


@dataclass(frozen=True)
class Lamina:
    """The library as it is shipped, as its users meet it: one file, a scope for each collection, `add_many`, `search`.

    Nothing is consolidated, so that only traces are ranked. A passage so long that it became several traces stands where the
    best of them does. Parameters: `embedder` (None: the static one).
    """

    name: str = "lamina"
    embedder: Embedder | None = None

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        now = asked_at(collections)
        found: dict[str, list[list[str]]] = {}
        with tempfile.TemporaryDirectory() as folder, _memory(Path(folder), now, self.embedder) as memory:
            remember(memory, collections)
            for one in collections:
                deep = k + _further_parts(one)
                hits = (memory.search(asked.text, k=deep, user=one.name) for asked in one.questions)
                found[one.name] = [passages_of(ranked)[:k] for ranked in hits]
        return found


def passages_of(hits: Iterable[Hit]) -> list[str]:
    """The ids of the passages that traces come from, each once, in the order of its best trace."""
    return list(dict.fromkeys(_passage_of(hit) for hit in hits))


def _passage_of(hit: Hit) -> str:
    """The id of the passage: the trace's origin, without the number that further parts of a long text carry."""
    origin = hit.item.origin or ""
    part, _ = hit.item.data.get("part", (1, 1))
    return origin.removesuffix(f"#{part}") if part > 1 else origin


def _further_parts(collection: Collection) -> int:
    """How many traces there are beyond one for each passage."""
    return sum(len(chunks(passage.text)) - 1 for passage in collection.passages)


class Workbench(AbstractContextManager["Workbench"]):
    """A file with all collections in it, on which rankers are fitted and tried. `embedder`: None for the static one."""

    def __init__(self, collections: Sequence[Collection], embedder: Embedder | None = None) -> None:
        self.collections = collections
        self._now = asked_at(collections)
        self._folder = tempfile.TemporaryDirectory()
        self._embedder = embedder or static()
        with _memory(Path(self._folder.name), self._now, self._embedder) as memory:
            remember(memory, collections)
        self._store = open_store(Path(self._folder.name) / FILE, read_only=True)
        self._views = Views(self._store)

    def _recaller(self, ranker: Ranker) -> Recaller:
        return Recaller(self._store, self._views, lambda: self._embedder, Run(clock=lambda: self._now), ranker=ranker)

    def groups(self, collection: Collection) -> list[Group]:
        """The features of all passages of a collection for each of its questions."""
        where = Filter(scope=_scope(collection), kinds=("trace",))
        view, recaller = (
            self._views.get(where.scope),
            self._recaller(LinearRanker({})),
        )  # all are asked for: no weights are needed
        origins = {key: item.origin for key, item in self._store.items.by_key(view.keys.tolist()).items()}
        speakers = [str(name) for name in view.speakers.names]
        groups = []
        for asked in collection.questions:
            vector = self._embedder.embed([asked.text], "query")[0]
            cue = read_cue(asked.text, speakers=speakers, vector=vector, now=self._now)
            ranked = recaller.rank(view, cue, where, len(view))
            relevant = [origins[key] in asked.gold for key in view.keys[ranked.slots].tolist()]
            groups.append((ranked.matrix, np.array(relevant, np.float32)))
        return groups

    def hits(self, collection: Collection, ranker: Ranker, k: int) -> list[list[Hit]]:
        """What a recall with some ranker finds for each question."""
        recaller, where = self._recaller(ranker), Filter(scope=_scope(collection))
        return [recaller.search(asked.text, where, k) for asked in collection.questions]

    def rankings(self, collection: Collection, ranker: Ranker, k: int) -> list[list[str]]:
        """The same as ids of passages."""
        return [[hit.item.origin or "" for hit in hits] for hits in self.hits(collection, ranker, k)]

    def items(self, collection: Collection) -> list[Item]:
        """All passages of a collection as they are stored, in the order they were added."""
        return list(self._store.items.each(Filter(scope=_scope(collection), kinds=("trace",))))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._store.close()
        self._folder.cleanup()


def _scope(collection: Collection) -> str:
    return make_scope(user=collection.name)
