"""The in-memory view of a scope: its items as columns, its terms and its vectors, kept in step with the store.

A recall works on a view, and confirms in the store what it returns. Views are caches: each can be thrown away at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.index.flat import FlatIndex
from lamina.index.growing import GrowingArray
from lamina.index.lexical import LexicalIndex
from lamina.index.protocol import SlotIndex
from lamina.records import FORGOTTEN, KINDS, STALE, Filter, Item
from lamina.storage.protocol import Columns, Space, Store, Version

SLICE = 8192  # rows read at once
GONE = 0x80  # status bit inside a view: the item was deleted
NEVER = np.iinfo(np.int64).max  # as a time: it has no end, it is not retired
TRACE = KINDS.index("trace")


class Codes:
    """Small numbers for repeated texts; None is -1."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self.names: list[object] = []

    def encode(self, names: Sequence[object]) -> NDArray[np.int32]:
        """The codes of names, new ones where needed, shape (names,)."""
        return np.fromiter((self._code(name) for name in names), np.int32, len(names))

    def _code(self, name: object) -> int:
        if name is None:
            return -1
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number

    def known(self, names: Sequence[object]) -> NDArray[np.int32]:
        """The codes of those names that have one."""
        return np.array([self._numbers[name] for name in names if name in self._numbers], np.int32)


