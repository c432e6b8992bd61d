"""Sessions that are kept, so that a conversation which begins as an earlier one did is read only from where it differs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamina.errors import StateError

if TYPE_CHECKING:
    from lamina.models.local.runner import Session


class Prefixes:
    """Keeps the last `kept` sessions with the tokens they have read. One that is taken is its taker's alone until it is given back.

    A session of which a prompt has less than half (a system message, say) is another conversation's and is left to it, as long as
    there is room for one more or an older one to give up. `begin` makes a session that has read nothing. May be shared by threads.
    """

    def __init__(self, begin: Callable[[], Session], kept: int = 1) -> None:
        self._begin, self._most = begin, kept
        self._kept: list[tuple[list[int], Session]] = []  # the newest last
        self._lock = threading.Lock()

    def take(self, ids: Sequence[int]) -> tuple[Session, int]:
        """A session for these tokens and how many of them it has read; the last one is always still to be read."""
        with self._lock:
            shared = [min(common(known, ids), len(ids) - 1) for known, _ in self._kept]
            if not any(one > 0 for one in shared):
                return self._begin(), 0
            best = max(range(len(shared)), key=lambda place: shared[place])
            if 2 * shared[best] < len(self._kept[best][0]):
                if len(self._kept) < self._most:
                    return self._begin(), 0
                best = 0
            _, session = self._kept.pop(best)
        try:
            session.crop(shared[best])
        except StateError:  # its context has let go of what would be needed
            return self._begin(), 0
        return session, shared[best]

    def give(self, ids: Sequence[int], session: Session) -> None:
        """Keep a session that has read these tokens."""
        with self._lock:
            self._kept = [*self._kept, (list(ids), session)][-self._most :] if self._most else []

    def clear(self) -> None:
        """Keep none of them any longer."""
        with self._lock:
            self._kept = []


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two lists begin with.

    >>> common([1, 2, 3], [1, 2, 4, 5])
    2
    """
    short = min(len(first), len(second))
    return next((place for place in range(short) if first[place] != second[place]), short)
