"""A token sees its own scope, whatever it sends: random and targeted requests against neighbours whose every text carries a canary."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from lamina.records import Filter
from tests.server.http.served import Served, served

CANARY = "xylophonequartz"
MINE = "acme/ana"
THEIRS = (
    "acme",
    "acme/ben",
    "acme/anabel",
    "acme/ana2",
    "acme/ana%2Fben",
    "acme/an",
    "/ana",
    "",
    "ana",
    "other/ana",
    "acme/Ana",
    "acme//ana",
)
"""Scopes around the attacker's: above, beside, with the same beginning, with an escaped slash, in other letters."""
BELOW = "acme/ana/bot"
METHODS = ("GET", "POST", "PATCH", "DELETE", "PUT")


@dataclass
class World:
    found: Served
    theirs: list[str]  # ids
    mine: list[str]
    cursors: list[str]  # of others' listings
    before: dict[str, Any]

    def state(self) -> dict[str, Any]:
        """Everything of the others, to the last field."""
        everything = Filter(scope="*", forgotten=True, stale=True, events=True, retired=True)
        items = [
            one
            for one in self.found.memory.store.items.each(everything)
            if not one.scope.startswith(MINE + "/") and one.scope != MINE
        ]
        return {one.id: (one.text, one.status, one.retired_at, one.scope, dict(one.data), one.session) for one in items}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("hostile") / "a.db") as found:
        theirs: list[str] = []
        for scope in THEIRS:
            for n in range(6):
                theirs += found.memory.add(
                    f"{CANARY} said the kettle number {n} is blue", scope=scope, session="s", speaker=CANARY, place=CANARY,
                    metadata={"secret": CANARY, "n": n}, origin=f"o{n}", role="assistant",
                )  # fmt: skip
            theirs.append(found.memory.update(theirs[-1], f"{CANARY} said the kettle is red after all"))
        mine = []
        for scope in (MINE, BELOW):
            mine += found.memory.add([f"my own kettle number {n} is green" for n in range(6)], scope=scope, session="s")
        found.memory.consolidate()
        theirs += [item.id for item in found.memory.get_all(kinds=["episode"], scope="*") if item.scope not in (MINE, BELOW)]
        for scope in THEIRS:  # what they recall and hide is nobody's business either
            found.memory.context(f"{CANARY} kettle", scope=scope)
        found.memory.forget(theirs[0])
        cursors = [
            found.ask("GET", "/v1/memories", scope, params={"limit": 1, "order": order}).json()["cursor"]
            for scope in (*THEIRS, "*")
            for order in ("recorded", "at")
        ]
        made = World(found, theirs, mine, [one for one in cursors if one], {})
        made.before = made.state()
        yield made


