"""Items in SQLite."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.records import KINDS, STALE, Filter, Item, Kind, Page
from lamina.scopes import EVERYWHERE, check_scope
from lamina.storage.protocol import Columns, Order, Stored
from lamina.storage.sqlite.connection import PARAMETERS, Connection
from lamina.storage.sqlite.filters import keys_condition, scope_condition, where_clause
from lamina.storage.sqlite.lexicon import lexicon_entry, read_entry
from lamina.terms import NAMED, language_of, version_of
from lamina.text import index_text
from lamina.times import Moment

_FIELDS = "id, kind, scope, session, origin, role, text, at, until, time_info, recorded_at, retired_at, made_by, status, data"
_MARKS = ", ".join("?" * 16)
FEW = 8192  # items up to which a scope is read by way of its index
T = TypeVar("T")
NEVER = sys.maxsize
"""Stands for "no end" and "not retired" in columns."""


def as_json(data: Mapping[str, Any]) -> str | None:
    """The stored form of an item's or an edge's data; None where there is none."""
    if not data:
        return None
    try:
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"data must be JSON (text, finite numbers, true, false, null, lists, objects): {error}") from None


@lru_cache(maxsize=4096)
def _check_stored_scope(scope: str) -> None:
    if check_scope(scope) == EVERYWHERE:
        raise InputError("nothing can be stored in the scope '*': it stands for all scopes when reading")


def _row(key: int | None, item: Item) -> tuple[Any, ...]:
    if item.kind not in KINDS:
        raise InputError(f"{item.kind!r} is not a kind: use one of {', '.join(KINDS)}")
    _check_stored_scope(item.scope)
    return (
        key, item.id, item.kind, item.scope, item.session, item.origin, item.role, item.text, item.at, item.until,
        item.moment.info, item.recorded_at, item.retired_at, item.made_by, item.status, as_json(item.data),
    )  # fmt: skip


def _item(row: Sequence[Any]) -> Item:
    moment = Moment.from_info(row[8], row[10])
    return Item(
        key=row[0], id=row[1], kind=cast(Kind, row[2]), scope=row[3], session=row[4],
        origin=row[5], role=row[6], text=row[7], at=row[8], until=row[9], precision=moment.precision, offset=moment.offset,
        recorded_at=row[11], retired_at=row[12], made_by=row[13], status=row[14], data=json.loads(row[15]) if row[15] else {},
    )  # fmt: skip


def _looked_up(item: Item) -> tuple[str, bool]:
    return index_text(item.text, item.speaker, item.captions), needs_vector(item)


class SQLiteItems:
    """Items, their lexicon entries, and the mark that a vector is still to come."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    # -------------------------------------------------------------------------------------------------- writing
    def add(self, items: Sequence[Item]) -> list[Stored]:
        """Store new items; one whose (scope, origin) is known already is left out and answered with the old key.

        Raises `InputError` where an id is taken by something else; the transaction is then the caller's to roll back.
        """
        known = self._known_origins(items)
        places: dict[tuple[str, str], int] = {}  # of new origins among the fresh items
        fresh: list[Item] = []
        answers: list[tuple[int, bool]] = []  # an old key, or a place among the fresh items
        for item in items:
            origin = None if item.origin is None else (item.scope, item.origin)
            if origin in known:
                answers.append((known[origin], False))
            elif origin in places:
                answers.append((-places[origin], False))
            else:
                if origin is not None:
                    places[origin] = len(fresh)
                answers.append((-len(fresh), True))
                fresh.append(item)
        first = self._insert(fresh) if fresh else 0
        return [Stored(number if number > 0 else first - number, new) for number, new in answers]

    def _insert(self, fresh: Sequence[Item]) -> int:
        """Write new items under consecutive keys; returns the first of them, which the engine chooses."""
        statement = f"INSERT INTO item(key, {_FIELDS}) VALUES ({_MARKS})"
        rows = [_row(None, item) for item in fresh]
        language = self._language()
        entries = [lexicon_entry(item, language) for item in fresh]
        first = int(self._db.execute(statement, rows[0]).lastrowid or 0)
        if len(rows) > 1:
            self._db.execute_many(statement, [(key, *row[1:]) for key, row in enumerate(rows[1:], first + 1)])
        self._db.execute_many("INSERT INTO lexicon(item, terms) VALUES (?, ?)", enumerate(entries, first))
        waiting = [(key,) for key, item in enumerate(fresh, first) if needs_vector(item)]
        self._db.execute_many("INSERT INTO pending(item) VALUES (?)", waiting)
        return first

    def _known_origins(self, items: Sequence[Item]) -> dict[tuple[str, str] | None, int]:
        known: dict[tuple[str, str] | None, int] = {}
        by_scope: dict[str, list[str]] = {}
        for item in items:
            if item.origin is not None:
                by_scope.setdefault(item.scope, []).append(item.origin)
        for scope, origins in by_scope.items():
            rows = self._db.rows(
                "SELECT origin, key FROM item WHERE scope = ? AND origin IN (SELECT value FROM json_each(?))",
                (scope, json.dumps(origins)),
            )
            known.update({(scope, origin): key for origin, key in rows})
        return known

    def put(self, item: Item) -> int:
        """Store a derived item, or renew the one with the same id (its status, but for staleness, is kept); returns its key."""
        old = self.get([item.id])[0]
        if old is None:
            return self.add([item])[0].key
        key = old.key
        renewed = replace(item, key=key, recorded_at=old.recorded_at, status=old.status & ~STALE | item.status)
        if renewed == old:
            return key
        values = _row(key, renewed)
        self._db.execute(
            "UPDATE item SET kind = ?, scope = ?, session = ?, origin = ?, role = ?, text = ?, at = ?, until = ?, time_info = ?,"
            " retired_at = ?, made_by = ?, status = ?, data = ? WHERE key = ?",
            (*values[2:11], *values[12:], key),
        )
        if _looked_up(renewed) != _looked_up(old):
            self._reindex(key, renewed)
        return key

    def _reindex(self, key: int, item: Item) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO lexicon(item, terms) VALUES (?, ?)", (key, lexicon_entry(item, self._language()))
        )
        self._db.execute("DELETE FROM vector WHERE item = ?", (key,))
        if needs_vector(item):
            self._db.execute("INSERT OR IGNORE INTO pending(item) VALUES (?)", (key,))
        else:
            self._db.execute("DELETE FROM pending WHERE item = ?", (key,))

    def _language(self) -> str:
        """The language of the file; asked inside each transaction, since another process may have changed it before."""
        return language_of(self._db.value("SELECT value FROM meta WHERE name = 'analyser'"))

    def set_status(self, keys: Sequence[int], bit: int, on: bool) -> int:
        """Set or clear one status bit; returns how many items changed."""
        change = "status | ?" if on else "status & ~?"
        return sum(
            self._db.execute(
                f"UPDATE item SET status = {change} WHERE key IN (SELECT value FROM json_each(?)) AND (status & ? <> 0) <> ?",
                (bit, json.dumps(part), bit, on),
            ).rowcount
            for part in batches(keys)
        )

    def retire(self, keys: Sequence[int], at: int | None) -> None:
        """Set the record time from which the items are no longer held true (None: they are again)."""
        for part in batches(keys):
            self._db.execute(
                "UPDATE item SET retired_at = ? WHERE key IN (SELECT value FROM json_each(?))", (at, json.dumps(part))
            )

    def blank(self, keys: Sequence[int]) -> None:
        """Take away text, data, terms and vectors of derived items and mark them stale."""
        for part in batches(keys):
            listed = (json.dumps(part),)
            inside = "IN (SELECT value FROM json_each(?))"
            self._db.execute(f"UPDATE item SET text = '', data = NULL, status = status | 2 WHERE key {inside}", listed)
            self._db.execute(f"UPDATE lexicon SET terms = x'' WHERE item {inside}", listed)
            self._db.execute(f"DELETE FROM vector WHERE item {inside}", listed)
            self._db.execute(f"DELETE FROM pending WHERE item {inside}", listed)

    def delete(self, keys: Sequence[int]) -> int:
        """Remove items with everything that hangs on them (edges, terms, vectors, strengths, artifacts)."""
        return sum(
            self._db.execute("DELETE FROM item WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(part),)).rowcount
            for part in batches(keys)
        )

    # -------------------------------------------------------------------------------------------------- reading
    def get(self, ids: Sequence[str]) -> list[Item | None]:
        """The items with these ids, in this order; None for one that is not there."""
        found: dict[str, Item] = {}
        for part in batches(ids):
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT key, {_FIELDS} FROM item WHERE id IN ({marks})", part):
                found[row[1]] = _item(row)
        return [found.get(id) for id in ids]

    def by_key(self, keys: Sequence[int]) -> dict[int, Item]:
        """The items with these keys."""
        found: dict[int, Item] = {}
        for part in batches(keys):
            marks = ",".join("?" * len(part))
            for row in self._db.rows(f"SELECT key, {_FIELDS} FROM item WHERE key IN ({marks})", part):
                found[row[0]] = _item(row)
        return found

    def keys_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The keys of the ids that are there."""
        found: dict[str, int] = {}
        for part in batches(ids):
            marks = ",".join("?" * len(part))
            found.update(dict(self._db.rows(f"SELECT id, key FROM item WHERE id IN ({marks})", part)))
        return found

    def by_origin(self, scope: str, origin: str) -> Item | None:
        """The item that was imported into `scope` under this origin."""
        rows = self._db.rows(f"SELECT key, {_FIELDS} FROM item WHERE scope = ? AND origin = ?", (scope, origin))
        return _item(rows[0]) if rows else None

    def page(self, where: Filter, *, cursor: str | None = None, limit: int = 100, order: Order = "recorded") -> Page:
        """One page of what a filter lets through; `cursor` is where the page before it ended."""
        if limit < 1:
            raise InputError(f"limit must be at least 1, not {limit}")
        if order not in ("recorded", "-recorded", "at", "-at"):
            raise InputError(f"{order!r} is not an order: use 'recorded', '-recorded', 'at' or '-at'")
        clause, values = where_clause(where)
        descending, by_time = order.startswith("-"), order.endswith("at")
        if cursor is not None:
            try:
                time_part, key_part = (int(part) for part in cursor.split(":"))
            except ValueError:
                raise InputError(f"{cursor!r} is not a cursor: hand in the one of the page before") from None
            sign = "<" if descending else ">"
            clause += f" AND (at, key) {sign} (?, ?)" if by_time else f" AND key {sign} ?"
            values += [time_part, key_part] if by_time else [key_part]
        way = "DESC" if descending else "ASC"
        sorting = f"at {way}, key {way}" if by_time else f"key {way}"
        rows = self._db.rows(f"SELECT key, {_FIELDS} FROM item WHERE {clause} ORDER BY {sorting} LIMIT ?", [*values, limit + 1])
        items = [_item(row) for row in rows[:limit]]
        return Page(items, f"{items[-1].at}:{items[-1].key}" if len(rows) > limit else None)

    def each(self, where: Filter, *, batch: int = 1000) -> Iterator[Item]:
        """All that a filter lets through when it is asked, in the order of recording, read in batches."""
        for part in batches(self.matching(where).tolist(), batch):
            found = self.by_key(part)
            yield from (found[key] for key in part if key in found)

    def matching(self, where: Filter) -> NDArray[np.int64]:
        """The keys of all that a filter lets through, ascending, shape (items,)."""
        clause, values = where_clause(where)
        rows = self._db.rows(f"SELECT key FROM item WHERE {clause} ORDER BY key", values)
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))

    def count(self, where: Filter) -> int:
        """How many items a filter lets through."""
        clause, values = where_clause(where)
        return int(self._db.value(f"SELECT count(*) FROM item WHERE {clause}", values))

    def session_traces(self, scope: str, session: str | None) -> list[Item]:
        """The traces of one session of exactly this scope, in the order of world time, then of recording; no events."""
        rows = self._db.rows(
            f"SELECT key, {_FIELDS} FROM item WHERE scope = ? AND session IS ? AND kind = 'trace' AND role IS NOT 'event'"
            " AND status = 0 AND retired_at IS NULL ORDER BY at, id",
            (scope, session),
        )
        return [_item(row) for row in rows]

    def newest_traces(
        self, scope: str, session: str | None, *, before: int | None = None, limit: int = 100, retired: bool = False
    ) -> list[Item]:
        """The newest traces of one session of exactly this scope, newest first by recording, hidden ones too; no events.

        `before`: only those with a smaller key; `retired`: those that were corrected, too. What it costs does not depend on what else is in the scope.
        """
        current = "" if retired else " AND retired_at IS NULL"
        rows = self._db.rows(
            f"SELECT key, {_FIELDS} FROM item INDEXED BY item_session WHERE scope = ? AND session IS ? AND key < ? AND kind = 'trace'"
            f" AND role IS NOT 'event'{current} ORDER BY key DESC LIMIT ?",
            (scope, session, 2**63 - 1 if before is None else before, limit),
        )
        return [_item(row) for row in rows]

    def sessions_since(self, scope: str, key: int) -> list[str | None]:
        """The sessions of exactly this scope that got traces after `key`."""
        rows = self._db.rows("SELECT DISTINCT session FROM item WHERE scope = ? AND key > ? AND kind = 'trace'", (scope, key))
        return [row[0] for row in rows]

    def sessions_between(self, scope: str, first: str, end: str) -> list[str]:
        """The names, in order, from `first` up to but not with `end`, of the sessions of exactly this scope that have traces to show."""
        rows = self._db.rows(
            "SELECT DISTINCT session FROM item INDEXED BY item_session WHERE scope = ? AND session >= ? AND session < ? AND kind = 'trace'"
            " AND role IS NOT 'event' AND status = 0 AND retired_at IS NULL ORDER BY session",
            (scope, first, end),
        )
        return [row[0] for row in rows]

    def last_trace(self, scope: str, session: str | None) -> int | None:
        """The key of the newest trace of a session, or None."""
        rows = self._db.rows(
            "SELECT key FROM item INDEXED BY item_session WHERE scope = ? AND session IS ? AND kind = 'trace' AND role IS NOT 'event'"
            " ORDER BY key DESC LIMIT 1",
            (scope, session),
        )
        return int(rows[0][0]) if rows else None

    def scopes(self, under: str = "*") -> list[str]:
        """Every scope something was written in, at or below `under`."""
        clause, values = scope_condition(under)
        return [row[0] for row in self._db.rows(f"SELECT DISTINCT scope FROM item WHERE {clause} ORDER BY scope", values)]

    def columns(self, scope: str, *, after: int = 0, keys: Sequence[int] | None = None, limit: int = -1) -> Columns:
        """Items of a scope with a key above `after` (or with the given keys), at most `limit`, as columns; no events."""
        few = keys_condition(self._db.rows, scope, "key", FEW) if keys is None and after == 0 else None
        clause, values = few or scope_condition(scope)
        limits, more = (
            ("key > ?", [after])
            if keys is None
            else ("key IN (SELECT value FROM json_each(?))", [json.dumps([int(key) for key in keys])])
        )
        rows = self._db.rows(
            "SELECT key, at, until, recorded_at, retired_at, status, kind, scope, session, role,"
            " json_extract(data, '$.speaker'), json_extract(data, '$.place'), lexicon.terms"
            f" FROM item LEFT JOIN lexicon ON lexicon.item = item.key WHERE {clause} AND {limits} AND role IS NOT 'event' ORDER BY key LIMIT ?",
            [*values, *more, limit],
        )
        count = len(rows)
        named = version_of(self._db.value("SELECT value FROM meta WHERE name = 'analyser'")) >= NAMED
        entries = [read_entry(r[12], named) for r in rows]
        return Columns(
            keys=np.fromiter((r[0] for r in rows), np.int64, count),
            at=np.fromiter((r[1] for r in rows), np.int64, count),
            until=np.fromiter((NEVER if r[2] is None else r[2] for r in rows), np.int64, count),
            recorded_at=np.fromiter((r[3] for r in rows), np.int64, count),
            retired_at=np.fromiter((NEVER if r[4] is None else r[4] for r in rows), np.int64, count),
            status=np.fromiter((r[5] for r in rows), np.uint8, count),
            kinds=[r[6] for r in rows],
            scopes=[r[7] for r in rows],
            sessions=[r[8] for r in rows],
            roles=[r[9] for r in rows],
            speakers=[r[10] for r in rows],
            places=[r[11] for r in rows],
            flags=np.fromiter((flags for flags, _, _ in entries), np.uint32, count),
            names=[said for _, said, _ in entries],
            terms=[found for _, _, found in entries],
        )


def needs_vector(item: Item) -> bool:
    """Whether an item is to be embedded: it has text and is no event."""
    return bool(item.text or item.captions) and item.role != "event"


def present(connection: Connection, keys: Sequence[int], condition: str = "1") -> set[int]:
    """Those of some keys that stand for an item (which meets a condition)."""
    found: set[int] = set()
    for part in batches(keys):
        marks = ",".join("?" * len(part))
        found.update(row[0] for row in connection.rows(f"SELECT key FROM item WHERE key IN ({marks}) AND {condition}", part))
    return found


def batches(values: Sequence[T], size: int = PARAMETERS) -> Iterator[list[T]]:
    """Pieces small enough for one statement."""
    for start in range(0, len(values), size):
        yield [int(v) if isinstance(v, np.integer) else v for v in values[start : start + size]]  # type: ignore[misc]
