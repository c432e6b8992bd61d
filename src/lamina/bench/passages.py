"""Recall of the passages that answer a question which takes several of them, under more than one embedder.

Counted so: one item = one passage, "title\\ntext", added by `Memory.add_many` without speaker, role or session; the query = the
question as it stands; gold = its supporting passages; recall@k = |gold in top k| / |gold|, macro over questions, per set.

The corpus is shuffled with the seed before it is added: in the files the passages of one question stand together, and a system
that looks at what stands beside an item would find the answer by their order.

A cell is a set under an embedder. Each says how far recall@5 of the shipped weights lies above the better of the vectors alone and
full-text search alone. Which is better is read from the same questions, which favours those two a little. Two goals: a
mean of at least `LEAST_MEAN` points over the cells, and none below `LEAST_CELL`.

Data: see `lamina.bench.passages_data`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import stratified_interval
from lamina.bench.passages_data import load_set
from lamina.bench.peers import installed as installed_peers
from lamina.bench.peers import versions
from lamina.bench.ranking.baselines import Blend, Chance, Dense, Fts5
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.ranking.embedders import EMBEDDERS, WORDLLAMA, EmbedOnce, installed, load
from lamina.bench.ranking.ours import Lamina
from lamina.bench.ranking.scoring import difference, measure_systems, recall_measures, row
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.bench.table import AGAINST
from lamina.errors import InputError
from lamina.models.protocols import Embedder
from lamina.recall.ranker import shipped_regimes

SETS: Final = ("musique_train", "hotpotqa_train")
DEPTHS: Final = (2, 5, 10, 20)
JUDGED: Final = "recall@5"
LEAST_MEAN: Final = -1.0
"""The least mean of the cells, in points."""
LEAST_CELL: Final = -3.0
"""The least any one cell may have, in points."""
CELLS: Final = "mean of the cells"

Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Cell:
    """A set under an embedder: `differences` in recall@5 of our system and the better baseline, shape (questions,)."""

    set: str
    ours: str
    better: str
    differences: NDArray[np.float64]
    interval: Mapping[str, float]


@dataclass(frozen=True)
class SetBySet:
    """A system that meets each set alone, so that no statistic of one set touches another."""

    system: System

    @property
    def name(self) -> str:
        """The system's name."""
        return self.system.name

    def rankings(self, collections: Sequence[Collection], k: int) -> Mapping[str, Sequence[Sequence[str]]]:
        """See `System`."""
        return {one.name: self.system.rankings([one], k)[one.name] for one in collections}


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    sets: Sequence[str] | str = SETS,
    embedders: Sequence[str] | str | None = None,
) -> Result:
    """Rank the passages of every set with every system; `embedders`: all that are installed, unless some are named."""
    names = _names(sets, "sets", SETS)
    chosen = _names(installed() if embedders is None else embedders, "embedders", EMBEDDERS)
    folder = _folder(data, names)
    collections = [load_set(folder, name, seed) for name in names]
    others = installed_peers(peers)
    values: dict[str, NDArray[np.float64]] = {}
    measures = recall_measures(DEPTHS)

    def measure(systems: Sequence[System]) -> None:
        apart = [SetBySet(system) for system in systems]
        values.update(measure_systems(apart, collections, lambda name: progress(f"passages: {name}"), measures, max(DEPTHS)))

    for name in chosen:
        embedder = EmbedOnce(load(name))
        progress(f"passages: embedding with {name}")
        _embed_all(embedder, collections)
        rows = [_row_name(kind.name, name) for kind in (Lamina, Dense, Blend)]
        measure([Lamina(rows[0], embedder), Dense(rows[1], embedder), Blend(rows[2], embedder=embedder)])
    measure([Fts5(), Chance(seed), *others])
    config = {
        "k": list(DEPTHS), "seed": seed, "embedders": list(chosen), "shipped": shipped_regimes().documents.provenance,
        "peers": versions(others), "least_mean_points": LEAST_MEAN, "least_cell_points": LEAST_CELL,
        "passages": {one.name: len(one.passages) for one in collections},
        "questions": {one.name: len(one.questions) for one in collections},
    }  # fmt: skip
    files = (folder / f"{name}{end}.json" for name in names for end in ("", "_corpus"))
    return Result("passages", ", ".join(map(fingerprint, files)), config, _rows(values, collections, chosen, seed))


