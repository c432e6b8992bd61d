"""Several processes that serve one file: each has a memory of its own, and whichever is free takes the next connection.

Limits and what counts as an echo are kept by each process for itself; metrics are added up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import wait
from types import FrameType

from lamina.errors import InputError, LaminaError
from lamina.memory import Memory
from lamina.server.http.settings import BACKLOG, Serving
from lamina.server.tokens import TokenBook

Open = Callable[[], AbstractContextManager[Memory]]
METRICS: str = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder in which processes keep what they count."""


def serve_by(count: int, opening: Open, settings: Serving) -> None:
    """Serve with `count` processes until a signal comes, then end when all of them have.

    `opening` opens the memory; it is called in each process. Raises `LaminaError` where a process ends by itself: the others are ended then.
    """
    with opening() as memory:
        settings.check(bool(TokenBook(memory.store)))
    with tempfile.TemporaryDirectory(prefix="lamina-metrics-") as folder:
        os.environ[METRICS] = folder
        _watch(count, opening, settings)


def listening(settings: Serving) -> socket.socket:
    """The socket that all processes take connections from. Raises `InputError` where the address is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # with the protocol named, the event loop sends small responses at once; otherwise each would wait some 40 ms
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((settings.host, settings.port))
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise InputError(f"{settings.address} cannot be listened on ({error.strerror}): choose another --port") from None
    return made


def _watch(count: int, opening: Open, settings: Serving) -> None:
    context = multiprocessing.get_context("spawn")
    shared = listening(settings)
    processes = [
        context.Process(target=_work, args=(opening, settings, shared), name=f"lamina-{number}") for number in range(count)
    ]
    told = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        for process in processes:
            if process.is_alive():
                process.terminate()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for process in processes:
            process.start()
        shared.close()  # theirs alone now: when they have ended, nobody waits at it in vain
        wait([process.sentinel for process in processes])
        failed = not told
        if failed:
            end(signal.SIGTERM, None)
        for process in processes:
            process.join()
    finally:
        shared.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    # one that was ended before it served has acknowledged nothing
    if failed or any(process.exitcode not in (0, -signal.SIGTERM) for process in processes):
        raise LaminaError("a process of the server ended by itself: its log says why; what was acknowledged is stored")


def _work(opening: Open, settings: Serving, shared: socket.socket) -> None:
    """One process: opens the memory and serves it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all of them; the parent passes it on once
    from lamina.server.http.lifecycle import serve

    with opening() as memory:
        serve(memory, settings, shared)
