"""Notes: their form, their links, what a new one changes in older ones, and what that is worth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest

from lamina.bench.ranking.embedders import EmbedOnce, load
from lamina.errors import InputError, MissingExtraError, NotFoundError
from lamina.models.static import StaticEmbedder
from lamina.models.tokens import WordLlamaTokens
from lamina.semantic.note_rules import RuleEditor, RuleWriter
from lamina.semantic.notes import Decision, Description, Edit, Neighbour, Note, NoteBook, Spread, replay

EMBEDDER = StaticEmbedder()


def book(writer: Any = None, editor: Any = None, **options: Any) -> NoteBook:
    return NoteBook(options.pop("embedder", EMBEDDER), writer or RuleWriter(EMBEDDER), editor or RuleEditor(), **options)


@dataclass(frozen=True)
class Plain:
    """A writer that says nothing: notes of bare text."""

    name: str = "plain"

    def describe(self, content: str, speaker: str, before: str, spread: Spread) -> Description:
        return Description((), (), "")


def names(count: int, seed: int) -> list[str]:
    """Invented names, all different."""
    generator = Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        parts = ["".join(generator.choice(row) for row in ("bdfgklmnprstvz", "aeiou", "lmnrst")) for _ in range(2)]
        found["".join(parts).capitalize()] = None
    return list(found)


THINGS = "boat violin orchard bicycle bakery telescope vineyard lighthouse printing-press kiln carriage windmill".split()


# ------------------------------------------------------------------------------------------------------ the rules
def test_a_note_has_rare_words_tags_and_what_came_before() -> None:
    notes = book()
    for number in range(20):
        notes.add(f"x{number}", f"We talked about the garden again, day {number}.", number)
    notes.add("n", "Ana: I bought a telescope from Ruben in the garden.", 99, speaker="Ana", before="What did you do? Tell me.")
    note = notes.notes["n"]
    assert {"telescope", "ruben"} <= set(note.keywords[:3])
    assert "ana" not in note.keywords, "no speaker's name"
    assert "99" not in note.keywords
    assert note.context.startswith("About ")
    assert "after “What did you do?”" in note.context
    assert 1 <= len(note.tags) <= 3
    assert note.shown.startswith(note.content + "\n" + note.context)


def test_notes_that_share_a_rare_word_are_linked_both_ways_and_others_are_not() -> None:
    notes = book()
    notes.add("a", "Talvor repaired the old lighthouse.", 0)
    notes.add("b", "My sister bakes bread on Sundays.", 1)
    notes.add("c", "I had lunch with Talvor in the village.", 2)
    assert notes.notes["c"].links == ("a",)
    assert notes.notes["a"].links == ("c",)
    assert notes.notes["b"].links == ()
    assert "also related to" in notes.notes["a"].context
    assert "lunch" in notes.notes["a"].context


def test_a_word_that_is_everywhere_links_nothing_and_no_note_has_more_links_than_its_bound() -> None:
    notes = book(editor=RuleEditor(alike=1.0), rare=3)
    for number, name in enumerate(names(60, 0)):
        notes.add(str(number), f"Grandma spoke of {name} {THINGS[number % 12]}.", number)
    assert max(len(note.links) for note in notes.notes.values()) <= 10
    hub = book(degree=4)
    for number in range(40):
        hub.add(str(number), "The kettle whistles in the kitchen.", number)
    assert max(len(note.links) for note in hub.notes.values()) == 4


# ---------------------------------------------------------------------------------------------- effects of the source
def chains(count: int, noise: int, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, set[str]]]]:
    """Pairs "A works with B", "B owns O" among other statements in random order, and a question of each pair."""
    generator = Random(seed)
    people = names(2 * count + noise, seed)
    rows, questions = [], []
    for number in range(count):
        first, second = people[2 * number], people[2 * number + 1]
        thing = generator.choice(THINGS)
        rows += [(f"w{number}", f"{first} works with {second} at the office."), (f"o{number}", f"{second} owns an old {thing}.")]
        questions.append((f"What does the colleague of {first} own?", {f"w{number}", f"o{number}"}))
    for number, name in enumerate(people[2 * count :]):
        verb = generator.choice(["painted", "sold", "visited", "described", "lost"])
        rows.append((f"d{number}", f"{name} {verb} a {generator.choice(THINGS)} last year."))
    generator.shuffle(rows)
    return rows, questions


def both_found(notes: NoteBook, questions: Sequence[tuple[str, set[str]]], k: int, linked: int) -> float:
    return float(np.mean([gold <= {one.note.id for one in notes.search(cue, k, linked)} for cue, gold in questions]))


EMBEDDERS = ["wordllama", pytest.param("minilm", marks=pytest.mark.slow)]


def load_embedder(name: str) -> Any:
    """An embedder of the benchmarks, each text embedded once; skips where it is not installed."""
    try:
        return EmbedOnce(load(name))
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("model", EMBEDDERS)
def test_effect_links_give_two_steps_under_the_same_budget(model: str) -> None:
    rows, questions = chains(200, 600, 1)
    found = {}
    embedder = load_embedder(model)
    for name, writer, editor in (
        ("no keywords", Plain(), RuleEditor()),
        ("no links", RuleWriter(embedder), RuleEditor(link=False)),
        ("full", RuleWriter(embedder), RuleEditor()),
        ("full, cosine alone", RuleWriter(embedder), RuleEditor()),
    ):
        notes = book(writer, editor, embedder=embedder, overlap=0.0 if "alone" in name else 1.0)
        for at, (id, text) in enumerate(rows):
            notes.add(id, text, at)
        found[name] = both_found(notes, questions, 10, 0), both_found(notes, questions, 5, 5)
        if name == "full":
            ids = list(notes.notes)
            generator = np.random.default_rng(0)
            for id, note in list(notes.notes.items()):  # the control: as many links, to notes at random
                ends = tuple(ids[place] for place in generator.choice(len(ids), len(note.links), replace=False))
                notes._notes[id] = Note(note.id, note.content, note.at, note.keywords, note.tags, note.context, ends)
            found["shuffled links"] = both_found(notes, questions, 10, 0), both_found(notes, questions, 5, 5)
    for name, (flat, linked) in found.items():
        print(f"{model}, {name}: ten hits {flat:.2f}, five hits and five links {linked:.2f}")
    assert found["full"][1] >= found["no links"][0] + 0.4
    assert found["full"][1] >= found["no keywords"][1] + 0.4
    assert found["full"][1] >= found["shuffled links"][1] + 0.4


class Frozen(NoteBook):
    """The control: a note that was changed keeps its old vector."""

    def _set(self, note: Note, vector: Any) -> None:
        slot = self._slots.get(note.id)
        super()._set(note, vector if slot is None else self._index.rows(np.array([slot]))[0])


def renamed(make: Any, evolve: bool, embedder: Any) -> float:
    """Old notes tell of devices; later ones give these a new name; hit@5 of the old ones for cues with the new name alone."""
    notes = make(embedder, RuleWriter(embedder), RuleEditor(evolve=evolve))
    old, new = names(20, 3), names(20, 4)
    deeds = [
        "was cleaned in the workshop",
        "stands on the third shelf",
        "needs a longer cable",
        "made a strange noise",
        "was lent to a neighbour",
    ]
    at = 0
    for device in old:
        for place, deed in enumerate(deeds):
            notes.add(f"{device}-{place}", f"The {device} {deed}.", at := at + 1)
    for device, name in zip(old, new, strict=True):
        notes.add(f"{name}-said", f"The {device} is now called {name}.", at := at + 1)
    hits = []
    for device, name in zip(old, new, strict=True):
        for deed in deeds:
            cue = f"What is known of {name}: {deed.split()[-1]}?"
            hits.append(any(one.note.id.startswith(device) for one in notes.search(cue, 5, 0)))
    return float(np.mean(hits))


@pytest.mark.parametrize("model", EMBEDDERS)
def test_effect_evolution_carries_new_words_to_old_notes_if_they_are_embedded_anew(model: str) -> None:
    embedder = load_embedder(model)
    none, evolved, stale = (
        renamed(make, evolve, embedder) for make, evolve in ((NoteBook, False), (NoteBook, True), (Frozen, True))
    )
    print(
        f"{model}: hit@5 on old notes: without evolution {none:.2f}, with it {evolved:.2f}, with it but the old vectors {stale:.2f}"
    )
    assert evolved >= none + 0.3
    assert abs(stale - none) <= 0.05


def test_effect_what_is_returned_is_a_small_part_of_the_history() -> None:
    """Five notes and five links hold what is asked in one step, in a fifth of the tokens of everything or less."""
    rows, questions = chains(125, 250, 2)
    notes = book()
    for at, (id, text) in enumerate(rows):
        notes.add(id, text, at)
    counter = WordLlamaTokens()
    whole = counter.count("\n".join(text for _, text in rows))
    shares, one_step, two_steps = [], [], []
    owners = {id: text.split()[0] for id, text in rows if id.startswith("o")}
    for cue, gold in questions:
        [id] = [one for one in gold if one in owners]
        hits = notes.search(f"What does {owners[id]} own?", 5, 5)
        shares.append(counter.count("\n".join(one.note.shown for one in hits)) / whole)
        one_step.append(id in {one.note.id for one in hits})
        two_steps.append(gold <= {one.note.id for one in notes.search(cue, 5, 5)})
    print(
        f"500 notes: {np.mean(shares):.3f} of the tokens of all; one step {np.mean(one_step):.2f}, two {np.mean(two_steps):.2f} found"
    )
    assert np.mean(shares) <= 0.2
    assert np.mean(one_step) >= 0.9
    assert np.mean(two_steps) >= 0.9


class Wide:
    """Random vectors of 384 dimensions, so that a hundred thousand notes cost no model."""

    name = fingerprint = "wide"
    dim, instant = 384, True

    def embed(self, texts: Sequence[str], kind: str = "document") -> Any:
        rows = np.random.default_rng(len(texts)).normal(size=(len(texts), 384)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.slow
def test_effect_a_search_among_a_hundred_thousand_notes() -> None:
    notes = book(Plain(), embedder=Wide())
    vectors = Wide().embed(["x"] * 100_000)
    for number in range(100_000):
        notes.put(Note(str(number), "x", 0), [], vectors[number])
    notes.search("warm", 10)
    times = []
    for _ in range(20):
        began = time.process_time()  # of one core; others may be busy on it
        notes.search("what is it?", 10)
        times.append(time.process_time() - began)
    print(f"100,000 notes of 384 dimensions: {1e3 * np.median(times):.1f} ms a search")
    assert np.median(times) <= 0.05


@dataclass(frozen=True)
class Marking:
    """An editor that tags each neighbour with a sign of that neighbour's own content."""

    name: str = "marking"

    def decide(self, note: Note, neighbours: Sequence[Neighbour]) -> Decision:
        return Decision((), None, {one.note.id: ((f"sign-{hash(one.note.content)}",), one.note.context) for one in neighbours})


