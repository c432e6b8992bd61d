"""Running a forgetting policy over a scope: reinforcement in batches, sweeps, and what is never forgotten."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from lamina.algorithms.strength import ForgettingPolicy, StrengthState
from lamina.errors import InputError
from lamina.expressions import find_commitment
from lamina.records import EVENT, Filter, Item, Run
from lamina.storage.protocol import Store

log = logging.getLogger("lamina.episodic")


@dataclass(frozen=True)
class Fading:
    """A forgetting policy at work on the traces of a store.

    Parameters: `policy`. Recall never changes strength: whoever uses what was recalled calls `reinforce`. A trace that
    speaks of a day still to come (a dated commitment) is never given up before that day.
    """

    policy: ForgettingPolicy

    def reinforce(self, store: Store, items: Sequence[Item], run: Run, signal: float = 1.0) -> int:
        """Strengthen items that were of use (weaken them with a negative signal, where the policy knows one)."""
        now = run.clock()
        with store.transaction():
            states = self._states(store, items)
            for item in items:
                if self.policy.forgets(states[item.key], now) and is_commitment(item, now):
                    states[item.key] = self._initial(item, now)  # held all the same, and now of use: it begins anew
            store.strengths.put(
                self.policy.name,
                {item.key: self.policy.reinforce(states[item.key], now, signal).to_json() for item in items},
            )
        return len(items)

    def sweep(self, store: Store, scope: str, run: Run, batch: int = 1000) -> list[Item]:
        """Let time pass for every trace of a scope; returns those the policy gives up now. Nothing is hidden yet."""
        now = run.clock()
        faded: list[Item] = []
        for items in _batches(store, Filter(scope=scope, kinds=("trace",)), batch):
            states = self._states(store, items)
            ticked = {item.key: self.policy.tick(states[item.key], now) for item in items if item.recorded_at <= now}
            with store.transaction():
                store.strengths.put(self.policy.name, {key: state.to_json() for key, state in ticked.items()})
            faded += [
                item
                for item in items
                if item.key in ticked and self.policy.forgets(ticked[item.key], now) and not is_commitment(item, now)
            ]
        return faded

    def _states(self, store: Store, items: Sequence[Item]) -> dict[int, StrengthState]:
        """The states of items; one that has none yet starts when it was recorded, or when it was last restored."""
        saved = store.strengths.get(self.policy.name, [item.key for item in items])
        fresh = [item for item in items if item.key not in saved]
        restored = _restored(store, [item.key for item in fresh])
        states = {key: StrengthState.from_json(state) for key, state in saved.items()}
        for item in fresh:
            states[item.key] = self._initial(item, max(item.recorded_at, restored.get(item.key, item.recorded_at)))
        return states

    def _initial(self, item: Item, began: int) -> StrengthState:
        metadata = item.metadata
        importance, layer = metadata.get("importance"), metadata.get("layer")
        try:
            return self.policy.initial(
                began,
                seed_key=item.id,
                importance=float(importance) if _is_number(importance) else None,
                layer=layer if isinstance(layer, str) else None,
            )
        except InputError as error:  # metadata is the caller's own: what it says need not be meant for this policy
            log.warning("the metadata of %s is no start for %s, a plain one is made: %s", item.id, self.policy.name, error)
            return self.policy.initial(began, seed_key=item.id)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _restored(store: Store, keys: Sequence[int]) -> dict[int, int]:
    """When items were last restored, by key; the restore events of the store know it."""
    about = store.edges.into(keys, ["mentions"]) if keys else []
    events = store.items.by_key(sorted({edge.src for edge in about}))
    times: dict[int, int] = {}
    for edge in about:
        event = events.get(edge.src)
        if event is not None and event.role == EVENT and event.data.get("event") == "restore":
            times[edge.dst] = max(times.get(edge.dst, event.recorded_at), event.recorded_at)
    return times


def is_commitment(item: Item, now: int) -> bool:
    """Whether an item speaks of a time still to come, seen from `now` (UTC microseconds).

    >>> from lamina.times import parse_moment
    >>> said, now = parse_moment("2026-09-01").at, parse_moment("2026-11-01").at
    >>> item = Item("x", "trace", "Dentist on 12 December.", at=said, recorded_at=said)
    >>> is_commitment(item, now), is_commitment(item, parse_moment("2027-01-01").at)
    (True, False)
    """
    if item.at > now or (item.until is not None and item.until > now):
        return True
    ends = find_commitment(item.text, item.at)
    return ends is not None and ends > now


def _batches(store: Store, where: Filter, size: int) -> Iterator[list[Item]]:
    cursor: str | None = None
    while True:
        page = store.items.page(where, cursor=cursor, limit=size)
        if page.items:
            yield page.items
        cursor = page.cursor
        if cursor is None:
            return
