"""Export of a store as lines of JSON, whole or by scope, and what such a file looks like.

A file is a header, then items, edges, strengths, watermarks, vectors, artifacts and rankers, one JSON object a line, then a footer
with the counts and a digest of all lines before it. Items go by their ids; keys are the business of each store.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import lamina
from lamina.errors import CorruptStoreError, InputError, TransferError
from lamina.records import Filter, Item
from lamina.scopes import check_scope, covers
from lamina.storage.consents import require_within
from lamina.storage.protocol import SAVED_ATTENTION, Store
from lamina.times import isoformat

FORMAT: Final = "lamina"
VERSION: Final = 1
"""Of the file format, not of the store's schema."""

COUNTED: Final = ("item", "edge", "strength", "watermark", "vector", "artifact")
LATER: Final = ("ranker",)
"""Counted only where there are any, so that a file without them is what it was before there were such records."""
_BATCH: Final = 500  # items looked at together


def everything(scope: str) -> Filter:
    """A filter that lets through all items of a scope: hidden, stale, retired and events too."""
    return Filter(scope=scope, forgotten=True, stale=True, events=True, retired=True)


def new_digest() -> hashlib.blake2b:
    """The digest that the footer carries, still empty; fed with each line and its line feed."""
    return hashlib.blake2b(digest_size=16)


def export_lines(store: Store, scope: str = "*", vectors: bool = True) -> Iterator[str]:
    """The lines (without line feeds) of an export of one state of the store; nothing is held in memory but the present batch.

    Parameters: `scope` ("*": everything; otherwise the scope and its descendants, and only links between them), `vectors`
    (without them the importing store embeds anew). Raises `ConsentError` where somebody in the scope has refused sharing.

    >>> from lamina.storage import open_store
    >>> [json.loads(line)["type"] for line in export_lines(open_store(None))]
    ['header', 'footer']
    """
    check_scope(scope)
    require_within(store, "share", scope)
    return _sealed(_records(store, scope, vectors))


def export_file(store: Store, target: Path, scope: str = "*", vectors: bool = True) -> int:
    """Write an export to a new file (mode 0600), whole or not at all; returns the number of lines.

    Raises `ConsentError` where somebody in the scope has refused sharing, `InputError` where the target exists, `TransferError` where its folder does not.
    """
    require_within(store, "share", scope)
    if target.exists():
        raise InputError(f"{target} exists: choose another name, an export never overwrites")
    if not target.parent.is_dir():
        raise TransferError(f"the folder {target.parent} does not exist: create it first")
    part = target.with_name(target.name + ".part")
    count = 0
    try:
        with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            for line in export_lines(store, scope, vectors):
                file.write(line.rstrip("\n") + "\n")
                count += 1
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return count


