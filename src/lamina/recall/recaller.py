"""Reading down: cue → candidates from all sources → one feature matrix → one ranker → hits, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.expressions import TimeRange, find_anchors
from lamina.index.flat import top
from lamina.index.view import ScopeView
from lamina.index.views import Views
from lamina.models.protocols import Embedder
from lamina.recall.anchors import Anchoring
from lamina.recall.cue import MAX_CUE, MAX_WHEN, Cue, names_in_cue, read_cue
from lamina.recall.features import FEATURES, Scene, feature_matrix
from lamina.recall.ranker import Ranker, shipped_regimes
from lamina.recall.signals import Signals
from lamina.recall.sources import CandidateSource, Context, Dense, Descent, Lexical, Neighbours, Time, union
from lamina.records import Filter, Hit, Item, Kind, Reason, Run
from lamina.storage.protocol import Store

CANDIDATES = 100  # proposed by each source for a recall of few hits; more where more hits are asked for
STATEMENTS: tuple[Kind, ...] = ("trace", "note", "thought", "entity", "fact", "portrait")
"""What a recall returns unless kinds are asked for. Episodes and topics stand for what they contain, and are found by descent."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """Candidates, best first: `slots`, `scores` (candidates,), `matrix` (candidates, features), and the `ranker` that scored them."""

    slots: NDArray[np.int64]
    scores: NDArray[np.float32]
    matrix: NDArray[np.float32]
    ranker: Ranker


class Recaller:
    """Answers cues from one store.

    Parameters: `store`, `views`, `embedder` (a function, so that it is loaded with the first cue), `run` (the clock),
    `ranker`, `sources` (default: lexical, dense, neighbours, context, episode descent, time).
    """

    def __init__(
        self,
        store: Store,
        views: Views,
        embedder: Callable[[], Embedder],
        run: Run,
        ranker: Ranker | None = None,
        sources: Sequence[CandidateSource] | None = None,
    ) -> None:
        self._store = store
        self._views = views
        self._embedder = embedder
        self._run = run
        self._ranker = ranker
        self._sources = sources if sources is not None else (Lexical(), Dense(), Neighbours(), Context(), Descent(store), Time())

    def ranker(self, signals: Signals) -> Ranker:
        """The ranker in use: the one given, else the shipped weights for the kind of collection the signals come from."""
        return self._ranker if self._ranker is not None else shipped_regimes().mixed(signals.conversation)

    def search(self, text: str, where: Filter, k: int, vector: NDArray[np.float32] | None = None) -> list[Hit]:
        """The best k items for a cue among those a filter lets through, best first.

        Raises `InputError` for an empty cue, a k below 1 or a vector of the wrong form.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}")
        where = where.check() if where.kinds is not None else where.within(kinds=STATEMENTS).check()
        now = where.as_of or where.known_at or self._run.clock()
        return self._search(text, where, k, vector, now, self._anchored(text, where, now))

    def _anchored(self, text: str, where: Filter, now: int) -> list[TimeRange]:
        """The times that hang on events the cue names: each event is looked for first."""
        if not isinstance(text, str) or not find_anchors(text[:MAX_WHEN]):
            return []
        view = self._views.get(where.scope)
        with view.lock:
            names = sorted(names_in_cue(text[:MAX_WHEN], [str(name) for name in view.speakers.names]))
        return Anchoring().ranges(text[:MAX_WHEN], names, lambda event, most: self._search(event, where, most, None, now), now)

    def _search(
        self, text: str, where: Filter, k: int, vector: NDArray[np.float32] | None, now: int, ranges: Sequence[TimeRange] = ()
    ) -> list[Hit]:
        view = self._views.get(where.scope)
        vector = self._vector(text, view, vector)
        with view.lock:
            speakers = [str(name) for name in view.speakers.names]
            cue = read_cue(text, speakers=speakers, vector=vector, now=now, ranges=ranges, language=view.language)
            ranked = self.rank(view, cue, where, k)
            keys = view.keys[ranked.slots].tolist()
        return self._confirm(keys, ranked, where, k)

    def _vector(self, text: str, view: ScopeView, vector: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        if vector is not None:
            given = np.asarray(vector, np.float32)
            if view.space is not None and given.shape != (view.space.dim,):
                raise InputError(f"the cue's vector must have shape ({view.space.dim},), not {given.shape}")
            return given
        if view.space is None or not text or not isinstance(text, str):
            return None
        embedded: NDArray[np.float32] = self._embedder().embed([text[:MAX_CUE]], "query")[0]
        return embedded

    def rank(self, view: ScopeView, cue: Cue, where: Filter, k: int) -> Ranked:
        """The best candidates: some more than k, since the store has the last word."""
        signals = Signals(view, cue, view.mask(where))
        ranker = self.ranker(signals)
        if not len(view):
            return Ranked(np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, len(FEATURES)), np.float32), ranker)
        slots = union(self._sources, signals, max(CANDIDATES, 2 * k))
        matrix = feature_matrix(Scene(signals, slots))
        scores = ranker.score(matrix)
        best = top(scores, k + 32)
        return Ranked(slots[best], scores[best], matrix[best], ranker)

    def _confirm(self, keys: Sequence[int], ranked: Ranked, where: Filter, k: int) -> list[Hit]:
        """Hits for the keys the store still shows; an echo follows right after its original."""
        found = self._store.items.by_key(keys)
        hits: list[Hit] = []
        rows: dict[int, NDArray[np.float32]] = {}
        for key, score, row in zip(keys, ranked.scores.tolist(), ranked.matrix, strict=True):
            item = found.get(key)
            if item is None or (item.forgotten and not where.forgotten) or (item.stale and not where.stale):
                continue
            if item.retired_at is not None and not where.retired and where.known_at is None:
                continue
            hits.append(Hit(item, score))
            rows[key] = row
        return [
            replace(hit, sources=self._sources_of(hit.item), reasons=(*ranked.ranker.reasons(rows[hit.item.key]), *hit.reasons))
            for hit in self._echoes_last(hits)[:k]
        ]

    def _echoes_last(self, hits: list[Hit]) -> list[Hit]:
        """Rank an echo just below its original."""
        echoes = [hit for hit in hits if hit.item.data.get("echo")]
        if not echoes:
            return hits
        originals: dict[int, list[int]] = {}
        for edge in self._store.edges.out([hit.item.key for hit in echoes], ["echo_of"]):
            originals.setdefault(edge.src, []).append(edge.dst)
        score = {hit.item.key: hit.score for hit in hits}
        lowered = []
        for hit in hits:
            above = [score[key] for key in originals.get(hit.item.key, ()) if key in score]
            if above and hit.score >= min(above):
                part = Reason("echo", 1.0, min(above) - 1e-3 - hit.score, "recalled text that came back as input")
                hit = replace(hit, score=hit.score + part.contribution, reasons=(*hit.reasons, part))
            lowered.append(hit)
        return sorted(lowered, key=lambda hit: -hit.score)

    def _sources_of(self, item: Item) -> tuple[str, ...]:
        """The ids of the traces an item rests on, in order of key; a trace rests on itself."""
        if item.kind == "trace":
            return (item.id,)
        seen: set[int] = set()
        traces: dict[int, str] = {}
        front = [item.key]
        while front:
            below = sorted({edge.dst for edge in self._store.edges.out(front, ["cites"])} - seen)
            seen.update(below)
            items = self._store.items.by_key(below)
            traces.update({key: found.id for key, found in items.items() if found.kind == "trace"})
            front = [key for key in below if key in items and items[key].kind != "trace"]
        return tuple(traces[key] for key in sorted(traces))
