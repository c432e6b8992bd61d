"""Tools for language models that know none: offered in words, asked for in JSON; and the arguments of a call, read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lamina.errors import ModelOutputError
from lamina.models.protocols import (
    Completion,
    LanguageModel,
    Message,
    Schema,
    Tool,
    ToolCall,
    ToolModel,
    check_request,
    check_tools,
)
from lamina.models.structured import SchemaChecker, parse_json

_OFFER: Final = """You can use these tools. To use one, answer with nothing but {{"tool": its name, "arguments": an object}}.
Answer in plain words when you need none.
{tools}"""


def arguments_of(call: ToolCall, tool: Tool) -> dict[str, Any]:
    """The arguments of a call (any JSON), checked against the tool's schema.

    Raises `ModelOutputError` where they are no JSON object or break the schema; the message can be shown to the model.

    >>> add = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    >>> arguments_of(ToolCall("1", "add", '{"a": 2}'), add)
    {'a': 2}
    >>> arguments_of(ToolCall("1", "add", '{"a": 2'), add)
    Traceback (most recent call last):
        ...
    lamina.errors.ModelOutputError: the arguments of add are not JSON: write them again as one JSON object
    """
    try:
        given = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        raise ModelOutputError(f"the arguments of {tool.name} are not JSON: write them again as one JSON object") from None
    problem = SchemaChecker(tool.parameters).problem(given)
    if problem is not None:
        raise ModelOutputError(f"the arguments of {tool.name} break its schema: {problem}")
    return dict(given)


def call_in_text(text: str, tools: Sequence[Tool]) -> ToolCall | None:
    """The call that an answer in words is, if it is one: a JSON object with the name of a tool of ours.

    >>> add = Tool("add", "Adds.", {"type": "object"})
    >>> call_in_text('{"tool": "add", "arguments": {"a": 1}}', [add]).arguments
    '{"a": 1}'
    >>> call_in_text("I would add them.", [add]) is None
    True
    """
    try:
        found = parse_json(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or not any(found.get("tool") == tool.name for tool in tools):
        return None
    return ToolCall("", found["tool"], json.dumps(found.get("arguments", {}), ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class ToolsInWords:
    """Any language model as one that uses tools: they are described to it, and its JSON is read as a call, one at a time.

    Parameters: `model`.
    """

    model: LanguageModel

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    def complete(
        self, messages: Sequence[Message], *, schema: Schema | None = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """See `LanguageModel.complete`."""
        return self.model.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature)

    def call(
        self, messages: Sequence[Message], tools: Sequence[Tool], *, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """See `ToolModel.call`."""
        check_request(messages, max_tokens, temperature)
        check_tools(messages, tools)
        told = in_words(messages, tools)
        answer = self.model.complete(told, max_tokens=max_tokens, temperature=temperature)
        called = call_in_text(answer.text, tools)
        if called is None:
            return answer
        made = sum(len(message.tool_calls) for message in messages)
        return replace(answer, text="", tool_calls=(replace(called, id=f"call-{made + 1}"),))


def in_words(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """The messages for a model without tools: the offer comes first, calls become the assistant's words, results the user's.

    >>> asked = [Message("assistant", "", (ToolCall("a", "add", '{"a": 1}'),)), Message("tool", "1", tool_call_id="a")]
    >>> [(one.role, one.content) for one in in_words(asked, ())]
    [('assistant', '{"tool": "add", "arguments": {"a": 1}}'), ('user', 'Result of add:\\n1')]
    """
    told: list[Message] = []
    names: dict[str, str] = {}
    for message in messages:
        if message.role == "tool":
            told.append(Message("user", f"Result of {names.get(message.tool_call_id, 'the tool')}:\n{message.content}"))
            continue
        names.update({call.id: call.name for call in message.tool_calls})
        calls = [f'{{"tool": {json.dumps(call.name)}, "arguments": {call.arguments}}}' for call in message.tool_calls]
        told.append(
            Message(
                message.role, "\n".join([message.content, *calls] if message.content else calls) if calls else message.content
            )
        )
    if not tools:
        return told
    listed = "\n".join(f"- {one.name}: {one.description} Arguments: {json.dumps(one.parameters, default=dict)}" for one in tools)
    offer = _OFFER.format(tools=listed)
    if told and told[0].role == "system":
        return [Message("system", f"{told[0].content}\n\n{offer}"), *told[1:]]
    return [Message("system", offer), *told]


def with_tools(model: LanguageModel) -> ToolModel:
    """The model itself where it knows tools, else the same with tools in words."""
    return model if callable(getattr(model, "call", None)) else ToolsInWords(model)  # type: ignore[return-value]
