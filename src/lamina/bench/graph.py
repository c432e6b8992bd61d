"""What hangs together: passages that answer a question only together, with walks and without, and HippoRAG beside them.

The same passages and questions as in "passages", in which nothing was fitted: the ranker's weights come from the project's own corpora, and the walk has the
weight its unit gives it. `walk off` is the recall before; `names shuffled` is the control: every passage has as many names as before, but another's.
`no titles` leaves the first line of each passage out, for those whose documents have none.

HippoRAG runs on the triples that its authors took from MuSiQue with a language model (`--set triples=false` leaves that out); its cues are the names
in the question, by spelling, since no names by a model come with that set.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.passages_data import load_set
from lamina.bench.ranking.baselines import Dense
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.ours import FILE, asked_at, passages_of, remember
from lamina.bench.ranking.scoring import against, measured, recall_measures, row
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.errors import InputError
from lamina.index.lexical import LexicalIndex
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.names import names as names_of
from lamina.recall.ranker import LinearRanker, shipped_regimes
from lamina.recall.recaller import Recaller
from lamina.records import Filter, Run
from lamina.scopes import make_scope
from lamina.semantic.graph import HippoRAG, PhraseGraph
from lamina.semantic.triples import ReplayExtractor, TripleFacts

SETS: Final = ("musique_train", "hotpotqa_train")
DEPTHS: Final = (2, 5, 10, 20)
CACHE: Final = "openie_musique_train_results_ner_gpt-3.5-turbo-1106_1890.json"
"""Triples of the passages of the first set."""
PLAIN: Final = "hipporag v1"

Rankings = Mapping[str, Sequence[Sequence[str]]]


@dataclass(frozen=True)
class Walking:
    """The library's recall over a file of passages.

    Parameters: `name`; `walk`, the weight of walks; `shuffled`, a seed where every passage has another's names; `triples`, extracted facts to pass through.
    """

    name: str
    walk: float = 1.0
    shuffled: int | None = None
    triples: ReplayExtractor | None = None

    def rankings(self, collections: Sequence[Collection], k: int) -> Rankings:
        """See `System`."""
        shipped = shipped_regimes().documents
        ranker = LinearRanker({**shipped.weights, "walk": self.walk})
        now, embedder = asked_at(collections), static()
        found = {}
        with (
            tempfile.TemporaryDirectory() as folder,
            Memory(Path(folder) / FILE, embedder=embedder, run=Run(clock=lambda: now)) as memory,
        ):
            remember(memory, collections)
            for one in collections:
                where = Filter(scope=make_scope(user=one.name), kinds=("trace",))
                if self.triples is not None:
                    TripleFacts(self.triples, least=1).consolidate(memory.store, where.scope, Run(clock=lambda: now))
                views = Views(memory.store)
                if self.shuffled is not None:
                    view = views.get(where.scope)
                    view.names = _permuted(view.names, self.shuffled)
                recaller = Recaller(memory.store, views, lambda: embedder, Run(clock=lambda: now), ranker=ranker)
                found[one.name] = [passages_of(recaller.search(asked.text, where, k)) for asked in one.questions]
        return found


def _permuted(names: LexicalIndex, seed: int) -> LexicalIndex:
    """The same lists of names, handed round."""
    order = np.random.default_rng(seed).permutation(len(names))
    made = LexicalIndex()
    made.extend([names.terms(int(slot)) for slot in order])
    return made


@dataclass(frozen=True)
class Phrases:
    """HippoRAG over cached triples: `name`, `rules`, `triples`. A question without names is answered by vectors alone."""

    name: str
    rules: HippoRAG
    triples: ReplayExtractor

    def rankings(self, collections: Sequence[Collection], k: int) -> Rankings:
        """See `System`."""
        embedder = static()
        found = {}
        for one in collections:
            graph = PhraseGraph(embedder.embed, self.rules)
            for passage in one.passages:
                graph.insert(passage.id, self.triples.triples(passage.text) or ())
            texts = embedder.embed([passage.shown for passage in one.passages])
            cues = embedder.embed([asked.text for asked in one.questions], "query")
            dense = (cues @ texts.T).tolist()
            ids = [passage.id for passage in one.passages]
            found[one.name] = [
                [id for id, _ in graph.search(names_of(asked.text), cue=cue, dense=dict(zip(ids, near, strict=True)))[:k]]
                for asked, cue, near in zip(one.questions, cues, dense, strict=True)
            ]
        return found


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], sets: Sequence[str] | str = SETS, triples: bool = True,
) -> Result:  # fmt: skip
    """Rank the passages of each set with every system."""
    chosen = sets.split(",") if isinstance(sets, str) else list(sets)
    file = find_data(data, "hipporag", f"{chosen[0]}_corpus.json")
    if file is None:
        raise InputError(f"graph needs its data: name the folder with {chosen[0]}.json with --data, or in LAMINA_DATA")
    folder = file.parent
    cache = ReplayExtractor.of(folder / CACHE) if triples and (folder / CACHE).is_file() else None
    rows: list[Row] = []
    for name in chosen:
        collection = load_set(folder, name, seed)
        rows += _rows(collection, cache if name == SETS[0] else None, seed, progress)
    config = {"k": list(DEPTHS), "seed": seed, "embedder": "wordllama", "weights": shipped_regimes().documents.provenance}
    files = (folder / f"{name}{end}.json" for name in chosen for end in ("", "_corpus"))
    return Result("graph", ", ".join(map(fingerprint, files)), config, rows)


def _rows(collection: Collection, cache: ReplayExtractor | None, seed: int, progress: Callable[[str], None]) -> list[Row]:
    bare = replace(collection, passages=[replace(one, text=_without_title(one.text)) for one in collection.passages])
    systems: list[tuple[System, Collection]] = [
        (Walking("lamina"), collection),
        (Walking("lamina, walk off", 0.0), collection),
        (Walking("lamina, names shuffled", shuffled=seed), collection),
        (Walking("lamina, no titles"), bare),
        (Walking("lamina, no titles, walk off", 0.0), bare),
        (Dense("dense"), collection),
    ]
    if cache is not None:
        systems += [
            (Walking("lamina with triples", triples=cache), collection),
            (Phrases(PLAIN, HippoRAG(), cache), collection),
            (Phrases("hipporag v1, no walk", HippoRAG(spread=False), cache), collection),
            (Phrases("hipporag v1, no synonyms", HippoRAG(synonym=2), cache), collection),
            (Phrases("hipporag v1, no specificity", HippoRAG(specificity=False), cache), collection),
            (Phrases("hipporag v2, nothing rejected", HippoRAG(variant="v2"), cache), collection),
        ]
    measures = recall_measures(DEPTHS)
    values: dict[str, NDArray[np.float64]] = {}
    for system, of in systems:
        progress(f"graph: {collection.name}, {system.name}")
        values[system.name] = measured(system.rankings([of], DEPTHS[-1]), [of], measures)
    others = ("lamina, walk off", "lamina, names shuffled", PLAIN)
    rows = []
    for name, found in values.items():
        made = row(f"{name}, {collection.name}", found, [collection], tuple(measures))
        compared = {other: values[other] for other in others if name.startswith("lamina") and other in values and other != name}
        rows.append(Row(made.system, made.metrics, {**made.by, **against(found, compared, seed, tuple(measures))}))
    return rows


def _without_title(text: str) -> str:
    title, _, rest = text.partition("\n")
    return rest if rest.strip() else title
