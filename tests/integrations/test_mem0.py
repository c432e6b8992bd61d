"""The client in mem0's shape: its calls, its results, its filters, and its ids that stay."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import lamina
from lamina.cli import app
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


def test_ids_that_a_redactor_would_change_still_find_what_is_theirs() -> None:
    with Memory(memory=lamina.Memory(":memory:", redact="email")) as memory:
        added = memory.add("Write to ana@example.org.", user_id="ana@example.org", run_id="ana@example.org")["results"][0]
        memory.add("Write to ben@example.org.", user_id="ben@example.org")
        for filters in ({"user_id": "ana@example.org"}, {"run_id": "ana@example.org"}):
            assert [one["id"] for one in memory.get_all(filters=filters)["results"]] == [added["id"]]
            assert [one["user_id"] for one in memory.search("write", filters=filters)["results"]] == ["ana@example.org"]
        assert added["memory"] == "Write to [email]."
        with pytest.raises(InputError, match="agent_id"):
            memory.add("x", agent_id="bot@example.org")
        memory.delete_all(user_id="ana@example.org")
        assert memory.get_all(filters={"run_id": "ana@example.org"})["results"] == []


@pytest.mark.parametrize(
    "filters",
    [
        {"user_id": None}, {"note": "about user_id"}, {"NOT": [{"user_id": "zoe"}]}, {"OR": [{"user_id": "zoe"}, {"k": 1}]},
        {"user_id": {"ne": "zoe"}}, {},
    ],
)  # fmt: skip
def test_a_filter_that_names_nobody_is_refused(memory: Memory, filters: dict[str, Any]) -> None:
    memory.add("Ana likes sardines.", user_id="ana", metadata={"k": 1, "note": "about user_id"})
    for call in (lambda: memory.get_all(filters=filters), lambda: memory.search("sardines", filters=filters)):
        with pytest.raises(InputError, match="user_id"):
            call()


def test_numbers_as_ids_are_found_in_nested_filters(memory: Memory) -> None:
    memory.add("seven", user_id=7)  # type: ignore[arg-type]
    for filters in ({"user_id": 7}, {"AND": [{"user_id": 7}]}, {"OR": [{"user_id": {"in": [7, 8]}}]}):
        assert [one["user_id"] for one in memory.get_all(filters=filters)["results"]] == ["7"]


def test_messages_that_say_nothing_are_passed_over_and_calls_of_tools_are_kept(memory: Memory) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]}
    messages = [
        {"role": "assistant", "content": None},
        {"role": "user", "content": ""},
        call,
        {"role": "user", "content": "Figs."},
    ]
    assert [one["memory"] for one in memory.add(messages, user_id="ana")["results"]] == ["weather({})", "Figs."]


def test_every_piece_of_a_long_message_is_told_of(memory: Memory) -> None:
    added = memory.add("word " * 4000, user_id="ana")["results"]
    assert [one["id"] for one in added] == [one["id"] for one in memory.get_all(filters=ANA)["results"]]
    assert len(added) > 1


def test_what_a_gate_hides_or_refuses_is_said() -> None:
    messages = [{"role": "user", "content": "thanks!"}, {"role": "user", "content": "I live in Faro."}]
    with Memory(memory=lamina.Memory(":memory:", gate="mark")) as memory:
        assert [one["event"] for one in memory.add(messages, user_id="ana")["results"]] == ["NONE", "ADD"]
    with Memory(memory=lamina.Memory(":memory:", gate="refuse")) as memory:
        assert [one["memory"] for one in memory.add(messages, user_id="ana")["results"]] == ["I live in Faro."]


def test_numbers_as_times_are_seconds(memory: Memory) -> None:
    id = memory.add("It rained.", user_id="ana", timestamp=1_700_000_000)["results"][0]["id"]
    item = memory.memory.get(id)
    assert item is not None
    assert item.at == 1_700_000_000_000_000
    assert memory.search("rain", filters=ANA, reference_date=1_600_000_000)["results"] == []


def test_a_callers_fields_are_kept_and_do_not_pose_as_ids(memory: Memory) -> None:
    memory.add(
        [{"role": "user", "content": "A parrot.", "metadata": {"source": "x"}}], user_id="ana", metadata={"k": 1, "agent_id": "b"}
    )
    assert memory.get_all(filters=ANA)["results"][0]["metadata"] == {"k": 1, "source": "x"}
    assert memory.get_all(filters={"AND": [{"agent_id": "b"}]})["results"] == []
    with pytest.raises(InputError, match="'mem0'"):
        memory.add("x", user_id="ana", metadata={"mem0": 1})
    with pytest.raises(InputError, match="top_k"):
        memory.search("x", filters=ANA, top_k=-1)


def test_the_asynchronous_client_is_made_and_closed_as_in_both_generations() -> None:
    async def work() -> None:
        config = {"vector_store": {"config": {"path": ":memory:"}}}
        for memory in (AsyncMemory.from_config(config), await AsyncMemory.from_config(config)):
            async with memory:
                await memory.add("The kettle is blue.", user_id="ana")
                assert len((await memory.get_all(filters=ANA))["results"]) == 1
            memory.close()

    asyncio.run(work())
    assert not Path(":memory:").exists()


def test_a_memory_taken_over_from_mem0_goes_by_the_id_it_had(tmp_path: Path) -> None:
    row = {"id": "3f0c-1", "memory": "Ana likes figs.", "user_id": "ana", "created_at": "2026-01-02T03:04:05+00:00"}
    (tmp_path / "mem0.json").write_text(json.dumps({"results": [row]}), encoding="utf-8")
    path = str(tmp_path / "a.db")
    assert CliRunner().invoke(app, ["ingest", path, str(tmp_path / "mem0.json")]).exit_code == 0
    with Memory(path=path) as memory:
        found = memory.search("figs", filters=ANA)["results"][0]
        assert (found["id"], found["created_at"][:10]) == ("3f0c-1", "2026-01-02")
        memory.update("3f0c-1", "Ana likes plums.")
        again = memory.get("3f0c-1")
        assert again is not None
        assert (again["id"], again["memory"], again["created_at"][:10]) == ("3f0c-1", "Ana likes plums.", "2026-01-02")
        assert [one["new_memory"] for one in memory.history("3f0c-1")] == ["Ana likes figs.", "Ana likes plums."]
        memory.delete("3f0c-1")
        assert memory.get("3f0c-1") is None


def test_the_hosted_clients_options_and_pages(tmp_path: Path) -> None:
    client = MemoryClient(api_key="none", path=str(tmp_path / "a.db"))
    added = client.add([{"role": "user", "content": f"Fact number {n}."} for n in range(25)], {"filters": ANA})
    seen, page = [], 1
    while True:
        found = client.get_all({"filters": ANA}, page=page, page_size=10)
        seen += [one["memory"] for one in found["results"]]
        assert found["count"] == 25
        if found["next"] is None:
            break
        page += 1
    assert (page, seen) == (3, [f"Fact number {n}." for n in range(25)])
    assert client.get_all({"filters": ANA}, page=9)["results"] == []
    assert len(client.get_all(filters=ANA)["results"]) == 25
    assert client.search("fact", {"filters": ANA, "top_k": 2})["results"][0]["user_id"] == "ana"
    client.update(added["results"][0]["id"], text="Fact number zero.", timestamp=3)
    client.delete_all({"filters": ANA})
    assert client.get_all(filters=ANA)["count"] == 0
    with pytest.raises(InputError, match="at least one"):
        client.delete_all()
    client.close()