def test_the_right_neighbour_is_edited() -> None:
    notes = book(editor=Marking())
    for at, (id, text) in enumerate(chains(15, 20, 5)[0]):
        notes.add(id, text, at)
    edited = {edit.note for edit in notes.history if edit.note != edit.by}
    assert len(edited) >= 25
    assert all(notes.notes[id].tags == (f"sign-{hash(notes.notes[id].content)}",) for id in edited)


def test_effect_notes_do_not_drift_without_bound() -> None:
    """A thousand notes on twenty topics: contents stay, contexts keep their length, few are changed at a time, and the history replays."""
    generator = Random(6)
    topics = [" ".join(names(4, seed)) for seed in range(20, 40)]
    notes = book()
    given: dict[str, str] = {}
    most = 0
    for number in range(1000):
        topic = topics[number % 20].split()
        given[str(number)] = (
            f"{generator.choice(topic)} and {generator.choice(topic)} saw a {generator.choice(THINGS)}, time {number}."
        )
        most = max(most, len(notes.add(str(number), given[str(number)], number)) - 1)
    longest = max(len(note.context) for note in notes.notes.values())
    print(f"longest context {longest}, most changed by one note {most}, edits {len(notes.history)}")
    assert {id: note.content for id, note in notes.notes.items()} == given
    assert longest <= 200
    assert most <= 5
    bare = [Note(id, content, int(id)) for id, content in given.items()]
    assert replay(bare, notes.history) == dict(notes.notes)
    made = {edit.note: edit for edit in notes.history if edit.by == edit.note}
    assert set(made) == set(given), "each history leads back to how the note was made"
    first = replay(bare, [edit for edit in notes.history if edit.note == edit.by])
    assert all("also related" not in note.context for note in first.values())
    assert first != dict(notes.notes)


