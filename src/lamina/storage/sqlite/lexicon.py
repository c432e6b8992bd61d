"""What the lexicon holds of an item: hashes of its names and terms, and what kind of statement it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.names import MOST, hashes_of, names
from lamina.records import Item
from lamina.terms import ENGLISH, hash_bytes
from lamina.text import index_text
from lamina.traits import text_flags


def lexicon_entry(item: Item, language: str = ENGLISH) -> bytes:
    """The lexicon entry of an item as little-endian 32-bit numbers: the flags of its text, how many names it has, their hashes, its term hashes.

    Both kinds of hashes are in the order of the text. Names that an item lists in its data ("names", as facts do) are taken as they are.
    """
    if not item.text and not item.captions:
        return b""
    text = index_text(item.text, item.speaker, item.captions)
    listed = item.data.get("names")
    said = [one for one in listed if isinstance(one, str)][:MOST] if isinstance(listed, list) else names(text)
    found = hashes_of(said).astype("<u4").tobytes()
    return text_flags(text).to_bytes(4, "little") + len(said).to_bytes(4, "little") + found + hash_bytes(text, language)


def read_entry(entry: bytes | None, named: bool = True) -> tuple[int, NDArray[np.uint32], NDArray[np.uint32]]:
    """The flags, names and terms of a lexicon entry; those of earlier versions have no names (`named`)."""
    if not entry:
        return 0, np.empty(0, np.uint32), np.empty(0, np.uint32)
    numbers = np.frombuffer(entry, "<u4")
    if not named:
        return int(numbers[0]), numbers[:0], numbers[1:]
    first = 2 + int(numbers[1])
    return int(numbers[0]), numbers[2:first], numbers[first:]
