"""The doctor's checks of edges: form and direction, sources of derived items, chains of traces, supersession."""

from __future__ import annotations

from collections import defaultdict, deque
from itertools import pairwise
from typing import Final

from lamina.records import EDGE_KINDS, STALE, Edge
from lamina.storage.sqlite import SQLiteStore
from lamina.storage.sqlite.doctor.checks import Check, edge_check, names

_KIND_LIST: Final = ", ".join(f"'{kind}'" for kind in EDGE_KINDS)

# an edge of a kind that starts or ends where it cannot
_WRONG_WAY: Final = (
    "(edge.kind = 'cites' AND a.kind = 'trace')"
    " OR (edge.kind = 'contains' AND (a.kind NOT IN ('topic', 'episode') OR (a.kind = 'episode' AND b.kind <> 'trace')))"
    " OR (edge.kind IN ('subject', 'object') AND a.kind <> 'fact')"
    " OR (edge.kind = 'echo_of' AND a.kind <> 'trace')"
)


# ------------------------------------------------------------------------------------------------------- sources
def _cites(store: SQLiteStore) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in store.connection.rows("SELECT src, dst FROM edge WHERE kind = 'cites'")]


def _circular(store: SQLiteStore) -> list[tuple[int, int]]:
    """The `cites` edges on a cycle, or between two: what stays when loose ends are taken off again and again."""
    edges = {(src, dst) for src, dst in _cites(store) if src != dst}
    while edges:
        starts, ends = {src for src, _ in edges}, {dst for _, dst in edges}
        kept = {(src, dst) for src, dst in edges if src in ends and dst in starts}
        if len(kept) == len(edges):
            break
        edges = kept
    return sorted(edges)


def _circular_names(store: SQLiteStore) -> list[str]:
    edges = _circular(store)
    ids = dict(store.connection.rows("SELECT key, id FROM item WHERE kind <> 'trace'")) if edges else {}
    return [f"{ids.get(src, src)} cites {ids.get(dst, dst)}" for src, dst in edges]


def _depths(store: SQLiteStore) -> dict[int, int]:
    """How many `cites` edges lie between each item and the nearest trace; an item without a path to one is left out."""
    depths = dict.fromkeys((row[0] for row in store.connection.rows("SELECT key FROM item WHERE kind = 'trace'")), 0)
    citing: dict[int, list[int]] = defaultdict(list)
    for src, dst in _cites(store):
        citing[dst].append(src)
    reached = deque(depths)
    while reached:
        source = reached.popleft()
        for src in citing.get(source, ()):
            if src not in depths:
                depths[src] = depths[source] + 1
                reached.append(src)
    return depths


def _cut_circles(store: SQLiteStore) -> None:
    """Take away the edges on circles that do not lead towards a trace: no item loses its way to one."""
    depths = _depths(store)
    far = len(depths)
    upward = [(src, dst) for src, dst in _circular(store) if depths.get(src, 0) <= depths.get(dst, far)]
    store.connection.execute_many("DELETE FROM edge WHERE src = ? AND kind = 'cites' AND dst = ?", upward)


def _orphans(store: SQLiteStore) -> list[tuple[int, str]]:
    """Derived items from which no path of `cites` edges leads to a trace."""
    depths = _depths(store)
    rows = store.connection.rows("SELECT key, id FROM item WHERE kind <> 'trace' ORDER BY key")
    return [(key, id) for key, id in rows if key not in depths]


def _delete_orphans(store: SQLiteStore) -> None:
    store.items.delete([key for key, _ in _orphans(store)])


# ------------------------------------------------------------------------------------------------------- chains
_BROKEN_CHAIN: Final = (
    "edge.kind = 'next' AND (a.kind <> 'trace' OR b.kind <> 'trace' OR a.scope <> b.scope OR a.session IS NOT b.session"
    " OR edge.src >= edge.dst"
    " OR EXISTS (SELECT 1 FROM edge o WHERE o.kind = 'next' AND o.src = edge.src AND o.dst <> edge.dst)"
    " OR EXISTS (SELECT 1 FROM edge o WHERE o.kind = 'next' AND o.dst = edge.dst AND o.src <> edge.src))"
)
_CHAIN_CHECK: Final = edge_check("chains", "edges 'next' that do not chain the traces of one session", _BROKEN_CHAIN)


def _rebuild_chains(store: SQLiteStore) -> None:
    """Chain the traces of each session concerned anew, in the order in which they were recorded."""
    rows = store.connection.rows(
        "SELECT a.scope, a.session, b.scope, b.session FROM edge JOIN item a ON a.key = src JOIN item b ON b.key = dst"
        f" WHERE {_BROKEN_CHAIN}"
    )
    for scope, session in {place for row in rows for place in (row[:2], row[2:])}:
        inside = "(SELECT key FROM item WHERE scope = ? AND session IS ?)"
        store.connection.execute(
            f"DELETE FROM edge WHERE kind = 'next' AND (src IN {inside} OR dst IN {inside})", (scope, session, scope, session)
        )
        traces = store.connection.rows(
            "SELECT key, recorded_at FROM item WHERE scope = ? AND session IS ? AND kind = 'trace' AND role IS NOT 'event' ORDER BY key",
            (scope, session),
        )
        store.edges.add(Edge(before[0], after[0], "next", recorded_at=after[1]) for before, after in pairwise(traces))


# ------------------------------------------------------------------------------------------------- supersession
_UNRETIRED: Final = (
    "FROM edge JOIN item a ON a.key = src JOIN item b ON b.key = dst WHERE edge.kind = 'supersedes' AND edge.retired_at IS NULL"
    f" AND (b.kind = 'trace' OR b.until IS NULL) AND a.retired_at IS NULL AND a.status & {STALE} = 0 AND b.retired_at IS NULL"
)


def _retire_superseded(store: SQLiteStore) -> None:
    rows = store.connection.rows(f"SELECT b.key, max(a.recorded_at, b.recorded_at) {_UNRETIRED}")
    for key, at in rows:
        store.items.retire([key], at)


EDGE_CHECKS: Final = (
    edge_check("edge kinds", "edges of an unknown kind", f"edge.kind NOT IN ({_KIND_LIST})"),
    edge_check("self edges", "edges from an item to itself", "src = dst"),
    edge_check("edge direction", "edges that start or end at an item of the wrong kind", _WRONG_WAY),
    edge_check(
        "edge data",
        "edges whose data is no JSON object",
        "CASE WHEN edge.data IS NULL THEN 0 WHEN json_valid(edge.data) THEN json_type(edge.data) <> 'object' ELSE 1 END",
        "data = NULL",
    ),
    edge_check(
        "edge weights",
        "edges whose weight is no finite number",
        "typeof(weight) <> 'real' OR abs(weight) > 1.7976931348623157e308",
        "weight = 1.0",
    ),
    edge_check(
        "edge times",
        "edges that were retired before they were known",
        "edge.retired_at < edge.recorded_at",
        "retired_at = recorded_at",
    ),
    Check("circular sources", "edges 'cites' that go in a circle", _circular_names, _cut_circles),
    Check("orphans", "derived items without a source", lambda store: [id for _, id in _orphans(store)], _delete_orphans),
    Check("chains", _CHAIN_CHECK.words, _CHAIN_CHECK.find, _rebuild_chains),
    Check(
        "supersession",
        "superseded items that are still held true",
        lambda store: names(store, f"SELECT b.id {_UNRETIRED}"),
        _retire_superseded,
    ),
)
