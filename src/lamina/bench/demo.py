"""Recall of the right messages of the authored conversation that comes with the package.

Another domain than the one the shipped weights were fitted on: three friends and an assistant set up a shop. Counted as
`locomo` counts; nothing was ever fitted or chosen on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from lamina.bench.ranking.baselines import Blend, Chance, Dense, Fts5
from lamina.bench.ranking.collections import Asked, Collection, Passage, System
from lamina.bench.ranking.ours import Lamina
from lamina.bench.ranking.scoring import DEPTHS, against, recalls, row
from lamina.bench.results import Result, Row
from lamina.recall.ranker import shipped_ranker


def _lines(name: str) -> list[dict[str, Any]]:
    """The objects of a packaged file, one a line."""
    text = resources.files("lamina.demo").joinpath(name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def collection() -> Collection:
    """The packaged conversation with its questions."""
    passages = [
        Passage(
            line["origin"], line["text"], line.get("speaker"), line.get("session"),
            tuple(image["caption"] for image in line.get("images", ())), line.get("at"), line.get("role"),
        )
        for line in _lines("conversation.jsonl")
    ]  # fmt: skip
    questions = [Asked(line["question"], frozenset(line["evidence"]), line["category"]) for line in _lines("questions.jsonl")]
    return Collection("demo", passages, questions)


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Rank the conversation's messages with every system; the data comes with the package."""
    collections = [collection()]
    systems: list[System] = [Lamina(), Fts5(), Dense(), Blend(), Chance(seed)]
    values = {}
    for system in systems:
        progress(f"demo: {system.name}")
        values[system.name] = recalls(system.rankings(collections, DEPTHS[-1]), collections)
    others = {name: scores for name, scores in values.items() if name != Lamina.name}
    rows = [row(name, scores, collections) for name, scores in values.items()]
    rows[0] = Row(rows[0].system, rows[0].metrics, {**rows[0].by, **against(values[Lamina.name], others, seed)})
    config = {"k": list(DEPTHS), "seed": seed, "shipped": shipped_ranker().provenance, "questions": len(collections[0].questions)}
    return Result("demo", "the packaged conversation", config, rows)
