from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.http.served import Served, served


@pytest.fixture
def ana(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "a.db") as found:
        yield found


def test_what_is_added_is_found_listed_and_packed(ana: Served) -> None:
    added = ana.ask("POST", "/v1/memories", json={"content": "Ana moved from Porto to Lisbon in March.", "metadata": {"n": 1}})
    assert added.status_code == 201
    [id] = added.json()["ids"]
    [hit] = ana.ask("POST", "/v1/search", json={"cue": "where does Ana live?"}).json()["hits"]
    assert (hit["id"], hit["text"], hit["metadata"], hit["scope"]) == (
        id,
        "Ana moved from Porto to Lisbon in March.",
        {"n": 1},
        "/ana",
    )
    packed = ana.ask("POST", "/v1/context", json={"cue": "where does Ana live?", "budget": 100}).json()
    assert packed["ids"] == [id]
    assert 0 < packed["tokens"] <= 100
    assert ana.ask("GET", f"/v1/memories/{id}").json()["text"] == hit["text"]
    assert [item["id"] for item in ana.ask("GET", "/v1/memories").json()["items"]] == [id]
    assert ana.ask("GET", "/v1/scopes").json() == {"scopes": ["/ana"]}
    assert ana.ask("GET", "/v1/stats").json()["items"]["trace"] == 1


def test_conditions_narrow_a_search(ana: Served) -> None:
    for number, when in enumerate(("2024-01-05", "2025-01-05")):
        ana.ask("POST", "/v1/memories", json={"content": f"The kettle is blue {number}.", "at": when, "metadata": {"n": number}})
    found = ana.ask("POST", "/v1/search", json={"cue": "kettle", "since": "2025"}).json()["hits"]
    assert [hit["text"] for hit in found] == ["The kettle is blue 1."]
    found = ana.ask("POST", "/v1/search", json={"cue": "kettle", "metadata": {"n": {"lt": 1}}}).json()["hits"]
    assert [hit["text"] for hit in found] == ["The kettle is blue 0."]


def test_an_item_is_corrected_hidden_brought_back_and_removed(ana: Served) -> None:
    [old] = ana.ask("POST", "/v1/memories", json={"content": "The train leaves at seven."}).json()["ids"]
    new = ana.ask("PATCH", f"/v1/memories/{old}", json={"text": "The train leaves at eight."}).json()["id"]
    assert {item["id"] for item in ana.ask("GET", f"/v1/memories/{new}/history").json()["items"]} >= {old, new}
    assert ana.ask("POST", "/v1/forget", json={"ids": [new], "reason": "wrong day"}).json() == {"count": 1}
    assert ana.ask("POST", "/v1/search", json={"cue": "train"}).json()["hits"] == []
    assert ana.ask("POST", "/v1/restore", json={"ids": [new]}).json() == {"count": 1}
    assert ana.ask("POST", f"/v1/memories/{new}/explain", json={"cue": "when does the train leave?"}).json()["level"] == 0
    assert ana.ask("POST", "/v1/feedback", json={"ids": [new], "cue": "the train"}).json() == {"count": 1}
    assert ana.ask("DELETE", f"/v1/memories/{new}").json() == {"count": 1}
    assert ana.ask("GET", f"/v1/memories/{new}").status_code == 404
    assert ana.ask("DELETE", "/v1/memories").status_code == 422  # the scope must be named
    assert ana.ask("DELETE", "/v1/memories", params={"scope": "/ana"}).json()["count"] >= 1


def test_a_history_that_is_sent_again_is_stored_once(ana: Served) -> None:
    turns = [{"role": "user", "content": "My bike is red."}, {"role": "assistant", "content": "Noted."}]
    first = ana.ask("POST", "/v1/memories", json={"content": turns, "session": "bike", "resent": True}).json()["ids"]
    turns.append({"role": "user", "content": "Which colour is my bike?"})
    again = ana.ask("POST", "/v1/memories", json={"content": turns, "session": "bike", "resent": True}).json()["ids"]
    assert again[:2] == first
    assert len(again) == 3
    assert len(ana.ask("GET", "/v1/memories", params={"session": "bike"}).json()["items"]) == 3