def requests(world: World, generator: random.Random) -> Iterator[tuple[str, str, dict[str, Any], list[tuple[str, str]]]]:
    """Method, path with query, body and further headers, without end."""
    pick = generator.choice
    tokens = [world.found.token(scope)["Authorization"].removeprefix("Bearer ") for scope in THEIRS[:3]]
    forged = [token[:-1] + ("0" if token[-1] != "0" else "1") for token in tokens]  # never a true one

    def bent(text: str) -> str:
        return pick((
            text, text, quote(text, safe=""), quote(quote(text, safe=""), safe=""), text.upper(), text.lower(), text + "/", "/" + text, "../" + text, f"{MINE}/../{text}",
            f"{MINE}%2F..%2F{text}", text + "\0", text + "%00", " " + text, text + " ", text.replace("/", "//"), text.replace("a", "\u0430"), text.replace("n", "%6E"),
            f"{text}' OR '1'='1", f'{text}" OR scope GLOB "*', "*", "%", "", "\u202e" + text, "null", f"{MINE},{text}", f"{MINE}\n{text}", f"{MINE}0", f"{MINE}/", f"./{text}",
        ))  # fmt: skip

    def an_id() -> str:
        return pick((pick(world.theirs), pick(world.theirs), bent(pick(world.theirs)), pick(world.mine), "01" + "0" * 24))

    def a_scope() -> Any:
        return pick(
            (pick(THEIRS), pick(THEIRS), bent(pick(THEIRS)), MINE, BELOW, "*", None, ["acme"], {"scope": "acme"}, 0, True)
        )

    def condition() -> Any:
        secret = pick((CANARY, pick(world.theirs), "acme", "*"))
        return {pick(("secret", "n", "scope", "id", "$", "a.b", "secret' OR 1=1 --", 'x") OR 1=1 --', "secret.__class__", "")): pick((
            secret, {"ne": "x"}, {"exists": True}, {"contains": secret[:4]}, {"gte": ""}, {"in": [secret]}, {"nin": []}, {"or": 1}, [secret], None,
        ))}  # fmt: skip

    def where() -> dict[str, Any]:
        possible = (
            ("scope", a_scope()), ("metadata", condition()), ("speakers", [CANARY]), ("places", [CANARY]), ("sessions", ["s"]), ("kinds", ["trace", "episode"]),
            ("known_at", "2031"), ("as_of", "2031"), ("roles", ["event"]), ("where", {"scope": "*"}), ("user", "ben"), ("tenant", "acme"), ("ids", [pick(world.theirs)]),
            ("forgotten", True), ("events", True), ("vector", [0.1]),
        )  # fmt: skip
        return {name: value for name, value in possible if generator.random() < 0.15}

    def query(**fields: Any) -> str:
        parts = [f"{name}={quote(str(value), safe=pick(('', '/*')))}" for name, value in fields.items() if value is not None]
        parts += [pick(parts)] if parts and generator.random() < 0.1 else []
        return "?" + "&".join(parts) if parts else ""

    def headers() -> list[tuple[str, str]]:
        if generator.random() < 0.7:
            return []
        return pick((
            [("Authorization", f"Bearer {pick(forged)}")], [("X-Forwarded-For", "127.0.0.1")], [("X-Scope", "*")], [("X-Original-URL", "/v1/export?scope=*")],
            [("X-HTTP-Method-Override", "DELETE")], [("X-Forwarded-Host", "127.0.0.1")], [("Cookie", f"token={pick(tokens)}x")], [("Origin", "https://evil.example")],
            [("Host", "evil.example")], [("X-Forwarded-User", "admin")], [("Forwarded", "for=127.0.0.1;host=localhost")], [("Content-Type", "text/plain")],
        ))  # fmt: skip

    while True:
        cue = {"cue": pick((CANARY, f"{CANARY} kettle", "kettle", "what is blue?"))}
        ids = {"ids": [an_id() for _ in range(pick((1, 1, 2)))]}
        path = f"/v1/memories/{pick((an_id(), quote(an_id(), safe='')))}"
        content = pick(
            (
                "somebody said the kettle number 1 is blue",
                {"content": "somebody said the kettle number 2 is blue", "echo_of": [an_id()], "role": "assistant"},
                [{"content": "x", "scope": "made up", "id": "made up"}],
            )
        )
        method, where_to, body = pick((
            ("POST", "/v1/search", cue | where() | pick(({}, {"k": 1000}))), ("POST", "/v1/search", cue | where()), ("POST", "/v1/context", cue | where() | {"budget": 4000}),
            ("GET", path, {}), ("GET", path + "/zoom" + query(direction=pick(("in", "out", "up", None)), scope=pick((None, "*"))), {}), ("GET", path + "/history", {}),
            ("POST", path + "/explain", cue | where()), ("PATCH", path, {"text": "taken over"}), ("DELETE", path, {}), ("POST", "/v1/forget", ids), ("POST", "/v1/restore", ids),
            ("POST", "/v1/delete", ids), ("POST", "/v1/feedback", ids | {"cue": "kettle"} | pick(({}, {"scope": a_scope()}))),
            ("POST", "/v1/memories", {"content": content} | pick(({}, {"scope": a_scope()}, {"origin": "o1"}, {"resent": True, "session": "s"}, {"echo_of": [an_id()]}))),
            ("GET", "/v1/memories" + query(scope=pick((None, a_scope())), cursor=pick((None, pick(world.cursors), "0:0", "MDow")), limit=1000, order=pick(("recorded", "-at")), speaker=pick((None, CANARY))), {}),
            ("DELETE", "/v1/memories" + query(scope=pick(THEIRS) if generator.random() < 0.8 else bent(pick(THEIRS[:4]))), {}),
            ("GET", "/v1/stats" + query(scope=a_scope()), {}), ("GET", "/v1/consents" + query(scope=a_scope()), {}), ("POST", "/v1/consents", {"purpose": "recall", "granted": False, "scope": pick(THEIRS)}), ("GET", "/v1/scopes" + query(under=pick((None, "*"))), {}), ("GET", "/metrics", {}),
            ("GET", "/v1/export" + query(scope=a_scope()), {}), ("POST", "/v1/consolidate", {"scope": pick(THEIRS)}), ("POST", "/v1/rebuild", {"scope": bent(pick(THEIRS))}),
            ("POST", "/v1/upload" + query(scope=pick(THEIRS)), {"content": "x"}), ("POST", "/v1/import", {"type": "header"}),
            (pick(METHODS), pick(("/v1/../v1/export", "/v1//memories", "/V1/memories", "/v1/memories/../export", "/v1/%2e%2e/metrics", "/v1/memories/" + quote("../" + pick(world.theirs), safe=""), "/metrics/", "//metrics", "/v1/memories;scope=*", "/admin", "/docs", "/redoc")), {}),
        ))  # fmt: skip
        if path in where_to and any(id in where_to for id in world.mine) and method in ("DELETE",):
            continue  # one's own may be deleted; the test wants them to stay
        if where_to in ("/v1/delete", "/v1/forget") and all(id in world.mine for id in body["ids"]):
            continue
        yield method, where_to, body, headers()


