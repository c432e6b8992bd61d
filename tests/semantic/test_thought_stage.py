"""The stage of thoughts: what is held of each head, in step with the traces, whatever is added, deleted, forgotten or restored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import Cancelled, ModelError
from lamina.models.replay import ReplayCache
from lamina.records import Filter, Run
from lamina.semantic.statements import RuleOrganiser
from lamina.semantic.thought_models import ModelReader
from lamina.semantic.thought_stage import ThoughtConsolidator, read_told
from tests.semantic.models import Scripted

STAGE = ThoughtConsolidator()


def thoughts(memory: Memory) -> dict[str, tuple[Any, ...]]:
    """All thoughts as they are, with the traces they cite."""
    store = memory.store
    found = {}
    for item in store.items.each(Filter(scope="/ana", kinds=("thought",), stale=True, forgotten=True)):
        ends = [edge.dst for edge in store.edges.out([item.key], ["cites"])]
        cited = sorted(one.id for one in store.items.by_key(ends).values())
        found[item.id] = (item.text, item.at, item.session, dict(item.data), cited, item.status)
    return found


def texts(memory: Memory) -> set[str]:
    return {row[0] for row in thoughts(memory).values()}


def settle(memory: Memory, force: bool = False, stage: ThoughtConsolidator = STAGE) -> Any:
    return stage.consolidate(memory.store, "/ana", Run(), force)


def say(memory: Memory, text: str, speaker: str = "Ana", session: str | None = "talk") -> str:
    return memory.add(text, user="ana", speaker=speaker, session=session)[0]


def test_thoughts_cite_what_was_told_of_their_head_and_relation() -> None:
    with Memory(":memory:") as memory:
        rome, oslo = say(memory, "I live in Rome."), say(memory, "I moved to Oslo last week.")
        tea, jazz = say(memory, "I like tea."), say(memory, "I love jazz.")
        settle(memory)
        assert texts(memory) == {"Ana lives in Oslo", "Ana likes tea and jazz"}
        cited = {row[0]: row[4] for row in thoughts(memory).values()}
        assert cited == {"Ana lives in Oslo": sorted([rome, oslo]), "Ana likes tea and jazz": sorted([tea, jazz])}
        assert not memory.doctor()


def test_what_was_replaced_comes_back_when_what_replaced_it_is_deleted() -> None:
    with Memory(":memory:") as memory:
        say(memory, "I live in Rome.", session="old")
        oslo = say(memory, "I moved to Oslo.", session="new")
        denied = say(memory, "I no longer like tea.", session="later")
        say(memory, "I like tea.", session="old")
        settle(memory)
        assert texts(memory) == {"Ana lives in Oslo", "Ana likes tea"}
        memory.delete(oslo)
        assert texts(memory) - {""} == {"Ana likes tea"}
        settle(memory)
        assert texts(memory) == {"Ana lives in Rome", "Ana likes tea"}
        memory.delete(denied)
        settle(memory)
        assert texts(memory) == {"Ana lives in Rome", "Ana likes tea"}


def test_a_correction_takes_the_place_of_what_was_told() -> None:
    with Memory(":memory:") as memory:
        id = say(memory, "I live in Rome.")
        settle(memory)
        memory.update(id, "I live in Bergen.")
        settle(memory)
        assert texts(memory) == {"Ana lives in Bergen"}


def test_a_thought_that_was_deleted_comes_back_only_when_it_is_told_again() -> None:
    with Memory(":memory:") as memory:
        say(memory, "I like tea.")
        settle(memory)
        [id] = thoughts(memory)
        memory.delete(id)
        settle(memory)
        memory.rebuild()
        settle(memory, force=True)
        assert thoughts(memory) == {}
        say(memory, "I like jazz.")
        settle(memory)
        assert texts(memory) == {"Ana likes jazz"}


SAID = [
    "I live in Rome.", "I moved to Oslo.", "I like tea.", "I don't like tea.", "I like jazz and tea.", "I hate jazz.", "Ben likes Ana.", "Ben lives in Rome.",
    "My sister is Mia.", "My sister is Eva.", "Nothing is new.", "My sister is not Eva.",
]  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "add", "delete", "forget", "restore", "update", "settle", "retract"]),
            st.integers(0, 11),
            st.sampled_from(["a", "b", None]),
        ),
        max_size=16,
    )
)
def test_step_by_step_is_the_same_as_from_scratch(steps: list[tuple[str, int, str | None]]) -> None:
    with Memory(":memory:") as memory:
        for session in ("a", "b", None):
            say(memory, "Nothing.", session=session)  # an event goes with the last trace of its session
        ids: list[str] = []
        for verb, number, session in steps:
            if verb == "add":
                ids.append(say(memory, SAID[number], session=session))
            elif verb == "settle":
                settle(memory)
            elif verb == "retract":
                made = sorted(thoughts(memory))
                if made:
                    memory.delete(made[number % len(made)])
            elif ids:
                id = ids[number % len(ids)]
                if verb == "update":
                    if memory.store.items.get([id])[0].retired_at is None:  # type: ignore[union-attr]
                        ids.append(memory.update(id, SAID[(number + 3) % 12]))
                else:
                    {"delete": memory.delete, "forget": memory.forget, "restore": memory.restore}[verb](id)
                    if verb == "delete":
                        ids.remove(id)
        settle(memory)
        step_by_step = thoughts(memory)
        assert not any(row[5] for row in step_by_step.values()), "nothing is left stale"
        settle(memory, force=True)
        assert thoughts(memory) == step_by_step
        assert not memory.doctor()


@pytest.mark.parametrize("interrupted", [0, 1, 3])
def test_it_can_be_interrupted_and_does_nothing_twice(interrupted: int) -> None:
    with Memory(":memory:") as memory:
        for text in SAID[:8]:
            say(memory, text)
        calls = iter(range(100))
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, "/ana", Run(cancelled=lambda: next(calls) >= interrupted))
        assert settle(memory).read == 8 - interrupted
        assert settle(memory).read == 0
        step_by_step = thoughts(memory)
        settle(memory, force=True)
        assert thoughts(memory) == step_by_step


def test_interrupted_while_everything_is_made_anew_it_goes_on() -> None:
    with Memory(":memory:") as memory:
        for text in SAID[:8]:
            say(memory, text)
        settle(memory)
        whole = thoughts(memory)
        calls = iter(range(100))
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, "/ana", Run(cancelled=lambda: next(calls) >= 3), force=True)
        settle(memory)
        assert thoughts(memory) == whole


def test_echoes_are_not_thought_over_and_forgotten_thoughts_stay_so() -> None:
    with Memory(":memory:") as memory:
        id = say(memory, "I like tea.")
        memory.add("I live in Rome.", user="ana", speaker="Ana", session="talk", echo_of=[id])
        settle(memory)
        assert texts(memory) == {"Ana likes tea"}
        [thought] = thoughts(memory)
        memory.forget(thought)
        say(memory, "I like jazz.")
        settle(memory)
        settle(memory, force=True)
        assert [row[5] for row in thoughts(memory).values()] == [1]


def test_consolidation_makes_no_thoughts_unless_it_is_asked_to() -> None:
    with Memory(":memory:") as memory:
        say(memory, "I like tea.")
        memory.consolidate()
        assert thoughts(memory) == {}
        memory.consolidate(also=["thoughts"])
        assert texts(memory) == {"Ana likes tea"}
        memory.undo()
        assert thoughts(memory) == {}


def test_thoughts_are_recalled_with_their_sources() -> None:
    with Memory(":memory:") as memory:
        id = say(memory, "I moved to Oslo, finally!")
        settle(memory)
        [hit] = memory.search("Where does Ana live?", user="ana", where=Filter(kinds=("thought",)))
        assert hit.text == "Ana lives in Oslo"
        assert hit.sources == (id,)


def test_all_that_was_told_is_kept_with_the_thought() -> None:
    with Memory(":memory:") as memory:
        ids = [say(memory, text) for text in ("I live in Rome.", "I moved to Oslo.")]
        settle(memory)
        [item] = memory.store.items.each(Filter(scope="/ana", kinds=("thought",)))
        assert [(one.triple.tail, one.sources) for one in read_told(item.data)] == [("Rome", (ids[0],)), ("Oslo", (ids[1],))]


def test_without_merging_each_statement_is_a_thought() -> None:
    stage = ThoughtConsolidator(organiser=RuleOrganiser(merge=False))
    with Memory(":memory:") as memory:
        say(memory, "I like tea and jazz.")
        settle(memory, stage=stage)
        assert texts(memory) == {"Ana likes tea", "Ana likes jazz"}
        settle(memory, force=True, stage=stage)
        assert texts(memory) == {"Ana likes tea", "Ana likes jazz"}


def stated(task: str, shown: str) -> Any:
    """Whoever says something likes the last word of it."""
    said = shown.split(" says: ")[1].split("\n")[0]
    statement = {
        "head": "Ana",
        "relation": "likes",
        "tail": said.split()[-1].strip("."),
        "affirmed": True,
        "one_at_a_time": False,
    }
    return {"statements": [statement]}


def test_a_model_reads_each_trace_once_with_the_one_before_it() -> None:
    with Memory(":memory:") as memory:
        first = say(memory, "What do you drink?", speaker="Ben")
        second = say(memory, "Tea.")
        model = Scripted(stated)
        stage = ThoughtConsolidator(ModelReader(model))
        settle(memory, stage=stage)
        assert texts(memory) == {"Ana likes drink? and Tea"}
        assert len(model.asked) == 2
        assert "Before: What do you drink?" in model.asked[1][1].content
        say(memory, "Jazz.")
        settle(memory, stage=stage)
        assert len(model.asked) == 3
        memory.delete(first)
        settle(memory, stage=stage)
        assert texts(memory) == {"Ana likes Tea and Jazz"}
        assert [row[4][0] for row in thoughts(memory).values()] == [second]


def test_a_model_that_is_gone_stops_the_stage_and_nothing_is_lost(tmp_path: Any) -> None:
    calls = iter(range(100))
    with Memory(":memory:") as memory:
        for number in range(6):
            say(memory, f"I drink number{number}.")
        model = Scripted(lambda task, shown: ModelError("gone") if next(calls) >= 4 else stated(task, shown))
        stage = ThoughtConsolidator(ModelReader(ReplayCache(model, tmp_path / "answers.jsonl")))
        with pytest.raises(ModelError):
            settle(memory, stage=stage)
        assert len(texts(memory)) == 1
        model.answer = stated
        assert settle(memory, stage=stage).read == 2
        whole = thoughts(memory)
        asked = len(model.asked)
        settle(memory, force=True, stage=stage)
        assert thoughts(memory) == whole
        assert len(model.asked) == asked


def test_thoughts_of_another_reader_take_the_place_of_the_old_ones() -> None:
    with Memory(":memory:") as memory:
        say(memory, "I like tea.")
        settle(memory)
        say(memory, "I like jazz.")
        settle(memory, stage=ThoughtConsolidator(ModelReader(Scripted(stated))))
        assert texts(memory) == {"Ana likes tea and jazz"}
        assert {item.made_by for item in memory.store.items.each(Filter(scope="/ana", kinds=("thought",)))} == {
            "thoughts/1:scripted"
        }


def test_a_trace_that_is_brought_back_is_thought_over_again() -> None:
    with Memory(":memory:") as memory:
        id = say(memory, "I like tea.")
        say(memory, "I like jazz.")
        settle(memory)
        memory.forget(id)
        settle(memory)
        assert texts(memory) == {"Ana likes jazz"}
        memory.restore(id)
        settle(memory)
        assert texts(memory) == {"Ana likes tea and jazz"}


def test_deleting_a_thought_settles_what_else_was_held_of_the_relation() -> None:
    with Memory(":memory:") as memory:
        say(memory, "I like tea.")
        say(memory, "I hate jazz.")
        say(memory, "Nothing else.")
        settle(memory)
        memory.delete(next(id for id, row in thoughts(memory).items() if row[0] == "Ana likes tea"))
        settle(memory)
        step_by_step = thoughts(memory)
        settle(memory, force=True)
        assert thoughts(memory) == step_by_step == {}


def test_what_a_trace_is_read_as_anew_takes_the_place_of_what_it_was_read_as() -> None:
    tails = iter(["tea", "jazz", "rain", "snow"])

    def changing(task: str, shown: str) -> Any:
        return {
            "statements": [{"head": "Ana", "relation": "likes", "tail": next(tails), "affirmed": True, "one_at_a_time": False}]
        }

    with Memory(":memory:") as memory:
        id = say(memory, "One.", session="a")
        say(memory, "Two.", session="b")
        stage = ThoughtConsolidator(ModelReader(Scripted(changing)))
        settle(memory, stage=stage)
        assert texts(memory) == {"Ana likes tea and jazz"}
        with memory.store.transaction():
            memory.store.items.set_status([memory.store.items.keys_of([id])[id]], 1, True)
        memory.restore(id)  # nothing was blanked, and the trace is read again
        settle(memory, stage=stage)
        assert texts(memory) == {"Ana likes rain and jazz"}
