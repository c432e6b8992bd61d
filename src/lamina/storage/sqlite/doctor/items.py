"""The doctor's checks of items: form, times, text, who made them, staleness, and the lexicon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from lamina.errors import InputError
from lamina.records import FORGOTTEN, KINDS, STALE, Item
from lamina.scopes import EVERYWHERE, check_scope
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, item_check, names
from lamina.storage.sqlite.lexicon import lexicon_entry
from lamina.terms import analyser_name
from lamina.text import mend_text
from lamina.times import Moment

SLICE: Final = 2000  # rows read at a time
SAFE_DATA: Final = "CASE WHEN json_valid(data) THEN data END"  # the engine's JSON functions stop at the first bad row
_KIND_LIST: Final = ", ".join(f"'{kind}'" for kind in KINDS)
_TRACE_ID: Final = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
_DERIVED_ID: Final = re.compile(r"[a-z]+-[^\s\x00-\x1f]{1,500}")
_EARLIEST, _LATEST = -62135596800_000_000, 253402300799_999_999  # the years 1 and 9999 in UTC microseconds
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_TEXT_COLUMNS: Final = ("text", "session", "origin", "role", "made_by", "data")


def slices(store: SQLiteStore, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query whose first column is the key and which takes (after, limit), read in slices."""
    after = -(2**63)
    while True:
        rows = store.connection.rows(query, (after, SLICE))
        yield from rows
        if len(rows) < SLICE:
            return
        after = rows[-1][0]


# ---------------------------------------------------------------------------------------------------------- form
def _malformed_ids(store: SQLiteStore) -> list[str]:
    rows = store.connection.rows("SELECT id, kind FROM item ORDER BY key")
    return [repr(id) for id, kind in rows if not _well_formed(str(id), str(kind))]


def _well_formed(id: str, kind: str) -> bool:
    if kind == "trace":
        return _TRACE_ID.fullmatch(id) is not None
    return id.startswith(kind + "-") and _DERIVED_ID.fullmatch(id) is not None


def _malformed_scopes(store: SQLiteStore) -> list[str]:
    found: list[str] = []
    for table in ("item", "watermark"):
        for scope in names(store, f"SELECT DISTINCT scope FROM {table}"):
            try:
                if check_scope(scope) != EVERYWHERE or table == "watermark":
                    continue
            except InputError:
                pass
            found.append(repr(scope))
    return found


def _wrong_time_infos(store: SQLiteStore) -> list[str]:
    found: list[str] = []
    for (info,) in store.connection.rows("SELECT DISTINCT time_info FROM item WHERE time_info IS NOT NULL"):
        try:
            moment = Moment.from_info(0, str(info))
            if abs(moment.offset) < 24 * 60 and moment.info == info:
                continue
        except InputError:
            pass
        found.append(str(info))
    return found


def _clear_time_infos(store: SQLiteStore) -> None:
    store.connection.execute_many(
        "UPDATE item SET time_info = NULL WHERE time_info = ?", [(info,) for info in _wrong_time_infos(store)]
    )


_BAD_DATA: Final = "CASE WHEN data IS NULL THEN 0 WHEN json_valid(data) THEN json_type(data) <> 'object' ELSE 1 END"


def _wrap_data(store: SQLiteStore) -> None:
    """What cannot be read as data is kept as text in a field of its own."""
    for key, raw in store.connection.rows(f"SELECT key, data FROM item WHERE {_BAD_DATA}"):
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
        store.connection.execute(
            "UPDATE item SET data = ? WHERE key = ?", (json.dumps({"damaged": text}, ensure_ascii=False), key)
        )


# ---------------------------------------------------------------------------------------------------------- text
_RAW: Final = ", ".join(f"CAST({column} AS BLOB)" for column in _TEXT_COLUMNS)
_RAW_ROWS: Final = f"SELECT key, id, {_RAW} FROM item WHERE key > ? ORDER BY key LIMIT ?"


def _unwritable_text(store: SQLiteStore) -> list[str]:
    return [row[1] for row in slices(store, _RAW_ROWS) if any(_mended(raw) != raw for raw in row[2:])]


def _mended(raw: bytes | None) -> bytes | None:
    """The same bytes as text that can be stored: UTF-8 without NUL and lone surrogates, escaped ones in JSON included."""
    if raw is None:
        return None
    text, _ = mend_text(raw.decode("utf-8", "replace"))
    if _ESCAPED_SURROGATE.search(raw):
        try:
            data = json.loads(text)
        except ValueError:
            return text.encode()
        plain = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        if mend_text(plain)[1]:
            return mend_text(plain)[0].encode()
    return text.encode()


def _mend_text(store: SQLiteStore) -> None:
    for key, _, *raws in list(slices(store, _RAW_ROWS)):
        for column, raw in zip(_TEXT_COLUMNS, raws, strict=True):
            mended = _mended(raw)
            if mended is not None and mended != raw:
                store.connection.execute(f"UPDATE item SET {column} = ? WHERE key = ?", (mended.decode(), key))


