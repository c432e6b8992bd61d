"""What a cue matches in a view, item by item: the raw material of candidates and features, computed once a recall."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamina.index.view import ScopeView
from lamina.recall.cue import Cue
from lamina.records import KINDS
from lamina.text import fold

K1 = 1.2  # BM25: how soon a repeated term stops counting (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework)
B = 0.5  # BM25: how much longer texts are held back; below the usual 0.75, since short turns are the rule here

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

    def __len__(self) -> int:
        return len(self.allowed)

    @cached_property
    def postings(self) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each term of the cue: the allowed slots that have it, and how often."""
        out = []
        for term in self.cue.terms:
            slots, counts = self.view.lexical.postings(int(term))
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
        lengths = self.view.lexical.lengths
        traces = int(self.traces.sum())
        mean = max(float(lengths[self.traces].sum()) / traces, 1.0) if traces else 1.0
        for (slots, counts), idf in zip(self.postings, self.idf, strict=True):
            norm = K1 * (1 - B + B * lengths[slots] / mean)
            scores[slots] += idf * counts * (K1 + 1) / (counts + norm)
        return scores

    @cached_property
    def matched(self) -> NDArray[np.bool_]:
        """Which terms each slot has, shape (terms, slots + 1); the last slot stands for "no neighbour" and has none."""
        table = np.zeros((len(self.cue.terms), len(self) + 1), np.bool_)
        for row, (slots, _) in enumerate(self.postings):
            table[row, slots] = True
        return table

    @cached_property
    def dense(self) -> NDArray[np.float32]:
        """Inner product of cue and item, shape (slots,); 0 without a vector."""
        vector, flat = self.cue.vector, self.view.flat
        if vector is None or len(vector) != flat.dim:
            return np.zeros(len(self), np.float32)
        return flat.scores(vector, self.allowed[: len(flat.present)])

    @cached_property
    def dense_spread(self) -> tuple[float, float]:
        """Mean and standard deviation of the dense scores of the traces: likeness is judged against them."""
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

    @cached_property
    def session_dense(self) -> NDArray[np.float32]:
        """Mean dense score of each session's traces, shape (sessions,)."""
        sessions = self.view.session[self.traces]
        count = len(self.view.sessions.names) + 1
        sums = np.bincount(sessions, self.dense[self.traces], minlength=count)
        return np.asarray(sums / np.maximum(np.bincount(sessions, minlength=count), 1), np.float32)

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
