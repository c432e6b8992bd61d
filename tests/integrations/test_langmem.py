"""LangMem's tools and a compiled LangGraph graph on the store. Both packages are heavy, and needed for this alone: without them it is skipped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, TypedDict

import pytest

from lamina import Memory

pytest.importorskip("langgraph.graph", reason="langgraph is not installed (its checkpoint package alone has no graphs)")
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph

from lamina.integrations.langgraph import LaminaStore


class State(TypedDict):
    question: str
    answer: str


@pytest.fixture
def store() -> Iterator[LaminaStore]:
    with Memory(":memory:") as memory:
        yield LaminaStore(memory)


def test_langmems_tools_create_find_correct_and_delete(store: LaminaStore) -> None:
    langmem = pytest.importorskip("langmem", reason="langmem is not installed")
    manage = langmem.create_manage_memory_tool(namespace=("memories", "{user}"), store=store)
    look = langmem.create_search_memory_tool(namespace=("memories", "{user}"), store=store)
    config: dict[str, Any] = {"configurable": {"user": "ana"}}

    def found() -> list[str]:
        answer = look.invoke({"query": "what does she like to eat?", "limit": 1}, config=config)
        return [one["value"]["content"] for one in json.loads(answer)]

    id = manage.invoke({"content": "Ana loves grilled sardines.", "action": "create"}, config=config).split()[-1]
    manage.invoke({"content": "Ana lives in Porto.", "action": "create"}, config=config)
    assert found() == ["Ana loves grilled sardines."]
    manage.invoke({"content": "Ana loves grilled octopus.", "action": "update", "id": id}, config=config)
    assert found() == ["Ana loves grilled octopus."]
    answer = asyncio.run(look.ainvoke({"query": "where does she live?", "limit": 1}, config=config))
    assert json.loads(answer)[0]["value"]["content"] == "Ana lives in Porto."
    manage.invoke({"action": "delete", "id": id}, config=config)
    assert found() == ["Ana lives in Porto."]
    other: dict[str, Any] = {"configurable": {"user": "ben"}}
    assert json.loads(look.invoke({"query": "Porto"}, config=other)) == []


def test_the_nodes_of_a_graph_share_the_store(store: LaminaStore) -> None:
    def node(state: State) -> dict[str, str]:
        shared = get_store()
        shared.put(("kitchen",), "kettle", {"text": "The kettle is blue."})
        return {"answer": shared.search(("kitchen",), query=state["question"])[0].value["text"]}

    async def later(state: State) -> dict[str, str]:
        shared = get_store()
        await shared.aput(("kitchen",), "mug", {"text": "The mug is red."})
        return {"answer": (await shared.asearch(("kitchen",), query=state["question"], limit=1))[0].value["text"]}

    def graph(work: Any) -> Any:
        made = StateGraph(State)
        made.add_node("work", work)
        made.add_edge(START, "work")
        made.add_edge("work", END)
        return made.compile(store=store)

    assert graph(node).invoke({"question": "which colour is the kettle?"})["answer"] == "The kettle is blue."
    assert asyncio.run(graph(later).ainvoke({"question": "which colour is the mug?"}))["answer"] == "The mug is red."
