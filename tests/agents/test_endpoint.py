"""The machine over a chat endpoint: what goes over the wire is what the API takes, and comes back as calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from lamina.agents.control_unit import Budget, ControlUnit
from lamina.agents.scripted_processor import ScriptedProcessor
from lamina.models import AnthropicModel, Message, OpenAIModel, Tool, ToolCall
from lamina.working.program import StoredProgram

TASK = "Write the package kit.\nbread: 3x+2\nlunch: 2x+4 bread\nsupper: 4x+1 lunch"


def openai_endpoint(request: httpx.Request) -> httpx.Response:
    """Plays a server: reads the request as the API has it, lets the scripted processor answer."""
    body = json.loads(request.content)
    said = [_message(one) for one in body["messages"]]
    tools = [
        Tool(one["function"]["name"], one["function"]["description"], one["function"]["parameters"]) for one in body["tools"]
    ]
    answer = ScriptedProcessor().call(said, tools)
    calls = [
        {"id": f"call_{len(said)}_{number}", "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
        for number, one in enumerate(answer.tool_calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "tool_calls": calls or None}
    return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})


def _message(one: dict[str, Any]) -> Message:
    calls = [ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in one.get("tool_calls", ())]
    return Message(one["role"], one["content"] or "", tuple(calls), one.get("tool_call_id", ""))


def anthropic_endpoint(request: httpx.Request) -> httpx.Response:
    """The same for the Messages API."""
    body = json.loads(request.content)
    said = [Message("system", body["system"] if isinstance(body["system"], str) else body["system"][0]["text"])]
    for one in body["messages"]:
        blocks = [{"type": "text", "text": one["content"]}] if isinstance(one["content"], str) else one["content"]
        for block in blocks:
            if block["type"] == "text":
                said.append(Message(one["role"], block["text"]))
            elif block["type"] == "tool_use":
                call = ToolCall(block["id"], block["name"], json.dumps(block["input"]))
                before = said.pop().tool_calls if said[-1].role == "assistant" else ()
                said.append(Message("assistant", "", (*before, call)))
            else:
                content = block["content"]
                text = content if isinstance(content, str) else content[0]["text"]
                said.append(Message("tool", text, tool_call_id=block["tool_use_id"]))
    tools = [Tool(one["name"], one["description"], one["input_schema"]) for one in body["tools"]]
    answer = ScriptedProcessor().call(said, tools)
    blocks = [{"type": "text", "text": answer.text}] if answer.text else []
    blocks += [
        {"type": "tool_use", "id": f"call_{len(said)}_{number}", "name": one.name, "input": json.loads(one.arguments)}
        for number, one in enumerate(answer.tool_calls)
    ]  # fmt: skip
    return httpx.Response(200, json={"content": blocks, "stop_reason": "end_turn"})


@pytest.mark.parametrize("kind", [OpenAIModel, AnthropicModel])
def test_a_package_is_written_over_the_wire(tmp_path: Path, kind: Any) -> None:
    play = openai_endpoint if kind is OpenAIModel else anthropic_endpoint
    model = kind("m", "http://local/v1", "key-123456", transport=httpx.MockTransport(play))
    program = StoredProgram.open(tmp_path, TASK)
    report = ControlUnit(model, program, budget=Budget(context=1800, margin=250)).run()
    assert report.finished, report
    assert [path for path in program.store.list() if path.startswith("kit/")] == ["kit/bread.py", "kit/lunch.py", "kit/supper.py"]
    assert program.spent.largest_prompt <= 1800
