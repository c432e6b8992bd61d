"""Edges in SQLite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from lamina.errors import InputError
from lamina.records import EDGE_KINDS, Edge, EdgeKind
from lamina.storage.sqlite.connection import Connection
from lamina.storage.sqlite.items import as_json, batches

_FIELDS = "src, dst, kind, weight, data, made_by, recorded_at, retired_at"


class SQLiteEdges:
    """Directed, typed links; one of a kind between two items."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def add(self, edges: Iterable[Edge]) -> None:
        """Store links; one that is there already gets the new weight and data."""
        rows = []
        for edge in edges:
            if edge.kind not in EDGE_KINDS:
                raise InputError(f"{edge.kind!r} is not an edge kind: use one of {', '.join(EDGE_KINDS)}")
            if not math.isfinite(edge.weight):
                raise InputError(f"an edge's weight must be finite, not {edge.weight!r}")
            rows.append(
                (
                    int(edge.src),
                    int(edge.dst),
                    edge.kind,
                    edge.weight,
                    as_json(edge.data),
                    edge.made_by,
                    edge.recorded_at,
                    edge.retired_at,
                )
            )
        self._db.execute_many(f"INSERT OR REPLACE INTO edge({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def out(self, keys: Sequence[int], kinds: Sequence[EdgeKind] | None = None) -> list[Edge]:
        """The links that start at these items."""
        return self._find("src", keys, kinds)

    def into(self, keys: Sequence[int], kinds: Sequence[EdgeKind] | None = None) -> list[Edge]:
        """The links that end at these items."""
        return self._find("dst", keys, kinds)

    def remove_from(self, keys: Sequence[int], kinds: Sequence[EdgeKind] | None = None) -> None:
        """Take away the links that start at these items."""
        for part in batches(keys):
            clause, values = _condition("src", part, kinds)
            self._db.execute(f"DELETE FROM edge WHERE {clause}", values)

    def remove(self, edges: Iterable[Edge]) -> None:
        """Take away these links."""
        self._db.execute_many("DELETE FROM edge WHERE src = ? AND kind = ? AND dst = ?", [(e.src, e.kind, e.dst) for e in edges])

    def count(self) -> int:
        """How many links there are."""
        return int(self._db.value("SELECT count(*) FROM edge"))

    def _find(self, end: str, keys: Sequence[int], kinds: Sequence[EdgeKind] | None) -> list[Edge]:
        found: list[Edge] = []
        for part in batches(keys):
            clause, values = _condition(end, part, kinds)
            for row in self._db.rows(f"SELECT {_FIELDS} FROM edge WHERE {clause} ORDER BY src, kind, dst", values):
                src, dst, kind, weight, data, made_by, recorded_at, retired_at = row
                found.append(Edge(src, dst, kind, weight, json.loads(data) if data else {}, made_by, recorded_at, retired_at))
        return found


def _condition(end: str, keys: Sequence[int], kinds: Sequence[EdgeKind] | None) -> tuple[str, list[Any]]:
    clause = f"{end} IN ({','.join('?' * len(keys))})"
    if kinds is None:
        return clause, list(keys)
    return f"{clause} AND kind IN ({','.join('?' * len(kinds))})", [*keys, *kinds]
