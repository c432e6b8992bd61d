"""What a language model reads out of a passage, as it stands and in outline.

Made-up passages of 8 to 12 sentences about three or four people, a sentence about each in turn. A cloze question asks for one thing about one of them; what is said of
the others is what it may be confused with. The option of the highest log-likelihood is the answer. Rows: `plain`, the passage as it stands; `outline`, by this library's rules;
`by person`, the outline that a perfect outliner would give; `by person, no headings`, the same order without scope and names; `random groups`, the control: groups of the same
sizes as the outline's, of sentences dealt out at random, under the same headings; `no passage`: what can be guessed.

Source of the check: K. Liu et al., "Enhancing LLM's Cognition via Structurization", 2024 (there with tuned and with large models).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import paired_bootstrap
from lamina.bench.ranking.embedders import static
from lamina.bench.ranking.scoring import difference
from lamina.bench.results import Result, Row
from lamina.bench.table import AGAINST
from lamina.errors import InputError
from lamina.models.local import LocalModel
from lamina.semantic.outline import Outliner
from lamina.semantic.outlines import Aspect, Outline

QUESTIONS: Final = 100
OPTIONS: Final = 4
HEAD, BODY = 2, 1  # of an outline that a model is to read (source)
NAMES: Final = "Ana Boris Clara David Elena Felix Greta Henry Irene Jonas Karin Louis Marta Nadia Oscar Paula Robin Sofia Thomas Vera".split()
TOPICS: Final = {
    "home": ("{} lives in {}.", "The home of {} is in", "Porto Vienna Dublin Oslo Madrid Prague Athens Zurich Boston Cairo".split()),
    "work": ("{} works as a {}.", "The profession of {} is that of a", "baker nurse pilot farmer lawyer painter driver teacher plumber tailor".split()),
    "pet": ("{} keeps a {}.", "The animal that belongs to {} is a", "parrot rabbit horse cat goat snake turtle dog pony goose".split()),
    "music": ("{} plays the {}.", "The instrument of {} is the", "violin piano flute drums guitar trumpet cello harp organ banjo".split()),
    "food": ("{} likes to eat {}.", "The favourite food of {} is", "cheese soup rice fish bread salad pizza honey beans cake".split()),
    "colour": ("The car of {} is {}.", "{} drives a car whose colour is", "red blue green white black yellow silver orange brown purple".split()),
}  # fmt: skip
"""What is said, what is asked, and what it may be."""
CONTROLS: Final = ("plain", "random groups")
COMPARED: Final = ("outline", "by person", "by person, no headings", "random groups")
SIZES: Final = ((3, 3), (3, 4), (4, 2), (4, 3))  # people and things said of each


@dataclass(frozen=True)
class Cloze:
    """A passage (`sentences`, and whom each is about), a question to be gone on with, and options, the first of which is right."""

    sentences: tuple[str, ...]
    people: tuple[str, ...]
    question: str
    options: tuple[str, ...]


def made(chance: random.Random) -> Cloze:
    """One passage with its question.

    >>> one = made(random.Random(0))
    >>> 8 <= len(one.sentences) <= 12, len(one.options), any(one.options[0].strip() in said for said in one.sentences)
    (True, 4, True)
    """
    count, each = chance.choice(SIZES)
    people = chance.sample(NAMES, count)
    topics = chance.sample(sorted(TOPICS), each)
    values = {topic: chance.sample(TOPICS[topic][2], max(count, OPTIONS)) for topic in topics}
    rows = []
    for turn in range(each):
        for place in chance.sample(range(count), count):
            topic = topics[(turn + place) % each]
            rows.append((people[place], TOPICS[topic][0].format(people[place], values[topic][place])))
    asked, topic = chance.randrange(count), chance.choice(topics)
    others = [one for place, one in enumerate(values[topic]) if place != asked][: OPTIONS - 1]
    options = tuple(f" {one}" for one in (values[topic][asked], *others))
    return Cloze(tuple(said for _, said in rows), tuple(who for who, _ in rows), TOPICS[topic][1].format(people[asked]), options)


def outlines(one: Cloze, outliner: Outliner, chance: random.Random) -> dict[str, str]:
    """The passage in each of the forms in which it is read, by the names of the rows."""
    groups = outliner.groups(one.sentences)
    outline = outliner.named([[one.sentences[place] for place in group] for group in groups])
    said = list(one.sentences)
    chance.shuffle(said)
    dealt, start = [], 0
    for aspect in outline.aspects:
        end = start + len(aspect.descriptions)
        dealt.append(Aspect(aspect.name, tuple(said[start:end])))
        start = end
    people = list(dict.fromkeys(one.people))
    perfect = [
        Aspect(who, tuple(text for text, of in zip(one.sentences, one.people, strict=True) if of == who)) for who in people
    ]
    return {
        "plain": " ".join(one.sentences),
        "outline": outline.text(HEAD, BODY),
        "by person": Outline("the passage", tuple(perfect)).text(HEAD, BODY),
        "by person, no headings": " ".join(text for aspect in perfect for text in aspect.descriptions),
        "random groups": Outline(outline.scope, tuple(dealt)).text(HEAD, BODY),
        "no passage": "",
    }


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], questions: int = QUESTIONS, model: str | None = None,
) -> Result:  # fmt: skip
    """Ask a model (the packaged one, or `model`: a name, a folder or a GGUF file) `questions` questions about each form of a passage."""
    if questions < 10:
        raise InputError(f"questions must be at least 10, not {questions}")
    reader = LocalModel.load(model, threads=1)
    chance, outliner = random.Random(seed), Outliner(static(), arrangement="free")
    asked = [made(chance) for _ in range(questions)]
    together = [_together(one, outliner) for one in asked]
    scores: dict[str, list[NDArray[np.float64]]] = {}
    for number, one in enumerate(asked):
        if number % 10 == 0:
            progress(f"reading: question {number + 1} of {questions}")
        for name, text in outlines(one, outliner, chance).items():
            prompt = f"{text}\n\n{one.question}" if text else one.question
            scores.setdefault(name, []).append(reader.log_likelihoods(prompt, one.options))
    rows = rows_of({name: np.array(values) for name, values in scores.items()}, seed)
    rows.append(Row("outline's groups", {"pairs_of_one_person_together": float(np.mean(together))}))
    return Result(
        "reading", "made-up passages", {"seed": seed, "questions": questions, "model": reader.name, "options": OPTIONS}, rows
    )


def _together(one: Cloze, outliner: Outliner) -> float:
    """Of the pairs of sentences that the outliner puts together, the share that is about one person."""
    pairs = [one.people[a] == one.people[b] for group in outliner.groups(one.sentences) for a in group for b in group if a < b]
    return float(np.mean(pairs)) if pairs else 0.0


def rows_of(scores: dict[str, NDArray[np.float64]], seed: int) -> list[Row]:
    """Accuracy, the margin of the right option over the best of the others, and its log-likelihood, in nats, each against the plain passage and the control.

    `scores`: log-likelihoods of options (questions, options) by row, the right option first.
    """
    measures: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, table in scores.items():
        margin = table[:, 0] - table[:, 1:].max(axis=1)
        measures[name] = {"accuracy": (margin > 0).astype(float), "margin": margin, "right": table[:, 0]}
    rows = []
    for name, found in measures.items():
        by: dict[str, dict[str, float]] = {}
        for other in CONTROLS if name in COMPARED else ():
            if name != other:
                by[AGAINST + other] = difference("accuracy", found["accuracy"], measures[other]["accuracy"], seed)
                margin = paired_bootstrap(found["margin"], measures[other]["margin"], seed=seed)
                by[f"margin, {AGAINST}{other}"] = {"nats": margin.estimate, "low_nats": margin.low, "high_nats": margin.high}
        metrics = {"accuracy": float(found["accuracy"].mean())}
        rows.append(Row(name, {**metrics, **{f"{one}_nats": float(found[one].mean()) for one in ("margin", "right")}}, by))
    return rows
