"""The stage of found facts: exact, incremental, gone with what it rests on, and right at two times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.consolidation.pipeline import Pipeline
from lamina.errors import InputError
from lamina.records import Filter, Item, Run
from lamina.semantic.facts import FactStage, facts_of, why
from lamina.semantic.told import SESSION, entity_told
from lamina.times import parse_moment
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder

STAGE = FactStage()
SCOPE = "/ana"


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock))


def say(memory: Memory, text: str, at: str, speaker: str = "Ana", session: str | None = "s") -> str:
    return memory.add(text, speaker=speaker, session=session, at=at, user="ana")[0]


def settle(memory: Memory) -> None:
    Pipeline((STAGE,)).run(memory.store, SCOPE, Run())


def held(memory: Memory, **when: Any) -> dict[str, str]:
    """What holds, by whom and what, as words."""
    times = {name: parse_moment(value).at if isinstance(value, str) else value for name, value in when.items()}
    return {
        f"{fact.data['subject']} {fact.data['attribute']}": fact.data["value"] for fact in facts_of(memory.store, SCOPE, **times)
    }


def everything(store: Any) -> set[tuple[Any, ...]]:
    """All that the stage made, with its edges, without keys."""
    items: list[Item] = STAGE.derived(store, SCOPE)
    found: set[tuple[Any, ...]] = set()
    for item in items:
        found.add(
            (
                item.id,
                item.text,
                item.at,
                item.until,
                item.recorded_at,
                item.retired_at,
                item.stale,
                str(sorted(item.data.items())),
            )
        )
        for edge in store.edges.out([item.key]):
            end = store.items.by_key([edge.dst])[edge.dst]
            found.add((item.id, edge.kind, end.id, edge.recorded_at, str(edge.data)))
    return found


# ------------------------------------------------------------------------------------------------------ two times
def test_a_newer_fact_takes_the_place_of_the_older_one_at_its_time(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    say(memory, "I moved to Lisbon last week.", "2024-04-10")
    settle(memory)
    assert held(memory) == {"Ana city": "Lisbon"}
    assert held(memory, as_of="2024-02-01") == {"Ana city": "Porto"}
    assert held(memory, as_of="2024-04-05") == {"Ana city": "Lisbon"}
    assert held(memory, as_of="2023-12-31") == {}


def test_what_was_known_then_does_not_know_better(memory: Memory, clock: Clock) -> None:
    say(memory, "I live in Porto.", "2025-12-01")
    early = clock()
    clock.advance(days=10)
    say(memory, "I moved to Lisbon in November.", "2026-01-10")
    clock.advance(days=1)
    settle(memory)
    assert held(memory, known_at=early) == {"Ana city": "Porto"}
    assert held(memory, known_at=early, as_of="2026-01-20") == {"Ana city": "Porto"}
    assert held(memory, known_at=clock(), as_of="2026-01-20") == {"Ana city": "Lisbon"}


def test_the_same_filters_of_the_memory_give_the_same_answers(memory: Memory, clock: Clock) -> None:
    say(memory, "I live in Porto.", "2025-12-01")
    early = clock()
    clock.advance(days=10)
    say(memory, "I moved to Lisbon.", "2026-01-10")
    settle(memory)
    cue, facts = "Ana city", {"kinds": "fact", "user": "ana"}
    assert [hit.item.data["value"] for hit in memory.search(cue, as_of="2025-12-24", **facts)] == ["Porto"]
    assert [hit.item.data["value"] for hit in memory.search(cue, as_of="2026-02-01", **facts)] == ["Lisbon"]
    assert [hit.item.data["value"] for hit in memory.search(cue, as_of="2026-02-01", known_at=early, **facts)] == ["Porto"]


def test_a_correction_holds_from_the_time_of_what_it_corrects(memory: Memory, clock: Clock) -> None:
    say(memory, "I work at Nordbank.", "2026-01-01")
    early = clock()
    clock.advance(days=1)
    say(memory, "Sorry, I meant Nordlink. I work at Nordlink.", "2026-01-02")
    settle(memory)
    assert held(memory, as_of="2026-01-01T12:00") == {"Ana employer": "Nordlink"}
    assert held(memory, known_at=early) == {"Ana employer": "Nordbank"}
    [wrong] = [item for item in STAGE.derived(memory.store, SCOPE) if item.data.get("value") == "Nordbank"]
    assert wrong.data["state"] == "refuted"
    assert wrong.retired_at == clock()


def test_a_retraction_ends_and_a_word_taken_back_never_held(memory: Memory) -> None:
    say(memory, "I live in Bath.", "2024-02-05")
    say(memory, "I've moved to Wells.", "2024-02-08")
    settle(memory)
    assert held(memory) == {"Ana city": "Wells"}
    say(memory, "I was joking, I didn't move to Wells.", "2024-02-09")
    say(memory, "I no longer live in Bath.", "2024-06-01")
    settle(memory)
    assert held(memory) == {}
    assert held(memory, as_of="2024-02-08T12:00") == {"Ana city": "Bath"}


# -------------------------------------------------------------------------------------------------------- exactness
def test_deleting_the_newer_word_revives_the_older_fact(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    newer = say(memory, "I moved to Lisbon.", "2024-04-10", session="t")
    settle(memory)
    memory.delete(newer)
    settle(memory)
    assert held(memory) == {"Ana city": "Porto"}
    assert "Lisbon" not in str(everything(memory.store))


def test_forgetting_hides_and_restoring_brings_back(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    newer = say(memory, "I moved to Lisbon.", "2024-04-10")
    settle(memory)
    before = everything(memory.store)
    memory.forget(newer)
    settle(memory)
    assert held(memory) == {"Ana city": "Porto"}
    memory.restore(newer)
    settle(memory)
    assert everything(memory.store) == before


def test_a_corrected_trace_counts_in_its_new_words(memory: Memory) -> None:
    id = say(memory, "I live in Porto.", "2024-01-05")
    settle(memory)
    memory.update(id, "I live in Faro.")
    settle(memory)
    assert held(memory) == {"Ana city": "Faro"}


def test_a_fact_that_was_deleted_comes_back_only_when_it_is_said_again(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    settle(memory)
    memory.delete(facts_of(memory.store, SCOPE)[0].id)
    settle(memory)
    assert held(memory) == {}
    Pipeline((STAGE,)).rebuild(memory.store, SCOPE, Run())
    assert held(memory) == {}
    say(memory, "I live in Porto, as I said.", "2024-01-06")
    settle(memory)
    assert held(memory) == {"Ana city": "Porto"}


SAYINGS = (
    "I live in Porto.", "I moved to Lisbon.", "I moved to Faro in March.", "I don't live in Porto any more.", "I was joking, I didn't move to Lisbon.", "I live in Porto.",
    "I work as a nurse.", "I'm a teacher now.", "I'm not a teacher any more.", "The dentist is on Monday.", "No wait, it's Tuesday.", "My dentist appointment is on Friday at 3 pm.",
    "The dentist appointment is cancelled.", "I'm moving to Braga on 3 May.", "Sorry, I meant Thursday.", "I think Ben lives in Wells.", "Ben moved to Bath.", "Lisbon fell through.",
    "What a day!", "My party is on Saturday.", "I mean Sunday.",
)  # fmt: skip
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("say"), st.sampled_from(SAYINGS), st.integers(1, 28), st.sampled_from(["Ana", "Ben"]), st.sampled_from(["s", "t", None])
        ),
        st.tuples(st.sampled_from(["delete", "forget", "restore", "update"]), st.integers(0, 8)),
        st.just(("settle",)),
    ),
    min_size=3,
    max_size=22,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_step_by_step_is_the_same_as_from_scratch(steps: list[Any]) -> None:
    clock = Clock(parse_moment("2026-01-01").at)
    with Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock)) as memory:
        ids: list[str] = []
        for verb, *rest in steps:
            clock.advance(days=0 if verb == "settle" else 1)
            if verb == "say":
                text, day, speaker, session = rest
                ids.append(say(memory, text, f"2024-04-{day:02d}", speaker, session))
            elif verb == "settle":
                settle(memory)
            elif rest[0] < len(ids):
                if verb == "update":
                    ids[rest[0]] = memory.update(ids[rest[0]], SAYINGS[rest[0]])
                else:
                    {"delete": memory.delete, "forget": memory.forget, "restore": memory.restore}[verb](ids[rest[0]])
                if verb == "delete":
                    ids.pop(rest[0])
        settle(memory)
        step_by_step = everything(memory.store)
        assert not any(item.stale for item in STAGE.derived(memory.store, SCOPE))
        store = memory.store
        with store.transaction():
            store.items.delete([item.key for item in STAGE.derived(store, SCOPE)])
            store.watermarks.set(STAGE.stage, SCOPE, 0)
        settle(memory)
        assert everything(store) == step_by_step
        assert not memory.doctor()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(SAYINGS), st.integers(1, 28)), min_size=2, max_size=8), st.randoms(use_true_random=False)
)
def test_the_order_of_arrival_does_not_matter(said: list[tuple[str, int]], draw: Any) -> None:
    found = []
    days = {day: text for text, day in said}  # two words of one moment have no order
    for turn in range(2):
        order = list(days.items())
        draw.shuffle(order)
        clock = Clock(parse_moment("2026-01-01").at)
        with Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock)) as memory:
            for day, text in order:
                say(memory, text, f"2024-04-{day:02d}")
                clock.advance(days=1)  # known one after the other
                if turn:
                    settle(memory)
            settle(memory)
            found.append(sorted((fact.text, fact.at, fact.until) for fact in facts_of(memory.store, SCOPE, history=True)))
    assert found[0] == found[1]


def test_a_word_that_comes_late_is_weighed_at_its_place(memory: Memory, clock: Clock) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    clock.advance(days=1)
    say(memory, "I was joking, I didn't move to Lisbon.", "2024-04-12")
    clock.advance(days=1)
    say(memory, "I moved to Lisbon.", "2024-04-10")  # said before it was taken back
    settle(memory)
    assert held(memory) == {"Ana city": "Porto"}


def test_a_correction_is_read_again_when_something_comes_between(memory: Memory) -> None:
    say(memory, "The exam is on Monday.", "2024-01-05")
    say(memory, "No wait, it's Tuesday.", "2024-01-07")
    say(memory, "What a day!", "2024-01-08")
    settle(memory)
    assert held(memory) == {" appointment exam": "Tuesday"}
    between = say(memory, "The party is on Friday.", "2024-01-06")
    settle(memory)
    assert held(memory) == {" appointment exam": "Monday", " appointment party": "Tuesday"}
    memory.delete(between)
    settle(memory)
    assert held(memory) == {" appointment exam": "Tuesday"}


@pytest.mark.parametrize("stop", [1, 2])
def test_the_stage_can_be_interrupted_and_repeated(memory: Memory, stop: int) -> None:
    for number in range(3):
        say(memory, f"I live in Town{number}.", f"2024-01-0{number + 1}", session=f"s{number}")
    calls = iter(range(100))
    with pytest.raises(Exception, match="cancelled"):
        STAGE.consolidate(memory.store, SCOPE, Run(cancelled=lambda: next(calls) >= stop))
    settle(memory)
    assert held(memory) == {"Ana city": "Town2"}
    assert STAGE.consolidate(memory.store, SCOPE, Run()).read == 0


# ------------------------------------------------------------------------------------------------- what surrounds it
def test_it_coexists_with_what_was_told_and_points_to_its_subject(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    memory.consolidate()
    text, metadata = entity_told("Ana", "person")
    memory.add(text, session=SESSION + "Ana", metadata=metadata, user="ana")
    memory.consolidate()
    [fact] = facts_of(memory.store, SCOPE)
    [entity] = memory.store.items.each(Filter(scope=SCOPE, kinds=("entity",)))
    assert [edge.dst for edge in memory.store.edges.out([fact.key], ["subject"])] == [entity.key]
    memory.rebuild()
    [fact] = facts_of(memory.store, SCOPE)
    assert [edge.dst for edge in memory.store.edges.out([fact.key], ["subject"])] == [entity.key]
    assert not memory.doctor()


def test_undo_takes_back_what_a_consolidation_found(memory: Memory) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    memory.consolidate()
    before = everything(memory.store)
    say(memory, "I moved to Lisbon.", "2024-02-05")
    memory.consolidate()
    memory.undo()
    assert everything(memory.store) == before
    memory.consolidate()
    assert held(memory) == {"Ana city": "Lisbon"}


def test_only_people_are_believed(memory: Memory) -> None:
    memory.add({"role": "assistant", "content": "I live in Paris."}, session="s", user="ana")
    memory.add({"role": "tool", "content": "I am a doctor."}, session="s", user="ana")
    settle(memory)
    assert held(memory) == {}


def test_why_tells_of_sources_and_of_what_came_before(memory: Memory) -> None:
    first = say(memory, "I live in Porto.", "2024-01-05")
    again = say(memory, "Ana lives in Porto.", "2024-02-05", speaker="Ben")
    second = say(memory, "I moved to Lisbon.", "2024-04-10")
    settle(memory)
    old, new = facts_of(memory.store, SCOPE, "Ana", history=True)
    assert [trace.id for trace in why(memory.store, old).sources] == [first, again, second]
    assert why(memory.store, old).ended == "newer"
    assert {fact.id for fact, _ in why(memory.store, old).given_way_to} == {new.id}
    assert why(memory.store, new).ended is None
    assert old.id in {fact.id for fact, reason in why(memory.store, new).took_place_of if reason == "newer"}
    assert old.data["confidence"] > new.data["confidence"]
    assert (old.data["state"], new.data["state"]) == ("confirmed", "confirmed")


def test_another_ones_guess_is_tentative_and_stands_against_no_word(memory: Memory) -> None:
    say(memory, "I think Ben lives in Wells.", "2024-01-05")
    settle(memory)
    [fact] = facts_of(memory.store, SCOPE, "Ben")
    assert (fact.data["state"], fact.data["modality"]) == ("tentative", "supposed")
    say(memory, "I live in Bath.", "2024-01-06", speaker="Ben")
    say(memory, "I think Ben lives in Wells.", "2024-01-07")
    settle(memory)
    assert held(memory) == {"Ben city": "Bath"}


def test_nobody_sees_the_ledgers(memory: Memory) -> None:
    id = say(memory, "I live in Porto.", "2024-01-05")
    say(memory, "I moved to Lisbon.", "2024-04-10")
    memory.consolidate()
    shown = memory.store.items.each(Filter(scope="*", forgotten=True, retired=True, stale=True))
    assert all(item.text for item in shown)
    assert all(item.text for item in memory.zoom(id, "out"))
    assert memory.stats()["items"]["fact"] == 2  # Porto until then, and Lisbon


def test_an_export_brings_facts_along(memory: Memory, tmp_path: Path) -> None:
    say(memory, "I live in Porto.", "2024-01-05")
    say(memory, "I moved to Lisbon.", "2024-04-10")
    memory.consolidate()
    memory.export(tmp_path / "all.jsonl")
    with Memory(":memory:", embedder=WordEmbedder()) as other:
        other.import_(tmp_path / "all.jsonl")
        before = everything(other.store)
        assert before == everything(memory.store)
        other.rebuild()
        assert everything(other.store) == before
        assert not other.doctor()


def test_what_is_no_found_fact_is_refused(memory: Memory) -> None:
    id = say(memory, "I live in Porto.", "2024-01-05")
    trace = memory.get(id)
    assert trace is not None
    with pytest.raises(InputError, match="no fact found"):
        why(memory.store, trace)
    with pytest.raises(InputError, match="subject must be text"):
        facts_of(memory.store, SCOPE, " ")
    with pytest.raises(InputError, match="not a scope"):
        facts_of(memory.store, "//")
