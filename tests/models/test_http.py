from __future__ import annotations

import logging
import pickle
import traceback

import httpx
import pytest

from lamina.errors import ConfigError, InputError, MissingExtraError, ModelError
from lamina.models.http import JsonEndpoint, RequestRefused, Retry

KEY = "sk-very-secret-0123456789"
OK = httpx.Response(200, json={"fine": True})


def endpoint(script, waits, key: str | None = KEY, **changes) -> JsonEndpoint:
    retry = waits.retry(**changes)
    return JsonEndpoint("model 'm'", "http://local/v1/", lambda k: {"x-api-key": k}, key, retry=retry, transport=script.transport)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_passing_troubles_are_waited_out(script, waits, status):
    played = script(httpx.Response(status), httpx.Response(status), OK)
    assert endpoint(played, waits).post("chat", {"a": 1}) == {"fine": True}
    assert len(played.requests) == 3
    assert 0.25 <= waits[0] <= 0.5 < waits[1] <= 1.0
    assert str(played.requests[0].url) == "http://local/v1/chat"


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422, 501])
def test_refusals_are_not_repeated(script, waits, status):
    played = script(httpx.Response(status, json={"error": {"message": "no such model"}}))
    with pytest.raises(RequestRefused, match=f"HTTP {status}.*no such model") as caught:
        endpoint(played, waits).post("chat", {})
    assert (caught.value.status, caught.value.detail) == (status, "no such model")
    assert len(played.requests) == 1
    assert waits == []


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")])
def test_connection_errors_and_timeouts_are_repeated_then_told(script, waits, error):
    played = script(error)
    with pytest.raises(ModelError, match=f"after 4 attempts.*{type(error).__name__}"):
        endpoint(played, waits, attempts=4).post("chat", {})
    assert len(played.requests) == 4
    assert len(waits) == 3
    played = script(error, OK)
    assert endpoint(played, waits).post("chat", {}) == {"fine": True}


def test_waits_grow_to_their_limit_and_repeat_with_the_seed(script, waits):
    for _ in range(2):
        with pytest.raises(ModelError):
            endpoint(script(httpx.Response(503)), waits, attempts=9, seed=5).post("chat", {})
    first, second = waits[:8], waits[8:]
    assert first == second
    assert max(first) <= 30
    assert first[-1] >= 15
    assert len(set(first)) == 8


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("2.5", 2.5), ("Thu, 01 Jan 2026 12:00:09 GMT", 9.0), ("soon", 0.0), ("nan", 0.0), ("-4", 0.0)],
)
def test_retry_after_is_honoured(script, waits, header, seconds):
    played = script(httpx.Response(429, headers={"retry-after": header}), OK)
    endpoint(played, waits, first_delay=0.0).post("chat", {})
    assert waits == [seconds]


