"""What notes, their links, and thoughts are worth to recall: the right turns of long conversations, with them and without.

On LoCoMo, counted as `locomo` counts. Every turn has a note (see `lamina.semantic.notes`), made by rules. Rows:

- `lamina`: the library as it is shipped, traces alone. `lamina with notes`, `lamina with thoughts`: the same after a consolidation with the
  stage of notes, or of thoughts; what is derived stands for the turns it cites, the newest first.
- `lamina-cv`: the features of turns, each conversation ranked by weights fitted on the others. `… with notes`: and how close in meaning the
  turn's note is to the question. `… with links`: and how close the notes it is linked with are, and how much of the question's words their
  turns have. `… with shuffled links`, the control: every note has as many links, to notes taken at random.
- `dense`: turns by their vectors. `dense notes`: by those of their notes. `dense notes and links`: each hit is followed by the best note it is
  linked with, so that k places hold hits and links; `… shuffled links`, the control.

Differences, in points with 95 % intervals over questions, are between each row and the one that lacks what it adds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import recall_at_k
from lamina.bench.locomo import collections_of, data_file
from lamina.bench.ranking.baselines import Dense
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.ranking.fitting import FIXED, RIDGES, TURNS
from lamina.bench.ranking.ours import FILE, Lamina, Workbench, asked_at, remember
from lamina.bench.ranking.scoring import DEPTHS, RECALLS, against, measure_systems, recalls, row
from lamina.bench.results import Result, Row, fingerprint
from lamina.consolidation.pipeline import Pipeline
from lamina.consolidation.stages import Consolidator
from lamina.errors import InputError
from lamina.index.flat import inner_products, top
from lamina.memory import Memory
from lamina.recall.cue import read_cue
from lamina.recall.features import FEATURES, Computed, Feature
from lamina.recall.ranker import LinearRanker, fit_listwise
from lamina.records import Filter, Hit, Item, Run
from lamina.scopes import make_scope
from lamina.semantic.note_stage import NoteConsolidator
from lamina.semantic.notes import NoteBook, embed_notes
from lamina.semantic.thought_stage import ThoughtConsolidator
from lamina.text import index_text

Links = Sequence[NDArray[np.int64]]
"""For each turn the places of the turns whose notes its note is linked with."""


def _given(name: str, words: str) -> Feature:
    """A feature whose column is not computed from a scene but handed in."""
    return Computed(name, "notes", words, lambda scene: np.zeros(len(scene), np.float32))


NOTE: Final = (_given("note_dense", "its note is close in meaning"),)
LINKED: Final = (
    _given("linked_dense", "a note it is linked with is close in meaning"),
    _given("linked_dense_mean", "the notes it is linked with are close in meaning"),
    _given("linked_soft", "share of the cue's words in a turn it is linked with"),
)
ALL: Final = (*FEATURES, *NOTE, *LINKED)
SOFT: Final = next(place for place, feature in enumerate(FEATURES) if feature.name == "soft")

LACKING: Final[Mapping[str, tuple[str, ...]]] = {
    "lamina with notes": ("lamina",),
    "lamina with thoughts": ("lamina",),
    "lamina-cv with notes": ("lamina-cv",),
    "lamina-cv with links": ("lamina-cv", "lamina-cv with notes", "lamina-cv with shuffled links"),
    "lamina-cv with shuffled links": ("lamina-cv with notes",),
    "dense notes": ("dense",),
    "dense notes and links": ("dense", "dense notes", "dense notes and shuffled links"),
}
"""What each row is compared with."""


@dataclass(frozen=True)
class _Noted:
    """A conversation's turns in order: their ids, their notes' vectors (turns, dim), the links, and the same links dealt out at random."""

    ids: Sequence[str]
    vectors: NDArray[np.float32]
    links: Links
    shuffled: Links


class _Bench(Workbench):
    """A workbench whose conversations have notes."""

    def noted(self, collection: Collection, seed: int) -> _Noted:
        """The notes of a conversation."""
        items = self.items(collection)
        book = NoteConsolidator(embedder=self._embedder).book(self._store)
        _fill(book, items)
        place = {item.id: number for number, item in enumerate(items)}
        notes = list(book.notes.values())
        links = [np.array([place[id] for id in note.links], np.int64) for note in notes]
        generator = np.random.default_rng(seed)
        dealt = [
            (number + generator.choice(len(items) - 1, len(ends), replace=False) + 1) % len(items)
            for number, ends in enumerate(links)
        ]
        return _Noted([item.origin or "" for item in items], embed_notes(self._embedder, notes), links, dealt)

    def matrices(
        self, collection: Collection, noted: _Noted
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
        """For each question: all features of all turns with the true links, with the shuffled ones, and which turns answer."""
        where = Filter(scope=make_scope(user=collection.name), kinds=("trace",))
        view, recaller = self._views.get(where.scope), self._recaller(LinearRanker({}))
        speakers = [str(name) for name in view.speakers.names]
        found = []
        for asked in collection.questions:
            vector = self._embedder.embed([asked.text], "query")[0]
            cue = read_cue(asked.text, speakers=speakers, vector=vector, now=self._now)
            ranked = recaller.rank(view, cue, where, len(view))
            order = np.argsort(ranked.slots)  # turns in the order they were added
            matrix = ranked.matrix[order]
            relevant = np.array([id in asked.gold for id in noted.ids], np.float32)
            true, dealt = (_with_notes(matrix, noted, links, vector) for links in (noted.links, noted.shuffled))
            found.append((true, dealt, relevant))
        return found


def _fill(book: NoteBook, items: Sequence[Item]) -> None:
    last: dict[str | None, str] = {}
    for item in items:
        book.add(
            item.id,
            index_text(item.text, item.speaker, item.captions),
            item.at,
            speaker=item.speaker or "",
            before=last.get(item.session, ""),
        )
        last[item.session] = item.text


def _with_notes(matrix: NDArray[np.float32], noted: _Noted, links: Links, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features of all turns with those of their notes behind them, shape (turns, ALL)."""
    scores = inner_products(noted.vectors, vector)
    scores = (scores - scores.mean()) / max(float(scores.std()), 1e-3)
    more = np.zeros((len(matrix), len(NOTE) + len(LINKED)), np.float32)
    more[:, 0] = scores
    for turn, ends in enumerate(links):
        if len(ends):
            more[turn, 1:] = scores[ends].max(), scores[ends].mean(), matrix[ends, SOFT].max()
    return np.concatenate([matrix, more], axis=1)


