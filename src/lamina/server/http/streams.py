"""Long work as a stream of lines: progress while it runs, its outcome at the end, and an end to it when the client hangs up."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator
from itertools import islice
from typing import Any, Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lamina.errors import Cancelled
from lamina.records import Run
from lamina.scopes import covers
from lamina.server.http.calls import Call, as_json
from lamina.server.http.problems import Problem, busy, problem_of

MEDIA: Final = "application/x-ndjson"
EVERY: Final = 0.2  # seconds between two lines of progress
QUIET: Final = 5.0  # seconds after which a line says that the work goes on, so that nothing in between gives the connection up
LINES: Final = 500  # of an export, read at a time

Line = dict[str, Any]  # JSON values


class LineStream(StreamingResponse):
    """A stream of lines.

    Parameters: `lines`; `ended`, called when nobody reads them any more, for whatever reason; `reads`, whether they are made from the
    body of their own request, to which nobody else may listen then.
    """

    def __init__(self, lines: AsyncIterator[bytes], ended: Callable[[], None], *, reads: bool = False) -> None:
        super().__init__(lines, media_type=MEDIA)
        self._ended = ended
        self._reads = reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines until the end, or until the client hangs up."""
        try:
            if self._reads:
                await self.stream_response(send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._ended()


class Tasks:
    """The long work under way: one piece at a time in a scope (and in those above and below it), a few in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._scopes: list[str] = []

    def begin(self, scope: str) -> Callable[[], None]:
        """Take a place; call what this returns to give it back. Raises a problem where there is none, or the scope is worked on."""
        if any(covers(scope, other) or covers(other, scope) for other in self._scopes):
            raise Problem(409, "work on this scope is under way: wait for its end")
        self.check()
        self._scopes.append(scope)
        return lambda: self._scopes.remove(scope)

    def check(self) -> None:
        """Raise a problem where no further work can be taken."""
        if len(self._scopes) >= self._most:
            raise busy("other long work is under way", 5)


def at_work(call: Call, kind: str, done: Callable[[], None], work: Callable[[Run], Any]) -> LineStream:
    """A piece of work that begins now, and its lines: {"progress": …}, then {"done": …}, {"stopped": …} or {"error": …}.

    `done` is called when the work has really ended, which may be after the client has gone, and before its last line is told: who reads
    that may begin the next.
    """
    loop, lines, stop = asyncio.get_running_loop(), asyncio.Queue[Line](), threading.Event()
    last, given_back = 0.0, False

    def give_back() -> None:
        nonlocal given_back
        if not given_back:
            given_back = True
            done()

    def end(line: Line) -> None:
        loop.call_soon_threadsafe(give_back)
        put(line)

    def put(line: Line) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    def progress(stage: str, count: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= EVERY or count == total:
            last = now
            put({"progress": {"stage": stage, "done": count, "total": total}})

    async def shown() -> AsyncIterator[bytes]:
        while True:
            try:
                line = await asyncio.wait_for(lines.get(), QUIET)
            except TimeoutError:
                line = {"progress": {"stage": kind, "done": 0, "total": 0}}
            yield as_json(line) + b"\n"
            if "progress" not in line:
                return

    run = Run(progress=progress, cancelled=lambda: stop.is_set() or call.serves.stopping())
    working = call.serves.lanes.pool("work").submit(contextvars.copy_context().run, _run, call, kind, run, work, end)
    working.add_done_callback(lambda _: loop.call_soon_threadsafe(give_back))  # also of work that never began
    return LineStream(shown(), stop.set)


def _run(call: Call, kind: str, run: Run, work: Callable[[Run], Any], end: Callable[[Line], None]) -> None:
    """Do the work in its thread, and say how it ended."""
    begin, outcome = time.monotonic(), "done"
    try:
        with call.serves.tracing.verb(kind):
            run.report(kind, 0, 0)
            line = {"done": work(run)}
    except Cancelled as error:
        outcome, line = "stopped", {"stopped": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the client must hear of it; the log says what
        outcome, line = "failed", {"error": problem_of(error).document()}
    call.serves.metrics.work(kind, outcome, time.monotonic() - begin)
    end(line)


def from_thread(call: Call, kind: str, done: Callable[[], None], lines: Generator[str, None, None]) -> LineStream:
    """Lines that are made in a thread, some at a time, and closed there too, whoever hangs up."""
    begin, loop, pool = time.monotonic(), asyncio.get_running_loop(), call.serves.lanes.pool("work")
    outcome = "stopped"

    def some() -> bytes:
        return "".join(f"{line}\n" for line in islice(lines, LINES)).encode()

    async def shown() -> AsyncIterator[bytes]:
        nonlocal outcome
        while not call.serves.stopping():
            part = await loop.run_in_executor(pool, some)
            if not part:
                outcome = "done"
                return
            yield part

    def ended() -> None:
        call.serves.metrics.work(kind, outcome, time.monotonic() - begin)
        pool.submit(_close, lines).add_done_callback(lambda _: loop.call_soon_threadsafe(done))

    return LineStream(shown(), ended)


def _close(lines: Generator[str, None, None]) -> None:
    """Close a generator when the thread that may still be in it has left."""
    while True:
        try:
            lines.close()
        except ValueError:  # it is being executed
            time.sleep(0.05)
        else:
            return
