"""Reading sessions: each trace in the context of those just before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property, partial
from typing import Final

from lamina.records import Item
from lamina.semantic.facts.claims import Claim
from lamina.semantic.facts.reading import Reader, worth_reading

CONTEXT: Final = 50
"""Traces before a correction among which is what it corrects."""


class SessionReader:
    """Reads traces of one session, each in the context of those just before it.

    What only makes sense after something else ("no, it's Tuesday") is taken to be about what was said outright in the `CONTEXT` traces before it, so a trace can be read again
    without the whole session.

    Parameters: `load` gives the traces of the session in the order of world time; it is asked when they are needed, which for most traces they are not.
    """

    def __init__(self, load: Callable[[], Sequence[Item]]) -> None:
        self._load = load
        self._outright: dict[int, list[Claim]] = {}

    @cached_property
    def traces(self) -> Sequence[Item]:
        """The traces of the session."""
        return self._load()

    @cached_property
    def _place(self) -> dict[int, int]:
        return {trace.key: place for place, trace in enumerate(self.traces)}

    def around(self, keys: Collection[int]) -> list[Item]:
        """The traces whose claims may hang on some of them: themselves, and those that come within `CONTEXT` after one."""
        places = sorted(self._place[key] for key in keys if key in self._place)
        wanted = {near for place in places for near in range(place, min(place + CONTEXT + 1, len(self.traces)))}
        return [self.traces[place] for place in sorted(wanted)]

    def claims(self, traces: Iterable[Item]) -> list[Claim]:
        """The claims of some of the traces."""
        found: list[Claim] = []
        for trace in traces:
            if worth_reading(trace):
                found += Reader(trace, partial(self._before, trace.key)).claims()
        return found

    def _before(self, key: int) -> list[Claim]:
        """What was said outright just before a trace."""
        place = self._place[key]
        said: list[Claim] = []
        for near in range(max(0, place - CONTEXT), place):
            if near not in self._outright:
                trace = self.traces[near]
                self._outright[near] = Reader(trace, list).claims() if worth_reading(trace) else []
            said += self._outright[near]
        return said


def read_session(traces: Sequence[Item]) -> list[Claim]:
    """The claims of the traces of one session, in the order of world time.

    >>> from lamina.records import Item
    >>> said = Item("a", "trace", "I live in Porto.", at=0, recorded_at=0, data={"speaker": "Ana"})
    >>> [(claim.subject, claim.attribute, claim.value) for claim in read_session([said])]
    [('Ana', 'city', 'Porto')]
    """
    ordered = sorted(traces, key=lambda one: (one.at, one.id))
    return SessionReader(lambda: ordered).claims(ordered)
