"""What LangMem's tools and the nodes of a LangGraph graph ask of a store, asked as they ask it.

The tools here make the calls of LangMem's module `knowledge/tools`: a value with one field, under a random id as its key, in a namespace filled in from
the configuration of the run; and `dict()` of what a search finds, as JSON. LangMem and LangGraph themselves are heavy, and would be needed for this alone.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from lamina import Memory

pytest.importorskip("langgraph.store.base", reason="the extra langgraph is not installed")
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool

from lamina.integrations.langgraph import LaminaStore


@pytest.fixture
def store() -> Iterator[LaminaStore]:
    with Memory(":memory:") as memory:
        yield LaminaStore(memory)


def namespace(config: RunnableConfig) -> tuple[str, ...]:
    return ("memories", config["configurable"]["user"])


def tools(store: LaminaStore) -> tuple[BaseTool, BaseTool]:
    """One that keeps, corrects and deletes memories, and one that searches them."""

    @tool
    def manage(config: RunnableConfig, content: str | None = None, action: str = "create", id: str | None = None) -> str:
        """Create, update, or delete a memory."""
        if action == "delete":
            store.delete(namespace(config), key=str(id))
            return f"deleted memory {id}"
        key = id or str(uuid.uuid4())
        store.put(namespace(config), key=key, value={"content": content})
        return f"{action}d memory {key}"

    def found(items: list[Any]) -> str:
        return json.dumps([item.dict() for item in items])

    def search(query: str, config: RunnableConfig, limit: int = 10, offset: int = 0) -> str:
        """Search the memories."""
        return found(store.search(namespace(config), query=query, filter=None, limit=limit, offset=offset))

    async def search_later(query: str, config: RunnableConfig, limit: int = 10, offset: int = 0) -> str:
        return found(await store.asearch(namespace(config), query=query, filter=None, limit=limit, offset=offset))

    look = tool(search)
    look.coroutine = search_later  # type: ignore[attr-defined]
    return manage, look


def test_tools_create_find_correct_and_delete(store: LaminaStore) -> None:
    manage, look = tools(store)
    config: RunnableConfig = {"configurable": {"user": "ana"}}

    def found(**more: Any) -> list[str]:
        answer = look.invoke({"query": "what does she like to eat?", "limit": 1, **more}, config=config)
        return [one["value"]["content"] for one in json.loads(answer)]

    id = manage.invoke({"content": "Ana loves grilled sardines.", "action": "create"}, config=config).split()[-1]
    manage.invoke({"content": "Ana lives in Porto.", "action": "create"}, config=config)
    assert found() == ["Ana loves grilled sardines."]
    assert found(offset=1) == ["Ana lives in Porto."]
    manage.invoke({"content": "Ana loves grilled octopus.", "action": "update", "id": id}, config=config)
    assert found() == ["Ana loves grilled octopus."]
    one = json.loads(asyncio.run(look.ainvoke({"query": "where does she live?", "limit": 1}, config=config)))[0]
    assert one["value"]["content"] == "Ana lives in Porto."
    assert one["namespace"] == ["memories", "ana"]
    assert {"key", "created_at", "updated_at", "score"} <= one.keys()
    manage.invoke({"action": "delete", "id": id}, config=config)
    assert found() == ["Ana lives in Porto."]
    assert found(offset=1) == []
    other: RunnableConfig = {"configurable": {"user": "ben"}}
    assert json.loads(look.invoke({"query": "Porto"}, config=other)) == []


def test_the_nodes_of_a_graph_share_the_store_in_threads_and_in_one_loop(store: LaminaStore) -> None:
    """A graph runs plain nodes in threads, and coroutines in the loop that called it."""

    def node(question: str) -> str:
        store.put(("kitchen",), "kettle", {"text": "The kettle is blue."})
        return str(store.search(("kitchen",), query=question)[0].value["text"])

    async def later(question: str) -> str:
        await store.aput(("kitchen",), "mug", {"text": "The mug is red."})
        return str((await store.asearch(("kitchen",), query=question, limit=1))[0].value["text"])

    async def graph() -> list[str]:
        return await asyncio.gather(asyncio.to_thread(node, "which colour is the kettle?"), later("which colour is the mug?"))

    assert asyncio.run(graph()) == ["The kettle is blue.", "The mug is red."]
    assert {item.key for item in store.search(("kitchen",))} == {"kettle", "mug"}
