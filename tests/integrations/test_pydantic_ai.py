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
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from lamina import Memory
from lamina.errors import InputError
from lamina.integrations.pydantic_ai import LaminaCapability, fitted, memory_tools, newest_prompt, processor, text_of
from lamina.models.tokens import WordLlamaTokens


class Script:
    """A model that answers as it is told, and keeps what it was sent."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.seen = list(answers), []  # type: ignore[var-annotated]

    def __call__(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        self.seen.append(list(messages))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
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


def test_what_the_request_holds_already_is_not_recalled_into_it() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana")
        agent_of(Script("Noted."), LaminaCapability(memory, "earlier", user="ana")).run_sync("Clara plays the cello.")
        agent_of(Script("Fine."), capability).run_sync("Clara lives in Braga.")
        script = Script("In Braga.")
        agent_of(script, capability).run_sync("Where does Clara live?", message_history=capability.messages())
        [told] = [part.content for message in script.seen[0] for part in message.parts if "recalled-memory" in str(part)]
        assert "cello" in told
        assert "Braga" not in told
        assert "Where does" not in told


def test_a_run_that_fails_loses_nothing_that_was_said_and_can_be_gone_on_from() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana")
        agent = agent_of(Script(ToolCallPart("look", {}), RuntimeError("no answer")), capability)
        agent.tool_plain(lambda: "a cat", name="look")
        with pytest.raises(RuntimeError, match="no answer"):
            agent.run_sync("My sister lives in Braga. What is there?")
        assert [type(message) for message in capability.messages()] == [ModelRequest, ModelResponse, ModelRequest]
        script = Script("A cat.")
        agent_of(script, capability).run_sync("And now?", message_history=capability.messages())
        assert len(capability.messages()) == 5


def test_a_call_of_a_tool_that_was_never_answered_is_not_stored() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana")
        agent = agent_of(Script(ToolCallPart("look", {})), capability)

        @agent.tool_plain
        def look() -> str:
            raise OSError("broken")

        with pytest.raises(OSError, match="broken"):
            agent.run_sync("What is there?")
        assert [text_of(message) for message in capability.messages()] == ["What is there?"]


def test_a_stream_that_is_left_is_stored_as_far_as_it_went() -> None:
    async def work() -> list[str]:
        async def stream(messages: list[ModelMessage], info: AgentInfo) -> Any:
            yield "In "
            yield "Braga."

        with Memory(":memory:") as memory:
            capability = LaminaCapability(memory, "s", user="ana")
            agent: Agent[None, str] = Agent(FunctionModel(stream_function=stream), capabilities=[capability])
            async with agent.run_stream("Where?") as result:
                assert await result.get_output() == "In Braga."
            async with agent.run_stream("And who?"):
                pass
            return [text_of(message) for message in capability.messages()]

    assert asyncio.run(work())[:3] == ["Where?", "In Braga.", "And who?"]


def test_system_prompts_stay_with_the_model_and_out_of_the_memory() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana", history=1)
        agent = Agent(FunctionModel(Script("one")), capabilities=[capability], system_prompt="Answer in rhyme about sardines.")
        agent.run_sync("First.")
        assert not any("sardines" in hit.text for hit in memory.search("rhyme about sardines", user="ana"))
        script = Script("two")
        agent_of(script, capability).run_sync("Second.", message_history=capability.messages())
        [request] = script.seen[0]
        assert isinstance(request.parts[0], SystemPromptPart)
        assert newest_prompt([request]).endswith("Second.")


def test_what_stands_before_the_first_prompt_counts_too() -> None:
    messages = [ModelResponse([TextPart("word " * 50)]), ModelRequest([UserPromptPart("now")])]
    assert fitted(messages, 20) == messages[1:]
    assert fitted(messages, 200) == messages


def test_whatever_a_tool_returns_is_kept_and_found() -> None:
    with Memory(":memory:") as memory:
        capability = LaminaCapability(memory, "s", user="ana")
        agent = agent_of(Script(ToolCallPart("look", {}), "Done."), capability)
        agent.tool_plain(lambda: [{"city": "Faro"}, "a\0b \\u0000"], name="look")
        result = agent.run_sync("Look.")
        assert capability.messages() == result.all_messages()
        assert any("Faro" in hit.text for hit in memory.search("Faro", user="ana"))


def test_a_model_can_remember_and_recall_by_itself() -> None:
    with Memory(":memory:") as memory:
        script = Script(ToolCallPart("remember", {"statement": "Clara lives in Braga."}), "Noted.")
        tools = memory_tools(memory, user="ana")
        Agent(FunctionModel(script), toolsets=[tools]).run_sync("Clara lives in Braga.")
        script = Script(ToolCallPart("recall", {"question": "where does Clara live?"}), "In Braga.")
        Agent(FunctionModel(script), toolsets=[tools]).run_sync("Where does Clara live?")
        returned = script.seen[1][-1].parts[0].content
        assert "Clara lives in Braga." in returned
        assert returned.startswith("<recalled-memory>")
        assert memory.count(user="ben") == 0
