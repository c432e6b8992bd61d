"""Running a forgetting policy over a scope: reinforcement in batches, sweeps, and what is never forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamina.algorithms.strength import ForgettingPolicy, StrengthState
from lamina.records import Filter, Item, Run
from lamina.storage.protocol import Store
from lamina.times import find_commitment


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
        """The states of items; one that has none yet starts when it was recorded."""
        saved = store.strengths.get(self.policy.name, [item.key for item in items])
        states: dict[int, StrengthState] = {}
        for item in items:
            if item.key in saved:
                states[item.key] = StrengthState.from_json(saved[item.key])
            else:
                metadata = item.metadata
                importance, layer = metadata.get("importance"), metadata.get("layer")
                states[item.key] = self.policy.initial(
                    item.recorded_at,
                    seed_key=item.id,
                    importance=float(importance) if isinstance(importance, (int, float)) else None,
                    layer=layer if isinstance(layer, str) else None,
                )
        return states


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
