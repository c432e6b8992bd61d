"""The stage that keeps a book of notes in step with the traces: one note a trace, linked and rewritten in the order of recording."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.records import EVENT, Edge, Filter, Item, Report, Run, derived_id
from lamina.semantic.note_rules import RuleEditor, RuleWriter
from lamina.semantic.notes import Edit, Note, NoteBook, NoteEditor, NoteWriter, embed_notes
from lamina.storage.protocol import Store
from lamina.text import index_text

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder

COUNTED = ".count"
"""What follows the stage's name in the watermark that holds how many notes there were."""
BATCH = 64  # notes that are stored in one transaction


@dataclass(frozen=True)
class NoteConsolidator:
    """One note for each trace of a scope, in the order in which the traces were recorded.

    A note sees those before it. Each says which trace came before its own, so that what was deleted, forgotten or restored in between is
    noticed: from the first note that this touches on all are made again. So the notes are always those that a rebuild makes, with rules
    exactly; with a language model as far as it answers the same question alike (a `ReplayCache` sees to that, and makes it cost nothing).
    A note cites its trace, the one before it in the session where its context quotes that, and the traces in whose light it was rewritten;
    so deleting any of these blanks it. Echoes are never derived from.

    Interrupted, it goes on where it was. A model that fails stops it; what was made is stored.

    Parameters: `embedder` (None: the packaged static one), `writer` and `editor` (None: rules), `neighbours`, `degree`, `longest` and `overlap`
    as `NoteBook` has them, `before`, whether the context may quote what came before.
    """

    embedder: Embedder | None = None
    writer: NoteWriter | None = None
    editor: NoteEditor | None = None
    neighbours: int = 5
    degree: int = 10
    longest: int = 200
    overlap: float = 1.0
    before: bool = True
    stage: str = field(default="notes", init=False)

    @property
    def made_by(self) -> str:
        """Mechanism and version, with the models that write and edit."""
        models = "+".join(one.name for one in (self.writer, self.editor) if one is not None and one.name)
        return f"notes/2:{models}" if models else "notes/2"

    def note_id(self, scope: str, trace: str) -> str:
        """The id of the note of a trace."""
        return derived_id("note", scope, self.made_by, [trace])

    def consolidate(self, store: Store, scope: str, run: Run, force: bool = False) -> Report:
        """Bring the notes of exactly this scope up to date; `force` makes all of them anew, with the same ids."""
        began = time.monotonic()
        newest = store.version().item
        since = 0 if force else store.watermarks.get(self.stage, scope)
        counted = store.watermarks.get(self.stage + COUNTED, scope)
        if not force and not store.items.sessions_since(scope, since) and self._count(store, scope) == counted:
            return Report(self.stage, scope, seconds=time.monotonic() - began)
        work = _Work(self, store, scope, force)
        made = work.go(run)
        with store.transaction():
            removed = work.tidy()
            store.watermarks.set(self.stage, scope, newest)
            store.watermarks.set(self.stage + COUNTED, scope, self._count(store, scope))
        return Report(self.stage, scope, made, made, work.kept, removed, time.monotonic() - began)

    def _count(self, store: Store, scope: str) -> int:
        """Notes in a scope and below it that are not stale: a cheap sign that some were lost or blanked."""
        return store.items.count(Filter(scope=scope, kinds=("note",), forgotten=True))

    def book(self, store: Store) -> NoteBook:
        """An empty book with this stage's numbers."""
        embedder = self.embedder
        if embedder is None:
            from lamina.models.static import StaticEmbedder

            embedder = StaticEmbedder()
        return NoteBook(
            embedder,
            self.writer or RuleWriter(embedder),
            self.editor or RuleEditor(longest=self.longest),
            neighbours=self.neighbours,
            degree=self.degree,
            longest=self.longest,
            overlap=self.overlap,
            language=store.language,
        )


