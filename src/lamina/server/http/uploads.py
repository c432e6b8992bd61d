"""A stream of messages, remembered while it arrives; and a body that is kept in a file until it is complete."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from lamina.errors import InputError, LaminaError
from lamina.importing.reading import check_message
from lamina.server.http.calls import Call, as_json
from lamina.server.http.limits import too_large
from lamina.server.http.problems import Problem, problem_of
from lamina.server.http.streams import EVERY

BATCH: Final = 1_000  # messages stored in one transaction at most


async def chunks(request: Request, most: int, patience: float) -> AsyncIterator[bytes]:
    """The body of a request piece by piece: at most `most` bytes, no piece later than `patience` seconds after the one before."""
    size, stream = 0, request.stream()
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), patience)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Problem(408, f"nothing came for {patience:g} seconds", {"Connection": "close"}) from None
        size += len(part)
        if size > most:
            raise too_large(most, "an upload")
        yield part


class Upload:
    """Lines of JSON, each a text or a message, stored in batches as they arrive.

    Parameters: `call`; `request`, whose body is read; `scope` and `session` for all of them.
    """

    def __init__(self, call: Call, request: Request, scope: str | None, session: str | None) -> None:
        self._call, self._request, self._session = call, request, session
        self._scope = call.memory.place(scope)
        self._batch: list[str | dict[str, Any]] = []
        self._read = self._stored = 0  # lines, traces

    async def lines(self) -> AsyncIterator[bytes]:
        """{"progress": …} with what is safe by then, and at the end {"done": …}, {"stopped": …} or {"error": …} with the same."""
        last = time.monotonic()
        outcome, more = "done", {}
        try:
            async for part in self._pieces():
                self._take(part)
                if len(self._batch) >= BATCH or time.monotonic() - last >= EVERY:
                    await self._store()
                    if time.monotonic() - last >= EVERY:
                        last = time.monotonic()
                        yield self._line("progress")
                if self._call.serves.stopping():
                    outcome, more = "stopped", {"reason": "the server is being stopped"}
                    break
            await self._store()
        except ClientDisconnect:
            return
        except (LaminaError, Problem) as error:
            outcome, more = "error", problem_of(error).document()
        yield self._line(outcome, **more)

    def _line(self, name: str, **more: Any) -> bytes:
        return as_json({name: {"lines": self._read, "traces": self._stored, **more}}) + b"\n"

    async def _pieces(self) -> AsyncIterator[bytes]:
        """The lines of the body."""
        settings = self._call.serves.settings
        rest = b""
        async for part in chunks(self._request, settings.upload, settings.patience):
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                yield line
            if len(rest) > settings.line:
                raise too_large(settings.line, "a line")
        if rest:
            yield rest

    def _take(self, line: bytes) -> None:
        """Read a line; what is wrong with it is said before anything of it is stored."""
        number = self._read + len(self._batch) + 1
        if len(line) > self._call.serves.settings.line:
            raise too_large(self._call.serves.settings.line, "a line")
        if not line.strip():
            self._read += 1
            return
        try:
            message = json.loads(line)
            if isinstance(message, str):
                message = {"content": message}
            check_message(message, self._call.serves.memory.config.timezone())
        except InputError as error:
            raise Problem(422, f"line {number}: {error}; the lines before it are stored up to 'lines'") from None
        except (ValueError, RecursionError):
            raise Problem(400, f"line {number} is not JSON") from None
        self._batch.append(message)

    async def _store(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        more = {} if self._session is None else {"session": self._session}
        ids = await self._call.run("write", "add_many", lambda: self._call.memory.add(batch, self._scope, **more))
        self._read += len(batch)
        self._stored += len(ids)
        self._call.serves.metrics.added.inc(len(ids))


async def kept(call: Call, request: Request) -> Path:
    """The body of a request in a file that only its owner may read; whoever gets it deletes it."""
    with tempfile.NamedTemporaryFile(prefix="lamina-import-", suffix=".jsonl", delete=False) as file:
        path = Path(file.name)
        try:
            async for part in chunks(request, call.serves.settings.upload, call.serves.settings.patience):
                await asyncio.to_thread(file.write, part)
        except BaseException:
            path.unlink()
            raise
    return path
