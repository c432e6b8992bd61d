from __future__ import annotations

from typing import Any

import httpx
import pytest

from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models import AnthropicModel, Message

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
ASKED = [Message("system", "Be brief."), Message("user", "How old is Ana?"), Message("system", "In years.")]


def said(*blocks: dict[str, Any], stop: str = "end_turn") -> httpx.Response:
    usage = {"input_tokens": 7, "output_tokens": 3}
    return httpx.Response(200, json={"model": "served", "content": list(blocks), "stop_reason": stop, "usage": usage})


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def tool(given: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t", "name": "answer", "input": given}


def model(played, waits, base_url: str = "http://local", **changes) -> AnthropicModel:
    return AnthropicModel("m", base_url, "key-123456", retry=waits.retry(), transport=played.transport, **changes)


def test_a_plain_answer(script, waits):
    played = script(said(text("Thr"), text("ee.")))
    answer = model(played, waits).complete(ASKED, max_tokens=9)
    assert (answer.text, answer.data, answer.model) == ("Three.", None, "served")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.truncated) == (7, 3, False)
    request = played.requests[0]
    assert str(request.url) == "http://local/v1/messages"
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == ("key-123456", "2023-06-01")
    assert played.body() == {
        "model": "m",
        "max_tokens": 9,
        "temperature": 0.0,
        "system": "Be brief.\n\nIn years.",
        "messages": [{"role": "user", "content": "How old is Ana?"}],
    }


def test_an_address_that_ends_in_its_version_is_kept(script, waits):
    played = script(said(text("x")))
    model(played, waits, "http://local/v1/").complete(ASKED)
    assert str(played.requests[0].url) == "http://local/v1/messages"


def test_a_schema_becomes_a_tool_that_has_to_be_called(script, waits):
    played = script(said(text("I will answer."), tool({"age": 3}), stop="tool_use"))
    answer = model(played, waits).complete(ASKED, schema=SCHEMA)
    assert (answer.data, answer.text) == ({"age": 3}, '{"age": 3}')
    assert played.body()["tool_choice"] == {"type": "tool", "name": "answer"}
    assert played.body()["tools"][0]["input_schema"] == SCHEMA


def test_a_schema_that_is_no_objects_travels_inside_one(script, waits):
    schema = {"type": "array", "items": {"$ref": "#/$defs/year"}, "$defs": {"year": {"type": "integer"}}}
    played = script(said(tool({"value": [1, 2]})))
    assert model(played, waits).complete(ASKED, schema=schema).data == [1, 2]
    sent = played.body()["tools"][0]["input_schema"]
    assert sent["properties"]["value"] == {"type": "array", "items": {"$ref": "#/$defs/year"}}
    assert (sent["type"], sent["$defs"], sent["required"]) == ("object", schema["$defs"], ["value"])


def test_an_object_with_a_field_called_value_is_left_alone(script, waits):
    schema = {"type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]}
    assert model(script(said(tool({"value": 3}))), waits).complete(ASKED, schema=schema).data == {"value": 3}


def test_an_answer_in_words_is_read_where_no_tool_was_called(script, waits):
    assert model(script(said(text('{"age": 3}'))), waits).complete(ASKED, schema=SCHEMA).data == {"age": 3}


def test_a_wrong_answer_is_asked_for_once_more_then_given_up(script, waits):
    played = script(said(tool({"age": "three"})), said(tool({"age": 3})))
    answer = model(played, waits).complete(ASKED, schema=SCHEMA)
    assert (answer.data, answer.prompt_tokens) == ({"age": 3}, 14)
    roles = [message["role"] for message in played.body(1)["messages"]]
    assert roles == ["user", "assistant", "user"]
    with pytest.raises(ModelOutputError, match="answered twice"):
        model(script(said(tool({}))), waits).complete(ASKED, schema=SCHEMA)


def test_a_model_without_temperature_is_asked_without_it_from_then_on(script, waits):
    refusal = httpx.Response(400, json={"type": "error", "error": {"message": "`temperature` is deprecated for this model"}})
    played = script(refusal, said(text("x")))
    asked = model(played, waits)
    asked.complete(ASKED)
    asked.complete(ASKED)
    assert [("temperature" in played.body(number)) for number in range(3)] == [True, False, False]
    assert len(played.requests) == 3


def test_other_refusals_are_told(script, waits):
    played = script(httpx.Response(400, json={"type": "error", "error": {"message": "prompt is too long"}}))
    with pytest.raises(ModelError, match="prompt is too long"):
        model(played, waits).complete(ASKED)
    assert len(played.requests) == 1
    played = script(httpx.Response(400, json={"error": {"message": "temperature"}}))
    with pytest.raises(ModelError, match="temperature"):
        model(played, waits, extra={"temperature": 3}).complete(ASKED)
    assert len(played.requests) == 2


def test_an_overloaded_endpoint_is_waited_for(script, waits):
    played = script(httpx.Response(529), said(text("x")))
    assert model(played, waits).complete(ASKED).text == "x"
    assert len(waits) == 1


@pytest.mark.parametrize(
    "body", [{}, {"content": None}, {"content": [3]}, {"content": [{"type": "text"}]}, {"content": [{"type": "tool_use"}]}]
)
def test_malformed_answers_are_told(script, waits, body):
    with pytest.raises(ModelError, match="did not answer with a message"):
        model(script(httpx.Response(200, json=body)), waits).complete(ASKED)


def test_a_declined_and_a_cut_off_answer_are_told_apart(script, waits):
    with pytest.raises(ModelOutputError, match="declined"):
        model(script(said(stop="refusal")), waits).complete(ASKED)
    assert model(script(said(text("Thr"), stop="max_tokens")), waits).complete(ASKED).truncated


def test_a_prompt_of_system_messages_alone_is_refused(script, waits):
    played = script(said(text("x")))
    with pytest.raises(InputError, match="role 'user'"):
        model(played, waits).complete(ASKED[:1])
    assert played.requests == []
