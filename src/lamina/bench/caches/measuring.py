"""Contexts read once by a policy, and every question about them asked of a copy of what is left."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from lamina.algorithms.scorers import paired_bootstrap, share_interval
from lamina.bench.caches.asking import ask, right
from lamina.bench.caches.needles import Context, made
from lamina.bench.prose import Prose
from lamina.models.local import LocalModel

if TYPE_CHECKING:
    from lamina.kv import CachePolicy
    from lamina.models.local.loading import Precision
    from lamina.models.local.runner import Runner

FEW: Final = 5  # contexts: resampling fewer says little
Record = Mapping[str, Any]
"""What one policy did with one context: bytes, seconds, and a list of `answers`."""


@dataclass(frozen=True)
class Material:
    """Contexts by number, the same ones for every policy.

    Parameters: `runner`, whose tokens they are made of; `texts`, files of prose (none: made-up prose); `seed`.
    """

    runner: Runner
    texts: tuple[Path, ...]
    seed: int

    def context(self, length: int, needles: int, number: int) -> Context:
        """One of them."""
        return _context(self, length, needles, number)

    def prose(self, name: str) -> Prose:
        """Prose from a place that the name decides."""
        return Prose(seed=random.Random(f"{name} {self.seed}").randrange(1 << 30), texts=self.texts)

    @cached_property
    def checksum(self) -> list[str]:
        """What the texts are, to tell results apart."""
        return [f"{path.name} {path.stat().st_size}" for path in self.texts]


@lru_cache(maxsize=64)
def _context(material: Material, length: int, needles: int, number: int) -> Context:
    name = f"{length} {needles} {number}"
    return made(material.runner, material.prose(name), random.Random(f"{name} {material.seed}"), length, needles)


def loaded(source: str | None, precision: Precision) -> tuple[LocalModel, Any]:
    """A local model with one thread, and what a `Session` reads with (a model of transformers, so of any type)."""
    model = LocalModel.load(source, precision=precision, threads=1)
    return model, cast("Any", model.runner).model


def record(
    model: Any, policy: CachePolicy, context: Context, decode: Callable[[Sequence[int]], str], turns: bool = False
) -> dict[str, Any]:
    """Read a context with a policy, and ask its questions, each of a copy; with `turns` one after the other, with the true answers of
    those before. Seconds are the processor's.
    """
    from lamina.kv.session import Session

    session = Session(model, policy)
    start = time.process_time()
    session.encode(context.ids)
    if type(policy).__name__ == "Rehearsed":
        from lamina.kv.policies.rehearsed import rehearse

        rehearse(session, context.ids[context.head :], context.again, start=0)
    middle = time.process_time()
    held = session.nbytes()
    answers = []
    for one in context.questions:
        answer = ask(session, one, decode)
        if turns:
            session.encode([*one.asked, *one.lead, *one.options[0], *context.between])
        told = {"depth": one.depth, "start": one.start, "stop": one.stop, "answer": one.answer, "said": answer.said}
        answers.append({**told, "nats": list(answer.nats), "tokens": len(one.options[0]), "attended": answer.attended})
    spent = (time.process_time() - middle) / max(len(context.questions), 1)
    return {
        **held,
        "encode_seconds": middle - start,
        "question_seconds": spent,
        "length": len(context.ids),
        "turns": turns,
        "answers": answers,
    }


# ------------------------------------------------------------------------------------------------------------- figures
def scores(answers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Of some questions: how often the true answer was the likeliest, and how often it was said, with intervals; nats of it a token."""
    likely = [float(one["nats"][0] > max(one["nats"][1:])) for one in answers]
    said = [float(right(one["said"], one["answer"])) for one in answers]
    found: dict[str, float] = {}
    for name, values in (("likeliest", likely), ("said", said)):
        share = share_interval(sum(values), len(values))
        found |= {name: share.estimate, f"{name}_low": share.low, f"{name}_high": share.high}
    return {
        **found,
        "answer_nats": float(np.mean([one["nats"][0] / one["tokens"] for one in answers])),
        "questions": len(answers),
    }