def _refitted(
    folds: Sequence[Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]],
    collections: Sequence[Collection],
    names: Sequence[str],
    seed: int,
) -> NDArray[np.float64]:
    """Recalls (questions, depths) of every conversation under weights of these features that were fitted on the others."""
    chosen = [place for place, feature in enumerate(ALL) if feature.name in names]
    features = [ALL[place] for place in chosen]
    generator = np.random.default_rng(seed)
    values = []
    for place, collection in enumerate(collections):
        others = [
            (matrix[:, chosen], relevant) for number, fold in enumerate(folds) if number != place for matrix, relevant in fold
        ]
        fitted = fit_listwise(others, features, l2=RIDGES[0])
        for (matrix, relevant), asked in zip(folds[place], collection.questions, strict=True):
            order = generator.permutation(len(matrix))  # equal scores are ranked by chance
            ranked = order[top(fitted.score(matrix[order][:, chosen]), DEPTHS[-1])].tolist()
            gold = np.flatnonzero(relevant).tolist()
            gold += [-1 - missing for missing in range(len(asked.gold) - len(gold))]
            values.append([recall_at_k(ranked, gold, depth) for depth in DEPTHS])
    return np.array(values)


def _interleaved(order: Sequence[int], links: Links, scores: NDArray[np.float32], k: int) -> list[int]:
    """Hits in order, each followed by the best turn it is linked with that is not there yet."""
    found: dict[int, None] = {}
    for hit in order:
        found[hit] = None
        ends = [int(end) for end in links[hit] if int(end) not in found]
        if ends:
            found[max(ends, key=lambda end: scores[end])] = None
        if len(found) >= k:
            break
    return list(found)[:k]


