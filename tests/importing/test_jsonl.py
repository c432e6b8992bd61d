"""Messages as JSON lines: every line is a message, or counted under its number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import Memory
from lamina.errors import InputError
from lamina.importing import Skipped
from lamina.importing.jsonl import JsonLines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["content", "text", "role", "speaker", "at", "until", "session", "origin", "images", "tool_calls", "metadata", "x"]
)


@given(lines=st.lists(st.dictionaries(FIELDS, VALUES, max_size=5) | VALUES | st.binary(max_size=20), max_size=8))
def test_no_line_stops_the_others(lines: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("jsonl") / "m.jsonl"
    raw = [line.replace(b"\n", b" ") if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    raw.append(b'{"content": "last"}')
    path.write_bytes(b"\n".join(raw))
    skipped = Skipped()
    with Memory(":memory:") as memory:
        stored = memory.add_many(JsonLines(path, skipped))
        assert stored + skipped.total == sum(1 for line in raw if line.strip())
        assert memory.search("last")


def test_a_line_that_names_no_origin_gets_one_that_lasts(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"content": "one"}\n{"content": "two", "origin": "mine"}\n')
    first = [message["origin"] for message in JsonLines(path, Skipped())]
    assert first == [message["origin"] for message in JsonLines(path, Skipped())]
    assert first[1] == "mine"
    path.write_text('{"content": "other"}\n')
    assert [message["origin"] for message in JsonLines(path, Skipped())] != first[:1]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"content": "one"}\n')
    assert [message["content"] for message in JsonLines(path, Skipped())] == ["one"]


def test_strict_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text('{"content": "one"}\n{"content": 3}\n')
    with pytest.raises(InputError, match=r"m\.jsonl:2: content must be a string"):
        list(JsonLines(path, Skipped(), strict=True))