def outside(answer: Mapping[str, Any], length: int, window: int) -> bool:
    """Whether a part of the needle is not among the newest `window` tokens of a context."""
    return length - int(answer["start"]) > window


def by_place(records: Sequence[Record], window: int) -> dict[str, dict[str, float]]:
    """The same scores of needles outside and inside the window, and at each depth."""
    places: dict[str, list[Mapping[str, Any]]] = {}
    for one in records:
        for turn, answer in enumerate(one["answers"]):
            if one.get("turns"):
                places.setdefault(f"turn {turn + 1}", []).append(answer)
            where = "outside the window" if outside(answer, one["length"], window) else "inside the window"
            places.setdefault(where, []).append(answer)
            places.setdefault(f"depth {answer['depth']:.2f}", []).append(answer)
    return {name: scores(places[name]) for name in sorted(places, key=lambda name: (name.startswith(("depth", "turn")), name))}


def costs(records: Sequence[Record]) -> dict[str, float]:
    """What a policy attended to and held, and the processor's seconds, on average."""
    mean = {
        name: float(np.mean([one[name] for one in records]))
        for name in ("stored", "resident", "encode_seconds", "question_seconds")
    }
    attended = float(np.mean([answer["attended"] for one in records for answer in one["answers"]]))
    return {
        "attended_tokens": attended, "stored_bytes": mean["stored"], "resident_bytes": mean["resident"],
        "encode_processor_seconds": mean["encode_seconds"], "question_processor_seconds": mean["question_seconds"],
    }  # fmt: skip


def against(
    records: Sequence[Record], others: Sequence[Record], seed: int, keep: Callable[[Mapping[str, Any], int], bool] | None = None
) -> dict[str, float]:
    """Differences in points over the same questions, with intervals.

    Contexts are resampled, since questions of one context are not independent; where there are fewer than `FEW` contexts that says
    nothing, and questions are resampled, so the interval is rather too narrow. `keep`, given an answer and the context's length, picks questions.
    Empty where fewer than two are left.
    """
    found: dict[str, float] = {}
    for name in ("likeliest", "said"):
        first, second = _pairs(records, others, keep, partial(_score, name))
        if len(first) > 1:
            difference = paired_bootstrap(first, second, seed=seed)
            ends = {"": difference.estimate, "_low": difference.low, "_high": difference.high}
            found |= {f"{name}{end}_points": 100 * value for end, value in ends.items()}
    return found


def _score(name: str, answer: Mapping[str, Any]) -> float:
    return scores([answer])[name]


def nats_against(records: Sequence[Record], others: Sequence[Record], seed: int) -> dict[str, float]:
    """The difference of the true answer's log-likelihood a token, as in `against`."""
    first, second = _pairs(records, others, None, lambda answer: float(answer["nats"][0]) / int(answer["tokens"]))
    if len(first) < 2:
        return {}
    difference = paired_bootstrap(first, second, seed=seed)
    return {"nats": difference.estimate, "low_nats": difference.low, "high_nats": difference.high}


def _pairs(
    records: Sequence[Record],
    others: Sequence[Record],
    keep: Callable[[Mapping[str, Any], int], bool] | None,
    value: Callable[[Mapping[str, Any]], float],
) -> tuple[list[float], list[float]]:
    """Values of two systems, by context, or by question where there are few contexts."""
    found: list[list[tuple[float, float]]] = []
    for one, other in zip(records, others, strict=True):
        pairs = zip(one["answers"], other["answers"], strict=True)
        found.append([(value(a), value(b)) for a, b in pairs if keep is None or keep(a, one["length"])])
    kept = [pairs for pairs in found if pairs]
    if len(kept) < FEW:
        every = [pair for pairs in kept for pair in pairs]
        return [a for a, _ in every], [b for _, b in every]
    return [float(np.mean([a for a, _ in pairs])) for pairs in kept], [float(np.mean([b for _, b in pairs])) for pairs in kept]
