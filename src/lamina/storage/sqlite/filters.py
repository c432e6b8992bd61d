"""A `Filter` as a condition of SQL, so that it holds before any limit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lamina.records import EVENT, FORGOTTEN, STALE, Filter, conditions
from lamina.scopes import EVERYWHERE, ROOT

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def scope_condition(scope: str, column: str = "scope") -> tuple[str, list[Any]]:
    """The rows a recall in `scope` sees: the scope and its descendants; '' only itself; '*' all."""
    if scope == EVERYWHERE:
        return "1", []
    if scope == ROOT:
        return f"{column} = ''", []
    # '0' is the character after '/': the half-open range holds every descendant and nothing else
    return f"({column} = ? OR ({column} >= ? AND {column} < ?))", [scope, scope + "/", scope + "0"]


def keys_condition(rows: Callable[[str, list[Any]], list[Any]], scope: str, key: str, most: int) -> tuple[str, list[Any]] | None:
    """The same as a condition on keys, if the scope has fewer than `most` items; else None.

    A small scope in a large file is then read by way of its index, instead of passing over everybody else's rows.
    """
    if scope == EVERYWHERE:
        return None
    clause, values = scope_condition(scope)
    if len(rows(f"SELECT 1 FROM item WHERE {clause} LIMIT ?", [*values, most])) >= most:
        return None
    return f"{key} IN (SELECT key FROM item WHERE {clause})", values


def where_clause(where: Filter) -> tuple[str, list[Any]]:
    """The condition and its parameters for the table `item`."""
    where.check()
    clause, values = _place_condition(where.scope, where.sessions)
    parts = [clause]
    for column, wanted in (("kind", where.kinds), ("id", where.ids), ("role", where.roles)):
        _one_of(parts, values, column, wanted)
    _one_of(parts, values, "json_extract(data, '$.speaker')", where.speakers)
    _one_of(parts, values, "json_extract(data, '$.place')", where.places)
    if where.since is not None:
        parts.append("coalesce(until, at + 1) > ?")
        values.append(where.since)
    if where.before is not None:
        parts.append("at < ?")
        values.append(where.before)
    if where.as_of is not None:
        parts.append("at <= ? AND (until IS NULL OR until > ?)")
        values += [where.as_of, where.as_of]
    if where.known_at is not None:
        parts.append("recorded_at <= ? AND (retired_at IS NULL OR retired_at > ?)")
        values += [where.known_at, where.known_at]
    elif not where.retired:
        parts.append("retired_at IS NULL")
    hidden = (0 if where.forgotten else FORGOTTEN) | (0 if where.stale else STALE)
    if hidden:
        parts.append(f"status & {hidden} = 0")
    if not where.events:
        parts.append(f"role IS NOT '{EVENT}'")
    for name, condition in where.metadata.items():
        for operator, value in conditions(condition):
            clause, more = _metadata(name, operator, value)
            parts.append(clause)
            values += more
    return " AND ".join(parts), values


def _place_condition(scope: str, sessions: tuple[str, ...] | None) -> tuple[str, list[Any]]:
    """The condition for a scope and sessions. Where the scope has two arms, the sessions are named in both: only then are they looked up by
    the index on scope and session, and not searched for among all items of the scope."""
    clause, values = scope_condition(scope)
    parts: list[str] = []
    more: list[Any] = []
    _one_of(parts, more, "session", sessions)
    if not parts:
        return clause, values
    [inside] = parts
    if len(values) < 2:
        return f"{clause} AND {inside}", [*values, *more]
    return f"(scope = ? AND {inside} OR scope >= ? AND scope < ? AND {inside})", [values[0], *more, *values[1:], *more]


def _one_of(parts: list[str], values: list[Any], column: str, wanted: tuple[str, ...] | None) -> None:
    if wanted is None:
        return
    parts.append(f"{column} IN (SELECT value FROM json_each(?))")
    values.append(json.dumps(list(wanted)))


def _metadata(name: str, operator: str, value: Any) -> tuple[str, list[Any]]:
    labels = (json.dumps(part, ensure_ascii=False) for part in name.split("."))  # as the stored JSON spells them
    path = "$.metadata" + "".join(f".{label}" for label in labels)
    field = "json_extract(data, ?)"
    if operator == "exists":
        return f"json_type(data, ?) IS {'NOT ' if value else ''}NULL", [path]
    if operator == "eq" and isinstance(value, str):  # a list as text is no text
        return f"(json_type(data, ?) = 'text' AND {field} = ?)", [path, path, value]
    if operator == "eq":
        return f"{field} IS ?", [path, value]
    if operator in ("ne", "nin"):
        clause, values = _metadata(name, "eq" if operator == "ne" else "in", value)
        return f"NOT coalesce({clause}, 0)", values
    if operator == "in":
        parts = [_metadata(name, "eq", one) for one in value]
        return "(" + (" OR ".join(part for part, _ in parts) or "0") + ")", [one for _, more in parts for one in more]
    if operator == "contains":
        inside = "EXISTS (SELECT 1 FROM json_each(data, ?) AS element WHERE element.value IS ?)"
        if isinstance(value, str):
            return (
                f"CASE json_type(data, ?) WHEN 'array' THEN {inside} WHEN 'text' THEN instr({field}, ?) > 0 ELSE 0 END",
                [path, path, value, path, value],
            )
        return f"CASE json_type(data, ?) WHEN 'array' THEN {inside} ELSE 0 END", [path, path, value]
    same_type = "'text'" if isinstance(value, str) else "'integer', 'real'"
    return f"(typeof({field}) IN ({same_type}) AND {field} {_COMPARISONS[operator]} ?)", [path, path, value]
