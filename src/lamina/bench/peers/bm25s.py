"""bm25s, a library for BM25 alone, as its documentation sets it up for English: its tokenizer, stopwords and a Snowball stemmer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.bench.ranking.collections import Collection


@dataclass(frozen=True)
class Bm25s:
    """BM25 with the library's own parameters, an index for each collection; only items that match are returned."""

    name: str = "bm25s"
    distribution: str = "bm25s"
    needs: tuple[str, ...] = ("bm25s", "Stemmer")

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        import bm25s
        import Stemmer

        logging.getLogger("bm25s").setLevel(logging.WARNING)
        stemmer = Stemmer.Stemmer("english")

        def tokens(texts: list[str]) -> Any:  # the library's own form
            return bm25s.tokenize(texts, stopwords="en", stemmer=stemmer, show_progress=False)

        found: dict[str, list[list[str]]] = {}
        for one in collections:
            index = bm25s.BM25()
            index.index(tokens([passage.shown for passage in one.passages]), show_progress=False)
            found[one.name] = []
            for asked in one.questions:
                places, scores = index.retrieve(tokens([asked.text]), k=min(k, len(one.passages)), show_progress=False)
                pairs = zip(places[0].tolist(), scores[0].tolist(), strict=True)
                found[one.name].append([one.passages[place].id for place, score in pairs if score > 0])
        return found
