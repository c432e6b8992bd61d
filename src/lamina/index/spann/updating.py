"""Changing lists in place: vectors come and go, a list that has grown too long is split, a short one is merged, and what then belongs elsewhere moves.

Source: Y. Xu et al., "SPFresh: Incremental In-Place Update for Billion-Scale Vector Search", 2023 (the protocol LIRE). That a list is split before
it would grow beyond its limit, never after, and that a vector whose versions are used up gets a new row, are our choices.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, StoreFullError, VectorError
from lamina.index.forms import Form
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.kernels.lists import Heads
from lamina.index.spann.closure import Closure
from lamina.index.spann.halving import divide, middle
from lamina.index.spann.postings import PostingFile
from lamina.records import Run

MOST_SLOTS = 1 << 30
LAST_VERSION = 255
ALIKE = 1e-6  # of the squared length: heads that are not farther apart count as one
NUDGE = 0.02  # of the length: how far a head is moved that another one stands on

Numbers = NDArray[np.int64]
Rows = NDArray[np.float32]


class Parts(Protocol):
    """What is changed: heads (a slot in their graph is the number of a list), lists, rows, and how they belong together."""

    dim: int
    limit: int  # records of a list, at most
    closure: Closure
    postings: PostingFile | None
    full: FullFile | None  # the rows
    node_of: NDArray[np.int32]  # the row of each slot, or -1

    @property
    def heads(self) -> HNSW:
        """The graph of heads."""
        ...

    def encoded(self, nodes: Numbers, rows: Rows, versions: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Records of vectors: row (int32), squared length (float32), version (int32), code."""
        ...

    def publish(self, slots: NDArray[np.int32], versions: NDArray[np.uint8], used: int) -> None:
        """Let searches see heads, lists and rows as they are now."""
        ...


@dataclass
class Changes:
    """What was done so far: counts of vectors (`moved`: to other lists; `checked`: asked whether they should) and of lists."""

    inserted: int = 0
    removed: int = 0
    checked: int = 0
    moved: int = 0
    splits: int = 0
    merges: int = 0
    cleaned: int = 0
    left: int = 0  # splits after which nothing was moved, because they were too far down a cascade


@dataclass(frozen=True, eq=False)
class Job:
    """Look at a list again. `old`: the head it had before it was split into `numbers` (None: clean it); `depth`: how many moves led here."""

    numbers: tuple[int, ...]
    old: Rows | None = None
    depth: int = 0


