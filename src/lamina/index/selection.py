"""What a search by ids may return, as a mask over slots that is worked out once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.index.names import SlotNames


@dataclass(frozen=True, eq=False)
class Selection:
    """Ids that a search may return, as a mask over slots; made by `Collection.select`, and good until slots are given to others."""

    allow: NDArray[np.bool_]
    stamp: object

    def __len__(self) -> int:
        return int(self.allow.sum())


Among = Selection | NDArray[np.bool_] | Callable[[str], bool] | Iterable[str]


def selected(among: Among, names: SlotNames) -> Selection:
    """The selection of some ids (those that are not there are passed over), of a mask, or of what a function says yes to.

    Raises `InputError` for anything else, `StateError` for a selection that is too old.

    >>> selected(lambda id: id > "a", SlotNames(["a", "b", "c"])).allow.tolist()
    [False, True, True]
    """
    stamp, by_slot, slot_of = names.stamp, names.by_slot, names.slot_of
    if isinstance(among, Selection):
        if among.stamp is not stamp:
            raise StateError("this selection is older than a change that gave slots to other ids: select anew")
        return among
    if isinstance(among, np.ndarray):
        if among.ndim != 1 or among.dtype != np.bool_:
            raise InputError(
                f"a mask over slots is an array of booleans of one dimension, not {among.dtype} of shape {among.shape}"
            )
        return Selection(among.copy(), stamp)
    if isinstance(among, (str, bytes)):
        raise InputError(f"what to search among is a list of ids, not the single text {among!r}")
    if callable(among):
        return Selection(np.array([id is not None and bool(among(id)) for id in list(by_slot)], np.bool_), stamp)
    allow = np.zeros(len(by_slot), np.bool_)
    allow[[slot for slot in map(slot_of.get, among) if slot is not None and slot < len(allow)]] = True
    return Selection(allow, stamp)
