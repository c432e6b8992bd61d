"""Vectors that come and go after the lists were built: their rows and slots, and what searches see of it.

Source: Y. Xu et al., "SPFresh: Incremental In-Place Update for Billion-Scale Vector Search", 2023 (see `rebalancing`).
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.flat import whole_slots
from lamina.index.spann.rebalancing import LAST_VERSION, Rebalancing, Rows, apart, rows_of
from lamina.records import Run

CHUNK = 64  # vectors that are put into lists before searches see them


class Updater(Rebalancing):
    """Adds to and removes from a built SPANN; one thread at a time, while others search. Its parameters are those of `Rebalancing`."""

    # ------------------------------------------------------------------------------------------------------- changes
    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32], run: Run | None = None) -> None:
        """Set the vectors of slots, shape (slots, dim); of a slot named twice the last one counts.

        Searches see them a few at a time. Raises `VectorError` and `InputError` for what the index cannot hold (nothing is then set),
        `StoreFullError` where the disk is full, `Cancelled`: what was set by then stays, all else is as it was.
        """
        index, run = self.index, run or Run()
        slots = whole_slots(slots)
        if vectors.shape != (len(slots), index.dim):
            raise VectorError(f"expected {len(slots)} vectors of {index.dim} dimensions, got an array of shape {vectors.shape}")
        if not len(slots):
            return
        if int(slots.min()) < 0 or int(slots.max()) >= 1 << 30:
            raise InputError(f"slots are numbers from 0 up to {(1 << 30) - 1:,}, not {int(slots.min())} to {int(slots.max())}")
        rows = index.prepared(vectors)
        index.codes.check(rows)
        index.check_lengths(np.append(np.einsum("ij,ij->i", rows, rows), np.float32(index.length)))
        _, last = np.unique(slots[::-1], return_index=True)
        order = np.sort(len(slots) - 1 - last)
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            try:
                self._insert(slots[part], rows[part])
                self._work()
            finally:
                self.publish()
            self.counts.added += len(part)
            run.report("adding", start + len(part), len(order))
        self._heal()

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away; a slot without one is passed over. Heads stay where they are, whatever points they were."""
        slots = np.unique(whole_slots(slots))
        slots = slots[slots >= 0]
        slots = slots[self.index.nodes_of(slots) >= 0]
        for start in range(0, len(slots), CHUNK):
            part = slots[start : start + CHUNK]
            rows = self.index.nodes_of(part)
            self._slots = self._slots.copy()  # readers go on seeing what they see
            self._slots[rows] = -1
            self.index.point(part, -1)
            self.counts.removed += len(rows)
            try:
                self._forget(rows)
                self._work()
            finally:
                self.publish()
        self._heal()

    def _heal(self) -> None:
        """Let no head be found by way of removed ones alone."""
        if self.heads.snapshot().tombstones:
            self.heads.repair()
            self.publish()

    def collect(self, run: Run | None = None) -> None:
        """Rewrite every list without its dead records, and merge those that are short."""
        run = run or Run()
        count = len(self.postings)
        for number in range(count):
            if number % CHUNK == 0:
                self.publish()
                run.report("cleaning lists", number, count)
            if self.postings.count(number):
                self._visit(number)
        self._work()
        self.publish()

    def renew_heads(self) -> None:
        """Take for each list whose head no vector of its own has any more the one of them that is nearest."""
        numbers = np.flatnonzero(self.postings.counts)
        for number, point in zip(numbers.tolist(), self.heads.rows(numbers), strict=True):
            rows = self.full.read(rows_of(self._living(number)))
            if len(rows) and not (rows == point).all(axis=1).any():
                self._set_head(number, rows[int(np.argmin(apart(rows, point)))])
        self.heads.compact()
        self.publish()

    def erase(self) -> None:
        """Write zeros over the rows of vectors that are gone; the last commit must not hold them any more."""
        for row in np.flatnonzero(self._slots[: self._used] < 0).tolist():
            self.full.write(row, np.zeros((1, self.index.dim), np.float32))
        self.full.sync()

    def publish(self) -> None:
        """Let searches see what there is."""
        self._shared = True
        self.index.publish(self._slots, self._versions, self._used)
        read, self._read_before = self.counts.lists_read - self._read_before, self.counts.lists_read
        self.counts.most_lists_read = max(self.counts.most_lists_read, read)
        time.sleep(0)  # whoever waits for the interpreter goes first

    # --------------------------------------------------------------------------------------------------- rows and slots
    def _insert(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        rows = self._rows(len(slots))
        before = self.index.nodes_of(slots)
        old = before[before >= 0]
        if len(old) or int(rows[0]) < self._used - len(rows):  # readers must go on seeing what they see
            self._slots = self._slots.copy()
        try:  # the older rows count until the new ones stand: what is cleaned meanwhile keeps them
            for first, block in _runs(rows, vectors):
                self.full.write(first, block)
            self._slots[rows] = slots
            self._place(rows, vectors, self._versions[rows], 0, np.zeros(len(rows), np.bool_))
        except BaseException:
            self._slots[rows] = -1
            self._freed += [(row, self.postings.commits) for row in rows.tolist()]
            raise
        self._slots[old] = -1
        self.index.point(slots, rows)
        if len(old):
            self._forget(old)

    def _rows(self, count: int) -> Rows:
        """Rows for new vectors, with versions that no record in a list has; ascending."""
        commits = self.postings.commits
        ready = [row for row, since in self._freed if since < commits]
        self._freed = [(row, since) for row, since in self._freed if since >= commits]
        self._free += [row for row in ready if self._versions[row] < LAST_VERSION]
        again = [self._free.pop() for _ in range(min(count, len(self._free)))]
        new = count - len(again)
        if self._used + new > len(self._slots):
            room = self._used + new + (self._used + new) // 8 + 64
            self._slots = np.append(self._slots, np.full(room - len(self._slots), -1, np.int32))
            self._versions = np.append(self._versions, np.zeros(room - len(self._versions), np.uint8))
            self._shared = False
        if again:
            self._own_versions()
            self._versions[again] += 1
        rows = np.sort(np.concatenate([np.array(again, np.int64), np.arange(self._used, self._used + new)]))
        self._used += new
        return rows

    def _forget(self, rows: Rows) -> None:
        """Rows that are no longer alive: their lists are cleaned where much of one is dead."""
        self._freed += [(row, self.postings.commits) for row in rows.tolist()]
        lists, _ = self._closure(self.full.read(rows))
        numbers, dead = np.unique(lists[lists >= 0].astype(np.int64), return_counts=True)
        self._count_dead(numbers, dead)


def _runs(rows: Rows, vectors: NDArray[np.float32]) -> list[tuple[int, NDArray[np.float32]]]:
    """Rows that follow each other, with their vectors."""
    cuts = np.flatnonzero(np.diff(rows) != 1) + 1
    return [(int(part[0]), block) for part, block in zip(np.split(rows, cuts), np.split(vectors, cuts), strict=True)]
