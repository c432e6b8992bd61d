"""Long dialogues under a small budget: what a controller of the prompt is worth, against its parts left out, the newest turns, and random turns.

On made-up dialogues (facts among long turns, questions about them, a reader that sees the prompt alone); on facts that are overwritten; on a book; and, where
the data is, on the dialogues and questions published with Self-Controlled Memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from lamina.algorithms.scorers import bootstrap_interval
from lamina.bench.dialogue_data import DIALOGUES, ENOUGH, Talk, load_talks, share
from lamina.bench.dialogue_stream import Dialogue, Stream
from lamina.bench.dialogue_systems import TOKENS, Course, asked, follow, systems, turn_seconds
from lamina.bench.prose import Prose, text_files
from lamina.bench.ranking.embedders import WORDLLAMA, load
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.bench.table import AGAINST
from lamina.errors import InputError
from lamina.models.protocols import Embedder
from lamina.terms import terms
from lamina.working.books import BookReader, ExtractiveSummariser
from lamina.working.controlled import ControlledMemory, Controls
from lamina.working.extracts import sized

NAIVE: Final = "scm, no controller"
BESIDE: Final = {
    "scm": (NAIVE, "scm, activation always", "scm, random turns", "newest turns"),
    "scm, filled": (NAIVE, "scm"),
    "scm, ten turns": ("scm, ten turns, no controller",),
    "scm, ten turns, filled": ("scm, ten turns, no controller", NAIVE),
}
"""The systems whose questions are compared one by one with those of others."""
REAL: Final = (
    "scm",
    "scm, filled",
    "scm, ten turns, filled",
    "scm, ten turns",
    "scm, the code's way",
    NAIVE,
    "scm, ten turns, no controller",
    "scm, random turns",
    "newest turns",
)
WEIGHTS: Final = (0.0, 0.1, 0.3, 0.5, 1.0)
FIRST: Final = 1000  # seeds of the dialogues that are measured; those below were looked at while the defaults were chosen
KINDS: Final = ("one fact", "two facts", "no history")


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    dialogues: int = 5,
    turns: int = 200,
    budget: int = 600,
    budgets: Sequence[int] = (600, 1200, 2500),
    book: int = 120_000,
    texts: str | None = None,
    embedder: str = WORDLLAMA,
) -> Result:
    """Measure all of it.

    Parameters: `dialogues` made up, of so many `turns`; `budget` of their prompts in tokens, beside what is said; `budgets` for the published ones; `book`, tokens of the
    book; `texts`, a folder of plain texts to take the place of made-up prose; `embedder`, "wordllama" or "minilm".
    """
    sized(dialogues, "dialogues")
    files = text_files(texts)
    vectors = load(embedder)
    streams = [Stream(turns, seed=FIRST * (seed + 1) + number, texts=files) for number in range(dialogues)]
    rows = stream_rows([one.made() for one in streams], vectors, budget, seed, progress)
    progress("dialogue: how prompts and times grow")
    rows += growth_rows(replace(streams[0], length=(300, 300), chatter=0), vectors, budget)
    progress("dialogue: facts that are overwritten")
    rows += recency_rows([one.overwritten() for one in streams], vectors)
    progress("dialogue: a book")
    rows += book_rows(Prose(seed, files).novel(book), vectors)
    measured_on = [f"{dialogues} made-up dialogues" + (f" of {len(files)} texts" if files else "")]
    file = find_data(data, "scm", DIALOGUES)
    if file is not None and file.name == DIALOGUES:
        rows += talk_rows(load_talks(file.parent), vectors, budgets, seed, progress)
        measured_on.append(fingerprint(file))
    config = {
        "seed": seed, "dialogues": dialogues, "budget": budget, "budgets": list(budgets), "book_tokens": book, "embedder": embedder,
        "k": Controls().ranking.k, "gamma": Controls().ranking.gamma, "recency_weight": Controls().ranking.recency_weight, "turns": turns,
    }  # fmt: skip
    return Result("dialogue", ", ".join(measured_on), config, rows)


# ------------------------------------------------------------------------------------------------------------ questions
def stream_rows(
    dialogues: Sequence[Dialogue],
    embedder: Embedder,
    budget: int,
    seed: int,
    progress: Callable[[str], None],
    names: Sequence[str] = (),
) -> list[Row]:
    """Questions answered, turns found and tokens spent by each system, or those named, over the same dialogues."""
    courses: dict[str, list[Course]] = {}
    for name, make in systems(embedder, seed, names).items():
        progress(f"dialogue: {name}")
        courses[name] = [follow(make(), dialogue, budget) for dialogue in dialogues]
    rows = []
    for name, found in courses.items():
        others = {other: courses[other] for other in BESIDE.get(name, ()) if other in courses}
        slices = {AGAINST + other: difference("answered", _right(found), _right(one), seed) for other, one in others.items()}
        rows.append(Row(name, _course_metrics(found), slices))
    return rows


def _right(courses: Sequence[Course], kinds: Sequence[str] = KINDS) -> np.ndarray:
    """Whether each question of some kinds was answered, as numbers."""
    return np.array(
        [right for one in courses for probe, right in zip(one.probes, one.right, strict=True) if probe.kind in kinds], np.float64
    )


def _course_metrics(courses: Sequence[Course]) -> dict[str, float]:
    metrics = {"answered": float(_right(courses).mean())}
    for kinds in (("one fact", "two facts"), *((kind,) for kind in (*KINDS, "just said"))):
        metrics["_or_".join(kind.replace(" ", "_") for kind in kinds)] = float(_right(courses, kinds).mean())
    recall = [value for one in courses for value in one.recall if not math.isnan(value)]
    if recall:
        metrics["recall"] = float(np.mean(recall))
    metrics["question_tokens"] = float(np.mean([value for one in courses for value in one.tokens]))
    metrics["turn_tokens"] = float(np.mean([value for one in courses for value in one.stream]))
    metrics["most_tokens"] = float(max(max([*one.tokens, *one.stream]) for one in courses))
    return metrics


# --------------------------------------------------------------------------------------------------------------- growth
def growth_rows(stream: Stream, embedder: Embedder, budget: int) -> list[Row]:
    """The tokens of prompts and the time of turns early and late in a dialogue whose turns are of one length."""
    dialogue = stream.made()
    last = len(dialogue.turns)
    spans = {"turn_20": range(11, 31), f"turn_{last}": range(last - 19, last + 1)}
    rows = []
    for name, make, most in (
        ("scm", systems(embedder, names=["scm"])["scm"], budget),
        ("newest turns", systems(embedder, names=["newest turns"])["newest turns"], 10**9),
    ):
        seconds = turn_seconds(make(), dialogue, most, spans)
        memory = make()
        tokens = []
        for step, (said, _) in zip(dialogue.steps(), dialogue.turns, strict=True):
            tokens.append(asked(memory, said, most)[1])
            memory.observe(step)
        early, late = seconds.values()
        metrics = {f"{span}_seconds": value for span, value in seconds.items()} | {"late_to_early_times": late / early}
        metrics |= {f"turn_{place}_tokens": float(max(tokens[place - 10 : place])) for place in (last // 4, last // 2, last)}
        rows.append(Row(f"growth: {name}" if most == budget else "growth: whole history", metrics))
    return rows


# -------------------------------------------------------------------------------------------------------------- recency
def recency_rows(dialogues: Sequence[Dialogue], embedder: Embedder) -> list[Row]:
    """How often the newest of four values ranks first, by the weight of recency; chance among the four is a quarter."""
    rows = []
    for weight in WEIGHTS:
        chosen = Controls()
        chosen = replace(chosen, ranking=replace(chosen.ranking, recency_weight=weight))
        first, shown = [], []
        for dialogue in dialogues:
            memory = ControlledMemory(controls=chosen, embedder=embedder)
            for step in dialogue.steps():
                memory.observe(step)
            for probe in dialogue.probes:
                best = [turn.number for turn in memory.retrieved(probe.text)]
                first.append(best[0] == probe.facts[0].turn)
                shown.append(probe.facts[0].turn in best)
        rows.append(
            Row(
                f"overwritten: recency {weight:g}",
                {"newest@1": float(np.mean(first)), f"newest@{chosen.ranking.k}": float(np.mean(shown))},
            )
        )
    return rows


# ----------------------------------------------------------------------------------------------------------------- book
class _Forgetful(ExtractiveSummariser):
    """The control: every chunk is summarised as if nothing had come before it."""

    def shorten(self, text: str, tokens: int, *, before: str = "") -> str:
        return super().shorten(text, tokens)


def book_rows(text: str, embedder: Embedder) -> list[Row]:
    """A book's summary by extracts: levels, sizes, time, and how much chunk summaries repeat of those just before."""
    readers = {
        "book: scm": BookReader(embedder=embedder),
        "book: scm, the code's way": BookReader(variant="code", embedder=embedder),
        "book: without what came before": BookReader(summariser=_Forgetful(TOKENS), embedder=embedder),
    }
    rows = []
    for name, reader in readers.items():
        start = perf_counter()
        found = reader.summarise(text)
        seconds = perf_counter() - start
        metrics = {
            "text_tokens": float(TOKENS.count(text)), "chunks_count": float(len(found.chunks)), "levels_count": float(len(found.levels)),
            "largest_group_tokens": float(max(group.tokens for level in found.levels for group in level)), "summary_tokens": float(found.tokens),
            "repeated": _repeated(found.chunks), "seconds": seconds,
        }  # fmt: skip
        rows.append(Row(name, metrics))
    return rows


