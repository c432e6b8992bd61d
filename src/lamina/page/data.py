"""What the page shows, as columns of JSON: items a chunk at a time, and which of them rest on which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.profile.biographer import RULES
from lamina.records import Filter, Item
from lamina.storage.protocol import Store

CHUNK: Final = 4_000
"""Items in one chunk: small enough that reading it does not hold a browser up."""
TITLE: Final = 160  # characters of an item's text where the whole text is fetched on demand
FORGOTTEN: Final = 1
RETIRED: Final = 2


@dataclass(frozen=True)
class Chunk:
    """Some items as columns (JSON values), and the cursor of what follows (None: nothing)."""

    columns: dict[str, Any]
    cursor: str | None


def where_of(scope: str) -> Filter:
    """Everything in a scope that is shown: forgotten and replaced items too, no events."""
    return Filter(scope=scope, forgotten=True, retired=True)


def columns_of(store: Store, scope: str, *, cursor: str | None = None, limit: int = CHUNK, whole: bool = False) -> Chunk:
    """The next items in a scope in the order of recording, as columns.

    `id`, `kind`, `at` and `until` (milliseconds since 1970), `scope`, `session`, `speaker`, `state` (1: forgotten, 2: replaced), `recorded`, `text`, `replaces` (pairs of ids: a newer version and an older one); with `whole`, all of the text
    and `rests` (pairs of ids: an item and what it rests on), else the beginning of the text, and `rests` of topics alone. `known` has for topics, portraits and facts what
    they say in fields (pairs of an id and a JSON object; see `known_of`).
    """
    page = store.items.page(where_of(scope), cursor=cursor, limit=limit, order="recorded")
    items = page.items
    columns: dict[str, Any] = {
        "id": [item.id for item in items],
        "kind": [item.kind for item in items],
        "at": [item.at // 1000 for item in items],
        "until": [None if item.until is None else item.until // 1000 for item in items],
        "scope": [item.scope for item in items],
        "session": [item.session for item in items],
        "speaker": [item.speaker or item.role for item in items],
        "state": [FORGOTTEN * item.forgotten + RETIRED * (item.retired_at is not None) for item in items],
        "recorded": [item.recorded_at // 1000 for item in items],
        "text": [item.text if whole else item.text[:TITLE] for item in items],
    }
    columns["rests"] = _rests(store, [item for item in items if item.kind == "topic" or (whole and item.kind != "trace")])
    columns["known"] = [(item.id, known) for item in items if (known := known_of(item))]
    columns["replaces"] = _replaces(store, items)
    return Chunk(columns, page.cursor)


def chunks_of(store: Store, scope: str) -> Iterator[dict[str, Any]]:
    """All chunks of a scope, with whole texts."""
    cursor = None
    while True:
        chunk = columns_of(store, scope, cursor=cursor, whole=True)
        yield chunk.columns
        cursor = chunk.cursor
        if cursor is None:
            return


def known_of(item: Item) -> dict[str, Any]:
    """What an item of what is known says in fields, as far as the page draws it: {} where it says nothing.

    A topic: `name`, `size` (episodes or traces under it, None where it does not say). A portrait: `person` and `lines`; a biography: `person`, `about` (lines in the third person that a model worded), `shades` (ids)
    and `lately` (lines); a shade of one: `person` and `shade`. A fact: `subject`, `relation`, `object`.
    """
    data = item.data
    if item.kind == "topic":
        path = data.get("path")
        return {"name": data.get("name") or (path[-1] if path else item.text), "size": data.get("leaves")}
    if item.kind == "portrait" and "person" in data:
        found = {name: data.get(name) for name in ("person", "lines", "lately", "shades", "shade")}
        if "told" in data and data["by"].get("biography") != RULES:  # by rules it repeats its shades
            found["about"] = data["told"]["third"]["about"]
        return {name: value for name, value in found.items() if value is not None}
    if item.kind == "fact":
        relation, end = data.get("relation") or data.get("attribute"), data.get("object") or data.get("value")
        if end in ("yes", "no"):  # whether somebody likes something: the thing is the end
            relation, end = end, relation
        found = {"subject": data.get("subject"), "relation": relation, "object": end}
        return found if all(isinstance(value, str) and value for value in found.values()) else {}
    return {}


def _replaces(store: Store, items: Sequence[Item]) -> list[tuple[str, str]]:
    """Which of the items replace which, by id."""
    newer = {item.key: item.id for item in items}
    pairs = dict.fromkeys((edge.src, edge.dst) for edge in store.edges.out(sorted(newer), ["supersedes"])) if newer else {}
    older = store.items.by_key(sorted({dst for _, dst in pairs})) if pairs else {}
    return [(newer[src], older[dst].id) for src, dst in pairs if dst in older]


def _rests(store: Store, items: Sequence[Item]) -> list[tuple[str, str]]:
    """Which items rest on which, by id."""
    derived = {item.key: item.id for item in items}
    edges = store.edges.out(sorted(derived), ["cites", "contains"]) if derived else []
    pairs = dict.fromkeys((edge.src, edge.dst) for edge in edges)
    ends = store.items.by_key(sorted({dst for _, dst in pairs})) if pairs else {}
    return [(derived[src], ends[dst].id) for src, dst in pairs if dst in ends]
