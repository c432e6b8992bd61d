"""Work on an index in a thread of its own, which ends with the index, the memory, or the process."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable
from typing import Final

from lamina.errors import Cancelled, ClosedError
from lamina.index.planned import PlannedIndex
from lamina.index.plans import GRAPH
from lamina.records import Run

log = logging.getLogger("lamina.index")

LINGER: Final = 1.0  # seconds the thread waits first: whoever has just opened a memory wants its first answer
COMPILED: Final = "graph of a memory"  # what is compiled before a graph is built; see `lamina.index.warming`
ENDING: Final = 0.5  # seconds after a failure in which an end that is told explains it
PATIENCE: Final = 30.0  # seconds that ending waits for a thread, which looks up between two batches

_working: weakref.WeakSet[Background] = weakref.WeakSet()


class Background:
    """Settles one index when that is due, in a thread that is there only meanwhile.

    Parameters: `index`; `settled`, called in the thread when it is done. In a child of the process that made it, nothing is begun.
    """

    def __init__(self, index: PlannedIndex, settled: Callable[[], None]) -> None:
        self._index = weakref.ref(index)
        self._settled = settled
        self._stop = threading.Event()
        self._failed = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def start(self) -> None:
        """Begin, where something is due and nobody is at it. After a failure nothing more is tried."""
        index = self._index()
        if index is None or not index.means.background or self._stop.is_set() or self._failed.is_set():
            return
        if os.getpid() != self._process or (self._thread is not None and self._thread.is_alive()) or not index.due:
            return
        self._thread = threading.Thread(target=_settle, args=(self._index, self._stop, self._failed, self._settled), daemon=True)
        self._thread.name = "lamina-index"
        _working.add(self)
        self._thread.start()

    def give_up(self) -> None:
        """Have the thread end soon, and begin nothing more."""
        self._stop.set()

    def close(self) -> None:
        """The same, and wait for it."""
        self.give_up()
        if self._thread is not None and self._thread is not threading.current_thread() and os.getpid() == self._process:
            self._thread.join(timeout=PATIENCE)

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end by itself; returns whether it has."""
        if self._thread is not None:
            self._thread.join(timeout=seconds)
        return self._thread is None or not self._thread.is_alive()


def _settle(
    reference: weakref.ref[PlannedIndex], stop: threading.Event, failed: threading.Event, settled: Callable[[], None]
) -> None:
    if stop.wait(LINGER):
        return
    index = reference()
    if index is None:
        return
    outer = index.means.run.cancelled
    run = Run(cancelled=lambda: stop.is_set() or (outer is not None and outer()))
    try:
        if index.method(len(index)) == GRAPH:
            from lamina.index.warming import warm

            index.doing = "compiling"
            warm(run, (COMPILED,))
        index.settle(run)
        settled()
    except (Cancelled, ClosedError):
        log.debug("work on a graph was given up")
    except Exception as error:  # noqa: BLE001 - what a compiler may raise is not to be foreseen, and exact search goes on
        failed.set()
        if stop.wait(ENDING):  # an ending process takes modules away before it tells those that wait for the exit
            log.debug("work on a graph was given up (%s: %s)", type(error).__name__, error)
            return
        log.warning("no graph could be built, search stays exact (%s: %s)", type(error).__name__, error)
    finally:
        index.doing = ""


def _stop_all() -> None:
    """At exit: no thread may be inside compiled code, or the compiler, while the process is taken down."""
    for one in list(_working):
        one.give_up()
    for one in list(_working):
        one.close()


atexit.register(_stop_all)
