"""Soft lexical match: items that say what the cue says in other words, by static vectors of single words.

The index holds hashes of terms, and the word table has vectors for the hashes of common words; so the terms of candidates
can be compared with those of the cue one by one, whatever embedder a memory has. A term without a vector only matches itself.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lamina.models.word_table import WordTable, word_table
from lamina.recall.signals import Signals

BESIDE = 0.6  # weight of the items beside one in what it is about
TOPIC_WORDS = 48  # words of an item that are looked at for what it is about: the first ones


class Likeness:
    """What some slots say in other words than the cue.

    Parameters: `signals`; `slots`, ascending and each once, shape (looked at,): candidates and what stands around them.
    """

    def __init__(self, signals: Signals, slots: NDArray[np.int64]) -> None:
        self._signals = signals
        self._slots = slots
        self._table: WordTable = word_table(signals.view.language)
        terms, self._starts = signals.view.lexical.gather(slots)
        self._rows = self._table.rows(terms)

    def _place(self, slots: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where slots stand among those looked at; the last place stands for "nowhere"."""
        return np.where(slots < len(self._signals), np.searchsorted(self._slots, slots), len(self._slots))

    @cached_property
    def _matches(self) -> NDArray[np.float32]:
        """For each term of the cue, how well each slot has it: 1 for the term itself, the squared cosine of the best other
        word; shape (terms, looked at + 1)."""
        cue = self._signals.cue
        found = np.zeros((len(cue.terms), len(self._slots) + 1), np.float32)
        full = np.flatnonzero(np.diff(self._starts))
        if len(full) and len(cue.terms):
            starts = self._starts[full]
            for row, of_words in enumerate(self._signals.likenesses_among(self._rows)):
                found[row, full] = np.maximum.reduceat(of_words[self._rows], starts)
        found[:, :-1] = np.maximum(found[:, :-1], self._signals.matched[:, self._slots])
        return found

    def coverage(self, *beside: NDArray[np.int64]) -> NDArray[np.float32]:
        """Share of the cue's weight that the first slots, or others beside them, have in these or other words, shape (slots,)."""
        table = self._matches
        best = table[:, self._place(beside[0])]
        for slots in beside[1:]:
            best = np.maximum(best, table[:, self._place(slots)])
        return self._signals.gathered(best)

    @cached_property
    def _unknown_script(self) -> bool:
        """Whether the table has none of the cue's words, and most of them are in other letters than those of English."""
        cue = self._signals.cue
        known = (self._table.rows(cue.terms) < len(self._table.hashes)).any()
        return not known and sum(word.isascii() for word in cue.spoken) * 2 < len(cue.spoken)

    @cached_property
    def _topics(self) -> NDArray[np.float32]:
        """The sum of the topics of each slot's first words, shape (looked at + 1, dim)."""
        sums = np.zeros((len(self._slots) + 1, self._table.topics.shape[1]), np.float32)
        owner = np.repeat(np.arange(len(self._slots)), np.diff(self._starts))
        early = np.arange(len(owner)) - self._starts[owner] < TOPIC_WORDS if len(owner) else np.zeros(0, np.bool_)
        known = np.flatnonzero(early & (self._rows < len(self._table.hashes)))
        rows, counts = self._rows[known], np.bincount(owner[known], minlength=len(self._slots))
        order = np.argsort(-counts, kind="stable")  # slots with many words first: those with an n-th word are the first few
        starts, counts = (np.cumsum(counts) - counts)[order], counts[order]
        most = int(counts[0]) if len(counts) else 0
        for place, having in enumerate(np.searchsorted(-counts, -np.arange(most)).tolist()):
            sums[order[:having]] += self._table.topics[rows[starts[:having] + place]]
        return sums

    def topic(self, slots: NDArray[np.int64], *beside: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosine between what the cue is about and what slots with those beside them are about, shape (slots,).

        In a script whose words the table does not have, nothing is known of what they are about: the share of the cue's
        weight in a slot stands in for it.
        """
        cue = self._signals.cue
        if not len(cue.terms):
            return np.zeros(len(slots), np.float32)
        if self._unknown_script:
            return self.coverage(slots)
        about = self._topics[self._place(slots)]
        for others in beside:
            about = about + np.float32(BESIDE) * self._topics[self._place(others)]
        lengths = np.maximum(np.linalg.norm(about, axis=1), 1e-6)
        return np.asarray((about @ self._table.topic(self._signals.word_vectors, cue.terms)) / lengths, np.float32)
