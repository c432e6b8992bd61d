"""Times that hang on an event are resolved by a first recall of the event."""

from __future__ import annotations

import pytest

from lamina import Memory
from lamina.records import Hit, Run
from lamina.times import parse_moment

SAID = [
    ("2024-02-03", "Ben", "I bought new skis on Saturday, they are far too long for me."),
    ("2024-03-09", "Ana", "This week I learned to throw a bowl on the wheel, at last."),
    ("2024-03-16", "Ben", "We painted the shed, and the dog is green now."),
    ("2024-03-30", "Ana", "My birthday was lovely, thank you all for coming on Thursday!"),
    ("2024-04-06", "Ana", "I caught a terrible cold and slept for days."),
    ("2024-04-20", "Ana", "We planted the plum tree behind the house."),
    ("2024-05-04", "Ben", "The concert was loud, my ears still ring."),
    ("2024-05-05", "Ben", "I mended the fence in the rain."),
]
CUE = "What did Ana do two weeks before her birthday?"


@pytest.fixture
def memory() -> Memory:
    now = parse_moment("2024-06-01").at
    made = Memory(":memory:", embedder="wordllama", run=Run(clock=lambda: now))
    for day, speaker, text in SAID:
        made.add(text, at=f"{day}T18:00:00+00:00", speaker=speaker, role="user", session=day)
    return made


def in_named_time(hits: list[Hit]) -> list[str]:
    """The hits that lie in a time the cue names."""
    return [hit.text for hit in hits if any(reason.feature == "in_named_time" for reason in hit.reasons)]


def test_a_cue_with_an_anchor_finds_what_was_said_then(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    best = memory.search(CUE, k=8)
    assert in_named_time(best) == [SAID[2][2]], "the week of 11 March is meant: the birthday was on 28 March"
    monkeypatch.setattr("lamina.recall.recaller.find_anchors", lambda text: [])
    without = memory.search(CUE, k=8)
    assert not in_named_time(without)
    assert [hit.text for hit in best].index(SAID[2][2]) < [hit.text for hit in without].index(SAID[2][2])


def test_the_day_after_an_event_is_found(memory: Memory) -> None:
    assert in_named_time(memory.search("What happened the day after the concert?", k=8)) == [SAID[7][2]]


def test_an_event_nobody_spoke_of_gives_no_time(memory: Memory) -> None:
    assert not in_named_time(memory.search("What did Ana do two weeks before the earthquake?", k=8))


def test_a_cue_without_an_anchor_is_recalled_once(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.recall.recaller import Recaller

    calls: list[str] = []
    search = Recaller.search
    monkeypatch.setattr(Recaller, "search", lambda self, text, *rest: calls.append(text) or search(self, text, *rest))
    memory.search("Who painted the shed?")
    assert calls == ["Who painted the shed?"]
    memory.search(CUE)
    assert calls[1:] == [CUE, "ana her birthday"]
