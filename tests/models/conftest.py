"""Endpoints that answer from a list, and waits that are only written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lamina.models.http import Retry

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Script:
    """A transport that gives the next answer to each request and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):  # a fresh one each time: a response is read once
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self)

    def body(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)


def chat(text: str | None, finish: str = "stop", **message: Any) -> httpx.Response:
    """An answer of a chat endpoint."""
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return httpx.Response(
        200, json={"model": "served", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    )


class Waits(list[float]):
    """The seconds that would have been waited."""

    def retry(self, **changes: Any) -> Retry:
        return Retry(**{"seed": 0, "sleep": self.append, "now": lambda: 1_767_268_800.0, **changes})


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
def chat_answer() -> Callable[..., httpx.Response]:
    return chat
