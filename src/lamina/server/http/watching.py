"""Routes for those who run the server: health, readiness, metrics, and the page."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from lamina.page import served_page
from lamina.scopes import EVERYWHERE
from lamina.server.http import schemas
from lamina.server.http.calls import Reading, Serves, as_json, errors
from lamina.server.http.metrics import CONTENT_TYPE
from lamina.server.http.problems import Problem, busy

router = APIRouter()
UNFRAMED = {"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": "DENY"}
"""The page says the rest of its policy itself; this part counts in a header only. Nobody else's page may lay its own over the button that forgets."""


@router.get("/healthz", operation_id="healthz", response_model=schemas.Health, responses={500: errors()[500]}, tags=["state"])
async def healthz() -> Response:
    """The server lives."""
    return Response(as_json({"status": "ok"}), media_type="application/json")


@router.get(
    "/readyz", operation_id="readyz", response_model=schemas.Health, responses={503: errors()[503], 500: errors()[500]},
    tags=["state"],
)  # fmt: skip
async def readyz(request: Request) -> Response:
    """The server takes requests: its memory is open, and it is not being stopped."""
    serves = cast(Serves, request.app.state.serves)
    if serves.stopping():
        raise busy("the server is being stopped", 5)
    await serves.lanes.run("look", serves.memory.store.version)
    return Response(as_json({"status": "ready"}), media_type="application/json")


@router.get(
    "/metrics", operation_id="metrics", response_class=Response,
    responses={200: {"description": "Metrics as Prometheus reads them.", "content": {"text/plain": {"schema": {"type": "string"}}}}, **errors()},
    tags=["state"],
)  # fmt: skip
async def metrics(call: Reading) -> Response:
    """What the server counts. It concerns everybody's memories, so a token must see all of them."""
    if call.grant.scope != EVERYWHERE:
        raise Problem(403, "metrics are for tokens of the scope '*'")
    return Response(await call.run("look", "metrics", call.serves.metrics.text), headers={"Content-Type": CONTENT_TYPE})


@router.get("/", include_in_schema=False)
async def page(request: Request) -> Response:
    """The page; what it shows it asks for with the token of whoever looks at it."""
    return HTMLResponse(served_page(), headers=UNFRAMED)
