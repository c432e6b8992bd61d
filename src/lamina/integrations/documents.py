"""Named documents in a memory: put, get, delete and list them, with every earlier version in the history.

Frameworks that keep values under keys, or text under paths, stand on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lamina.errors import InputError
from lamina.keeping.gate import DOCUMENT
from lamina.memory import Memory
from lamina.records import EVENT, Filter, Item, wall_clock
from lamina.text import CHUNK, chunks

FIELD: Final = DOCUMENT
"""The field of a trace's metadata that says which document it is, or is a piece of."""


@dataclass(frozen=True)
class Document:
    """One document as it stands: `item` is the trace it is in, `created_at` when its first version was stored (UTC microseconds)."""

    item: Item
    name: str
    value: Any  # whatever JSON the caller put there
    created_at: int

    @property
    def updated_at(self) -> int:
        """When this version was stored, in UTC microseconds."""
        return self.item.recorded_at

    @property
    def searchable(self) -> bool:
        """Whether a search may find it."""
        return bool(self.item.metadata.get("searchable", True))


class Documents:
    """The documents of a memory, each named within a scope; `clock` tells the time in UTC microseconds.

    A version is a trace whose session is the document's name; its text is what recall sees, its value any JSON. Putting a document
    again corrects it: the version before stays in the history. A text of more than 8,000 characters goes on in further traces of
    the same session, which change with it. Deleting takes every version.

    >>> documents = Documents(Memory(":memory:"))
    >>> _ = documents.put("/ana", "kettle", {"colour": "blue"}, "The kettle is blue.")
    >>> documents.get("/ana", "kettle").value
    {'colour': 'blue'}
    >>> documents.delete("/ana", "kettle"), documents.get("/ana", "kettle")
    (True, None)
    """

    def __init__(self, memory: Memory, clock: Callable[[], int] = wall_clock) -> None:
        self.memory = memory
        self.clock = clock

    def get(self, scope: str, name: str) -> Document | None:
        """The document as it stands, or None."""
        for item in self._traces(scope, name):
            if "value" in item.metadata:
                return document_of(item)
        return None

    def put(self, scope: str, name: str, value: Any, text: str, *, searchable: bool = True, **more: Any) -> Document:
        """Store a document or its next version; `more` are further fields of its metadata."""
        if not isinstance(name, str) or not name:
            raise InputError(f"the name of a document must be text, not {name!r}")
        first, *rest = chunks(text) if len(text) > CHUNK else [text]
        with self.memory.store.transaction():
            old = self.get(scope, name)
            created = {} if old is None else {"created_at": old.created_at}
            metadata: Mapping[str, Any] = {FIELD: name, "value": value, "searchable": searchable, **created, **more}
            if old is None:
                id = self.memory.add(first, session=name, metadata=metadata, scope=scope)[0]
            else:
                self._delete_pieces(scope, name)
                id = self.memory.update(old.item.id, first, at=self.clock(), metadata=metadata)
            self._add_pieces(scope, name, rest, searchable)
        return self._document(id)

    def delete(self, scope: str, name: str) -> bool:
        """Remove a document with all its versions; says whether there was one."""
        with self.memory.store.transaction():
            now = self._traces(scope, name)
            if not now:
                return False
            before = [one.id for item in now for one in self.memory.history(item.id) if one.role != EVENT]
            self.memory.delete(before)
        return True

    def rename(self, scope: str, old: str, new: str) -> Document | None:
        """Give a document another name, its history with it; None where there is none of the old one. What bore the new name is replaced."""
        if old == new:
            return self.get(scope, old)
        with self.memory.store.transaction():
            found = self.get(scope, old)
            if found is None:
                return None
            self.delete(scope, new)
            pieces = [item.text for item in self._traces(scope, old) if "value" not in item.metadata]
            self._delete_pieces(scope, old)
            named = {FIELD: new, "created_at": found.created_at}
            text = found.item.text if found.searchable else new
            id = self.memory.update(found.item.id, text, at=self.clock(), metadata=named, session=new)
            self._add_pieces(scope, new, pieces, found.searchable)
        return self._document(id)

    def within(self, scope: str, first: str, end: str) -> list[Document]:
        """The documents of exactly this scope whose names lie from `first` up to but not with `end`, by name."""
        names = self.memory.store.items.sessions_between(scope, first, end)
        where = Filter(scope=scope, kinds=("trace",), sessions=tuple(names))
        found = (one for one in self.each(where) if one.item.scope == scope and one.name == one.item.session) if names else ()
        return sorted(found, key=lambda one: one.name)

    def each(self, where: Filter) -> Iterator[Document]:
        """Every document that a filter lets through, in the order of recording."""
        for item in self.memory.store.items.each(where):
            if item.kind == "trace" and FIELD in item.metadata and "value" in item.metadata:
                yield document_of(item)

    def _traces(self, scope: str, name: str) -> list[Item]:
        """What a document is in now, by its session alone: a redactor may have changed the name in its metadata."""
        return [item for item in self.memory.store.items.session_traces(scope, name) if FIELD in item.metadata]

    def _document(self, id: str) -> Document:
        item = self.memory.get(id)
        assert item is not None
        return document_of(item)

    def _add_pieces(self, scope: str, name: str, pieces: Sequence[str], searchable: bool) -> None:
        for piece in pieces:
            self.memory.add(piece, session=name, metadata={FIELD: name, "searchable": searchable}, scope=scope)

    def _delete_pieces(self, scope: str, name: str) -> None:
        pieces = [item.id for item in self._traces(scope, name) if "value" not in item.metadata]
        if pieces:
            self.memory.delete(pieces)


def document_of(item: Item) -> Document:
    """The document that a trace holds."""
    fields = item.metadata
    return Document(item, item.session or str(fields[FIELD]), fields["value"], int(fields.get("created_at", item.recorded_at)))