def _sealed(records: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The records as lines, and the footer that counts and seals them."""
    counts = dict.fromkeys(COUNTED, 0)
    digest = new_digest()
    for record in records:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        digest.update(line.encode() + b"\n")
        if record["type"] in (*COUNTED, *LATER):
            counts[record["type"]] = counts.get(record["type"], 0) + 1
        yield line
    yield json.dumps({"type": "footer", "counts": counts, "digest": digest.hexdigest()}, separators=(",", ":"))


@dataclass
class _Marks:
    """For each watermark, the last exported item that the stage has seen."""

    values: list[tuple[str, str, int]]
    reached: dict[tuple[str, str], str] = field(default_factory=dict)

    def pass_by(self, item: Item) -> None:
        for stage, scope, value in self.values:
            if item.key <= value:
                self.reached[stage, scope] = item.id


def _records(live: Store, scope: str, vectors: bool) -> Iterator[dict[str, Any]]:
    with live.frozen() as store:
        spaces = store.vectors.spaces() if vectors else []
        active = store.vectors.active()
        yield {
            "type": "header",
            "format": FORMAT,
            "version": VERSION,
            "library": lamina.__version__,
            "scope": scope,
            "analyser": store.meta("analyser"),
            "spaces": [
                {"fingerprint": space.fingerprint, "dim": space.dim, "view": space.view, "active": space == active}
                for space in spaces
            ],
        }
        marks = _Marks(store.watermarks.each(scope))
        for item in store.items.each(everything(scope)):
            marks.pass_by(item)
            yield item_record(item)
        for batch in _batches(store, scope):
            yield from _edges(store, scope, batch)
        for policy in store.strengths.policies():
            states = store.strengths.each(policy, scope)
            ids = _ids(store, [key for key, _ in states])
            for key, state in states:
                yield {"type": "strength", "item": ids[key], "policy": policy, "state": state}
        for (stage, inside), id in marks.reached.items():
            yield {"type": "watermark", "stage": stage, "scope": inside, "upto": id}
        for number, space in enumerate(spaces):
            for batch in _batches(store, scope):
                for key, vector in sorted(store.vectors.get(space, list(batch)).items()):
                    raw = vector.astype("<f2").tobytes()
                    yield {"type": "vector", "item": batch[key], "space": number, "data": base64.b64encode(raw).decode()}
        yield from _artifacts(store, live, scope)
        for inside, state in store.rankers.each(scope):
            yield {"type": "ranker", "scope": inside, "state": state}


def _artifacts(store: Store, live: Store, scope: str) -> Iterator[dict[str, Any]]:
    """The artifacts of one state of a store; one that the live store has deleted since is left out."""
    artifacts = [one for one in store.artifacts.each(scope) if not one.kind.startswith(SAVED_ATTENTION)]
    ids = _ids(store, [artifact.item for artifact in artifacts])
    for artifact in artifacts:
        try:
            content = store.artifacts.get(artifact.id)
        except CorruptStoreError:
            if artifact in live.artifacts.of(artifact.item):
                raise
            continue  # it was deleted while the export ran
        yield {
            "type": "artifact",
            "id": artifact.id,
            "item": ids[artifact.item],
            "kind": artifact.kind,
            "inline": artifact.path is None,
            "digest": artifact.digest,
            "data": base64.b64encode(content).decode(),
        }


def _batches(store: Store, scope: str) -> Iterator[dict[int, str]]:
    """The keys of a scope's items with their ids, some at a time, ascending."""
    keys = iter(store.items.matching(everything(scope)).tolist())
    while batch := list(islice(keys, _BATCH)):
        ids = _ids(store, batch)
        yield {key: ids[key] for key in batch}


def _ids(store: Store, keys: list[int]) -> dict[int, str]:
    return {key: item.id for key, item in store.items.by_key(keys).items()}


def _edges(store: Store, scope: str, batch: dict[int, str]) -> Iterator[dict[str, Any]]:
    edges = store.edges.out(list(batch))
    beyond = store.items.by_key(sorted({edge.dst for edge in edges} - batch.keys()))
    inside = batch | {key: item.id for key, item in beyond.items() if covers(scope, item.scope)}
    for edge in edges:
        if edge.dst not in inside:
            continue
        yield _without_none(
            {
                "type": "edge",
                "src": inside[edge.src],
                "dst": inside[edge.dst],
                "kind": edge.kind,
                "weight": edge.weight,
                "data": dict(edge.data) or None,
                "made_by": edge.made_by,
                "recorded_at": edge.recorded_at,
                "retired_at": edge.retired_at,
            }
        )


def item_record(item: Item) -> dict[str, Any]:
    """An item as its line holds it; `when` is for people and is not read again.

    >>> record = item_record(Item("01J", "trace", "hello", at=0, recorded_at=1))
    >>> record["text"], record["when"]
    ('hello', '1970-01-01T00:00:00+00:00')
    """
    return _without_none(
        {
            "type": "item",
            "id": item.id,
            "kind": item.kind,
            "scope": item.scope,
            "session": item.session,
            "origin": item.origin,
            "role": item.role,
            "text": item.text,
            "at": item.at,
            "when": isoformat(item.at, item.offset),
            "until": item.until,
            "precision": item.precision,
            "offset": item.offset,
            "recorded_at": item.recorded_at,
            "retired_at": item.retired_at,
            "made_by": item.made_by,
            "status": item.status,
            "data": dict(item.data) or None,
        }
    )


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}