def _names(given: Sequence[str] | str, what: str, example: Sequence[str]) -> tuple[str, ...]:
    """Names as a list; from a command line they come as text with commas too."""
    names = given.split(",") if isinstance(given, str) else given
    if not names or not all(isinstance(name, str) and name.strip() for name in names) or len(set(names)) < len(names):
        raise InputError(f'{what} must be different names such as ["{example[0]}"], not {given!r}')
    return tuple(name.strip() for name in names)


def _folder(data: Path | None, names: Sequence[str]) -> Path:
    """The folder with the sets; raises `InputError` where there is none."""
    file = find_data(data, "hipporag", f"{names[0]}_corpus.json")
    if file is None:
        raise InputError(
            f"passages needs its data: name the folder with {names[0]}.json and {names[0]}_corpus.json with --data, or in LAMINA_DATA"
        )
    return file.parent


def _embed_all(embedder: Embedder, collections: Sequence[Collection]) -> None:
    """Have everything embedded in large batches, which is quickest."""
    for one in collections:
        embedder.embed([passage.shown for passage in one.passages])
        embedder.embed([asked.text for asked in one.questions], "query")


def _row_name(system: str, embedder: str) -> str:
    """What a system's row is called: the static vectors, which are the default, go without saying."""
    return system if embedder == WORDLLAMA else f"{system}/{embedder}"


def cells_of(values: Values, collections: Sequence[Collection], embedders: Sequence[str], seed: int) -> list[Cell]:
    """Every set under every embedder: our recall@5 less that of the better of the vectors and full-text search alone."""
    judged = [f"recall@{depth}" for depth in DEPTHS].index(JUDGED)
    ends = np.cumsum([len(one.questions) for one in collections]).tolist()
    cells = []
    for collection, end in zip(collections, ends, strict=True):
        part = {name: found[end - len(collection.questions) : end, judged] for name, found in values.items()}
        for embedder in embedders:
            ours, dense = _row_name(Lamina.name, embedder), _row_name(Dense.name, embedder)
            better = max((dense, Fts5.name), key=lambda name: float(part[name].mean()))
            interval = difference(JUDGED, part[ours], part[better], seed)
            cells.append(Cell(collection.name, ours, better, part[ours] - part[better], interval))
    return cells


def mean_of(cells: Sequence[Cell], seed: int) -> dict[str, float]:
    """The mean of the cells in points, and its interval: the questions of each set are resampled, for all its embedders at once."""
    by_set: dict[str, list[NDArray[np.float64]]] = {}
    for cell in cells:
        by_set.setdefault(cell.set, []).append(cell.differences)
    found = stratified_interval([np.mean(parts, axis=0) for parts in by_set.values()], seed=seed)
    return {
        f"{JUDGED}_points": 100 * found.estimate,
        f"{JUDGED}_low_points": 100 * found.low,
        f"{JUDGED}_high_points": 100 * found.high,
    }


def _rows(values: Values, collections: Sequence[Collection], embedders: Sequence[str], seed: int) -> list[Row]:
    """A row for each system, those of ours with their cells, and one for the mean of the cells."""
    cells = cells_of(values, collections, embedders, seed)
    names = [f"recall@{depth}" for depth in DEPTHS]
    rows = []
    for name in sorted(values, key=lambda name: name == Chance.name):
        made = row(name, values[name], collections, names)
        found = {f"{AGAINST}{cell.better}, {cell.set}": cell.interval for cell in cells if cell.ours == name}
        alone = {} if len(collections) > 1 else {collections[0].name: {**made.metrics, "questions": float(len(values[name]))}}
        rows.append(Row(name, made.metrics, {**made.by, **alone, **found}))
    worst = min(100 * float(cell.differences.mean()) for cell in cells)
    mean = mean_of(cells, seed)
    whole = {"mean_points": mean[f"{JUDGED}_points"], "worst_points": worst}
    return [*rows, Row(CELLS, whole, {f"{AGAINST}the better of dense and fts5": mean})]
