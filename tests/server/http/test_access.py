from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import InputError
from lamina.server.http.lifecycle import Server
from lamina.server.http.settings import Serving
from lamina.server.tokens import TokenBook
from tests.server.http.served import Served, served

ADD = {"content": "The kettle is blue."}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "a.db") as found:
        found.memory.add("The kettle is blue.", user="ana")
        yield found


def test_without_any_token_is_read_and_not_written(fresh: Served) -> None:
    assert fresh.ask("POST", "/v1/search", None, json={"cue": "kettle"}).json()["hits"]
    for method, path, body in (
        ("POST", "/v1/memories", ADD), ("POST", "/v1/forget", {"ids": ["x"]}), ("POST", "/v1/consolidate", {}), ("DELETE", "/v1/memories?scope=*", None),
        ("POST", "/v1/rebuild", {}), ("GET", "/v1/export", None), ("POST", "/v1/import", None), ("POST", "/v1/upload", None),
    ):  # fmt: skip
        assert fresh.ask(method, path, None, json=body).status_code == 403, path
    assert fresh.memory.count(scope="*") == 1


def test_once_there_is_a_token_everybody_needs_one(fresh: Served) -> None:
    fresh.token("/ben")
    answer = fresh.ask("POST", "/v1/search", None, json={"cue": "kettle"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert fresh.ask("GET", path, None).status_code == 200


def test_open_lets_everybody_on_this_machine_write(tmp_path: Path) -> None:
    with served(tmp_path / "a.db", open=True) as found:
        assert found.ask("POST", "/v1/memories", None, json=ADD).status_code == 201
    with pytest.raises(InputError, match="other machines"):
        Serving(host="0.0.0.0", open=True)


def test_rights_include_the_lesser_ones_only(fresh: Served) -> None:
    for right, status in (("read", 403), ("write", 201), ("admin", 201)):
        assert fresh.ask("POST", "/v1/memories", "/ana", right, json=ADD).status_code == status
        assert fresh.ask("POST", "/v1/search", "/ana", right, json={"cue": "kettle"}).status_code == 200
    assert fresh.ask("GET", "/v1/export", "/ana", "write").status_code == 403
    assert fresh.ask("DELETE", "/v1/memories?scope=/ana", "/ana", "write").status_code == 403


def test_a_revoked_an_expired_and_a_wrong_token_are_refused_alike(fresh: Served) -> None:
    now = [10**15]
    book = TokenBook(fresh.memory.store, lambda: now[0])
    revoked, secret = book.create("/ana", "read")
    assert book.find(secret) is not None
    book.revoke(revoked.id)
    _, expired = book.create("/ana", "read", expires_at=now[0] + 1)
    answers = [
        fresh.ask("GET", "/v1/scopes", None, headers={"Authorization": f"Bearer {one}"})
        for one in (secret, expired, "lamina_000000000000_" + "0" * 48, "", "x" * 5_000, secret.upper())
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert fresh.ask("GET", "/v1/scopes", None, headers={"Authorization": "Basic YTpi"}).status_code == 401


def test_the_file_keeps_no_secret_and_an_export_no_token(fresh: Served, tmp_path: Path) -> None:
    secret = fresh.token("/ana")["Authorization"].removeprefix("Bearer ")
    assert secret.split("_")[2] not in (fresh.memory.store.meta("tokens") or "")
    fresh.memory.export(tmp_path / "e.jsonl")
    exported = (tmp_path / "e.jsonl").read_text()
    assert secret.split("_")[1] not in exported
    with Memory(tmp_path / "b.db") as other:
        other.import_(tmp_path / "e.jsonl")
        assert not TokenBook(other.store)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example:8420"}, 400),
        ({"Host": ""}, 400),
        ({"Host": "evil@127.0.0.1@evil.example"}, 400),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:8420", "Origin": "http://localhost:8420"}, 200),
        ({"Host": "[::1]:8420"}, 200),
    ],
)
def test_pages_of_other_hosts_are_kept_out(fresh: Served, headers: dict[str, str], status: int) -> None:
    answer = fresh.ask("GET", "/v1/scopes", None, headers=headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_header_that_comes_twice_is_refused(fresh: Served) -> None:
    mine, theirs = fresh.token("/ana"), fresh.token("/ben")
    for pair in ((mine, theirs), (theirs, mine), (mine, mine)):
        headers = [("Authorization", one["Authorization"]) for one in pair]
        assert fresh.client.get("/v1/memories", headers=headers).status_code == 400


def test_other_machines_are_let_in_only_when_asked_for_and_with_a_token(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        with pytest.raises(InputError, match="allow-remote"):
            Server(memory, Serving(host="0.0.0.0"))
        with pytest.raises(InputError, match="token create"):
            Server(memory, Serving(host="0.0.0.0", allow_remote=True))
        token, _ = TokenBook(memory.store).create("/ana", "read")
        Server(memory, Serving(host="0.0.0.0", allow_remote=True))
        TokenBook(memory.store).revoke(token.id)
    with served(tmp_path / "a.db", host="0.0.0.0", allow_remote=True) as found:  # it stays shut when the last token is gone
        assert found.ask("GET", "/v1/scopes", None).status_code == 401
