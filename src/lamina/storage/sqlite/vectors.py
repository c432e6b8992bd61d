"""Vector spaces and vectors in SQLite: float16 on disk, float32 in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.errors import VectorError
from lamina.storage.protocol import Space
from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.filters import keys_condition, scope_condition
from lamina.storage.sqlite.items import FEW, batches, present


class SQLiteVectors:
    """Vectors by item, space and part (an item may have several)."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    # --------------------------------------------------------------------------------------------------- spaces
    def spaces(self) -> list[Space]:
        """All spaces of the file."""
        return [Space(*row) for row in self._db.rows("SELECT id, fingerprint, dim, view FROM space ORDER BY id")]

    def active(self) -> Space | None:
        """The space recall uses; None before the first embedding."""
        rows = self._db.rows(
            "SELECT id, fingerprint, dim, view FROM space WHERE id = (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'space')"
        )
        return Space(*rows[0]) if rows else None

    def open_space(self, fingerprint: str, dim: int, view: str = "body") -> Space:
        """The space of an embedder, made if it is not there."""
        self._db.execute("INSERT OR IGNORE INTO space(fingerprint, dim, view) VALUES (?, ?, ?)", (fingerprint, dim, view))
        row = self._db.rows(
            "SELECT id, fingerprint, dim, view FROM space WHERE fingerprint = ? AND view = ?", (fingerprint, view)
        )[0]
        if row[2] != dim:
            raise VectorError(f"the space of {fingerprint!r} has {row[2]} dimensions, not {dim}")
        return Space(*row)

    def activate(self, space: Space) -> None:
        """Let recall use this space from now on; items without a vector in it become pending."""
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES ('space', ?)", (str(space.id),))
        self._db.execute("INSERT INTO change(item) VALUES (0)")  # open views notice
        self._db.execute("DELETE FROM pending")
        self._db.execute(f"INSERT INTO pending(item) SELECT key FROM item WHERE {_WITHOUT}", (space.id,))

    def drop(self, space: Space) -> None:
        """Remove a space with its vectors; without its active space a store has every item pending."""
        if self._db.value("SELECT value FROM meta WHERE name = 'space'") == str(space.id):
            self._db.execute("DELETE FROM meta WHERE name = 'space'")
            self._db.execute("DELETE FROM pending")
            self._db.execute(f"INSERT INTO pending(item) SELECT key FROM item WHERE {_WITHOUT}", (0,))
        self._db.execute("DELETE FROM vector WHERE space = ?", (space.id,))
        self._db.execute("DELETE FROM space WHERE id = ?", (space.id,))

    # -------------------------------------------------------------------------------------------------- vectors
    def put(self, space: Space, keys: Sequence[int], vectors: NDArray[np.float32]) -> int:
        """Store one vector an item, shape (items, dim); items that are gone meanwhile are passed over.

        Returns how many were stored. Raises `VectorError` for another width, NaN, infinity, or values float16 cannot hold.
        """
        array = np.asarray(vectors, dtype=np.float32)
        if array.shape != (len(keys), space.dim):
            raise VectorError(f"expected {len(keys)} vectors of {space.dim} dimensions, got an array of shape {array.shape}")
        if not np.isfinite(array).all():
            row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
            raise VectorError(f"vector {row} has NaN or infinite values: check the embedder; nothing was written")
        if array.size and float(np.abs(array).max()) > float(np.finfo(np.float16).max):
            raise VectorError("vectors are stored as float16 and must lie within ±65504: normalise them")
        half = array.astype("<f2")
        there = present(self._db, keys, "status & 2 = 0")
        rows = [(int(key), space.id, half[i].tobytes()) for i, key in enumerate(keys) if key in there]
        self._db.execute_many("INSERT OR REPLACE INTO vector(item, space, part, data) VALUES (?, ?, 0, ?)", rows)
        if self._db.value("SELECT value FROM meta WHERE name = 'space'") == str(space.id):  # others wait for the active space
            self._db.execute_many("DELETE FROM pending WHERE item = ?", [row[:1] for row in rows])
        return len(rows)

    def get(self, space: Space, keys: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors of some items, each of shape (dim,)."""
        found: dict[int, NDArray[np.float32]] = {}
        for part in batches(keys):
            marks = ",".join("?" * len(part))
            rows = self._db.rows(
                f"SELECT item, data FROM vector WHERE space = ? AND part = 0 AND item IN ({marks})", [space.id, *part]
            )
            found.update({row[0]: np.frombuffer(row[1], "<f2").astype(np.float32) for row in rows})
        return found

    def load(
        self, space: Space, scope: str, *, after: int = 0, upto: int | None = None, size: int = 8192
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Item keys (n,) and vectors (n, dim) of a scope whose own number lies in (after, upto], in slices of `size`, keys ascending."""
        few = keys_condition(self._db.rows, scope, "item.key", FEW) if after == 0 else None
        clause, values = few or scope_condition(scope, "item.scope")
        order = "item CROSS JOIN vector" if after == 0 else "vector CROSS JOIN item"  # from the scope, or from what is new
        start = 0
        while True:
            rows = self._db.rows(
                f"SELECT vector.item, vector.data FROM {order} ON vector.item = item.key"
                " WHERE vector.space = ? AND vector.part = 0 AND vector.key > ? AND vector.key <= ? AND item.key > ?"
                f" AND {clause} ORDER BY item.key LIMIT ?",
                [space.id, after, upto if upto is not None else 2**62, start, *values, size],
            )
            if rows:
                raw = np.frombuffer(b"".join(row[1] for row in rows), "<f2")
                keys = np.fromiter((row[0] for row in rows), np.int64, len(rows))
                yield keys, raw.reshape(-1, space.dim).astype(np.float32)
                start = int(keys[-1])
            if len(rows) < size:
                return

    def pending(self, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Items that still wait for their vector in the active space, by key."""
        return [row[0] for row in self._db.rows("SELECT item FROM pending WHERE item > ? ORDER BY item LIMIT ?", (after, limit))]

    def missing(self, space: Space, *, after: int = 0, limit: int = 1000) -> list[int]:
        """Items without a vector in any given space, by key."""
        rows = self._db.rows(f"SELECT key FROM item WHERE {_WITHOUT} AND key > ? ORDER BY key LIMIT ?", (space.id, after, limit))
        return [row[0] for row in rows]


# what needs a vector and has none in a space: see `needs_vector`
_WITHOUT = (
    "(text <> '' OR json_extract(data, '$.captions[0]') IS NOT NULL) AND role IS NOT 'event' AND status & 2 = 0"
    " AND NOT EXISTS (SELECT 1 FROM vector WHERE vector.item = item.key AND vector.space = ?)"
)
