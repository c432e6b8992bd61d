"""Undoing a consolidation: everything is as it was, a further one makes the same again, and nothing that was taken away comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.consolidation.pipeline import Pipeline
from lamina.errors import Cancelled, InputError
from lamina.records import Filter, Run
from lamina.semantic.told import SESSION, entity_told, observation_told

ALL = Filter(scope="*", forgotten=True, retired=True, events=True, stale=True)


def dump(memory: Memory) -> Any:
    """Everything in a store that stages may change, without the store's own numbers."""
    items = {item.key: item for item in memory.store.items.each(ALL)}
    names = {key: item.id for key, item in items.items()}
    edges = sorted(
        (names[edge.src], edge.kind, names[edge.dst], edge.weight, edge.made_by or "")
        for edge in memory.store.edges.out(list(items))
    )
    marks = sorted(row for row in memory.store.watermarks.each("*") if row[2])
    shown = sorted(
        (i.id, i.kind, i.text, i.at, i.status, repr(sorted(i.data.items())), i.retired_at, i.recorded_at) for i in items.values()
    )
    return shown, edges, marks


def test_what_was_made_is_gone_and_is_made_again(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        memory.add([f"We talk about the ferry, part {n}." for n in range(30)], user="ana", session="s")
        before = dump(memory)
        memory.consolidate()
        made = dump(memory)
        report = memory.undo()
        assert report.removed > 0
        assert dump(memory) == before
        memory.consolidate()
        assert dump(memory)[:2] == made[:2]
        assert memory.search("ferry", user="ana", kinds=["episode"])
        assert memory.doctor() == []


def test_what_was_changed_or_removed_comes_back() -> None:
    with Memory(":memory:") as memory:
        memory.add([f"The garden in week {n} needs water." for n in range(12)], user="ana", session="s")
        memory.consolidate()
        memory.add([f"Now the train number {n} is late." for n in range(12)], user="ana", session="s")
        before = dump(memory)
        memory.consolidate()
        assert dump(memory) != before
        memory.undo()
        assert dump(memory) == before
        with pytest.raises(InputError, match="nothing to undo"):
            memory.undo()


def test_a_consolidation_that_changes_nothing_leaves_the_one_before_to_be_undone() -> None:
    with Memory(":memory:") as memory:
        memory.add(["one thing", "another thing"], user="ana")
        before = dump(memory)
        memory.consolidate()
        memory.consolidate()
        memory.undo()
        assert dump(memory) == before


@pytest.mark.parametrize("taking", ["forget", "delete", "update", "delete_all"])
def test_nothing_that_was_taken_away_comes_back(taking: str) -> None:
    with Memory(":memory:") as memory:
        ids = memory.add([f"Secret {n} of the garden." for n in range(8)], user="ana", session="s")
        memory.consolidate()
        memory.add("One more.", user="ana", session="s")
        memory.consolidate()
        {
            "forget": lambda: memory.forget(ids[0]), "delete": lambda: memory.delete(ids[0]), "update": lambda: memory.update(ids[0], "Nothing."),
            "delete_all": lambda: memory.delete_all(user="ana"),
        }[taking]()  # fmt: skip
        assert memory.store.journal.each() == []
        with pytest.raises(InputError, match="nothing to undo"):
            memory.undo()


STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(["a", "b"]), st.integers(1, 6)),
    st.tuples(st.just("tell"), st.sampled_from(["Ana", "Ben"]), st.integers(0, 2)),
    st.tuples(st.just("forget"), st.just(""), st.integers(0, 9)),
    st.tuples(st.just("consolidate"), st.just(""), st.just(0)),
    st.tuples(st.just("rebuild"), st.just(""), st.just(0)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(STEPS, max_size=8), st.booleans())
def test_whatever_came_before_undo_leads_back_to_it(steps: list[Any], anew: bool) -> None:
    with Memory(":memory:") as memory:
        ids: list[str] = []
        for verb, where, number in steps:
            if verb == "add":
                ids += memory.add([f"Part {n} of the tale about {where}." for n in range(number)], user="ana", session=where)
            elif verb == "tell":
                text, metadata = entity_told(where, "person") if not number else observation_told(where, f"fact {number}")
                ids += memory.add(text, user="ana", session=SESSION + where, metadata=metadata)
            elif verb == "forget" and number < len(ids):
                memory.forget(ids[number])
            elif verb == "consolidate":
                memory.consolidate()
            elif verb == "rebuild":
                memory.rebuild()
        memory.add("And one thing more.", user="ana", session="a")
        before = dump(memory)
        memory.rebuild() if anew else memory.consolidate()
        memory.undo()
        assert dump(memory) == before
        assert memory.doctor() == []


def test_one_that_was_interrupted_is_undone_as_far_as_it_came(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        for session in "abc":
            memory.add([f"Talk {n} in {session}." for n in range(5)], user="ana", session=session)
        before = dump(memory)
        calls = iter(range(100))
        with pytest.raises(Cancelled):
            Pipeline().run(memory.store, "*", Run(cancelled=lambda: next(calls) >= 2))
        assert dump(memory) != before
    with Memory(tmp_path / "m.db") as memory:  # by another process, too
        memory.undo()
        assert dump(memory) == before
