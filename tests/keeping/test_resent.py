"""A history that is sent again with every turn: what is new in it is stored, and nothing else."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory

HISTORY = [
    {"role": "system", "content": "You help Ana."},
    {"role": "user", "content": "My bike is red."},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": "And the lock is 4711."},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": "Which colour is my bike?"},
]


def texts(memory: Memory, session: str = "s", **whose: str) -> list[str]:
    """What a session holds, in the order of recording."""
    return [item.text for item in memory.get_all(sessions=[session], **whose).items]


@pytest.fixture
def memory() -> Memory:
    return Memory(":memory:")


def test_each_turn_stores_what_is_new(memory: Memory) -> None:
    ids: list[str] = []
    for end in range(1, len(HISTORY) + 1):
        found = memory.add(HISTORY[:end], session="s", resent=True)
        assert found[:-1] == ids
        ids = found
    assert texts(memory) == [one["content"] for one in HISTORY]
    assert memory.add(HISTORY, session="s", resent=True) == ids
    assert memory.count() == len(HISTORY)


def test_without_it_everything_is_stored_again(memory: Memory) -> None:
    memory.add(HISTORY, session="s")
    memory.add(HISTORY, session="s")
    assert memory.count() == 2 * len(HISTORY)


def test_a_window_of_the_history_and_a_new_first_message(memory: Memory) -> None:
    memory.add(HISTORY[:5], session="s", resent=True)
    memory.add(HISTORY[2:], session="s", resent=True)
    assert texts(memory) == [one["content"] for one in HISTORY]
    memory.add(
        [{"role": "system", "content": "Summary: a bike."}, *HISTORY[4:], {"role": "assistant", "content": "Red."}],
        session="s",
        resent=True,
    )
    assert texts(memory)[len(HISTORY) :] == ["Summary: a bike.", "Red."]


def test_what_is_said_again_is_said_again(memory: Memory) -> None:
    for _ in range(2):
        memory.add(
            [*HISTORY[:3], {"role": "user", "content": "My bike is red."}, {"role": "assistant", "content": "Noted."}],
            session="s",
            resent=True,
        )
    assert texts(memory).count("My bike is red.") == 2


def test_sessions_and_scopes_are_apart(memory: Memory) -> None:
    memory.add(HISTORY, session="s", user="ana", resent=True)
    memory.add(HISTORY, session="t", user="ana", resent=True)
    memory.add(HISTORY, session="s", user="ben", resent=True)
    assert memory.count(scope="*") == 3 * len(HISTORY)


def test_forgotten_and_corrected_messages_do_not_come_back_but_deleted_ones_do(memory: Memory) -> None:
    ids = memory.add(HISTORY, session="s", resent=True)
    memory.forget(ids[3])
    memory.update(ids[1], "My bike is blue.")
    assert memory.add(HISTORY, session="s", resent=True) == ids
    assert "And the lock is 4711." not in texts(memory)
    assert "My bike is red." not in texts(memory)
    memory.delete(ids[3])
    memory.add(HISTORY, session="s", resent=True)
    assert texts(memory)[-1] == "And the lock is 4711."


def test_long_messages_and_redacted_ones_are_known() -> None:
    memory = Memory(":memory:", redact="email")
    long = {"role": "user", "content": "The pump ran for an hour. " * 2000}
    mail = {"role": "user", "content": "Write to ana@example.org."}
    first = memory.add([long, mail], session="s", resent=True)
    again = memory.add([long, mail, {"role": "assistant", "content": "Done."}], session="s", resent=True)
    assert again[:-1] == first
    assert memory.count() == len(first) + 1


def test_a_gate_does_not_take_it_for_repetition() -> None:
    memory = Memory(":memory:", gate="mark")
    memory.add(HISTORY, session="s", resent=True)
    memory.add([*HISTORY, {"role": "user", "content": "I sold it in May."}], session="s", resent=True)
    assert "I sold it in May." in texts(memory)
    assert memory.search("who sold it?")


def test_two_at_once_store_it_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    memories = [Memory(tmp_path / "m.db") for _ in range(2)]
    threads = [threading.Thread(target=one.add, args=(HISTORY,), kwargs={"session": "s", "resent": True}) for one in memories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memories[0].count() == len(HISTORY)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30), st.data())
def test_histories_that_grow_are_stored_as_they_are(said: list[str], data: st.DataObject) -> None:
    memory = Memory(":memory:")
    end = 0
    while end < len(said):
        end = data.draw(st.integers(end + 1, len(said)))
        memory.add([{"role": "user", "content": one} for one in said[:end]], session="s", resent=True)
    assert texts(memory) == said
    memory.close()


def test_a_thousand_messages_are_compared_quickly(memory: Memory) -> None:
    drawn = random.Random(0)
    long = [{"role": "user", "content": drawn.choice(["ok", "yes", f"Reading {n}."])} for n in range(1000)]
    memory.add(long, session="s", resent=True)
    memory.add([*long, HISTORY[1]], session="s", resent=True)
    assert memory.count() == 1001
