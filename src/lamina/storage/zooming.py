"""From an item to what it is made of, and to what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.records import EdgeKind, Item
from lamina.storage.protocol import Store

PARTS: Final[Sequence[EdgeKind]] = ("contains", "cites")
"""Edges that run from an item to what it is made of."""


def zoomed(store: Store, item: Item, *, out: bool) -> list[Item]:
    """What an item contains or cites, or (`out`) what contains or cites it, in the order of time; nothing that is hidden."""
    if out:
        keys = {edge.src for edge in store.edges.into([item.key], PARTS)}
    else:
        keys = {edge.dst for edge in store.edges.out([item.key], PARTS)}
    found = store.items.by_key(sorted(keys)).values()
    return sorted((one for one in found if not one.status), key=lambda one: (one.at, one.key))