class ScopeView:
    """What a recall in one scope can see. Slots are item places in the order of their keys; all arrays are by slot.

    Parameters: `store`, `scope` (with its descendants; "*": everything), `make_index` (a vector index of a given width), `restore` (fills the view
    from a file before it is first read, where there is one).
    """

    def __init__(
        self,
        store: Store,
        scope: str,
        make_index: Callable[[int], SlotIndex] = FlatIndex,
        restore: Callable[[ScopeView], object] | None = None,
    ) -> None:
        self._store = store
        self.scope = scope
        self._make_index = make_index
        self.language = store.language  # in which the terms of this view were made: a cue for it must be read alike
        self._restore = restore
        self.lock = threading.RLock()  # held while a recall reads the view
        self._clear(None)

    def _clear(self, space: Space | None) -> None:
        self.space = space
        self.version = Version(0, 0, 0)
        self._sample: tuple[Version, NDArray[np.int64], NDArray[np.float32]] | None = None
        self.kept: tuple[int, list[int]] | None = None  # items and version of the file that stands for the view
        self._keys = GrowingArray(np.int64)
        self._times = {name: GrowingArray(np.int64) for name in ("at", "until", "recorded_at", "retired_at")}
        self._status = GrowingArray(np.uint8)
        self._flags = GrowingArray(np.uint32)
        self._codes = {name: GrowingArray(np.int32) for name in ("kind", "session", "role", "speaker", "place", "turn")}
        self._before = GrowingArray(np.int32)
        self._after = GrowingArray(np.int32)
        self._position = GrowingArray(np.int32)
        self.sessions, self.roles, self.speakers, self.places = Codes(), Codes(), Codes(), Codes()
        self._order: dict[int, list[int]] = {}  # session code → its trace slots in the order of time
        self.lexical = LexicalIndex()
        self.names = LexicalIndex()  # of the names in each item
        self.flat: SlotIndex = self._make_index(space.dim if space else 1)

    # ------------------------------------------------------------------------------------------------- columns
    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> NDArray[np.int64]:
        """Store keys, ascending."""
        keys: NDArray[np.int64] = self._keys.view
        return keys

    @property
    def at(self) -> NDArray[np.int64]:
        """World time in UTC microseconds."""
        at: NDArray[np.int64] = self._times["at"].view
        return at

    @property
    def flags(self) -> NDArray[np.uint32]:
        """What kind of statement each text is; see `lamina.traits.text_flags`."""
        flags: NDArray[np.uint32] = self._flags.view
        return flags

    @property
    def kind(self) -> NDArray[np.int32]:
        """Place of each item's kind in `lamina.records.KINDS`."""
        kind: NDArray[np.int32] = self._codes["kind"].view
        return kind

    @property
    def session(self) -> NDArray[np.int32]:
        """Code of each item's (scope, session)."""
        return self._codes["session"].view

    @property
    def speaker(self) -> NDArray[np.int32]:
        """Code of each item's speaker, -1 where unknown."""
        return self._codes["speaker"].view

    @property
    def turn(self) -> NDArray[np.int32]:
        """1 for what was said or done in a course of things (it has a session, a role or a speaker), 0 for what stands by itself."""
        return self._codes["turn"].view

    @property
    def before(self) -> NDArray[np.int32]:
        """Slot of the trace before in the same session, -1 where there is none."""
        return self._before.view

    @property
    def after(self) -> NDArray[np.int32]:
        """Slot of the trace after in the same session, -1 where there is none."""
        return self._after.view

    @property
    def position(self) -> NDArray[np.int32]:
        """How many traces of the same session come before each, 0 for items that are no traces."""
        return self._position.view

    def session_slots(self, session: int) -> NDArray[np.int64]:
        """The slots of a session's traces in the order of world time."""
        return np.array(self._order.get(session, ()), np.int64)

    @property
    def live(self) -> NDArray[np.bool_]:
        """What is neither deleted, forgotten, stale nor retired, shape (slots,)."""
        live: NDArray[np.bool_] = (self._status.view == 0) & (self._times["retired_at"].view == NEVER)
        return live

    def slots_of(self, keys: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The slots of those keys that are in the view, in the order given."""
        wanted = np.asarray(keys, np.int64)
        if not len(self) or not len(wanted):
            return np.empty(0, np.int64)
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self) - 1)
        slots: NDArray[np.int64] = places[self.keys[places] == wanted]
        return slots

    def sampled(self, slots: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of some slots, kept for the next recall that asks for the same: what likeness is judged against changes seldom."""
        if self._sample is None or self._sample[0] != self.version or not np.array_equal(self._sample[1], slots):
            self._sample = self.version, slots, self.flat.rows(slots)
        return self._sample[2]

    def items(self, slots: NDArray[np.int64]) -> list[Item | None]:
        """The items of some slots as the store has them now, None where one is gone."""
        keys: list[int] = self.keys[slots].tolist()
        found = self._store.items.by_key(keys)
        return [found.get(key) for key in keys]

    def nbytes(self) -> int:
        """Bytes held."""
        columns = [
            self._keys,
            self._status,
            self._flags,
            self._before,
            self._after,
            self._position,
            *self._times.values(),
            *self._codes.values(),
        ]
        lists = sum(len(slots) for slots in list(self._order.values())) * 8  # a copy: another thread may be adding sessions
        return (
            sum(column.nbytes() for column in columns) + lists + self.lexical.nbytes() + self.names.nbytes() + self.flat.nbytes()
        )

    # ------------------------------------------------------------------------------------------------- filters
    def mask(self, where: Filter) -> NDArray[np.bool_]:
        """What a filter lets through, shape (slots,); the same as `Items.matching` over the view's scope, events apart."""
        hidden = GONE | (0 if where.forgotten else FORGOTTEN) | (0 if where.stale else STALE)
        allowed: NDArray[np.bool_] = (self._status.view & np.uint8(hidden)) == 0
        retired = self._times["retired_at"].view
        if where.known_at is not None:
            allowed &= (self._times["recorded_at"].view <= where.known_at) & (retired > where.known_at)
        elif not where.retired:
            allowed &= retired == NEVER
        if where.kinds is not None:
            allowed &= np.array([kind in where.kinds for kind in KINDS])[self.kind]
        if where.sessions is not None:
            wanted = set(where.sessions)
            numbers = [code for code, name in enumerate(self.sessions.names) if name[1] in wanted]  # type: ignore[index]
            allowed &= np.isin(self.session, numbers)
        for column, codes, names in (
            ("role", self.roles, where.roles),
            ("speaker", self.speakers, where.speakers),
            ("place", self.places, where.places),
        ):
            if names is not None:
                allowed &= np.isin(self._codes[column].view, codes.known(names))
        self._mask_times(allowed, where)
        if where.ids is not None or where.metadata:
            rest = Filter(
                scope=self.scope, ids=where.ids, metadata=where.metadata, forgotten=True, stale=True, events=True, retired=True
            )
            matching = np.zeros(len(self), np.bool_)
            matching[self.slots_of(self._store.items.matching(rest))] = True
            allowed &= matching
        return allowed

    def in_scopes(self, wanted: Callable[[str], bool]) -> NDArray[np.bool_]:
        """What lies in the scopes that are wanted, shape (slots,)."""
        scopes = {scope: wanted(scope) for scope in {name[0] for name in self.sessions.names}}  # type: ignore[index]
        numbers = [code for code, name in enumerate(self.sessions.names) if scopes[name[0]]]  # type: ignore[index]
        found: NDArray[np.bool_] = np.isin(self.session, numbers)
        return found

    def _mask_times(self, allowed: NDArray[np.bool_], where: Filter) -> None:
        until = self._times["until"].view
        if where.since is not None:
            allowed &= np.where(until == NEVER, self.at + 1, until) > where.since
        if where.before is not None:
            allowed &= self.at < where.before
        if where.as_of is not None:
            allowed &= (self.at <= where.as_of) & (until > where.as_of)

    # ------------------------------------------------------------------------------------------------- refresh
    def refresh(self) -> ScopeView:
        """Take in what this and other processes have written since the last time."""
        if self._store.version() == self.version:
            return self
        with self.lock, self._store.snapshot():
            try:
                self._take_in(self._store.version())
            except BaseException:
                self._clear(None)  # half a step would be taken for a whole one the next time
                raise
        return self

    def _take_in(self, now: Version) -> None:
        self.language = self._store.language
        restore, self._restore = self._restore, None
        if restore is not None and not self.version.item:
            restore(self)
        changed = self._store.changes(self.version.change) if self.version.item else []
        if changed is None:
            self._clear(self._store.vectors.active())
            changed = []
        elif changed or self.space is None:
            space = self._store.vectors.active()
            if space != self.space:
                self._clear(space)
                changed = []
        known = self.version.item
        if now.item > known:
            self._read_items()
        if changed:
            self._read_changes([key for key in changed if key <= known])
        if self.space is not None and now.vector > self.version.vector:
            self._read_vectors(now.vector)
        self.version = now

    def _read_items(self) -> None:
        """Append the items above the newest key."""
        after = max(self.version.item, int(self.keys[-1]) if len(self) else 0)
        late: set[int] = set()
        while True:
            columns = self._store.items.columns(self.scope, after=after, limit=SLICE)
            if len(columns.keys):
                late |= self._append(columns)
                after = int(columns.keys[-1])
            if len(columns.keys) < SLICE:
                break
        for session in late:
            self._relink(session)
        for index in (self.lexical, self.names):
            index.merge(force=self.version.item == 0)
        self.flat.grow(len(self))

    def _append(self, columns: Columns) -> set[int]:
        """Append rows; returns the sessions in which something arrived out of the order of time."""
        first, count = len(self), len(columns.keys)
        self._keys.extend(columns.keys)
        for name, times in self._times.items():
            times.extend(getattr(columns, name))
        self._status.extend(columns.status)
        self._flags.extend(columns.flags)
        self._encode(columns, slice(None), extend=True)
        self._before.fill(count, -1)
        self._after.fill(count, -1)
        self._position.fill(count)
        self.lexical.extend(columns.terms)
        self.names.extend(columns.names)
        late: set[int] = set()
        at, before, after, position = self.at, self.before, self.after, self.position
        for slot, kind, session in zip(
            range(first, first + count), self.kind[first:].tolist(), self.session[first:].tolist(), strict=True
        ):
            if kind != TRACE:
                continue
            order = self._order.setdefault(session, [])
            if order:
                last = order[-1]
                if at[slot] < at[last]:
                    late.add(session)
                before[slot], after[last] = last, slot
                position[slot] = len(order)
            order.append(slot)
        return late

    def _encode(self, columns: Columns, slots: slice | NDArray[np.int64], *, extend: bool) -> None:
        pairs = list(zip(columns.scopes, columns.sessions, strict=True))
        encoded = {
            "kind": np.fromiter((KINDS.index(kind) for kind in columns.kinds), np.int32, len(columns.kinds)),
            "session": self.sessions.encode(pairs),
            "role": self.roles.encode(columns.roles),
            "speaker": self.speakers.encode(columns.speakers),
            "place": self.places.encode(columns.places),
            "turn": np.fromiter(
                (
                    any(one is not None for one in said)
                    for said in zip(columns.sessions, columns.roles, columns.speakers, strict=True)
                ),
                np.int32,
                len(pairs),
            ),
        }
        for name, codes in encoded.items():
            if extend:
                self._codes[name].extend(codes)
            else:
                self._codes[name].view[slots] = codes

    def _relink(self, session: int) -> None:
        """Put a session's traces in the order of world time, then of recording."""
        slots = sorted(self._order[session], key=lambda slot: (self.at[slot], slot))
        self._order[session] = slots
        row = np.array(slots, np.int32)
        self.before[row[1:]], self.after[row[:-1]] = row[:-1], row[1:]
        self.before[row[0]], self.after[row[-1]] = -1, -1
        self.position[row] = np.arange(len(row))

    def _read_changes(self, keys: Sequence[int]) -> None:
        """Take in what happened to items the view has already."""
        slots = self.slots_of(sorted(keys))
        if not len(slots):
            return
        columns = self._store.items.columns(self.scope, keys=self.keys[slots].tolist())
        there = self.slots_of(columns.keys)
        gone = np.setdiff1d(slots, there)
        self._status.view[gone] |= np.uint8(GONE)
        if len(gone):
            self._unlink(gone)
        self._status.view[there] = columns.status
        self._flags.view[there] = columns.flags
        traces = there[self.kind[there] == TRACE]
        moved = {int(self.session[s]) for s in traces[self.at[traces] != columns.at[self.kind[there] == TRACE]]}
        for name, times in self._times.items():
            times.view[there] = getattr(columns, name)
        self._encode(columns, there, extend=False)
        for session in moved:
            self._relink(session)
        for index, found in ((self.lexical, columns.terms), (self.names, columns.names)):
            new = {int(s): t for s, t in zip(there, found, strict=True) if not np.array_equal(t, index.terms(int(s)))}
            if new:
                index.replace(new)
        self.flat.remove(gone)
        self._read_vectors_again(np.setdiff1d(there, traces))

    def _read_vectors_again(self, slots: NDArray[np.int64]) -> None:
        """Derived items change their texts, and lose their vectors until they are embedded anew."""
        if self.space is None or not len(slots):
            return
        found = self._store.vectors.get(self.space, self.keys[slots].tolist())
        have = np.array([int(key) in found for key in self.keys[slots]])
        self.flat.remove(slots[~have])
        if have.any():
            self.flat.add(slots[have], np.stack([found[int(key)] for key in self.keys[slots[have]]]))

    def _unlink(self, gone: NDArray[np.int64]) -> None:
        """Close the gaps that deleted traces leave in their sessions."""
        missing = set(gone.tolist())
        for session in {int(code) for code in self.session[gone]} & self._order.keys():
            self._order[session] = [slot for slot in self._order[session] if slot not in missing]
            if self._order[session]:
                self._relink(session)
        self.before[gone] = self.after[gone] = -1
        self.position[gone] = 0

    def _read_vectors(self, upto: int) -> None:
        """Take in the vectors written since the last time, slice by slice."""
        assert self.space is not None
        if self.version.vector == 0:
            self.flat.reserve(len(self))
        for keys, vectors in self._store.vectors.load(self.space, self.scope, after=self.version.vector, upto=upto):
            if not len(self):
                return
            places = np.minimum(np.searchsorted(self.keys, keys), len(self) - 1)
            inside = self.keys[places] == keys
            self.flat.add(places[inside], vectors[inside])
