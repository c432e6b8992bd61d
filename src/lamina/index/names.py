"""Who lies in which slot: ids of text, the slots they stand for, and the slots that are free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, NotFoundError

LONGEST = 4096  # bytes of an id, at most


class SlotNames:
    """Ids by slot and slots by id. One thread may change it while others read.

    Parameters: `ids` in the order of their slots, and the `slots`, ascending or not (default: 0, 1, …).

    >>> names = SlotNames(["a", "b"])
    >>> names.slots(["b"]).tolist(), names.places(["c", "a"]).tolist()
    ([1], [2, 0])
    """

    def __init__(self, ids: Sequence[str] = (), slots: Sequence[int] | None = None, room: int = 0) -> None:
        named = checked(ids)
        places = list(range(len(named))) if slots is None else [int(slot) for slot in slots]
        if (
            len(places) != len(named)
            or len(set(places)) != len(places)
            or len(set(named)) != len(named)
            or min(places, default=0) < 0
        ):
            raise InputError("each id stands for one slot, and each slot has one id at most")
        self.by_slot: list[str | None] = [None] * max(room, max(places, default=-1) + 1)
        for id, slot in zip(named, places, strict=True):
            self.by_slot[slot] = id
        self.slot_of: dict[str, int] = dict(zip(named, places, strict=True))
        self.free = [slot for slot, id in enumerate(self.by_slot) if id is None]
        self.stamp = object()  # another one whenever a slot is given to another id

    def __len__(self) -> int:
        return len(self.slot_of)

    def __iter__(self) -> Iterator[str]:
        return iter([id for id in self.by_slot if id is not None])

    def slots(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The slots of ids, shape (ids,). Raises `NotFoundError` for an id that is not there."""
        missing = [id for id in ids if id not in self.slot_of]
        if missing:
            raise NotFoundError(f"there is no id {missing[0]!r} ({len(missing):,} of these are not there)")
        return np.fromiter((self.slot_of[id] for id in ids), np.int64, len(ids))

    def places(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """A slot for each id: its own, one that is free, or a new one. New ids are not known before `settle`."""
        slots = np.fromiter((self.slot_of.get(id, -1) for id in ids), np.int64, len(ids))
        new = np.flatnonzero(slots < 0)
        again = min(len(new), len(self.free))
        if again:
            slots[new[:again]] = sorted(self.free[-again:])
            del self.free[-again:]
            self.stamp = object()
        end = len(self.by_slot)
        slots[new[again:]] = np.arange(end, end + len(new) - again)
        self.by_slot.extend([None] * (len(new) - again))
        return slots

    def settle(self, ids: Sequence[str], slots: NDArray[np.int64], held: NDArray[np.bool_]) -> None:
        """Let those of the ids be known whose vectors are `held`; the slots of the others are free again."""
        for id, slot, there in zip(ids, slots.tolist(), held.tolist(), strict=True):
            if there:
                self.by_slot[slot] = id
                self.slot_of[id] = slot
            elif id not in self.slot_of:
                self.free.append(slot)

    def drop(self, ids: Sequence[str]) -> None:
        """Forget ids that are there; their slots are free."""
        for id in ids:
            slot = self.slot_of.pop(id)
            self.by_slot[slot] = None
            self.free.append(slot)

    # ------------------------------------------------------------------------------------------------------------ files
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved: the bytes of all ids one after another, where each ends, its slot, and how many slots there are."""
        ids = list(self)
        raw = [id.encode() for id in ids]
        return {
            "text": np.frombuffer(b"".join(raw), np.uint8),
            "ends": np.cumsum([len(one) for one in raw], dtype=np.int64),
            "slot": self.slots(ids),
            "room": np.array([len(self.by_slot)], np.int64),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> SlotNames:
        """What was saved. Raises `ValueError` or `KeyError` where it does not fit together."""
        text, ends, slot, room = (np.asarray(arrays[name]) for name in ("text", "ends", "slot", "room"))
        if (
            any(one.ndim != 1 for one in (text, ends, slot))
            or room.shape != (1,)
            or {ends.dtype, slot.dtype, room.dtype} != {np.dtype(np.int64)}
        ):
            raise ValueError("its ids are of another form")
        if (np.diff(ends, prepend=0) < 1).any() or len(text) != (ends[-1] if len(ends) else 0):
            raise ValueError("its ids do not end where they should")
        if len(slot) != len(ends) or (len(slot) and int(slot.max()) >= int(room[0])):
            raise ValueError("its ids do not fit their slots")
        raw = text.astype(np.uint8).tobytes()
        return cls([raw[first:last].decode() for first, last in pairwise([0, *ends.tolist()])], slot.tolist(), int(room[0]))


def checked(ids: Sequence[str]) -> list[str]:
    """Ids as a list, each a text that can be kept, else `InputError`."""
    if isinstance(ids, (str, bytes)):
        raise InputError(f"ids must be a list of texts, not the single text {ids!r}")
    names = list(ids)
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"an id is a text of at least one character, not {name!r}")
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            raise InputError(f"the id {name!r} cannot be written as UTF-8") from None
        if size > LONGEST:
            raise InputError(f"an id has at most {LONGEST:,} bytes, and {name[:20]!r}… has {size:,}")
    return names