def _repeated(summaries: Sequence[str]) -> float:
    """The mean share of a summary's terms that stood in the four before it."""
    said = [set(terms(one)) for one in summaries]
    shares = [
        len(own & set().union(*said[max(place - 4, 0) : place])) / len(own) for place, own in enumerate(said) if place and own
    ]
    return float(np.mean(shares)) if shares else 0.0


# ------------------------------------------------------------------------------------------------------ published talks
def talk_rows(
    talks: Sequence[Talk], embedder: Embedder, budgets: Sequence[int], seed: int, progress: Callable[[str], None]
) -> list[Row]:
    """What of the answers stands in the prompts, at equal budgets, over the published questions, all asked at the end."""
    if not any(talk.questions for talk in talks):
        raise InputError("the published dialogues have no questions: check their files")
    values: dict[tuple[str, int], np.ndarray] = {}
    modes = [question.mode for talk in talks for question in talk.questions]
    for name, make in systems(embedder, seed, REAL).items():
        progress(f"dialogue: published dialogues, {name}")
        asked_of: dict[int, list[tuple[float, float, float, float]]] = {budget: [] for budget in budgets}
        for talk in talks:
            memory = make()
            for step in talk.steps():
                memory.observe(step)
            for question in talk.questions:
                gold = talk.answering(question)
                found = float("nan")
                if gold is not None and isinstance(memory, ControlledMemory):
                    found = float(gold in {turn.number for turn in memory.retrieved(question.text)} | {len(talk.turns)})
                wanted = talk.wanted(question)
                whole = share(wanted, set().union(*talk.said))
                for budget in budgets:
                    prompt, tokens = asked(memory, question.text, budget)
                    held = share(wanted, set(terms(prompt))) / whole
                    asked_of[budget].append((found, held, float(held >= ENOUGH), float(tokens)))
        values |= {(name, budget): np.array(rows) for budget, rows in asked_of.items()}
    return [
        Row(
            f"published, {budget} tokens: {name}",
            _talk_metrics(found, seed),
            {
                **{mode: _talk_metrics(found[[one == mode for one in modes]], seed) for mode in sorted(set(modes))},
                **{
                    AGAINST + other: difference("answerable", found[:, 2], values[other, budget][:, 2], seed)
                    | difference("answer_words", found[:, 1], values[other, budget][:, 1], seed)
                    for other in BESIDE.get(name, ())
                    if (other, budget) in values
                },
            },
        )
        for budget in budgets
        for (name, of), found in values.items()
        if of == budget
    ]


def _talk_metrics(found: np.ndarray, seed: int) -> dict[str, float]:
    """Means over questions: rows of (turn found, share of the answer's words, answerable, tokens)."""
    interval = bootstrap_interval(found[:, 2], seed=seed)
    metrics = {"answerable": interval.estimate, "answerable_low": interval.low, "answerable_high": interval.high}
    metrics["answer_words"] = float(found[:, 1].mean())
    judged = found[~np.isnan(found[:, 0]), 0]
    if len(judged):
        recall = bootstrap_interval(judged, seed=seed)
        metrics |= {"recall": recall.estimate, "recall_low": recall.low, "recall_high": recall.high}
    return metrics | {"question_tokens": float(found[:, 3].mean()), "questions": float(len(found))}
