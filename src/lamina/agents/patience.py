"""Calling what others wrote: a world, a tool. It may raise, and it may never come back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from lamina.errors import InputError, LaminaError

T = TypeVar("T")

log = logging.getLogger("lamina.agents")


class CallFailed(LaminaError):
    """What was called raised, or took too long; the text can be shown to a model."""


class Patience:
    """Calls a function and waits so many seconds for it.

    One that takes longer is left alone in its thread, which cannot be stopped from outside; while it runs, nothing else is called, so
    that a world is never used by two threads at once.

    >>> Patience(5).call(len, "word")
    4
    >>> Patience(5).call(int, "word")
    Traceback (most recent call last):
        ...
    lamina.agents.patience.CallFailed: it failed: ValueError: invalid literal for int() with base 10: 'word'
    """

    def __init__(self, seconds: float = 30.0) -> None:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= threading.TIMEOUT_MAX:
            raise InputError(f"the seconds to wait must be a number above 0, not {seconds!r}")
        self.seconds = seconds
        self._running: threading.Thread | None = None

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """What the function returns. Raises `CallFailed` where it raises, where it takes too long, and while one that did still runs."""
        if self._running is not None and self._running.is_alive():
            raise CallFailed("it is still busy with what was asked before")
        returned: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                returned.append(function(*arguments))
            except BaseException as error:  # noqa: BLE001 - handed on to the caller below
                raised.append(error)

        self._running = threading.Thread(target=run, daemon=True)
        self._running.start()
        self._running.join(self.seconds)
        if returned:
            return returned[0]
        if raised:
            log.debug("what was called failed", exc_info=raised[0])
            raise CallFailed(f"it failed: {type(raised[0]).__name__}: {str(raised[0])[:200]}") from raised[0]
        raise CallFailed(f"it did not answer within {self.seconds:g} seconds")
