"""Running the server: it begins when the memory is ready, and ends when what it accepted is answered."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from types import FrameType

import uvicorn
from threadpoolctl import threadpool_limits

from lamina.errors import LaminaError
from lamina.memory import Memory
from lamina.server.http.application import http_application
from lamina.server.http.settings import BACKLOG, Serving
from lamina.server.tokens import TokenBook

log = logging.getLogger("lamina.server")


class Server(uvicorn.Server):
    """Serves one memory until it is told to stop (SIGTERM, SIGINT, or `stop`).

    It then takes no new connections, answers what it has accepted, ends long work at its next step, and returns. The memory is left
    to the caller, who closes it.
    """

    def __init__(self, memory: Memory, settings: Serving, shared: bool = False) -> None:
        settings.check(bool(TokenBook(memory.store)))
        application = http_application(memory, settings, lambda: self.should_exit)
        super().__init__(
            uvicorn.Config(
                application,
                host=settings.host,
                port=settings.port,
                log_level="warning",
                access_log=False,  # paths have ids in them
                server_header=False,
                date_header=False,
                proxy_headers=False,  # whoever wants the client's address logged has the proxy log it
                ws="none",
                timeout_keep_alive=30,
                timeout_graceful_shutdown=int(settings.drain),
                backlog=1 if shared else BACKLOG,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections; from a shared socket one at a time, so that no process takes all that wait."""
        await super().startup(sockets)
        for shared in sockets or ():
            shared.listen(BACKLOG)  # how many wait is another matter than how many are taken at once

    def stop(self) -> None:
        """Have the server end; from any thread."""
        self.should_exit = True


def serve(memory: Memory, settings: Serving, shared: socket.socket | None = None) -> None:
    """Serve a memory until a signal comes; at a socket that other processes take connections from too, if one is given.

    Raises `InputError` where it would be open to other machines unasked.
    """
    threadpool_limits(1, "blas")  # requests are what runs side by side; several threads for one product only spin
    server = Server(memory, settings, shared is not None)
    warm(memory)

    def end(number: int, frame: FrameType | None) -> None:
        """A signal before the server takes them itself, and once more when it has obeyed one."""
        server.stop()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        # it takes the signals itself, and sends them once more when it is done: they have been obeyed by then
        server.run(None if shared is None else [shared])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def warm(memory: Memory) -> threading.Thread:
    """Load the embedder, the ranker and the token counter in the background, so that the first requests are as quick as the others."""

    def run() -> None:
        try:
            memory.context("warm", k=1)
        except LaminaError as error:
            log.debug("the memory could not be warmed up (%s)", type(error).__name__)

    thread = threading.Thread(target=run, name="lamina-warm", daemon=True)
    thread.start()
    return thread
