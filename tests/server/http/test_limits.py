from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.server.http.served import served


def test_a_client_that_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with served(tmp_path / "a.db", rate=0.5, burst=3) as found:
        answers = [found.ask("GET", "/v1/scopes", "/ana") for _ in range(5)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        assert int(answers[3].headers["retry-after"]) >= 1
        assert found.ask("GET", "/v1/scopes", "/ben").status_code == 200
        assert found.ask("GET", "/healthz", None).status_code == 200


def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with served(tmp_path / "a.db", body=2048, upload=4096, line=1024) as found:
        assert found.ask("POST", "/v1/memories", json={"content": "x" * 3000}).status_code == 413
        chunked = (b"x" * 1000 for _ in range(5))
        assert found.ask("POST", "/v1/memories", content=chunked).status_code == 413
        assert found.ask("POST", "/v1/import", content=b"x" * 5000).status_code == 413
        assert b'"status":413' in found.ask("POST", "/v1/upload", content=b'"' + b"x" * 2000).content
        assert b'"status":413' in found.ask("POST", "/v1/upload", content=(b'"abc"\n' * 200 for _ in range(9))).content
        assert found.memory.count(scope="*", speakers=["nobody"]) == 0


def test_beyond_its_places_the_server_is_busy_and_tells_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "a.db", concurrency=2) as found:
        held = threading.Event()
        monkeypatch.setattr(type(found.memory), "scopes", lambda *_: (held.wait(20) and []) or [])
        token = found.token("/ana")
        threads = [threading.Thread(target=found.client.get, args=("/v1/scopes",), kwargs={"headers": token}) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        answer = found.ask("GET", "/v1/scopes", "/ana")
        held.set()
        for thread in threads:
            thread.join()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert found.ask("GET", "/v1/scopes", "/ana").status_code == 200


def test_a_request_that_gets_no_turn_is_not_done_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "a.db", patience=0.3) as found:
        held, add = threading.Event(), type(found.memory).add
        monkeypatch.setattr(type(found.memory), "add", lambda self, *a, **k: (held.wait(20), add(self, *a, **k))[1])
        first: list[int] = []
        token = found.token("/ana")
        thread = threading.Thread(
            target=lambda: first.append(found.client.post("/v1/memories", json={"content": "one"}, headers=token).status_code)
        )
        thread.start()
        time.sleep(0.1)
        assert found.ask("POST", "/v1/memories", json={"content": "two"}).status_code == 503
        held.set()
        thread.join()
        assert first == [201]  # a write that has begun is waited for
        assert [item["text"] for item in found.ask("GET", "/v1/memories").json()["items"]] == ["one"]
