"""Language models behind the Anthropic Messages API; a schema becomes a tool that the model has to call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models.anthropic_pieces import MessagePieces
from lamina.models.http import JsonEndpoint, RequestRefused, Retry
from lamina.models.protocols import Completion, Message, Schema, Tool, ToolCall, check_request, check_tools
from lamina.models.remote_answer import RemoteAnswer
from lamina.models.structured import complete_in_form

if TYPE_CHECKING:
    import httpx

    from lamina.models.event_stream import EventStream

_Found = TypeVar("_Found")

ANTHROPIC_URL: Final = "https://api.anthropic.com"
_API_VERSION: Final = "2023-06-01"
_TOOL: Final = "answer"
_WRAPPED: Final = "value"  # a tool's input is an object, so any other form travels inside one


def _key_header(key: str) -> dict[str, str]:
    return {"x-api-key": key, "anthropic-version": _API_VERSION}


class AnthropicModel:
    """Completes through `POST {base_url}/v1/messages`.

    System messages are joined into the API's own field. Parameters: `model`; `base_url`; `api_key`; `timeout` in
    seconds; `retry`; `extra`, further fields of the request as the API documents them.
    """

    def __init__(
        self,
        model: str,
        base_url: str = ANTHROPIC_URL,
        api_key: str | None = None,
        *,
        timeout: float = 120.0,
        retry: Retry | None = None,
        extra: Mapping[str, Any] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._model = model
        self._endpoint = JsonEndpoint(f"model {model!r}", base_url, _key_header, api_key, timeout, retry, transport)
        self._path = "messages" if self._endpoint.base_url.endswith("/v1") else "v1/messages"
        self._extra = dict(extra or {})
        self._takes_temperature = True

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `LanguageModel.complete`; needs at least one message that is not the system's."""
        _check(messages, max_tokens, temperature)

        def ask(said: Sequence[Message]) -> Completion:
            return self._ask(said, schema, max_tokens, temperature)

        return ask(messages) if schema is None else complete_in_form(ask, messages, schema, f"model {self._model!r}")

    def call(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        *,
        max_tokens: int = 1024,
        temperature: float = 0.0,
    ) -> Completion:
        """See `ToolModel.call`."""
        check_request(messages, max_tokens, temperature)
        check_tools(messages, tools)
        return self._ask(messages, None, max_tokens, temperature, tools)

    def stream(self, messages: Sequence[Message], *, max_tokens: int = 1024, temperature: float = 0.0) -> RemoteAnswer:
        """The answer while it is written: see `StreamingModel.stream`. Raises `InputError` at once, what the endpoint refuses with the first piece."""
        _check(messages, max_tokens, temperature)

        def begin() -> EventStream:
            return self._sent(
                lambda body: self._endpoint.stream(self._path, {**body, "stream": True}), messages, None, max_tokens, temperature
            )

        return RemoteAnswer(begin, MessagePieces(self._model, self._what), self._what)

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()

    @property
    def _what(self) -> str:
        return f"model {self._model!r} at {self._endpoint.base_url}"

    def _ask(
        self,
        messages: Sequence[Message],
        schema: Schema | None,
        max_tokens: int,
        temperature: float,
        tools: Sequence[Tool] = (),
    ) -> Completion:
        def send(body: Mapping[str, Any]) -> dict[str, Any]:
            return self._endpoint.post(self._path, body)

        return self._read(self._sent(send, messages, schema, max_tokens, temperature, tools), schema)

    def _sent(
        self,
        send: Callable[[Mapping[str, Any]], _Found],
        messages: Sequence[Message],
        schema: Schema | None,
        max_tokens: int,
        temperature: float,
        tools: Sequence[Tool] = (),
    ) -> _Found:
        """What the endpoint gives for a request, without a temperature where it does not know that."""
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": max_tokens,
            "messages": _turns(messages),
        }
        system = "\n\n".join(one.content for one in messages if one.role == "system")
        if system:
            body["system"] = system
        if schema is not None:
            body["tools"] = [{"name": _TOOL, "description": "Give the answer.", "input_schema": _as_object(schema)}]
            body["tool_choice"] = {"type": "tool", "name": _TOOL}
        elif tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters} for tool in tools
            ]
        if self._takes_temperature:
            body["temperature"] = temperature
        try:
            return send({**body, **self._extra})
        except RequestRefused as refusal:
            if refusal.status != 400 or "temperature" not in refusal.detail.lower() or "temperature" not in body:
                raise
            self._takes_temperature = False
            return self._sent(send, messages, schema, max_tokens, temperature, tools)

    def _read(self, answer: Mapping[str, Any], schema: Schema | None) -> Completion:
        what = self._what
        try:
            blocks = [dict(block) for block in answer["content"]]
            called = [block["input"] for block in blocks if block.get("type") == "tool_use"]
            calls = tuple(
                ToolCall(str(block["id"]), str(block["name"]), json.dumps(block["input"], ensure_ascii=False))
                for block in blocks
                if block.get("type") == "tool_use" and schema is None
            )
            text = "".join(block["text"] for block in blocks if block.get("type") == "text")
        except (KeyError, TypeError, ValueError):
            raise ModelError(f"{what} did not answer with a message: check that the address serves messages") from None
        if answer.get("stop_reason") == "refusal":
            raise ModelOutputError(f"{what} declined to answer")
        if schema is not None and called:
            given = called[0]
            if not _is_object(schema) and isinstance(given, Mapping) and _WRAPPED in given:
                given = given[_WRAPPED]
            text = json.dumps(given, ensure_ascii=False)
        usage = answer.get("usage")
        counts = usage if isinstance(usage, Mapping) else {}
        prompt, completion = counts.get("input_tokens"), counts.get("output_tokens")
        return Completion(
            text,
            model=str(answer.get("model") or self._model),
            prompt_tokens=prompt if isinstance(prompt, int) else None,
            completion_tokens=completion if isinstance(completion, int) else None,
            truncated=answer.get("stop_reason") == "max_tokens",
            tool_calls=calls,
        )

    def __repr__(self) -> str:
        return f"AnthropicModel({self._model!r}, {self._endpoint.base_url!r})"


