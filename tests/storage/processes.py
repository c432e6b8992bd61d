"""Work in another process, for tests."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

fork = multiprocessing.get_context("fork")


def in_child(work: Callable[..., Any], *args: Any) -> Any:
    """Run in a forked process; what it returns, or the exception it raised."""
    ours, theirs = fork.Pipe()

    def run() -> None:
        try:
            theirs.send(work(*args))
        except Exception as error:  # noqa: BLE001 - it is handed to the test
            theirs.send(error)

    child = fork.Process(target=run)
    child.start()
    if not ours.poll(20):
        child.kill()
        return TimeoutError("the child did not answer")
    answer = ours.recv()
    child.join(20)
    return answer
