"""Facts from triples: cited, exact, and gone with the texts they were found in."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import Cancelled, InputError
from lamina.models.protocols import Completion
from lamina.records import Filter, Run
from lamina.semantic.triples import ModelExtractor, ReplayExtractor, TripleFacts, read_triples

TEXTS = [f"{a} met {b} in {c}; it was told at length, so that the text is long enough to be read." for a, b, c in (
    ("Ana", "Ben", "Porto"), ("Ben", "Cleo", "Braga"), ("Ana", "Cleo", "Porto"), ("Dora", "Ben", "Faro"),
)]  # fmt: skip


def said(text: str) -> list[tuple[str, str, str]]:
    words = text.replace(";", "").split()
    return [
        (words[0], "met", words[2]),
        (words[0], "was in", words[4].upper() if words[0] == "Dora" else words[4]),
        ("it", "was told", "at length"),
    ]


STAGE = TripleFacts(ReplayExtractor({text: said(text) for text in TEXTS}))


def state(memory: Memory) -> set[tuple[Any, ...]]:
    """Facts that hold, with what they cite."""
    found = set()
    for fact in memory.store.items.each(Filter(scope="*", kinds=("fact",))):
        keys = [edge.dst for edge in memory.store.edges.out([fact.key], ["cites"])]
        found.add((fact.id, fact.text, fact.at, tuple(sorted(one.id for one in memory.store.items.by_key(keys).values()))))
    return found


def settle(memory: Memory, force: bool = False) -> None:
    STAGE.consolidate(memory.store, "", Run(), force)


def test_a_fact_cites_every_text_that_states_it() -> None:
    with Memory(":memory:") as memory:
        memory.add_many(TEXTS)
        report = STAGE.consolidate(memory.store, "", Run())
        assert (report.read, report.made) == (4, 8)
        told = next(one for one in memory.store.items.each(Filter(kinds=("fact",))) if one.text == "it was told at length")
        assert len(memory.store.edges.out([told.key], ["cites"])) == 4
        assert STAGE.consolidate(memory.store, "", Run()).read == 0


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_deletions_in_any_order_leave_what_a_rebuild_gives(drawn: random.Random) -> None:
    with Memory(":memory:") as memory, Memory(":memory:") as fresh:
        ids = [memory.add(text, at=100 + number)[0] for number, text in enumerate(TEXTS)]
        settle(memory)
        gone = drawn.sample(ids, drawn.randint(1, 3))
        for id in gone:
            memory.delete(id)
            assert all(fact.text for fact in memory.store.items.each(Filter(kinds=("fact",))))  # what lost a source is not shown
        settle(memory)
        for number, text in enumerate(TEXTS):
            if ids[number] not in gone:
                fresh.add(text, at=100 + number)
        settle(fresh)
        assert {row[:3] for row in state(memory)} == {row[:3] for row in state(fresh)}


def test_the_order_of_arrival_does_not_matter() -> None:
    found = []
    for order in (range(4), reversed(range(4))):
        with Memory(":memory:") as memory:
            for number in order:
                memory.add(TEXTS[number], at=100 + number)
                settle(memory)
            found.append({row[:3] for row in state(memory)})
    assert found[0] == found[1]


def test_interrupted_work_goes_on_where_it_was() -> None:
    with Memory(":memory:") as memory, Memory(":memory:") as whole:
        for one in (memory, whole):
            one.add_many([{"content": f"{text} ({n})", "at": n} for n in range(40) for text in TEXTS])
        every = TripleFacts(ReplayExtractor({f"{text} ({n})": said(text) for n in range(40) for text in TEXTS}))
        every.consolidate(whole.store, "", Run())
        for stop in (3, 60, 60):
            count = iter(range(10_000))
            with pytest.raises(Cancelled):
                every.consolidate(memory.store, "", Run(cancelled=lambda stop=stop, count=count: next(count) >= stop))
        every.consolidate(memory.store, "", Run())
        assert {row[:3] for row in state(memory)} == {row[:3] for row in state(whole)}


class Model:
    """A language model that answers from a list; what is no JSON raises."""

    name = "listed"

    def __init__(self, answers: Sequence[Any]) -> None:
        self.answers = list(answers)

    def complete(self, messages: Any, *, schema: Any = None, max_tokens: int = 0) -> Completion:
        return Completion("", self.answers.pop(0))


def test_an_answer_that_cannot_be_read_is_asked_for_again() -> None:
    with Memory(":memory:") as memory:
        memory.add_many(TEXTS[:2])
        stage = TripleFacts(
            ModelExtractor(
                Model([{"wrong": 1}, {"triples": said(TEXTS[1])}, {"triples": said(TEXTS[0])}, {"triples": said(TEXTS[1])}])
            )
        )  # type: ignore[arg-type]
        assert stage.consolidate(memory.store, "", Run()).read == 1
        assert stage.consolidate(memory.store, "", Run()).read == 2  # the first is read again, and what came after it
        assert len(state(memory)) == 5


def test_broken_triples_are_counted_and_a_cache_without_any_is_refused(tmp_path: Path) -> None:
    assert read_triples(
        [["a", "b"], "abc", ["a", "b", 3], ["?", "b", "c"], ["a", "b", "c" * 300], ["a", "b", "c"], ["a", "b", "c"]]
    ) == ([("a", "b", "c")], 5)
    with pytest.raises(InputError, match="must be a list"):
        read_triples("abc")
    file = tmp_path / "cache.json"
    file.write_text(json.dumps({"docs": [{"passage": "x", "extracted_triples": [["a", "b"]]}]}))
    with pytest.raises(InputError, match="no triple"):
        ReplayExtractor.of(file)
    for content in ("no json", "{}", '{"docs": [1]}'):
        file.write_text(content)
        with pytest.raises(InputError, match="no cache of extractions"):
            ReplayExtractor.of(file)
