"""The gate every request goes through: who it is, whether there is room, what it brings; and what is counted of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamina.server.http.access import PUBLIC, Access, length_of
from lamina.server.http.calls import Serves
from lamina.server.http.limits import Buckets, Places, again, whole_body
from lamina.server.http.problems import Problem, problem_of
from lamina.server.http.working import STREAMED

Told = Callable[[int, str], None]
HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
"""With every response: nothing of a memory stays in caches, or is taken for something else than it is."""


class Gate:
    """Wraps the application.

    Parameters: `application`; `serves`; `access`.
    """

    def __init__(self, application: ASGIApp, serves: Serves, access: Access) -> None:
        self._application = application
        self._serves = serves
        self._access = access
        self._buckets = Buckets(serves.settings.rate, serves.settings.burst)
        self._places = Places(serves.settings.concurrency)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request through."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await self._observed(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request, time it, and answer what goes wrong with a problem."""
        begin, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        metrics = self._serves.metrics
        metrics.under_way.inc()
        try:
            with self._serves.tracing.request(scope["method"], headers) as finish:
                try:
                    await self._admitted(scope, receive, noted)
                except Exception as error:
                    if status:
                        raise
                    await problem_of(error).response()(scope, receive, noted)
                finally:
                    route = getattr(scope.get("route"), "path", "none")
                    finish(status, route)
        finally:
            metrics.under_way.dec()
            metrics.request(route, scope["method"], status, time.perf_counter() - begin)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or raise why not."""
        headers, settings = scope["headers"], self._serves.settings
        self._access.check_headers(headers)
        path = scope["path"]
        if path not in PUBLIC:
            grant = self._access.grant(headers, (scope.get("client") or ("",))[0])
            scope["lamina.grant"] = grant
            self._buckets.take(grant.client)
        if path in STREAMED:
            declared = length_of(headers)
            if declared is not None and declared > settings.upload:
                raise Problem(413, f"an upload may have at most {settings.upload:,} bytes", {"Connection": "close"})
        else:
            receive = again(await whole_body(receive, length_of(headers), settings.body, settings.patience), receive)
        if path in PUBLIC:
            await self._application(scope, receive, send)
            return
        with self._places:
            await self._application(scope, receive, send)
