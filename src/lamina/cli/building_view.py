"""What is to be seen while a program is written: its instructions, the context, the files, and what was done last."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from lamina.cli.output import amount, clean, console, note

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from lamina.agents.program_budget import Event
    from lamina.working.program import StoredProgram

MARKS: Final = {"waiting": "·", "running": "▶", "done": "✓", "failed": "✗"}
STYLES: Final = {"waiting": "dim", "running": "bold cyan", "done": "green", "failed": "red"}
FILES: Final = 14  # files shown, the newest accesses
ROWS: Final = 16  # instructions shown
EVENTS: Final = 5
BAR: Final = 40  # columns


class BuildingView:
    """On a terminal a picture that changes; elsewhere a line for each instruction, on standard error.

    Parameters: `program`; `context`, tokens of the largest prompt; `shown`, whether anything is.
    """

    def __init__(self, program: StoredProgram, context: int, *, shown: bool = True) -> None:
        self._program, self._context, self._shown = program, context, shown
        self._out = console(error=True)
        self._live: Live | None = None
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._tokens = 0

    def __enter__(self) -> BuildingView:
        if self._shown and self._out.is_terminal:
            from rich.live import Live

            self._live = Live(self.picture(), console=self._out, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def watch(self, event: Event) -> None:
        """Take in an event."""
        if event.kind == "ask":
            self._tokens = event.tokens
        elif event.text:
            self._events.append(event)
        if self._live is not None:
            self._live.update(self.picture())
        elif self._shown and event.kind in ("plan", "begin", "restart", "done", "failed"):
            note(line_of(event))

    def picture(self) -> Group:
        """All of it."""
        from rich.console import Group
        from rich.text import Text

        events = [
            Text(clean(f"  {line_of(one)}"), style="" if one.ok else "yellow", overflow="ellipsis", no_wrap=True)
            for one in self._events
        ]
        return Group(self._instructions(), self._bar(), self._files(), *events)

    def _instructions(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for justify in ("right", "left", "left", "right"):
            table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
        registry = self._program.registry
        first = max(min(registry.at - ROWS // 2, len(registry) - ROWS), 0)
        for place, one in list(enumerate(registry, start=1))[first : first + ROWS]:
            words = " ".join(one.text.split())
            spent = ", ".join(amount(count, what) for count, what in ((one.calls, "call"), (one.restarts, "restart")) if count)
            style = STYLES[one.status]
            table.add_row(
                Text(str(place), style="dim"), Text(MARKS[one.status], style=style), Text(clean(words[:90]), style=style), spent
            )
        return table

    def _bar(self) -> Text:
        from rich.text import Text

        full = min(round(BAR * self._tokens / self._context), BAR)
        spent = self._program.spent
        told = f" {self._tokens:,} of {self._context:,} tokens in the context; {spent.calls:,} calls, {spent.answer_tokens:,} tokens written"
        return Text.assemble(("█" * full, "cyan"), ("░" * (BAR - full), "dim"), (told, "dim"))

    def _files(self) -> Text:
        from rich.text import Text

        step = self._program.registry.at + 1
        newest = {one.path: one for one in self._program.store.accesses}
        line = Text("files: ", style="dim", overflow="ellipsis", no_wrap=True)
        for one in list(newest.values())[-FILES:]:
            style = {"read": "blue", "delete": "red"}.get(one.kind, "green") if one.step == step else "dim"
            line.append(clean(one.path) + "  ", style=style)
        return line


def line_of(event: Event) -> str:
    """An event in one line.

    >>> from lamina.agents.program_budget import Event
    >>> line_of(Event("done", 2, 9, "The cart is done."))
    '2 of 9, done: The cart is done.'
    """
    where = f"{event.instruction} of {event.instructions}, " if event.instructions else ""
    return f"{where}{event.kind}: {' '.join(event.text.split())[:160]}"
