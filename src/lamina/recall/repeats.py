"""What a prompt holds already need not be recalled into it: the room is better spent on what it does not say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lamina.records import Hit

PART: Final = 200
"""Characters from which on a text is taken for a part of a longer one that holds it; shorter ones are in others by chance."""


def not_shown(hits: Sequence[Hit], shown: Sequence[str]) -> list[Hit]:
    """The hits whose text is none of those shown, nor, being long, a part of one.

    >>> from lamina.records import Item
    >>> hits = [Hit(Item(id=text, kind="trace", text=text, at=0, recorded_at=0), 1.0) for text in ("Ana is in Faro.", "Where is Ana?")]
    >>> [hit.text for hit in not_shown(hits, ["Where is Ana?"])]
    ['Ana is in Faro.']
    """
    whole = {text.strip() for text in shown}
    together = "\0".join(whole)
    return [hit for hit in hits if not _is_in(hit.text.strip(), whole, together)]


def _is_in(text: str, whole: set[str], together: str) -> bool:
    return text in whole or (len(text) >= PART and text in together)
