"""The words and numbers of a text, as the grammar of time reads them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lamina.errors import InputError
from lamina.expressions.periods import FIRST_DAY, LAST_DAY
from lamina.times import DAY, MINUTE

_EPOCH: Final = 719_163  # the day number of 1 January 1970, where 1 January of the year 1 is day 1
_MARGIN: Final = 24  # empty tokens behind the last one, so that no rule asks whether it stands at the end


@lru_cache(maxsize=1)
def _token() -> re.Pattern[str]:
    number = r"\d+(?:[.,:/–—-]\d+)*(?:[^\W\d]\w*)?"  # 5th, 1990s, 10:30, 2021-05-03, 3-9
    word = r"[^\W\d]\w*"
    short = r"['’](?:s|ll|d|ve|re|m|t)\b"
    return re.compile(rf"{number}|{word}|{short}|\n|[^\w\s]", re.IGNORECASE)


class Said:
    """What was said and when: the tokens of a text, in small letters, and the day on which it was said.

    `low`: the tokens in small letters, then empty ones; `size`: how many there are; `today`: the day number of `now` at
    `offset` minutes east of UTC (1 January of the year 1 is day 1); `minute`: the minute of that day; `hangs`: whether a time may
    hang on an event ("before", "after").

    >>> said = Said("It's May 3-9, at the Browns’ place", 0)
    >>> said.low[:said.size]
    ['it', "'s", 'may', '3-9', ',', 'at', 'the', 'browns', "'", 'place']
    """

    __slots__ = ("depth", "hangs", "low", "minute", "signs", "size", "spans", "text", "today")

    def __init__(self, text: str, now: int, offset: int = 0) -> None:
        self.text = text
        self.depth = 0  # of readings inside readings
        self.signs: dict[int, int] = {}  # what tokens say of past and future, as far as it was asked
        self.spans = [found.span() for found in _token().finditer(text)]
        lowered = [text[start:end].lower() for start, end in self.spans]
        self.low = [token.replace("’", "'") for token in lowered] if "’" in text else lowered
        self.size = len(self.low)
        self.hangs = "before" in self.low or "after" in self.low
        self.low += [""] * _MARGIN
        days, rest = divmod(now + offset * MINUTE, DAY)
        self.today = days + _EPOCH
        self.minute = rest // MINUTE
        if not FIRST_DAY <= self.today <= LAST_DAY:
            raise InputError(f"{now} microseconds lie outside the years 1 to 9999 at the offset {offset}")

    def capital(self, place: int) -> bool:
        """Whether a token begins with a capital letter."""
        return 0 <= place < self.size and self.text[self.spans[place][0]].isupper()

    def glued(self, place: int) -> bool:
        """Whether nothing stands between a token and the one before it."""
        return 0 < place < self.size and self.spans[place][0] == self.spans[place - 1][1]

    def words(self, start: int, end: int) -> str:
        """The text from token `start` up to token `end`."""
        return self.text[self.spans[start][0] : self.spans[min(end, self.size) - 1][1]].rstrip(" .,")


def micros_of(day: int, offset: int = 0) -> int:
    """UTC microseconds at which day number `day` begins, `offset` minutes east of UTC.

    >>> micros_of(719_164, 60) == DAY - 60 * MINUTE
    True
    """
    return (day - _EPOCH) * DAY - offset * MINUTE


def day_of(micros: int, offset: int = 0) -> int:
    """The day number of a time in UTC microseconds, `offset` minutes east of UTC.

    >>> day_of(0), day_of(0, -60)
    (719163, 719162)
    """
    return (micros + offset * MINUTE) // DAY + _EPOCH
