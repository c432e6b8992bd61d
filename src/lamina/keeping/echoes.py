"""Recognising recalled text that comes back as input, so that a memory does not feed on itself."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from lamina.records import Hit
from lamina.scopes import ROOT, covers
from lamina.text import RECALLED_CLOSE as CLOSE
from lamina.text import RECALLED_OPEN as OPEN
from lamina.words import words

_BLOCK = re.compile(re.escape(OPEN) + r"(.*?)(?:" + re.escape(CLOSE) + r"|\Z)", re.S)


class Echoes:
    """Remembers what was recalled lately in this process.

    A text written to a scope echoes only what a recall in that scope can see: nobody learns from a mark on his own text what was
    recalled elsewhere.

    Parameters: `kept`, how many recalled texts are remembered; `least`, the words a text needs to count as an echo (shorter
    ones are said again by chance).
    """

    def __init__(self, kept: int = 2000, least: int = 5) -> None:
        self._kept = kept
        self._least = least
        self._lock = threading.Lock()
        self._noted: deque[Hit] = deque(maxlen=kept)  # not looked at until somebody asks: noting must not slow a recall
        self._recalled: OrderedDict[str, dict[str, tuple[str, ...]]] = OrderedDict()  # text → scope of the item → its sources

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def note(self, hits: Iterable[Hit]) -> None:
        """Remember that these were recalled."""
        with self._lock:
            self._noted.extend(hits)

    def _settle(self) -> None:
        """Work out what the noted hits would look like as input."""
        while self._noted:
            hit = self._noted.popleft()
            for shown in (hit.text, f"{hit.speaker}: {hit.text}" if hit.speaker else hit.text):
                trimmed = _trim(shown)
                if len(trimmed.split()) >= self._least:
                    self._recalled.setdefault(trimmed, {})[hit.item.scope] = hit.sources or (hit.id,)
                    self._recalled.move_to_end(trimmed)
        while len(self._recalled) > self._kept:
            self._recalled.popitem(last=False)

    def originals(self, text: str, role: str | None, scope: str = ROOT) -> tuple[str, ...] | None:
        """The ids a text that is written to `scope` echoes; () where it is recalled text of unknown origin; None where it is no echo.

        What a person types (`role` "user" or none) counts only where it carries the block a packed recall is wrapped in.

        >>> echoes = Echoes()
        >>> echoes.originals("Yes.", "assistant") is None, echoes.originals(OPEN + "old" + CLOSE, "user")
        (True, ())
        """
        block = _BLOCK.search(text) if OPEN in text else None
        if block is None and role in (None, "user"):
            return None
        with self._lock:
            self._settle()
            if block is None:
                return _seen_from(scope, self._recalled.get(_trim(text), {})) or None
            inside = f" {_trim(block[1])} "
            quoted = [_seen_from(scope, places) for trimmed, places in self._recalled.items() if f" {trimmed} " in inside]
            return tuple(dict.fromkeys(id for ids in quoted for id in ids))


def _seen_from(scope: str, places: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The sources of those places that a recall in a scope sees."""
    return tuple(id for place, ids in places.items() if covers(scope, place) for id in ids)


def _trim(text: str) -> str:
    return " ".join(words(text))
