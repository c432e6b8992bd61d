"""LangGraph's store in memory, as its agents use it for long-term memory: one vector an item, compared with all of a namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.embedders import static


def _embed(texts: Sequence[str]) -> list[list[float]]:
    """Our static vectors in the form the store's index asks for."""
    vectors: list[list[float]] = static().embed(list(texts)).tolist()
    return vectors


@dataclass(frozen=True)
class LangGraph:
    """`InMemoryStore` with a vector index over the text of an item, a namespace for each collection."""

    name: str = "langgraph"
    distribution: str = "langgraph-checkpoint"
    needs: tuple[str, ...] = ("langgraph.store.memory",)

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        from langgraph.store.base import PutOp
        from langgraph.store.memory import InMemoryStore

        found = {}
        store = InMemoryStore(index={"dims": static().dim, "embed": _embed, "fields": ["text"]})
        for place, one in enumerate(collections):
            namespace = (f"collection-{place}",)  # its own labels are restricted: no full stops
            store.batch([PutOp(namespace, passage.id, {"text": passage.shown}) for passage in one.passages])
            found[one.name] = [[hit.key for hit in store.search(namespace, query=asked.text, limit=k)] for asked in one.questions]
        return found
