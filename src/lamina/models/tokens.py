"""Token counters: the packaged tokenizer by default, or a function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lamina.errors import InputError
from lamina.models.word_pieces import ID_BYTES, WordPieces, load_word_pieces

if TYPE_CHECKING:
    from lamina.models.protocols import TokenCounter


class WordLlamaTokens:
    """Counts with the Llama 2 tokenizer packaged with wordllama, which it shares with `StaticEmbedder`.

    Exact on the whole string, by no sampling or rule of thumb. Parameters: `path`, another `tokenizers` JSON file.

    >>> WordLlamaTokens().count("Ana moved from Porto to Lisbon.")
    8
    """

    instant = True

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @cached_property
    def _pieces(self) -> WordPieces:
        return load_word_pieces(self._path)

    def count(self, text: str) -> int:
        """The number of tokens of `text`, without special tokens around it."""
        if not isinstance(text, str):
            raise InputError(f"only text has tokens, not {type(text).__name__}")
        return len(self._pieces.encode(text)) // ID_BYTES


@dataclass(frozen=True, slots=True)
class CallableTokens:
    """Counts with a function from text to a whole number, such as a model's own tokenizer.

    >>> CallableTokens(lambda text: len(text.split())).count("one two three")
    3
    """

    function: Callable[[str], int]

    def count(self, text: str) -> int:
        """What the function says of the whole of `text`; raises `InputError` where that is not a count."""
        counted = self.function(text)
        if isinstance(counted, bool) or not isinstance(counted, int) or counted < 0:
            raise InputError(f"the token counter must return a whole number of at least 0, not {counted!r}")
        return counted


def read_counter(counter: TokenCounter | Callable[[str], int] | None) -> TokenCounter:
    """The counter or the function that a caller gives, else the packaged one, of which a process needs no second.

    >>> read_counter(len).count("three"), read_counter(None) is read_counter(None)
    (5, True)
    """
    if counter is None:
        return _packaged()
    if callable(counter) and not hasattr(counter, "count"):
        return CallableTokens(counter)
    return cast("TokenCounter", counter)


@cache
def _packaged() -> TokenCounter:
    return WordLlamaTokens()


def default_counter(counter: TokenCounter | None) -> TokenCounter:
    """The counter given, else the packaged one."""
    return counter if counter is not None else _packaged()
