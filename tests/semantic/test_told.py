"""Entities and facts that somebody told us of: derived from traces, exact, and gone with what they rest on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.records import Filter, Run
from lamina.semantic.told import SESSION, ToldGraph, entity_told, observation_told, relation_told

STAGE = ToldGraph()


def tell(memory: Memory, name: str, what: tuple[str, dict[str, Any]], settle: bool = True) -> str:
    text, metadata = what
    id = memory.add(text, session=SESSION + name, metadata=metadata, user="ana")[0]
    if settle:
        STAGE.settle(memory.store, "/ana", [name])
    return id


def graph(memory: Memory) -> set[tuple[str, ...]]:
    """Entities, facts and the edges between them, as words."""
    found: set[tuple[str, ...]] = set()
    items = list(memory.store.items.each(Filter(scope="/ana", kinds=("entity", "fact"))))
    keys = {item.key: item for item in items}
    for item in items:
        found.add((item.kind, item.text))
        for edge in memory.store.edges.out([item.key]):
            end = keys[edge.dst].text if edge.dst in keys else memory.store.items.by_key([edge.dst])[edge.dst].text
            found.add((item.text, edge.kind, end))
    return found


def test_an_entity_cites_what_declares_and_describes_it_and_a_fact_has_its_ends() -> None:
    with Memory(":memory:") as memory:
        tell(memory, "Ana", entity_told("Ana", "person"))
        tell(memory, "Ana", observation_told("Ana", "likes sardines"))
        tell(memory, "Ana", relation_told("Ana", "lives_in", "Braga"))
        tell(memory, "Braga", entity_told("Braga", "city"))  # declared after the fact that names it
        assert graph(memory) == {
            ("entity", "Ana (person)"), ("entity", "Braga (city)"), ("fact", "Ana lives in Braga"),
            ("Ana (person)", "cites", "Ana (person)"), ("Ana (person)", "cites", "Ana: likes sardines"),
            ("Braga (city)", "cites", "Braga (city)"), ("Ana lives in Braga", "cites", "Ana lives in Braga"),
            ("Ana lives in Braga", "subject", "Ana (person)"), ("Ana lives in Braga", "object", "Braga (city)"),
        }  # fmt: skip


def test_deleting_a_trace_takes_what_rested_on_it_alone() -> None:
    with Memory(":memory:") as memory:
        declared = tell(memory, "Ana", entity_told("Ana", "person"))
        seen = tell(memory, "Ana", observation_told("Ana", "likes sardines"))
        told = tell(memory, "Ana", relation_told("Ana", "lives_in", "Braga"))
        memory.delete(seen)
        memory.consolidate()
        assert ("entity", "Ana (person)") in graph(memory)
        assert not any("sardines" in word for row in graph(memory) for word in row)
        memory.delete(told)
        assert not any(row[0] == "fact" for row in graph(memory))
        memory.delete(declared)
        memory.consolidate()
        assert graph(memory) == set()


def test_forgetting_what_declares_an_entity_hides_it_until_it_is_restored() -> None:
    with Memory(":memory:") as memory:
        declared = tell(memory, "Ana", entity_told("Ana", "person"))
        before = graph(memory)
        memory.forget(declared)
        memory.consolidate()
        assert graph(memory) == set()
        memory.restore(declared)
        memory.rebuild()
        assert graph(memory) == before


NAMES = st.sampled_from(["Ana", "Ben", "Braga"])
STEPS = st.one_of(
    st.tuples(NAMES, NAMES.map(lambda name: ("entity", name))),
    st.tuples(NAMES, st.sampled_from(["likes sardines", "is tall"]).map(lambda text: ("observation", text))),
    st.tuples(NAMES, st.tuples(st.just("relation"), st.sampled_from(["knows", "lives_in"]), NAMES)),
    st.tuples(st.just("-"), st.tuples(st.sampled_from(["delete", "forget", "restore", "consolidate"]), st.integers(0, 5))),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_step_by_step_is_the_same_as_from_scratch(steps: list[Any]) -> None:
    with Memory(":memory:") as memory:
        ids: list[str] = []
        for name, (verb, *rest) in steps:
            if verb == "entity":
                ids.append(tell(memory, name, entity_told(name, "thing")))
            elif verb == "observation":
                ids.append(tell(memory, name, observation_told(name, rest[0])))
            elif verb == "relation":
                ids.append(tell(memory, name, relation_told(name, *rest)))
            elif verb == "consolidate":
                memory.consolidate()
            elif rest[0] < len(ids):
                {"delete": memory.delete, "forget": memory.forget, "restore": memory.restore}[verb](ids[rest[0]])
                if verb == "delete":
                    ids.pop(rest[0])
        memory.consolidate()
        step_by_step = graph(memory)
        identities = {item.id for item in memory.store.items.each(Filter(scope="/ana", kinds=("entity", "fact")))}
        memory.rebuild()
        assert graph(memory) == step_by_step
        assert {item.id for item in memory.store.items.each(Filter(scope="/ana", kinds=("entity", "fact")))} == identities
        assert not memory.doctor()


def test_told_things_are_found_by_recall() -> None:
    with Memory(":memory:") as memory:
        tell(memory, "Ana", entity_told("Ana", "person"))
        tell(memory, "Ana", observation_told("Ana", "is allergic to walnuts"))
        assert any("walnuts" in hit.text for hit in memory.search("what is Ana allergic to?", user="ana", k=2))


@pytest.mark.parametrize("interrupted", [1, 2])
def test_the_stage_can_be_interrupted_and_repeated(interrupted: int) -> None:
    with Memory(":memory:") as memory:
        for name in ("Ana", "Ben", "Braga"):
            tell(memory, name, entity_told(name, "thing"), settle=False)
        calls = iter(range(100))
        run = Run(cancelled=lambda: next(calls) >= interrupted)
        with pytest.raises(Exception, match="cancelled"):
            STAGE.consolidate(memory.store, "/ana", run)
        STAGE.consolidate(memory.store, "/ana", Run())
        assert len([row for row in graph(memory) if row[0] == "entity"]) == 3
        assert STAGE.consolidate(memory.store, "/ana", Run()).read == 0


@pytest.mark.parametrize(
    "told",
    [5, "x", ["entity"], {}, {"entity": 3}, {"entity": "Ana"}, {"entity": "Ana", "type": None}, {"entity": "Ben", "type": "x"}, {"of": "Ana"},
     {"from": "Ana", "to": "Ben"}, {"from": "Ben", "relation": "x", "to": "Ana"}, {"relation": {}, "observation": []}],
)  # fmt: skip
def test_metadata_of_the_callers_own_is_nobodys_word_and_stops_no_stage(told: Any) -> None:
    with Memory(":memory:") as memory:
        memory.add("Something else.", session=SESSION + "Ana", metadata={"told": told}, user="ana")
        memory.add("Something else.", session="talk", metadata={"told": {"entity": "talk", "type": "x"}}, user="ana")
        tell(memory, "Ben", entity_told("Ben", "person"))
        memory.consolidate()
        memory.rebuild()
        assert [row for row in graph(memory) if row[0] in ("entity", "fact")] == [("entity", "Ben (person)")]


def test_a_correction_counts_in_its_own_words() -> None:
    with Memory(":memory:") as memory:
        ids = [
            tell(memory, "Ana", entity_told("Ana", "person")),
            tell(memory, "Ana", observation_told("Ana", "is tall")),
            tell(memory, "Ana", relation_told("Ana", "lives_in", "Braga")),
            tell(memory, "Ana", relation_told("Ana", "knows", "Ben")),
        ]
        for id, text in zip(
            ids, ("Ana (pilot)", "Ana: is small", "Ana moved to Braga", "They have never met, it turned out."), strict=True
        ):
            memory.update(id, text)
        memory.consolidate()
        found = {row for row in graph(memory) if row[0] in ("entity", "fact")}
        assert found == {("entity", "Ana (pilot)"), ("fact", "Ana moved to Braga")}
        assert ("Ana (pilot)", "cites", "Ana: is small") in graph(memory)
        memory.rebuild()
        assert {row for row in graph(memory) if row[0] in ("entity", "fact")} == found


def test_a_forgotten_relation_leaves_no_empty_fact_behind() -> None:
    with Memory(":memory:") as memory:
        tell(memory, "Ana", entity_told("Ana", "person"))
        told = tell(memory, "Ana", relation_told("Ana", "lives_in", "Braga"))
        memory.forget(told)
        memory.consolidate()
        assert not list(memory.store.items.each(Filter(scope="/ana", kinds=("fact",), stale=True, forgotten=True)))
        memory.restore(told)
        memory.consolidate()
        assert ("fact", "Ana lives in Braga") in graph(memory)


def test_a_large_graph_is_not_read_again_for_each_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with Memory(":memory:") as memory:
        for number in range(60):
            tell(memory, f"Entity {number}", entity_told(f"Entity {number}", "thing"), settle=False)
        calls = []
        monkeypatch.setattr(
            ToldGraph, "derived", lambda self, *rest, _old=ToldGraph.derived, **more: calls.append(1) or _old(self, *rest, **more)
        )
        STAGE.consolidate(memory.store, "/ana", Run())
        assert len([row for row in graph(memory) if row[0] == "entity"]) == 60
        assert len(calls) <= 4
