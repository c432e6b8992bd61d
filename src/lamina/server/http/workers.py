"""Several processes that serve one file: each has a memory of its own, and the system hands new connections round.

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
from dataclasses import replace
from multiprocessing.connection import wait
from types import FrameType

from lamina.errors import ConfigError, InputError, LaminaError
from lamina.memory import Memory
from lamina.server.http.settings import Serving
from lamina.server.tokens import TokenBook

Open = Callable[[], AbstractContextManager[Memory]]
METRICS: str = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder in which processes keep what they count."""


def serve_by(count: int, opening: Open, settings: Serving) -> None:
    """Serve with `count` processes until a signal comes, then end when all of them have.

    `opening` opens the memory; it is called in each process. Raises `LaminaError` where a process ends by itself: the others are ended then.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise ConfigError("this system cannot hand connections to several processes: leave --workers out")
    with opening() as memory:
        settings.check(bool(TokenBook(memory.store)))
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            taken.bind(
                (settings.host, settings.port)
            )  # not listening: it only holds the port, so that a second server is refused
        except OSError as error:
            raise InputError(f"{settings.address} cannot be listened on ({error.strerror}): choose another --port") from None
        with tempfile.TemporaryDirectory(prefix="lamina-metrics-") as folder:
            os.environ[METRICS] = folder
            _watch(count, opening, replace(settings, shared=True))


def _watch(count: int, opening: Open, settings: Serving) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_work, args=(opening, settings), name=f"lamina-{number}") for number in range(count)]
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
        wait([process.sentinel for process in processes])
        failed = not told
        if failed:
            end(signal.SIGTERM, None)
        for process in processes:
            process.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # one that was ended before it served has acknowledged nothing
    if failed or any(process.exitcode not in (0, -signal.SIGTERM) for process in processes):
        raise LaminaError("a process of the server ended by itself: its log says why; what was acknowledged is stored")


def _work(opening: Open, settings: Serving) -> None:
    """One process: opens the memory and serves it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells all of them; the parent passes it on once
    from lamina.server.http.lifecycle import serve

    with opening() as memory:
        serve(memory, settings)
