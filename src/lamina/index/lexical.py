"""An inverted index of term hashes: which slots have a term, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.index.growing import GrowingArray

MERGE_SHARE = 0.1  # the unsorted tail is merged when it is larger than this share of the sorted part
MERGE_LEAST = 2048  # … and than this many slots
MOST_REPLACED = 256  # slots with other terms that are kept apart; more are sorted in

Terms = NDArray[np.uint32]


class LexicalIndex:
    """Postings over slots; new slots lie in an unsorted tail until it is worth merging.

    >>> index = LexicalIndex()
    >>> index.extend([np.array([7, 9], np.uint32), np.array([9, 9], np.uint32)])
    >>> slots, counts = index.postings(9)
    >>> slots.tolist(), counts.tolist(), index.lengths.tolist()
    ([0, 1], [1.0, 2.0], [2, 2])
    """

    def __init__(self) -> None:
        self._terms = GrowingArray(np.uint32)  # all slots' terms one after another
        self._ends = GrowingArray(np.int64)  # (slots,): where each slot's terms end
        self._lengths = GrowingArray(np.int32)  # (slots,)
        self._sorted = 0  # slots in the sorted part
        self._vocabulary = np.empty(0, np.uint32)
        self._starts = np.zeros(1, np.int64)
        self._slots = np.empty(0, np.int32)
        self._counts = np.empty(0, np.uint8)
        self._replaced: dict[int, Terms] = {}  # slots that have other terms now

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def lengths(self) -> NDArray[np.int32]:
        """Terms in each slot, shape (slots,)."""
        lengths: NDArray[np.int32] = self._lengths.view
        return lengths

    def extend(self, terms: Sequence[Terms]) -> None:
        """Append slots with their terms."""
        if not terms:
            return
        lengths = np.fromiter((len(t) for t in terms), np.int32, len(terms))
        self._ends.extend(len(self._terms) + np.cumsum(lengths, dtype=np.int64))
        self._terms.extend(np.concatenate(terms))
        self._lengths.extend(lengths)

    def replace(self, changed: Mapping[int, Terms]) -> None:
        """Give some slots other terms."""
        for slot, terms in changed.items():
            self._replaced[slot] = np.asarray(terms, np.uint32)
            self._lengths.view[slot] = len(terms)
        if len(self._replaced) > MOST_REPLACED:
            self.merge(force=True)

    def merge(self, force: bool = False) -> None:
        """Sort the tail into the postings, if it has grown large enough (or if asked to)."""
        tail = len(self) - self._sorted
        if not (force and (tail or self._replaced)) and tail <= max(MERGE_LEAST, MERGE_SHARE * self._sorted):
            return
        if self._replaced:
            every = [self.terms(slot) for slot in range(len(self))]
            self._terms, self._ends, self._lengths = GrowingArray(np.uint32), GrowingArray(np.int64), GrowingArray(np.int32)
            self._replaced = {}
            self.extend(every)
        self._build()

    def _build(self) -> None:
        count = len(self)
        slots = np.repeat(np.arange(count, dtype=np.int32), self._lengths.view)
        terms = self._terms.view
        order = np.argsort(terms, kind="stable")  # slots stay ascending within a term
        terms, slots = terms[order], slots[order]
        del order
        if len(terms):
            new = np.empty(len(terms), np.bool_)
            new[0] = True
            np.not_equal(terms[1:], terms[:-1], out=new[1:])
            new[1:] |= slots[1:] != slots[:-1]
            places = np.flatnonzero(new)
            counts = np.minimum(np.diff(np.append(places, len(terms))), 255).astype(np.uint8)
            terms, slots = terms[places], slots[places]
            self._vocabulary, first = np.unique(terms, return_index=True)
            self._starts = np.append(first, len(terms)).astype(np.int64)
        else:
            counts = np.empty(0, np.uint8)
            self._vocabulary, self._starts = np.empty(0, np.uint32), np.zeros(1, np.int64)
        self._slots, self._counts, self._sorted = slots, counts, count

    def postings(self, term: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The slots that have a term, ascending, and how often each has it (at most 255)."""
        place = int(np.searchsorted(self._vocabulary, np.uint32(term)))
        if place < len(self._vocabulary) and self._vocabulary[place] == term:
            inside = slice(int(self._starts[place]), int(self._starts[place + 1]))
            slots, counts = self._slots[inside].astype(np.int64), self._counts[inside].astype(np.float32)
        else:
            slots, counts = np.empty(0, np.int64), np.empty(0, np.float32)
        if self._sorted < len(self):
            begin = int(self._ends.view[self._sorted - 1]) if self._sorted else 0
            where = np.flatnonzero(self._terms.view[begin:] == np.uint32(term)) + begin
            late, often = np.unique(np.searchsorted(self._ends.view, where, side="right"), return_counts=True)
            slots, counts = np.concatenate([slots, late]), np.concatenate([counts, np.minimum(often, 255).astype(np.float32)])
        return self._with_replaced(term, slots, counts) if self._replaced else (slots, counts)

    def _with_replaced(
        self, term: int, slots: NDArray[np.int64], counts: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Postings with what the replaced slots have now."""
        keep = ~np.isin(slots, list(self._replaced))
        often = {slot: int((terms == np.uint32(term)).sum()) for slot, terms in self._replaced.items()}
        have = [slot for slot, count in often.items() if count]
        slots = np.concatenate([slots[keep], np.array(have, np.int64)])
        counts = np.concatenate([counts[keep], np.array([min(often[slot], 255) for slot in have], np.float32)])
        order = np.argsort(slots)
        return slots[order], counts[order]

    def terms(self, slot: int) -> Terms:
        """The terms of one slot in order."""
        if slot in self._replaced:
            return self._replaced[slot]
        start = int(self._ends.view[slot - 1]) if slot else 0
        found: Terms = self._terms.view[start : int(self._ends.view[slot])]
        return found

    def gather(self, slots: NDArray[np.int64]) -> tuple[Terms, NDArray[np.int64]]:
        """The terms of some slots one after another, and where each slot's begin, shape (slots + 1,).

        >>> index = LexicalIndex()
        >>> index.extend([np.array([7, 9], np.uint32), np.array([5], np.uint32)])
        >>> terms, starts = index.gather(np.array([1, 0]))
        >>> terms.tolist(), starts.tolist()
        ([5, 7, 9], [0, 1, 3])
        """
        starts = np.concatenate([[0], np.cumsum(self.lengths[slots], dtype=np.int64)])
        if self._replaced:
            parts = [self.terms(slot) for slot in slots.tolist()]
            return (np.concatenate(parts) if parts else np.empty(0, np.uint32)), starts
        begins = np.where(slots > 0, self._ends.view[slots - 1], 0)
        places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], np.diff(starts))
        found: Terms = self._terms.view[places]
        return found, starts

    def nbytes(self) -> int:
        """Bytes held."""
        grown = self._terms.nbytes() + self._ends.nbytes() + self._lengths.nbytes()
        replaced = sum(terms.nbytes for terms in list(self._replaced.values()))
        return grown + replaced + int(self._vocabulary.nbytes + self._starts.nbytes + self._slots.nbytes + self._counts.nbytes)
