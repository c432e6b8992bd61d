"""What a name hangs together with: the items that have it, and the other names in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.index.view import ScopeView
from lamina.names import name_hash, names
from lamina.records import Item
from lamina.text import index_text

LOOKED = 500  # items whose names are counted: the newest


@dataclass(frozen=True)
class Connections:
    """What hangs together with a name.

    `items` that have it, newest first; `count`, how many there are in all; `names` beside it, each with the number of items it shares with it, most first.
    """

    name: str
    items: tuple[Item, ...]
    count: int
    names: tuple[tuple[str, int], ...]


def connections(view: ScopeView, name: str, allowed: NDArray[np.bool_], k: int) -> Connections:
    """The k newest items with a name among those that are allowed, shape (slots,), and the k names most often beside it."""
    slots = view.names.postings(name_hash(name))[0]
    slots = slots[allowed[slots]]
    slots = slots[np.lexsort((slots, view.at[slots]))][::-1]
    items = [item for item in view.items(slots[:LOOKED]) if item is not None]
    wanted = name_hash(name)
    beside = Counter(one for item in items for one in set(names_of(item)) if name_hash(one) != wanted)
    ranked = sorted(beside.items(), key=lambda pair: (-pair[1], pair[0]))
    return Connections(name, tuple(items[:k]), len(slots), tuple(ranked[:k]))


def names_of(item: Item) -> list[str]:
    """The names of an item as they are indexed: those it lists in its data, else those in its text."""
    listed = item.data.get("names")
    return [str(one) for one in listed] if isinstance(listed, list) else names(index_text(item.text, item.speaker, item.captions))