# ------------------------------------------------------------------------------------------------------- lexicon
def _wrong_entries(store: SQLiteStore) -> Iterator[tuple[int, str, bytes]]:
    """Key, id and the right entry of each item whose lexicon entry is not right."""
    query = (
        f"SELECT key, id, text, {SAFE_DATA}, terms FROM item LEFT JOIN lexicon ON lexicon.item = item.key"
        " WHERE key > ? ORDER BY key LIMIT ?"
    )
    language = store.language
    for key, id, text, data, terms in slices(store, query):
        fields = json.loads(data) if data else {}
        right = lexicon_entry(Item(id, "trace", text, 0, 0, data=fields if isinstance(fields, dict) else {}), language)
        if terms is None or bytes(terms) != right:
            yield key, id, right


def _rebuild_entries(store: SQLiteStore) -> None:
    entries = [(key, right) for key, _, right in _wrong_entries(store)]
    store.connection.execute_many("INSERT OR REPLACE INTO lexicon(item, terms) VALUES (?, ?)", entries)


def _other_analyser(store: SQLiteStore) -> list[str]:
    analyser = store.meta("analyser")
    return [] if analyser == analyser_name(store.language) else [str(analyser)]


def _analyse_anew(store: SQLiteStore) -> None:
    store.relex()


# --------------------------------------------------------------------------------------------------------- stale
_REMAINS: Final = (
    f"status & {STALE} AND kind <> 'trace' AND (text <> '' OR data IS NOT NULL"
    " OR EXISTS (SELECT 1 FROM lexicon WHERE lexicon.item = item.key AND terms <> x'')"
    " OR EXISTS (SELECT 1 FROM vector WHERE vector.item = item.key)"
    " OR EXISTS (SELECT 1 FROM artifact WHERE artifact.item = item.key))"
)


def _blank_remains(store: SQLiteStore) -> None:
    store.items.blank([row[0] for row in store.connection.rows(f"SELECT key FROM item WHERE {_REMAINS}")])


_UNMADE: Final = "kind <> 'trace' AND (made_by IS NULL OR made_by = '')"


def _delete_unmade(store: SQLiteStore) -> None:
    store.items.delete([row[0] for row in store.connection.rows(f"SELECT key FROM item WHERE {_UNMADE}")])


ITEM_CHECKS: Final = (
    Check(
        "text",
        "items with text that no UTF-8 file can hold, or with NUL characters",
        _unwritable_text,
        _mend_text,
    ),
    Check("ids", "ids that are not of the form this store gives", _malformed_ids),
    Check(
        "unique ids",
        "ids that several items have",
        lambda store: names(store, "SELECT id FROM item NOT INDEXED GROUP BY id HAVING count(*) > 1"),
    ),
    item_check("kinds", "items of an unknown kind", f"kind NOT IN ({_KIND_LIST})"),
    Check("scopes", "scopes that are not in stored form", _malformed_scopes),
    item_check(
        "numbers",
        "items whose times are not whole microseconds of the years 1 to 9999",
        " OR ".join(
            f"({column} IS NOT NULL AND (typeof({column}) <> 'integer' OR {column} NOT BETWEEN {_EARLIEST} AND {_LATEST}))"
            for column in ("at", "until", "recorded_at", "retired_at")
        ),
    ),
    Check("precision", "descriptions of the precision of times that cannot be read", _wrong_time_infos, _clear_time_infos),
    item_check("end of time", "items that end before they begin", "until <= at", "until = NULL"),
    item_check(
        "retirement", "items that were retired before they were known", "retired_at < recorded_at", "retired_at = recorded_at"
    ),
    Check(
        "data",
        "items whose data is no JSON object",
        lambda store: names(store, f"SELECT id FROM item WHERE {_BAD_DATA}"),
        _wrap_data,
    ),
    item_check(
        "makers of traces", "traces that say they were derived", "kind = 'trace' AND made_by IS NOT NULL", "made_by = NULL"
    ),
    Check(
        "makers",
        "derived items that do not say what made them",
        lambda store: names(store, f"SELECT id FROM item WHERE {_UNMADE}"),
        _delete_unmade,
    ),
    item_check(
        "status",
        "items with unknown marks",
        f"typeof(status) <> 'integer' OR status & ~{FORGOTTEN | STALE} <> 0",
        f"status = CAST(status AS INTEGER) & {FORGOTTEN | STALE}",
    ),
    item_check(
        "stale traces", "traces that are marked stale", f"kind = 'trace' AND status & {STALE}", f"status = status & ~{STALE}"
    ),
    Check(
        "stale remains",
        "stale items that still hold what rested on a deleted source",
        lambda store: names(store, f"SELECT id FROM item WHERE {_REMAINS}"),
        _blank_remains,
    ),
    Check("analyser", "analyses of text that are not this version's", _other_analyser, _analyse_anew),
    Check(
        "lexicon",
        "items whose lexicon entry is missing or does not agree with their text",
        lambda store: [id for _, id, _ in _wrong_entries(store)],
        _rebuild_entries,
    ),
)
