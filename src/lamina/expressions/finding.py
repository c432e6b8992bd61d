"""Finding the stretches of time that plain text names.

The grammar is loaded with the first text that may name a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from lamina.expressions.lexicon import DECADES, HOLIDAY_STARTS, MONTHS, RELATIVE, SEASONS, UNITS, WEEKDAYS, Prefer

_COMMON: Final = frozenset("new good all st black guy palm burns".split())
"""First words of holidays that are frequent by themselves; another word of each of those holidays is looked for."""
_TRIGGERS: Final = (
    frozenset((*MONTHS, *WEEKDAYS, *SEASONS, *RELATIVE, *DECADES, *UNITS))
    | (HOLIDAY_STARTS - _COMMON)
    | frozenset("ago morning afternoon evening eighteen nineteen twenty thousand".split())
)
"""Words one of which every expression without a year in figures has."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A half-open stretch of world time `[start, end)` in UTC microseconds, with the words that named it."""

    start: int
    end: int
    words: str = ""

    def __contains__(self, micros: int) -> bool:
        return self.start <= micros < self.end


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(r"[a-z]+"), re.compile(r"\d{4}|\d(?:st|nd|rd|th|s)\b|['’]\d\d|\bq[1-4]\b")


def may_name_a_time(text: str) -> bool:
    """Whether a text has any word or number that a time expression needs: a quick look before the grammar.

    >>> may_name_a_time("See you on Friday"), may_name_a_time("We have 3 cats")
    (True, False)
    """
    lowered = text.lower()
    word, number = _patterns()
    return not _TRIGGERS.isdisjoint(word.findall(lowered)) or number.search(lowered) is not None


def find_ranges(text: str, now: int, prefer: Prefer = "past", offset: int = 0) -> list[TimeRange]:
    """The stretches of time that `text` names, seen from `now` (UTC microseconds); [] where none is understood.

    Days are those of the zone `offset` minutes east of UTC. What has no year of its own is the latest one that does not lie
    after `now`, or, where the words are about a plan, the first one that does not lie before it. `prefer` says how they are
    taken: "past" (a question: past, unless clearly planned), "told" (something said: the tense decides, the present tells of
    what is to come, and where nothing tells there is no range), "future" (a plan in any case). What may mean something else
    ("the 2 may come", "before March") is left out.

    >>> from lamina.times import isoformat, parse_moment
    >>> now = parse_moment("2023-05-25").at
    >>> [(isoformat(r.start)[:10], isoformat(r.end)[:10]) for r in find_ranges("What happened in March?", now)]
    [('2023-03-01', '2023-04-01')]
    >>> find_ranges("What may happen?", now)
    []
    """
    if not may_name_a_time(text):
        return []
    from lamina.expressions.reading import read_days
    from lamina.expressions.tokens import micros_of

    ranges = [
        TimeRange(micros_of(start, offset), micros_of(end, offset), words)
        for (start, end), words in read_days(text, now, prefer, offset)
    ]
    return sorted(ranges, key=lambda stretch: (stretch.start, stretch.end))


def told_times(text: str, at: int, offset: int = 0) -> list[TimeRange]:
    """The times that something said at `at` (UTC microseconds, `offset` minutes east of UTC) speaks of.

    >>> from lamina.times import isoformat, parse_moment
    >>> said = parse_moment("2023-05-25").at
    >>> [(isoformat(r.start)[:10], r.words) for r in told_times("We met last Friday and fly in June.", said)]
    [('2023-05-19', 'last Friday'), ('2023-06-01', 'June')]
    """
    return find_ranges(text, at, "told", offset)


def find_commitment(text: str, said_at: int) -> int | None:
    """The end of the latest stretch after `said_at` that `text` names, read as a plan; None where it names none.

    >>> from lamina.times import isoformat, parse_moment
    >>> said_at = parse_moment("2026-09-01").at
    >>> isoformat(find_commitment("The dentist is on 12 December.", said_at))[:10]
    '2026-12-13'
    >>> find_commitment("We met in 2023.", said_at) is None
    True
    """
    ends = [stretch.end for stretch in find_ranges(text, said_at, prefer="future") if stretch.start > said_at]
    return max(ends, default=None)
