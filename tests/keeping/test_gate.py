"""The write gate: junk is hidden or refused by named rules, answers and facts are kept, and nothing hidden is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina import Filter, Memory
from lamina.bench.demo import collection
from lamina.bench.gate import as_assistant, polluted, read_labelled, scores, verdicts
from lamina.errors import ConfigError
from lamina.keeping.gate import REMEMBERING, RULES, Gate
from lamina.keeping.messages import Draft

LONG = "My sister Greta is allergic to nuts and to cats, keep that in mind."
LABELLED = Path(__file__).parents[2] / "corpora" / "gate.jsonl"


def hidden(memory: Memory) -> dict[str, str]:
    items = memory.get_all(where=Filter(forgotten=True), limit=100).items
    return {item.text: item.data["gate"] for item in items if "gate" in item.data}


def test_what_is_marked_is_neither_recalled_nor_derived_from_and_comes_back_with_restore() -> None:
    with Memory(":memory:", gate="mark") as memory:
        offer = "How can I help you today?"
        ids = memory.add([{"role": "assistant", "content": offer}, {"role": "user", "content": LONG}], session="s")
        assert len(ids) == 2
        assert hidden(memory) == {offer: "boilerplate"}
        memory.consolidate()
        assert [hit.text for hit in memory.search("help you today", kinds="trace")] == [LONG]
        assert all(offer not in item.text for item in memory.get_all(kinds="episode", limit=10).items)
        assert memory.restore(ids[:1]) == 1
        memory.consolidate()
        assert offer in [hit.text for hit in memory.search("help you today", kinds="trace")]


def test_what_is_refused_is_not_in_the_file_and_is_counted() -> None:
    gate = Gate("refuse")
    with Memory(":memory:", gate=gate) as memory:
        ids = memory.add([{"role": "tool", "content": "HEARTBEAT_OK"}, {"role": "user", "content": "I moved to Faro."}])
        assert len(ids) == 1
        assert memory.count() == 1
        assert dict(gate.counts) == {"heartbeat": 1}
        assert memory.add({"role": "tool", "content": "ping"}) == []


def test_without_a_gate_nothing_is_judged() -> None:
    with Memory(":memory:") as memory:
        memory.add([{"role": "tool", "content": "ping"}] * 3)
        assert memory.count() == 3


def test_a_yes_is_always_kept_and_an_ok_where_it_may_be_an_answer() -> None:
    with Memory(":memory:", gate="mark") as memory:
        memory.add(
            [{"role": "assistant", "content": "Shall I book it?"}, "ok", {"role": "assistant", "content": "It is booked."}, "ok"],
            session="s",
        )
        memory.add(["Yes.", "Yes."], session="t")
        memory.add("ok", session="what was said before is not known")
        assert hidden(memory) == {"ok": "assent"}
        assert memory.count() == 6


def test_the_same_words_again_are_a_repetition_only_of_the_same_speaker_in_the_same_session() -> None:
    with Memory(":memory:", gate="mark") as memory:
        memory.add(LONG, session="s")
        memory.add(LONG.upper() + "!", session="s")
        memory.add({"role": "assistant", "content": LONG}, session="s")
        memory.add(LONG, session="t")
        memory.add(LONG.replace("nuts", "milk"), session="s")
        assert hidden(memory) == {LONG.upper() + "!": "repeat"}


@pytest.mark.parametrize("taken", ["delete", "forget"])
def test_nothing_is_a_repetition_of_what_was_taken_away(taken: str) -> None:
    with Memory(":memory:", gate="mark") as memory:
        [id] = memory.add(LONG, session="s")
        getattr(memory, taken)([id])
        memory.add(LONG, session="s")
        assert memory.count(where=Filter()) >= 1
        assert not hidden(memory)


def test_a_write_that_failed_does_not_make_its_repetition_junk(monkeypatch: pytest.MonkeyPatch) -> None:
    with Memory(":memory:", gate="mark") as memory:
        with monkeypatch.context() as patch:
            patch.setattr(memory.store.items, "add", lambda items: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                memory.add(LONG, session="s")
        memory.add(LONG, session="s")
        assert not hidden(memory)
        assert memory.count() == 1


def test_lines_of_a_tool_that_differ_in_numbers_alone_are_a_series_from_the_fourth_on() -> None:
    with Memory(":memory:", gate="mark") as memory:
        memory.add([{"role": "tool", "content": f"disk at {n} of 900 gigabytes"} for n in range(6)], session="s")
        assert len(hidden(memory)) == 3
        memory.add([{"role": "user", "content": f"I weigh {n} kg"} for n in range(6)], session="t")
        assert len(hidden(memory)) == 3


def test_recalled_text_that_an_assistant_says_again_is_an_echo() -> None:
    with Memory(":memory:", gate="mark") as memory:
        memory.add(LONG, session="s")
        memory.search("who is allergic?")
        memory.add({"role": "assistant", "content": LONG}, session="t")
        assert hidden(memory) == {LONG: "echo"}


def test_pictures_tool_calls_and_corrections_are_kept() -> None:
    gate = Gate()
    assert gate.judge(Draft("Thanks!", role="user", data={"captions": ["a red kettle"]}), "") is None
    assert gate.judge(Draft("ping", role="assistant", data={"tool_calls": [{"name": "x"}]}), "") is None
    with Memory(":memory:", gate="refuse") as memory:
        [id] = memory.add("I moved to Faro.")
        assert memory.get(memory.update(id, "Thanks!")).text == "Thanks!"


@pytest.mark.parametrize("bad", ["drop", "", "MARK"])
def test_an_unknown_gate_is_refused(bad: str) -> None:
    with pytest.raises(ConfigError):
        Memory(":memory:", gate=bad)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="no rule of the gate 'nonsense'"):
        Gate(rules=["nonsense"])
    assert Gate(rules=["courtesy"]).judge(Draft("ping", role="tool"), "") is None


def test_what_a_gate_remembers_is_bounded() -> None:
    gate = Gate(sessions=2, texts=3)
    for number in range(50):
        for session in "abcd":
            gate.learn(Draft(f"text {number} of a session", session=session), "", str(number), None)
    assert len(gate._known) == 2
    assert all(len(one.said) <= 3 and len(one.series) <= 3 for one in gate._known.values())


def test_the_labelled_messages_are_told_apart() -> None:
    messages = [one for one in read_labelled(LABELLED) if one.part == "held-out"]
    found = scores([one is not None for one in verdicts(Gate(), messages)], [one.junk for one in messages])
    assert len(messages) > 300
    assert found["precision"] > 0.95
    assert found["recall"] > 0.55
    assert set(filter(None, verdicts(Gate(), read_labelled(LABELLED)))) >= set(RULES) - {"blank"} | set(REMEMBERING[1:2])


def test_no_message_that_answers_a_question_of_the_packaged_conversation_is_hidden() -> None:
    assert as_assistant([collection()])["evidence_lost"] == 0
    one = polluted(collection(), [Draft("ping 12", role="tool")], 2, 0)
    assert len(one.passages) == 3 * len(collection().passages)
