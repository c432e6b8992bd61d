"""The session for the OpenAI Agents SDK: exact items back, everything recallable, agents that remember between sessions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, set_tracing_disabled
from agents.testing import ScriptedModel
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from lamina import Filter, Memory
from lamina.errors import InputError
from lamina.integrations.openai_agents import LaminaSession, recalling
from lamina.text import CHUNK

set_tracing_disabled(True)


def said(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(id="1", role="assistant", type="message", status="completed", content=[content])


TEXT = st.text(st.characters(), max_size=40) | st.sampled_from(["a\0b", "\ud800", "\\u0000", "\\", "c:\\new\0"])
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


def test_what_the_input_holds_already_is_not_recalled_into_it() -> None:
    async def work() -> None:
        with Memory(":memory:") as memory:
            model = ScriptedModel([[said("Noted.")], [said("In Braga.")], [said("She plays the cello.")]])
            agent = Agent(name="companion", model=model)
            config = RunConfig(call_model_input_filter=recalling(memory, user="ana"))
            monday, friday = (LaminaSession(day, memory, user="ana") for day in ("monday", "friday"))
            await Runner.run(agent, "Clara plays the cello.", session=monday, run_config=config)
            await Runner.run(agent, "Clara lives in Braga.", session=friday, run_config=config)
            await Runner.run(agent, "What does Clara play?", session=friday, run_config=config)
            [told] = [item["content"] for item in model.calls[-1].input if "recalled-memory" in str(item)]
            assert "Clara plays the cello." in told
            assert "In Braga" not in told
            assert "What does" not in told

    asyncio.run(work())


PICTURE = "data:image/png;base64," + "iVBOR" * 4000


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]}, "(empty)"),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAB" * 900}, "(reasoning)"),
        ({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": PICTURE}},
         "(computer_call_output)"),
        ({"type": "image_generation_call", "id": "ig", "status": "completed", "result": "iVBOR" * 4000}, "(image_generation_call)"),
        ({"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "trams of Braga"}},
         "trams of Braga"),
    ],
)  # fmt: skip
def test_pictures_and_ciphers_are_kept_and_say_nothing(item: Any, text: str) -> None:
    with Memory(":memory:") as memory:
        session = LaminaSession("s", memory)
        asyncio.run(session.add_items([item]))
        assert asyncio.run(session.get_items()) == [item]
        assert [trace.text for trace in memory.get_all()] == [text]


@pytest.mark.parametrize("gate", ["mark", "refuse"])
def test_a_write_gate_takes_nothing_out_of_a_session(gate: str) -> None:
    with Memory(":memory:", gate=gate) as memory:
        session = LaminaSession("s", memory, user="ana")
        items: list[Any] = [
            {"role": "user", "content": "Thanks!"},
            {"role": "assistant", "content": "You're welcome!"},
            {"role": "user", "content": "My sister lives in Braga."},
        ]
        asyncio.run(session.add_items(items))
        assert asyncio.run(session.get_items()) == items
        assert [item.text for item in memory.get_all(user="ana")] == ["My sister lives in Braga."]
        assert asyncio.run(session.pop_item()) == items.pop()
        assert asyncio.run(session.get_items()) == items
        asyncio.run(session.clear_session())
        assert memory.count(user="ana", where=Filter(forgotten=True)) == 0


def test_what_was_corrected_or_forgotten_goes_with_its_session() -> None:
    with Memory(":memory:") as memory:
        session = LaminaSession("s", memory, user="ana")
        asyncio.run(session.add_items([{"role": "user", "content": "I live in Porto."}, {"role": "user", "content": "Hello."}]))
        first, second = memory.get_all(user="ana")
        memory.update(second.id, "I live in Braga.")
        memory.forget(first.id)
        assert asyncio.run(session.pop_item()) == {"role": "user", "content": "Hello."}
        assert asyncio.run(session.get_items()) == []
        asyncio.run(session.clear_session())
        assert memory.count(user="ana", where=Filter(forgotten=True, retired=True)) == 0


def test_any_role_is_an_item_like_any_other() -> None:
    with Memory(":memory:") as memory:
        session = LaminaSession("s", memory)
        items: list[Any] = [{"role": role, "content": "x"} for role in ("developer", "event", "", "r" * 3000)]
        asyncio.run(session.add_items(items))
        assert asyncio.run(session.get_items()) == items


def test_several_processes_share_a_session(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    Memory(path).close()
    work = (
        "import asyncio, sys; from lamina import Memory; from lamina.integrations.openai_agents import LaminaSession\n"
        "with Memory(sys.argv[1]) as memory:\n"
        "    session = LaminaSession('s', memory, user='ana')\n"
        "    for n in range(20): asyncio.run(session.add_items([{'role': 'user', 'content': f'{sys.argv[2]} {n}'}]))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", work, str(path), name]) for name in ("a", "b")]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    with Memory(path) as memory:
        items: list[Any] = asyncio.run(LaminaSession("s", memory, user="ana").get_items())
        for name in ("a", "b"):
            assert [one["content"] for one in items if one["content"][0] == name] == [f"{name} {n}" for n in range(20)]
