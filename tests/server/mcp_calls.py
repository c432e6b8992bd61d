"""Calls of the MCP server's tools, as tests make them: the size each answer may have, good calls of every tool, and bad ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

USUAL = 6_000
ERROR = 1_000

GOOD: dict[str, dict[str, Any]] = {
    "remember": {"text": "The ferry leaves at nine.", "speaker": "Ana", "at": "2026-03-01"},
    "recall": {"cue": "when does the ferry leave?", "max_tokens": 300},
    "search": {"query": "ferry", "limit": 50},
    "explain": {"id": "-", "query": "ferry"},
    "forget": {"ids": ["-"]},
    "restore": {"ids": ["-"]},
    "profile": {},
    "create_entities": {"entities": [{"name": "Ana", "entityType": "person", "observations": ["likes sardines"]}]},
    "create_relations": {"relations": [{"from": "Ana", "to": "Braga", "relationType": "lives_in"}]},
    "add_observations": {"observations": [{"entityName": "Ana", "contents": ["is tall"]}]},
    "delete_observations": {"deletions": [{"entityName": "Ana", "observations": ["is tall"]}]},
    "delete_relations": {"relations": [{"from": "Ana", "to": "Braga", "relationType": "lives_in"}]},
    "read_graph": {"observations": True},
    "search_nodes": {"query": "sardines"},
    "open_nodes": {"names": ["Ana", "Nobody"]},
    "delete_entities": {"entityNames": ["Ana"]},
    "add_memory": {"text": "The kettle is blue."},
    "search_memories": {"query": "kettle"},
    "get_memories": {"limit": 100},
    "delete_memory": {"id": "-"},
}
"""A good call of every tool, in an order that works; "-" stands for the id of something remembered."""

BAD: list[tuple[str, dict[str, Any]]] = [
    ("remember", {}),
    ("remember", {"text": ""}),
    ("remember", {"text": 3}),
    ("remember", {"text": "x", "at": "no time"}),
    ("remember", {"text": "nul \0 sign"}),
    ("recall", {"cue": "x", "max_tokens": 0}),
    ("recall", {"cue": "x", "max_tokens": 10**9}),
    ("recall", {"cue": ["x"]}),
    ("search", {"query": "x", "limit": -1}),
    ("search", {"query": "x", "cursor": "'; drop table item"}),
    ("search", {"query": "x", "kinds": ["nothing"]}),
    ("search", {"query": "x", "max_characters": 10**7}),
    ("explain", {"id": "nobody", "query": "x"}),
    ("forget", {"ids": []}),
    ("forget", {"ids": ["nobody"]}),
    ("create_entities", {"entities": [1] * 5000}),
    ("create_entities", {"entities": [{"name": " ", "entityType": "x", "observations": []}]}),
    ("add_observations", {"observations": [{"entityName": "Nobody", "contents": ["x"]}]}),
    ("read_graph", {"cursor": "-1"}),
    ("open_nodes", {"names": "Ana"}),
    ("no_such_tool", {}),
]

UNSENDABLE: tuple[str, dict[str, Any]] = ("remember", {"text": "half a pair \ud800"})
"""A bad call that the official client cannot write to a pipe."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def stated(name: str, arguments: dict[str, Any]) -> int:
    """How many characters an answer may have: what the tool's description says."""
    if name == "recall":
        return int(arguments.get("max_tokens", 800)) * 40  # tokens are counted apart; no token of the tokenizer is longer
    return int(arguments.get("max_characters") or USUAL)
