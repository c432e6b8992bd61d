"""What is handed in is read whole, or refused with words that help, before anything is written."""

from __future__ import annotations

import types
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import InputError
from lamina.keeping.messages import DEPTH, check_json, read_drafts

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)
FIELDS = (
    "role", "content", "text", "name", "speaker", "at", "timestamp", "until", "origin", "place", "session", "metadata",
    "captions", "images", "tool_calls", "tool_call_id", "echo_of", "other",
)  # fmt: skip
MESSAGES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8)


@settings(max_examples=400)
@given(st.one_of(JSON, MESSAGES, st.lists(MESSAGES, max_size=3)))
def test_any_json_is_read_or_refused_as_input(content: Any) -> None:
    try:
        drafts = read_drafts(content)
    except InputError:
        return
    assert drafts
    assert all(draft.text.strip() for draft in drafts)


@settings(max_examples=200)
@given(MESSAGES.map(lambda message: {**message, "content": "hello", "role": "user"}))
def test_a_message_keeps_its_text_whatever_else_it_has(message: dict[str, Any]) -> None:
    try:
        (draft,) = read_drafts(message)
    except InputError:
        return
    assert draft.text == "hello"


def test_all_parts_of_a_chat_message_are_kept() -> None:
    (draft,) = read_drafts(
        {
            "role": "user", "name": "Ana", "at": "2023-05-08", "until": "2023-05-10", "place": "Lisbon", "session": "s", "origin": "o",
            "content": [{"type": "text", "text": "Look!"}, {"type": "image", "alt": "a boat"}, "Nice?"],
            "images": [{"caption": "the sea"}, "a gull", {"url": "x"}], "captions": ["a net"], "metadata": {"a": 1}, "mood": "glad",
        }
    )  # fmt: skip
    assert draft.text == "Look!\nNice?"
    assert draft.data["captions"] == ["a net", "the sea", "a gull", "a boat"]
    assert draft.data["metadata"] == {"a": 1, "mood": "glad"}
    assert (draft.role, draft.data["speaker"], draft.data["place"], draft.session, draft.origin) == (
        "user",
        "Ana",
        "Lisbon",
        "s",
        "o",
    )
    assert draft.at is not None
    assert draft.at.precision == "day"


def test_a_tool_call_without_words_is_kept_as_words() -> None:
    call = {"id": "1", "function": {"name": "weather", "arguments": '{"city": "Porto"}'}}
    (draft,) = read_drafts({"role": "assistant", "content": None, "tool_calls": [call]})
    assert draft.text == 'weather({"city": "Porto"})'
    assert draft.data["tool_calls"] == [call]


def test_a_picture_alone_is_something_to_remember() -> None:
    assert read_drafts({"captions": "a red boat"})[0].data["captions"] == ["a red boat"]
    with pytest.raises(InputError, match="is empty"):
        read_drafts({"content": [{"type": "image_url", "image_url": "x"}]})


def test_a_messages_own_fields_win_over_common_ones() -> None:
    drafts = read_drafts(
        [{"content": "a", "session": "own", "origin": "x"}, "b"], UTC, session="common", origin="o", metadata={"m": 1}
    )
    assert [(draft.session, draft.origin) for draft in drafts] == [("own", "x"), ("common", "o/1")]
    assert all(draft.data["metadata"] == {"m": 1} for draft in drafts)


cycle: dict[str, Any] = {}
cycle["self"] = cycle
deep: Any = 1
for _ in range(DEPTH + 2):
    deep = [deep]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "nan is no JSON number"),
        (float("inf"), "inf is no JSON number"),
        (b"bytes", "bytes is none of"),
        ({1, 2}, "set is none of"),
        ({1: "a"}, "must be text, not 1"),
        (cycle, "contain themselves"),
        (deep, "nested"),
        (2**2000, "bits"),
        ("a\ud800", "surrogate"),
        ({"a\ud800": 1}, "surrogate"),
        ("a\0", "NUL"),
        (object(), "object is none of"),
        (types.SimpleNamespace(a=1), "SimpleNamespace is none of"),
    ],
)
def test_metadata_that_is_no_json_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_drafts({"content": "hello", "metadata": {"field": value}})
    with pytest.raises(InputError, match=words):
        read_drafts({"content": "hello", "tool_calls": [{"name": value}]})


def test_plain_metadata_passes() -> None:
    check_json({"a": [1, 2.5, None, True, "", " ", {"b": "ü"}], "big": 2**70}, "metadata")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "content must be text"),
        (5, "content must be text"),
        (b"bytes", "content must be text"),
        ([], "empty list"),
        ("", "content is empty"),
        ("  \n", "content is empty"),
        (["ok", ""], "message 1 is empty"),
        (["ok", 5], "message 1 must be text or a mapping"),
        ({}, "no 'content'"),
        ({"content": 5}, "must be a string"),
        ({"content": [5]}, "a content part must be text or a mapping"),
        ({"content": "x", "role": 5}, "role must be a string"),
        ({"content": "x", "role": "event"}, "is kept for the memory's own records"),
        ({"content": "x", "name": ["Ana"]}, "speaker must be a string"),
        ({"content": "x", "at": "yesterday"}, "is not a time"),
        ({"content": "x", "at": [2023]}, "is not a time"),
        ({"content": "x", "at": 10**30}, "years 1 to 9999"),
        ({"content": "x", "metadata": "y"}, "metadata must be a mapping"),
        ({"content": "x", "captions": 5}, "captions must be a list"),
        ({"content": "x", "captions": [5]}, "caption must be a string"),
        ({"content": "x", "images": 5}, "images must be a list"),
        ({"content": "", "tool_calls": 5}, "tool_calls must be a list"),
        ({"content": "", "tool_calls": [5]}, "a tool call must be a mapping"),
        ({"content": "x", "echo_of": 5}, "echo_of must be"),
        ({5: "x"}, "names of its fields must be text"),
    ],
)
def test_a_malformed_message_is_refused_by_what_is_wrong_with_it(content: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_drafts(content)