def assault(world: World, count: int, seed: int) -> Counter[int]:
    generator = random.Random(seed)
    foreign = set(world.theirs)
    token = world.found.token(MINE)
    statuses: Counter[int] = Counter()
    drawn = requests(world, generator)
    for number in range(count):
        method, path, body, headers = next(drawn)
        path = re.sub(r"[\x00-\x20]", lambda found: quote(found[0], safe=""), path)  # no client can send these as they are
        sent = [("Authorization", token["Authorization"])] if generator.random() < 0.95 else []
        names = {name.lower() for name, _ in headers}
        content = b"" if method == "GET" or not body else json.dumps(body).encode()
        if content and "content-type" not in names:
            headers = [*headers, ("Content-Type", "application/json")]
        answer = world.found.client.request(method, path, content=content, headers=[*sent, *headers])
        statuses[answer.status_code] += 1
        what = f"{number}: {method} {path} {body} → {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, what
        shown = answer.text
        sent_words = f"{path} {body}"
        if CANARY in shown:  # nothing of his own has it: only what he has just sent may be quoted, in an error or an explanation
            assert CANARY in sent_words, what
            assert answer.headers["content-type"] == "application/problem+json" or path.endswith("/explain"), what
        for item in items_in(answer):
            assert item.get("id") not in foreign, what
            assert (item.get("scope") or MINE) == MINE or str(item["scope"]).startswith(MINE + "/"), what
        told = [id for id in foreign if id in shown and id not in sent_words]
        assert not told, what
        assert not any(
            f'"{scope}"' in shown for scope in ("acme", "acme/ben", "acme/anabel", "other/ana") if scope not in sent_words
        ), what
    return statuses


def items_in(answer: Any) -> Iterator[dict[str, Any]]:
    """Every object in a response that has an id or a scope."""
    try:
        values: list[Any] = [answer.json()]
    except ValueError:
        try:
            values = [json.loads(line) for line in answer.text.splitlines()]
        except ValueError:
            return
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "id" in value or "scope" in value:
                yield value
            values += [one for name, one in value.items() if name not in ("metadata", "data")]  # what he put in himself
        elif isinstance(value, list):
            values += value


def check(world: World, count: int, seed: int) -> None:
    statuses = assault(world, count, seed)
    assert world.state() == world.before, "something of another scope was changed"
    assert statuses[200] + statuses[201] > count * 0.1, "hardly anything was answered, so hardly anything was tried"
    assert statuses[404] > count * 0.1
    edges = world.found.memory.store.edges
    own = {
        one.key
        for one in world.found.memory.store.items.each(Filter(scope=MINE, forgotten=True, stale=True, events=True, retired=True))
    }
    across = [edge for edge in edges.out(sorted(own)) if edge.dst not in own] + [
        edge for edge in edges.into(sorted(own)) if edge.src not in own
    ]
    assert across == [], "an edge leads out of the scope"


def test_a_thousand_hostile_requests_never_cross_scopes(world: World) -> None:
    check(world, 1_000, 1)


@pytest.mark.slow
def test_ten_thousand_hostile_requests_never_cross_scopes(world: World) -> None:
    for seed in range(2, 12):
        check(world, 1_000, seed)


def test_an_id_of_another_is_answered_like_one_that_is_not_there(world: World) -> None:
    """The same status, headers and words for every verb, but for the id itself."""
    theirs, nobody = world.theirs[3], "01" + "Z" * 24
    for method, path, body in (
        ("GET", "/v1/memories/{}", None), ("GET", "/v1/memories/{}/zoom", None), ("GET", "/v1/memories/{}/history", None),
        ("POST", "/v1/memories/{}/explain", {"cue": "kettle"}), ("PATCH", "/v1/memories/{}", {"text": "x"}), ("DELETE", "/v1/memories/{}", None),
        ("POST", "/v1/forget", {"ids": ["{}"]}), ("POST", "/v1/restore", {"ids": ["{}"]}), ("POST", "/v1/delete", {"ids": ["{}"]}),
        ("POST", "/v1/feedback", {"ids": ["{}"], "cue": "kettle"}), ("POST", "/v1/memories", {"content": "x", "echo_of": ["{}"]}),
    ):  # fmt: skip
        answers = []
        for id in (theirs, nobody):
            filled = None if body is None else json.loads(json.dumps(body).replace("{}", id))
            answer = world.found.ask(method, path.replace("{}", id), MINE, json=filled)
            headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
            answers.append((answer.status_code, headers, answer.text.replace(id, "…")))
        assert answers[0] == answers[1], f"{method} {path}"
        assert answers[0][0] == 404


def test_what_others_recall_leaves_no_mark_on_ones_own_text(world: World) -> None:
    text = f"{CANARY} said the kettle number 3 is blue"
    [id] = world.found.ask("POST", "/v1/memories", MINE, json={"content": {"content": text, "role": "assistant"}}).json()["ids"]
    assert "echo" not in world.found.ask("GET", f"/v1/memories/{id}", MINE).json()
    world.found.ask("DELETE", f"/v1/memories/{id}", MINE)
