"""Batches of queries: through the graph, past what is dead, and exactly where the graph is of no use."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.comparing import compare
from lamina.index.flat import check_finite
from lamina.index.forms import HALF, halves
from lamina.index.graphs.filtering import search_filtered
from lamina.index.graphs.full import FullFile
from lamina.index.graphs.held import HeldGraph
from lamina.index.graphs.layers import Snapshot, rows_of
from lamina.index.kernels.querying import FAILED, answer

RERANKED = 6  # vectors ordered by their full rows beyond the k that are wanted, at least; half of k
TRIES = 4  # searches, each for twice as many, where vectors are replaced meanwhile
FEW = 8  # queries, below which arrays take longer than numbers
NEVER = np.zeros(0, np.uint8)


class SearchedGraph(HeldGraph):
    """How an `HNSW` is searched. Any number of threads may do so, while one changes it."""

    def search(
        self, vectors: NDArray[np.float32], k: int, allow: NDArray[np.bool_] | None = None, *, ef: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best k slots for each query, best first, with their scores, each of shape (queries, k); -1 and -inf where there are fewer.

        `allow` is a mask over slots: what it forbids, and what lies beyond it, is never returned. `ef`: candidates, in place of the index's own.
        Raises `VectorError` for queries of another width, NaN, infinity or (under "cosine") zero, `InputError` for k or ef below 1.
        """
        ef = self.ef if ef is None else ef
        if min(k, ef) < 1:
            raise InputError(f"k must be at least 1, not {k}" if k < 1 else f"ef must be at least 1, not {ef}")
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise VectorError(f"expected queries of {self.dim} dimensions, shape (queries, {self.dim}), got {vectors.shape}")
        queries = np.ascontiguousarray(vectors, np.float32)
        check_finite(queries, "query")
        queries = self._normalised(queries, "query")
        token = object()
        self._active.add(token)
        try:
            for more in range(TRIES):  # a vector that is replaced meanwhile may be found twice, and then leaves too few
                now = self._now
                nodes, scores = self._search(now, queries, k << more, max(ef, k << more), allow)
                slots = np.where(nodes >= 0, now.slot_of[nodes] if now.used else -1, -1)
                if self._now is now and not len(now.twins):
                    break
                if not _drop_repeated(slots, scores, k):
                    break
            slots, scores = slots[:, :k], scores[:, :k]
            return slots, scores
        finally:
            self._active.discard(token)

    def prepare(self) -> None:
        """Make now what the first search would make: sketches of the vectors, where they will guide searches."""
        now = self._now
        self.guide.guess(now, now.graph.vectors[:0])

    def _search(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, ef: int, allow: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if allow is not None:
            if now.used > 2 * ef:
                return search_filtered(self, now, queries, k, allow, ef)
            self.plan = "exact"
            return self._exact(now, queries, k, barred_by(now, allow))
        barred, there = now.dead.view(np.uint8) if now.tombstones else NEVER, self._live
        if there <= 2 * ef:
            self.plan = "exact"
            return self._exact(now, queries, k, barred)
        self.plan = "graph"
        nodes, scores, found = self.ask(now, queries, k, ef, barred)
        short = np.flatnonzero(found < min(k, there))
        if len(short):
            nodes[short], scores[short] = self._exact(now, queries[short], k, barred)
        return nodes, scores

    def _exact(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, barred: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        nodes = np.flatnonzero(~now.dead[: now.used] if not len(barred) else barred[: now.used] == 0)
        self.computed += len(queries) * len(nodes)
        return compare(queries, k, nodes, lambda some: rows_of(now, some), euclidean=self._euclidean)

    def ask(
        self, now: Snapshot, queries: NDArray[np.float32], k: int, ef: int, barred: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """Search the graph alone: nodes, scores, and how many there are for each query.

        Parameters: `now`, of `snapshot`; `queries`, normalised where the metric asks for it; `barred` (nodes,), which are never returned, or empty.
        """
        full = now.full
        encoded = now.form.encode_queries(queries, self._euclidean)
        norms = now.form.norms(encoded) if self._euclidean else np.zeros(0, np.float32)
        none = np.zeros((0, self.dim), np.uint16)
        rerank, full_rows, full_queries, handle, start = 0, none, none, -1, 0
        if full is not None:
            rerank = self.reranked(k) if self.rerank else min(self.reranked(k), max(ef, k))
            ef = max(ef, rerank)
            full_rows, handle, start = full.array, full.handle, full.start
            full_queries = halves(np.minimum(np.maximum(queries, np.float32(-HALF)), np.float32(HALF)))
        nodes = np.full((len(queries), k), -1, np.int64)
        near = np.full((len(queries), k), np.inf, np.float32)
        found = np.zeros(len(queries), np.int64)

        def work(part: slice) -> tuple[int, int]:
            marks, epoch = self.room(now)
            guess = self.guide.guess(now, encoded[part], ef)
            epoch, total = answer(
                now.graph, now.top, now.entry, encoded[part], norms[part], barred, now.twins, ef, marks, epoch, rerank, full_rows, handle, start,
                full_queries[part], guess, nodes[part], near[part], found[part],
            )  # fmt: skip
            self.give_back(marks, epoch)
            return int(total), int(guess.spared[0])

        parts = min(self.threads, max(len(queries) // 4, 1))
        if parts == 1:
            done = [work(slice(None))]
        else:
            cuts = np.linspace(0, len(queries), parts + 1).astype(int).tolist()
            with ThreadPoolExecutor(parts) as pool:
                done = list(pool.map(work, [slice(a, b) for a, b in itertools.pairwise(cuts)]))
        self.computed += sum(distances for distances, _ in done)
        self.spared += sum(spared for _, spared in done)
        if full is not None and (found == FAILED).any():
            assert isinstance(full, FullFile)
            raise full.short()
        return nodes, -np.maximum(near, 0) if self._euclidean else -near, found

    def reranked(self, k: int) -> int:
        """How many of the best are ordered by their full rows."""
        return max(self.rerank or k + max(RERANKED, k // 2), k)

    def give_back(self, marks: NDArray[np.uint8], epoch: int) -> None:
        """Room that is not used any more, with the epoch used last."""
        self._spare.append((marks, epoch))

    def room(self, now: Snapshot) -> tuple[NDArray[np.uint8], int]:
        """Room for the marks of visited nodes that no other search uses."""
        size = len(now.slot_of)
        while True:
            try:
                marks, epoch = self._spare.pop()
            except IndexError:
                return np.zeros(size, np.uint8), 0
            if len(marks) == size:
                return marks, epoch


def barred_by(now: Snapshot, allow: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which nodes are dead or of a slot that a mask over slots does not allow, shape (nodes,)."""
    slots = now.slot_of[: now.used]
    wide = np.append(np.asarray(allow, np.bool_), False)
    barred: NDArray[np.bool_] = now.dead[: now.used] | ~wide[np.minimum(slots, len(allow))]
    return barred.view(np.uint8)


def _drop_repeated(slots: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> bool:
    """Leave the first of equal slots in each row; says whether fewer than k are left where there were k."""
    if len(slots) < FEW and all(len(set(row)) == len(row) for row in slots.tolist()):
        return False
    ordered = np.sort(slots, axis=1)
    short = False
    for row in np.flatnonzero(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)):
        here = slots[row]
        _, first = np.unique(here, return_index=True)
        keep = np.sort(first[here[first] >= 0])
        short = short or len(keep) < min(k, int((here >= 0).sum()))
        kept, given = here[keep], scores[row, keep]
        slots[row], scores[row] = -1, -np.inf
        slots[row, : len(kept)], scores[row, : len(kept)] = kept, given
    return short
