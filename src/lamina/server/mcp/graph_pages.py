"""Answers about a graph in pages: as many observations and relations as fit, and the place to go on from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.errors import InputError
from lamina.server.mcp.sizes import ROOM, shortened, written

_PLACE = re.compile(r"(r?)(\d{1,15})(?:\.(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class Place:
    """Where a page begins: at an entity (`at`: its number in a list, or its key), after the first `within` of its observations and relations; or,
    where the entities are done, at one of the `relations`.

    >>> str(Place(7, 120)), Place.of("7.120") == Place(7, 120), str(Place(9, relations=True))
    ('7.120', True, 'r9')
    """

    at: int = 0
    within: int = 0
    relations: bool = False

    @classmethod
    def of(cls, cursor: str | None) -> Place:
        """The place a cursor stands for; the beginning without one. Raises `InputError` for one that no answer gave."""
        if cursor is None:
            return cls()
        found = _PLACE.fullmatch(cursor)
        if found is None:
            raise InputError(f"{cursor[:40]!r} is no cursor: hand in the one of the answer before")
        return cls(int(found[2]), int(found[3] or 0), bool(found[1]))

    def __str__(self) -> str:
        return ("r" if self.relations else "") + str(self.at) + (f".{self.within}" if self.within else "")


class GraphPage:
    """One answer in the form of the reference server, `{"entities": […], "relations": […]}`, of at most `size` characters.

    What does not fit is not taken any more, and `cursor` says from where to ask on. The first thing of a page that would not fit alone is shortened, so
    each page goes on.
    """

    def __init__(self, size: int, head: Mapping[str, Any]) -> None:
        self.cursor: Place | None = None
        self._head = dict(head)
        self._entities: list[dict[str, Any]] = []
        self._relations: list[Any] = []
        self._left = size - len(written({**head, "entities": [], "relations": []})) - ROOM
        self._empty = True

    def unknown(self, names: Sequence[str]) -> None:
        """Say which names nothing is known under; as many as fit into a quarter of the page."""
        shown: list[str] = []
        room = self._left // 4
        for name in names:
            room -= len(written(name)) + 2
            if room < 0:
                break
            shown.append(name)
        if names:
            self._head["unknown"] = shown if len(shown) == len(names) else [*shown, f"… {len(names) - len(shown)} more"]
            self._left -= len(written(self._head["unknown"])) + len('"unknown": , ')

    def entity(self, row: dict[str, Any], observations: Sequence[str] | None, relations: Sequence[Any], place: Place) -> None:
        """Take an entity with its observations (None: they are not listed) and relations, from a place within them on."""
        row = dict(row)
        if observations is not None:
            row["observations"] = []
        shell = len(written(row)) + 2
        parts = [*(observations or ()), *relations]
        known = len(observations or ())
        rest = parts[place.within :]
        first = min(len(written(rest[0])) + 2, self._left) if rest and self._empty else len(written(rest[0])) + 2 if rest else 0
        if shell + first > self._left and not self._empty:
            self.cursor = place
            return
        if shell > self._left // 2 and self._empty:
            row = {**shortened(row, self._left // 2), **({"observations": []} if observations is not None else {})}
            shell = len(written(row)) + 2
        self._entities.append(row)
        self._left -= shell
        self._empty = self._empty and bool(rest)
        for number, part in enumerate(rest, place.within):
            taken = self._fitting(part)
            if taken is None:
                self.cursor = Place(place.at, number)
                return
            (row["observations"] if number < known else self._relations).append(taken)

    def relation(self, row: Mapping[str, Any], place: Place) -> None:
        """Take a relation."""
        taken = self._fitting(row)
        if taken is None:
            self.cursor = place
        else:
            self._relations.append(taken)

    def _fitting(self, part: Any) -> Any:  # a text, or the row of a relation
        """The part, shortened where it is the first and too long for any page; None where it has to wait for the next one."""
        length = len(written(part)) + 2
        if length > self._left:
            if not self._empty:
                return None
            part = (
                shortened({"part": part}, self._left - 2).get("part", "…")
                if isinstance(part, str)
                else shortened(part, self._left - 2)
            )
            length = len(written(part)) + 2
        self._left -= length
        self._empty = False
        return part

    def text(self) -> str:
        """The answer as JSON."""
        more = {} if self.cursor is None else {"cursor": str(self.cursor), "note": "cut here; ask on with cursor"}
        return written({**self._head, "entities": self._entities, "relations": self._relations, **more})
