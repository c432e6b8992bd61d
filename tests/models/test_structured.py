from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import InputError, ModelOutputError
from lamina.models import Completion, Message
from lamina.models.structured import SchemaChecker, complete_in_form, parse_json

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
ASKED = [Message("user", "How old is Ana?")]


def scripted(*texts: str):
    said: list[list[Message]] = []

    def ask(messages):
        said.append(list(messages))
        return Completion(texts[len(said) - 1], prompt_tokens=10, completion_tokens=2)

    return ask, said


@pytest.mark.parametrize(
    "text",
    ['{"age": 3}', ' \n{"age": 3}\n', '```json\n{"age": 3}\n```', 'Sure!\n```\n{"age": 3}\n```\nDone.', 'It is {"age": 3}, I think.',
     '<think>{"age": 9}? no</think>\n{"age": 3}'],
)  # fmt: skip
def test_json_is_found_in_the_usual_wrappings(text):
    assert parse_json(text) == {"age": 3}


@pytest.mark.parametrize("text", ["", "three", "{age: 3}", '{"age": NaN}', '{"age": 3', "[" * 100_000, "1" * 5000])
def test_what_holds_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_every_json_value_is_read_back(value):
    import json

    assert parse_json(json.dumps(value)) == value
    if isinstance(value, (dict, list)):
        assert parse_json(f"Here: ```json\n{json.dumps(value)}\n``` there.") == value


@given(st.text(max_size=40))
def test_no_text_breaks_the_reader(text):
    try:
        parse_json(text)
    except ValueError:
        pass


def test_a_right_answer_is_asked_for_once():
    ask, said = scripted('{"age": 3}')
    answer = complete_in_form(ask, ASKED, SCHEMA, "m")
    assert (answer.data, len(said), answer.prompt_tokens) == ({"age": 3}, 1, 10)


@pytest.mark.parametrize(
    ("wrong", "told"), [("three", "not valid JSON"), ('{"age": "three"}', "at $.age the rule 'type'"), ("{}", "'required'")]
)
def test_a_wrong_answer_is_asked_for_once_more_with_the_reason(wrong, told):
    ask, said = scripted(wrong, '{"age": 3}')
    answer = complete_in_form(ask, ASKED, SCHEMA, "m")
    assert answer.data == {"age": 3}
    assert (answer.prompt_tokens, answer.completion_tokens) == (20, 4)
    assert said[1][: len(ASKED)] == ASKED
    assert said[1][1] == Message("assistant", wrong)
    assert told in said[1][2].content
    assert '"required"' in said[1][2].content  # the schema itself, for endpoints that pass it over


def test_two_wrong_answers_are_an_error_that_quotes_neither():
    ask, said = scripted('{"age": "my diary"}', '{"age": "my diary"}', '{"age": 3}')
    with pytest.raises(ModelOutputError, match=r"answered twice .*\$\.age") as caught:
        complete_in_form(ask, ASKED, SCHEMA, "m")
    assert len(said) == 2
    assert "diary" not in str(caught.value)


def test_an_answer_cut_off_says_so():
    with pytest.raises(ModelOutputError, match="cut off at max_tokens"):
        complete_in_form(lambda _: Completion('{"age"', truncated=True), ASKED, SCHEMA, "m")


def test_a_null_answer_counts_where_the_schema_allows_it():
    ask, said = scripted("null")
    assert complete_in_form(ask, ASKED, {"type": ["null", "string"]}, "m").data is None
    assert len(said) == 1


@pytest.mark.parametrize("schema", [{"type": "objekt"}, {"required": "age"}, {"type": object()}, {"minimum": float("nan")}])
def test_schemas_that_are_none_are_refused(schema):
    with pytest.raises(InputError, match="schema"):
        SchemaChecker(schema)


def test_a_schema_is_never_fetched(monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("the network was used"))
    with pytest.raises(InputError, match="not in it"):
        SchemaChecker({"$ref": "http://example.org/schema.json"}).problem({})
    assert SchemaChecker({"$ref": "#/$defs/a", "$defs": {"a": {"type": "integer"}}}).problem("x") is not None