class _Work:
    """One run of the stage in one scope."""

    def __init__(self, stage: NoteConsolidator, store: Store, scope: str, force: bool) -> None:
        self.stage, self.store, self.scope = stage, store, scope
        self.there = {item.id: item for item in _notes(store, scope)}
        retracted = _retracted(store, scope)
        every = sorted(_traces(store, scope), key=lambda trace: trace.key)
        named = [(stage.note_id(scope, trace.id), trace) for trace in every]
        self.ids = [id for id, _ in named if id not in retracted]
        self.traces = [trace for id, trace in named if id not in retracted]
        self.place = {id: place for place, id in enumerate(self.ids)}
        self.gone = [item.key for id, item in self.there.items() if id not in self.place]
        self.before = self._said_before()
        self.kept = 0 if force else self._whole()
        self.histories: dict[str, list[Edit]] = {}

    def _said_before(self) -> dict[str, Item | None]:
        """For each note the trace before its own in its session, where the context may quote it."""
        last: dict[str | None, Item] = {}
        found: dict[str, Item | None] = {}
        for id, trace in zip(self.ids, self.traces, strict=True):
            quoted = self.stage.before and trace.session is not None
            found[id] = last.get(trace.session) if quoted else None
            last[trace.session] = trace
        return found

    def _whole(self) -> int:
        """How many notes from the first on are as they were made."""
        for place, id in enumerate(self.ids):
            item = self.there.get(id)
            after = self.traces[place - 1].id if place else ""
            if item is None or item.stale or item.data.get("after") != after:
                return place
            if any(edit["by"] not in self.place for edit in item.data["history"]):  # a note was deleted, its trace was not
                return place
        return len(self.traces)

    def go(self, run: Run) -> int:
        """Make the notes that are missing; returns how many."""
        total = len(self.traces)
        if self.kept == total:
            return 0
        book = self._opened()
        done = self.kept
        changed: dict[str, None] = dict.fromkeys(self.truncated)
        try:
            for place in range(self.kept, total):
                run.report(self.stage.stage, place, total)
                id, trace = self.ids[place], self.traces[place]
                said = self.before[id]
                edits = book.add(id, _shown(trace), trace.at, speaker=trace.speaker or "", before=said.text if said else "")
                for edit in edits:
                    self.histories.setdefault(edit.note, []).append(edit)
                    changed[edit.note] = None
                done = place + 1
                if done % BATCH == 0:
                    self._store(book, changed, done)
                    changed = {}
        finally:  # what was made stays, also where a model fails or somebody cancels
            self._store(book, changed, done)
        run.report(self.stage.stage, total, total)
        return total - self.kept

    def _opened(self) -> NoteBook:
        """The book with the notes that are kept, as they were before the first that is made anew."""
        book = self.stage.book(self.store)
        notes: list[Note] = []
        self.truncated: list[str] = []
        for id, trace in zip(self.ids[: self.kept], self.traces, strict=False):
            history = read_history(id, self.there[id].data)
            early = [edit for edit in history if self.place.get(edit.by, self.kept) < self.kept]
            if len(early) < len(history):
                self.truncated.append(id)
            self.histories[id] = early
            notes.append(early[-1].applied(Note(id, _shown(trace), trace.at)))
        for note, vector in zip(notes, self._vectors(book.embedder, notes), strict=True):
            book.put(note, self.histories[note.id], vector)
        return book

    def _vectors(self, embedder: Embedder, notes: Sequence[Note]) -> NDArray[np.float32]:
        """The notes' vectors: those in the store where they are of this embedder, else made now; shape (notes, dim)."""
        space = self.store.vectors.active()
        stored: Mapping[int, NDArray[np.float32]] = {}
        items = [self.there[note.id] for note in notes]
        if space is not None and space.fingerprint == embedder.fingerprint:
            fresh = [item.key for item, note in zip(items, notes, strict=True) if item.text == note.shown]
            stored = self.store.vectors.get(space, fresh)
        vectors = np.zeros((len(notes), embedder.dim), np.float32)
        missing = [row for row, item in enumerate(items) if item.key not in stored]
        for row, item in enumerate(items):
            if item.key in stored:
                vectors[row] = stored[item.key]
        if missing:
            vectors[missing] = embed_notes(embedder, [notes[row] for row in missing])
        return vectors

    # ------------------------------------------------------------------------------------------------------- store
    def _store(self, book: NoteBook, changed: Iterable[str], done: int) -> None:
        """Store changed notes; the first time, blank all that are still to be made anew, so that none passes for whole."""
        with self.store.transaction():
            late = [item.key for id, item in self.there.items() if self.place.get(id, -1) >= done and not item.stale]
            if late:
                self.store.items.blank(late)
                self.there = {id: item for id, item in self.there.items() if item.key not in set(late)}
            keys = {id: self.store.items.put(self._item(book.notes[id])) for id in changed}
            ends = self.store.items.keys_of([id for note in changed for id in book.notes[note].links])
            cited = self.store.items.keys_of(list(dict.fromkeys(source for id in changed for source in self._sources(id))))
            self.store.edges.remove_from(list(keys.values()), ["cites", "links"])
            self.store.edges.add(self._edges(book, keys, ends, cited))

    def _edges(
        self, book: NoteBook, keys: Mapping[str, int], ends: Mapping[str, int], cited: Mapping[str, int]
    ) -> Iterator[Edge]:
        for id, key in keys.items():
            at = self.traces[self.place[id]].recorded_at
            for source in self._sources(id):
                if source in cited:
                    yield Edge(key, cited[source], "cites", made_by=self.stage.made_by, recorded_at=at)
            for end in book.notes[id].links:
                if end in ends:
                    yield Edge(key, ends[end], "links", made_by=self.stage.made_by, recorded_at=at)

    def _sources(self, id: str) -> list[str]:
        """The traces a note rests on: its own, the one its context quotes, and those of the notes that changed it."""
        editors = [self.traces[self.place[edit.by]].id for edit in self.histories[id]]
        before = self.before[id]
        return list(dict.fromkeys([*editors, *([before.id] if before is not None else [])]))

    def _item(self, note: Note) -> Item:
        place = self.place[note.id]
        trace = self.traces[place]
        data: dict[str, Any] = {
            "trace": trace.id,
            "after": self.traces[place - 1].id if place else "",
            "keywords": list(note.keywords),
            "tags": list(note.tags),
            "context": note.context,
            "history": [_as_data(edit) for edit in self.histories[note.id]],
        }
        return Item(
            id=note.id, kind="note", text=note.shown, at=trace.at, until=trace.until, precision=trace.precision, offset=trace.offset,
            recorded_at=trace.recorded_at, scope=self.scope, session=trace.session, made_by=self.stage.made_by, data=data,
        )  # fmt: skip

    def tidy(self) -> int:
        """Remove the notes of no trace, and those of other versions and models; returns how many. Inside a transaction."""
        return self.store.items.delete(self.gone)


