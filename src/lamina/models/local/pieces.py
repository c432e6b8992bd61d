"""An answer as text while it is written: whole characters only, and nothing that may yet turn out to be a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Decode = Callable[[Sequence[int]], str]
BROKEN: Final = "\ufffd"
"""What a tokenizer writes for bytes that are no character (yet)."""


class Pieces:
    """Turns tokens into text as they come. A character of several tokens appears when its last token is there.

    A token is decoded with those before it, since some tokenizers join words by blanks or drop the first one; only as many
    are decoded again as were not yet given out, and those of the piece before. `text` of all pieces is that of all tokens.

    >>> letters = Pieces(lambda ids: bytes(ids).decode(errors="replace"))
    >>> [letters.add(one) for one in "né".encode()], letters.rest()
    (['n', '', 'é'], '')
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._begin = 0  # of the piece before
        self._given = 0  # tokens whose text was given out

    def add(self, token: int) -> str:
        """The text that this token completes, which may be none."""
        self._tokens.append(token)
        return self._fresh(end=False)

    def rest(self) -> str:
        """At the end: what is left, whole characters or not."""
        return self._fresh(end=True)

    def _fresh(self, end: bool) -> str:
        shown = self._decode(self._tokens[self._begin : self._given])
        text = self._decode(self._tokens[self._begin :])
        if not end and text.endswith(BROKEN):
            return ""
        self._begin, self._given = self._given, len(self._tokens)
        return text[len(shown) :]


class StopGate:
    """Lets text through up to the earliest of some stops; what could be the beginning of one waits.

    >>> gate = StopGate(["END"])
    >>> gate.add("the E"), gate.add("ast, EN"), gate.stopped, gate.add("D of it"), gate.stopped
    ('the ', 'East, ', False, '', True)
    >>> gate = StopGate(["END"])
    >>> gate.add("an EN"), gate.rest()
    ('an ', 'EN')
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False

    def add(self, text: str) -> str:
        """What may be shown now."""
        if self.stopped:
            return ""
        self._held += text
        found = [place for place in map(self._held.find, self._stops) if place >= 0]
        if found:
            place, self.stopped = min(found), True
        else:
            place = len(self._held) - max((_begun(self._held, stop) for stop in self._stops), default=0)
        shown, self._held = self._held[:place], "" if self.stopped else self._held[place:]
        return shown

    def rest(self) -> str:
        """At the end: what was waiting."""
        shown, self._held = self._held, ""
        return shown


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text are the beginning of a stop.

    >>> _begun("a fine en", "end")
    2
    """
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
