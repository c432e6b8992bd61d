"""Recall of the right turns of very long conversations.

Counted so: one item = one turn (`speaker: text`, with the caption of its picture), ranked within its own conversation; the
query = the question as it stands; categories 1 to 4 with some evidence; recall@k = |gold in top k| / |gold|, macro over questions.

Data: A. Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024 (CC BY-NC 4.0: evaluation only).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.bench.corpora import read_folder
from lamina.bench.locomo_data import CATEGORIES, Turn, load_locomo
from lamina.bench.peers import installed, versions
from lamina.bench.ranking.baselines import Blend, Chance, Dense, Fts5
from lamina.bench.ranking.collections import Asked, Collection, Passage, System
from lamina.bench.ranking.embedders import WORDLLAMA, EmbedOnce, load
from lamina.bench.ranking.fitting import FIXED, RIDGES, leave_one_out
from lamina.bench.ranking.ours import Group, Lamina, Workbench
from lamina.bench.ranking.scoring import DEPTHS, against, measure_systems, recalls, row
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.errors import InputError
from lamina.models.protocols import Embedder
from lamina.recall.ranker import shipped_regimes

CROSS_VALIDATED = "lamina-cv"
POOLED = "lamina-pooled"  # fitted on the other conversations, and on those written for this project
ANSWERABLE = (1, 2, 3, 4)  # category 5 asks for what was never said


def data_file(data: Path | None) -> Path:
    """The LoCoMo file; raises `InputError` where there is none."""
    found = find_data(data, "locomo", "locomo*.json")
    if found is None:
        raise InputError("the LoCoMo data is needed: name the file or its folder with --data, or in LAMINA_DATA")
    return found


def passage_of(turn: Turn) -> Passage:
    """A turn as something that can be found."""
    text = turn.text if turn.text.strip() else "(image)"
    return Passage(turn.dia_id, text, turn.speaker, turn.session, turn.captions, turn.at)


def collections_of(file: Path, categories: Sequence[int] = ANSWERABLE) -> list[Collection]:
    """The conversations of a LoCoMo file, with their questions of some categories whose evidence is there."""
    found = []
    for conversation in load_locomo(file):
        passages = [passage_of(turn) for turn in conversation.turns if turn.text.strip() or turn.captions]
        known = {passage.id for passage in passages}
        questions = [
            Asked(one.text, gold, CATEGORIES[one.category])
            for one in conversation.questions
            if one.category in categories and (gold := frozenset(known.intersection(one.evidence)))
        ]
        found.append(Collection(conversation.sample_id, passages, questions))
    return found


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    cross_validate: bool = True,
    embedder: str = WORDLLAMA,
    corpora: str | Path | None = None,
) -> Result:
    """Rank every conversation's turns with every system; `cross_validate=False` leaves the refits out.

    `embedder`, "wordllama" or "minilm": whose vectors all but the peers use. `corpora`: the folder with this project's own
    conversations; they then join the other conversations in one more refit.
    """
    file = data_file(data)
    collections = collections_of(file)
    others = installed(peers)
    model = EmbedOnce(load(embedder))
    systems: list[System] = [
        Lamina(embedder=model), Fts5(), Dense(embedder=model), Blend(embedder=model), Chance(seed), *others
    ]  # fmt: skip
    values = measure_systems(systems, collections, lambda name: progress(f"locomo: {name}"))
    ridges: dict[str, float] = {}
    if cross_validate and len(collections) > 2:
        progress(f"locomo: {CROSS_VALIDATED}")
        with Workbench(collections, model) as bench:
            found, ridges = leave_one_out(bench, DEPTHS[-1])
            values[CROSS_VALIDATED] = recalls(found, collections)
            if corpora is not None:
                progress(f"locomo: {POOLED}")
                found, _ = leave_one_out(bench, DEPTHS[-1], also=_groups_of(Path(corpora), model))
                values[POOLED] = recalls(found, collections)
    config = {
        "k": list(DEPTHS), "seed": seed, "embedder": embedder, "ridges_tried": list(RIDGES), "ridge_of_left_out": ridges, "fixed_weights": dict(FIXED),
        "corpora": None if corpora is None else str(corpora),
        "shipped": shipped_regimes().turns.provenance, "peers": versions(others),
        "turns": sum(len(one.passages) for one in collections), "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    return Result("locomo", fingerprint(file), config, _rows(values, collections, seed))


def _groups_of(corpora: Path, model: Embedder) -> list[list[Group]]:
    """The features of the turns of this project's conversations, one list for each; raises `InputError` where there are none."""
    conversations = read_folder(corpora / "conversations")
    with Workbench(conversations, model) as bench:
        return [bench.groups(one) for one in conversations]


def _rows(values: dict[str, NDArray[np.float64]], collections: list[Collection], seed: int) -> list[Row]:
    """Rows in a fixed order; ours are compared with the others: none was fitted on the conversation it is judged on.

    The pooled fit is compared with our two others as well.
    """
    ours = (Lamina.name, CROSS_VALIDATED, POOLED)
    others = {name: scores for name, scores in values.items() if name not in ours}
    rows = []
    for name in sorted(values, key=lambda name: (name not in ours, name == Chance.name)):
        made = row(name, values[name], collections)
        beside = {**others, **{one: values[one] for one in ours[:2]}} if name == POOLED else others
        rows.append(Row(name, made.metrics, {**made.by, **against(values[name], beside, seed)}) if name in ours else made)
    return rows
