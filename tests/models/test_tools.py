from __future__ import annotations

import json

import httpx
import pytest

from lamina.errors import InputError, ModelOutputError
from lamina.models import AnthropicModel, Completion, Message, OpenAIModel, ReplayCache, Tool, ToolCall, ToolsInWords
from lamina.models.tools import arguments_of, in_words, with_tools

ADD = Tool("add", "Adds a number.", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
CALL = ToolCall("c1", "add", '{"n": 2}')
TALK = [
    Message("system", "Be brief."),
    Message("user", "Add two."),
    Message("assistant", "", (CALL,)),
    Message("tool", "2", tool_call_id="c1"),
]


class Scripted:
    name = "scripted"

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[list[Message]] = []

    def complete(self, messages, *, schema=None, max_tokens=1024, temperature=0.0):
        self.asked.append(list(messages))
        return Completion(self.answers.pop(0))


def test_tools_travel_in_the_form_of_the_openai_api(script, waits):
    called = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"n": 3}'}}
    played = script(httpx.Response(200, json={"choices": [{"message": {"content": None, "tool_calls": [called]}}]}))
    model = OpenAIModel("m", "http://local/v1", "key-123456", retry=waits.retry(), transport=played.transport)
    answer = model.call(TALK, [ADD])
    assert answer.tool_calls == (ToolCall("c2", "add", '{"n": 3}'),)
    assert answer.message == Message("assistant", "", answer.tool_calls)
    body = played.body()
    assert body["tools"][0]["function"]["parameters"] == ADD.parameters
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"n": 2}'}
    assert body["messages"][3] == {"role": "tool", "content": "2", "tool_call_id": "c1"}


def test_tools_travel_in_the_form_of_the_messages_api(script, waits):
    blocks = [{"type": "text", "text": "Again."}, {"type": "tool_use", "id": "c2", "name": "add", "input": {"n": 3}}]
    played = script(httpx.Response(200, json={"content": blocks, "stop_reason": "tool_use"}))
    model = AnthropicModel("m", "http://local", "key-123456", retry=waits.retry(), transport=played.transport)
    two = [*TALK[:2], Message("assistant", "Twice.", (CALL, ToolCall("c3", "add", "broken"))), TALK[3]]
    answer = model.call([*two, Message("tool", "no", tool_call_id="c3")], [ADD])
    assert (answer.text, answer.tool_calls) == ("Again.", (ToolCall("c2", "add", '{"n": 3}'),))
    _, said, results = played.body()["messages"]
    assert [block["type"] for block in said["content"]] == ["text", "tool_use", "tool_use"]
    assert said["content"][2]["input"] == {"value": "broken"}
    assert results["role"] == "user"
    assert [block["tool_use_id"] for block in results["content"]] == ["c1", "c3"]


def test_a_model_without_tools_is_given_them_in_words():
    model = Scripted('Of course.\n{"tool": "add", "arguments": {"n": 5}}', "Seven.")
    answer = with_tools(model).call(TALK, [ADD])
    assert answer.tool_calls == (ToolCall("call-2", "add", '{"n": 5}'),)
    assert "add: Adds a number." in model.asked[0][0].content
    assert model.asked[0][-1] == Message("user", "Result of add:\n2")
    assert ToolsInWords(model).call(TALK, [ADD]).text == "Seven."


@pytest.mark.parametrize("text", ['{"tool": "fly"}', "[1, 2]", "no JSON", '{"tool": ["add"]}'])
def test_what_is_no_call_stays_text(text):
    assert ToolsInWords(Scripted(text)).call(TALK, [ADD]).text == text


@pytest.mark.parametrize(
    "messages",
    [
        [TALK[3]],
        TALK[:3],
        [*TALK[:3], Message("user", "Well?"), TALK[3]],
        [*TALK, TALK[3]],
    ],
)
def test_a_result_without_its_call_and_a_call_without_its_result_are_refused(messages, script, waits):
    played = script()
    for model in (
        OpenAIModel("m", "http://local/v1", "key-123456", retry=waits.retry(), transport=played.transport),
        AnthropicModel("m", "http://local", "key-123456", retry=waits.retry(), transport=played.transport),
        ToolsInWords(Scripted()),
    ):
        with pytest.raises(InputError, match="tool call 'c1'"):
            model.call(messages, [ADD])
    assert not played.requests


@pytest.mark.parametrize("wrong", [lambda: Tool("a b", "", {"type": "object"}), lambda: Tool("a", "", {"type": "array"})])
def test_a_tool_that_is_none_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Message("user", "", (CALL,)),
        lambda: Message("tool", "2"),
        lambda: Message("user", "2", tool_call_id="c1"),
    ],
)
def test_a_message_that_mixes_roles_is_refused(wrong):
    with pytest.raises(InputError):
        wrong()


@pytest.mark.parametrize("arguments", ["{", "[]", '{"n": "two"}', "{}"])
def test_arguments_that_do_not_fit_are_told_to_the_model(arguments):
    with pytest.raises(ModelOutputError, match="the arguments of add"):
        arguments_of(ToolCall("c", "add", arguments), ADD)


def test_answers_with_calls_are_replayed(tmp_path):
    path = tmp_path / "answers.jsonl"
    first = ReplayCache(Scripted(json.dumps({"tool": "add", "arguments": {"n": 1}}), "plain"), path)
    called = first.call(TALK, [ADD])
    assert first.complete(TALK[:2]).text == "plain"
    again = ReplayCache(None, path)
    assert again.call(TALK, [ADD]) == called
    assert again.complete(TALK[:2]).text == "plain"


def test_nothing_is_said_of_tools_where_there_are_none():
    assert in_words(TALK[:2], ()) == TALK[:2]