def _check(messages: Sequence[Message], max_tokens: int, temperature: float) -> None:
    check_request(messages, max_tokens, temperature)
    if all(message.role == "system" for message in messages):
        raise InputError("the Messages API needs a message of role 'user' beside the system's")


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages that are not the system's in the API's form: calls and results are blocks, results are the user's."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            continue
        if message.role == "tool":
            result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}
            if turns and turns[-1]["role"] == "user" and isinstance(turns[-1]["content"], list):
                turns[-1]["content"].append(result)
            else:
                turns.append({"role": "user", "content": [result]})
        elif message.tool_calls:
            said = [{"type": "text", "text": message.content}] if message.content.strip() else []
            called = [
                {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call)} for call in message.tool_calls
            ]
            turns.append({"role": "assistant", "content": [*said, *called]})
        else:
            turns.append({"role": message.role, "content": message.content})
    return turns


def _arguments(call: ToolCall) -> Any:
    """A call's arguments as JSON, which has no narrower type; malformed ones are passed on as text in an object."""
    try:
        given = json.loads(call.arguments)
    except ValueError:
        given = call.arguments
    return given if isinstance(given, dict) else {_WRAPPED: given}


def _is_object(schema: Schema) -> bool:
    return schema.get("type") == "object"


def _as_object(schema: Schema) -> Schema:
    """The schema itself if it is an object's, else that of an object around it; definitions stay at the root."""
    if _is_object(schema):
        return schema
    inner = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    shared = {key: value for key, value in schema.items() if key in ("$defs", "definitions")}
    return {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED], **shared}
