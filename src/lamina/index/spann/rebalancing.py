"""Lists that stay in shape while vectors come and go: they are split, merged, and what then stands in the wrong one is moved.

Source: Y. Xu et al., "SPFresh: Incremental In-Place Update for Billion-Scale Vector Search", 2023 (the protocol LIRE). That a vector seen in a list
whose head is still nearer than both new ones is not looked at further, that no move is made where the nearest list holds a copy already, and that
lists are split at once instead of in the background, so that none is ever longer than it may be, and that they are split by what the mean one had
when built, are our choices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.index.forms import Form
from lamina.index.kernels.lists import HEADER
from lamina.index.spann.splitting import parted

if TYPE_CHECKING:
    from lamina.index.spann.spann import SPANN

LAST_VERSION = 255
TRIED = 8  # lists that a short one may go to
DEAD = 0.25  # share of a list that is dead when it is cleaned
GROWN = 3.5  # times the records of the mean list when built that a list has when it is split, if it may hold so many
APART = 1e-3  # how far a head is moved, in parts of its length, where another one has its vector

Rows = NDArray[np.int64]


@dataclass
class Counts:
    """What updates have done so far. `copies`, records written for new vectors; `looked_at`, vectors compared with new heads; `checked`, those for
    which the nearest head was searched; `copied`, those that were put into the list of
    that head too; `moved`, those that went elsewhere; `left`, splits after which none was looked at (see `depth`)."""

    added: int = 0
    removed: int = 0
    copies: int = 0
    splits: int = 0
    merges: int = 0
    cleaned: int = 0
    looked_at: int = 0
    checked: int = 0
    copied: int = 0
    moved: int = 0
    left: int = 0
    lists_read: int = 0
    most_lists_read: int = 0  # between two states that searches saw


@dataclass(frozen=True)
class _Job:
    """A list was split: what its neighbours hold may belong to the parts, and the reverse."""

    old: NDArray[np.float32]
    parts: tuple[int, ...]
    depth: int


class Rebalancing(ABC):
    """Keeps the lists of a built SPANN in shape; one thread at a time, while others search.

    Parameters:
        index: what is updated; its `publish` lets searches see each step.
        neighbours: lists around one that was split whose vectors are looked at.
        shortest: records below which a list is merged into another (None: a sixth of what the mean list had when built, or a twelfth
            of the most where that is less).
        depth: splits that follow from each other's moves, at most; later ones move nothing more.
        jobs: splits after which moves are made between two states that searches see, at most; others wait.
        reassign: without it nothing is moved (for comparison).
    """

    def __init__(
        self,
        index: SPANN,
        *,
        neighbours: int = 64,
        shortest: int | None = None,
        depth: int = 6,
        jobs: int = 16,
        reassign: bool = True,
    ) -> None:
        if min(neighbours, depth, jobs) < 1 or (shortest is not None and not 0 <= shortest <= index.limit // 2):
            raise InputError(
                f"neighbours, depth and jobs must be at least 1, shortest at most {index.limit // 2}, not {neighbours}, {depth}, {jobs}, {shortest}"
            )
        if index.postings is None or index.full is None:
            raise StateError("the index has not been built yet: call build first")
        self.index, self.postings, self.full, self.heads = index, index.postings, index.full, index.heads
        self.neighbours, self.depth, self.jobs, self.reassign = neighbours, depth, jobs, reassign
        mean, filled = float(index.built.get("mean_list", index.limit)), int(index.built.get("filled", index.limit))
        self.limit = min(index.limit, max(filled, int(GROWN * mean), 2))  # records of a list that is not split yet
        usual = min(index.limit // 12, int(mean) // 6)
        self.shortest = max(1, usual) if shortest is None else shortest
        self.counts = Counts()
        state = index.state()
        self._slots, self._versions, self._used = state.slots, state.versions, state.used
        self._shared = True  # whether a reader may hold the versions
        self._free: list[int] = []  # rows to use again
        self._freed: list[tuple[int, int]] = []  # rows, with the commit after which they may be
        self._moving: dict[int, int] = {}  # row → the version it is about to have
        self._dead = np.zeros(len(self.postings), np.int32)  # records of each list that are dead, about
        self._stale: set[int] = set()  # lists of which more may be dead than before
        self._queue: deque[_Job] = deque()
        self._read_before = 0
        gone = np.flatnonzero(self._slots[: self._used] < 0)
        self._free = gone[self._versions[gone] < LAST_VERSION].tolist()

    @abstractmethod
    def _insert(self, slots: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Give slots new rows with these vectors, and put them into lists."""

    # ------------------------------------------------------------------------------------------------- what counts
    def _own_versions(self) -> None:
        if self._shared:
            self._versions, self._shared = self._versions.copy(), False

    def _count_dead(self, numbers: NDArray[np.int64], dead: NDArray[np.int64]) -> None:
        self._widen()
        self._dead[numbers] += dead.astype(np.int32)
        self._stale.update(numbers.tolist())

    def _clean(self, number: int) -> None:
        self._widen()
        self._dead[number] = 0

    def _widen(self) -> None:
        missing = len(self.postings) - len(self._dead)
        if missing > 0:
            self._dead = np.append(self._dead, np.zeros(missing, np.int32))

    # ------------------------------------------------------------------------------------------------------------ lists
    def _closure(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        form = Form("float16", self.index.dim)
        encoded = form.encode(vectors)
        guess = self.heads.guide.guess(self.heads.snapshot(), encoded)
        return self.index.closure.of(self.index.graph_of(self.heads), guess, encoded, form.norms(encoded))

    def _place(
        self, rows: Rows, vectors: NDArray[np.float32], versions: NDArray[np.uint8], depth: int, placed: NDArray[np.bool_]
    ) -> None:
        """Copy vectors into the lists they belong to; `placed` says which stand in one."""
        lists, _ = self._closure(vectors)
        records = self.index.encoded(rows, vectors, versions)
        which, column = np.nonzero(lists >= 0)
        numbers = lists[which, column]
        order = np.argsort(numbers, kind="stable")
        which, numbers = which[order], numbers[order]
        owners, starts = np.unique(numbers, return_index=True)
        for number, part in zip(owners.tolist(), np.split(which, starts[1:]), strict=True):
            self._append(number, records[part], depth)
            placed[part] = True
        self.counts.copies += len(which)

    def _append(self, number: int, records: NDArray[np.uint8], depth: int) -> None:
        if self.postings.count(number) + len(records) <= self.limit:
            self.postings.append(number, records)
            return
        whole = self._once(np.concatenate([self._living(number), records]))
        self._rewrite(number, whole, depth, self.limit - self.limit // 16)

    def _rewrite(self, number: int, records: NDArray[np.uint8], depth: int, most: int) -> None:
        """Put living records in place of a list, or split it where they are more than `most`."""
        if len(records) > most:
            self._split(number, records, depth)
        else:
            self.postings.put(number, records)
            self.counts.cleaned += 1
        self._clean(number)

    def _living(self, number: int) -> NDArray[np.uint8]:
        """The records of a list that count."""
        records = self.postings.get(number)
        self.counts.lists_read += 1
        rows, versions = rows_of(records), records[:, 8].astype(np.int64)
        inside = (rows >= 0) & (rows < self._used)
        rows = np.where(inside, rows, 0)
        current = self._versions[rows] == versions
        if self._moving:
            current |= np.array([self._moving.get(row, -1) for row in rows.tolist()], np.int64) == versions
        living: NDArray[np.uint8] = records[inside & (self._slots[rows] >= 0) & current]
        return living

    @staticmethod
    def _once(records: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """One record of each row, the last."""
        rows = rows_of(records)
        _, last = np.unique(rows[::-1], return_index=True)
        return records if len(last) == len(rows) else records[np.sort(len(rows) - 1 - last)]

    def _vectors(self, records: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What records hold, as exact as that is."""
        codes = np.ascontiguousarray(records[:, HEADER:]).view(self.index.codes.dtype)
        return np.asarray(self.index.codes.decode(codes), np.float32)[:, : self.index.dim]

    # ---------------------------------------------------------------------------------------------------- split and merge
    def _split(self, number: int, records: NDArray[np.uint8], depth: int) -> None:
        """Two lists, or more, in place of one, with heads of their own; the first keeps the number."""
        vectors = self._vectors(records)
        parts = parted(vectors, self.limit - self.limit // 8, number)
        points = [_middle(vectors[part]) for part in parts]
        old = self.heads.rows(np.array([number]))[0]
        same = [at for at, point in enumerate(points) if np.array_equal(point, old)][:1]
        for at in same:  # this part keeps the head
            parts.insert(0, parts.pop(at))
            points.insert(0, points.pop(at))
        numbers = [number, *range(len(self.postings), len(self.postings) + len(parts) - 1)]
        written: list[int] = []
        try:
            for one, part in zip(numbers[::-1], parts[::-1], strict=True):  # the list itself comes last
                self.postings.put(one, records[part], room=int(1.25 * len(part)))
                written.append(one)
        except BaseException:
            for one in written:
                self.postings.drop(one)
            raise
        for one, point in zip(numbers[len(same) :], points[len(same) :], strict=True):
            self._set_head(one, point)
        self.counts.splits += 1
        for at, job in enumerate(self._queue):  # what waits to be looked at stands in more lists now
            if number in job.parts:
                self._queue[at] = replace(job, parts=(*job.parts, *numbers[1:]))
        self._queue.append(_Job(old, tuple(numbers), depth))

    def _set_head(self, number: int, point: NDArray[np.float32]) -> None:
        """Let a list have this head, or one very near to it where another node of the graph has that vector."""
        generator, apart = np.random.default_rng(number), APART
        length = max(float(np.linalg.norm(point)), 1e-3)
        vector = point
        while True:
            self.heads.add(np.array([number]), vector[None])
            first = self.heads.snapshot().head
            if not len(first) or not first[self.heads.node_of[number]]:
                return
            noise = generator.normal(size=len(point)).astype(np.float32)
            vector = point + np.float32(apart * length) * noise / np.linalg.norm(noise)
            apart *= 2

    def _visit(self, number: int) -> None:
        """Write a list anew without its dead records, or let another one take what is left."""
        living = self._once(self._living(number))
        if len(living) < self.shortest and len(self.heads) > 1 and self._merge(number, living):
            return
        if len(living) < self.postings.count(number):
            self._rewrite(number, living, 0, self.limit)
        self._clean(number)

    def _merge(self, number: int, records: NDArray[np.uint8]) -> bool:
        """Put the records of a list into the nearest one that has room, and remove its head; returns whether there was one."""
        head = self.heads.rows(np.array([number]))
        near = self.heads.search(head, min(TRIED, len(self.heads)))[0][0]
        for other in near[(near >= 0) & (near != number)].tolist():
            both = self._once(np.concatenate([self._living(other), records]))
            if len(both) > self.limit:
                continue
            self._rewrite(other, both, 0, self.limit)
            self.heads.remove(np.array([number]))
            self.postings.drop(number)
            self._clean(number)
            self.counts.merges += 1
            if len(records) and self.reassign:
                self._reconsider(records, np.full(len(records), other), {other: set(rows_of(both).tolist())}, 0)
            return True
        return False

    # ---------------------------------------------------------------------------------------------------------- moves
    def _work(self) -> None:
        """After changes: move what stands in the wrong list, and clean lists of which much is dead."""
        done = 0
        while self._queue and (done < self.jobs or len(self._queue) > 8 * self.jobs):  # what waits is bounded too
            job = self._queue.popleft()
            if self.reassign and job.depth < self.depth:
                self._after_split(job)
            else:
                self.counts.left += 1
            done += 1
        stale, self._stale = self._stale, set()
        for number in sorted(stale):
            count, dead = self.postings.count(number), int(self._dead[number])
            if dead and count and (dead > DEAD * count or count - dead < self.shortest):
                self._visit(number)

    def _after_split(self, job: _Job) -> None:
        """Look at the parts of a list that was split and at the lists around it by the two conditions."""
        parts = np.array([number for number in job.parts if self.postings.count(number)], np.int64)
        if not len(parts):
            return
        new = self.heads.rows(parts)
        around = self._around(np.concatenate([job.old[None], new]), parts)
        known: dict[int, set[int]] = {}
        candidates, places = [], []
        own = self.heads.rows(around)
        for at, number in enumerate([*parts.tolist(), *around.tolist()]):
            records = self._living(number)
            known[number] = set(rows_of(records).tolist())
            vectors = self._vectors(records)
            self.counts.looked_at += len(vectors)
            to_new = np.min([apart(vectors, point) for point in new], axis=0) if len(vectors) else np.zeros(0, np.float32)
            to_old = apart(vectors, job.old)
            if at < len(parts):
                wrong = to_old <= to_new
            else:
                wrong = (to_new <= to_old) & (to_new < apart(vectors, own[at - len(parts)]))
            candidates.append(records[wrong])
            places.append(np.full(int(wrong.sum()), number))
        self._reconsider(np.concatenate(candidates), np.concatenate(places), known, job.depth)

    def _around(self, points: NDArray[np.float32], parts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lists nearest to some points but for the parts, taken in turn."""
        near = self.heads.search(points, min(self.neighbours + len(parts), len(self.heads)))[0].T.reshape(-1)
        near = near[(near >= 0) & ~np.isin(near, parts)]
        return near[np.sort(np.unique(near, return_index=True)[1])][: self.neighbours]

    def _reconsider(self, records: NDArray[np.uint8], places: NDArray[np.int64], known: dict[int, set[int]], depth: int) -> None:
        """Move the vectors of records whose nearest head is another one than that of the list `places`, unless that list has a copy already.

        `known`: the rows of lists that were read.
        """
        rows, first = np.unique(rows_of(records), return_index=True)
        if not len(rows):
            return
        vectors = self.full.read(rows)
        self.counts.checked += len(rows)
        nearest = self.heads.search(vectors, 1)[0][:, 0]
        for number in np.unique(nearest[nearest != places[first]]).tolist():
            if number >= 0 and number not in known:
                known[number] = set(rows_of(self._living(number)).tolist())
        right = zip(rows.tolist(), nearest.tolist(), places[first].tolist(), strict=True)
        wrong = np.array([number != place and number >= 0 and row not in known[number] for row, number, place in right], np.bool_)
        if not wrong.any():
            return
        rows, vectors, nearest = rows[wrong], vectors[wrong], nearest[wrong]
        lists, _ = self._closure(vectors)
        stays = (lists == places[first][wrong][:, None]).any(axis=1)
        if stays.any():
            self._copy(records[first][wrong][stays], nearest[stays], depth + 1)
        if not stays.all():
            self._move(rows[~stays], vectors[~stays], known, depth + 1)

    def _copy(self, records: NDArray[np.uint8], numbers: NDArray[np.int64], depth: int) -> None:
        """Copy records into one more list each; a search knows copies by their being the same to the last bit."""
        order = np.argsort(numbers, kind="stable")
        owners, starts = np.unique(numbers[order], return_index=True)
        for number, part in zip(owners.tolist(), np.split(order, starts[1:]), strict=True):
            self._append(number, records[part], depth)
        self.counts.copied += len(records)

    def _move(self, rows: Rows, vectors: NDArray[np.float32], known: dict[int, set[int]], depth: int) -> None:
        """Give vectors another version and put them where they belong now."""
        last = self._versions[rows] == LAST_VERSION
        if last.any():  # no version is left for these rows: the vectors get others
            slots = self._slots[rows[last]].astype(np.int64)
            self._insert(slots, vectors[last])
            rows, vectors = rows[~last], vectors[~last]
        if not len(rows):
            return
        versions = self._versions[rows] + np.uint8(1)
        placed = np.zeros(len(rows), np.bool_)
        self._moving = dict(zip(rows.tolist(), versions.tolist(), strict=True))
        try:
            self._place(rows, vectors, versions, depth, placed)
        finally:  # what stands nowhere yet stays as it was
            self._moving = {}
            self._own_versions()
            self._versions[rows[placed]] = versions[placed]
        self.counts.moved += len(rows)
        moved = set(rows.tolist())
        numbers = np.array([number for number, held in known.items() if held & moved and self.postings.count(number)], np.int64)
        self._count_dead(numbers, np.array([len(known[number] & moved) for number in numbers.tolist()], np.int64))


def _middle(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of vectors that nearest to their mean, as float16 holds it."""
    nearest = rows[int(np.argmin(apart(rows, rows.mean(axis=0))))]
    return np.asarray(nearest.astype(np.float16), np.float32)


def rows_of(records: NDArray[np.uint8]) -> Rows:
    """The row of each record."""
    return np.ascontiguousarray(records[:, 0:4]).view(np.int32)[:, 0].astype(np.int64)


def apart(rows: NDArray[np.float32], point: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances of rows to a point."""
    apart: NDArray[np.float32] = rows - point
    squares: NDArray[np.float32] = np.einsum("ij,ij->i", apart, apart)
    return squares
