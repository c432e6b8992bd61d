"""The client in mem0's shape: its calls, its results, its filters, and its ids that stay."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.errors import InputError, NotFoundError
from lamina.integrations.mem0 import AsyncMemory, Memory, MemoryClient
from lamina.integrations.mem0_filters import meets


@pytest.fixture
def memory() -> Any:
    with Memory(path=":memory:") as made:
        yield made


ANA = {"user_id": "ana"}


def test_a_conversation_is_kept_word_for_word_without_its_system_messages(memory: Memory) -> None:
    messages = [
        {"role": "system", "content": "You are helpful. User Memories: - likes tea"},
        {"role": "user", "content": "I moved to Lisbon."},
        {"role": "assistant", "content": "How is the new flat?"},
    ]
    added = memory.add(messages, user_id="ana", metadata={"topic": "home"})
    assert [(one["memory"], one["event"], one["role"]) for one in added["results"]] == [
        ("I moved to Lisbon.", "ADD", "user"),
        ("How is the new flat?", "ADD", "assistant"),
    ]
    found = memory.get_all(filters=ANA)["results"]
    assert [one["memory"] for one in found] == ["I moved to Lisbon.", "How is the new flat?"]
    assert found[0]["metadata"] == {"topic": "home"}
    assert found[0]["user_id"] == "ana"
    assert {"id", "memory", "hash", "created_at", "updated_at"} <= set(found[0])


def test_nothing_is_capped_in_silence(memory: Memory) -> None:
    memory.add([{"role": "user", "content": f"Fact number {n}."} for n in range(250)], user_id="ana")
    assert len(memory.get_all(filters=ANA)["results"]) == 250
    assert len(memory.get_all(filters=ANA, top_k=7)["results"]) == 7
    assert len(memory.get_all(user_id="ana", limit=9)["results"]) == 9


def test_ids_may_stand_in_the_filters_or_beside_them(memory: Memory) -> None:
    memory.add("Sardines are best in June.", user_id="ana")
    for call in ({"filters": ANA}, {"user_id": "ana"}, {"filters": {}, "user_id": "ana", "limit": 3, "version": "v2"}):
        assert memory.search("sardines", **call)["results"][0]["memory"] == "Sardines are best in June."


def test_nobody_sees_what_belongs_to_somebody_else(memory: Memory) -> None:
    memory.add("Ana likes sardines.", user_id="ana", agent_id="cook", run_id="r1")
    memory.add("Ben likes sardines.", user_id="ben", agent_id="cook")
    texts = lambda **filters: {one["memory"] for one in memory.search("sardines", filters=filters)["results"]}  # noqa: E731
    assert texts(user_id="ana") == {"Ana likes sardines."}
    assert texts(agent_id="cook") == {"Ana likes sardines.", "Ben likes sardines."}
    assert texts(user_id="ben", run_id="r1") == set()
    assert texts(run_id="r1") == {"Ana likes sardines."}
    assert texts(user_id="an") == set()
    with pytest.raises(InputError, match="at least one of"):
        memory.search("sardines", filters={"topic": "food"})


def test_an_id_stays_the_same_when_a_memory_is_updated(memory: Memory) -> None:
    id = memory.add("Ana lives in Porto.", user_id="ana", metadata={"kind": "home"})["results"][0]["id"]
    before = memory.get(id)
    assert memory.update(id, "Ana lives in Lisbon.") == {"message": "Memory updated successfully!"}
    memory.update(id, data="Ana lives in Braga.", metadata={"sure": True, "user_id": "ben"})
    after = memory.get(id)
    assert before is not None
    assert after is not None
    assert (after["id"], after["memory"], after["created_at"]) == (id, "Ana lives in Braga.", before["created_at"])
    assert after["metadata"] == {"kind": "home", "sure": True}
    assert after["user_id"] == "ana"
    assert [one["id"] for one in memory.search("where does Ana live?", filters=ANA)["results"]] == [id]
    assert [(one["event"], one["old_memory"], one["new_memory"]) for one in memory.history(id)] == [
        ("ADD", None, "Ana lives in Porto."),
        ("UPDATE", "Ana lives in Porto.", "Ana lives in Lisbon."),
        ("UPDATE", "Ana lives in Lisbon.", "Ana lives in Braga."),
    ]


def test_a_deleted_memory_is_gone_in_every_version(memory: Memory) -> None:
    id = memory.add("Ana lives in Porto.", user_id="ana")["results"][0]["id"]
    memory.update(id, "Ana lives in Lisbon.")
    memory.delete(id)
    assert memory.get(id) is None
    assert memory.history(id) == []
    assert memory.memory.count(where=lamina.Filter(scope="*", retired=True)) == 0
    with pytest.raises(NotFoundError):
        memory.delete(id)


def test_delete_all_takes_what_belongs_to_all_the_ids(memory: Memory) -> None:
    memory.add("one", user_id="ana", run_id="r1")
    memory.add("two", user_id="ana", run_id="r2")
    memory.add("three", user_id="ben", run_id="r1")
    memory.delete_all(user_id="ana", run_id="r1")
    assert [one["memory"] for one in memory.get_all(filters=ANA)["results"]] == ["two"]
    with pytest.raises(InputError):
        memory.delete_all()
    memory.reset()
    assert memory.get_all(filters={"run_id": "r1"})["results"] == []


def test_what_has_expired_is_shown_only_on_request(memory: Memory) -> None:
    today = datetime.now(UTC).date()
    memory.add("Tickets are valid.", user_id="ana", expiration_date=today - timedelta(days=1))
    memory.add("Passport is valid.", user_id="ana", expiration_date=(today + timedelta(days=30)).isoformat())
    assert [one["memory"] for one in memory.search("valid", filters=ANA)["results"]] == ["Passport is valid."]
    assert len(memory.search("valid", filters=ANA, show_expired=True)["results"]) == 2
    assert memory.get_all(filters=ANA)["results"][0]["expiration_date"] == (today + timedelta(days=30)).isoformat()
    with pytest.raises(InputError, match="expiration_date"):
        memory.add("x", user_id="ana", expiration_date="tomorrow")


def test_filters_have_mem0s_operators_and_hold_before_ranking(memory: Memory) -> None:
    for n in range(30):
        memory.add(
            f"Hotel number {n} near the harbour.", user_id="ana", metadata={"stars": n % 5, "city": "Porto" if n % 2 else "Faro"}
        )
    found = memory.search(
        "hotel", filters={**ANA, "OR": [{"stars": {"gte": 4}}, {"AND": [{"city": "Faro"}, {"stars": 0}]}]}, top_k=30
    )
    stars = {(one["metadata"]["stars"], one["metadata"]["city"]) for one in found["results"]}
    assert stars == {(4, "Faro"), (4, "Porto"), (0, "Faro")}
    assert len(found["results"]) == 9
    nested = memory.search("hotel", filters={"AND": [ANA, {"city": {"icontains": "POR"}}]}, top_k=3)
    assert {one["metadata"]["city"] for one in nested["results"]} == {"Porto"}
    with pytest.raises(InputError, match="not a filter operator"):
        memory.search("hotel", filters={**ANA, "stars": {"near": 3}})


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=2),
)
def test_not_is_the_opposite(fields: dict[str, int], condition: dict[str, int]) -> None:
    assert meets(fields, {"NOT": [condition]}) != meets(fields, condition)


def test_scores_lie_between_0_and_1_and_order_the_results(memory: Memory) -> None:
    memory.add(
        [{"role": "user", "content": text} for text in ("I love sardines", "The train is late", "Rain again")], user_id="ana"
    )
    results = memory.search("sardines", filters=ANA, threshold=0, explain=True)["results"]
    scores = [one["score"] for one in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert results[0]["score_details"]
    assert memory.search("sardines", filters=ANA, threshold=1.0)["results"] == []


def test_settings_of_mem0_lead_to_a_file(tmp_path: Path) -> None:
    config = {"vector_store": {"provider": "qdrant", "config": {"path": str(tmp_path / "store")}}, "llm": {"provider": "openai"}}
    with Memory.from_config(config) as memory:
        memory.add("The kettle is blue.", user_id="ana", timestamp="2026-03-01", infer=False)
    with Memory(config) as again:
        assert again.get_all(filters=ANA)["results"][0]["memory"] == "The kettle is blue."
    assert (tmp_path / "store" / "lamina.db").exists()


def test_it_works_asynchronously_and_as_a_hosted_client() -> None:
    async def work() -> list[str]:
        memory = AsyncMemory(path=":memory:")
        await asyncio.gather(*[memory.add(f"Fact {n}", user_id="ana") for n in range(20)])
        return [one["memory"] for one in (await memory.get_all(filters=ANA))["results"]]

    assert sorted(asyncio.run(work())) == sorted(f"Fact {n}" for n in range(20))
    client = MemoryClient(api_key="none", path=":memory:")
    client.add([{"role": "user", "content": "I am vegetarian."}], user_id="ana")
    assert client.search("food", filters={"AND": [ANA]})["results"]


@pytest.mark.parametrize(
    "call", [{"messages": 3}, {"messages": [3]}, {"messages": "x", "user_id": " "}, {"messages": "x", "user_id": "a b"}]
)
def test_bad_input_is_refused_and_nothing_is_kept(memory: Memory, call: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        memory.add(**{"user_id": "ana", **call})
    assert memory.memory.count(scope="*") == 0


def test_a_day_is_a_date_too(memory: Memory) -> None:
    memory.add("x", user_id="ana", expiration_date=date(2999, 1, 1))
    assert memory.get_all(filters=ANA)["results"][0]["expiration_date"] == "2999-01-01"
