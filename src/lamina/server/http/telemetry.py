"""Spans of OpenTelemetry for requests and verbs, where its packages are installed; nothing where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Finish = Callable[[int, str], None]
"""Told the status of the response and the route, when they are known."""


class Tracing:
    """Makes spans. Their attributes are routes, verbs, statuses and counts: never a word of a memory, a scope or an id."""

    def __init__(self) -> None:
        try:
            from opentelemetry import propagate, trace
        except ImportError:
            self._trace: Any = None  # a module that may be missing
        else:
            self._trace, self._propagate = trace, propagate
            self._tracer = trace.get_tracer("lamina.server")

    @contextmanager
    def request(self, method: str, headers: Mapping[str, str]) -> Iterator[Finish]:
        """The span of a request, within the trace that its headers name."""
        if self._trace is None:
            yield _nothing
            return
        context = self._propagate.extract(headers)
        with self._tracer.start_as_current_span(
            method, context, kind=self._trace.SpanKind.SERVER, attributes={"http.request.method": method}, record_exception=False
        ) as span:

            def finish(status: int, route: str) -> None:
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    span.set_status(self._trace.StatusCode.ERROR)

            yield finish

    @contextmanager
    def verb(self, name: str) -> Iterator[None]:
        """The span of what is done with the memory."""
        if self._trace is None:
            yield
            return
        with self._tracer.start_as_current_span(
            f"lamina.{name}", attributes={"lamina.verb": name}, record_exception=False, set_status_on_exception=False
        ):
            yield


def _nothing(status: int, route: str) -> None:
    """Tell nobody."""
