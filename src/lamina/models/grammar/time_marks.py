"""Where a text speaks of times: marked before any layer, so that they are data. Reading them is the work of `lamina.expressions`."""

from __future__ import annotations

import re
from typing import Final

_FROM_YEAR: Final = re.compile(r"\bfrom(?= \d{4}\b)", re.IGNORECASE)


def time_spans(text: str, now: int, offset: int = 0) -> list[tuple[int, int]]:
    """Where expressions of time stand in a text, in order, as the grammar of `lamina.expressions` reads them; what they mean comes later.

    >>> time_spans("What did Ana say in May about last summer?", 1_700_000_000_000_000)
    [(20, 23), (30, 41)]
    """
    from lamina.expressions.grammar import STARTS
    from lamina.expressions.stretches import statement
    from lamina.expressions.tokens import Said

    said = Said(in_years(text), now, offset)
    low, spans = said.low, said.spans
    found: list[tuple[int, int]] = []
    place = 0
    while place < said.size:
        word = low[place]
        if word in STARTS or word[0].isdecimal():
            reading = statement(said, place, "future")
            if reading is not None:
                found.append((spans[reading.start][0], spans[reading.end - 1][1]))
                place = max(place + 1, reading.end)
                continue
        place += 1
    return found


def in_years(text: str) -> str:
    """The text with "from 2024" as "in   2024": of notes and messages it means the same, and only the latter is read as a time.

    >>> in_years("notes from 2024, from home")
    'notes in   2024, from home'
    """
    return _FROM_YEAR.sub("in  ", text) if "from" in text.lower() else text
