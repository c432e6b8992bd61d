"""How recalled items stand to each other and to newer ones: what was superseded and when, what is an echo of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lamina.records import Hit, Item
from lamina.storage.protocol import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """What the edges say of recalled items, by store key.

    `superseded`: since when another statement stands in an item's place (UTC microseconds); `echoes`: the keys of what an
    echo repeats.
    """

    superseded: Mapping[int, int] = field(default_factory=dict)
    echoes: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def superseded_at(self, hit: Hit) -> int | None:
        """Since when a hit is superseded, None where it still holds."""
        return self.superseded.get(hit.item.key, hit.item.retired_at)


def read_standing(store: Store, hits: Sequence[Hit]) -> Standing:
    """Look up what is superseded and what is an echo among hits.

    A statement is superseded from the world time of the newer one on; where that is not later than its own (a correction
    keeps the time of what it corrects), from the record time of the correction. What echoes only superseded statements is
    superseded with them.
    """
    items = {hit.item.key: hit.item for hit in hits}
    echoes = _echoes(store, [key for key, item in items.items() if item.data.get("echo")])
    originals = sorted(set().union(*echoes.values()) - items.keys())
    items.update(store.items.by_key(originals))
    superseded = _superseded(store, items)
    for key, repeated in echoes.items():
        if repeated <= superseded.keys():
            superseded.setdefault(key, max(superseded[one] for one in repeated))
    return Standing(superseded, echoes)


def _echoes(store: Store, keys: Sequence[int]) -> dict[int, frozenset[int]]:
    """The keys of what each echo repeats, those alone that repeat something known."""
    found: dict[int, set[int]] = {}
    for edge in store.edges.out(keys, ["echo_of"]) if keys else ():
        found.setdefault(edge.src, set()).add(edge.dst)
    return {key: frozenset(repeated) for key, repeated in found.items()}


def _superseded(store: Store, items: Mapping[int, Item]) -> dict[int, int]:
    """Since when items are superseded (UTC microseconds), those alone that are."""
    edges = [edge for edge in store.edges.into(list(items), ["supersedes", "refutes"]) if edge.retired_at is None]
    newer = {**items, **store.items.by_key(sorted({edge.src for edge in edges} - items.keys()))}
    found = {key: item.retired_at for key, item in items.items() if item.retired_at is not None}
    told: dict[int, int] = {}
    for edge in edges:
        old, new = items[edge.dst], newer.get(edge.src)
        since = old.retired_at or edge.recorded_at
        if new is not None and new.at > old.at:
            since = new.at
        told[edge.dst] = min(since, told.get(edge.dst, since))
    return found | told
