"""Notes that describe, link and rewrite each other.

Source: W. Xu et al., "A-MEM: Agentic Memory for LLM Agents", 2025. Every memory becomes a note with keywords, tags and a sentence of
context; its nearest notes are looked up, some are linked with it, and their tags and context are rewritten in its light. Where this
differs from the released code: ids everywhere instead of places, a rewritten note is embedded anew at once, links are reserved room in a
recall, and the number of links of a note has a bound: a note that has as many as it may have is still linked to, and does not link back. Rare
words that are shared count beside the cosine, for neighbours, for what a cue hits, and for the order of the links of a hit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, NotFoundError
from lamina.index.flat import FlatIndex, top
from lamina.terms import ENGLISH, terms
from lamina.text import check_text

if TYPE_CHECKING:
    from lamina.models.protocols import Embedder


@dataclass(frozen=True, slots=True)
class Note:
    """One memory and what is known of it: `content`, which never changes, `keywords` by weight, `tags`, one sentence of `context`, and the
    ids of the notes it is linked with; `at`: UTC microseconds.

    >>> print(Note("n", "Ana feeds the gulls.", 0, ("gulls", "ana"), ("animals",), "About gulls").shown)
    Ana feeds the gulls.
    About gulls [gulls, ana | animals]
    """

    id: str
    content: str
    at: int
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    context: str = ""
    links: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """All of it as one text: what is embedded, looked up and read."""
        marks = " | ".join(part for part in (", ".join(self.keywords), ", ".join(self.tags)) if part)
        about = " ".join(part for part in (self.context, f"[{marks}]" if marks else "") if part)
        return f"{self.content}\n{about}" if about else self.content


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of the history: how a note was from then on, and in the light of which note (its own id: when it was made)."""

    note: str
    by: str
    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    context: str
    links: tuple[str, ...]

    def applied(self, note: Note) -> Note:
        """The note after the edit."""
        return replace(note, keywords=self.keywords, tags=self.tags, context=self.context, links=self.links)


def replay(contents: Iterable[Note], history: Iterable[Edit]) -> dict[str, Note]:
    """The notes that a history makes of their bare contents, by id. Raises `NotFoundError` for an edit of a note that is not there.

    >>> replay([Note("a", "Tea.", 0)], [Edit("a", "a", ("tea",), (), "About tea", ())])["a"].context
    'About tea'
    """
    notes = {note.id: note for note in contents}
    for edit in history:
        if edit.note not in notes:
            raise NotFoundError(f"the history edits the note {edit.note!r}, which is not there: hand in all contents")
        notes[edit.note] = edit.applied(notes[edit.note])
    return notes


@dataclass(frozen=True, slots=True)
class Description:
    """What a writer says of a content."""

    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    context: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A note near a new one: their cosine, and the rare keywords that both have."""

    note: Note
    likeness: float
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a new note changes: which neighbours it is linked with, its own tags (None: as they are), and the new tags and context of
    neighbours, by id."""

    links: tuple[str, ...] = ()
    tags: tuple[str, ...] | None = None
    updates: Mapping[str, tuple[tuple[str, ...], str]] | None = None


class Spread:
    """In how many notes each term occurs: what makes a keyword rare."""

    def __init__(self, language: str = ENGLISH) -> None:
        self.language = language
        self.notes = 0
        self._found: Counter[str] = Counter()

    def add(self, content: str) -> None:
        """Count one more note."""
        self.notes += 1
        self._found.update(set(terms(content, self.language)))

    def rarity(self, term: str) -> float:
        """log((n + 1) / (occurrences + 0.5)), at least 0."""
        return max(log((self.notes + 1) / (self._found[term] + 0.5)), 0.0)


class NoteWriter(Protocol):
    """Describes a new memory."""

    @property
    def name(self) -> str:
        """The model's name, "" for rules."""
        ...

    def describe(self, content: str, speaker: str, before: str, spread: Spread) -> Description:
        """`speaker` (or "") said it, after `before` (or "")."""
        ...


class NoteEditor(Protocol):
    """Decides what a new note is linked with and what it changes."""

    @property
    def name(self) -> str:
        """The model's name, "" for rules."""
        ...

    def decide(self, note: Note, neighbours: Sequence[Neighbour]) -> Decision:
        """`neighbours`, nearest first."""
        ...


@dataclass(frozen=True, slots=True)
class FoundNote:
    """A note that was recalled: its score, and the id of the hit that led to it (None: it was hit itself)."""

    note: Note
    score: float
    via: str | None = None


