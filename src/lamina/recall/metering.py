"""Metering: what lines will cost by a counter of tokens, asked as seldom as it deserves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter

SAMPLE: Final = 20_000
"""Characters by which a counter's tokens a character are judged; some 5,000 tokens."""
LONG: Final = 600
"""Characters of a line up to which it is counted whole; a longer one costs what its beginning makes likely."""
_BEFORE: Final = "x"


class Meter:
    """Estimates lines, and counts whole texts, each once.

    A counter that calls itself `instant` (the packaged tokenizer) is asked for every line. Any other is asked once, for many
    lines together, and a line is taken to cost as much as its characters do on average. Estimates decide what is tried; what
    is handed out has always been counted whole.
    """

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self._known: dict[str, int] = {}

    def count(self, text: str) -> int:
        """The tokens of a whole text, by the counter itself."""
        if text not in self._known:
            self._known[text] = self._counter.count(text)
        return self._known[text]

    def lines(self, texts: Sequence[str]) -> list[float]:
        """About what each text costs as a line of its own.

        >>> from lamina.models.tokens import CallableTokens
        >>> Meter(CallableTokens(len)).lines(["ab", "abcd"])
        [3.0, 5.0]
        """
        if getattr(self._counter, "instant", False):
            nothing = self.count(_BEFORE)
            return [max(self._line(text) - nothing, 0.0) for text in texts]
        sample = "\n".join(texts)[:SAMPLE]
        each = self.count(sample) / len(sample) if sample else 0.0
        return [each * (len(text) + 1) for text in texts]

    def _line(self, text: str) -> float:
        begun = self._counter.count(f"{_BEFORE}\n{text[:LONG]}")
        return begun * max(1.0, len(text) / LONG)