def read_history(id: str, data: Mapping[str, Any]) -> list[Edit]:
    """The history of a note as its item keeps it (JSON): how it was made, and every change since, each in the light of which note.

    >>> read_history("n", {"history": [{"by": "n", "keywords": ["tea"], "tags": [], "context": "", "links": []}]})[0].keywords
    ('tea',)
    """
    lists = ("keywords", "tags", "links")
    return [
        Edit(id, entry["by"], context=entry["context"], **{name: tuple(entry[name]) for name in lists})
        for entry in data.get("history", ())
    ]


def linked_notes(store: Store, notes: Sequence[Item], most: int) -> list[Item]:
    """The notes that some notes (best first) are linked with and that are not among them, at most so many: those of better notes first."""
    there = {note.key for note in notes}
    reached: dict[int, None] = {}
    for note in notes:
        ends = [edge.dst for edge in store.edges.out([note.key], ["links"]) if edge.dst not in there]
        reached.update(dict.fromkeys(ends))
    found = store.items.by_key(list(reached))
    return [found[key] for key in reached if key in found and not found[key].status][:most]


def _as_data(edit: Edit) -> dict[str, Any]:
    return {
        "by": edit.by, "keywords": list(edit.keywords), "tags": list(edit.tags), "context": edit.context, "links": list(edit.links),
    }  # fmt: skip


def _shown(trace: Item) -> str:
    return index_text(trace.text, trace.speaker, trace.captions)


def _traces(store: Store, scope: str) -> Iterator[Item]:
    """What may be derived from in exactly this scope: no events, nothing hidden, no echoes."""
    for session in store.items.sessions_since(scope, 0):
        for trace in store.items.session_traces(scope, session):
            if not trace.data.get("echo"):
                yield trace


def _notes(store: Store, scope: str) -> list[Item]:
    """What this stage has made in exactly this scope, whatever its state."""
    where = Filter(scope=scope, kinds=("note",), stale=True, forgotten=True)
    return [item for item in store.items.each(where) if item.scope == scope and (item.made_by or "").startswith("notes/")]


def _retracted(store: Store, scope: str) -> set[str]:
    """Ids of notes that were deleted on purpose."""
    found: set[str] = set()
    for event in store.items.each(Filter(scope=scope, roles=(EVENT,), events=True)):
        if event.scope == scope and event.data.get("event") == "retract":
            found.update(event.data.get("targets", ()))
    return found
