"""The MCP server through the official client: every tool, sizes, malformed calls, and scopes that nothing leaves."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp.client.client import Client

from lamina import Memory
from lamina.errors import InputError
from lamina.models.tokens import WordLlamaTokens
from lamina.records import Filter
from lamina.server.confined import Confined
from lamina.server.mcp.application import SETS, Offer, http_application, mcp_server
from lamina.server.mcp.sizes import LEAST, listed
from tests.server.mcp_calls import ANYTHING, BAD, ERROR, GOOD, UNSENDABLE, stated

EVERY = Offer(tuple(SETS))


def talk(memory: Memory, scope: str, work: Callable[[Any], Awaitable[Any]], offer: Offer = EVERY) -> Any:
    """Let a client talk to a server in the same process."""

    async def run() -> Any:
        async with Client(mcp_server(Confined(memory, scope), offer)) as client:
            return await work(client)

    return asyncio.run(run())


async def call(client: Any, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
    result = await client.call_tool(name, arguments)
    assert result.structured_content is None  # the text is all there is
    return "".join(part.text for part in result.content), bool(result.is_error)


@pytest.fixture
def memory() -> Any:
    with Memory(":memory:") as made:
        yield made


def test_every_tool_says_what_it_does_how_much_it_answers_and_whether_it_changes_anything(memory: Memory) -> None:
    tools = talk(memory, "/ana", lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == set(GOOD)
    for tool in tools:
        assert re.search(r"characters|tokens|count|id|new|names", tool.description), tool.name
        assert tool.annotations.read_only_hint == (
            tool.name not in {*SETS["graph"][1][:6], "remember", "forget", "restore", "add_memory", "delete_memory"}
        )
    described = json.dumps([tool.model_dump(mode="json", exclude_none=True) for tool in tools])
    assert len(described) < 20_000  # the tools themselves must not flood a context either


def test_every_tool_answers_within_its_size(memory: Memory) -> None:
    async def work(client: Any) -> None:
        id = "-"
        for name, arguments in GOOD.items():
            filled = json.loads(json.dumps(arguments).replace('"-"', json.dumps(id)))
            text, wrong = await call(client, name, filled)
            assert not wrong, (name, text)
            assert len(text) <= stated(name, filled), name
            if name == "remember":
                id = json.loads(text)["remembered"]

    talk(memory, "/ana", work)


def test_malformed_calls_get_short_errors_and_the_server_lives_on(memory: Memory) -> None:
    async def work(client: Any) -> None:
        for name, arguments in [*BAD, UNSENDABLE]:
            text, wrong = await call(client, name, arguments)
            assert wrong, (name, str(arguments)[:80], text[:200])
            assert len(text) <= ERROR, name
        text, wrong = await call(client, "recall", {"cue": "are you there?"})
        assert not wrong
        assert "no_such_tool" in (await call(client, "no_such_tool", {}))[0]
        assert "Unknown" in (await call(client, "no_such_tool", {}))[0]

    talk(memory, "/ana", work)
    assert memory.count(scope="*") == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_no_arguments_bring_it_down(name: str, data: st.DataObject) -> None:
    known = GOOD[name]
    arguments = {field: data.draw(ANYTHING | st.just(value)) for field, value in known.items()}
    with Memory(":memory:") as memory:

        async def work(client: Any) -> None:
            text, wrong = await call(client, name, arguments)
            assert len(text) <= (ERROR if wrong else max(stated(name, {}), 400_000 if name == "recall" else 0))
            assert "Traceback" not in text
            assert not (await call(client, "profile", {}))[1]

        talk(memory, "/ana", work)


def test_nothing_leaves_the_scope(memory: Memory) -> None:
    secret = memory.add("The vault code is 7741, says Ben.", user="ben")[0]
    memory.add("Root knows 7741 too.")
    asking = [
        ("search", {"query": "vault code 7741"}), ("recall", {"cue": "vault code 7741"}), ("profile", {}), ("read_graph", {}),
        ("search_nodes", {"query": "7741"}), ("get_memories", {}), ("explain", {"id": secret, "query": "vault"}), ("forget", {"ids": [secret]}),
        ("delete_memory", {"id": secret}), ("open_nodes", {"names": ["Ben"]}), ("search", {"query": "7741", "scope": "*", "user": "ben"}),
    ]  # fmt: skip

    async def work(client: Any) -> None:
        for name, arguments in asking:
            text, _ = await call(client, name, arguments)
            assert "7741" not in text.replace('"7741"', ""), name
        known, _ = await call(client, "explain", {"id": "01M8BNK9AQAQNMXH1NKTH4C5NN", "query": "vault"})
        other, _ = await call(client, "explain", {"id": secret, "query": "vault"})
        assert known.replace("01M8BNK9AQAQNMXH1NKTH4C5NN", "X") == other.replace(secret, "X")  # no way to tell what is there

    talk(memory, "/ana", work)
    item = memory.get(secret)
    assert item is not None
    assert not item.forgotten


def test_a_server_for_reading_offers_nothing_that_writes(memory: Memory) -> None:
    tools = talk(memory, "/ana", lambda client: client.list_tools(), Offer(tuple(SETS), read_only=True)).tools
    assert all(tool.annotations.read_only_hint for tool in tools)
    with pytest.raises(InputError, match="no set of tools"):
        Offer(("everything",))


def test_what_is_told_of_entities_is_found_by_recall_and_goes_when_it_is_deleted(memory: Memory) -> None:
    async def work(client: Any) -> None:
        entities = [{"name": "Clara", "entityType": "person", "observations": ["is allergic to walnuts"]}]
        await call(client, "create_entities", {"entities": entities})
        assert json.loads((await call(client, "create_entities", {"entities": entities}))[0])["count"] == 0
        assert "walnuts" in (await call(client, "recall", {"cue": "what is Clara allergic to?"}))[0]
        await call(client, "create_relations", {"relations": [{"from": "Clara", "to": "Clara", "relationType": "is"}]})
        assert json.loads((await call(client, "delete_entities", {"entityNames": ["Clara"]}))[0]) == {"deleted": 1}
        assert json.loads((await call(client, "read_graph", {}))[0]) == {
            "entityCount": 0,
            "relationCount": 0,
            "entities": [],
            "relations": [],
        }

    talk(memory, "/ana", work)
    assert memory.count(where=Filter(scope="*", forgotten=True, retired=True, stale=True)) == 0


def test_a_graph_is_paged_by_names_and_nothing_is_left_out(memory: Memory) -> None:
    async def work(client: Any) -> None:
        entities = [{"name": f"Entity {n}", "entityType": "thing", "observations": ["seen " * 40]} for n in range(300)]
        await call(client, "create_entities", {"entities": entities})
        seen: list[str] = []
        cursor = None
        while True:
            text, _ = await call(client, "read_graph", {"cursor": cursor, "max_characters": 2000})
            assert len(text) <= 2000
            page = json.loads(text)
            seen += [row["name"] for row in page["entities"]]
            cursor = page.get("cursor")
            if cursor is None:
                break
        assert sorted(seen) == sorted(f"Entity {n}" for n in range(300))

    talk(memory, "/ana", work)


@given(
    st.lists(
        st.fixed_dictionaries({"name": st.text(max_size=300), "list": st.lists(st.text(max_size=80), max_size=20)}), max_size=30
    ),
    st.integers(LEAST, 3000),
)
def test_an_answer_is_json_within_its_limit(rows: list[dict[str, Any]], limit: int) -> None:
    text = listed("rows", rows, limit, {"total": len(rows)})
    assert len(text) <= limit
    found = json.loads(text)
    assert len(found["rows"]) == len(rows) or int(found["cursor"]) == len(found["rows"])
    assert not rows or found["rows"]


def test_a_recall_keeps_to_its_tokens(memory: Memory) -> None:
    memory.add([f"Note {n}: the ferry to the island leaves at {n % 12} o'clock." for n in range(80)], user="ana")

    async def work(client: Any) -> None:
        for budget in (1, 8, 40, 200, 1000):
            text, wrong = await call(client, "recall", {"cue": "when does the ferry leave?", "max_tokens": budget})
            assert not wrong
            assert WordLlamaTokens().count(text) <= max(budget, 8)

    talk(memory, "/ana", work)


def test_over_http_a_token_is_needed_and_other_hosts_are_refused(tmp_path: Path) -> None:
    initialize = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    }  # fmt: skip
    headers = {"accept": "application/json, text/event-stream", "content-type": "application/json"}

    async def ask(application: Any, **more: str) -> int:
        async with application.router.lifespan_context(application) if hasattr(application, "router") else _nothing():
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8421") as client:
                return (await client.post("/mcp", json=initialize, headers=headers | more)).status_code

    with Memory(tmp_path / "m.db") as memory:
        confined = Confined(memory, "/ana")
        with pytest.raises(InputError, match="token"):
            http_application(confined, Offer(), "0.0.0.0", 8421, None)
        guarded = http_application(confined, Offer(), "127.0.0.1", 8421, "secret")
        assert asyncio.run(ask(guarded)) == 401
        assert asyncio.run(ask(guarded, authorization="Bearer wrong")) == 401
        assert asyncio.run(ask(http_application(confined, Offer(), "127.0.0.1", 8421, None))) == 200
        assert asyncio.run(ask(http_application(confined, Offer(), "127.0.0.1", 8421, None), host="evil.example")) in (403, 421)
        with pytest.raises(InputError, match="empty"):
            http_application(confined, Offer(), "127.0.0.1", 8421, " ")
        for host, status in (("memory.example", 200), ("memory.example:8421", 200), ("evil.example", 421)):
            named = http_application(confined, Offer(), "127.0.0.1", 8421, None, ["memory.example"])
            assert asyncio.run(ask(named, host=host)) == status


class _nothing:
    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *error: object) -> None: ...


def test_no_entity_is_told_where_deriving_is_refused(memory: Memory) -> None:
    async def work(client: Any) -> None:
        entities = [{"name": "Clara", "entityType": "person", "observations": ["is tall"]}]
        await call(client, "create_entities", {"entities": entities})
        memory.consent("derive", False, user="ana")
        words, failed = await call(client, "add_observations", {"observations": [{"entityName": "Clara", "contents": ["sings"]}]})
        assert failed
        words, failed = await call(client, "create_entities", {"entities": [{**entities[0], "name": "Dora"}]})
        assert failed
        assert "'derive' was refused" in words

    talk(memory, "/ana", work)
    assert not any("Dora" in item.text for item in memory.get_all(scope="*"))
