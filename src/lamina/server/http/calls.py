"""What a route works with: the client's confined memory, the threads, and what is common to all routes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Depends, Request, Security
from fastapi.responses import Response
from fastapi.security import HTTPBearer

from lamina.memory import Memory
from lamina.server.confined import Confined
from lamina.server.http import schemas
from lamina.server.http.access import Grant
from lamina.server.http.cursors import Cursors
from lamina.server.http.lanes import Lane, Lanes
from lamina.server.http.metrics import Metrics
from lamina.server.http.problems import MEDIA, TITLES, Problem
from lamina.server.http.settings import Serving
from lamina.server.http.telemetry import Tracing
from lamina.server.tokens import Right

T = TypeVar("T")
SEVERAL: Final = frozenset(("kind", "session", "speaker", "place", "role"))
"""Parameters of a listing that may come more than once."""
bearer = HTTPBearer(auto_error=False, description="A token that 'lamina token create' has made.")


@dataclass(frozen=True)
class Serves:
    """What all requests of one server share."""

    memory: Memory
    settings: Serving
    lanes: Lanes
    metrics: Metrics
    tracing: Tracing
    cursors: Cursors
    stopping: Callable[[], bool]


@dataclass(frozen=True)
class Call:
    """One request: whose memory it sees, and how its work is run."""

    serves: Serves
    grant: Grant
    memory: Confined

    async def run(self, lane: Lane, verb: str, work: Callable[[], T]) -> T:
        """What the work returns, done in a thread of the lane, within a span."""

        def traced() -> T:
            with self.serves.tracing.verb(verb):
                return work()

        return await self.serves.lanes.run(lane, traced)

    async def answer(self, lane: Lane, verb: str, work: Callable[[], Any], status: int = 200) -> Response:
        """The same as a JSON response, which is written in the thread as well."""
        return Response(await self.run(lane, verb, lambda: as_json(work())), status, media_type="application/json")


def as_json(value: Any) -> bytes:
    """JSON values as bytes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _call(right: Right) -> Callable[..., Awaitable[Call]]:
    # a coroutine: FastAPI would hand so short a function to a thread
    async def call(request: Request, _: Annotated[object, Security(bearer)] = None) -> Call:
        serves, grant = cast(Serves, request.app.state.serves), cast(Grant, request.scope["lamina.grant"])
        if not grant.allows(right):
            raise Problem(
                403, f"this needs the right '{right}'" + ("" if grant.right != "read" else ", and the client may only read")
            )
        names = [name for name, _ in request.query_params.multi_items()]
        twice = next((name for name in names if names.count(name) > 1 and name not in SEVERAL), None)
        if twice is not None:
            raise Problem(400, f"the parameter {twice[:100]} comes twice")
        return Call(serves, grant, Confined(serves.memory, grant.scope))

    return call


Reading = Annotated[Call, Depends(_call("read"))]
Writing = Annotated[Call, Depends(_call("write"))]
Administering = Annotated[Call, Depends(_call("admin"))]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route for OpenAPI: those named, and those that every route has."""
    every = sorted({400, 401, 403, 422, 429, 500, 503, *statuses})
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    waiting = {"Retry-After": {"description": "Seconds after which to come again.", "schema": {"type": "integer", "minimum": 1}}}
    return {
        status: {"description": TITLES[status], "content": content, **({"headers": waiting} if status == 429 else {})}
        for status in every
    }


def lines_of(description: str) -> dict[int | str, dict[str, Any]]:
    """The response of a route that streams lines of JSON, for OpenAPI."""
    return {200: {"description": description, "content": {"application/x-ndjson": {}}}}


__all__ = ["Administering", "Call", "Reading", "Serves", "Writing", "as_json", "errors", "lines_of", "schemas"]