def test_a_book_that_was_taken_up_again_goes_on_as_it_would_have() -> None:
    rows = chains(20, 30, 7)[0]
    whole = book()
    for at, (id, text) in enumerate(rows):
        whole.add(id, text, at)
    half, rest = book(), book()
    for at, (id, text) in enumerate(rows[:40]):
        half.add(id, text, at)
    for note in half.notes.values():
        rest.put(
            note, [edit for edit in half.history if edit.note == note.id], half._index.rows(np.array([half._slots[note.id]]))[0]
        )
    for at, (id, text) in enumerate(rows[40:], 40):
        rest.add(id, text, at)
    assert dict(rest.notes) == dict(whole.notes)


def test_a_note_with_all_its_links_is_still_linked_to() -> None:
    """The way on from a new note to an old one is not shut because others came first; the old one links no further."""
    notes = book(degree=2)
    for number, deed in enumerate(["sold the boat", "came to lunch", "plays chess"]):
        notes.add(str(number), f"Yesterday Talvor {deed}.", number)
    full = notes.notes["0"]
    assert len(full.links) == 2
    notes.add("n", "My aunt Ilse works with Talvor.", 9)
    assert notes.notes["0"].links == full.links
    assert len(notes.notes["n"].links) == 2
    assert all("n" not in notes.notes[id].links for id in notes.notes["n"].links)


