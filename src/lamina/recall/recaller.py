"""Reading down: cue → candidates from all sources → one feature matrix → one ranker → hits, each with its reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.expressions import TimeRange, find_anchors
from lamina.index.flat import top
from lamina.index.view import ScopeView
from lamina.index.views import Views
from lamina.models.protocols import Embedder
from lamina.names import hashes_of, names
from lamina.recall.anchors import Anchoring
from lamina.recall.connections import Connections, connections
from lamina.recall.cue import MAX_CUE, MAX_WHEN, Cue, names_in_cue, read_cue
from lamina.recall.features import WALK, Scene, feature_matrix
from lamina.recall.learned import ranker_in_force, ranker_print
from lamina.recall.ranker import LinearRanker, Ranker, shipped_regimes
from lamina.recall.reranking import Reranking
from lamina.recall.signals import Signals
from lamina.recall.sources import CandidateSource, Context, Dense, Descent, Lexical, Neighbours, Time, union
from lamina.recall.walk import Walk
from lamina.records import Asked, Filter, Hit, Item, Kind, Reason, Run
from lamina.storage.consents import Refusals
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


@dataclass(frozen=True, eq=False)
class Survey:
    """All candidates of a cue, in the order of their slots: `slots`, `scores` (candidates,), `matrix` (candidates, features).

    `ranker` scored them; `base` is the same without what was learned.
    """

    signals: Signals
    base: Ranker
    ranker: Ranker
    slots: NDArray[np.int64]
    matrix: NDArray[np.float32]
    scores: NDArray[np.float32]

    def best(self, k: int) -> Ranked:
        """The k with the highest scores."""
        places = top(self.scores, k)
        return Ranked(self.slots[places], self.scores[places], self.matrix[places], self.ranker)


class Recaller:
    """Answers cues from one store.

    Parameters: `store`, `views`, `embedder` (a function, so that it is loaded with the first cue), `run` (the clock),
    `ranker` (default: the shipped one, with what was learned in the scope), `sources` (default: lexical, dense, neighbours,
    context, episode descent, time), `walk` (over names, where the ranker weighs it).
    """

    def __init__(
        self,
        store: Store,
        views: Views,
        embedder: Callable[[], Embedder],
        run: Run,
        ranker: Ranker | None = None,
        sources: Sequence[CandidateSource] | None = None,
        walk: Walk | None = None,
    ) -> None:
        self._store = store
        self._walk = walk or Walk()
        self._views = views
        self._embedder = embedder
        self._run = run
        self._ranker = ranker
        self._chosen_sources = sources is not None
        self._sources = sources if sources is not None else (Lexical(), Dense(), Neighbours(), Context(), Descent(store), Time())

    def base(self, signals: Signals) -> Ranker:
        """The ranker given, else the shipped weights for the kind of collection the signals come from: what learning starts from."""
        return self._ranker if self._ranker is not None else shipped_regimes().mixed(signals.conversation)

    def ranker(self, signals: Signals, scope: str) -> Ranker:
        """The ranker in use: the one given, else the shipped weights with what was learned in the scope."""
        base = self.base(signals)
        return base if self._ranker is not None else ranker_in_force(self._store, scope, base, self.base_print)

    @property
    def base_print(self) -> str:
        """What tells the ranker that learning starts from, whatever the collection, from others."""
        return _shipped_print() if self._ranker is None else ranker_print(self._ranker)

    def search(
        self, text: str, where: Filter, k: int, vector: NDArray[np.float32] | None = None, reranking: Reranking | None = None
    ) -> list[Hit]:
        """The best k items for a cue among those a filter lets through, best first.

        Raises `InputError` for an empty cue, a k below 1 or a vector of the wrong form.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}")
        asked = Asked(text, where, where.as_of or where.known_at or self._run.clock())
        depth = k if reranking is None else max(k, reranking.first)
        with self.survey(asked, depth, vector) as found:
            ranked = found.best(depth + 32)  # some more, since the store has the last word
            keys = found.signals.view.keys[ranked.slots].tolist()
        hits = self._confirm(keys, ranked.scores, where)
        if reranking is not None:
            hits, done = reranking.apply(text, hits)
            asked = replace(asked, reranked=done)
        rows = dict(zip(keys, ranked.matrix, strict=True))
        return [
            replace(
                hit,
                sources=self.sources_of(hit.item),
                reasons=(*ranked.ranker.reasons(rows[hit.item.key]), *hit.reasons),
                asked=asked,
            )
            for hit in self._echoes_last(hits)[:k]
        ]

    def base_in(self, scope: str) -> Ranker:
        """The ranker without what was learned, for what a scope holds now."""
        view = self._views.get(scope)
        with view.lock:
            return self.base(Signals(view, read_cue("?"), view.mask(Filter(scope=scope))))

    @contextmanager
    def survey(
        self, asked: Asked, k: int = 1, vector: NDArray[np.float32] | None = None, also: Sequence[int] = ()
    ) -> Iterator[Survey]:
        """All candidates of a cue with their features and scores, while the view is held still.

        `also` are keys that are candidates whatever the sources say, where the filter lets them through.
        """
        where = asked.where if asked.where.kinds is not None else asked.where.within(kinds=STATEMENTS)
        view = self._views.get(where.check().scope)
        vector = self._vector(asked.cue, view, vector)
        ranges = self._anchored(asked, view)
        with view.lock:
            speakers = [str(name) for name in view.speakers.names]
            cue = read_cue(asked.cue, speakers=speakers, vector=vector, now=asked.now, ranges=ranges, language=view.language)
            yield self._survey(view, cue, where, k, also)

    def connections(self, name: str, where: Filter, k: int) -> Connections:
        """What hangs together with a name, among the items that a filter lets through."""
        view = self._views.get(where.check().scope)
        with view.lock:
            return connections(view, name, self._allowed(view, where), k)

    def _anchored(self, asked: Asked, view: ScopeView) -> list[TimeRange]:
        """The times that hang on events the cue names: each event is looked for first."""
        text = asked.cue[:MAX_WHEN] if isinstance(asked.cue, str) else ""
        if not find_anchors(text):
            return []
        with view.lock:
            names = sorted(names_in_cue(text, [str(name) for name in view.speakers.names]))
        return Anchoring().ranges(text, names, lambda event, most: self.search(event, asked.where, most), asked.now)

    def vectors(self, cues: Sequence[str]) -> Sequence[NDArray[np.float32] | None]:
        """The vectors of many cues at once, for those who survey them one by one; None where nothing has vectors."""
        if self._store.vectors.active() is None or not cues:
            return [None] * len(cues)
        return list(self._embedder().embed([cue[:MAX_CUE] for cue in cues], "query"))

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
        return self._survey(view, cue, where, k).best(k + 32)

    def _survey(self, view: ScopeView, cue: Cue, where: Filter, k: int, also: Sequence[int] = ()) -> Survey:
        signals = Signals(view, cue, self._allowed(view, where))
        slots = np.empty(0, np.int64)
        if len(view):
            few, slots = max(CANDIDATES, 2 * k), np.flatnonzero(signals.allowed)
            if self._chosen_sources or len(slots) > few:  # so few are all looked at; sources of the caller's own have their say
                slots = union(self._sources, signals, few)
            more = view.slots_of(also)
            slots = np.union1d(slots, more[signals.allowed[more]])
        ranker = self.ranker(signals, where.scope)
        matrix = feature_matrix(Scene(signals, slots))
        if len(slots) and isinstance(ranker, LinearRanker) and ranker.weights.get("walk"):
            slots, matrix = self._walked(signals, where, slots, matrix, ranker)
        return Survey(signals, self.base(signals), ranker, slots, matrix, ranker.score(matrix))

    def _walked(
        self, signals: Signals, where: Filter, slots: NDArray[np.int64], matrix: NDArray[np.float32], ranker: LinearRanker
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The candidates with what a walk reaches from them, and their features with what the walk says of each."""
        view, scores = signals.view, ranker.score(matrix)
        cue = hashes_of(names(signals.cue.text)).tolist()
        # a walk may pass through statements of kinds that are not asked for
        passable = (
            signals.allowed if where.kinds is None else self._allowed(view, where.within(kinds=STATEMENTS)) | signals.allowed
        )
        reached = self._walk.reach(view, cue, slots, scores, passable, self._store)
        asked = signals.allowed[reached]
        more = feature_matrix(Scene(signals, reached[asked]))
        between = np.full(int((~asked).sum()), -np.inf, np.float32)
        every = np.concatenate([slots, reached[asked], reached[~asked]])
        order = np.argsort(every, kind="stable")
        lift = np.zeros(len(every), np.float32)
        lift[order] = self._walk.lift(
            view, cue, every[order], np.concatenate([scores, ranker.score(more), between])[order], passable, self._store
        )
        matrix = np.concatenate([matrix, more])
        matrix[:, WALK] = lift[: len(matrix)]
        slots = every[: len(matrix)]
        order = np.argsort(slots, kind="stable")
        return slots[order], matrix[order]

    def _allowed(self, view: ScopeView, where: Filter) -> NDArray[np.bool_]:
        """What a filter and everybody's consent let through, shape (slots,)."""
        allowed = view.mask(where)
        refusals = Refusals.of(self._store, "recall", where.scope)
        return allowed if refusals is None else allowed & ~view.in_scopes(refusals.refuse)

    def _confirm(self, keys: Sequence[int], scores: NDArray[np.float32], where: Filter) -> list[Hit]:
        """Hits, still without reasons, for the keys the store still shows."""
        found = self._store.items.by_key(keys)
        hits: list[Hit] = []
        for key, score in zip(keys, scores.tolist(), strict=True):
            item = found.get(key)
            if item is None or (item.forgotten and not where.forgotten) or (item.stale and not where.stale):
                continue
            if item.retired_at is not None and not where.retired and where.known_at is None:
                continue
            hits.append(Hit(item, score))
        return hits

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

    def sources_of(self, item: Item) -> tuple[str, ...]:
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


@lru_cache(maxsize=1)
def _shipped_print() -> str:
    shipped = shipped_regimes()
    return ranker_print(shipped.turns, shipped.documents)
