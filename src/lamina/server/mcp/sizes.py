"""How much a tool answers: never more than it says, with the way to the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lamina.errors import InputError

USUAL: Final = 6_000
"""Characters of an answer where the caller does not say: some 1,500 tokens."""
MOST: Final = 40_000
"""Characters of the longest answer that can be asked for."""
LEAST: Final = 500
"""Characters below which no answer makes sense."""
ROOM: Final = 200  # characters kept for what an answer says of itself


def limit_of(max_characters: int | None) -> int:
    """The limit that a caller asks for. Raises `InputError` outside of what is offered."""
    if max_characters is None:
        return USUAL
    if not LEAST <= max_characters <= MOST:
        raise InputError(f"max_characters must lie between {LEAST} and {MOST}, not {max_characters}")
    return max_characters


def written(value: Any) -> str:
    """JSON in one line, as answers are written."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def listed(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    limit: int,
    head: Mapping[str, Any],
    start: int = 0,
    more: bool = True,
    most: int | None = None,
) -> str:
    """An answer with as many rows as fit into `limit` characters, and `most` at most.

    Where rows are left out, it says so, and from which `cursor` to ask on (`more` false: there is no asking on); a single row that is too long is shortened.

    >>> listed("names", [{"name": "Ana"}, {"name": "Ben"}], 500, {"total": 2})
    '{"total": 2, "names": [{"name": "Ana"}, {"name": "Ben"}]}'
    >>> print(listed("names", [{"name": "Ana " * 90}, {"name": "Ben"}], 500, {})[-60:])
    …"}], "cursor": "1", "note": "cut here; ask on with cursor"}
    """
    made: list[str] = []
    used = len(written({**head, name: []})) + ROOM
    stop: int | None = None
    for place, row in enumerate(rows):
        if place == most:
            stop = start + place
            break
        text = written(row)
        if used + len(text) + 2 > limit:
            if made:
                stop = start + place
                break
            text = written(shortened(row, limit - used - 2))
            made.append(text)
            stop = start + place + 1
            break
        made.append(text)
        used += len(text) + 2
    body = written(head)[:-1] + (", " if head else "") + f'"{name}": [{", ".join(made)}]'
    if stop is not None:
        body += (
            f', "cursor": "{stop}", "note": "cut here; ask on with cursor"'
            if more
            else ', "note": "there are more, left out here"'
        )
    return body + "}"


def shown(text: str, length: int) -> str:
    """A text of which no more than a length is shown, with a sign where it goes on.

    >>> shown("The ferry leaves at nine.", 9)
    'The ferry…'
    """
    return text if len(text) <= length else text[:length] + "…"


def shortened(row: Mapping[str, Any], room: int) -> dict[str, Any]:
    """A row whose texts and lists are cut until it fits into `room` characters."""
    found = dict(row)
    share = max(room, 80)
    while share > 4 and len(written(found)) > room:
        share //= 2
        found = {name: _cut(value, share) for name, value in row.items()}
    return found if len(written(found)) <= room else {"note": "too long for this answer"}


def _cut(value: Any, length: int) -> Any:
    if isinstance(value, str):
        return shown(value, length)
    if isinstance(value, list):
        kept = [_cut(one, length) for one in value[: max(1, length // 16)]]
        return kept if len(kept) == len(value) else [*kept, f"… {len(value) - len(kept)} more"]
    if isinstance(value, Mapping):
        return {name: _cut(one, length) for name, one in list(value.items())[: max(1, length // 8)]}
    return value


def place_of(cursor: str | None) -> int:
    """The number that a cursor stands for. Raises `InputError` for one that no answer gave."""
    if cursor is None:
        return 0
    if not isinstance(cursor, str) or not cursor.isdecimal() or len(cursor) > 12:
        raise InputError(f"{cursor!r} is no cursor: hand in the one of the answer before")
    return int(cursor)
