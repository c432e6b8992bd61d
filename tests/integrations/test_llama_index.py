"""The chat store, the memory and the block for LlamaIndex, under its own classes and a mock model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock, ToolCallBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.memory import Memory as TheirMemory
from llama_index.core.storage.chat_store import SimpleChatStore

from lamina import Memory
from lamina.errors import InputError
from lamina.integrations.llama_index import LaminaChatStore, LaminaMemory, LaminaMemoryBlock

KEYS = st.sampled_from(["a", "b/c", "ключ"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
STEPS = st.one_of(
    st.tuples(st.just("add_message"), KEYS, TEXTS.map(lambda text: ChatMessage(role="user", content=text))),
    st.tuples(
        st.just("set_messages"), KEYS, st.lists(TEXTS.map(lambda text: ChatMessage(role="assistant", content=text)), max_size=3)
    ),
    st.tuples(st.just("delete_last_message"), KEYS),
    st.tuples(st.just("delete_message"), KEYS, st.integers(0, 3)),
    st.tuples(st.just("delete_messages"), KEYS),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_the_chat_store_does_what_llama_indexes_own_does(steps: list[Any]) -> None:
    with Memory(":memory:") as memory:
        ours, theirs = LaminaChatStore(memory, scope="/ana"), SimpleChatStore()
        for verb, *arguments in steps:
            getattr(ours, verb)(*arguments)
            getattr(theirs, verb)(*arguments)
        for key in ("a", "b/c", "ключ"):
            assert ours.get_messages(key) == theirs.get_messages(key)
        assert set(ours.get_keys()) == {key for key in theirs.get_keys() if theirs.get_messages(key)}


def test_a_buffer_of_llama_index_stands_on_it() -> None:
    with Memory(":memory:") as memory:
        buffer = ChatMemoryBuffer.from_defaults(
            chat_store=LaminaChatStore(memory, scope="/ana"), chat_store_key="monday", tokenizer_fn=str.split
        )
        buffer.put(ChatMessage(role="user", content="My sister lives in Braga."))
        assert buffer.get()[0].content == "My sister lives in Braga."
        assert memory.search("Braga", user="ana")[0].text == "My sister lives in Braga."


def test_messages_with_pictures_come_back_as_they_were() -> None:
    with Memory(":memory:") as memory:
        store = LaminaChatStore(memory)
        message = ChatMessage(
            role="user", blocks=[TextBlock(text="What is this?"), ImageBlock(url="file:///tmp/a.png")], additional_kwargs={"n": 1}
        )
        store.add_message("s", message)
        assert store.get_messages("s")[0].model_dump(mode="json") == message.model_dump(mode="json")


def test_an_engine_is_told_what_was_said_in_an_earlier_session() -> None:
    with Memory(":memory:") as memory:
        monday = LaminaMemory(memory, session="monday", scope="/ana")
        SimpleChatEngine.from_defaults(llm=MockLLM(), memory=monday).chat("My sister lives in Braga.")
        friday = LaminaMemory(memory, session="friday", scope="/ana", budget=300)
        handed = friday.get("Where does my sister live?")
        assert "My sister lives in Braga." in str(handed[0].content)
        engine = SimpleChatEngine.from_defaults(llm=MockLLM(), memory=friday)
        assert "Braga" in str(engine.chat("Where does my sister live?"))  # the mock model repeats what it was handed
        assert [message.role.value for message in friday.get_all()] == ["user", "assistant"]
        friday.reset()
        assert friday.get_all() == []
        assert len(monday.get_all()) == 2


def test_the_limit_holds_and_no_answer_of_a_tool_stands_alone() -> None:
    with Memory(":memory:") as memory:
        mine = LaminaMemory(memory, session="s", limit=2, budget=0)
        mine.put_messages([ChatMessage(role=role, content=role) for role in ("user", "assistant", "tool", "assistant")])
        assert [message.role.value for message in mine.get()] == ["assistant"]
        mine.set([ChatMessage(role="user", content="only")])
        assert [message.content for message in mine.get_all()] == ["only"]


def test_it_is_a_block_of_llama_indexes_own_memory() -> None:
    async def work() -> str:
        with Memory(":memory:") as memory:
            block = LaminaMemoryBlock(memory, scope="/ana", budget=300)
            theirs = TheirMemory.from_defaults(
                session_id="s", token_limit=60, token_flush_size=20, chat_history_token_ratio=0.5, memory_blocks=[block],
                tokenizer_fn=str.split,
            )  # fmt: skip
            await theirs.aput(ChatMessage(role="user", content="My sister lives in Braga. " + "It is warm there. " * 3))
            for n in range(6):
                await theirs.aput(ChatMessage(role="assistant", content=f"I see, {n}. " * 4))
            await theirs.aput(ChatMessage(role="user", content="Where does my sister live?"))
            assert memory.count(user="ana") > 0  # what left the short-term memory
            return " ".join(str(message.content) for message in await theirs.aget())

    assert "Braga" in asyncio.run(work())


def test_a_session_without_a_name_is_refused() -> None:
    with Memory(":memory:") as memory, pytest.raises(InputError):
        LaminaMemory(memory, session="").put(ChatMessage(role="user", content="x"))


def test_what_is_handed_over_already_is_not_recalled_beside_it() -> None:
    with Memory(":memory:") as memory:
        LaminaMemory(memory, session="monday", scope="/ana").put(ChatMessage(role="user", content="Clara plays the cello."))
        mine = LaminaMemory(memory, session="friday", scope="/ana")
        mine.put(ChatMessage(role="user", content="Clara lives in Braga."))
        mine.put(ChatMessage(role="user", content="Where does Clara live?"))
        told, *messages = mine.get()
        assert "cello" in str(told.content)
        assert "Braga" not in str(told.content)
        assert "Where does" not in str(told.content)
        assert len(messages) == 2
        [older] = LaminaMemory(memory, session="friday", scope="/ana", limit=1).get()[:1]
        assert "Braga" in str(older.content)  # what the limit leaves out is recalled


def test_calls_of_tools_are_found_and_come_back() -> None:
    with Memory(":memory:") as memory:
        store = LaminaChatStore(memory, scope="/ana")
        call = ChatMessage(
            role="assistant", blocks=[ToolCallBlock(tool_call_id="1", tool_name="weather", tool_kwargs={"city": "Faro"})]
        )
        store.set_messages("s", [call, ChatMessage(role="tool", content="sun\0", additional_kwargs={"tool_call_id": "1"})])
        assert store.get_messages("s")[0] == call
        assert store.get_messages("s")[1].content == "sun\0"
        assert memory.search("weather in Faro", user="ana")[0].text == 'weather {"city": "Faro"}'


def test_an_agent_with_tools_works_on_it() -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sun in {city}"

    async def work() -> list[str]:
        with Memory(":memory:") as memory:
            mine = LaminaMemory(memory, session="s", scope="/ana")
            await FunctionAgent(tools=[weather], llm=MockFunctionCallingLLM()).run("Is it sunny in Faro?", memory=mine)
            return [message.role.value for message in mine.get_all()]

    assert asyncio.run(work()) == ["user", "assistant", "tool", "assistant"]