def test_a_rare_word_of_the_cue_leads_to_its_note_where_vectors_do_not_know_it() -> None:
    near, alone = book(), book(overlap=0.0)
    for notes in (near, alone):
        for at, (id, text) in enumerate(chains(125, 250, 9)[0]):
            notes.add(id, text, at)
    cues = [(cue, next(id for id in gold if id.startswith("w"))) for cue, gold in chains(125, 250, 9)[1]]
    first = [np.mean([notes.search(cue, 1, 0)[0].note.id == id for cue, id in cues]) for notes in (near, alone)]
    print(f"the note that a name leads to comes first in {first[0]:.2f}, by cosine alone in {first[1]:.2f}")
    assert first[0] >= 0.95
    assert first[0] > first[1] + 0.05


def test_room_is_kept_for_links_and_they_say_what_led_to_them() -> None:
    notes = book()
    for at, (id, text) in enumerate(chains(30, 60, 8)[0]):
        notes.add(id, text, at)
    found = notes.search("What does somebody own?", 4, 3)
    hits, reached = [one for one in found if one.via is None], [one for one in found if one.via is not None]
    assert len(hits) == 4
    assert 0 < len(reached) <= 3
    assert all(one.note.id in notes.notes[one.via].links for one in reached if one.via)
    assert len({one.note.id for one in found}) == len(found)


# ------------------------------------------------------------------------------------------------------ bad input
@dataclass(frozen=True)
class Says:
    """An editor that always decides the same."""

    decision: Decision
    name: str = "says"

    def decide(self, note: Note, neighbours: Sequence[Neighbour]) -> Decision:
        return self.decision


@pytest.mark.parametrize(
    ("decision", "what"),
    [(Decision(("n",)), "itself"), (Decision(("zzz",)), "no neighbour"), (Decision((), None, {"zzz": ((), "")}), "no neighbour")],
)
def test_links_to_itself_or_to_nothing_are_refused_and_change_nothing(decision: Decision, what: str) -> None:
    notes = book()
    notes.add("a", "Some tea.", 0)
    before = dict(notes.notes)
    notes._editor = Says(decision)
    with pytest.raises(InputError, match=what):
        notes.add("n", "More tea.", 1)
    assert dict(notes.notes) == before
    assert notes.spread.notes == 1


@pytest.mark.parametrize(
    ("content", "at"), [("", 0), ("  ", 0), (5, 0), ("x", "2026-01-01"), ("x", 1.5), ("x", True), ("a\0b", 0)]
)
def test_a_note_of_nothing_or_without_a_time_is_refused(content: Any, at: Any) -> None:
    with pytest.raises(InputError):
        book().add("n", content, at)


def test_other_nonsense_is_refused() -> None:
    notes = book()
    notes.add("a", "Some tea.", 0)
    with pytest.raises(InputError, match="already"):
        notes.add("a", "Other tea.", 0)
    with pytest.raises(InputError, match="already"):
        notes.put(notes.notes["a"], [], np.zeros(EMBEDDER.dim, np.float32))
    for k, linked in ((0, 1), (-1, 1), (1, -1)):
        with pytest.raises(InputError, match="at least"):
            notes.search("tea", k, linked)
    with pytest.raises(InputError, match="cue"):
        notes.search(" ")
    for options in ({"neighbours": 0}, {"degree": 0}, {"longest": 0}, {"overlap": -1.0}, {"rare": 0}):
        with pytest.raises(InputError):
            book(**options)
    with pytest.raises(InputError):
        RuleWriter(keywords=0)
    with pytest.raises(InputError):
        RuleEditor(alike=2)
    with pytest.raises(NotFoundError, match="edits the note 'b'"):
        replay([], [Edit("b", "b", (), (), "", ())])
