"""What a cue matches in a view, item by item: the raw material of candidates and features, computed once a recall."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamina.index.flat import inner_products, top
from lamina.index.view import ScopeView
from lamina.models.word_table import word_table
from lamina.recall.cue import Cue
from lamina.records import KINDS
from lamina.text import fold

K1 = 1.2  # BM25: how soon a repeated term stops counting (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework)
B = 0.5  # BM25: how much longer texts are held back; below the usual 0.75, since short turns are the rule here

ALIKE = 0.35  # cosine of two words above which one counts for the other

SAMPLE = 4096  # traces whose dense scores stand for all, where a graph spares scoring them
SESSION_SAMPLE = 64  # … and traces of one session

TRACE = KINDS.index("trace")
EPISODE = KINDS.index("episode")


class Signals:
    """Lexical and dense matches of one cue over all slots of one view.

    Parameters: `view`; `cue`; `allowed`, a mask over slots, shape (slots,): what the caller's filter lets through.
    Statistics (document frequencies, lengths) are those of the traces in the view.
    """

    def __init__(self, view: ScopeView, cue: Cue, allowed: NDArray[np.bool_]) -> None:
        self.view = view
        self.cue = cue
        self.allowed = allowed
        self.traces: NDArray[np.bool_] = allowed & (view.kind == TRACE)
        self._lexical_best: NDArray[np.int64] = np.empty(0, np.int64)  # of the most that were asked for
        self._dense_best: NDArray[np.int64] = np.empty(0, np.int64)
        self._lexical_asked = self._dense_asked = 0

    def __len__(self) -> int:
        return len(self.allowed)

    @cached_property
    def _everywhere(self) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each term of the cue: all slots that have it, and how often."""
        return [self.view.lexical.postings(int(term)) for term in self.cue.terms]

    @cached_property
    def postings(self) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each term of the cue: the allowed slots that have it, and how often."""
        out = []
        for slots, counts in self._everywhere:
            keep = self.allowed[slots]
            out.append((slots[keep], counts[keep]))
        return out

    @cached_property
    def idf(self) -> NDArray[np.float32]:
        """Inverse document frequency of each term among the traces, shape (terms,)."""
        total = max(int(self.traces.sum()), 1)
        found = np.array([int(self.traces[slots].sum()) for slots, _ in self.postings], np.float32)
        return np.log1p((total - found + 0.5) / (found + 0.5)).astype(np.float32)

    @property
    def weight(self) -> float:
        """The idf of the whole cue: what a perfect match would gather."""
        return max(float(self.idf.sum()), 1e-6)

    @cached_property
    def bm25(self) -> NDArray[np.float32]:
        """BM25 of each slot, shape (slots,); 0 where nothing matches."""
        scores = np.zeros(len(self), np.float32)
        for (slots, counts), idf in zip(self.postings, self.idf, strict=True):
            scores[slots] += self._term_score(slots, counts, idf)
        return scores

    def lexical_best(self, k: int) -> NDArray[np.int64]:
        """The slots with the largest BM25, best first, at most k; none that shares no word with the cue."""
        if len(self._lexical_best) < k > self._lexical_asked:
            found = np.flatnonzero(self.bm25)
            self._lexical_best, self._lexical_asked = found[top(self.bm25[found], k)], k
        return self._lexical_best[:k]

    def bm25_beyond(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """BM25 of some slots, whether the filter lets them through or not, shape (slots,)."""
        scores = np.zeros(len(slots), np.float32)
        place = np.full(len(self), -1)
        place[slots] = np.arange(len(slots))
        for (found, counts), idf in zip(self._everywhere, self.idf, strict=True):
            here = place[found] >= 0
            scores[place[found[here]]] += self._term_score(found[here], counts[here], idf)
        return scores

    def _term_score(self, slots: NDArray[np.int64], counts: NDArray[np.float32], idf: float) -> NDArray[np.float32]:
        norm = K1 * (1 - B + B * self.view.lexical.lengths[slots] / self._mean_length)
        return np.asarray(idf * counts * (K1 + 1) / (counts + norm), np.float32)

    @cached_property
    def _mean_length(self) -> float:
        """Terms in a trace, on average."""
        traces = int(self.traces.sum())
        return max(float(self.view.lexical.lengths[self.traces].sum()) / traces, 1.0) if traces else 1.0

    @cached_property
    def matched(self) -> NDArray[np.bool_]:
        """Which terms each slot has, shape (terms, slots + 1); the last slot stands for "no neighbour" and has none."""
        table = np.zeros((len(self.cue.terms), len(self) + 1), np.bool_)
        for row, (slots, _) in enumerate(self.postings):
            table[row, slots] = True
        return table

    def gathered(self, table: NDArray[np.bool_] | NDArray[np.float32]) -> NDArray[np.float32]:
        """Shares of the cue's weight, shape (columns,), from which terms (or how much of them) each column has, shape (terms, columns)."""
        found = np.zeros(table.shape[1], np.float32)
        for has, idf in zip(table, self.idf / np.float32(self.weight), strict=True):
            found += has * idf
        return found

    @cached_property
    def word_vectors(self) -> NDArray[np.float32]:
        """Static vectors of the cue's words, shape (terms, dim)."""
        return word_table(self.view.language).embedder.word_vectors(self.cue.spoken)

    @cached_property
    def likenesses(self) -> NDArray[np.float32]:
        """How well each word of the word table says each of the cue's, shape (terms, table + 1): squared cosines above `ALIKE`."""
        return word_table(self.view.language).likeness_of(self.cue.spoken, self.word_vectors, ALIKE)

    def likenesses_among(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The same, at least for these rows of the word table: a few rows are compared sooner than all."""
        if "likenesses" in vars(self):
            return self.likenesses
        return word_table(self.view.language).likeness(self.word_vectors, ALIKE, rows)

    def alike(self, most: int) -> Iterator[list[tuple[NDArray[np.int64], float]]]:
        """For each term of the cue, where the words most like it and the term itself are: slots and how well they say it.

        The term itself stands last, the others before it from the least like to the most, at most `most` of them.
        """
        hashes = word_table(self.view.language).hashes
        for (slots, _), row, term in zip(self.postings, self.likenesses, self.cue.terms, strict=True):
            found = np.flatnonzero(row)
            found = found[hashes[found] != term]
            others = found[np.argsort(row[found], kind="stable")[-most:]].tolist() if most else []
            spread = [(self.view.lexical.postings(int(hashes[place]))[0], float(row[place])) for place in others]
            yield [*((where[self.allowed[where]], share) for where, share in spread), (slots, 1.0)]

    @cached_property
    def vector(self) -> NDArray[np.float32] | None:
        """The cue's vector, where the view has vectors to compare it with."""
        vector = self.cue.vector
        return vector if vector is not None and len(vector) == self.view.flat.dim else None

    @cached_property
    def dense(self) -> NDArray[np.float32]:
        """Inner product of cue and item, shape (slots,); 0 without a vector. Reads every vector of the view."""
        flat = self.view.flat
        if self.vector is None:
            return np.zeros(len(self), np.float32)
        return flat.scores(self.vector, self.allowed[: len(flat.present)])

    def dense_at(self, slots: NDArray[np.int64], missing: float = 0.0) -> NDArray[np.float32]:
        """Inner products of some allowed slots, `missing` where a slot is "nowhere"."""
        if not self.view.flat.approximate:
            return self.at(self.dense, slots, missing)
        inside = slots < len(self)
        out = np.full(len(slots), missing, np.float32)
        out[inside] = self.dense_beyond(slots[inside])
        return out

    def dense_beyond(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """Inner products of some slots, whether the filter lets them through or not, shape (slots,)."""
        if self.vector is None:
            return np.zeros(len(slots), np.float32)
        return inner_products(self.view.flat.rows(slots), self.vector)

    def vectors(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, zeros where a slot is "nowhere" or has none, shape (slots, dim)."""
        inside = slots < len(self)
        rows = np.zeros((len(slots), self.view.flat.dim), np.float32)
        rows[inside] = self.view.flat.rows(slots[inside])
        return rows

    def likeness_of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosines of some vectors with the cue's in standard deviations of the scope, 0 for a zero vector, shape (vectors,)."""
        if self.vector is None:
            return np.zeros(len(vectors), np.float32)
        mean, spread = self.dense_spread
        lengths = np.linalg.norm(vectors, axis=1)
        cosines = inner_products(vectors, self.vector) / np.maximum(lengths, 1e-6)
        return np.where(lengths > 0, (cosines - np.float32(mean)) / np.float32(spread), 0).astype(np.float32)

    def dense_best(self, k: int) -> NDArray[np.int64]:
        """The allowed slots with the largest inner products, best first, at most k."""
        if len(self._dense_best) < k > self._dense_asked:
            self._dense_best, self._dense_asked = self._find_dense(k), k
        return self._dense_best[:k]

    def _find_dense(self, k: int) -> NDArray[np.int64]:
        flat = self.view.flat
        if self.vector is None:
            return np.empty(0, np.int64)
        if flat.approximate:
            found: NDArray[np.int64] = flat.search(self.vector[None], k, self.allowed)[0][0]
            return found[found >= 0]
        present = np.zeros(len(self), np.bool_)
        present[: len(flat.present)] = flat.present
        best = top(np.where(self.allowed & present, self.dense, -np.inf).astype(np.float32), min(k, len(self)))
        return best[self.allowed[best] & present[best]]

    @cached_property
    def dense_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of the dense scores of the traces: likeness is judged against them.

        Where there is a graph, those of `SAMPLE` traces at even distances.
        """
        if self.view.flat.approximate:
            sample = self.view.sampled(_thinned(np.flatnonzero(self.traces), SAMPLE))
            scores = np.zeros(len(sample), np.float32) if self.vector is None else inner_products(sample, self.vector)
        else:
            scores = self.dense[self.traces]
        if not len(scores):
            return 0.0, 1.0
        return float(scores.mean()), max(float(scores.std()), 1e-3)

    @cached_property
    def session_matched(self) -> NDArray[np.bool_]:
        """Which terms each session has in any of its traces, shape (terms, sessions)."""
        table = np.zeros((len(self.cue.terms), len(self.view.sessions.names) + 1), np.bool_)
        for row, (slots, _) in enumerate(self.postings):
            table[row, self.view.session[slots[self.traces[slots]]]] = True
        return table

    def session_dense(self, sessions: NDArray[np.int32]) -> NDArray[np.float32]:
        """The largest dense score of a trace in some sessions, shape (sessions,); the mean of all where there is none."""
        if not self.view.flat.approximate:
            return self._session_best[sessions]
        names, place = np.unique(sessions, return_inverse=True)
        best = np.full(len(names), self.dense_spread[0], np.float32)
        every = [self.view.session_slots(session) for session in names.tolist()]
        every = [_thinned(slots[self.traces[slots]], SESSION_SAMPLE) for slots in every]
        lengths = np.array([len(slots) for slots in every], np.int64)
        some = np.flatnonzero(lengths)
        if len(some):
            scores = self.dense_beyond(np.concatenate(every))
            best[some] = np.maximum.reduceat(scores, (np.cumsum(lengths) - lengths)[some])
        return best[place]

    @cached_property
    def _session_best(self) -> NDArray[np.float32]:
        """The largest dense score of each session's traces, shape (sessions,)."""
        best = np.full(len(self.view.sessions.names) + 1, -np.inf, np.float32)
        np.maximum.at(best, self.view.session[self.traces], self.dense[self.traces])
        return np.where(np.isfinite(best), best, np.float32(self.dense_spread[0]))

    @cached_property
    def conversation(self) -> float:
        """Share of the traces that are turns of a course of things; the rest are notes and documents."""
        turns = self.view.turn[self.traces]
        return float(turns.mean()) if len(turns) else 1.0

    @cached_property
    def named_speakers(self) -> NDArray[np.int32]:
        """Codes of the speakers the cue names."""
        codes = [code for code, name in enumerate(self.view.speakers.names) if fold(str(name)) in self.cue.names]
        return np.array(codes, np.int32)

    def before(self, slots: NDArray[np.int64], steps: int = 1) -> NDArray[np.int64]:
        """The slots so many traces earlier in the same session; the number of slots where there is none or it is hidden."""
        return self._along(self.view.before, slots, steps)

    def after(self, slots: NDArray[np.int64], steps: int = 1) -> NDArray[np.int64]:
        """The slots so many traces later in the same session; the number of slots where there is none or it is hidden."""
        return self._along(self.view.after, slots, steps)

    def _along(self, links: NDArray[np.int32], slots: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
        nowhere = len(self)
        at = slots
        for _ in range(steps):
            at = np.where(at == nowhere, -1, links[np.minimum(at, nowhere - 1)]).astype(np.int64)
            at = np.where(at < 0, nowhere, at)
        visible = np.append(self.allowed, False)
        return np.where(visible[at], at, nowhere)

    def at(self, values: NDArray[np.float32], slots: NDArray[np.int64], missing: float = 0.0) -> NDArray[np.float32]:
        """Values of slots, `missing` where a slot is "nowhere"."""
        inside = slots < len(self)
        out = np.full(len(slots), missing, np.float32)
        out[inside] = values[slots[inside]]
        return out


def _thinned(slots: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of some slots, at even distances."""
    if len(slots) <= most:
        return slots
    return slots[np.linspace(0, len(slots) - 1, most).astype(np.int64)]