class Updates:
    """Inserts and removes vectors of lists on disk.

    A vector is a row, which never changes, and copies of it in lists; copies of another version than the row has do not count. Searches go on
    meanwhile: they see a state that is whole, before or after a step.

    Parameters: `parts`; `slots` (rows,), `versions` (rows,) and `used`, as last published; `batch`, vectors whose lists are chosen together;
    `nearby`, lists around a split one whose vectors are looked at (0: only those of the split list); `depth`, how long a chain of moves that split
    lists may be; `shortest`, records below which a list is merged (None: an eighth of the limit).
    """

    def __init__(
        self,
        parts: Parts,
        slots: NDArray[np.int32],
        versions: NDArray[np.uint8],
        used: int,
        *,
        batch: int = 256,
        nearby: int = 64,
        depth: int = 3,
        shortest: int | None = None,
    ) -> None:
        if batch < 1 or nearby < 0 or depth < 0 or (shortest is not None and not 0 <= shortest <= parts.limit // 2):
            raise InputError(
                f"batch must be at least 1, nearby and depth not below 0, shortest up to half of the limit {parts.limit}, not {batch}, {nearby}, "
                f"{depth}, {shortest}"
            )
        self.parts, self.slots, self.versions, self.used = parts, slots, versions, used
        self.batch, self.nearby, self.depth = batch, nearby, depth
        self.shortest = parts.limit // 8 if shortest is None else shortest
        self.done = Changes()
        self._shown = True  # whether somebody may hold slots and versions
        self._queue: deque[Job] = deque()
        self._under_way = np.zeros(0, np.int64)  # rows whose copies of this version, and of the next, must not be thrown away
        self._stale: dict[int, int] = {}  # copies of removed vectors that a list likely has
        self._form = Form("float16", parts.dim)
        known = parts.heads.node_of
        self._free = [n for n in range(len(self._lists())) if n >= len(known) or known[n] < 0]

    # ------------------------------------------------------------------------------------------------------- changes
    def insert(self, slots: Numbers, rows: Rows, run: Run | None = None) -> None:
        """Set the vectors of slots, shape (slots, dim), normalised and checked; of a slot named twice the last one counts.

        Raises `VectorError` and `InputError` for another shape and for slots that are no numbers (nothing is then set), `StoreFullError` where the
        disk is full and `Cancelled`: batches that were finished stay, nothing else has changed.
        """
        slots = np.asarray(slots)
        if rows.shape != (len(slots), self.parts.dim):
            raise VectorError(f"expected {len(slots)} vectors of {self.parts.dim} dimensions, got an array of shape {rows.shape}")
        if not np.isfinite(rows).all():
            raise VectorError(f"vector {int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])} has components that are not finite")
        if slots.ndim != 1 or (len(slots) and (slots.dtype.kind not in "iu" or slots.min() < 0 or slots.max() >= MOST_SLOTS)):
            raise InputError(f"slots are numbers from 0 up to {MOST_SLOTS - 1:,}, in one dimension")
        if self.used + len(slots) > MOST_SLOTS:
            raise InputError(f"an index takes up to {MOST_SLOTS:,} vectors, those that were replaced included: build it anew")
        _, last = np.unique(slots[::-1], return_index=True)
        order = np.sort(len(slots) - 1 - last)
        for start in range(0, len(order), self.batch):
            if run is not None:
                run.report("inserting vectors", start, len(order))
            some = order[start : start + self.batch]
            self._insert(slots[some].astype(np.int64), np.ascontiguousarray(rows[some], np.float32))
            self.work()

    def remove(self, slots: Numbers) -> None:
        """Take the vectors of slots away; a slot without one is passed over. Their heads go on standing for lists."""
        slots = np.unique(np.asarray(slots, np.int64))
        nodes = self._nodes(slots)
        slots, nodes = slots[nodes >= 0], nodes[nodes >= 0]
        if not len(slots):
            return
        rows = self._full().read(nodes)
        self._mine()
        self.slots[nodes] = -1
        names = self.parts.node_of.copy()
        names[slots] = -1
        self.parts.node_of = names
        self._publish()
        self.done.removed += len(slots)
        for number in self._choose(rows).ravel().tolist():
            if number >= 0:
                self._stale[number] = self._stale.get(number, 0) + 1
        for number in [n for n, stale in self._stale.items() if 2 * stale > self._lists().count(n)]:
            del self._stale[number]
            self._queue.append(Job((number,)))
        try:
            self.work()
        except StoreFullError:
            pass  # what was removed is; its copies are thrown away another time

    def clean(self, run: Run | None = None) -> None:
        """Throw away every copy that does not count, and merge what is short."""
        numbers = np.flatnonzero(self.parts.heads.present).tolist()
        for done, number in enumerate(numbers):
            if run is not None and done % 256 == 0:
                run.report("cleaning lists", done, len(numbers))
            if self._has_head(number):
                self._clean(number, 0)
            self.work()

    def work(self) -> None:
        """Do what splits and removals left to do."""
        while self._queue:
            job = self._queue[0]
            if job.old is None:
                if self._has_head(job.numbers[0]):
                    self._clean(job.numbers[0], job.depth)
            else:
                self._reassign(job.old, [n for n in job.numbers if self._has_head(n)], job.depth)
            self._queue.popleft()

    # ----------------------------------------------------------------------------------------------- vectors and lists
    def _insert(self, slots: Numbers, rows: Rows) -> None:
        nodes = self._new_rows(rows)
        self._append(self._choose(rows), nodes, rows, 0)
        before = self._nodes(slots)
        self._mine()
        self.slots[nodes] = slots
        self.slots[before[before >= 0]] = -1
        self._name(slots, nodes)
        self._publish()
        self.done.inserted += len(slots)

    def _new_rows(self, rows: Rows) -> Numbers:
        """Rows for vectors; they count once they have slots."""
        nodes = np.arange(self.used, self.used + len(rows))
        self._full().write(self.used, rows)
        need = self.used + len(rows)
        if need > len(self.slots):
            more = max(need, need + need // 8, 64) - len(self.slots)
            self.slots = np.concatenate([self.slots, np.full(more, -1, np.int32)])
            self.versions = np.concatenate([self.versions, np.zeros(more, np.uint8)])
            self._shown = False
        self.used = need
        return nodes

    def _append(self, lists: NDArray[np.int32], nodes: Numbers, rows: Rows, depth: int, later: int = 0) -> None:
        """Put copies of rows into their lists (rows, lists; -1: none), of the version that is `later` by so much; lists that would overflow are split."""
        records = self.parts.encoded(nodes, rows, (self.versions[nodes] + later).astype(np.uint8))
        which, column = np.nonzero(lists >= 0)
        owners = lists[which, column]
        order = np.argsort(owners, kind="stable")
        numbers, first = np.unique(owners[order], return_index=True)
        self._under_way = nodes
        try:
            for number, some in zip(numbers.tolist(), np.split(which[order], first[1:]), strict=True):
                self._extend(number, records[some], depth)
        finally:
            self._under_way = np.zeros(0, np.int64)

    def _extend(self, number: int, records: NDArray[np.uint8], depth: int) -> None:
        lists = self._lists()
        if lists.count(number) + len(records) <= self.parts.limit:
            lists.append(number, records)
            return
        whole = np.concatenate([lists.get(number, check=True), records])
        whole = whole[self._alive(whole)]
        self._stale.pop(number, None)
        if len(whole) <= self.parts.limit:
            lists.put(number, whole)
            self.done.cleaned += 1
        else:
            self._split(number, whole, depth)

    def _split(self, number: int, records: NDArray[np.uint8], depth: int) -> None:
        """Divide a list; one part keeps its number, so that a search which finds a new head in an older state still reads all of it."""
        parts, heads, lists = self.parts, self.parts.heads, self._lists()
        rows = self._full().read(_rows_of(records))
        old = heads.rows(np.array([number]))[0]
        groups = divide(rows, parts.limit)
        middles = np.stack([rows[group[middle(rows[group])]] for group in groups])
        order = np.argsort(((middles - old) ** 2).sum(axis=1), kind="stable").tolist()
        numbers = [number, *self._numbers(len(groups) - 1)]
        put: list[int] = []
        try:
            for one, place in zip(numbers[1:], order[1:], strict=True):
                lists.put(one, records[groups[place]])
                put.append(one)
        except BaseException:
            for one in put:
                lists.drop(one)
            self._free += numbers[1:]
            raise
        for one, place in zip(numbers[1:], order[1:], strict=True):
            heads.add(np.array([one]), self._apart(middles[place], one))
        self._publish()
        heads.add(np.array([number]), self._apart(middles[order[0]], number))
        lists.put(number, records[groups[order[0]]])
        self._publish()
        self.done.splits += 1
        if depth < self.depth:
            self._queue.append(Job(tuple(numbers), old, depth + 1))
        else:
            self.done.left += 1

    def _apart(self, head: Rows, number: int) -> Rows:
        """A head, moved a little where another list's stands on it: the graph finds but one of them. Shape (1, dim)."""
        generator = np.random.default_rng(number)
        at, step = head[None], NUDGE * max(float(np.linalg.norm(head)), 1e-3)
        while True:
            lists, near = self._nearest(at, 2)
            other = (lists[0] >= 0) & (lists[0] != number)
            if not other.any() or float(near[0][other].min()) > ALIKE * max(float((at * at).sum()), 1e-12):
                return at
            away = generator.normal(size=len(head))
            at = (head + step * away / np.linalg.norm(away)).astype(np.float32)[None]
            step *= 1.2

    def _clean(self, number: int, depth: int) -> None:
        whole = self._lists().get(number, check=True)
        alive = whole[self._alive(whole)]
        if len(alive) < self.shortest and len(self.parts.heads) > 1:
            self._merge(number, alive, depth)
        elif len(alive) < len(whole):
            self._lists().put(number, alive)
            self.done.cleaned += 1
            self._publish()

    def _merge(self, number: int, records: NDArray[np.uint8], depth: int) -> None:
        """Give what a list holds to the nearest one, or to where it belongs now, and let the list and its head go."""
        heads, lists = self.parts.heads, self._lists()
        target = self._other_than(heads.rows(np.array([number])), number)[0]
        nodes, first = np.unique(_rows_of(records), return_index=True)
        if len(nodes):
            rows = self._full().read(nodes)
            nearest = self._other_than(rows, number)
            held = self._held(nodes, nearest, {})
            stay = ~held & (nearest == target)
            if stay.any():
                self._under_way = nodes
                try:
                    self._extend(int(target), records[first[stay]], depth)
                finally:
                    self._under_way = np.zeros(0, np.int64)
                self._publish()
            go = ~held & ~stay
            self.done.checked += len(nodes)
            self._move(nodes[go], rows[go], nearest[go], depth, without=number)
        heads.remove(np.array([number]))
        lists.drop(number)
        self._stale.pop(number, None)
        self._free.append(number)
        self._publish()
        self.done.merges += 1

    def _reassign(self, old: Rows, numbers: list[int], depth: int) -> None:
        """Move the vectors that belong elsewhere since a list with the head `old` became these ones.

        Those of the list to which the old head was as near as any new one may belong to other lists; those of lists nearby to which a new head is
        as near as the old one may belong to it. Each is compared with the heads; it moves when the list of the nearest one does not hold it.
        """
        near = [n for n in self._nearest(old[None], self.nearby + len(numbers))[0][0].tolist() if n >= 0 and n not in numbers]
        cache = {n: self._members(n) for n in [*numbers, *near[: self.nearby]]}
        new = self.parts.heads.rows(np.array(numbers, np.int64)) if numbers else np.zeros((0, self.parts.dim), np.float32)
        own = np.unique(np.concatenate([np.zeros(0, np.int64), *(cache[n] for n in numbers)]))
        others = np.setdiff1d(np.concatenate([np.zeros(0, np.int64), *(cache[n] for n in near[: self.nearby])]), own)
        nodes = np.concatenate([own, others])
        if not len(nodes) or not len(numbers):
            return
        rows = self._full().read(nodes)
        to_old = ((rows - old) ** 2).sum(axis=1)
        to_new = np.min([((rows - head) ** 2).sum(axis=1) for head in new], axis=0)
        mine = np.arange(len(nodes)) < len(own)
        asked = np.flatnonzero(np.where(mine, to_old <= to_new, to_new <= to_old))
        self.done.checked += len(asked)
        if not len(asked):
            return
        nearest = self._nearest(rows[asked], 1)[0][:, 0]
        belongs = (nearest >= 0) & (mine[asked] | np.isin(nearest, numbers))
        asked, nearest = asked[belongs], nearest[belongs]
        wrong = ~self._held(nodes[asked], nearest, cache)
        self._move(nodes[asked[wrong]], rows[asked[wrong]], nearest[wrong], depth)

    def _move(self, nodes: Numbers, rows: Rows, nearest: NDArray[np.int32], depth: int, without: int = -1) -> None:
        """Choose the lists of rows anew; their older copies stop counting once the new ones stand."""
        if not len(nodes):
            return
        lists = self._choose(rows)
        lists[lists == without] = -1
        lists[(lists < 0).all(axis=1), 0] = nearest[(lists < 0).all(axis=1)]
        spent = self.versions[nodes] == LAST_VERSION
        if spent.any():
            fresh = self._new_rows(rows[spent])
            self._append(lists[spent], fresh, rows[spent], depth)
            slots = self.slots[nodes[spent]].astype(np.int64)
            self._mine()
            self.slots[fresh], self.slots[nodes[spent]] = slots, -1
            self._name(slots, fresh)
        if not spent.all():
            self._append(lists[~spent], nodes[~spent], rows[~spent], depth, later=1)
            self._mine()
            self.versions[nodes[~spent]] += np.uint8(1)
        self._publish()
        self.done.moved += len(nodes)

    # ------------------------------------------------------------------------------------------------- what there is
    def _alive(self, records: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which records count, or will in a moment."""
        nodes = _rows_of(records)
        behind = np.ascontiguousarray(records[:, 8:12]).view(np.int32)[:, 0] - self.versions[nodes].astype(np.int32)
        alive = (self.slots[nodes] >= 0) & (behind == 0)
        if len(self._under_way):
            alive |= np.isin(nodes, self._under_way) & ((behind == 0) | (behind == 1))
        return np.asarray(alive)

    def _members(self, number: int) -> Numbers:
        """The rows that a list holds."""
        records = self._lists().get(number, check=True)
        return _rows_of(records[self._alive(records)])

    def _held(self, nodes: Numbers, lists: NDArray[np.int32], cache: dict[int, Numbers]) -> NDArray[np.bool_]:
        """Whether each row stands in the list beside it."""
        held = np.zeros(len(nodes), np.bool_)
        for number in np.unique(lists).tolist():
            if number not in cache:
                cache[number] = self._members(number)
            held[lists == number] = np.isin(nodes[lists == number], cache[number])
        return held

    def _nearest(self, rows: Rows, count: int, closure: Closure | None = None) -> tuple[NDArray[np.int32], Rows]:
        """The lists of the heads nearest to rows, with squared distances; -1 where there are fewer."""
        count = min(count, max(len(self.parts.heads), 1))
        now = self.parts.heads.snapshot()
        heads = Heads(now.graph, now.top, now.entry, now.slot_of, now.dead)
        encoded = self._form.encode(rows)
        wide = closure or Closure(replicas=count, candidates=max(count, self.parts.closure.candidates), rule=False)
        lists, near = wide.of(heads, encoded, self._form.norms(encoded))
        lost = np.flatnonzero(lists[:, 0] < 0)
        if len(lost):  # only heads that are gone were near
            found, scores = self.parts.heads.search(rows[lost], 1, ef=4 * wide.candidates)
            lists[lost, 0], near[lost, 0] = found[:, 0], -scores[:, 0]
        return lists, near

    def _choose(self, rows: Rows) -> NDArray[np.int32]:
        return self._nearest(rows, 1, self.parts.closure)[0]

    def _other_than(self, rows: Rows, number: int) -> NDArray[np.int32]:
        """The nearest list of each row but one."""
        lists, _ = self._nearest(rows, 2)
        other = np.where(lists[:, 0] == number, lists[:, -1], lists[:, 0])
        for place in np.flatnonzero((other < 0) | (other == number)).tolist():
            found, _ = self.parts.heads.search(rows[place : place + 1], 2, ef=256)
            other[place] = next(n for n in [*found[0].tolist(), *np.flatnonzero(self.parts.heads.present).tolist()] if n >= 0 and n != number)
        return np.asarray(other, np.int32)

    def _numbers(self, count: int) -> list[int]:
        """Numbers for new lists."""
        some, self._free = self._free[:count], self._free[count:]
        end = max(len(self._lists()), len(self.parts.heads.node_of))
        return some + list(range(end, end + count - len(some)))

    def _has_head(self, number: int) -> bool:
        known = self.parts.heads.node_of
        return number < len(known) and bool(known[number] >= 0)

    def _nodes(self, slots: Numbers) -> Numbers:
        names = self.parts.node_of
        inside = (slots >= 0) & (slots < len(names))
        return np.where(inside, names[np.where(inside, slots, 0)], -1).astype(np.int64) if len(names) else np.full(len(slots), -1)

    def _name(self, slots: Numbers, nodes: Numbers) -> None:
        """Let slots have these rows."""
        names = np.full(max(len(self.parts.node_of), int(slots.max()) + 1), -1, np.int32)
        names[: len(self.parts.node_of)] = self.parts.node_of
        names[slots] = nodes
        self.parts.node_of = names

    def _mine(self) -> None:
        if self._shown:
            self.slots, self.versions, self._shown = self.slots.copy(), self.versions.copy(), False

    def _publish(self) -> None:
        self.parts.publish(self.slots, self.versions, self.used)
        self._shown = True

    def _lists(self) -> PostingFile:
        lists = self.parts.postings
        assert lists is not None
        return lists

    def _full(self) -> FullFile:
        full = self.parts.full
        assert full is not None
        return full


def _rows_of(records: NDArray[np.uint8]) -> Numbers:
    return np.ascontiguousarray(records[:, :4]).view(np.int32)[:, 0].astype(np.int64)
