"""Why an item is as it is: corrections, replacements and forgettings, true to what is recorded, down to the traces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.algorithms.strength import ForgettingPolicy, StrengthState
from lamina.episodic.forgetting import EbbinghausForgetting
from lamina.episodic.layers import LayeredForgetting
from lamina.errors import InputError, NotFoundError
from lamina.recall.explain import Explanation
from lamina.recall.history import explain_history
from lamina.records import Edge, Item, Run, derived_id
from lamina.times import isoformat
from tests.conftest import Clock

START = 1_767_268_800_000_000


@pytest.fixture
def memory(clock: Clock) -> Iterator[Memory]:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        yield one


def levels(found: Explanation, level: int) -> list[str]:
    return [node.text for node in found.walk() if node.level == level]


def of(memory: Memory, id: str) -> Explanation:
    return explain_history(memory.store, id)


# ------------------------------------------------------------------------------------------------------ corrections
def test_a_correction_says_what_changed_from_what_to_what(memory: Memory, clock: Clock) -> None:
    old = memory.add("The rent is 900 euros.", user="ana", speaker="Ana")[0]
    clock.advance(days=1)
    new = memory.update(old, "The rent is 950 euros.", at="2026-02-01", metadata={"flat": 3})
    assert str(of(memory, old)) == (
        f"trace {old} “The rent is 900 euros.”: it was replaced on 2026-01-02 by trace {new} “The rent is 950 euros.”."
    )
    assert str(of(memory, new)).endswith("it holds, in the place of 1 earlier version.")
    changed = [node for node in of(memory, new).walk() if node.id.startswith("changed/")]
    assert [node.text for node in changed] == [
        "text: from “The rent is 900 euros.” to “The rent is 950 euros.”",
        "time: from 2026-01-01T12:00:00+00:00 to 2026-02-01T00:00:00+00:00",
        "metadata: from nothing to flat=3",
    ]
    assert of(memory, old).unfold().count("“The rent is 900 euros.” to") == 1
    assert {node.evidence[0] for node in of(memory, old).walk() if node.level == 4} == {old, new}


def test_a_correction_whose_newer_version_was_deleted_is_not_told(memory: Memory) -> None:
    old = memory.add("The rent is 900 euros.")[0]
    new = memory.update(old, "The rent is 950 euros.")
    memory.delete(new)
    found = of(memory, old)
    assert "it holds again, since what had taken its place was deleted" in found.unfold()
    assert str(found).endswith("it holds.")
    assert "950" not in found.unfold()


# ------------------------------------------------------------------------------------------------------- forgetting
@pytest.mark.parametrize("policy", [EbbinghausForgetting(), LayeredForgetting()])
def test_a_policy_its_strength_and_the_day_are_told_as_they_are_recorded(
    memory: Memory, clock: Clock, policy: ForgettingPolicy
) -> None:
    id = memory.add("The bakery opens at seven.")[0]
    memory.reinforce([id], policy=policy)
    clock.advance(days=400)
    assert memory.forget(policy=policy) == 1
    key = memory.store.items.keys_of([id])[id]
    state = StrengthState.from_json(memory.store.strengths.get(policy.name, [key])[key])
    found = of(memory, id)
    said = re.search(
        r"it is forgotten since (\S+) by the policy (\S+): (?:strength|importance) ([\d.]+)(?: in the layer (\w+))?, (\d+) uses?, the last ([\d.]+) days",
        str(found),
    )
    assert said is not None
    assert said[1] == isoformat(clock.now)[:10]
    assert said[2] == policy.name
    assert float(said[3]) == pytest.approx(state.importance if state.layer else state.strength, abs=0.0051)
    assert (said[4], int(said[5]), float(said[6])) == (state.layer, state.accesses, pytest.approx(400, abs=0.06))
    details = levels(found, 2)
    assert f"held since {isoformat(state.created)}" in details
    assert any("recorded as" in text for text in details)


def test_what_was_restored_since_no_longer_says_a_strength_it_does_not_know(memory: Memory, clock: Clock) -> None:
    policy = EbbinghausForgetting(threshold=0.5)
    id, _ = memory.add(["The bakery opens at seven.", "The mill is closed."])
    clock.advance(days=30)
    memory.forget(policy=policy)
    memory.restore(id)
    found = of(memory, id)
    assert str(found).endswith("it holds.")
    assert "how strong it was then is no longer recorded" in levels(found, 2)
    clock.advance(days=30)
    memory.forget(policy=policy)
    assert "never used in 30.0 days" in str(of(memory, id))
    assert levels(of(memory, id), 2).count("how strong it was then is no longer recorded") == 1


def test_who_forgets_by_an_id_is_quoted_with_the_reason(memory: Memory) -> None:
    first, second = memory.add(["One.", "Two."])
    memory.forget(first, reason="moved out")
    memory.forget(second)
    assert "it is forgotten since 2026-01-01 (“moved out”)" in str(of(memory, first))
    assert "it is forgotten since 2026-01-01, no reason was given" in str(of(memory, second))


def test_what_the_write_gate_hid_says_so() -> None:
    with Memory(":memory:", gate="mark") as memory:
        id = memory.add("thanks!", role="user")[0]
        assert "it is hidden: the write gate took it for junk (" in str(of(memory, id))


def test_an_event_that_names_its_policy_tells_it_beside_the_reason(memory: Memory, clock: Clock) -> None:
    id = memory.add("The bakery opens at seven.")[0]
    clock.advance(days=400)
    key = memory.store.items.keys_of([id])[id]
    memory.forget(id)
    event = memory.history(id)[-1]
    with memory.store.transaction():
        memory.store.items.delete([event.key])
        named = replace(event, key=0, data={**event.data, "policy": "ebbinghaus/1", "reason": "spring cleaning"})
        [place] = memory.store.items.add([named])
        memory.store.edges.add([Edge(place.key, key, "mentions")])
    assert "by the policy ebbinghaus/1 (“spring cleaning”)" in str(of(memory, id))


# -------------------------------------------------------------------------------------------------- derived items
def fact(memory: Memory, text: str, sources: list[str], old: int | None = None) -> Item:
    id = derived_id("fact", "", "facts/1", sources, text)
    item = Item(id, "fact", text, at=START, recorded_at=START, made_by="facts/1")
    keys = memory.store.items.keys_of(sources)
    with memory.store.transaction():
        key = memory.store.items.put(item)
        memory.store.edges.add(Edge(key, source, "cites", recorded_at=START) for source in keys.values())
        if old is not None:
            memory.store.edges.add([Edge(key, old, "supersedes", made_by="facts/1", recorded_at=START + 86_400_000_000)])
            memory.store.items.retire([old], START + 86_400_000_000)
    return replace(item, key=key)


def test_a_replaced_fact_unfolds_to_the_traces_of_both(memory: Memory) -> None:
    first, second = memory.add(["Ana lives in Porto.", "Ana moved to Braga."])
    old = fact(memory, "Ana lives in Porto", [first])
    new = fact(memory, "Ana lives in Braga", [second], old.key)
    found = of(memory, old.id)
    assert str(found) == (
        f"fact {old.id} “Ana lives in Porto”: it was replaced on 2026-01-02 by fact {new.id} by facts/1 “Ana lives in Braga”."
    )
    text = found.unfold()
    assert "“Ana lives in Porto.”" in text
    assert "“Ana moved to Braga.”" in text
    memory.forget(second)
    assert ", forgotten): “Ana moved to Braga.”" in of(memory, old.id).unfold()
    assert "it is blank: one of its sources was deleted, corrected or hidden" in str(of(memory, new.id))


def test_what_rests_on_derived_items_unfolds_through_them_and_survives_a_circle(memory: Memory) -> None:
    traces = memory.add(["One.", "Two."])
    low = fact(memory, "low", traces)
    high = fact(memory, "high", [low.id])
    with memory.store.transaction():
        memory.store.edges.add([Edge(low.key, high.key, "cites")])
    found = of(memory, high.id)
    assert [node.evidence[0] for node in found.walk() if node.level == 4] == traces
    assert [node.title for node in found.walk() if node.level == 3] == [f"fact {low.id}"]


def test_what_speaks_against_an_item_is_told(memory: Memory) -> None:
    one, other = memory.add(["The mill is open.", "The mill burnt down."])
    keys = memory.store.items.keys_of([one, other])
    with memory.store.transaction():
        memory.store.edges.add([Edge(keys[other], keys[one], "refutes", recorded_at=START)])
    assert f"trace {other} speaks against it" in str(of(memory, one))
    memory.forget(other)
    assert "speaks against it" not in str(of(memory, one))


# ------------------------------------------------------------------------------------------------------ as a whole
DEEDS = st.lists(st.sampled_from(["update", "forget", "restore", "feedback"]), max_size=7)


@given(DEEDS)
def test_everything_that_was_done_is_told_once_in_order_and_the_sentence_says_what_holds(deeds: list[str]) -> None:
    clock = Clock(START)
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        ids = [memory.add("Boat 0.", speaker="Ana")[0]]
        done = []
        for n, deed in enumerate(deeds):
            clock.advance(days=1)
            if deed == "update":
                ids.append(memory.update(ids[-1], f"Boat {n + 1}."))
                done.append("corrected")
            elif deed == "feedback":
                memory.feedback(ids[-1], cue="boat?")
                done.append("feedback")
            elif (memory.forget if deed == "forget" else memory.restore)(ids[-1]):
                done.append(deed)
        for id in ids:
            found = of(memory, id)
            assert [node.id.partition("/")[0] for node in found.walk() if node.level == 1] == ["stored", *done]
            days = [node.text[:10] for node in found.walk() if node.level == 1]
            assert days == sorted(days)
            item = memory.get(id)
            assert item is not None
            assert ("it was replaced" in str(found)) == (item.retired_at is not None)
            assert ("it is forgotten" in str(found)) == item.forgotten
            assert ("it holds" in str(found)) == (not item.forgotten and item.retired_at is None)
            assert {node.evidence[0] for node in found.walk() if node.level == 4} == set(ids)
            assert found.unfold() == of(memory, id).unfold()
            assert [line for line in found.unfold().splitlines() if "): “Boat " in line and "see above" not in line] != []
            for one in ids:  # every trace is quoted once, and only referred to afterwards
                assert sum(line.strip().startswith(f"trace {one} (") for line in found.unfold().splitlines()) == 1


def test_what_has_no_history_is_refused(memory: Memory) -> None:
    id = memory.add("One.")[0]
    memory.forget(id)
    event = next(item for item in memory.history(id) if item.role == "event")
    with pytest.raises(InputError, match=f"is an event: ask for the history of what it is about \\({id}\\)"):
        of(memory, event.id)
    memory.delete(id)
    with pytest.raises(NotFoundError, match="there is no item"):
        of(memory, id)