class NoteBook:
    """A growing set of notes, in memory.

    Parameters:
        embedder: of the shown notes and of cues.
        writer, editor: rules, or a language model.
        neighbours: notes that are looked at when one is added (5).
        degree: links of a note at most (10); names that are in every note would link everything.
        longest: characters of a context at most (200).
        overlap: what shared rare keywords count beside the cosine, of neighbours, hits and links (1; 0: as in the source).
        rare: notes in which a keyword that links may occur, at most, or two in a hundred where that is more.
        language: of the terms.
    """

    def __init__(
        self,
        embedder: Embedder,
        writer: NoteWriter,
        editor: NoteEditor,
        *,
        neighbours: int = 5,
        degree: int = 10,
        longest: int = 200,
        overlap: float = 1.0,
        rare: int = 10,
        language: str = ENGLISH,
    ) -> None:
        if min(neighbours, degree, longest, rare) < 1 or overlap < 0:
            raise InputError(
                f"neighbours, degree, longest and rare must be at least 1 and overlap at least 0, not {neighbours}, {degree}, {longest}, "
                f"{rare} and {overlap}"
            )
        self.embedder, self._writer, self._editor = embedder, writer, editor
        self._neighbours, self._degree, self._longest, self._overlap, self._rare = neighbours, degree, longest, overlap, rare
        self.spread = Spread(language)
        self.history: list[Edit] = []
        self._notes: dict[str, Note] = {}
        self._slots: dict[str, int] = {}
        self._ids: list[str] = []
        self._postings: dict[str, list[int]] = {}  # the stem of a keyword → the slots of the notes that have it
        self._index = FlatIndex(embedder.dim)

    @property
    def notes(self) -> Mapping[str, Note]:
        """All notes by id, in the order in which they were added."""
        return self._notes

    def __len__(self) -> int:
        return len(self._notes)

    # ------------------------------------------------------------------------------------------------------- adding
    def add(self, id: str, content: str, at: int, *, speaker: str = "", before: str = "") -> list[Edit]:
        """Make a note of a memory, link it and let it change its neighbours; returns the edits, its own first.

        Raises `InputError` for an empty content, a known id or a time that is no number, and what the writer, the editor and the embedder
        raise; nothing is changed then.
        """
        check_text(content, "the content of a note")
        if id in self._notes:
            raise InputError(f"there is a note {id!r} already: contents never change, so give a new one a new id")
        if isinstance(at, bool) or not isinstance(at, int):
            raise InputError(f"the time of a note is in whole UTC microseconds, not {at!r}")
        said = self._writer.describe(content, speaker, before, self.spread)
        note = Note(id, content, at, said.keywords, said.tags, _cut(said.context, self._longest))
        near = self._near(note)
        decision = self._editor.decide(note, near)
        edits = self._edits(note, [one.note for one in near], decision)
        changed = replay([note, *(one.note for one in near)], edits)
        vectors = embed_notes(self.embedder, [changed[edit.note] for edit in edits])
        for edit, vector in zip(edits, vectors, strict=True):  # nothing can fail from here on
            self._set(changed[edit.note], vector)
        self.spread.add(content)
        self.history += edits
        return edits

    def put(self, note: Note, history: Sequence[Edit], vector: NDArray[np.float32]) -> None:
        """Take a note as it was made before, with its history and its vector of shape (dim,); the next ones see it."""
        if note.id in self._notes:
            raise InputError(f"there is a note {note.id!r} already")
        self._set(note, vector)
        self.spread.add(note.content)
        self.history += history

    def _set(self, note: Note, vector: NDArray[np.float32]) -> None:
        slot = self._slots.get(note.id)
        if slot is None:
            slot = self._slots[note.id] = len(self._ids)
            self._ids.append(note.id)
            for stem in self._stems(note):
                self._postings.setdefault(stem, []).append(slot)
        self._notes[note.id] = note
        self._index.add(np.array([slot]), vector[None])

    def _stems(self, note: Note) -> dict[str, str]:
        """The terms of a note's keywords, each with its keyword."""
        return {term: word for word in note.keywords for term in terms(word, self.spread.language)}

    def _near(self, note: Note) -> list[Neighbour]:
        """The nearest notes by cosine and by the rare keywords they share with the new one, best first."""
        if not self._ids:
            return []
        likeness = self._index.scores(embed_notes(self.embedder, [note])[0])
        stems = self._stems(note)
        best = top(_added(likeness, self._overlapping(stems)), self._neighbours).tolist()
        shared = {slot: tuple(word for stem, word in stems.items() if slot in self._rare_slots(stem)) for slot in best}
        return [Neighbour(self._notes[self._ids[slot]], float(likeness[slot]), shared[slot]) for slot in best]

    def _rare_slots(self, stem: str) -> Sequence[int]:
        """The notes that have a term among their keywords; none where it is in too many to say anything."""
        slots = self._postings.get(stem, ())
        return slots if len(slots) <= max(self._rare, len(self._ids) // 50) else ()

    def _overlapping(self, stems: Iterable[str]) -> dict[int, float]:
        """The notes that share some of these terms, by slot, with the part of them by rarity that they share, times `overlap`."""
        rarity = {stem: self.spread.rarity(stem) for stem in stems}
        total = sum(rarity.values()) or 1.0
        found: dict[int, float] = {}
        for stem, rare in rarity.items():
            for slot in self._rare_slots(stem):
                found[slot] = found.get(slot, 0.0) + self._overlap * rare / total
        return found

    def _edits(self, note: Note, near: Sequence[Note], decision: Decision) -> list[Edit]:
        known = {one.id: one for one in near}
        updates = decision.updates or {}
        for id in (*decision.links, *updates):
            if id not in known:
                what = "itself" if id == note.id else "no neighbour of it"
                raise InputError(
                    f"the decision on the note {note.id!r} names {id!r}, which is {what}: name ids of its neighbours"
                )
        links = list(dict.fromkeys(decision.links))[: self._degree]
        tags = note.tags if decision.tags is None else decision.tags
        edits = [Edit(note.id, note.id, note.keywords, tags, note.context, tuple(links))]
        for id, old in known.items():
            new_tags, context = updates.get(id, (old.tags, old.context))
            back = id in links and len(old.links) < self._degree
            new_links = (*old.links, note.id) if back else old.links
            edit = Edit(id, note.id, old.keywords, tuple(new_tags), _cut(context, self._longest), new_links)
            if edit.applied(old) != old:
                edits.append(edit)
        return edits

    # ------------------------------------------------------------------------------------------------------- recall
    def search(self, cue: str, k: int = 10, linked: int | None = None) -> list[FoundNote]:
        """The k notes nearest to a cue, best first, then up to `linked` (default: k) notes that these are linked with.

        Near by cosine and by rare words. Of the links, those of better hits come first, and of one hit those that are nearer to the cue and
        share more with the hit: what is two steps away need not be near to the cue itself. Raises `InputError` for an empty cue, a k below 1
        or a negative `linked`.
        """
        check_text(cue, "the cue")
        more = k if linked is None else linked
        if k < 1 or more < 0:
            raise InputError(f"k must be at least 1 and linked at least 0, not {k} and {more}")
        likeness = self._index.scores(self.embedder.embed([cue], "query")[0])
        scores = _added(likeness, self._overlapping(terms(cue, self.spread.language)))
        hits = [FoundNote(self._notes[self._ids[slot]], float(scores[slot])) for slot in top(scores, k).tolist()]
        there = {hit.note.id for hit in hits}
        reached: dict[str, FoundNote] = {}
        for hit in hits:
            if len(reached) >= more:
                break
            shared = self._overlapping(self._stems(hit.note)) if hit.note.links else {}
            near = {id: float(scores[slot]) + shared.get(slot, 0.0) for id in hit.note.links for slot in [self._slots[id]]}
            for id in sorted(near.keys() - there, key=lambda id: (-near[id], self._slots[id])):
                reached.setdefault(id, FoundNote(self._notes[id], float(scores[self._slots[id]]), hit.note.id))
        return hits + list(reached.values())[:more]


def embed_notes(embedder: Embedder, notes: Sequence[Note]) -> NDArray[np.float32]:
    """Vectors of notes, shape (notes, dim), rounded as a store keeps them, so that it makes no difference where they come from."""
    vectors = embedder.embed([note.shown for note in notes])
    return np.asarray(vectors, np.float16).astype(np.float32)


def _added(scores: NDArray[np.float32], more: Mapping[int, float]) -> NDArray[np.float32]:
    found = scores.copy()
    found[list(more)] += np.fromiter(more.values(), np.float32, len(more))
    return found


def _cut(text: str, longest: int) -> str:
    """A sentence of at most so many characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
