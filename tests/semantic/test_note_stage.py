"""The stage of notes: in step with the traces, whatever is added, deleted, forgotten or restored, and wherever it is interrupted."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.consolidation.pipeline import Pipeline
from lamina.errors import Cancelled
from lamina.records import Filter, Run
from lamina.semantic.note_rules import RuleEditor
from lamina.semantic.note_stage import NoteConsolidator, linked_notes, read_history
from lamina.semantic.notes import Note, replay

STAGE = NoteConsolidator()
TEXTS = [
    "Talvor repaired the old lighthouse.", "I had lunch with Talvor in the village.", "My sister bakes bread on Sundays.",
    "The bread was for the harbour festival.", "Where is the lighthouse?", "Nerisa bought a telescope.", "Nerisa and Talvor went sailing.",
    "The festival begins at noon.", "A telescope needs a dark night.", "Sailing was cold.",
]  # fmt: skip


def notes(memory: Memory, scope: str = "/ana") -> dict[str, tuple[Any, ...]]:
    """All notes as they are, with what they cite and are linked with."""
    store = memory.store
    found = {}
    for item in store.items.each(Filter(scope=scope, kinds=("note",), stale=True, forgotten=True)):
        ends = store.edges.out([item.key])
        ids = {key: one.id for key, one in store.items.by_key([edge.dst for edge in ends]).items()}
        edges = sorted((edge.kind, ids[edge.dst]) for edge in ends)
        found[item.id] = (item.text, item.at, item.session, dict(item.data), edges, item.status)
    return found


def settle(memory: Memory, force: bool = False, stage: NoteConsolidator = STAGE) -> Any:
    return stage.consolidate(memory.store, "/ana", Run(), force)


def talk(memory: Memory, texts: list[str] = TEXTS, session: str = "talk") -> list[str]:
    return [memory.add(text, user="ana", session=session, speaker="Ana")[0] for text in texts]


def test_each_trace_has_a_note_that_cites_it_and_is_linked() -> None:
    with Memory(":memory:") as memory:
        ids = talk(memory)
        report = settle(memory)
        assert (report.read, report.made, report.removed) == (10, 10, 0)
        found = notes(memory)
        for place, id in enumerate(ids):
            _, _, session, data, edges, _ = found[STAGE.note_id("/ana", id)]
            assert session == "talk"
            assert ("cites", id) in edges
            assert data["after"] == (ids[place - 1] if place else "")
            assert place == 0 or ("cites", ids[place - 1]) in edges, "its context quotes what came before"
        second = found[STAGE.note_id("/ana", ids[1])]
        assert ("links", STAGE.note_id("/ana", ids[0])) in second[4]
        assert ("links", STAGE.note_id("/ana", ids[1])) in found[STAGE.note_id("/ana", ids[0])][4]
        assert not memory.doctor()


def test_it_does_only_what_is_new_and_nothing_twice() -> None:
    with Memory(":memory:") as memory:
        talk(memory, TEXTS[:6])
        settle(memory)
        assert settle(memory).read == 0
        talk(memory, TEXTS[6:8])
        report = settle(memory)
        assert (report.made, report.kept) == (2, 6)
        step_by_step = notes(memory)
        settle(memory, force=True)
        assert notes(memory) == step_by_step


def test_vectors_from_the_store_and_new_ones_give_the_same_notes() -> None:
    with Memory(":memory:") as memory:
        talk(memory, TEXTS[:6])
        settle(memory)
        memory.flush()
        talk(memory, TEXTS[6:])
        settle(memory)
        step_by_step = notes(memory)
        settle(memory, force=True)
        assert notes(memory) == step_by_step


def test_the_history_of_the_stored_notes_replays() -> None:
    with Memory(":memory:") as memory:
        talk(memory)
        settle(memory)
        items = list(memory.store.items.each(Filter(scope="/ana", kinds=("note",))))
        changed = 0
        for item in items:
            history = read_history(item.id, item.data)
            content = item.text.split("\n")[0]
            made = replay([Note(item.id, content, item.at)], history)[item.id]
            assert made.shown == item.text
            assert history[0].by == item.id
            changed += len(history) > 1
        assert changed >= 3


def test_deleting_a_trace_leaves_no_word_of_it_in_other_notes() -> None:
    with Memory(":memory:") as memory:
        ids = talk(memory)
        settle(memory)
        assert any("sailing" in row[0].lower() for id, row in notes(memory).items() if id != STAGE.note_id("/ana", ids[6]))
        memory.delete([ids[6], ids[9]])
        assert not any("sailing" in row[0].lower() or "sailing" in str(row[3]).lower() for row in notes(memory).values())
        settle(memory)
        assert not any("sailing" in row[0].lower() or "sailing" in str(row[3]).lower() for row in notes(memory).values())
        assert len(notes(memory)) == 8


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "delete", "forget", "restore", "update", "settle", "retract", "embed"]),
            st.integers(0, 9),
            st.sampled_from("ab"),
        ),
        max_size=14,
    )
)
def test_step_by_step_is_the_same_as_from_scratch(steps: list[tuple[str, int, str]]) -> None:
    with Memory(":memory:") as memory:
        ids: list[str] = talk(memory, TEXTS[:4])
        settle(memory)
        for verb, number, session in steps:
            if verb == "add":
                ids += talk(memory, [TEXTS[number]], session)
            elif verb == "settle":
                settle(memory)
            elif verb == "embed":
                memory.flush()
            elif verb == "retract":
                made = sorted(id for id, row in notes(memory).items())
                if made:
                    memory.delete(made[number % len(made)])
            elif ids:
                id = ids[number % len(ids)]
                if verb == "update":
                    if memory.store.items.get([id])[0].retired_at is None:  # type: ignore[union-attr]
                        ids.append(memory.update(id, TEXTS[(number + 3) % 10]))
                else:
                    {"delete": memory.delete, "forget": memory.forget, "restore": memory.restore}[verb](id)
                    if verb == "delete":
                        ids.remove(id)
        settle(memory)
        step_by_step = notes(memory)
        assert not any(row[5] for row in step_by_step.values()), "nothing is left stale"
        settle(memory, force=True)
        assert notes(memory) == step_by_step
        assert not memory.doctor()


@pytest.mark.parametrize("interrupted", [1, 5, 9])
def test_it_can_be_interrupted_anywhere(interrupted: int) -> None:
    with Memory(":memory:") as memory, Memory(":memory:") as other:
        talk(memory)
        calls = iter(range(1000))
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, "/ana", Run(cancelled=lambda: next(calls) >= interrupted))
        assert len(notes(memory)) == interrupted
        assert settle(memory).made == 10 - interrupted
        step_by_step = notes(memory)
        settle(memory, force=True)
        assert notes(memory) == step_by_step
        assert notes(other) == {}


def test_interrupted_while_it_makes_notes_anew_it_takes_none_of_the_old_ones_for_whole() -> None:
    with Memory(":memory:") as memory:
        ids = talk(memory)
        settle(memory)
        memory.delete(ids[2])
        calls = iter(range(1000))
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, "/ana", Run(cancelled=lambda: next(calls) >= 2))
        settle(memory)
        step_by_step = notes(memory)
        settle(memory, force=True)
        assert notes(memory) == step_by_step


def test_echoes_have_no_notes_and_scopes_are_kept_apart() -> None:
    with Memory(":memory:") as memory:
        [first] = talk(memory, TEXTS[:1])
        memory.add(TEXTS[0], user="ana", session="talk", role="user", echo_of=[first])
        memory.add(TEXTS[1], user="ben")
        Pipeline([STAGE]).run(memory.store, "*", Run())
        assert len(notes(memory)) == 1
        ben = next(iter(notes(memory, "/ben").values()))
        assert "Talvor repaired" not in str(ben)
        assert not any(kind == "links" for kind, _ in ben[4])


def test_a_forgotten_note_stays_forgotten() -> None:
    with Memory(":memory:") as memory:
        ids = talk(memory)
        settle(memory)
        memory.forget(STAGE.note_id("/ana", ids[3]))
        settle(memory, force=True)
        assert notes(memory)[STAGE.note_id("/ana", ids[3])][5] == 1


def test_consolidation_makes_notes_only_when_it_is_asked_to_and_otherwise_leaves_them_as_they_are() -> None:
    with Memory(":memory:") as memory:
        talk(memory)
        memory.consolidate()
        assert notes(memory) == {}
        memory.consolidate(also=["notes"])
        made = notes(memory)
        assert len(made) == 10
        memory.consolidate()
        memory.rebuild()
        assert notes(memory) == made
        memory.rebuild(also=["notes"])
        assert notes(memory) == made


def test_undo_takes_notes_back() -> None:
    with Memory(":memory:") as memory:
        talk(memory, TEXTS[:5])
        Pipeline([STAGE]).run(memory.store, "*", Run())
        before = notes(memory)
        talk(memory, TEXTS[5:])
        Pipeline([STAGE]).run(memory.store, "*", Run())
        after = notes(memory)
        memory.undo()
        assert notes(memory) == before
        Pipeline([STAGE]).run(memory.store, "*", Run())
        assert notes(memory) == after


def test_recalled_notes_lead_to_those_they_are_linked_with() -> None:
    with Memory(":memory:") as memory:
        talk(memory)
        settle(memory)
        hits = memory.search("the lighthouse", k=2, user="ana", where=Filter(kinds=("note",)))
        assert {hit.kind for hit in hits} == {"note"}
        assert all(hit.sources for hit in hits)
        more = linked_notes(memory.store, [hit.item for hit in hits], 3)
        assert 0 < len(more) <= 3
        assert not {one.id for one in more} & {hit.id for hit in hits}


def test_a_trace_that_no_note_rests_on_is_missed_all_the_same_when_it_is_gone() -> None:
    """It is linked with nothing and quoted by nothing, but it made a word less rare for the notes after it."""
    stage = NoteConsolidator(before=False, editor=RuleEditor(link=False))
    with Memory(":memory:") as memory:
        common = "harbour kettle window ladder button garden"
        memory.add("Nothing else happened.", user="ana", session="a")
        [gone] = memory.add(common, user="ana", session="b")
        memory.add(f"{common} violin saddle", user="ana", session="a")
        memory.add("The end of the day.", user="ana", session="c")
        settle(memory, stage=stage)
        before = {id: row[0] for id, row in notes(memory).items()}
        memory.delete(gone)
        settle(memory, stage=stage)
        step_by_step = notes(memory)
        settle(memory, force=True, stage=stage)
        assert notes(memory) == step_by_step
        assert any(row[0] != before[id] for id, row in step_by_step.items()), "or this test shows nothing"


def test_deleting_the_newest_note_takes_back_what_it_changed() -> None:
    with Memory(":memory:") as memory:
        ids = talk(memory, [TEXTS[0], TEXTS[2], TEXTS[1]])
        settle(memory)
        assert "lunch" in notes(memory)[STAGE.note_id("/ana", ids[0])][0]
        memory.delete(STAGE.note_id("/ana", ids[2]))
        settle(memory)
        assert len(notes(memory)) == 2
        assert "lunch" not in notes(memory)[STAGE.note_id("/ana", ids[0])][0]
