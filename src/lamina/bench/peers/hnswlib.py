"""hnswlib alone: the approximate nearest neighbours of a static vector, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.embedders import static


@dataclass(frozen=True)
class Hnswlib:
    """A graph of static vectors for each collection, compared by their cosine.

    Parameters: `links` of a node (M), `construction` and `search`, the breadth (ef) at building and at searching; `seed` of the levels.
    """

    name: str = "hnswlib"
    distribution: str = "hnswlib"
    needs: tuple[str, ...] = ("hnswlib",)
    links: int = 16
    construction: int = 200
    search: int = 100
    seed: int = 0

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        import hnswlib

        found: dict[str, list[list[str]]] = {}
        for one in collections:
            size = len(one.passages)
            index = hnswlib.Index(space="cosine", dim=static().dim)
            index.init_index(max_elements=size, M=self.links, ef_construction=self.construction, random_seed=self.seed)
            index.add_items(static().embed([passage.shown for passage in one.passages]), np.arange(size), num_threads=1)
            index.set_ef(max(self.search, k))
            found[one.name] = []
            if one.questions:
                asked = static().embed([asked.text for asked in one.questions], "query")
                places, _ = index.knn_query(asked, k=min(k, size), num_threads=1)
                found[one.name] = [[one.passages[place].id for place in row] for row in places.tolist()]
        return found
