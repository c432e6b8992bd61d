"""Recognition in HippoRAG's second version: whether a small language model that rejects facts helps the walk that starts at the rest.

The passages, questions and triples are those of "graph" (MuSiQue). For each question the five facts nearest to it are shown to the model. Rows: `no filter`; `asked`, the
model names the facts that matter (`--set asking=false` leaves that out: an answer takes a small model half a minute); `likely`, the facts are kept after which the model finds the question likelier than after
the five on average, for models that tell likelihoods; `…, random`, the controls: for each question as many facts, drawn at random; `dense`, vectors alone.

Source of the check: B. J. Gutiérrez, Y. Shu, W. Qi, S. Zhou and Y. Su, "From RAG to Memory: Non-Parametric Continual Learning for Large Language Models", 2025.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, cast

import numpy as np

from lamina.bench.graph import CACHE, SETS
from lamina.bench.passages_data import load_set
from lamina.bench.ranking.collections import Collection
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


class Likelihoods(Protocol):
    """A model that says how likely texts are after a prompt."""

    def log_likelihood(self, prompt: str, continuation: str) -> float:
        """In nats."""
        ...


def likely(model: Likelihoods, question: str, facts: Sequence[Triple]) -> list[Triple]:
    """The facts after which the question is likelier than after all of them on average."""
    if not facts:
        return []
    scores = [model.log_likelihood(f"{' '.join(fact)}.\nQuestion:", f" {question}") for fact in facts]
    return [fact for fact, score in zip(facts, scores, strict=True) if score >= float(np.mean(scores))]


@dataclass
class Watched:
    """A filter that remembers how many facts it was shown and kept; and one that keeps as many at random."""

    filter: Callable[[str, Sequence[Triple]], Sequence[Triple]]
    chance: random.Random
    shown: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def told(self, question: str, facts: Sequence[Triple]) -> list[Triple]:
        """What the filter keeps."""
        chosen = list(self.filter(question, facts))
        self.shown.append(len(facts))
        self.kept.append(len(chosen))
        return chosen

    def drawn(self, facts: Sequence[Triple]) -> list[Triple]:
        """As many, at random."""
        return self.chance.sample(list(facts), min(self.kept[-1], len(facts)))


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], questions: int = QUESTIONS, model: str = "local", max_tokens: int = 160,
    asking: bool = True,
) -> Result:  # fmt: skip
    """Rank the passages of MuSiQue for the first `questions` questions; `model`, as `load_model` names it."""
    file = find_data(data, "hipporag", f"{SETS[0]}_corpus.json")
    if file is None or not (file.parent / CACHE).is_file():
        raise InputError(
            f"recognition needs {SETS[0]}.json, its corpus and {CACHE}: name their folder with --data, or in LAMINA_DATA"
        )
    if questions < 2:
        raise InputError(f"questions must be at least 2, not {questions}")
    loaded = load_model(model)
    if loaded is None:
        raise InputError("recognition needs a language model: name one with --set model=…")
    whole = load_set(file.parent, SETS[0], seed)
    collection = replace(whole, questions=whole.questions[:questions])
    judge = Counting(loaded)
    filters: dict[str, Watched] = {}
    if asking:
        filters["asked"] = Watched(lambda question, facts: Recognition(judge, question, max_tokens)(facts), random.Random(seed))
    if hasattr(loaded, "log_likelihood"):
        scorer = cast("Likelihoods", loaded)
        filters["likely"] = Watched(lambda question, facts: likely(scorer, question, facts), random.Random(seed))
    if not filters:
        raise InputError(f"{loaded.name!r} tells no likelihoods, and is not to be asked: nothing is left to measure")
    triples = ReplayExtractor.of(file.parent / CACHE)
    found = _rankings(collection, triples, filters, progress)
    measures = recall_measures(DEPTHS)
    values = {name: measured({collection.name: ranked}, [collection], measures) for name, ranked in found.items()}
    rows: list[Row] = []
    for name, table in values.items():
        others = {other: values[other] for other in ("no filter", f"{name}, random") if name in filters}
        made = row(name, table, [collection], tuple(measures))
        rows.append(Row(name, made.metrics, against(table, others, seed, tuple(measures))))
    for name, one in filters.items():
        unreadable = {"unreadable": judge.failed / judge.asked} if name == "asked" and judge.asked else {}
        rows.append(Row(f"{name}: facts", {"shown": float(np.mean(one.shown)), "kept": float(np.mean(one.kept)), **unreadable}))
    config = {"seed": seed, "questions": len(collection.questions), "model": judge.name, "max_tokens": max_tokens}
    return Result("recognition", ", ".join(map(fingerprint, (file, file.parent / CACHE))), config, rows)


def _rankings(
    collection: Collection, triples: ReplayExtractor, filters: Mapping[str, Watched], progress: Callable[[str], None]
) -> dict[str, list[list[str]]]:
    """The first passages for each question, by row."""
    embedder = static()
    graph = PhraseGraph(embedder.embed, HippoRAG(variant="v2"))
    for passage in collection.passages:
        graph.insert(passage.id, triples.triples(passage.text) or ())
    texts = embedder.embed([passage.shown for passage in collection.passages])
    cues = embedder.embed([asked.text for asked in collection.questions], "query")
    ids = [passage.id for passage in collection.passages]
    found: dict[str, list[list[str]]] = {}
    for number, (asked, cue) in enumerate(zip(collection.questions, cues, strict=True)):
        progress(f"recognition: question {number + 1} of {len(cues)}")
        near = dict(zip(ids, (texts @ cue).tolist(), strict=True))
        keeps: dict[str, Callable[[Sequence[Triple]], Sequence[Triple]] | None] = {"no filter": None}
        for name, one in filters.items():
            keeps[name] = partial(one.told, asked.text)
            keeps[f"{name}, random"] = one.drawn
        for name, keep in keeps.items():
            ranked = graph.search(names(asked.text), cue=cue, dense=near, keep=keep)
            found.setdefault(name, []).append([id for id, _ in ranked[: DEPTHS[-1]]])
        found.setdefault("dense", []).append(sorted(ids, key=lambda id: -near[id])[: DEPTHS[-1]])
    return found
