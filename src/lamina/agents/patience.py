"""Calling what others wrote: a world, a tool. It may raise, and it may never come back."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from lamina.errors import InputError, LaminaError

T = TypeVar("T")

log = logging.getLogger("lamina.agents")


class CallFailed(LaminaError):
    """What was called raised, or took too long; the text can be shown to a model."""


class Patience:
    """Calls functions and waits so many seconds for each.

    All run in one thread of their own, one after the other, so what one of them opened there (a connection, a browser) serves the next. One that
    takes longer cannot be stopped from outside: it is left alone, and until it is done nothing else is called, so that a world is
    never used by two threads at once. With `seconds=None` functions run where they are called, without limit.

    >>> Patience(5).call(len, "word")
    4
    >>> Patience(5).call(int, "word")
    Traceback (most recent call last):
        ...
    lamina.agents.patience.CallFailed: it failed: ValueError: invalid literal for int() with base 10: 'word'
    """

    def __init__(self, seconds: float | None = 30.0) -> None:
        fits = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds <= threading.TIMEOUT_MAX
        if seconds is not None and not fits:
            raise InputError(f"the seconds to wait must be a number above 0, or None for no limit, not {seconds!r}")
        self.seconds = seconds
        self._asked: SimpleQueue[_Call | None] | None = None
        self._last: _Call | None = None

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """What the function returns. Raises `CallFailed` where it raises, where it takes too long, and while one that did still runs."""
        call = _Call(function, arguments)
        if self.seconds is None:
            call.run()
        elif self._last is not None and not self._last.done.is_set():
            raise CallFailed("it is still busy with what was asked before")
        else:
            self._last = call
            self._queue().put(call)
            if not call.done.wait(self.seconds):
                raise CallFailed(f"it did not answer within {self.seconds:g} seconds")
        if isinstance(call.raised, KeyboardInterrupt):
            raise call.raised
        if call.raised is not None:
            log.debug("what was called failed", exc_info=call.raised)
            raise CallFailed(f"it failed: {type(call.raised).__name__}: {str(call.raised)[:200]}") from call.raised
        returned: T = call.returned
        return returned

    def _queue(self) -> SimpleQueue[_Call | None]:
        if self._asked is None:
            self._asked = SimpleQueue()
            threading.Thread(target=_work, args=(self._asked,), daemon=True).start()
            weakref.finalize(self, self._asked.put, None)  # the thread ends with this object
        return self._asked


class _Call:
    """A function to call, and what came of it (anything, since it is anybody's function)."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self.function, self.arguments = function, arguments
        self.returned: Any = None
        self.raised: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        """Call it."""
        try:
            self.returned = self.function(*self.arguments)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller is told
            self.raised = error
        finally:
            self.done.set()


def _work(asked: SimpleQueue[_Call | None]) -> None:
    while (call := asked.get()) is not None:
        call.run()
