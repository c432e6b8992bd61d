"""Routes of long work, whose responses are streams of lines: consolidate, rebuild, export, import, and a streamed add."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from lamina.records import Report, Run
from lamina.server.http import schemas
from lamina.server.http.calls import Administering, Writing, errors, lines_of
from lamina.server.http.reading import InScope
from lamina.server.http.streams import LineStream, Tasks, at_work, from_thread
from lamina.server.http.uploads import Upload, kept

router = APIRouter(prefix="/v1", tags=["long work"])
STREAMED = frozenset(("/v1/upload", "/v1/import"))
"""Paths whose bodies are read while they arrive."""
_PROGRESS = (
    'Lines of JSON: {"progress": …} now and then, then {"done": …}, {"stopped": …} or {"error": …}. Hanging up stops the work.'
)


def _tasks(request: Request) -> Tasks:
    tasks: Tasks = request.app.state.tasks
    return tasks


class UploadTo(BaseModel):
    """Where to write, and in which session."""

    model_config = ConfigDict(extra="forbid")

    scope: schemas.Scope | None = None
    session: schemas.Name | None = None


_BODY = {
    "requestBody": {"required": True, "content": {"application/x-ndjson": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.post(
    "/upload", operation_id="upload", response_class=Response, responses={**lines_of(_PROGRESS), **errors(404, 408, 413)},
    openapi_extra=_BODY,
)  # fmt: skip
async def upload(call: Writing, request: Request, query: Annotated[UploadTo, Query()]) -> Response:
    """Remember a stream of messages, a line of JSON each (a text, or a message as `add` takes it), while it arrives.

    What a line of progress has counted is stored. With `origin` in the messages the stream can be sent again.
    """
    return LineStream(Upload(call, request, query.scope, query.session).lines(), _nothing, reads=True)


def _nothing() -> None:
    """There is nothing to take back."""


@router.post(
    "/consolidate", operation_id="consolidate", response_class=Response,
    responses={**lines_of(_PROGRESS), **errors(404, 409, 413)},
)  # fmt: skip
async def consolidate(call: Writing, request: Request, body: Annotated[schemas.Work, Body()]) -> Response:
    """Derive the upper levels from what is new in a scope. It may be stopped at any time and goes on where it was."""
    scope = call.memory.within(body.scope)
    return at_work(call, "consolidate", _tasks(request).begin(scope), lambda run: _reports(call.memory.consolidate(scope, run)))


@router.post(
    "/rebuild", operation_id="rebuild", response_class=Response, responses={**lines_of(_PROGRESS), **errors(404, 409, 413)}
)  # fmt: skip
async def rebuild(call: Administering, request: Request, body: Annotated[schemas.Work, Body()]) -> Response:
    """Derive everything in a scope anew from its traces. Ids stay what they are."""
    scope = call.memory.within(body.scope)
    return at_work(call, "rebuild", _tasks(request).begin(scope), lambda run: _reports(call.memory.rebuild(scope, run)))


def _reports(reports: list[Report]) -> dict[str, Any]:
    return {"reports": [dataclasses.asdict(report) for report in reports]}


class ExportOf(InScope):
    """What is exported, and whether with its vectors."""

    vectors: bool = True


@router.get(
    "/export", operation_id="export",
    response_class=Response,
    responses={**lines_of("The export, a record a line; complete with its footer only."), **errors(404, 409)},
)  # fmt: skip
async def export(call: Administering, request: Request, query: Annotated[ExportOf, Query()]) -> Response:
    """Everything in a scope as lines of JSON, in one state, hidden items and history too. `import` reads it."""
    scope = call.memory.within(query.scope)
    lines = await call.run("look", "export", lambda: call.memory.export(scope, query.vectors))
    return from_thread(call, "export", _tasks(request).begin(scope), lines)


@router.post(
    "/import", operation_id="import", response_class=Response,
    responses={**lines_of(_PROGRESS), **errors(404, 408, 409, 413)}, openapi_extra=_BODY,
)  # fmt: skip
async def import_(call: Administering, request: Request) -> Response:
    """Read an export, all of it or nothing. Everything in it must lie within the token's scope; what is there already stays."""
    done = _tasks(request).begin(call.memory.scope)
    try:
        path = await kept(call, request)
    except BaseException:
        done()
        raise

    def work(run: Run) -> dict[str, Any]:
        return dataclasses.asdict(call.memory.import_(path, run))

    def ended() -> None:
        path.unlink(missing_ok=True)
        done()

    return at_work(call, "import", ended, work)
