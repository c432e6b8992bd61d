"""How an item came to be what it is: its versions, what was told against it, and the events that concern it."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.records import EVENT, Item
from lamina.storage.protocol import Store


def versions_of(store: Store, key: int) -> list[Item]:
    """All versions of an item, joined by `supersedes` edges, in the order of recording."""
    keys, waiting = {key}, {key}
    while waiting:
        some = sorted(waiting)
        near = {edge.dst for edge in store.edges.out(some, ["supersedes"])}
        near |= {edge.src for edge in store.edges.into(some, ["supersedes"])}
        waiting = near - keys
        keys |= near
    return sorted(store.items.by_key(sorted(keys)).values(), key=lambda item: item.key)


def events_about(store: Store, items: Sequence[Item]) -> list[Item]:
    """The events that concern some items, in the order of recording."""
    about = {edge.src for edge in store.edges.into([item.key for item in items], ["mentions"])}
    found = store.items.by_key(sorted(about)).values()
    return sorted((item for item in found if item.role == EVENT), key=lambda item: item.key)


def history_of(store: Store, item: Item) -> list[Item]:
    """All versions of an item from the first to the newest, with the events that concern them, in the order of recording."""
    versions = versions_of(store, item.key)
    return sorted([*versions, *events_about(store, versions)], key=lambda one: one.key)
