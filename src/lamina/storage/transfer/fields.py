"""The fields of a record, each checked: `InputError` names the one that is not as it should be."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from lamina.errors import InputError
from lamina.records import FORGOTTEN, KINDS, STALE, Item
from lamina.scopes import EVERYWHERE, check_scope
from lamina.times import PRECISIONS, to_datetime

Value = TypeVar("Value", bound=str)


def parse_item(record: dict[str, Any]) -> Item:
    """The item that a record describes; `InputError` names the field that is not as it should be."""
    kind = one_of(record, "kind", KINDS)
    scope = check_scope(text(record, "scope"))
    if scope == EVERYWHERE:
        raise InputError("no item can be in the scope '*'")
    item = Item(
        id=text(record, "id"),
        kind=kind,
        text=text(record, "text", empty=True),
        at=_time(record, "at"),
        recorded_at=_time(record, "recorded_at"),
        scope=scope,
        session=text_or_none(record, "session"),
        origin=text_or_none(record, "origin"),
        role=text_or_none(record, "role"),
        until=None if record.get("until") is None else _time(record, "until"),
        precision=one_of(record, "precision", PRECISIONS),
        offset=whole(record, "offset"),
        retired_at=None if record.get("retired_at") is None else _time(record, "retired_at"),
        made_by=text_or_none(record, "made_by"),
        status=whole(record, "status"),
        data=mapping(record),
    )
    if abs(item.offset) >= 24 * 60:
        raise InputError(f"'offset' is {item.offset} minutes; a day has 1440")
    if item.status & ~(FORGOTTEN | STALE):
        raise InputError(f"'status' {item.status} has unknown marks")
    if item.until is not None and item.until <= item.at:
        raise InputError(f"the item ends ({item.until}) before it begins ({item.at})")
    if item.retired_at is not None and item.retired_at < item.recorded_at:
        raise InputError(f"the item was retired ({item.retired_at}) before it was recorded ({item.recorded_at})")
    if (kind == "trace") != (item.made_by is None):
        raise InputError(f"'made_by' is {item.made_by!r} for a {kind}; a trace has none, anything derived has one")
    return item


def text(record: dict[str, Any], field: str, empty: bool = False) -> str:
    """Text; not empty, but where that is allowed."""
    value = record.get(field)
    if not isinstance(value, str) or not (value or empty or field == "scope"):
        raise InputError(f"{field!r} must be text, not {value!r}")
    return value


def text_or_none(record: dict[str, Any], field: str) -> str | None:
    """Text, or None where the field is left out."""
    return None if record.get(field) is None else text(record, field, empty=True)


def whole(record: dict[str, Any], field: str) -> int:
    """A whole number of 64 bits."""
    value = record.get(field)
    if type(value) is not int or abs(value) >= 2**63:
        raise InputError(f"{field!r} must be a whole number, not {value!r}")
    return value


def whole_or_none(record: dict[str, Any], field: str) -> int | None:
    """A whole number, or None where the field is left out."""
    return None if record.get(field) is None else whole(record, field)


def _time(record: dict[str, Any], field: str) -> int:
    value = whole(record, field)
    to_datetime(value)
    return value


def number(record: dict[str, Any], field: str) -> float:
    """A finite number."""
    value = record.get(field)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(f"{field!r} must be a finite number, not {value!r}")
    return float(value)


def one_of(record: dict[str, Any], field: str, known: tuple[Value, ...]) -> Value:
    """One of some known words."""
    for value in known:
        if record.get(field) == value:
            return value
    raise InputError(f"{field!r} is {record.get(field)!r}; known are {', '.join(known)}")


def mapping(record: dict[str, Any]) -> dict[str, Any]:
    """The record's data; {} where there is none."""
    value = record.get("data")
    if value is not None and not isinstance(value, dict):
        raise InputError(f"'data' must be a JSON object, not {value!r}")
    return value or {}
