"""What a prompt says of superseded statements and of echoes, as a memory's users meet it."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.records import Edge, Filter, Run
from lamina.times import parse_moment
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder

CUE = "where does Ana live?"
RETIRED = Filter(retired=True)


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock))


def records(memory: Memory, **conditions: object) -> list[str]:
    """The records of a context, without delimiters, notice and headings."""
    text = memory.context(CUE, budget=500, **conditions).text  # type: ignore[arg-type]
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_a_corrected_statement_is_not_shown_unless_it_is_asked_for(memory: Memory, clock: Clock) -> None:
    [old] = memory.add("I live in Porto", speaker="Ana", at="2025-06-01")
    clock.advance(days=33)
    memory.update(old, "I live in Lisbon")
    assert records(memory) == ["- Ana: I live in Lisbon"]
    assert records(memory, where=RETIRED) == ["- (superseded 3 February 2026) Ana: I live in Porto", "- Ana: I live in Lisbon"]


def test_what_was_known_then_is_labelled_with_the_day_it_was_corrected(memory: Memory, clock: Clock) -> None:
    [old] = memory.add("I live in Porto", speaker="Ana")
    before = clock()
    clock.advance(days=33)
    assert records(memory, known_at=before) == ["- Ana: I live in Porto"]
    memory.update(old, "I live in Lisbon")
    assert records(memory, known_at=before) == ["- (superseded 3 February 2026) Ana: I live in Porto"]


def test_a_chain_of_corrections_labels_all_but_the_last(memory: Memory, clock: Clock) -> None:
    [id] = memory.add("I live in Porto", speaker="Ana")
    for place in ("Lisbon", "Faro"):
        clock.advance(days=1)
        id = memory.update(id, f"I live in {place}")
    assert records(memory, where=RETIRED) == [
        "- (superseded 2 January 2026) Ana: I live in Porto",
        "- (superseded 3 January 2026) Ana: I live in Lisbon",
        "- Ana: I live in Faro",
    ]


def test_a_correction_of_the_time_alone_leaves_the_text_that_holds(memory: Memory, clock: Clock) -> None:
    [old] = memory.add("I live in Porto", speaker="Ana", at="2025-06-01")
    clock.advance(days=1)
    memory.update(old, at="2025-07-01")
    recall = memory.context(CUE, budget=500, where=RETIRED)
    assert "[Tue 1 July 2025]\n- Ana: I live in Porto\n" in recall.text
    assert "superseded" not in recall.text


def supersede(memory: Memory, new: str, old: str) -> None:
    keys = memory.store.items.keys_of([new, old])
    with memory.store.transaction():
        memory.store.edges.add([Edge(keys[new], keys[old], "supersedes", recorded_at=parse_moment("2026-01-09").at)])


def test_an_edge_alone_labels_a_statement_with_the_day_of_the_newer_one(memory: Memory) -> None:
    [old] = memory.add("Ana lives in Porto", at="2024-01-01")
    [new] = memory.add("Ana lives in Lisbon", at="2024-05-03")
    assert not any("superseded" in line for line in records(memory))
    supersede(memory, new, old)
    assert records(memory) == ["- (superseded 3 May 2024) Ana lives in Porto", "- Ana lives in Lisbon"]


def test_the_label_is_there_where_the_newer_statement_is_not(memory: Memory) -> None:
    [old] = memory.add("Ana lives in Porto", session="a", at="2024-01-01")
    [new] = memory.add("Ana lives in Lisbon", session="b", at="2024-05-03")
    supersede(memory, new, old)
    assert records(memory, sessions="a") == ["- (superseded 3 May 2024) Ana lives in Porto"]


def test_a_newer_statement_about_an_earlier_time_counts_from_the_day_it_was_told(memory: Memory) -> None:
    [old] = memory.add("Ana lives in Porto", at="2024-05-03")
    [new] = memory.add("Ana lives in Lisbon", at="2024-01-01")
    supersede(memory, new, old)
    assert "- (superseded 9 January 2026) Ana lives in Porto" in records(memory)


def test_when_the_newer_statement_is_deleted_the_older_one_holds_again(memory: Memory) -> None:
    [old] = memory.add("I live in Porto", speaker="Ana")
    memory.delete(memory.update(old, "I live in Lisbon"))
    assert records(memory) == ["- Ana: I live in Porto"]


def test_recalled_text_that_comes_back_stands_in_the_block_once(memory: Memory) -> None:
    memory.add("I moved to a flat in Lisbon, where I live now", speaker="Ana", session="s")
    memory.search(CUE)
    [echo] = memory.add({"role": "assistant", "content": "Ana: I moved to a flat in Lisbon, where I live now"}, session="t")
    item = memory.get(echo)
    assert item is not None
    assert item.data["echo"]
    assert records(memory) == ["- Ana: I moved to a flat in Lisbon, where I live now"]
    assert records(memory, sessions="t") == ["- assistant: Ana: I moved to a flat in Lisbon, where I live now"]


def test_an_echo_of_what_was_corrected_is_superseded_with_it(memory: Memory, clock: Clock) -> None:
    [old] = memory.add("Ana lives in Porto", session="s")
    memory.add({"role": "assistant", "content": "So Ana lives in Porto."}, session="t", echo_of=[old])
    assert records(memory) == ["- Ana lives in Porto"]
    clock.advance(days=1)
    memory.update(old, "Ana lives in Lisbon")
    assert records(memory) == ["- (superseded 2 January 2026) assistant: So Ana lives in Porto.", "- Ana lives in Lisbon"]
