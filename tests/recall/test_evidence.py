"""Evidence: what a feature looks at, and what is said of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from lamina import Memory
from lamina.recall.evidence import LOOKS, Evidence, gather, listed, looks_of, quoted
from lamina.recall.features import FEATURES, Computed
from lamina.recall.ranker import shipped_regimes
from lamina.recall.recaller import Survey
from lamina.records import Run
from tests.conftest import Clock
from tests.recall.world import World

BY_NAME = {feature.name: feature for feature in FEATURES}


def looks(name: str) -> tuple[str, ...]:
    world = World(0)
    return looks_of(BY_NAME[name], world.signals, int(world.slots[5]))


AROUND = ("before", "two before", "after", "two after")


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("bm25", ("words",)),
        ("coverage", ("words",)),
        ("lead", ("words",)),
        ("soft", ("words", "likeness")),
        ("soft_around", (*AROUND, "words", "likeness")),
        ("topic_near", ("before", "after")),
        ("dense", ()),
        ("dense_near", ("before", "after")),
        ("dense_before_two", ("two before",)),
        ("window5", (*AROUND, "words")),
        ("session_coverage", ("session",)),
        ("session_dense", ("session",)),
        ("position", ("place",)),
        ("named_speaker", ("speaker",)),
        ("named_soft", ("speaker", "words", "likeness")),
        ("answers", ("before",)),
        ("after_question", ("before",)),
        ("in_named_time", ("time",)),
        ("tells_named_time", ("time", "told time")),
        ("is_question", ()),
        ("length", ()),
        ("derived", ()),
    ],
)
def test_a_feature_looks_at_what_it_is_computed_from(feature: str, expected: tuple[str, ...]) -> None:
    assert looks(feature) == expected


def test_watching_a_feature_does_not_change_it() -> None:
    """Every feature that there is can be watched, and so has its evidence without being listed anywhere."""
    world = World(1)
    for feature in FEATURES:
        before = feature.column(world.scene)
        assert set(looks_of(feature, world.signals, int(world.slots[3]))) <= set(LOOKS)
        np.testing.assert_array_equal(feature.column(world.scene), before)


def test_a_new_feature_brings_its_evidence_along() -> None:
    new = Computed(
        "both_sides", "around", "words of the cue on both sides", lambda s: np.minimum(s.bm25(s.before), s.bm25(s.after))
    )
    world = World(2)
    assert looks_of(new, world.signals, int(world.slots[3])) == ("before", "after")


# --------------------------------------------------------------------------------------------------------- wording
def evidence_of(memory: Memory, cue: str, text: str, **conditions: Any) -> Evidence:
    hit = next(hit for hit in memory.search(cue, k=50, **conditions) if hit.text == text)
    assert hit.asked is not None
    with memory._recaller.survey(hit.asked, also=[hit.item.key]) as survey:
        return gather(memory.store, survey, hit.item, FEATURES)


@pytest.fixture
def memory(clock: Clock) -> Any:
    with Memory(":memory:", run=Run(clock=clock)) as one:
        one.add(
            [
                {"text": "Did the ferries leave?", "speaker": "Ana", "at": "2026-05-03T10:00"},
                {"text": "At seven, from the harbour.", "speaker": "Ben", "at": "2026-05-03T10:01"},
                {"text": "Long " * 100, "at": "2026-06-03T10:02"},
            ],
            session="quay",
        )
        yield one


def test_facts_say_which_words_stand_where(memory: Memory) -> None:
    facts = evidence_of(memory, "When did ferries leave the harbour, Ana?", "At seven, from the harbour.").facts
    assert facts["words"].text == "it has 1 of the cue's 3 words (harbour; not ferries and leave)"
    assert facts["words"].brief == "1 of 3"
    assert facts["before"].text == (
        "just before it, by Ana: “Did the ferries leave?”, which has 2 of the cue's 3 words (ferries and leave; not harbour)"
    )
    assert facts["after"].text.startswith("just after it: “Long Long")
    assert facts["after"].text.endswith("…”, which has none of the cue's 3 words (ferries, leave and harbour)")
    assert facts["session"].text == "its session quay has all of the cue's 3 words (ferries, leave and harbour)"
    assert facts["speaker"].text == "the cue names Ana; Ben said it"
    assert {"two before", "two after", "time"}.isdisjoint(facts)
    assert facts["words"].ids != facts["before"].ids


@pytest.mark.parametrize(
    ("cue", "words"),
    [
        ("harbour", "it has the cue's only word (harbour)"),
        ("ferry", "it lacks the cue's only word (ferry)"),
        ("harbour seven", "it has all of the cue's 2 words (harbour and seven)"),
        ("boat ship", "it has none of the cue's 2 words (boat and ship)"),
    ],
)
def test_the_edges_of_counting_are_good_english(memory: Memory, cue: str, words: str) -> None:
    assert evidence_of(memory, cue, "At seven, from the harbour.").facts["words"].text == words


def test_a_cue_without_words_has_no_facts_about_them(memory: Memory) -> None:
    facts = evidence_of(memory, "of the", "At seven, from the harbour.").facts
    assert {"words", "session", "speaker"}.isdisjoint(facts)
    assert facts["before"].text == "just before it, by Ana: “Did the ferries leave?”"


def test_facts_say_which_time_the_cue_names(memory: Memory) -> None:
    inside = evidence_of(memory, "the harbour in May 2026", "At seven, from the harbour.").facts["time"]
    assert inside.text == "the cue names the time 2026-05-01 to 2026-05-31; it is dated 2026-05-03, inside"
    assert inside.brief == "2026-05-03"
    outside = evidence_of(memory, "the harbour in May 2026", ("Long " * 100)).facts["time"]
    assert outside.text.endswith("it is dated 2026-06-03, outside")


def test_facts_say_which_time_the_item_speaks_of(clock: Clock) -> None:
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        memory.add({"text": "The regatta was yesterday.", "at": "2026-05-04T10:00"}, session="s")
        facts = evidence_of(memory, "the regatta of 3 May 2026", "The regatta was yesterday.").facts
        assert facts["told time"].text == "it speaks of “yesterday”, 2026-05-03"
        assert facts["time"].text == "the cue names the time 2026-05-03; it is dated 2026-05-04, outside"
        assert "told time" not in evidence_of(memory, "the regatta", "The regatta was yesterday.").facts


def test_an_unknown_speaker_is_said_to_be_unknown(memory: Memory) -> None:
    facts = evidence_of(memory, "what did Ana and Ben say?", "Long " * 100).facts
    assert facts["speaker"].text == "the cue names Ana and Ben; nobody is known to have said it"


def test_facts_say_which_words_stand_for_which(clock: Clock) -> None:
    with Memory(":memory:", run=Run(clock=clock)) as memory:
        memory.add(["The dog sleeps.", "A tax on nothing at all."])
        facts = evidence_of(memory, "which pets sleep?", "The dog sleeps.").facts
        assert re.fullmatch(r"it has in other words: pets as “dog” \(0\.\d\d\)", facts["likeness"].text)
        assert facts["words"].text == "it has 1 of the cue's 2 words (sleep; not pets)"
        assert "likeness" not in evidence_of(memory, "which pets sleep?", "A tax on nothing at all.").facts


def test_facts_say_where_in_its_session_it_stands(memory: Memory) -> None:
    assert evidence_of(memory, "harbour", "At seven, from the harbour.").facts["place"].text == "it is number 2 in its session"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_said_of_words_is_what_was_counted(seed: int) -> None:
    world = World(seed)
    ranker = shipped_regimes().turns
    survey = Survey(world.signals, ranker, ranker, world.slots, np.empty((0, 0), np.float32), np.empty(0, np.float32))
    for slot in world.slots[::7].tolist():
        (item,) = world.store.items.by_key([int(world.view.keys[slot])]).values()
        found = gather(world.store, survey, item, FEATURES)
        count, total = (int(part) for part in found.facts["words"].brief.split(" of "))
        assert (count, total) == (int(world.signals.matched[:, slot].sum()), len(world.cue.terms))
        assert ("before" in found.facts) == (int(world.signals.before(np.array([slot]))[0]) < len(world.signals))
        assert all(fact.ids or fact.what in ("session", "speaker", "time") for fact in found.facts.values())


def test_names_in_a_row() -> None:
    assert [listed(list("abcdefghij")[:count], most=3) for count in range(6)] == [
        "", "a", "a and b", "a, b and c", "a, b, c and 1 more", "a, b, c and 2 more",
    ]  # fmt: skip
    assert quoted("a\n b", 10) == "a b"
    assert quoted("abcdef", 4) == "abc…"
