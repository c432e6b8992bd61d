from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina import Memory
from lamina.records import Filter
from tests.server.http.served import Served, served


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "a.db") as found:
        for scope in ("/ana", "/ben"):
            found.memory.add([f"{scope} said thing {n}" for n in range(12)], scope=scope, session="s")
        yield found


def lines(content: bytes) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in content.splitlines()]


def test_consolidation_tells_of_its_progress_and_stays_in_its_scope(two: Served) -> None:
    told = lines(two.ask("POST", "/v1/consolidate", "/ana", "write", json={}).content)
    assert "progress" in told[0]
    assert {report["scope"] for report in told[-1]["done"]["reports"]} == {"/ana"}  # type: ignore[attr-defined]
    assert two.memory.count(scope="/ben", kinds=["episode"]) == 0
    assert two.ask("POST", "/v1/consolidate", "/ana", "write", json={"scope": "/ben"}).status_code == 404
    assert "done" in lines(two.ask("POST", "/v1/rebuild", "/ana", json={}).content)[-1]


def test_work_on_a_scope_that_is_worked_on_is_refused(two: Served) -> None:
    done = two.client.app.state.tasks.begin("/ana")  # type: ignore[attr-defined]
    assert two.ask("POST", "/v1/consolidate", "/ana", json={}).status_code == 409
    assert "done" in lines(two.ask("POST", "/v1/consolidate", "/ben", json={}).content)[-1]
    done()
    assert "done" in lines(two.ask("POST", "/v1/consolidate", "/ana", json={}).content)[-1]
    assert two.client.app.state.tasks._scopes == []  # type: ignore[attr-defined]


def test_an_export_holds_the_scope_alone_and_comes_back_whole(two: Served, tmp_path: Path) -> None:
    exported = two.ask("GET", "/v1/export", "/ana").content
    assert b"/ben" not in exported
    two.ask("DELETE", "/v1/memories", "/ana", params={"scope": "/ana"})
    assert two.memory.count(scope="/ana") == 0
    assert lines(two.ask("POST", "/v1/import", "/ana", content=exported).content)[-1]["done"]["items"] == 12
    assert two.memory.count(scope="/ana") == 12
    assert not list(tmp_path.glob("lamina-import-*"))


def test_an_import_with_anything_of_another_scope_changes_nothing(two: Served, tmp_path: Path) -> None:
    theirs = two.ask("GET", "/v1/export", "/ben").content
    [answer] = [line for line in lines(two.ask("POST", "/v1/import", "/ana", content=theirs).content) if "error" in line]
    assert answer["error"]["status"] == 422
    # the same items said to be one's own: their ids are taken outside
    moved = tmp_path / "moved.db"
    with Memory(moved) as other:
        (tmp_path / "e.jsonl").write_bytes(theirs)
        other.import_(tmp_path / "e.jsonl")
        with other.store.transaction():
            other.store.connection.execute("UPDATE item SET scope = '/ana'")  # type: ignore[attr-defined]
            other.store.connection.execute("DELETE FROM watermark")  # type: ignore[attr-defined]
        other.export(tmp_path / "m.jsonl")
    before = two.memory.count(scope="*")
    told = lines(two.ask("POST", "/v1/import", "/ana", content=(tmp_path / "m.jsonl").read_bytes()).content)
    assert told[-1]["error"]["status"] == 422
    assert two.memory.count(scope="*") == before


def test_an_import_into_a_scope_chooses_no_vectors_for_others(tmp_path: Path) -> None:
    with Memory(tmp_path / "x.db", embedder=None) as source:
        source.add("The kettle is blue.", scope="/ana")
        source.flush()
        source.export(tmp_path / "e.jsonl")
    content = (tmp_path / "e.jsonl").read_text().replace("wordllama/", "other/")
    body, _, _ = content.rstrip("\n").rpartition("\n")
    from lamina.storage.transfer.exporting import new_digest

    digest = new_digest()
    digest.update(body.encode() + b"\n")
    footer = json.loads(content.splitlines()[-1]) | {"digest": digest.hexdigest()}
    with served(tmp_path / "a.db") as found:
        told = lines(found.ask("POST", "/v1/import", "/ana", content=f"{body}\n{json.dumps(footer)}\n").content)
        assert told[-1]["done"]["items"] == 1
        assert told[-1]["done"]["vectors"] == 0
        assert [space.fingerprint for space in found.memory.store.vectors.spaces() if "other" in space.fingerprint] == []
        assert found.ask("POST", "/v1/search", "/ana", json={"cue": "kettle"}).json()["hits"]


def test_a_streamed_upload_stores_what_it_counts(two: Served) -> None:
    body = b"".join(json.dumps({"content": f"uploaded {n}", "origin": f"o{n}"}).encode() + b"\n" for n in range(2500))
    told = lines(two.ask("POST", "/v1/upload", "/ana", "write", content=body, params={"session": "up"}).content)
    assert told[-1]["done"] == {"lines": 2500, "traces": 2500}
    assert two.memory.count(scope="/ana", sessions=["up"]) == 2500
    two.ask("POST", "/v1/upload", "/ana", "write", content=body)
    assert two.memory.count(scope="/ana", sessions=["up"]) == 2500  # the same origins
    told = lines(two.ask("POST", "/v1/upload", "/ana", "write", content=b'"one"\n\n{"content": ""}\n"three"\n').content)
    assert told[-1]["error"]["status"] == 422
    assert "line 3" in told[-1]["error"]["detail"]  # type: ignore[operator]
    assert two.ask("POST", "/v1/upload", "/ana", params={"scope": "/ben"}, content=b'"x"\n').status_code == 404


def test_hanging_up_stops_the_work_and_frees_its_scope(two: Served) -> None:
    import asyncio

    from lamina.server.confined import Confined
    from lamina.server.http.access import Grant
    from lamina.server.http.calls import Call
    from lamina.server.http.streams import LineStream, at_work

    serves = two.client.app.state.serves  # type: ignore[attr-defined]
    ended = []

    async def scenario() -> None:
        call = Call(serves, Grant("/ana", "admin", "x"), Confined(two.memory, "/ana"))

        def work(run):  # type: ignore[no-untyped-def]
            while True:
                run.report("working", 1, 0)

        stream = at_work(call, "test", lambda: ended.append(True), work)
        assert isinstance(stream, LineStream)
        messages = iter([{"type": "http.disconnect"}])

        async def receive():  # type: ignore[no-untyped-def]
            await asyncio.sleep(0.2)
            return next(messages)

        async def send(message):  # type: ignore[no-untyped-def]
            pass

        await stream({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        for _ in range(50):
            if ended:
                break
            await asyncio.sleep(0.05)

    asyncio.run(scenario())
    assert ended == [True]


def test_events_are_exported_too(two: Served) -> None:
    [id] = two.ask("POST", "/v1/memories", "/ana", json={"content": "gone"}).json()["ids"]
    two.ask("POST", "/v1/forget", "/ana", json={"ids": [id]})
    everything = Filter(scope="/ana", forgotten=True, events=True)
    assert two.ask("GET", "/v1/export?vectors=false", "/ana").content.count(b'"type":"item"') == two.memory.store.items.count(
        everything
    )
