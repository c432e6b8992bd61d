"""What tests look at in a memory: everything in it, what was derived, and what deriving anew would give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lamina import Memory
from lamina.records import Filter, Item

EVERYTHING = Filter(scope="*", forgotten=True, stale=True, events=True, retired=True)


def everything(memory: Memory) -> dict[str, Item]:
    """All items by id, whatever their state; store keys set to 0, since they are not the item's own."""
    return {item.id: replace(item, key=0) for item in memory.store.items.each(EVERYTHING)}


def links(memory: Memory) -> set[tuple[str, str, str]]:
    """All edges as (source id, kind, target id)."""
    ids = {item.key: item.id for item in memory.store.items.each(EVERYTHING)}
    return {(ids[edge.src], edge.kind, ids[edge.dst]) for edge in memory.store.edges.out(list(ids))}


def derived(memory: Memory) -> dict[str, tuple[Any, ...]]:
    """What was derived and can be seen: text, place, data and sources by id."""
    seen: dict[str, tuple[Any, ...]] = {}
    for item in memory.store.items.each(Filter(scope="*", forgotten=True)):
        if item.kind != "trace":
            cited = memory.store.edges.out([item.key], ["cites"])
            sources = memory.store.items.by_key([edge.dst for edge in cited]).values()
            seen[item.id] = (item.text, item.scope, item.session, dict(item.data), sorted(source.id for source in sources))
    return seen


def episodes(memory: Memory) -> dict[str, tuple[Any, ...]]:
    """The episodes among what was derived."""
    return {id: shown for id, shown in derived(memory).items() if id.startswith("episode-")}


def derived_at_once(memory: Memory) -> dict[str, tuple[Any, ...]]:
    """What one consolidation of a new memory derives from the same traces."""
    with Memory(":memory:", embedder=memory._embedding.embedder) as fresh:
        traces = [item for item in memory.store.items.each(EVERYTHING) if item.kind == "trace"]
        with fresh.store.transaction():
            fresh.store.items.add([replace(trace, key=0) for trace in traces])
        fresh.consolidate()
        return derived(fresh)


def unsourced(memory: Memory) -> list[str]:
    """Derived items that do not show a source."""
    items = [item for item in memory.store.items.each(EVERYTHING) if item.kind != "trace"]
    return [item.id for item in items if not memory.store.edges.out([item.key], ["cites"])]
