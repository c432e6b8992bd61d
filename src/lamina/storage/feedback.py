"""Feedback as a store holds it: an event that says of which cue and which item somebody told that it was good, or that it was not.

Only what was told is kept. What the item looked like to the ranker is worked out again when something is learned from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from lamina.errors import InputError
from lamina.records import EVENT, Asked, Filter, Item
from lamina.storage.protocol import Store

FEEDBACK: Final = "feedback"
"""What the events are called."""


@dataclass(frozen=True)
class Feedback:
    """What was told of one item: `event` and `item` are ids; `good`: it answers the cue; `asked`: the recall it was found by."""

    event: str
    item: str
    good: bool
    asked: Asked


def feedback_in(store: Store, scope: str) -> Iterator[Feedback]:
    """All feedback on items of a scope and of those below it, in the order in which it was told."""
    for item in store.items.each(
        Filter(scope=scope, kinds=("trace",), roles=(EVENT,), forgotten=True, events=True, retired=True)
    ):
        told = read_feedback(item)
        if told is not None:
            yield told


def read_feedback(item: Item) -> Feedback | None:
    """The feedback an event holds; None for any other item, and for one that was damaged."""
    data = item.data
    if item.role != EVENT or data.get("event") != FEEDBACK:
        return None
    targets, cue, good, now = (data.get(name) for name in ("targets", "cue", "good", "now"))
    seen = data.get("where", {})
    if not (isinstance(targets, list) and len(targets) == 1 and isinstance(targets[0], str)):
        return None
    if not (isinstance(cue, str) and cue and isinstance(good, bool) and isinstance(now, int) and isinstance(seen, Mapping)):
        return None
    try:
        return Feedback(item.id, targets[0], good, Asked(cue, read_where(seen), now))
    except (InputError, TypeError):
        return None


def feedback_data(asked: Asked, good: bool) -> dict[str, Any]:
    """What the event says beside its name and its target, as JSON values.

    >>> feedback_data(Asked("where?", Filter(scope="/ana", kinds=("trace",)), 7), True)
    {'cue': 'where?', 'good': True, 'now': 7, 'where': {'scope': '/ana', 'kinds': ['trace']}}
    """
    return {"cue": asked.cue, "good": good, "now": asked.now, "where": where_json(asked.where)}


_PLAIN: Final = Filter()


def where_json(where: Filter) -> dict[str, Any]:
    """The conditions of a filter that are not the usual ones, as JSON values."""
    found = {field.name: getattr(where, field.name) for field in fields(where)}
    return {name: _json(value) for name, value in found.items() if value != getattr(_PLAIN, name)}


def read_where(saved: Mapping[str, Any]) -> Filter:
    """The filter of saved conditions; raises `InputError` or `TypeError` where they are none.

    >>> where = Filter(scope="acme", sessions=("s1",), since=5, metadata={"stars": {"in": [1, 2]}})
    >>> read_where(where_json(where)) == where
    True
    """
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in saved.items()}
    return Filter(**fields).check()


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json(part) for name, part in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    return list(value) if isinstance(value, tuple) else value
