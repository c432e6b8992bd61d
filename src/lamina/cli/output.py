"""What commands print: colours on a terminal, plain whole lines anywhere else, JSON where it is asked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from lamina.records import Item

UNBROKEN: Final = 100_000  # columns of what is no terminal: lines stay whole

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Text without control signs: what was remembered must not steer the terminal it is shown on.

    >>> clean("red\\x1b[31m")
    'red\ufffd[31m'
    """
    return _CONTROL.sub("\ufffd", text)


def console(error: bool = False, width: int | None = None) -> Console:
    """A console for standard output (or standard error). Away from a terminal it neither colours nor wraps."""
    from rich.console import Console

    made = Console(stderr=error, highlight=False, markup=False, emoji=False, width=width)
    if made.is_terminal or width is not None:
        return made
    return Console(stderr=error, highlight=False, markup=False, emoji=False, soft_wrap=True, width=UNBROKEN)


def say(words: str = "", style: str = "") -> None:
    """One line on standard output."""
    console().print(clean(words), style=style or None)


def note(words: str, style: str = "dim") -> None:
    """One line on standard error: what is not part of the answer."""
    console(error=True).print(clean(words), style=style)


def print_json(value: Any) -> None:
    """A JSON document on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def when(item: Item) -> str:
    """World time for people: to the minute, or as precisely as it is known."""
    from lamina.times import to_datetime

    form = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}.get(item.precision, "%Y-%m-%d %H:%M")
    return to_datetime(item.at, item.offset).strftime(form)


def who(item: Item) -> str:
    """Who said it, or in which role."""
    return item.speaker or item.role or ""


def line_of(item: Item, width: int | None = None) -> Text:
    """An item on one line: time, speaker, text; cut at `width` characters where that is given."""
    from rich.text import Text

    shown = Text(clean(when(item)) + "  ", style="cyan")
    if who(item):
        shown.append(clean(who(item)) + ": ", style="bold")
    shown.append(clean(" ".join(item.text.split())))
    for caption in item.captions:
        shown.append(f" [image: {clean(caption)}]", style="italic")
    if item.forgotten:
        shown.append("  (forgotten)", style="yellow")
    if item.retired_at is not None:
        shown.append("  (replaced)", style="yellow")
    if width is not None:
        shown.truncate(width, overflow="ellipsis")
    return shown


def fields_of(values: Mapping[str, object]) -> list[Text]:
    """Names and values, one pair a line, names in a column."""
    from rich.text import Text

    width = max((len(name) for name in values), default=0)
    return [Text.assemble((name.ljust(width) + "  ", "bold"), clean(str(value))) for name, value in values.items()]


def size(count: float) -> str:
    """Bytes for people.

    >>> size(1_500_000)
    '1.5 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError


def amount(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> amount(1, "trace"), amount(1200, "trace"), amount(2, "memory", "memories")
    ('1 trace', '1,200 traces', '2 memories')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
