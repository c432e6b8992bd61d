"""A symbolic grammar that learns by gaps beside neural learners of the same pairs: accuracy, size, speed, and what is forgotten.

The hidden language and its pairs are those of "grammar". Rivals: a small sequence-to-sequence network; the nearest known sentence by MiniLM, whose normal form gets the new sentence's
data. Both are given the rule that tells data from other words, unless their row says otherwise. Exact: the share of unseen sentences whose normal form is right to the letter; wrong: another one
is given (a grammar leaves what it does not understand). The network's dropout was chosen among three on the unseen sentences of seed 0, in its favour.

Source of the checks: K. You, "Digestion Algorithm in Hierarchical Symbolic Forests", 2024, of which only the abstract could be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from lamina.bench.grammar import GROUPS, PAIRS, hidden
from lamina.bench.grammar.seq2seq import Seq2Seq, require_torch
from lamina.bench.ranking.embedders import MINILM, EmbedOnce, load
from lamina.bench.results import Result, Row
from lamina.errors import InputError
from lamina.models.protocols import Embedder

SEEDS: Final = 3
UNSEEN: Final = 2_000
TIMED: Final = 512  # sentences that are timed


class NearestAsItStands(hidden.Nearest):
    """The nearest known sentence, told by whole sentences with their data in them."""

    def fit(self, pairs: Sequence[hidden.Pair]) -> None:
        """Keep the pairs."""
        self._rows = self._embed([sentence for sentence, _ in pairs])
        self._templates = [hidden.template_of(pair) for pair in pairs]

    def normal(self, sentence: str) -> str:
        """The nearest one's normal form with this sentence's data."""
        assert self._rows is not None
        place = int(np.argmax(self._rows @ self._embed([sentence])[0]))
        return hidden.filled(self._templates[place], hidden.delexical(sentence)[1])


def run(
    *, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], pairs: Sequence[int] = PAIRS, seeds: int = SEEDS, unseen: int = UNSEEN,
    seconds: float = 300.0,
) -> Result:  # fmt: skip
    """Learn from each number of `pairs`, with `seeds` drawings of each; `unseen` sentences are tested, `seconds` is what a network may train for."""
    if seeds < 1 or unseen < 10 or seconds <= 0 or not pairs or min(pairs) < 1:
        raise InputError("seeds and pairs must be at least 1, unseen at least 10, and seconds above 0")
    require_torch().set_num_threads(1)
    embedder = EmbedOnce(load(MINILM))
    found: dict[tuple[int, str], list[dict[str, float]]] = {}
    for one in range(seed, seed + seeds):
        test = hidden.draw_pairs(unseen, Random(1_000 + one))
        for count in pairs:
            seen = hidden.draw_pairs(count, Random(one), avoid=frozenset(sentence for sentence, _ in test))
            for learner in learners(embedder, one, seconds):
                progress(f"normalising: {count} pairs, {learner.name}, seed {one}")
                found.setdefault((count, learner.name), []).append(learned(learner, seen, test))
                progress(f"normalising: {found[count, learner.name][-1]['exact']:.3f} exact")
    rows = [
        Row(f"{count} pairs: {name}", {key: float(np.mean([one[key] for one in runs])) for key in runs[0]})
        for (count, name), runs in sorted(found.items())
    ]
    progress("normalising: size and speed")
    rows += speed_rows(load(MINILM), max(pairs), seed, seconds)
    progress("normalising: five domains in turn")
    rows += sequence_rows(seed, seconds)
    config = {"seed": seed, "seeds": seeds, "unseen": unseen, "seconds": seconds}
    return Result("normalising", "drawn sentences of the small language", config, rows)


def learners(embedder: Embedder, seed: int, seconds: float) -> list[hidden.Learner]:
    """One of each, new."""
    return [
        hidden.Forest(),
        Seq2Seq(seed, seconds),
        Seq2Seq(seed, seconds, copied=False),
        hidden.Nearest("nearest by MiniLM", lambda texts: embedder.embed(list(texts))),
        NearestAsItStands("nearest by MiniLM, whole sentences", lambda texts: embedder.embed(list(texts))),
    ]


def learned(learner: hidden.Learner, seen: Sequence[hidden.Pair], test: Sequence[hidden.Pair]) -> dict[str, float]:
    """What a learner makes of unseen sentences after some pairs, and the processor time it learned for."""
    began = time.process_time()
    learner.fit(seen)
    spent = time.process_time() - began
    given = normals(learner, [sentence for sentence, _ in test])
    return {
        "exact": float(np.mean([said == known for said, (_, known) in zip(given, test, strict=True)])),
        "wrong": float(np.mean([said not in ("", known) for said, (_, known) in zip(given, test, strict=True)])),
        "fit_seconds": spent,
    }


def normals(learner: hidden.Learner, sentences: Sequence[str]) -> list[str]:
    """The normal forms that a learner gives, many at once where it can."""
    if isinstance(learner, Seq2Seq):
        return learner.normals(sentences)
    if isinstance(learner, hidden.Nearest):  # embeds each text once, many at a time
        learner._embed(
            [*sentences] if isinstance(learner, NearestAsItStands) else [hidden.delexical(one)[0] for one in sentences]
        )
    return [learner.normal(one) for one in sentences]


def speed_rows(encoder: Embedder, pairs: int, seed: int, seconds: float) -> list[Row]:
    """Bytes, and sentences a second of processor time on one thread."""
    sentences = [sentence for sentence, _ in hidden.draw_pairs(TIMED, Random(2_000 + seed))]
    seen = hidden.draw_pairs(pairs, Random(seed))
    forest, network = hidden.Forest(), Seq2Seq(seed, min(seconds, 10.0))
    forest.fit(seen)
    network.fit(seen)
    encoder.embed(sentences[:32])  # loads it
    domain = Path(hidden.__file__).parent / "script.toml"
    folder = Path(getattr(encoder, "_where", ""))
    weights = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    return [
        Row("size and speed: grammar", {"bytes": float(domain.stat().st_size), "per_second": _per_second(lambda: [forest.normal(one) for one in sentences])}),
        Row("size and speed: MiniLM, batches of 32", {"bytes": float(weights), "per_second": _per_second(lambda: encoder.embed(sentences))}),
        Row("size and speed: MiniLM, one at a time", {"bytes": float(weights), "per_second": _per_second(lambda: [encoder.embed([one]) for one in sentences])}),
        Row("size and speed: sequence to sequence, batches of 256", {"bytes": float(network.bytes), "per_second": _per_second(lambda: network.normals(sentences))}),
        Row("size and speed: sequence to sequence, one at a time", {"bytes": float(network.bytes), "per_second": _per_second(lambda: [network.normal(one) for one in sentences])}),
    ]  # fmt: skip


def _per_second(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return TIMED / (time.process_time() - began)


def sequence_rows(seed: int, seconds: float, pairs: int = 80, unseen: int = 400) -> list[Row]:
    """The first of five domains before and after the other four were learned, each from its own pairs alone."""
    test = hidden.draw_pairs(unseen, Random(seed), GROUPS[0])
    sentences = [sentence for sentence, _ in test]
    rows = []
    learner: hidden.Learner
    for learner in (hidden.Forest(), Seq2Seq(seed, seconds)):
        share: list[float] = []
        for number, group in enumerate(GROUPS):
            learner.fit(hidden.draw_pairs(20 if group == ("take_last",) else pairs, Random(10 * seed + number + 1), group))
            given = normals(learner, sentences)
            share.append(float(np.mean([said == known for said, (_, known) in zip(given, test, strict=True)])))
        rows.append(Row(f"five domains in turn: {learner.name}", {"first_before": share[0], "first_after": share[-1]}))
    return rows
