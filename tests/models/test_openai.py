from __future__ import annotations

import json

import httpx
import numpy as np
import pytest

from lamina.errors import InputError, ModelError, ModelOutputError, VectorError
from lamina.models import Message, OpenAIEmbedder, OpenAIModel

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"], "additionalProperties": False}
ASKED = [Message("system", "Be brief."), Message("user", "How old is Ana?")]


def refuse(words: str, status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": words}})


def model(played, waits, **changes) -> OpenAIModel:
    return OpenAIModel("m", "http://local/v1", "key-123456", retry=waits.retry(), transport=played.transport, **changes)


def test_a_plain_answer(script, waits, chat_answer):
    played = script(chat_answer("Three."))
    answer = model(played, waits).complete(ASKED, max_tokens=9, temperature=0.5)
    assert (answer.text, answer.data, answer.model) == ("Three.", None, "served")
    assert (answer.prompt_tokens, answer.completion_tokens, answer.truncated) == (7, 3, False)
    assert str(played.requests[0].url) == "http://local/v1/chat/completions"
    assert played.requests[0].headers["authorization"] == "Bearer key-123456"
    assert played.body() == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How old is Ana?"}],
        "max_tokens": 9,
        "temperature": 0.5,
    }


def test_a_schema_is_asked_for_as_the_response_format(script, waits, chat_answer):
    played = script(chat_answer('{"age": 3}'))
    assert model(played, waits).complete(ASKED, schema=SCHEMA).data == {"age": 3}
    form = played.body()["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize("loose", [{"type": "object"}, {"type": "array", "items": {"type": "object", "properties": {"a": {}}}}])
def test_a_schema_outside_the_strict_rules_is_not_called_strict(script, waits, chat_answer, loose):
    played = script(chat_answer("[]" if loose["type"] == "array" else "{}"))
    model(played, waits).complete(ASKED, schema=loose)
    assert played.body()["response_format"]["json_schema"]["strict"] is False


@pytest.mark.parametrize("status", [400, 422, 501])
def test_an_endpoint_without_response_format_is_asked_in_words_from_then_on(script, waits, chat_answer, status):
    played = script(refuse("unknown field response_format", status), chat_answer('```json\n{"age": 3}\n```'))
    asked = model(played, waits)
    assert asked.complete(ASKED, schema=SCHEMA).data == {"age": 3}
    assert "response_format" in played.body(0)
    assert "response_format" not in played.body(1)
    assert json.dumps(SCHEMA) in played.body(1)["messages"][-1]["content"]
    asked.complete(ASKED, schema=SCHEMA)
    assert len(played.requests) == 3


def test_a_refusal_for_another_reason_is_told_and_not_remembered(script, waits, chat_answer):
    played = script(refuse("context length exceeded"), refuse("context length exceeded"), chat_answer('{"age": 3}'))
    asked = model(played, waits)
    with pytest.raises(ModelError, match="context length exceeded"):
        asked.complete(ASKED, schema=SCHEMA)
    asked.complete(ASKED, schema=SCHEMA)
    assert "response_format" in played.body(2)


def test_a_bad_key_does_not_look_like_a_missing_feature(script, waits):
    played = script(refuse("bad key", 401))
    with pytest.raises(ModelError, match="check the API key"):
        model(played, waits).complete(ASKED, schema=SCHEMA)
    assert len(played.requests) == 1


def test_parameters_the_endpoint_wants_otherwise_are_changed_and_remembered(script, waits, chat_answer):
    played = script(
        refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refuse("Unsupported value: 'temperature' does not support 0.0."),
        chat_answer("Three."),
    )
    asked = model(played, waits)
    assert asked.complete(ASKED, max_tokens=5).text == "Three."
    asked.complete(ASKED, max_tokens=5)
    assert len(played.requests) == 4
    for number in (2, 3):
        assert played.body(number)["max_completion_tokens"] == 5
        assert not {"max_tokens", "temperature"} & set(played.body(number))


def test_a_refused_field_of_the_users_own_ends_in_an_error(script, waits):
    played = script(refuse("temperature is not supported"))
    with pytest.raises(ModelError, match="temperature"):
        model(played, waits, extra={"temperature": 1}).complete(ASKED)
    assert len(played.requests) == 2


def test_a_wrong_answer_is_asked_for_once_more_then_given_up(script, waits, chat_answer):
    played = script(chat_answer('{"age": "three"}'), chat_answer('{"age": 3}'))
    answer = model(played, waits).complete(ASKED, schema=SCHEMA)
    assert (answer.data, answer.prompt_tokens) == ({"age": 3}, 14)
    assert "$.age" in played.body(1)["messages"][-1]["content"]
    with pytest.raises(ModelOutputError, match="answered twice"):
        model(script(chat_answer("three")), waits).complete(ASKED, schema=SCHEMA)


@pytest.mark.parametrize(
    "body",
    [{}, {"choices": []}, {"choices": [{"message": None}]}, {"choices": [{"message": {"content": 3}}]}, {"choices": {"a": 1}}],
)
def test_malformed_answers_are_told(script, waits, body):
    with pytest.raises(ModelError, match="did not answer with"):
        model(script(httpx.Response(200, json=body)), waits).complete(ASKED)


def test_a_declined_and_a_cut_off_answer_are_told_apart(script, waits, chat_answer):
    with pytest.raises(ModelOutputError, match="declined"):
        model(script(chat_answer(None, refusal="I will not.")), waits).complete(ASKED)
    assert model(script(chat_answer("Thr", "length")), waits).complete(ASKED).truncated


@pytest.mark.parametrize(
    "wrong", [{"messages": []}, {"messages": [{"role": "user", "content": "x"}]}, {"max_tokens": 0}, {"max_tokens": True}, {"temperature": -1.0},
              {"temperature": float("nan")}, {"schema": {"type": "objekt"}}]
)  # fmt: skip
def test_malformed_requests_are_refused_before_anything_is_sent(script, waits, chat_answer, wrong):
    played = script(chat_answer("x"))
    with pytest.raises(InputError):
        model(played, waits).complete(**{"messages": ASKED, **wrong})
    assert played.requests == []


def test_further_fields_are_sent_and_win(script, waits, chat_answer):
    played = script(chat_answer("x"))
    model(played, waits, extra={"top_p": 0.5, "max_tokens": 3}).complete(ASKED)
    assert (played.body()["top_p"], played.body()["max_tokens"]) == (0.5, 3)


# ------------------------------------------------------------------------------------------------------- embeddings
def vectors_of(*rows: list[float]) -> httpx.Response:
    return httpx.Response(200, json={"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)]})


def embedder(played, waits, **changes) -> OpenAIEmbedder:
    return OpenAIEmbedder("e", "http://local/v1", "key-123456", retry=waits.retry(), transport=played.transport, **changes)


def test_texts_are_sent_in_batches_without_blanks_and_come_back_in_place(script, waits):
    def answer(request: httpx.Request) -> httpx.Response:
        return vectors_of(*[[float(len(text)), 1.0] for text in json.loads(request.content)["input"]])

    played = script(answer)
    found = embedder(played, waits, dimensions=2, batch=2).embed(["a", "", "bb", " \n", "ccc"])
    assert [played.body(number)["input"] for number in range(2)] == [["a", "bb"], ["ccc"]]
    assert played.body()["dimensions"] == 2
    wide = np.array([[1, 1], [0, 0], [2, 1], [0, 0], [3, 1]]) / np.sqrt([[2], [1], [5], [1], [10]])
    np.testing.assert_allclose(found, wide, rtol=1e-6)


def test_the_dimension_is_learnt_once(script, waits):
    played = script(vectors_of([3.0, 4.0]))
    asked = embedder(played, waits)
    assert played.requests == []
    assert (asked.dim, asked.dim) == (2, 2)
    assert len(played.requests) == 1
    assert "dimensions" not in played.body()


def test_prefixes_tell_kinds_apart_and_are_part_of_the_fingerprint(script, waits):
    played = script(vectors_of([3.0, 4.0]))
    asked = embedder(played, waits, dimensions=2, prefixes={"query": "query: "})
    asked.embed(["a"], "query")
    asked.embed(["a"], "document")
    assert [played.body(number)["input"] for number in range(2)] == [["query: a"], ["a"]]
    plain = embedder(played, waits, dimensions=2)
    assert asked.fingerprint != plain.fingerprint != embedder(played, waits, dimensions=3).fingerprint
    assert embedder(played, waits, fingerprint="mine").fingerprint == "mine"
    assert "key-123456" not in plain.fingerprint + repr(plain)


@pytest.mark.parametrize(
    "body",
    [{}, {"data": None}, {"data": []}, {"data": [{"index": 0}]}, {"data": [{"index": 5, "embedding": [1.0]}]}, {"data": [{"embedding": 3}]},
     {"data": [{"embedding": [1.0, 2.0]}, {"embedding": [1.0, 2.0]}]}, {"data": [{"index": [], "embedding": [1.0]}]}, {"data": [{"embedding": []}]}],
)  # fmt: skip
def test_answers_without_the_vectors_are_told(script, waits, body):
    with pytest.raises(ModelError, match="did not answer with 1 vectors"):
        embedder(script(httpx.Response(200, json=body)), waits, dimensions=2).embed(["a"])


@pytest.mark.parametrize(
    "content", [b'{"data":[{"embedding":[NaN,1.0]}]}', b'{"data":[{"embedding":[1.0]}]}', b'{"data":[{"embedding":["a","b"]}]}']
)
def test_vectors_that_are_none_are_refused(script, waits, content):
    with pytest.raises(VectorError, match="'e'"):
        embedder(script(httpx.Response(200, content=content)), waits, dimensions=2).embed(["a"])


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"dimensions": 0}])
def test_impossible_sizes_are_refused(script, waits, wrong):
    with pytest.raises(InputError):
        embedder(script(vectors_of()), waits, **wrong)
