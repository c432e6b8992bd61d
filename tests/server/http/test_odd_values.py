"""Values that JSON can hold and a store cannot are refused, not stumbled over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.http.served import Served, served

ODD: tuple[Any, ...] = (
    "\ud800",
    "\0",
    "a\ud800b",
    10**30,
    -(2**63) - 1,
    1e308,
    True,
    None,
    "",
    " ",
    [],
    {},
    "x" * 5_000,
    "\U0010ffff",
    float("nan"),
)


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("odd") / "a.db") as found:
        found.memory.add("The kettle is blue.", user="ana", metadata={"a": 1})
        yield found


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_odd_values_are_no_failures_of_the_server(ana: Served, value: Any) -> None:
    [id] = [item.id for item in ana.memory.get_all(user="ana", limit=1)]
    bodies = [
        *(("/v1/search", {"cue": "kettle", name: value}) for name in ("scope", "since", "as_of", "k", "metadata")),
        *(("/v1/search", {"cue": "kettle", name: [value]}) for name in ("speakers", "sessions", "places", "roles", "kinds")),
        *(("/v1/search", {"cue": "kettle", "metadata": {"a": one}}) for one in (value, {"eq": value}, {"in": [value]}, {"gte": value}, {"contains": value}, {"exists": value})),
        ("/v1/search", {"cue": "kettle", "metadata": {str(value): 1}}), ("/v1/search", {"cue": value}), ("/v1/context", {"cue": "kettle", "budget": value}),
        *(("/v1/memories", {"content": "x", name: value}) for name in ("session", "at", "until", "role", "speaker", "place", "metadata", "origin", "echo_of", "scope")),
        ("/v1/memories", {"content": value}), ("/v1/memories", {"content": {"content": "x", "metadata": {"a": value}}}), ("/v1/memories", {"content": "x", "metadata": {str(value): value}}),
        ("/v1/forget", {"ids": [value]}), ("/v1/forget", {"ids": [id], "reason": value}), ("/v1/feedback", {"ids": [id], "cue": value}),
        (f"/v1/memories/{id}/explain", {"cue": value}), ("/v1/consolidate", {"scope": value}),
    ]  # fmt: skip
    for path, body in bodies:
        answer = ana.ask("POST", path, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, f"{path} {body!r}"[:300] + answer.text
        answer.json() if path != "/v1/consolidate" else None
    uploaded = ana.ask("POST", "/v1/upload", content=json.dumps({"content": "x", "metadata": {"a": value}}).encode())
    assert b'"status":500' not in uploaded.content
    ana.ask("POST", "/v1/restore", json={"ids": [id]})
