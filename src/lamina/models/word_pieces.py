"""A sentence-piece tokenizer that remembers the pieces of words it has seen.

In the packaged vocabulary no piece crosses from a non-space character to a space, so a text's pieces are exactly its
words' pieces in a row (checked when the tokenizer is loaded). Looking a word up costs some ten times less than
merging it anew.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from lamina.errors import ConfigError, InputError, MissingExtraError
from lamina.models.packaged import TOKENIZER, packaged_file

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPACE: Final = "▁"  # what the vocabulary writes for a space
ID_BYTES: Final = 4  # one token id, int32

_CROSSING = re.compile(f"[^{SPACE}\n]{SPACE}")
_PROBE = "Two  words,\n<s> café 東京  "
_UNIT = re.compile(f"{SPACE}+[^{SPACE}]*")


class _Remembered(dict[str, bytes]):
    """Word (without the space before it) → its token ids as int32 bytes; forgets everything when it is full."""

    max_words: Final = 65_536  # some 12 MB when full
    max_length: Final = 64  # characters; longer words are rarely met again
    max_merge: Final = 65_536  # characters merged at once: bounds memory for a text without any space

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> bytes:
        text = SPACE + word
        pieces = [text[start : start + self.max_merge] for start in range(0, len(text), self.max_merge)]
        try:
            ids = [number for piece in pieces for number in self._tokenizer.encode(piece, add_special_tokens=False).ids]
        except (TypeError, UnicodeEncodeError):  # the tokenizer's answer to text without a UTF-8 form
            raise InputError("a text with a lone surrogate has no tokens: mend it with lamina.text.mend_text") from None
        found = np.array(ids, dtype=np.int32).tobytes()
        if len(word) <= self.max_length:
            if len(self) >= self.max_words:
                self.clear()
            self[word] = found
        return found


class WordPieces:
    """Token ids of texts, by the tokenizer in a `tokenizers` JSON file.

    Same ids as the tokenizer itself gives without special tokens around the text, except that a run of more than 65,536
    characters without a space is cut (so that memory stays bounded). May be shared by threads.

    >>> WordPieces(packaged_file(TOKENIZER)).ids("Hello world").tolist()
    [15043, 3186]
    """

    def __init__(self, path: Path) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise MissingExtraError("the tokenizer needs the package 'tokenizers': pip install tokenizers") from None
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # noqa: BLE001 - the library raises nothing narrower
            raise ConfigError(f"{path} is not a readable tokenizer file ({error}): reinstall wordllama") from None
        expected = tokenizer.encode(_PROBE, add_special_tokens=False).ids
        specials = {token.content: number for number, token in tokenizer.get_added_tokens_decoder().items()}
        self._specials = {content: np.array([number], dtype=np.int32).tobytes() for content, number in specials.items()}
        longest_first = sorted(map(re.escape, specials), key=len, reverse=True)
        self._special = re.compile(f"({'|'.join(longest_first)})") if specials else None
        self._tokenizer = tokenizer
        tokenizer.normalizer = None  # spaces are rewritten here, because words arrive one by one
        self._piece = _Remembered(tokenizer).__getitem__
        crossing = _CROSSING.search("\n".join(tokenizer.get_vocab(with_added_tokens=False)))
        if crossing or self.ids(_PROBE).tolist() != expected:
            raise ConfigError(f"{path} does not tokenise word by word, as the packaged tokenizer does: name that one")

    def whole_words(self) -> dict[str, int]:
        """The words of letters, two and more, that are one piece: word → token id."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        return {
            token[1:]: number
            for token, number in vocabulary.items()
            if token[0] == SPACE and len(token) > 2 and token[1:].isalpha()
        }

    def encode(self, text: str) -> bytes:
        """The token ids of `text` as int32 bytes, ready to be joined with others'."""
        if self._special is not None and self._special.search(text):
            return b"".join(self._specials.get(part) or self._plain(part) for part in self._special.split(text))
        return self._plain(text)

    def ids(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The token ids of `text`: int32 (tokens,)."""
        return np.frombuffer(self.encode(text), dtype=np.int32)

    def _plain(self, text: str) -> bytes:
        if not text:
            return b""
        if "  " in text or text[0] == " " or SPACE in text:  # runs of spaces may merge with each other
            spaced = SPACE + text.replace(" ", SPACE)
            return b"".join(self._piece(unit[1:]) for unit in _UNIT.findall(spaced))
        return b"".join(map(self._piece, text.split(" ")))


_loaded: dict[Path, WordPieces] = {}
_lock = threading.Lock()


def load_word_pieces(path: Path | None = None) -> WordPieces:
    """The tokenizer in `path` (default: the packaged one), loaded once per process."""
    where = packaged_file(TOKENIZER) if path is None else path
    with _lock:
        if where not in _loaded:
            _loaded[where] = WordPieces(where)
        return _loaded[where]
