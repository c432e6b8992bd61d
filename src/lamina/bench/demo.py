"""Recall of the right messages of the authored conversation that comes with the package.

Another domain than the one the shipped weights were fitted on: three friends and an assistant set up a shop. Counted as
`locomo` counts; nothing was ever fitted or chosen on it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from lamina.bench.corpora import read_collection
from lamina.bench.ranking.baselines import Blend, Chance, Dense, Fts5
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.ranking.ours import Lamina
from lamina.bench.ranking.scoring import DEPTHS, against, measure_systems, row
from lamina.bench.results import Result, Row
from lamina.recall.ranker import shipped_regimes


def collection() -> Collection:
    """The packaged conversation with its questions."""
    folder = resources.files("lamina.demo")
    items, questions = (
        folder.joinpath(name).read_text(encoding="utf-8").splitlines() for name in ("conversation.jsonl", "questions.jsonl")
    )
    return read_collection("demo", items, questions)


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Rank the conversation's messages with every system; the data comes with the package."""
    collections = [collection()]
    systems: list[System] = [Lamina(), Fts5(), Dense(), Blend(), Chance(seed)]
    values = measure_systems(systems, collections, lambda name: progress(f"demo: {name}"))
    others = {name: scores for name, scores in values.items() if name != Lamina.name}
    rows = [row(name, scores, collections) for name, scores in values.items()]
    rows[0] = Row(rows[0].system, rows[0].metrics, {**rows[0].by, **against(values[Lamina.name], others, seed)})
    config = {
        "k": list(DEPTHS),
        "seed": seed,
        "shipped": shipped_regimes().turns.provenance,
        "questions": len(collections[0].questions),
    }
    return Result("demo", "the packaged conversation", config, rows)
