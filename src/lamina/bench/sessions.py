"""Recall of the right sessions of very long conversations: long items instead of short ones.

Counted so: one item = one session, its turns joined by line breaks, each `speaker: text` with the caption of its picture, at the
session's date, without speaker, role or session; ranked within its own conversation; the query = the question as it
stands; categories 1 to 5 with some evidence; gold = the sessions of the evidence; recall@k = |gold in top k| / |gold|, macro over
questions; any@10 and all@10 = the share of questions with one, or every, gold session among the first ten.

A session of more than 8,000 characters becomes several traces when it is added; it stands where the best of them does. The
other systems are given sessions whole. The goal is a recall@10 of at least `LEAST`.

Data: A. Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024 (CC BY-NC 4.0: evaluation only).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from lamina.bench.corpora import whole_sessions
from lamina.bench.locomo import collections_of, data_file
from lamina.bench.locomo_data import CATEGORIES
from lamina.bench.peers import installed, versions
from lamina.bench.ranking.baselines import Chance, Dense, Fts5
from lamina.bench.ranking.collections import Collection, System
from lamina.bench.ranking.ours import Lamina
from lamina.bench.ranking.scoring import DEPTHS, Measure, against, all_at, any_at, measure_systems, recall_measures, row
from lamina.bench.results import Result, Row, fingerprint
from lamina.recall.ranker import shipped_regimes
from lamina.text import CHUNK

LEAST: Final = 0.93
"""The least recall@10."""
MEASURES: Final[Mapping[str, Measure]] = {
    **recall_measures(DEPTHS),
    "any@10": partial(any_at, k=10),
    "all@10": partial(all_at, k=10),
}


def sessions_of(file: Path) -> list[Collection]:
    """The sessions of a LoCoMo file's conversations as passages, with all questions that have some evidence."""
    return [whole_sessions(conversation) for conversation in collections_of(file, tuple(CATEGORIES))]


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Rank every conversation's sessions with every system."""
    file = data_file(data)
    collections = sessions_of(file)
    others = installed(peers)
    systems: list[System] = [Lamina(), Fts5(), Dense(), *others, Chance(seed)]
    values = measure_systems(systems, collections, lambda name: progress(f"sessions: {name}"), MEASURES)
    names = tuple(MEASURES)
    rows = [row(name, found, collections, names) for name, found in values.items()]
    rivals = {name: found for name, found in values.items() if name != Lamina.name}
    rows[0] = Row(rows[0].system, rows[0].metrics, {**rows[0].by, **against(values[Lamina.name], rivals, seed, names)})
    passages = [passage for one in collections for passage in one.passages]
    config = {
        "k": list(DEPTHS), "seed": seed, "shipped": shipped_regimes().documents.provenance, "peers": versions(others), "least_recall@10": LEAST,
        "sessions": len(passages), "sessions_cut": sum(len(passage.text) > CHUNK for passage in passages),
        "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    return Result("sessions", fingerprint(file), config, rows)