def _dense_rows(bench: _Bench, noted: Sequence[_Noted], collections: Sequence[Collection]) -> dict[str, NDArray[np.float64]]:
    rankings: dict[str, dict[str, list[list[str]]]] = {
        name: {} for name in ("dense notes", "dense notes and links", "dense notes and shuffled links")
    }
    for collection, notes in zip(collections, noted, strict=True):
        for lists in rankings.values():
            lists[collection.name] = []
        for asked in collection.questions:
            scores = inner_products(notes.vectors, bench._embedder.embed([asked.text], "query")[0])
            order = top(scores, DEPTHS[-1]).tolist()
            found = (
                order,
                _interleaved(order, notes.links, scores, DEPTHS[-1]),
                _interleaved(order, notes.shuffled, scores, DEPTHS[-1]),
            )
            for lists, places in zip(rankings.values(), found, strict=True):
                lists[collection.name].append([notes.ids[place] for place in places])
    return {name: recalls(lists, collections) for name, lists in rankings.items()}


@dataclass(frozen=True)
class _Deriving:
    """The library as it is shipped, after a consolidation with one more stage; what that makes stands for the turns it cites."""

    name: str
    stage: Consolidator

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        now = asked_at(collections)
        run = Run(clock=lambda: now)
        found: dict[str, list[list[str]]] = {}
        with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / FILE, run=run) as memory:
            remember(memory, collections)
            Pipeline([self.stage]).run(memory.store, "*", run)
            memory.flush()
            for one in collections:
                traces = memory.store.items.each(Filter(scope=make_scope(user=one.name), kinds=("trace",)))
                origins = {item.id: item.origin or "" for item in traces}
                hits = (memory.search(asked.text, k=2 * k, user=one.name) for asked in one.questions)
                found[one.name] = [[origins[id] for id in _turns(ranked)][:k] for ranked in hits]
        return found


def _turns(hits: Sequence[Hit]) -> list[str]:
    """The ids of the turns that hits stand for, each once: a note stands for its own, a thought for the newest it rests on."""
    return list(dict.fromkeys(hit.item.data["trace"] if hit.kind == "note" else hit.sources[-1] for hit in hits))


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Make the notes, and rank every conversation's turns with them and without."""
    file = data_file(data)
    collections = collections_of(file)
    if len(collections) < 2:
        raise InputError(
            f"{file.name} has {len(collections)} conversation: weights are fitted on all but one, so it needs two or more"
        )
    systems: list[System] = [
        Lamina(), _Deriving("lamina with notes", NoteConsolidator()), _Deriving("lamina with thoughts", ThoughtConsolidator()), Dense(),
    ]  # fmt: skip
    values = measure_systems(systems, collections, lambda name: progress(f"notes: {name}"))
    bench = _Bench(collections)
    with bench:
        progress("notes: making them")
        noted = [bench.noted(collection, seed) for collection in collections]
        values |= _dense_rows(bench, noted, collections)
        progress("notes: computing the features")
        folds = [bench.matrices(collection, notes) for collection, notes in zip(collections, noted, strict=True)]
    true, dealt = ([[(matrices[which], matrices[2]) for matrices in fold] for fold in folds] for which in (0, 1))
    note, linked = [feature.name for feature in NOTE], [feature.name for feature in LINKED]
    progress("notes: fitting")
    values["lamina-cv"] = _refitted(true, collections, TURNS, seed)
    values["lamina-cv with notes"] = _refitted(true, collections, [*TURNS, *note], seed)
    values["lamina-cv with links"] = _refitted(true, collections, [*TURNS, *note, *linked], seed)
    values["lamina-cv with shuffled links"] = _refitted(dealt, collections, [*TURNS, *note, *linked], seed)
    config = {
        "k": list(DEPTHS), "seed": seed, "ridge": RIDGES[0], "fixed_weights": dict(FIXED), "notes": sum(len(one.ids) for one in noted),
        "links": sum(len(ends) for one in noted for ends in one.links), "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    return Result("notes", fingerprint(file), config, _rows(values, collections, seed))


def _rows(values: Mapping[str, NDArray[np.float64]], collections: Sequence[Collection], seed: int) -> list[Row]:
    rows = []
    for name, scores in values.items():
        made = row(name, scores, collections, tuple(RECALLS))
        others = {other: values[other] for other in LACKING.get(name, ())}
        rows.append(Row(name, made.metrics, {**made.by, **against(scores, others, seed)}))
    return rows
