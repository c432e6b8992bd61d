"""The saved keys and values that a store holds: whose they are, whether they can still be used, and throwing them away. Needs no torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lamina.errors import CorruptStoreError, NotFoundError
from lamina.kv.saved import KIND, SavedForm, digest, unpack
from lamina.records import Item
from lamina.storage.protocol import Artifact, Store
from lamina.times import to_datetime

log = logging.getLogger("lamina.kv")

State = Literal["usable", "outdated", "hidden", "damaged"]
FAULTS: Final[dict[State, str]] = {
    "outdated": "the text is another one now",
    "hidden": "the item is forgotten, replaced or waits to be derived again",
    "damaged": "the file is gone, or not what was stored",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Keys and values that a store holds of an item.

    `form` and `tokens` are None and 0 where they cannot be read; `state`: whether they can be used by the model that made them.
    """

    artifact: Artifact
    item: str
    scope: str
    form: SavedForm | None
    tokens: int
    state: State


def text_of(store: Store, item: Item) -> str:
    """What a model reads of an item: what is said in it with who says it, a line each, under its day; of anything else its own text.

    Only what is neither hidden nor replaced; "" where that is nothing.
    """
    keys = [edge.dst for edge in store.edges.out([item.key], ["contains"])] if item.kind != "trace" else []
    parts = store.items.by_key(keys).values() if keys else [item]
    shown = sorted((one for one in parts if _visible(one) and one.text), key=lambda one: (one.at, one.key))
    if not shown or not _visible(item):
        return ""
    lines = [f"{one.speaker or one.role}: {one.text}" if one.speaker or one.role else one.text for one in shown]
    return f"[{to_datetime(item.at, item.offset):%Y-%m-%d}]\n" + "\n".join(lines) + "\n\n"


def _visible(item: Item) -> bool:
    return not item.forgotten and not item.stale and item.retired_at is None


def held_bytes(store: Store) -> int:
    """Bytes of all saved keys and values of a store, whatever the scope."""
    return sum(one.size for one in store.artifacts.each("*") if one.kind == KIND)


def held(store: Store, scope: str, *, check: bool = False) -> list[Held]:
    """The saved keys and values of a scope and what lies below it, the oldest item first.

    Without `check` only what a file says of itself is read, and its state is that of its item; with it, all of it is read and compared with its digest.
    """
    found = [one for one in store.artifacts.each(scope) if one.kind == KIND]
    items = store.items.by_key(sorted({one.item for one in found}))
    return [_held(store, one, items[one.item], check) for one in found if one.item in items]


def _held(store: Store, artifact: Artifact, item: Item, check: bool) -> Held:
    try:
        saved = unpack(store.artifacts.view(artifact.id, check=check))
    except (CorruptStoreError, NotFoundError):
        return Held(artifact, item.id, item.scope, None, 0, "damaged")
    text = text_of(store, item)
    state: State = "usable" if text and digest(text) == saved.text else "outdated" if text else "hidden"
    return Held(artifact, item.id, item.scope, saved.form, len(saved), state)


def prune(store: Store, scope: str, *, keep_bytes: int | None = None, model: str | None = None) -> list[Held]:
    """Throw away what cannot be used any more in a scope and below it; what was thrown away.

    Parameters: `keep_bytes`, how much may stay: beyond it the oldest items' go too, although they could be used; `model`, the fingerprint of one whose
    keys and values alone stay.
    """
    with store.transaction():
        there = held(store, scope, check=True)
        gone = [
            one
            for one in there
            if one.state != "usable" or (model is not None and one.form is not None and one.form.model != model)
        ]
        left = [one for one in there if one not in gone]
        excess = sum(one.artifact.size for one in left) - keep_bytes if keep_bytes is not None else 0
        for one in left:
            if excess <= 0:
                break
            gone.append(one)
            excess -= one.artifact.size
        for one in gone:
            store.artifacts.delete(one.artifact.id)
    _told(gone)
    return gone


def _told(gone: Sequence[Held]) -> None:
    if gone:
        log.info("%d saved keys and values were thrown away", len(gone))
