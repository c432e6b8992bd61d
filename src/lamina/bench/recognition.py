"""Recognition in HippoRAG's second version: whether a small language model that rejects facts helps the walk that starts at the rest.

The passages, questions and triples are those of "graph" (MuSiQue). For each question the five facts nearest to it are shown to the model. Rows: `no filter`; `asked`, the
model names the facts that matter; `random`, the control: for each question as many facts as the model kept, drawn at random; `dense`, vectors alone.

Source of the check: B. J. Gutiérrez, Y. Shu, W. Qi, S. Zhou and Y. Su, "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models", 2025.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from lamina.bench.graph import CACHE, SETS
from lamina.bench.passages_data import load_set
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.scoring import against, measured, recall_measures, row
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.errors import InputError
from lamina.models.protocols import Completion, LanguageModel, Message, Schema
from lamina.models.registry import load_model
from lamina.names import names
from lamina.semantic.graph import HippoRAG, PhraseGraph
from lamina.semantic.recognition import Recognition
from lamina.semantic.triples import ReplayExtractor, Triple

QUESTIONS: Final = 30
DEPTHS: Final = (2, 5, 10)


class Counting:
    """A model, and how many of its requests failed. Parameters: `inner`."""

    def __init__(self, inner: LanguageModel) -> None:
        self.inner, self.asked, self.failed = inner, 0, 0

    @property
    def name(self) -> str:
        """The inner model's name."""
        return self.inner.name

    def complete(
        self, messages: Sequence[Message], *, schema: Schema | None = None, max_tokens: int = 1024, temperature: float = 0.0
    ) -> Completion:
        """The inner model's answer."""
        self.asked += 1
        self.failed += 1
        answer = self.inner.complete(messages, schema=schema, max_tokens=max_tokens, temperature=temperature)
        self.failed -= 1
        return answer


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], questions: int = QUESTIONS, model: str = "local", max_tokens: int = 160,
) -> Result:  # fmt: skip
    """Rank the passages of MuSiQue for the first `questions` questions; `model`, as `load_model` names it."""
    file = find_data(data, "hipporag", f"{SETS[0]}_corpus.json")
    if file is None or not (file.parent / CACHE).is_file():
        raise InputError(
            f"recognition needs {SETS[0]}.json, its corpus and {CACHE}: name their folder with --data, or in LAMINA_DATA"
        )
    if questions < 2:
        raise InputError(f"questions must be at least 2, not {questions}")
    whole = load_set(file.parent, SETS[0], seed)
    collection = replace(whole, questions=whole.questions[:questions])
    loaded = load_model(model)
    if loaded is None:
        raise InputError("recognition needs a language model: name one with --set model=…")
    judge = Counting(loaded)
    triples, embedder = ReplayExtractor.of(file.parent / CACHE), static()
    graph = PhraseGraph(embedder.embed, HippoRAG(variant="v2"))
    for passage in collection.passages:
        graph.insert(passage.id, triples.triples(passage.text) or ())
    texts = embedder.embed([passage.shown for passage in collection.passages])
    cues = embedder.embed([asked.text for asked in collection.questions], "query")
    ids = [passage.id for passage in collection.passages]
    chance = random.Random(seed)
    found: dict[str, list[list[str]]] = {}
    shown: list[int] = []
    kept: list[int] = []
    for number, (asked, cue) in enumerate(zip(collection.questions, cues, strict=True)):
        progress(f"recognition: question {number + 1} of {len(cues)}")
        near = dict(zip(ids, (texts @ cue).tolist(), strict=True))
        recognition = Recognition(judge, asked.text, max_tokens)

        def told(facts: Sequence[Triple], recognition: Recognition = recognition) -> list[Triple]:
            chosen = recognition(facts)
            shown.append(len(facts))
            kept.append(len(chosen))
            return chosen

        def drawn(facts: Sequence[Triple]) -> list[Triple]:
            return chance.sample(list(facts), min(kept[-1], len(facts)))

        for name, keep in (("asked", told), ("random", drawn), ("no filter", None)):
            ranked = graph.search(names(asked.text), cue=cue, dense=near, keep=keep)
            found.setdefault(name, []).append([id for id, _ in ranked[: DEPTHS[-1]]])
        found.setdefault("dense", []).append(sorted(ids, key=lambda id: -near[id])[: DEPTHS[-1]])
    measures = recall_measures(DEPTHS)
    values = {name: measured({collection.name: ranked}, [collection], measures) for name, ranked in found.items()}
    rows: list[Row] = []
    for name, table in values.items():
        others = {other: values[other] for other in ("no filter", "random") if name == "asked"}
        made = row(name, table, [collection], tuple(measures))
        rows.append(Row(name, made.metrics, against(table, others, seed, tuple(measures))))
    rows.append(
        Row("judgements", {"unreadable": judge.failed / judge.asked, "shown_facts": float(np.mean(shown)), "kept_facts": float(np.mean(kept))})
    )  # fmt: skip
    config = {"seed": seed, "questions": len(cues), "model": judge.name, "max_tokens": max_tokens}
    return Result("recognition", ", ".join(map(fingerprint, (file, file.parent / CACHE))), config, rows)
