"""Counting what a store holds."""

from __future__ import annotations

from typing import Any

from lamina.records import KINDS, Filter
from lamina.storage.feedback import feedback_in
from lamina.storage.protocol import Store


def statistics(store: Store, scope: str) -> dict[str, Any]:
    """Counts of a scope and those below it, as JSON values (which have no narrower type).

    Items by kind, those hidden, scopes, feedback, and the scopes in which something was learned from it; edges, what waits
    for its vector and bytes are those of the whole store.
    """
    everything = Filter(scope=scope, forgotten=True, stale=True, retired=True)
    counted = {kind: store.items.count(everything.within(kinds=(kind,))) for kind in KINDS}
    kinds = {kind: count for kind, count in counted.items() if count or kind in ("trace", "episode")}
    return {
        "path": str(store.path or ":memory:"),
        "items": kinds,
        "hidden": sum(kinds.values()) - store.items.count(Filter(scope=scope)),
        "edges": store.edges.count(),
        "scopes": len(store.items.scopes(scope)),
        "feedback": sum(1 for _ in feedback_in(store, scope)),
        "learned": [one for one, _ in store.rankers.each(scope)],
        "pending_embeddings": len(store.vectors.pending(limit=1_000_000)),
        "bytes": store.nbytes(),
    }
