"""What is told of hits: how it is kept, what it goes with, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina import Filter, Hit, Memory
from lamina.errors import InputError, NotFoundError, ReadOnlyError
from lamina.recall.learned import Learned
from lamina.recall.learning import Learner
from lamina.records import EVENT, Run
from lamina.storage.feedback import Feedback, feedback_in
from tests.conftest import Clock

CUE = "when does the ferry leave?"


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        one.add(
            [
                {"text": "The ferry leaves at seven.", "speaker": "Ben"},
                {"text": "The bakery opens at seven.", "speaker": "Ana"},
                {"text": "The ferry was late again.", "speaker": "Ana"},
            ],
            user="ana",
            session="s1",
        )
        one.add("Nobody mentions a boat here.", user="ben")
        yield one


def told(memory: Memory, scope: str = "*") -> list[Feedback]:
    return list(feedback_in(memory.store, scope))


def learn(memory: Memory, scope: str) -> Learned:
    """Learn, whether it helps or not."""
    return Learner(memory.store, memory._recaller, Run(), checked=False).learn(scope)


# ------------------------------------------------------------------------------------------------------- telling
def test_a_hit_of_a_search_is_told_of_by_itself(memory: Memory, clock: Clock) -> None:
    asked_at = clock.now
    hits = memory.search(CUE, user="ana", speakers=["Ben", "Ana"])
    clock.advance(days=2)
    assert memory.feedback(hits[0], good=True) == 1
    assert memory.feedback(hits[1:], good=False) == 2
    first, second, third = told(memory)
    assert (first.item, first.good) == (hits[0].id, True)
    assert {(one.item, one.good) for one in (second, third)} == {(hit.id, False) for hit in hits[1:]}
    assert first.asked.cue == CUE
    assert first.asked.where == Filter(scope="/ana", speakers=("Ben", "Ana"))
    assert first.asked.now == asked_at  # "yesterday" in a cue is seen from when it was asked


def test_each_is_an_event_beside_its_item_that_is_never_recalled(memory: Memory) -> None:
    hit = memory.search(CUE, user="ana")[0]
    memory.feedback(hit)
    (event,) = [item for item in memory.get_all(where=Filter(events=True), user="ana") if item.role == EVENT]
    assert (event.scope, event.session, event.text) == ("/ana", "s1", "feedback")
    assert event in memory.history(hit.id)
    assert hit.text not in str(event.data)
    assert event.id not in {one.id for one in memory.search("feedback", user="ana", k=50)}
    assert memory.stats()["items"]["trace"] == 4
    assert memory.doctor() == []


def test_an_id_and_a_cue_will_do(memory: Memory) -> None:
    id = memory.search(CUE, user="ana")[0].id
    memory.feedback(id, cue=CUE, user="ana", kinds=["trace"])
    memory.feedback([id], False, cue="another cue")
    memory.feedback(Hit(memory.get(id), 1.0), cue=CUE)  # type: ignore[arg-type]
    first, second, third = told(memory)
    assert first.asked.where == Filter(scope="/ana", kinds=("trace",))
    assert second.asked.where == third.asked.where == Filter(scope="/ana")
    assert second.asked.cue == "another cue"


def test_what_is_said_wins_over_what_the_hit_knows(memory: Memory) -> None:
    hit = memory.search(CUE, user="ana")[0]
    memory.feedback(hit, cue="leaving times", scope="*")
    assert (told(memory)[0].asked.cue, told(memory)[0].asked.where.scope) == ("leaving times", "*")


def test_another_process_can_tell(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as one:
        one.add("The ferry leaves at seven.", user="ana")
        id = one.search(CUE, user="ana")[0].id
    with Memory(tmp_path / "m.db") as other:
        other.feedback(id, cue=CUE, user="ana")
        assert len(told(other)) == 1


# -------------------------------------------------------------------------------------------------------- leaving
def test_what_was_told_goes_with_its_item(memory: Memory) -> None:
    hits = memory.search(CUE, user="ana")
    memory.feedback(hits)
    memory.delete(hits[0].id)
    assert {one.item for one in told(memory)} == {hit.id for hit in hits[1:]}
    memory.delete_all(user="ana")
    assert told(memory) == []
    assert memory.doctor() == []


def test_nothing_of_a_deleted_item_is_left_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path) as one:
        one.add([{"text": "The password is zanzibar quetzal."}, {"text": "The kettle is blue."}], user="ana")
        hits = one.search("which password?", user="ana")
        one.feedback(hits)
        learn(one, "/ana")
        one.delete([hit.id for hit in hits if "zanzibar" in hit.text])
        one.scrub()
    content = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"zanzibar" not in content
    assert b"which password?" in content  # of the other item, which is still there


def test_unlearning_with_feedback_takes_what_was_told_below_too(memory: Memory) -> None:
    memory.add("The ferry has a bar.", user="ana", agent="bot")
    memory.feedback(memory.search(CUE, user="ana"))
    memory.feedback(memory.search("boat", user="ben"))
    assert len(told(memory)) == 5
    learn(memory, "/ana/bot")
    learn(memory, "/ana")
    assert memory.unlearn(feedback=True, user="ana")
    assert [one.asked.where.scope for one in told(memory)] == ["/ben"]
    assert memory.stats()["learned"] == []
    assert not memory.unlearn(feedback=True, user="ana")
    assert memory.stats()["feedback"] == 1


def test_it_moves_with_an_export(memory: Memory, tmp_path: Path) -> None:
    memory.feedback(memory.search(CUE, user="ana")[:2])
    learned = learn(memory, "/ana")
    memory.export(tmp_path / "ana.jsonl", user="ana")
    with Memory(":memory:") as other:
        report = other.import_(tmp_path / "ana.jsonl")
        assert report.rankers == 1
        assert [(one.item, one.good, one.asked) for one in told(other)] == [
            (one.item, one.good, one.asked) for one in told(memory, "/ana")
        ]
        assert other.ranker(user="ana").learned == learned
        other.delete(other.search(CUE, user="ana")[0].id)
        assert len(told(other)) == 1


# ------------------------------------------------------------------------------------------------------- refusals
def test_what_cannot_be_told_is_refused_and_nothing_is_kept(memory: Memory) -> None:
    hits = memory.search(CUE, user="ana")
    gone = memory.search("boat", user="ben")[0]
    memory.delete(gone.id)
    memory.forget(hits[2].id)
    (event,) = [item for item in memory.get_all(where=Filter(events=True), user="ana") if item.role == EVENT]
    refused: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
        (gone, {}, NotFoundError, "it was deleted, or belongs to another memory"),
        ([hits[0], gone], {}, NotFoundError, "it was deleted"),
        ("01JUNKNOWN", {"cue": CUE}, NotFoundError, "there is no item '01JUNKNOWN'"),
        (hits[0].id, {}, InputError, "give cue="),
        (hits[0].id, {"user": "ana"}, InputError, "give cue="),
        (hits[0].id, {"cue": "  "}, InputError, "the cue is empty"),
        (hits[0].id, {"cue": CUE, "user": "ben"}, InputError, "which no recall in '/ben' sees"),
        (hits[0].id, {"cue": CUE, "scope": ""}, InputError, "which no recall in '' sees"),
        (event.id, {"cue": CUE}, InputError, "is an event"),
        ([], {}, InputError, "the list is empty"),
        (7, {"cue": CUE}, InputError, "not int"),
        ([hits[0], 7], {}, InputError, "give hits, or ids"),
        (hits[0], {"good": 1}, InputError, "True or False, not 1"),
        (hits[0], {"good": "yes"}, InputError, "True or False"),
        (hits[0], {"nonsense": 1}, InputError, "no argument 'nonsense'"),
    ]
    for hit, arguments, error, words in refused:
        with pytest.raises(error, match=words):
            memory.feedback(hit, **arguments)
    assert told(memory) == []


def test_a_memory_that_is_only_read_is_told_nothing_and_learns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with Memory(path) as one:
        one.add("The ferry leaves at seven.")
        one.feedback(one.search(CUE))
    with Memory(path, read_only=True) as reader:
        hits = reader.search(CUE)
        for attempt in (lambda: reader.feedback(hits), reader.learn, reader.unlearn):
            with pytest.raises(ReadOnlyError, match="open for reading only"):
                attempt()
        assert reader.ranker().feedback == 1


def test_a_hidden_item_can_be_told_of(memory: Memory) -> None:
    hit = memory.search(CUE, user="ana")[0]
    memory.forget(hit.id)
    assert memory.feedback(hit, False) == 1


async def _told_in_a_thread() -> int:
    from lamina import AsyncMemory

    async with AsyncMemory(":memory:") as memory:
        await memory.add("The ferry leaves at seven.")
        hits = await memory.search(CUE)
        await memory.feedback(hits)
        assert (await memory.learn()).cues == 1
        assert (await memory.ranker()).learned is None  # one cue is too few
        assert "For it" in str(await memory.explain(hits[0]))
        await memory.unlearn()
        return (await memory.ranker()).feedback


def test_the_same_for_asyncio() -> None:
    import asyncio

    assert asyncio.run(_told_in_a_thread()) == 1
