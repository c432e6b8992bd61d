"""Long work: a bar that shows how far it is, and Ctrl-C that ends it between two steps, never inside one."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

from lamina.cli.failures import say_error

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lamina.records import Run

HIDDEN: Final = frozenset({"adding"})
"""Stages that are not drawn: the reader of what is added knows better how far it is."""
WORDS: Final = {"episodes": "finding episodes", "relexing": "indexing"}
"""What the stages of the library are called on the screen."""


class Interrupt:
    """Remembers that somebody pressed Ctrl-C; the second time it aborts at once."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self) -> bool:
        """Whether it was pressed."""
        return self.pressed

    def handle(self, number: int, frame: FrameType | None) -> None:
        """What the signal does."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True
        logging.getLogger("lamina").setLevel(logging.ERROR)  # that the work is left unfinished is known
        say_error("stopping after the current batch (Ctrl-C again aborts it)", label="")


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """While inside, the first Ctrl-C (or SIGTERM) only sets a flag."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, interrupt.handle) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class Bars:
    """One bar for each stage of a piece of work, on standard error. Away from a terminal nothing is drawn."""

    def __init__(self, shown: bool = True) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self) -> Bars:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage is; a total of 0 is unknown."""
        if self._progress is None or stage in HIDDEN:
            return
        words = WORDS.get(stage, stage) + ("" if total else f" {done:,}")
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(words, total=total or None)
        self._progress.update(self._tasks[stage], description=words, completed=done, total=total or None)


@contextmanager
def at_work(quiet: bool = False) -> Iterator[tuple[Run, Bars]]:
    """The context for a long piece of work: its progress is drawn, and Ctrl-C cancels it."""
    from lamina.records import Run

    with interruptible() as interrupt, Bars(not quiet) as bars:
        yield Run(progress=bars.show, cancelled=interrupt), bars
