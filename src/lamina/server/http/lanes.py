"""Threads for the work of requests: quick look-ups, recalls and writes do not wait behind each other."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from lamina.server.http.problems import busy

T = TypeVar("T")
Lane = Literal["look", "recall", "write", "work"]


class Lanes:
    """Runs calls in the threads of their lane, first come, first served.

    The interpreter runs one thread at a time, so more threads in a lane would only make every request wait longer; writes go one
    after another in the store anyway.

    Parameters: `readers`, threads that recall; `work`, pieces of long work at a time; `patience`, seconds to wait for a turn.
    """

    def __init__(self, readers: int, work: int, patience: float) -> None:
        self._patience = patience
        sizes: dict[Lane, int] = {"look": 1, "recall": readers, "write": 1, "work": work}
        self._pools = {lane: ThreadPoolExecutor(size, f"lamina-{lane}") for lane, size in sizes.items()}

    async def run(self, lane: Lane, call: Callable[[], T]) -> T:
        """What a call returns. Raises a problem where it had no turn in time; it is then not made.

        A write that has begun is waited for, however long it takes: only then is it known whether it was stored.
        """
        future = self._pools[lane].submit(contextvars.copy_context().run, call)
        waiting = asyncio.wrap_future(future)
        done, _ = await asyncio.wait([waiting], timeout=self._patience)
        if done or (lane == "write" and not future.cancel()):
            return await waiting
        future.cancel()
        waiting.cancel()
        raise busy("the server is too busy to do this in time")

    def pool(self, lane: Lane) -> ThreadPoolExecutor:
        """The threads of a lane, for work that tells of itself while it runs."""
        return self._pools[lane]

    def close(self) -> None:
        """Let what has begun end; take nothing more."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
