"""Records as plain JSON values, which the command line, the servers and the page print; and what JSON values say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lamina.records import Hit, Item
from lamina.times import isoformat


def item_json(item: Item) -> dict[str, Any]:
    """An item as JSON values; times are ISO 8601 text, fields that are not set are left out.

    >>> item_json(Item(id="01", kind="trace", text="The kettle is blue.", at=0, recorded_at=0, scope="/ana"))["at"]
    '1970-01-01T00:00:00+00:00'
    """
    fields: dict[str, Any] = {
        "id": item.id,
        "kind": item.kind,
        "text": item.text,
        "at": isoformat(item.at, item.offset),
        "until": None if item.until is None else isoformat(item.until, item.offset),
        "precision": None if item.precision == "instant" else item.precision,
        "recorded_at": isoformat(item.recorded_at),
        "retired_at": None if item.retired_at is None else isoformat(item.retired_at),
        "scope": item.scope,
        "session": item.session,
        "role": item.role,
        "origin": item.origin,
        "made_by": item.made_by,
        "forgotten": item.forgotten or None,
        "stale": item.stale or None,
    }
    return {name: value for name, value in fields.items() if value is not None} | dict(item.data)


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as JSON values: the item, its score, its sources and the reasons for it."""
    reasons = [{"feature": one.feature, "value": one.value, "contribution": one.contribution} for one in hit.reasons]
    return {"score": hit.score, **item_json(hit.item), "sources": list(hit.sources), "reasons": reasons}


def texts_in(value: Any, name: str = "") -> Iterator[str]:
    """The texts and numbers of a JSON value, each field with its name where that says something.

    >>> list(texts_in({"text": "Ana lives in Braga.", "sure": 0.9, "tags": ["home"]}))
    ['Ana lives in Braga.', 'sure: 0.9', 'tags: home']
    """
    if isinstance(value, Mapping):
        for field, one in value.items():
            yield from texts_in(one, field)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one, name)
    elif value is not None and str(value).strip():
        plain = name in ("", "text", "content", "memory", "value", "data")
        yield str(value) if plain else f"{name}: {value}"
