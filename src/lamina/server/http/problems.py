"""Errors as clients see them: problem documents (RFC 9457), with the status that each error of the library stands for."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lamina.errors import (
    Cancelled,
    ClosedError,
    ConsentError,
    EmbedderMismatchError,
    InputError,
    LaminaError,
    ModelError,
    NotFoundError,
    ReadOnlyError,
    StoreBusyError,
    StoreFullError,
    TransferError,
)

log = logging.getLogger("lamina.server")

MEDIA: Final = "application/problem+json"
TITLES: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not found",
    405: "There is no such method here",
    408: "The request took too long to arrive",
    409: "In conflict with what is there or under way",
    413: "Too large",
    415: "The body must be JSON",
    422: "The values are refused",
    429: "Too many requests",
    500: "The server failed",
    503: "Come again later",
}
STATUSES: Final[Sequence[tuple[type[LaminaError], int]]] = (
    (NotFoundError, 404),
    (ReadOnlyError, 403),
    (ConsentError, 403),
    (StoreBusyError, 503),
    (StoreFullError, 503),
    (ClosedError, 503),
    (EmbedderMismatchError, 503),
    (ModelError, 503),
    (Cancelled, 503),
    (TransferError, 422),
    (InputError, 422),
)
"""The first kind that fits says the status; every other error is 500."""
TOLD: Final = frozenset((403, 404, 422))
"""Statuses of errors whose own words are passed on; what went wrong inside stays in the log."""
SHOWN: Final = 10  # of the fields that do not fit, how many are named
LONGEST: Final = 1_000  # characters of a detail


class Problem(HTTPException):
    """An answer that is an error."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, fields: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.fields = list(fields)

    def document(self) -> dict[str, Any]:
        """The problem as JSON values."""
        title = TITLES.get(self.status_code, "The request failed")
        found: dict[str, Any] = {
            "type": "about:blank",
            "title": title,
            "status": self.status_code,
            "detail": self.detail[:LONGEST],
        }
        return {**found, "fields": self.fields} if self.fields else found

    def response(self) -> Response:
        """The problem as a response."""
        return Response(json.dumps(self.document()), self.status_code, self.headers, media_type=MEDIA)


def busy(detail: str, seconds: float = 1.0, status: int = 503) -> Problem:
    """A problem that goes away: when to come again stands in its header."""
    return Problem(status, detail, {"Retry-After": str(max(1, round(seconds)))})


def problem_of(error: Exception) -> Problem:
    """The problem that an error is to a client."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _unfit(error)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), error.headers)
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    if status == 500:
        log.error("a request failed (%s)", type(error).__name__)
        log.debug("the error", exc_info=error)  # it may quote what is remembered
        return Problem(500, "the server could not do this; its log says more")
    if status in TOLD:
        return Problem(status, str(error.args[0] if error.args else error))
    log.warning("a request could not be served (%s)", type(error).__name__)
    return busy(f"the memory cannot do this now ({type(error).__name__})")


def _unfit(error: RequestValidationError) -> Problem:
    """What does not fit the schema: the names of fields and what is wrong, without the values."""
    errors = error.errors()
    if errors and errors[0]["type"] == "json_invalid":
        return Problem(400, "the body is not JSON")
    fields = [{"field": ".".join(map(str, one["loc"]))[:200], "message": str(one["msg"])[:200]} for one in errors[:SHOWN]]
    more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    return Problem(422, "; ".join(f"{one['field']}: {one['message']}" for one in fields) + more, fields=fields)


def answer_problems(application: FastAPI) -> None:
    """Have an application answer every error with a problem document."""

    async def answer(_: Request, error: Exception) -> Response:
        return problem_of(error).response()

    for kind in (HTTPException, RequestValidationError, LaminaError):
        application.add_exception_handler(kind, answer)
