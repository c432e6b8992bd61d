"""An answer over HTTP that comes in events of JSON."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lamina.errors import ModelError
from lamina.models.server_events import ServerEvent, ServerEvents

if TYPE_CHECKING:
    import httpx


class EventStream:
    """The answer of an endpoint as events of JSON; an endpoint that answers with one object, whole, gives that.

    Parameters: `response`, which is being read; `what`, the model's name and address in messages; `described`, which makes a message of what went wrong.
    """

    def __init__(self, response: httpx.Response, what: str, described: Callable[[str], str]) -> None:
        self._response, self._what, self._described = response, what, described

    def events(self, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """The JSON objects; `{}` stands for the word that the answer is over ("[DONE]"). Ends early, without an error, once `stopped` says so.

        Raises `ModelError` where the connection breaks, something is no JSON object, or the endpoint reports an error.
        """
        reader, whole = ServerEvents(), b""
        plain = "application/json" in self._response.headers.get("content-type", "")
        chunks = self._chunks(stopped)
        for raw in chunks:
            if plain:
                whole += raw
                continue
            yield from map(self._read, reader.feed(raw))
        if plain and not stopped():
            yield self._read(ServerEvent("", whole.decode("utf-8", "replace")))
        elif not stopped():
            yield from map(self._read, reader.feed(b"\n\n"))  # the last one may lack its empty line

    def _chunks(self, stopped: Callable[[], bool]) -> Iterator[bytes]:
        import httpx

        broken = ""
        try:
            yield from self._response.iter_bytes()
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:  # ValueError: a socket closed by `interrupt`
            broken = f"{type(error).__name__}: {self._described(str(error))}"
        if broken and not stopped():
            raise ModelError(f"{self._what} broke its answer off ({broken})")

    def _read(self, event: ServerEvent) -> dict[str, Any]:
        if event.data.strip() == "[DONE]":
            return {}
        try:
            found = json.loads(event.data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ModelError(f"{self._what} sent something that is not a JSON object")
        if found.get("error") or event.name == "error":
            detail = self._described(event.data)
            raise ModelError(f"{self._what} broke its answer off: {detail}")
        return found

    def interrupt(self) -> None:
        """Close the connection from another thread: whoever reads from it hears that at once."""
        carrier = self._response.extensions.get("network_stream")
        connection = None if carrier is None else carrier.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(Exception):  # it may be broken already
            self._response.close()
