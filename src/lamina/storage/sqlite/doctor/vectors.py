"""The doctor's checks of vectors: the active space, width and values, stale items, and what is pending."""

from __future__ import annotations

from typing import Final

import numpy as np

from lamina.records import STALE
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, names, statements
from lamina.storage.sqlite.doctor.items import slices

_ACTIVE: Final = "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'space')"
# what is to be embedded and has no vector in the active space; data that cannot be read counts as none
_WAITING: Final = (
    "(text <> '' OR CASE WHEN json_valid(data) THEN json_extract(data, '$.captions[0]') IS NOT NULL ELSE 0 END)"
    f" AND role IS NOT 'event' AND status & {STALE} = 0"
    f" AND NOT EXISTS (SELECT 1 FROM vector WHERE vector.item = item.key AND vector.space IS {_ACTIVE})"
)
_OF_STALE: Final = f"item IN (SELECT key FROM item WHERE status & {STALE})"


def _lost_space(store: SQLiteStore) -> list[str]:
    return names(store, "SELECT value FROM meta WHERE name = 'space' AND value NOT IN (SELECT CAST(id AS TEXT) FROM space)")


def _find_space(store: SQLiteStore) -> None:
    """The only space there is becomes the active one; among several, or without any, none is."""
    spaces = store.vectors.spaces()
    if len(spaces) == 1:
        store.vectors.activate(spaces[0])
    else:
        store.set_meta("space", None)


def _wrong_vectors(store: SQLiteStore) -> list[tuple[int, str]]:
    """Number and item of each vector that is not as wide as its space, or not finite."""
    found: list[tuple[int, str]] = []
    query = (
        "SELECT vector.key, coalesce(item.id, vector.item), dim, CAST(vector.data AS BLOB), part FROM vector"
        " JOIN space ON space.id = vector.space LEFT JOIN item ON item.key = vector.item"
        " WHERE vector.key > ? ORDER BY vector.key LIMIT ?"
    )
    for key, id, dim, raw, part in slices(store, query):
        if len(raw) != 2 * dim or part < 0 or not np.isfinite(np.frombuffer(raw, "<f2")).all():
            found.append((key, str(id)))
    return found


def _delete_wrong(store: SQLiteStore) -> None:
    store.connection.execute_many("DELETE FROM vector WHERE key = ?", [(key,) for key, _ in _wrong_vectors(store)])
    _renew_pending(store)


def _wrong_pending(store: SQLiteStore) -> list[str]:
    missing = names(store, f"SELECT id FROM item WHERE {_WAITING} AND key NOT IN (SELECT item FROM pending)")
    extra = names(
        store,
        f"SELECT coalesce(id, item) FROM pending LEFT JOIN item ON key = item WHERE key IS NULL OR NOT coalesce({_WAITING}, 0)",
    )
    return missing + extra


def _renew_pending(store: SQLiteStore) -> None:
    store.connection.execute("DELETE FROM pending")
    store.connection.execute(f"INSERT INTO pending(item) SELECT key FROM item WHERE {_WAITING}")


VECTOR_CHECKS: Final = (
    Check("active space", "active vector spaces that are not there", _lost_space, _find_space),
    Check("vectors", "vectors of another width than their space's, or with values that are not finite",
          lambda store: [id for _, id in _wrong_vectors(store)], _delete_wrong),
    Check("stale vectors", "vectors of stale items", lambda store: names(store, f"SELECT item FROM vector WHERE {_OF_STALE}"),
          statements(f"DELETE FROM vector WHERE {_OF_STALE}")),
    Check("pending", "items whose waiting for a vector is noted wrongly", _wrong_pending, _renew_pending),
)  # fmt: skip
