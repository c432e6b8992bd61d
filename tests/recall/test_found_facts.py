"""No context states a fact that was superseded as if it held: neither the fact itself nor what somebody once said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina import Memory
from lamina.records import Run
from lamina.semantic.facts import FactStage
from lamina.times import parse_moment
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder

HISTORIES = Path("corpora/facts.jsonl")


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock))


def lines(memory: Memory, cue: str, **conditions: object) -> list[str]:
    text = memory.context(cue, budget=800, **conditions).text  # type: ignore[arg-type]
    return [line for line in text.splitlines() if line.startswith("- ")]


def test_what_somebody_said_before_it_changed_is_labelled(memory: Memory) -> None:
    memory.add("I live in Porto.", speaker="Ana", session="a", at="2024-01-05")
    memory.add("I moved to Lisbon.", speaker="Ana", session="b", at="2024-04-10")
    assert "- Ana: I live in Porto." in lines(memory, "where does Ana live?")
    memory.consolidate()
    shown = lines(memory, "where does Ana live?")
    assert "- (superseded 10 April 2024) Ana: I live in Porto." in shown
    assert "- Ana: I moved to Lisbon." in shown
    assert lines(memory, "where does Ana live?", sessions="a") == ["- (superseded 10 April 2024) Ana: I live in Porto."]


def test_facts_say_themselves_that_they_are_over(memory: Memory) -> None:
    memory.add("I work at Nordbank.", speaker="Ana", session="a", at="2024-01-05")
    memory.add("I no longer work at Nordbank.", speaker="Ana", session="b", at="2024-04-10")
    memory.consolidate()
    assert lines(memory, "Ana employer", kinds="fact") == ["- (fact) Ana's employer until 2024-04-10: Nordbank"]
    assert any(
        line.startswith("- (superseded") and "I work at Nordbank" in line for line in lines(memory, "where does Ana work?")
    )


def test_the_label_goes_with_what_it_rested_on(memory: Memory) -> None:
    memory.add("I live in Porto.", speaker="Ana", session="a", at="2024-01-05")
    [newer] = memory.add("I moved to Lisbon.", speaker="Ana", session="b", at="2024-04-10")
    memory.consolidate()
    memory.delete(newer)
    assert "- Ana: I live in Porto." in lines(memory, "where does Ana live?")
    memory.consolidate()
    assert "- Ana: I live in Porto." in lines(memory, "where does Ana live?")


def test_a_trace_keeps_its_own_history(memory: Memory) -> None:
    [first] = memory.add("I live in Porto.", speaker="Ana", session="a", at="2024-01-05")
    memory.add("I moved to Lisbon.", speaker="Ana", session="b", at="2024-04-10")
    memory.consolidate()
    assert [item.id for item in memory.history(first)] == [first]
    assert not memory.doctor()


def test_no_context_of_any_history_states_what_no_longer_holds(clock: Clock) -> None:
    rows = [json.loads(line) for line in HISTORIES.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if not row["control"] and row["part"] == "development"][::2]
    labelled = 0
    with Memory(":memory:", embedder=WordEmbedder(), run=Run(clock=clock)) as memory:
        for row in rows:
            memory.add_many(row["messages"], user=row["id"])
        memory.consolidate(scope="*")
        store = memory.store
        for row in rows:
            scope = "/" + row["id"]
            facts = [item for item in FactStage().derived(store, scope) if "value" in item.data]
            now = parse_moment(row["now"]).at
            over = [one for one in facts if (one.until is not None and one.until <= now) or one.data["state"] == "refuted"]
            holding = {
                edge.dst
                for one in facts
                if one not in over and one.retired_at is None
                for edge in store.edges.out([one.key], ["cites"])
            }
            stated = {edge.dst for one in over for edge in store.edges.out([one.key], ["cites"])} - holding
            enders = {one.data["why"].get("trace") for one in over if "why" in one.data}
            old = [item for item in store.items.by_key(sorted(stated)).values() if item.id not in enders]
            shown = lines(memory, " ".join(item.text for item in old) or "x", user=row["id"])
            for item in old:
                if "no longer" in item.text or "any more" in item.text:
                    continue  # it says itself that it is over
                for line in shown:
                    if item.text in line:
                        assert line.startswith("- (superseded "), (row["id"], line)
                        labelled += 1
            texts = {one.text for one in facts if one not in over}
            wrong = {
                f"- (fact) {one.data['subject']}'s {one.data['attribute']}: {one.data['value']}"
                for one in over
                if one.text not in texts
            }
            current = {f"- (fact) {text}" for text in texts}
            assert not (wrong - current) & set(shown), row["id"]
    assert labelled > 20