def test_a_refusal_is_recorded_and_takes_effect(ana: Served) -> None:
    ana.ask("POST", "/v1/memories", json={"content": "The kettle is blue."})
    assert ana.ask("GET", "/v1/consents").json()["consents"]["recall"] == {"granted": True, "scope": None, "at": None}
    assert ana.ask("POST", "/v1/consents", json={"purpose": "recall", "granted": False}).status_code == 201
    told = ana.ask("GET", "/v1/consents").json()["consents"]["recall"]
    assert told["granted"] is False
    assert told["scope"] == "/ana"
    assert told["at"]
    assert ana.ask("POST", "/v1/search", json={"cue": "kettle"}).json()["hits"] == []
    assert ana.ask("POST", "/v1/consents", json={"purpose": "share", "granted": False}).status_code == 201
    assert ana.ask("GET", "/v1/export").status_code == 403
    assert ana.ask("POST", "/v1/consents", json={"purpose": "recall", "granted": True, "scope": "/ben"}).status_code == 404
    assert ana.ask("POST", "/v1/consents", json={"purpose": "sing", "granted": True}).status_code == 422


def test_pages_hold_everything_once_and_their_cursors_are_sealed(ana: Served) -> None:
    ana.ask("POST", "/v1/memories", json={"content": [f"message {n}" for n in range(25)]})
    texts, cursor = [], None
    while True:
        page = ana.ask("GET", "/v1/memories", params={"limit": 10, **({"cursor": cursor} if cursor else {})}).json()
        texts += [item["text"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
        assert ":" not in cursor
        assert ana.ask("GET", "/v1/memories", params={"limit": 10, "cursor": cursor, "order": "-recorded"}).status_code == 404
    assert texts == [f"message {n}" for n in range(25)]


def test_episodes_unfold_by_zoom(ana: Served) -> None:
    ana.ask("POST", "/v1/memories", json={"content": ["We planned the trip.", "We will go to Faro."], "session": "s"})
    assert b'"done"' in ana.ask("POST", "/v1/consolidate", json={}).content
    [episode] = ana.ask("GET", "/v1/memories", params={"kind": "episode"}).json()["items"]
    inside = ana.ask("GET", f"/v1/memories/{episode['id']}/zoom").json()["items"]
    assert [item["text"] for item in inside] == ["We planned the trip.", "We will go to Faro."]
    [outside] = ana.ask("GET", f"/v1/memories/{inside[0]['id']}/zoom", params={"direction": "out"}).json()["items"]
    assert outside["id"] == episode["id"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/v1/search", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/search", {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/v1/search", {"json": {"cue": "  "}}, 422),
        ("POST", "/v1/search", {"json": {"cue": "x", "k": "3"}}, 422),
        ("POST", "/v1/search", {"json": {"cue": "x", "other": 1}}, 422),
        ("POST", "/v1/search", {"json": {"cue": "x", "since": "last Tuesday"}}, 422),
        ("POST", "/v1/search", {"json": {"cue": "x", "scope": "/ben"}}, 404),
        ("POST", "/v1/memories", {"json": {"content": "\ud800"}}, 422),
        ("POST", "/v1/memories", {"json": {"content": "x", "metadata": {"a": {"b": [None]}}, "at": "2024-13"}}, 422),
        ("GET", "/v1/memories", {"params": {"limit": 0}}, 422),
        ("GET", "/v1/memories", {"params": {"color": "red"}}, 422),
        ("GET", "/v1/memories?limit=1&limit=2", {}, 400),
        ("GET", "/v1/nothing", {}, 404),
        ("PUT", "/v1/search", {}, 405),
    ],
)
def test_what_is_wrong_is_answered_with_a_problem(
    ana: Served, method: str, path: str, more: dict[str, object], status: int
) -> None:
    if "\ud800" in repr(more) or "content" in more.get("json", {}):  # type: ignore[operator]
        import json

        more = {"content": json.dumps(more["json"]).encode(), "headers": {"Content-Type": "application/json"}}
    answer = ana.ask(method, path, **more)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= answer.json().keys()
    assert answer.json()["status"] == status
