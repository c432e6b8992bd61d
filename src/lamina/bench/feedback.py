"""What feedback is worth: half of the questions are told of, the others show what was learned.

For each of the first questions, the hits among the best 20 that answer it are told to be good, and the best one that does not is
told to be bad. Then recall@k of the other questions is counted as `locomo` and `demo` count it. Controls: the same number of
hits among the best 20 told to be good at random (shuffled), and no pull towards the shipped weights (no prior). On LoCoMo the
weights that learning starts from are refitted without the conversation at hand, since the shipped ones have seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.demo import collection
from lamina.bench.locomo import collections_of
from lamina.bench.ranking.collections import Collection
from lamina.bench.ranking.fitting import RIDGES, fit
from lamina.bench.ranking.ours import Workbench, asked_at, remember
from lamina.bench.ranking.scoring import DEPTHS, against
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.models.static import StaticEmbedder
from lamina.recall.learned import LearnedRanker
from lamina.recall.learning import L2, Learner
from lamina.recall.ranker import Ranker, shipped_ranker
from lamina.recall.recaller import Recaller
from lamina.records import Filter, Hit, Run, make_scope

TOLD: Final = 20
"""How many hits are looked through."""
SPLITS: Final = 6
"""How often the questions are halved anew; a question counts once, with the mean over the splits in which it was left out."""
NO_PRIOR: Final = 1e-3
"""The ridge where there is no prior to speak of; at 0 equal features could not be told apart."""
SYSTEMS: Final = ("shipped", "learned", "shuffled", "no prior")


@dataclass(frozen=True)
class _Subject:
    """A collection in a memory of its own, and the ranker that learning starts from."""

    collection: Collection
    memory: Memory
    prior: Ranker
    run: Run

    @property
    def scope(self) -> str:
        """Where its messages are."""
        return make_scope(user=self.collection.name)

    def recaller(self, ranker: Ranker) -> Recaller:
        """A recaller with a given ranker."""
        embedder = StaticEmbedder()
        return Recaller(self.memory.store, Views(self.memory.store, 1 << 28, "exact"), lambda: embedder, self.run, ranker)

    def tell(self, questions: Sequence[int], shuffle: np.random.Generator | None) -> None:
        """Tell of the hits of some questions; with `shuffle`, of as many taken at random."""
        recaller = self.recaller(self.prior)
        for number in questions:
            asked = self.collection.questions[number]
            hits = recaller.search(asked.text, Filter(scope=self.scope), TOLD)
            right = [hit.item.origin in asked.gold for hit in hits]
            if shuffle is not None:
                shuffle.shuffle(right)
            good = [hit for hit, answers in zip(hits, right, strict=True) if answers]
            bad = [hit for hit, answers in zip(hits, right, strict=True) if not answers][:1]
            for some, verdict in ((good, True), (bad, False)):
                if some:
                    self.memory.feedback(some, verdict)

    def learn(self, l2: float) -> Ranker:
        """The ranker that what was told makes."""
        learned = Learner(self.memory.store, self.recaller(self.prior), self.run, l2=l2).learn(self.scope)
        return LearnedRanker(self.prior, learned.shift)

    def recalls(self, ranker: Ranker, questions: Sequence[int]) -> NDArray[np.float64]:
        """Recall of some questions at every depth, shape (questions, depths)."""
        recaller = self.recaller(ranker)
        rows = []
        for number in questions:
            asked = self.collection.questions[number]
            hits: list[Hit] = recaller.search(asked.text, Filter(scope=self.scope), DEPTHS[-1])
            found = [hit.item.origin in asked.gold for hit in hits]
            rows.append([sum(found[:depth]) / len(asked.gold) for depth in DEPTHS])
        return np.array(rows, np.float64).reshape(-1, len(DEPTHS))


def measure(subject: _Subject, seed: int, splits: int = SPLITS) -> dict[str, NDArray[np.float64]]:
    """For each system the recall of each question while it was left out, shape (questions, depths)."""
    count = len(subject.collection.questions)
    sums = {system: np.zeros((count, len(DEPTHS))) for system in SYSTEMS}
    times = np.zeros(count)
    for split in range(splits):
        generator = np.random.default_rng([seed, split])
        order = generator.permutation(count).tolist()
        told, left = order[: count // 2], sorted(order[count // 2 :])
        times[left] += 1
        subject.tell(told, None)
        rankers = {"shipped": subject.prior, "learned": subject.learn(L2), "no prior": subject.learn(NO_PRIOR)}
        subject.memory.unlearn(feedback=True, scope=subject.scope)
        subject.tell(told, generator)
        rankers["shuffled"] = subject.learn(L2)
        subject.memory.unlearn(feedback=True, scope=subject.scope)
        for system, ranker in rankers.items():
            sums[system][left] += subject.recalls(ranker, left)
    seen = times > 0
    return {system: values[seen] / times[seen][:, None] for system, values in sums.items()}


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], splits: int = SPLITS) -> Result:
    """Measure the packaged conversation, and LoCoMo where its data is there; `splits`: how often questions are halved anew."""
    values: dict[str, dict[str, NDArray[np.float64]]] = {"demo": _demo(seed, splits, progress)}
    file = find_data(data, "locomo", "locomo*.json")
    if file is not None:
        values["locomo"] = _locomo(collections_of(file), seed, splits, progress)
    rows = []
    for system in SYSTEMS:
        slices = {name: _means(found[system]) for name, found in values.items()}
        if system != "shipped":
            for name, found in values.items():
                slices |= {
                    f"{part} ({name})": points
                    for part, points in against(found[system], {"shipped": found["shipped"]}, seed).items()
                }
        rows.append(Row(system, _means(np.concatenate([found[system] for found in values.values()])), slices))
    config = {
        "k": list(DEPTHS), "seed": seed, "splits": splits, "l2": L2, "l2_without_prior": NO_PRIOR, "told_among": TOLD,
        "questions": {name: len(found["shipped"]) for name, found in values.items()}, "ridge_of_priors": RIDGES[0],
    }  # fmt: skip
    return Result("feedback", "the packaged conversation" + (f", {fingerprint(file)}" if file else ""), config, rows)


def _means(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"recall@{depth}": float(values[:, place].mean()) for place, depth in enumerate(DEPTHS)}


def _demo(seed: int, splits: int, progress: Callable[[str], None]) -> dict[str, NDArray[np.float64]]:
    progress("feedback: demo")
    return _measure(collection(), shipped_ranker(), seed, splits)


def _locomo(
    collections: Sequence[Collection], seed: int, splits: int, progress: Callable[[str], None]
) -> dict[str, NDArray[np.float64]]:
    with Workbench(collections) as bench:
        folds = [bench.groups(one) for one in collections]
    found: list[dict[str, NDArray[np.float64]]] = []
    for place, one in enumerate(collections):
        progress(f"feedback: {one.name}")
        prior = fit([*folds[:place], *folds[place + 1 :]], RIDGES[0])
        found.append(_measure(one, prior, seed, splits))
    return {system: np.concatenate([part[system] for part in found]) for system in SYSTEMS}


def _measure(one: Collection, prior: Ranker, seed: int, splits: int) -> dict[str, NDArray[np.float64]]:
    now = asked_at([one])
    run = Run(clock=lambda: now)
    with Memory(":memory:", embedder="wordllama", run=run) as memory:
        remember(memory, [one])
        return measure(_Subject(one, memory, prior, run), seed, splits)
