"""Answers of endpoints while they are written: over a real connection, and from a list."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from lamina.errors import InputError, ModelError, ModelOutputError
from lamina.models import AnthropicModel, Message, OpenAIModel
from lamina.models.http import RequestRefused, Retry
from lamina.models.streaming import streamed

ASKED = [Message("system", "Be brief."), Message("user", "How old is Ana?")]
KEY = "key-123456"


def events(*sent: Any, name: bool = False) -> bytes:
    lines = []
    for one in sent:
        lines += [f"event: {one['type']}\n"] if name else []
        lines.append(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n")
    return "".join(lines).encode()


def piece(text: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "served", "choices": [{"delta": {"content": text}, "finish_reason": finish}], **more}


CHAT = [
    piece(""), piece("Thr"), piece("ee."), piece(None, "stop"),
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}}, "[DONE]",
]  # fmt: skip
SAID = [
    {"type": "message_start", "message": {"model": "served", "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Thr"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ee."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}, {"type": "message_stop"},
]  # fmt: skip


def stream_of(content: bytes, status: int = 200, kind: str = "text/event-stream") -> httpx.Response:
    return httpx.Response(status, headers={"content-type": kind}, content=content)


def openai(played, waits, **changes) -> OpenAIModel:
    return OpenAIModel("m", "http://local/v1", KEY, retry=waits.retry(), transport=played.transport, **changes)


def anthropic(played, waits, **changes) -> AnthropicModel:
    return AnthropicModel("m", "http://local", KEY, retry=waits.retry(), transport=played.transport, **changes)


def test_a_chat_answer_in_pieces(script, waits):
    played = script(stream_of(events(*CHAT)))
    answer = streamed(openai(played, waits), ASKED, max_tokens=9, temperature=0.5)
    assert list(answer) == ["Thr", "ee."]
    found = answer.completion
    assert (found.text, found.model, found.prompt_tokens, found.completion_tokens) == ("Three.", "served", 7, 3)
    assert (found.reused_tokens, found.truncated, answer.cancelled) == (5, False, False)  # type: ignore[attr-defined]
    body = played.body()
    assert (body["stream"], body["stream_options"], body["max_tokens"]) == (True, {"include_usage": True}, 9)
    assert played.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_message_in_pieces(script, waits):
    played = script(stream_of(events(*SAID, name=True)))
    answer = streamed(anthropic(played, waits), ASKED)
    assert list(answer) == ["Thr", "ee."]
    found = answer.completion
    assert (found.text, found.model, found.prompt_tokens, found.completion_tokens) == ("Three.", "served", 7, 3)
    assert not found.truncated
    assert played.body()["stream"] is True


def test_an_endpoint_that_does_not_stream_gives_one_piece(script, waits, chat_answer):
    answer = openai(script(chat_answer("Three.")), waits).stream(ASKED)
    assert (list(answer), answer.completion.completion_tokens) == (["Three."], 3)
    message = {
        "type": "message",
        "model": "served",
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }
    told = httpx.Response(200, json={**message, "content": [{"type": "text", "text": "Three."}]})
    said = anthropic(script(told), waits).stream(ASKED)
    assert (list(said), said.completion.prompt_tokens, said.completion.truncated) == (["Three."], 7, True)


def test_what_the_endpoint_does_not_know_is_left_out(script, waits):
    refusal = httpx.Response(400, json={"error": {"message": "unknown field stream_options"}})
    played = script(refusal, stream_of(events(*CHAT)))
    model = openai(played, waits)
    assert "".join(model.stream(ASKED)) == "Three."
    assert "stream_options" not in played.body()
    played = script(httpx.Response(400, json={"error": {"message": "temperature is deprecated"}}), stream_of(events(*SAID)))
    assert "".join(anthropic(played, waits).stream(ASKED)) == "Three."
    assert "temperature" not in played.body()


def test_refusals_and_failures_are_those_of_whole_answers(script, waits):
    with pytest.raises(InputError):
        openai(script(stream_of(b"")), waits).stream([])
    with pytest.raises(InputError, match="role 'user'"):
        anthropic(script(stream_of(b"")), waits).stream(ASKED[:1])
    refused = openai(script(httpx.Response(401, json={"error": {"message": f"bad {KEY}"}})), waits).stream(ASKED)
    with pytest.raises(RequestRefused, match=r"check the API key\): bad \[key\]"):
        list(refused)
    played = script(httpx.Response(503), httpx.ConnectError("no"), stream_of(events(*CHAT)))
    assert "".join(openai(played, waits).stream(ASKED)) == "Three."
    assert len(played.requests) == 3


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (events(piece("Thr")), "broke its answer off: ask again"),
        (events(piece("Thr"), {"error": {"message": f"overloaded {KEY}"}}), r"broke its answer off: overloaded \[key\]"),
        (events(piece("Thr"), "[1, 2]"), "not a JSON object"),
        (events(piece("Thr"), "{"), "not a JSON object"),
        (events(piece("Thr"), {"choices": 3}), "did not answer with a message"),
        (events(piece("Thr"), piece(3)), "did not answer with text"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_breaks_off_is_an_error_and_keeps_what_came(script, waits, sent, message):
    answer = openai(script(stream_of(sent)), waits).stream(ASKED)
    assert next(answer) == "Thr"
    with pytest.raises(ModelError, match=message):
        list(answer)
    assert (answer.completion.text, answer.completion.truncated) == ("Thr", True)


def test_errors_within_a_message_and_declined_answers_are_told(script, waits):
    broken = events(*SAID[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, name=True)
    answer = anthropic(script(stream_of(broken)), waits).stream(ASKED)
    with pytest.raises(ModelError, match="Overloaded"):
        list(answer)
    declined = events(*SAID[:1], {"type": "message_delta", "delta": {"stop_reason": "refusal"}})
    with pytest.raises(ModelOutputError, match="declined"):
        list(anthropic(script(stream_of(declined)), waits).stream(ASKED))
    refusal = events({"choices": [{"delta": {"refusal": "no"}}]})
    with pytest.raises(ModelOutputError, match="declined"):
        list(openai(script(stream_of(refusal)), waits).stream(ASKED))


# --------------------------------------------------------------------------------------------------- a real connection
class Served:
    """An endpoint that sends a first piece, then waits for `go`; `left` is set when the other side hangs up."""

    def __init__(self) -> None:
        self.go, self.left = threading.Event(), threading.Event()


@contextmanager
def served(end: Callable[[Any], None]) -> Iterator[tuple[str, Served]]:
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(events(piece("Thr")))
            self.wfile.flush()
            try:
                while not state.go.wait(0.02):
                    self.wfile.write(b": wait\n\n")
                    self.wfile.flush()
                end(self)
            except OSError:
                state.left.set()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", state
    finally:
        state.go.set()
        server.shutdown()
        server.server_close()


def test_the_first_piece_comes_before_the_last_is_sent():
    with served(lambda handler: handler.wfile.write(events(*CHAT[2:]))) as (address, state):
        answer = OpenAIModel("m", address).stream(ASKED)
        assert next(answer) == "Thr"
        assert not state.go.is_set()
        state.go.set()
        assert list(answer) == ["ee."]
        assert answer.completion.completion_tokens == 3


def test_a_cancel_from_another_thread_ends_the_answer_and_the_connection():
    with served(lambda handler: None) as (address, state):
        answer = OpenAIModel("m", address, timeout=60).stream(ASKED)
        assert next(answer) == "Thr"
        begin = time.monotonic()
        threading.Timer(0.1, answer.cancel).start()
        assert list(answer) == []
        assert time.monotonic() - begin < 10
        assert state.left.wait(10)
        assert answer.cancelled
        assert (answer.completion.text, answer.completion.truncated) == ("Thr", True)


def test_leaving_an_answer_closes_the_connection():
    with served(lambda handler: None) as (address, state):
        with OpenAIModel("m", address).stream(ASKED) as answer:
            assert next(answer) == "Thr"
        assert state.left.wait(10)
        assert answer.cancelled
        assert list(answer) == []


def test_a_connection_that_is_lost_is_an_error():
    with served(lambda handler: None) as (address, state):
        answer = OpenAIModel("m", address, retry=Retry(attempts=1)).stream(ASKED)
        assert next(answer) == "Thr"
        state.go.set()
        with pytest.raises(ModelError, match="broke its answer off"):
            list(answer)


def test_an_answer_cancelled_before_it_began_is_not_asked_for(script, waits):
    played = script(stream_of(events(*CHAT)))
    answer = openai(played, waits).stream(ASKED)
    assert not answer.cancel()
    assert (list(answer), played.requests) == ([], [])
