"""The application: routes, gate, errors, and its description as OpenAPI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import lamina
from lamina.memory import Memory
from lamina.server.http import reading, schemas, showing, watching, working, writing
from lamina.server.http.access import Access
from lamina.server.http.calls import Serves
from lamina.server.http.cursors import Cursors
from lamina.server.http.gate import Gate
from lamina.server.http.lanes import Lanes
from lamina.server.http.metrics import Metrics
from lamina.server.http.problems import answer_problems
from lamina.server.http.settings import Serving
from lamina.server.http.streams import Tasks
from lamina.server.http.telemetry import Tracing
from lamina.server.tokens import TokenBook

ABOUT = (
    "A memory for language models and agents. A token is bound to a scope, and whoever brings it sees that scope and what lies below it: a scope outside "
    "and an id of something outside are answered as if they were not there. Errors are problem documents."
)


def http_application(memory: Memory, settings: Serving | None = None, stopping: Callable[[], bool] = lambda: False) -> FastAPI:
    """An ASGI application that serves a memory, which the caller closes.

    Parameters: `settings`; `stopping` says whether the server is being stopped, so that long work ends at its next step.
    """
    used = settings or Serving()
    serves = Serves(
        memory=memory,
        settings=used,
        lanes=Lanes(used.readers, used.work, used.patience),
        metrics=Metrics(memory),
        tracing=Tracing(),
        cursors=Cursors(memory.store),
        stopping=stopping,
    )

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        serves.lanes.close()

    application = FastAPI(
        title="Lamina", version=lamina.__version__, description=ABOUT, docs_url=None, redoc_url=None, lifespan=life,
    )  # fmt: skip
    application.state.serves = serves
    application.state.tasks = Tasks(used.work)
    for part in (reading, writing, working, showing, watching):
        application.include_router(part.router)
    answer_problems(application)
    application.add_middleware(Gate, serves=serves, access=Access(used, TokenBook(memory.store)))
    application.openapi = lambda: _described(application)
    return application


def _described(application: FastAPI) -> dict[str, Any]:
    """The description, with the schemas that are only named in it."""
    if application.openapi_schema is None:
        found: dict[str, Any] = get_openapi(
            title=application.title, version=application.version, description=application.description, routes=application.routes
        )
        named = found.setdefault("components", {}).setdefault("schemas", {})
        for model in (schemas.Problem, schemas.Message):
            named[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        application.openapi_schema = found
    described: dict[str, Any] = application.openapi_schema
    return described
