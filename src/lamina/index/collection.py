"""Vectors under ids: a vector index by slots, and beside it who lies in which slot."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.collected import read_collection, write_collection
from lamina.index.flat import check_finite
from lamina.index.kinds import KINDS, adder, empty_like, kind_of
from lamina.index.names import SlotNames, checked
from lamina.index.selection import Among, Selection, selected
from lamina.records import Run

METRICS = ("ip", "cosine", "l2")
TRIES = 3  # searches that are thrown away, since slots changed hands meanwhile, before one makes the writer wait
PART = 8192  # vectors that are added between two reports, where an index does not report by itself


class Match(NamedTuple):
    """An id that was found, and its score: larger is better."""

    id: str
    score: float


class Collection:
    """An index whose vectors are known by ids of text.

    It works over every kind of index (`FlatIndex`, `HNSW`, `SPANN`, `MultiProbeLSH`, `UsearchIndex`). Threads may share it: searches go on while one of them writes
    (over `HNSW` and `SPANN` without waiting, over the others one after another).

    Parameters:
        index: the index; empty, where its `names` are not given.
        metric: "ip", "cosine" or "l2". Default: the index's own; an index without one compares by inner products, and vectors are brought to
            length 1 here for "cosine".
        fingerprint: of the embedder that the vectors come from; `open` refuses those of another one.
        names: the ids of what the index holds already.

    >>> from lamina.index.flat import FlatIndex
    >>> cities = Collection(FlatIndex(2), metric="cosine")
    >>> cities.add(["Oslo", "Rome", "Kyiv"], np.array([[1, 0], [0, 2], [3, 3]], np.float32))
    >>> [match.id for match in cities.search(np.array([[0.1, 1.0]], np.float32), k=2)[0]]
    ['Rome', 'Kyiv']
    >>> cities.upsert(["Rome"], np.array([[-1, 0]], np.float32)); cities.delete(["Kyiv"])
    1
    >>> list(cities), "Kyiv" in cities, [match.id for match in cities.near(["Rome"], k=2)[0]]
    (['Oslo', 'Rome'], False, ['Oslo'])
    """

    def __init__(
        self, index: Any, *, metric: str | None = None, fingerprint: str = "", names: SlotNames | None = None
    ) -> None:  # Any: see kinds.KINDS
        own = getattr(index, "metric", None)
        self.metric = metric or own or "ip"
        if self.metric not in METRICS:
            raise InputError(f"metric must be 'ip', 'cosine' or 'l2', not {metric!r}")
        if own is not None and own != self.metric:
            raise InputError(f"the index compares by {own!r}, not by {metric!r}: make it with the metric that is wanted")
        if own is None and self.metric == "l2":
            raise InputError(f"a {type(index).__name__} compares by inner products, not by distances: take HNSW for 'l2'")
        if names is None and len(index):
            raise InputError(
                f"the index holds {len(index):,} vectors of which no ids are known: give their names, or begin with an empty one"
            )
        self.fingerprint = fingerprint
        self._directs = own is None and self.metric == "cosine"  # whether lengths are taken off here
        self._state = index, SlotNames() if names is None else names  # replaced as one, so that readers never see halves
        self._lock = threading.RLock()  # one writer, and its readers where the index cannot have both at once
        self._free_readers, self._in_folder = KINDS[kind_of(index)].snapshots, KINDS[kind_of(index)].folder

    # ------------------------------------------------------------------------------------------------------ what is there
    @property
    def index(self) -> Any:  # Any: as above
        """The index that holds the vectors by slot."""
        return self._state[0]

    @property
    def _names(self) -> SlotNames:
        return self._state[1]

    @property
    def dim(self) -> int:
        """The width of a vector."""
        return int(self.index.dim)

    @property
    def kind(self) -> str:
        """The kind of its index, such as "hnsw"."""
        return kind_of(self.index)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, id: object) -> bool:
        return id in self._names.slot_of

    def slots(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The slots of ids, shape (ids,): what masks are over. Raises `NotFoundError` for an id that is not there."""
        return self._names.slots(checked(ids))

    def get(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of ids as the index has them (at length 1 for "cosine"), shape (ids, dim).

        Raises `NotFoundError` for an id that is not there.
        """
        with nullcontext() if self._free_readers else self._lock:
            return np.asarray(self.index.rows(self.slots(ids)), np.float32)

    def stats(self) -> dict[str, Any]:
        """Kind, metric, vectors, dimensions, bytes (the ids' not among them), and whatever the index tells of itself."""
        own = self.index.stats() if hasattr(self.index, "stats") else {}
        return {
            "kind": self.kind,
            "metric": self.metric,
            "vectors": len(self),
            "dim": self.dim,
            "bytes": self.index.nbytes(),
            **own,
        }

    # ----------------------------------------------------------------------------------------------------------- changes
    def add(self, ids: Sequence[str], vectors: NDArray[np.float32], *, overwrite: bool = False, run: Run | None = None) -> None:
        """Add vectors under ids, shape (ids, dim).

        `overwrite` replaces the vector of an id that is there (of one named twice, the last counts); otherwise both are refused with an
        `InputError`. `run` reports progress; where it cancels, `Cancelled` is raised, and what was added till then stays. Raises `VectorError`
        for vectors of another form, NaN, infinity, and for zero vectors where cosines are compared; nothing is then added.
        """
        named = checked(ids)
        rows = self._prepared(vectors, len(named))
        last = {id: place for place, id in enumerate(named)}
        if len(last) < len(named):
            if not overwrite:
                twice = Counter(named).most_common(1)[0][0]
                raise InputError(f"the id {twice!r} is named twice: give each id once, or overwrite=True to keep the last")
            named, rows = list(last), rows[list(last.values())]
        with self._lock:
            there = [id for id in named if id in self]
            if there and not overwrite:
                raise InputError(f"the id {there[0]!r} is there already ({len(there):,} of these are): upsert replaces vectors")
            if named:
                self._put(named, rows, run or Run())

    def upsert(self, ids: Sequence[str], vectors: NDArray[np.float32], *, run: Run | None = None) -> None:
        """Add vectors under ids, or replace those that are there; see `add`."""
        self.add(ids, vectors, overwrite=True, run=run)

    def delete(self, ids: Sequence[str], *, missing_ok: bool = False) -> int:
        """Take ids away with their vectors; how many were there.

        Raises `NotFoundError` for an id that is not there, and deletes nothing; with `missing_ok` it is passed over.
        """
        with self._lock:
            named = list(dict.fromkeys(checked(ids)))
            if missing_ok:
                named = [id for id in named if id in self]
            self.index.remove(self._names.slots(named))
            self._names.drop(named, rest=self._in_folder)
        return len(named)

    def _put(self, ids: list[str], rows: NDArray[np.float32], run: Run) -> None:
        slots = self._names.places(ids)
        try:
            add = adder(self.index)
            if "run" in inspect.signature(add).parameters:
                add(slots, rows, run)
                return
            for first in range(0, len(ids), PART):
                self.index.add(slots[first : first + PART], rows[first : first + PART])
                run.report("adding", min(first + PART, len(ids)), len(ids))
        finally:
            self._names.settle(ids, slots, self._held(slots))

    def _held(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the index has a vector for each slot."""
        present = self.index.present
        held = np.zeros(len(slots), np.bool_)
        inside = slots < len(present)
        held[inside] = present[slots[inside]]
        return held

    # ------------------------------------------------------------------------------------------------------------ search
    def select(self, among: Among) -> Selection:
        """What searches may return, worked out once: ids (those that are not there are passed over), a mask over slots as `slots` numbers
        them, or a function that is asked once for each id.

        A selection can be used for many searches. Ids that are added later are not in it.
        """
        return selected(among, self._names)

    def search(
        self, vectors: NDArray[np.float32], k: int = 10, *, among: Among | None = None, **options: Any
    ) -> list[list[Match]]:
        """The best k ids for each query, best first; fewer where there are fewer.

        Parameters:
            vectors: queries, shape (queries, dim).
            k: how many for each.
            among: what may be returned; see `select`.
            options: of the index's own search, such as `ef` of HNSW.
        """
        queries = self._prepared(vectors, None)
        unknown = [name for name in options if name not in inspect.signature(self.index.search).parameters]
        if unknown:
            raise InputError(f"the search of an index of kind {self.kind} has no {unknown[0]!r}")
        if among is not None and not isinstance(among, (Selection, np.ndarray, str)) and not callable(among):
            among = list(among)  # it may be asked twice
        for _ in range(TRIES if self._free_readers else 0):
            state = self._state
            stamp = state[1].stamp
            found = _found(state, queries, k, among, options)
            if state is self._state and stamp is state[1].stamp:
                return found  # no slot was given to another id meanwhile
        with self._lock:
            return _found(self._state, queries, k, among, options)

    def near(self, ids: Sequence[str], k: int = 10, *, among: Among | None = None, **options: Any) -> list[list[Match]]:
        """The k nearest others of ids that are there, best first. Raises `NotFoundError` for an id that is not there."""
        named = checked(ids)
        found = self.search(self.get(named), k + 1, among=among, **options)
        return [[match for match in row if match.id != id][:k] for id, row in zip(named, found, strict=True)]

    def queries(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Queries in the form that the index itself takes: checked, float32, at length 1 where that is done here."""
        return self._prepared(vectors, None)

    def _prepared(self, vectors: NDArray[np.float32], count: int | None) -> NDArray[np.float32]:
        """Vectors in the form that the index wants: float32, and at length 1 where that is done here."""
        what = "query" if count is None else "vector"
        rows = np.ascontiguousarray(vectors, np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.dim or (count is not None and len(rows) != count):
            wanted = "queries" if count is None else f"{count:,} vectors"
            raise VectorError(f"expected {wanted} of {self.dim} dimensions, got an array of shape {np.shape(vectors)}")
        check_finite(rows, what)
        if self.metric != "cosine":
            return rows
        norms = np.linalg.norm(rows.astype(np.float64), axis=1)
        if (zero := np.flatnonzero(norms == 0)).size:
            raise VectorError(f"{what} {zero[0]} is zero: it has no direction, and cosines cannot be taken of it")
        return (rows / norms[:, None]).astype(np.float32) if self._directs else rows

    # ------------------------------------------------------------------------------------------------------------- files
    def save(self, path: Path) -> None:
        """Write the collection into a folder, which is made. Killed at any moment, the folder holds the older collection or this one.

        An index that keeps its vectors on disk must keep them in this folder. Changes of such an index may be on disk before this
        is done: killed till then, ids added since the last save are lost, those deleted may be gone, and one that was replaced has either vector.
        Raises `StoreFullError` where the disk is full; what was there stays.
        """
        with self._lock:
            about = {"metric": self.metric, "fingerprint": self.fingerprint}
            write_collection(Path(path), self.index, self._names, about)

    @classmethod
    def open(cls, path: Path, *, mapped: bool = False, fingerprint: str | None = None) -> Collection:
        """Read what `save` wrote; `mapped` leaves the vectors in the file where the kind of index can.

        Raises `NotFoundError` for no collection, `EmbedderMismatchError` for one of another embedder than `fingerprint`, `CorruptStoreError`
        for a damaged one.
        """
        index, names, about = read_collection(Path(path), mapped, fingerprint)
        made = cls(index, metric=about["metric"], fingerprint=about["fingerprint"], names=names)
        if made._in_folder:  # it may have been changed after the last save
            made._names.drop(made._bare())
            unnamed = made._unnamed()
            if len(unnamed):
                made.index.remove(unnamed)
        return made

    def close(self) -> None:
        """Let go of files that the index keeps open; others may write to them then. It cannot be used after that."""
        parts: list[Any] = [self.index, getattr(self.index, "postings", None)]  # Any: as above
        for part in parts:
            if hasattr(part, "close"):
                part.close()
                return

    # -------------------------------------------------------------------------------------------------------- maintenance
    def verify(self) -> list[str]:
        """What is wrong, as sentences; nothing where all is well. It looks through everything and changes nothing."""
        with self._lock:
            bare, unnamed = self._bare(), self._unnamed()
            found = [f"{len(bare):,} ids have no vector, such as {bare[0]!r}"] if bare else []
            found += [f"{len(unnamed):,} vectors have no id"] if len(unnamed) else []
            return found + (list(self.index.verify()) if hasattr(self.index, "verify") else [])

    def repair(self) -> list[str]:
        """Mend what `verify` finds: ids without a vector and vectors without an id go, and the index mends itself. The ids that went."""
        with self._lock:
            if hasattr(self.index, "repair"):
                self.index.repair()
            bare = self._bare()
            self.index.remove(self._unnamed())
            self._names.drop(bare)
            return bare

    def compact(self) -> None:
        """Give back the room of what was deleted. Slots change where the kind of index has no way of its own (selections are then stale)."""
        with self._lock:
            if hasattr(self.index, "compact"):
                self.index.compact()
            elif self._names.free and not self._in_folder:
                ids = list(self)
                index = empty_like(self.index)
                index.add(np.arange(len(ids)), self.index.rows(self._names.slots(ids)))
                self._state = index, SlotNames(ids)

    def _bare(self) -> list[str]:
        ids = list(self)
        return [id for id, held in zip(ids, self._held(self._names.slots(ids)).tolist(), strict=True) if not held]

    def _unnamed(self) -> NDArray[np.int64]:
        named = np.zeros(max(len(self.index.present), len(self._names.by_slot)), np.bool_)
        named[self._names.slots(list(self))] = True
        held = np.flatnonzero(self.index.present)
        return held[~named[held]]


def _found(
    state: tuple[Any, SlotNames], queries: NDArray[np.float32], k: int, among: Among | None, options: dict[str, Any]
) -> list[list[Match]]:
    index, names = state
    allow = None if among is None else selected(among, names).allow
    slots, scores = index.search(queries, k, allow, **options)
    return [_matches(names, row, found) for row, found in zip(slots.tolist(), scores.tolist(), strict=True)]


def _matches(names: SlotNames, slots: list[int], scores: list[float]) -> list[Match]:
    ids = names.by_slot
    named = ((ids[slot], score) for slot, score in zip(slots, scores, strict=True) if 0 <= slot < len(ids))
    return [Match(id, score) for id, score in named if id is not None]  # None: deleted while we searched
