"""How much a client may ask for: requests a second, requests at once, bytes, and seconds to send them."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from lamina.server.http.problems import Problem, busy

Message = MutableMapping[str, Any]  # of ASGI
Receive = Callable[[], Awaitable[Message]]

CLIENTS: Final = 10_000  # whose buckets are remembered; those not seen for longest are forgotten, full again by then


@dataclass
class Buckets:
    """A token bucket for each client.

    Parameters: `rate`, drops a second that run in (0: no limit); `burst`, what a bucket holds; `clock`, seconds.

    >>> now = [0.0]
    >>> buckets = Buckets(rate=1, burst=2, clock=lambda: now[0])
    >>> [buckets.wait("ana") for _ in range(3)], buckets.wait("ben")
    ([0.0, 0.0, 1.0], 0.0)
    >>> now[0] = 1.0
    >>> buckets.wait("ana")
    0.0
    """

    rate: float
    burst: int
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait(self, client: str) -> float:
        """Take one drop: 0, or the seconds until there is one."""
        if not self.rate:
            return 0.0
        now = self.clock()
        level, seen = self._levels.pop(client, (float(self.burst), now))
        level = min(float(self.burst), level + (now - seen) * self.rate)
        taken = level >= 1
        self._levels[client] = (level - 1 if taken else level, now)
        while len(self._levels) > CLIENTS:
            self._levels.popitem(last=False)
        return 0.0 if taken else (1 - level) / self.rate

    def take(self, client: str) -> None:
        """The same; raises a problem where the bucket is empty."""
        seconds = self.wait(client)
        if seconds:
            raise busy(f"more than {self.rate:g} requests a second", seconds, 429)


class Places:
    """How many requests are worked on or wait, and room for no more than `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0

    def __enter__(self) -> None:
        if self.taken >= self.most:
            raise busy("the server is busy with other requests")
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self.taken -= 1


async def whole_body(receive: Receive, declared: int | None, most: int, patience: float) -> bytes:
    """The body of a request, at most `most` bytes within `patience` seconds."""
    if declared is not None and declared > most:
        raise too_large(most)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(patience):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "the client went away before its request was complete")
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    raise too_large(most)
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Problem(408, f"the request was not complete after {patience:g} seconds", {"Connection": "close"}) from None


def too_large(most: int, what: str = "a request") -> Problem:
    """The problem of something that is larger than it may be."""
    return Problem(413, f"{what} may have at most {most:,} bytes", {"Connection": "close"})


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body that has been read already, then whatever comes after it."""
    given = False

    async def call() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return call
