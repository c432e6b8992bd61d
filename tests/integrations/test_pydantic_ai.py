"""The memory for Pydantic AI, under whole agents with a scripted model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from lamina import Memory
from lamina.errors import InputError
from lamina.integrations.pydantic_ai import LaminaCapability, fitted, newest_prompt, processor, text_of
from lamina.models.tokens import WordLlamaTokens


class Script:
    """A model that answers as it is told, and keeps what it was sent."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.seen = list(answers), []  # type: ignore[var-annotated]

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.seen.append(list(messages))
        answer = self.answers.pop(0)
        return ModelResponse([answer if not isinstance(answer, str) else TextPart(answer)])


def agent_of(script: Script, *capabilities: Any) -> Agent[None, str]:
    return Agent(FunctionModel(script), capabilities=list(capabilities))


def test_an_agent_is_told_what_was_said_in_an_earlier_session() -> None:
    with Memory(":memory:") as memory:
        script = Script("Noted.", "In Braga.")
        agent_of(script, LaminaCapability(memory, "monday", user="ana")).run_sync("My sister lives in Braga.")
        friday = LaminaCapability(memory, "friday", user="ana", budget=300)
        result = agent_of(script, friday).run_sync("Where does my sister live?")
        assert result.output == "In Braga."
        [request] = script.seen[-1]
        prompts = [part.content for part in request.parts if isinstance(part, UserPromptPart)]
        assert "My sister lives in Braga." in prompts[0]
        assert prompts[1] == "Where does my sister live?"
        assert [text_of(message) for message in friday.messages()] == [
            "Where does my sister live?",
            "In Braga.",
        ]  # recalled text is not stored


def test_a_conversation_comes_back_as_it_was_with_its_tools() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana")
        agent = agent_of(Script(ToolCallPart("weather", {"city": "Faro"}), "Sunny."), capability)

        @agent.tool_plain
        def weather(city: str) -> str:
            return f"sun in {city}"

        result = agent.run_sync("How is the weather in Faro?")
        again = LaminaCapability(memory, "s", user="ana").messages()
        assert again == result.all_messages()
        follow = Script("Yes.")
        agent_of(follow, capability).run_sync("Still?", message_history=again)
        assert len(follow.seen[0]) == 5
        assert len(capability.messages()) == 6
        assert memory.search("what was the weather in Faro?", user="ana")


PROMPTS = st.lists(st.tuples(st.integers(1, 30), st.booleans()), min_size=1, max_size=8)


def conversation(turns: list[tuple[int, bool]]) -> list[ModelMessage]:
    found: list[ModelMessage] = []
    for number, (words, tool) in enumerate(turns):
        found.append(ModelRequest([UserPromptPart("word " * words)]))
        if tool:
            found.append(ModelResponse([ToolCallPart("look", {"n": number}, tool_call_id=str(number))]))
            found.append(ModelRequest([ToolReturnPart("look", "seen " * words, tool_call_id=str(number))]))
        found.append(ModelResponse([TextPart("fine")]))
    return found


@settings(max_examples=60, deadline=None)
@given(PROMPTS, st.integers(1, 200))
def test_a_fitted_history_keeps_to_its_budget_and_never_parts_a_call_from_its_result(
    turns: list[tuple[int, bool]], budget: int
) -> None:
    messages, count = conversation(turns), WordLlamaTokens().count
    kept = fitted(messages, budget)
    assert kept == messages[len(messages) - len(kept) :]
    spent = sum(count(text_of(message)) for message in kept)
    last = [place for place, message in enumerate(messages) if isinstance(message.parts[0], UserPromptPart)][-1]
    assert spent <= budget or len(kept) == len(messages) - last
    calls = {part.tool_call_id for message in kept for part in message.parts if isinstance(part, ToolCallPart)}
    returns = {part.tool_call_id for message in kept for part in message.parts if isinstance(part, ToolReturnPart)}
    assert calls == returns


def test_it_is_a_history_processor_too() -> None:
    script = Script("ok")
    agent_of(script, ProcessHistory(processor(1))).run_sync("now", message_history=conversation([(20, True), (3, False)]))
    assert newest_prompt(script.seen[0]) == "now"
    assert len(script.seen[0]) == 1


def test_scopes_are_kept_apart_and_bad_settings_are_refused() -> None:
    with Memory(":memory:") as memory:
        agent_of(Script("Noted."), LaminaCapability(memory, "s", user="ana")).run_sync("My pin is 1234.")
        script = Script("I do not know.")
        agent_of(script, LaminaCapability(memory, "s", user="ben")).run_sync("What is my pin?")
        assert "1234" not in str(script.seen)
        assert LaminaCapability(memory, "s", user="ben").messages() != LaminaCapability(memory, "s", user="ana").messages()
        with pytest.raises(InputError):
            LaminaCapability(memory, "s", budget=-1)
        with pytest.raises(InputError):
            LaminaCapability(memory, "")


def test_it_works_with_asyncio() -> None:
    async def work() -> int:
        with Memory(":memory:") as memory:
            capabilities = [LaminaCapability(memory, f"s{n}", user="ana") for n in range(8)]
            await asyncio.gather(*[agent_of(Script("ok"), one).run(f"fact {n}") for n, one in enumerate(capabilities)])
            return memory.count(user="ana")

    assert asyncio.run(work()) == 16