def test_an_endpoint_that_asks_for_too_long_a_wait_fails_at_once(script, waits):
    played = script(httpx.Response(429, headers={"retry-after": "3600"}))
    with pytest.raises(ModelError, match=r"asks to wait 3600 s .*more than the 120 s"):
        endpoint(played, waits).post("chat", {})
    assert waits == []


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b'"text"', b"[" * 100_000, b"\xff\xfe"])
def test_answers_that_are_no_json_object_are_told(script, waits, content):
    with pytest.raises(ModelError, match="not a JSON object"):
        endpoint(script(httpx.Response(200, content=content)), waits).post("chat", {})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(400, json={"error": {"message": "bad thing"}}), "bad thing"),
        (httpx.Response(400, json={"error": "bad thing"}), "bad thing"),
        (httpx.Response(400, json={"detail": [{"msg": "bad thing"}]}), "bad thing"),
        (httpx.Response(400, json={"message": "bad\n thing"}), "bad thing"),
        (httpx.Response(400, content=b"bad thing"), "bad thing"),
        (httpx.Response(400, content=b"x" * 9000), "x…"),
    ],
)
def test_the_endpoints_own_words_are_passed_on(script, waits, answer, words):
    with pytest.raises(RequestRefused, match=words) as caught:
        endpoint(script(answer), waits).post("chat", {})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": f"wrong key {KEY}"}),
        httpx.Response(503, json={"error": f"wrong key {KEY}"}),
        httpx.Response(400, content=b"y" * 290 + KEY.encode()),  # where the message is cut
        httpx.ConnectError(f"cannot reach with {KEY}"),
        httpx.DecodingError(f"garbled {KEY}"),
    ],
)
def test_the_key_shows_nowhere(script, waits, answer, caplog):
    caplog.set_level(logging.DEBUG)
    played = script(answer)
    tried = endpoint(played, waits, attempts=2)
    with pytest.raises(ModelError) as caught:
        tried.post("chat", {})
    assert played.requests[0].headers["x-api-key"] == KEY
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(tried) + repr(vars(tried)) + caplog.text
    assert KEY not in shown
    assert "sk-very" not in shown
    assert caught.value.__context__ is None  # an error of the client would carry the request and its headers


def test_a_bad_key_is_told_with_advice(script, waits):
    with pytest.raises(RequestRefused, match="check the API key"):
        endpoint(script(httpx.Response(401)), waits).post("chat", {})


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "“quoted”"])
def test_keys_no_header_can_carry_are_refused_unseen(script, waits, key):
    with pytest.raises(ConfigError, match="quotes, blanks or line breaks") as caught:
        endpoint(script(OK), waits, key=key)
    assert key not in str(caught.value)


def test_without_a_key_no_header_is_sent_and_blanks_around_one_are_dropped(script, waits):
    played = script(OK)
    endpoint(played, waits, key=None).post("chat", {})
    assert "x-api-key" not in played.requests[0].headers
    endpoint(played, waits, key=f" {KEY}\n").post("chat", {})
    assert played.requests[1].headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    "address", ["", "local:8000", "ftp://local", "http://", "local", None, "http://[", "http://local/v1?key=abc"]
)
def test_addresses_that_are_none_are_refused(address):
    with pytest.raises(ConfigError, match="base_url"):
        JsonEndpoint("m", address, lambda _: {})


@pytest.mark.parametrize("address", ["http://ana:hunter2@local/v1", "http://ana:hunter2@lo cal:xx"])
def test_a_password_in_an_address_is_refused_unseen(address):
    with pytest.raises(ConfigError) as caught:
        JsonEndpoint("m", address, lambda _: {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": object()}, {"a": "\ud800"}])
def test_what_is_no_json_is_refused_before_it_is_sent(script, waits, body):
    played = script(OK)
    with pytest.raises(InputError):
        endpoint(played, waits).post("chat", body)
    assert played.requests == []


def test_a_closed_endpoint_opens_again(script, waits):
    opened = endpoint(script(OK), waits)
    opened.post("chat", {})
    opened.close()
    opened.close()
    assert opened.post("chat", {}) == {"fine": True}


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_delay": -1.0}])
def test_impossible_patience_is_refused(wrong):
    with pytest.raises(InputError):
        Retry(**wrong)


def test_a_timeout_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="timeout"):
        JsonEndpoint("m", "http://local", lambda _: {}, timeout=0)


def test_a_missing_client_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match=r"lamina\[models\]"):
        JsonEndpoint("m", "http://local", lambda _: {})


def test_the_waits_between_attempts_are_logged_without_the_endpoints_words(script, waits, caplog):
    endpoint(script(httpx.Response(503, text="your prompt was: my diary"), OK), waits).post("chat", {})
    assert "HTTP 503" in caplog.text
    assert "diary" not in caplog.text


def test_errors_survive_pickling_between_processes():
    error = RequestRefused("refused", 400, "why")
    assert str(pickle.loads(pickle.dumps(error))) == "refused"
