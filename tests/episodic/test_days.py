"""Day summaries: cited, in step with the traces, in the local day, found by recall, and worded by a model where there is one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.episodic.days import DaySummaries, ModelDayWriter, day_of, days_of
from lamina.errors import Cancelled, InputError, ModelError
from lamina.models.protocols import Completion
from lamina.records import Filter, Item, Run
from lamina.times import parse_moment

STAGE = DaySummaries()
SAID = ("I baked rye bread for Clara.", "The boat needs new sails.", "We planted two lemon trees.", "Rui repaired the old clock.", "It rained on the roof.", "Did it rain?")  # fmt: skip


def settle(memory: Memory, scope: str = "/ana", force: bool = False, stage: DaySummaries = STAGE) -> Any:
    return stage.consolidate(memory.store, scope, Run(), force)


def state(memory: Memory) -> list[tuple[Any, ...]]:
    found = [one for one in memory.store.items.each(Filter(scope="*", kinds=("note",))) if one.made_by == STAGE.made_by]
    return sorted((one.id, one.text, one.at, one.until, [cited.text for cited in memory.zoom(one.id)]) for one in found)


def test_every_day_has_a_summary_that_cites_all_of_it_and_all_days_have_one() -> None:
    with Memory(":memory:") as memory:
        first = [memory.add(text, user="ana", at=f"2026-03-01T1{n}:00:00Z")[0] for n, text in enumerate(SAID[:3])]
        memory.add(SAID[3:5], user="ana", at="2026-03-02T09:00:00Z")
        memory.add("Alone on its day.", user="ana", at="2026-03-03")
        memory.add("Somebody else was here.", user="ben", at="2026-03-01")
        settle(memory)
        days = days_of(memory.store, "/ana")
        assert [one.data["day"] for one in days] == ["2026-03-01", "2026-03-02"]
        assert {one.id for one in memory.zoom(days[0].id)} == set(first)
        assert days[0].text.startswith("2026-03-01: ")
        assert "bread" in days[0].text
        whole = memory.get(STAGE.day_id("/ana", ""))
        assert whole is not None
        assert whole.text.startswith("2026-03-01 to 2026-03-02: 2026-03-01: ")
        assert {one.id for one in memory.zoom(whole.id)} == {one.id for one in days}
        assert days_of(memory.store, "/ben") == []


def test_a_day_is_that_of_the_place_where_it_was_told() -> None:
    assert (
        day_of(Item("t", "trace", "x", at=parse_moment("2026-03-01T23:30:00-05:00").at, recorded_at=0, offset=-300))
        == "2026-03-01"
    )
    assert day_of(Item("t", "trace", "x", at=0, recorded_at=0, precision="month")) is None
    with Memory(":memory:") as memory:
        memory.add(list(SAID[:2]), user="ana", at="2026-03-01T23:30:00-05:00")
        memory.add(list(SAID[2:4]), user="ana", at="2026-03-02T00:30:00+14:00")
        settle(memory)
        assert [one.data["day"] for one in days_of(memory.store, "/ana")] == ["2026-03-01", "2026-03-02"]


def test_recall_finds_a_day_by_its_date_and_by_what_happened() -> None:
    with Memory(":memory:") as memory:
        for day in range(1, 6):
            memory.add([f"{text} Number {day}." for text in SAID[:4]], user="ana", at=f"2026-03-0{day}")
        memory.consolidate(also=["days"])
        hits = memory.search("what happened on 2026-03-03?", user="ana", k=6)
        assert "2026-03-03" in [hit.item.data.get("day") for hit in hits]
        assert not [hit for hit in memory.search("2026-03-03", user="ben") if hit.kind == "note"]


DEEDS = ("add", "delete", "forget", "restore", "update", "settle")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 11)), max_size=14), st.randoms(use_true_random=False))
def test_step_by_step_gives_what_all_at_once_gives(deeds: list[tuple[str, int]], drawn: random.Random) -> None:
    def said(memory: Memory, n: int) -> str:
        return memory.add(f"{drawn.choice(SAID)} {n}", at=f"2026-03-0{n % 4 + 1}", user="ana", session=str(n % 3))[0]

    with Memory(":memory:") as memory:
        ids = [said(memory, n) for n in range(12)]
        settle(memory)
        for deed, n in deeds:
            item = memory.get(ids[n])
            if deed == "settle":
                settle(memory)
            elif deed == "add":
                ids.append(said(memory, n))
            elif item is not None and item.retired_at is None:
                if deed == "update":
                    memory.update(item.id, f"Corrected {n}.", at=f"2026-03-0{(n + 1) % 4 + 1}")
                else:
                    getattr(memory, deed)(item.id)
        settle(memory)
        before = state(memory)
        assert settle(memory).made == 0
        settle(memory, force=True)
        assert state(memory) == before
        live = list(memory.store.items.each(Filter(scope="/ana", kinds=("trace",))))
        with Memory(":memory:") as fresh:
            for one in reversed(live):
                fresh.add(one.text, at=one.moment, user="ana", session=one.session)
            settle(fresh)
            assert sorted(row[0] for row in state(fresh)) == sorted(row[0] for row in before)


def test_nothing_of_a_deleted_trace_is_left_and_what_is_left_is_said_again() -> None:
    with Memory(":memory:") as memory:
        ids = memory.add([*SAID[:3]], user="ana", at="2026-03-01")
        memory.add([*SAID[3:5]], user="ana", at="2026-03-02")
        settle(memory)
        memory.delete(ids[0])
        assert not [one for one in memory.store.items.each(Filter(scope="*", stale=True)) if "bread" in one.text]
        settle(memory)
        assert all("bread" not in row[1] for row in state(memory))
        assert len(state(memory)) == 3
        memory.delete(ids[1])
        settle(memory)
        assert [one.data["day"] for one in days_of(memory.store, "/ana")] == ["2026-03-02"]  # one trace is no day
        assert len(state(memory)) == 1  # and one day needs no overview


def test_a_summary_that_was_deleted_stays_away_until_its_day_changes() -> None:
    with Memory(":memory:") as memory:
        memory.add([*SAID[:3]], user="ana", at="2026-03-01")
        settle(memory)
        memory.delete(days_of(memory.store, "/ana")[0].id)
        settle(memory, force=True)
        assert days_of(memory.store, "/ana") == []
        memory.add("Late that day we danced.", user="ana", at="2026-03-01T23:00:00Z")
        settle(memory)
        assert len(days_of(memory.store, "/ana")) == 1


def test_interrupted_work_goes_on() -> None:
    with Memory(":memory:") as memory, Memory(":memory:") as whole:
        for one in (memory, whole):
            for day in range(1, 9):
                one.add([*SAID[:3]], user="ana", at=f"2026-03-0{day}", session="s")
        settle(whole)
        with pytest.raises(Cancelled):
            STAGE.consolidate(memory.store, "/ana", Run(cancelled=iter([False, False, True]).__next__))
        settle(memory)
        assert [row[:4] for row in state(memory)] == [row[:4] for row in state(whole)]


class Model:
    name = "listed"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.shown: list[str] = []

    def complete(
        self, messages: Sequence[Any], *, schema: Any = None, max_tokens: int = 0, temperature: float = 0.0
    ) -> Completion:
        self.shown.append(messages[-1].content)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion("", answer)


def test_a_model_words_the_days_and_where_it_fails_the_rules_do_and_it_is_asked_again() -> None:
    with Memory(":memory:") as memory:
        memory.add([*SAID[:2]], user="ana", at="2026-03-01")
        memory.add([*SAID[2:4]], user="ana", at="2026-03-02")
        model = Model({"text": ""}, {"text": "Bread and boats."}, ModelError("down"), {"wrong": 1}, {"text": "An overview."})
        stage = DaySummaries(ModelDayWriter(model))
        settle(memory, stage=stage)
        first, second = days_of(memory.store, "/ana")
        assert (first.data["summary"], first.data["by"], "failed" in first.data) == ("Bread and boats.", "listed", False)
        assert (second.data["by"], second.data["failed"]) == ("rules", True)
        model.answers = [{"text": "Trees and clocks."}, {"text": "All of it."}]
        settle(memory, stage=stage)
        assert [one.data["summary"] for one in days_of(memory.store, "/ana")] == ["Bread and boats.", "Trees and clocks."]
        whole = memory.get(stage.day_id("/ana", ""))
        assert whole is not None
        assert whole.data["summary"] == "All of it."
        assert settle(memory, stage=stage).made == 0
        assert "<recalled-memory>" in model.shown[0]


def test_a_trace_that_goes_while_the_model_writes_is_in_no_summary() -> None:
    with Memory(":memory:") as memory:
        ids = memory.add([*SAID[:3]], user="ana", at="2026-03-01")

        class Slow(Model):
            def complete(self, messages: Sequence[Any], **more: Any) -> Completion:
                memory.delete(ids[0])
                return Completion("", {"text": "Bread for Clara."})

        settle(memory, stage=DaySummaries(ModelDayWriter(Slow())))
        [day] = days_of(memory.store, "/ana")
        assert "read" not in day.text
        assert day.data["failed"]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="at least one trace"):
        DaySummaries(least=0)
    with pytest.raises(InputError, match="at least 1"):
        ModelDayWriter(Model(), tries=0)
