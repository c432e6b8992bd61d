"""The session for the OpenAI Agents SDK: exact items back, everything recallable, agents that remember between sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, set_tracing_disabled
from agents.testing import ScriptedModel
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from lamina import Memory
from lamina.errors import InputError
from lamina.integrations.openai_agents import LaminaSession, recalling
from lamina.text import CHUNK

set_tracing_disabled(True)


def said(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(id="1", role="assistant", type="message", status="completed", content=[content])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
ITEMS = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": TEXT}),
    st.fixed_dictionaries({"type": st.just("function_call"), "name": TEXT, "arguments": TEXT, "call_id": TEXT}),
    st.fixed_dictionaries({"type": st.just("function_call_output"), "call_id": TEXT, "output": TEXT}),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "id": TEXT, "summary": st.lists(st.fixed_dictionaries({"text": TEXT}), max_size=2)}
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ITEMS, max_size=8), st.integers(0, 9))
def test_items_come_back_as_they_were(items: list[Any], limit: int) -> None:
    async def work() -> None:
        with Memory(":memory:") as memory:
            session = LaminaSession("s", memory, user="ana")
            await session.add_items(items)
            assert await session.get_items() == items
            assert await session.get_items(limit) == (items[-limit:] if limit else [])
            if items:
                assert await session.pop_item() == items[-1]
                assert await session.get_items() == items[:-1]

    asyncio.run(work())


def test_a_long_item_is_one_item_and_goes_as_a_whole() -> None:
    async def work() -> None:
        with Memory(":memory:") as memory:
            session = LaminaSession("s", memory)
            long = {
                "type": "function_call_output",
                "call_id": "1",
                "output": "The log is quiet. " * (CHUNK // 6) + "The zeppelin landed.",
            }
            await session.add_items([{"role": "user", "content": "hello"}, long])
            assert await session.get_items() == [{"role": "user", "content": "hello"}, long]
            assert "zeppelin" in memory.search("zeppelin", k=1)[0].text
            assert await session.pop_item() == long
            assert memory.count() == 1

    asyncio.run(work())


def test_sessions_and_scopes_are_kept_apart_and_recall_crosses_sessions(tmp_path: Path) -> None:
    async def work() -> None:
        with Memory(tmp_path / "m.db") as memory:
            monday, friday = (LaminaSession(day, memory, user="ana") for day in ("monday", "friday"))
            other = LaminaSession("monday", memory, user="ben")
            below = LaminaSession("monday", memory, user="ana", agent="bot")
            for session, text in ((monday, "I live in Braga."), (other, "I live in Faro."), (below, "I live in Porto.")):
                await session.add_items([{"role": "user", "content": text}])
            assert await friday.get_items() == []
            assert await monday.get_items() == [{"role": "user", "content": "I live in Braga."}]
            await monday.clear_session()
            assert await monday.get_items() == []
            assert len(await other.get_items()) == len(await below.get_items()) == 1

    asyncio.run(work())


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    async def work() -> int:
        with Memory(tmp_path / "m.db") as memory:
            sessions = [LaminaSession("s", memory) for _ in range(4)]
            await asyncio.gather(*[sessions[n % 4].add_items([{"role": "user", "content": f"fact {n}"}]) for n in range(80)])
            return len({item["content"] for item in await sessions[0].get_items()})  # type: ignore[index, typeddict-item]

    assert asyncio.run(work()) == 80


def test_an_agent_is_told_what_was_said_in_an_earlier_session() -> None:
    async def work() -> None:
        with Memory(":memory:") as memory:
            model = ScriptedModel([[said("Noted.")], [said("In Braga.")]])
            agent = Agent(name="companion", instructions="Be kind.", model=model)
            config = RunConfig(call_model_input_filter=recalling(memory, user="ana", budget=200))
            await Runner.run(
                agent, "My sister lives in Braga.", session=LaminaSession("monday", memory, user="ana"), run_config=config
            )
            friday = LaminaSession("friday", memory, user="ana")
            result = await Runner.run(agent, "Where does my sister live?", session=friday, run_config=config)
            assert result.final_output == "In Braga."
            asked = model.calls[-1]
            assert asked.system_instructions == "Be kind."
            assert "My sister lives in Braga." in asked.input[0]["content"]
            assert asked.input[-1]["content"] == "Where does my sister live?"
            assert [item["role"] for item in await friday.get_items()] == ["user", "assistant"]  # type: ignore[index, typeddict-item]

    asyncio.run(work())


def test_what_is_no_session_or_no_json_is_refused() -> None:
    with Memory(":memory:") as memory:
        with pytest.raises(InputError, match="id of a session"):
            LaminaSession("", memory)
        with pytest.raises(ValueError, match="JSON"):
            asyncio.run(LaminaSession("s", memory).add_items([{"role": "user", "content": float("nan")}]))  # type: ignore[list-item]
        assert memory.count() == 0
