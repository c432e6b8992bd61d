"""What feedback is worth: half of the questions are told of, the others show what was learned.

For each of the first questions, the hits among the best 20 that answer it are told to be good, and the best one that does not is
told to be bad. Then recall@k of the other questions is counted as `locomo` and `demo` count it. Controls: what is learned is in
force whether it helps with what was left out or not (unchecked); the same without a pull towards the shipped weights (no
prior); the same number of hits among the best 20 told to be good at random (shuffled). The shipped weights have seen neither
of the collections.
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
from lamina.bench.ranking.ours import asked_at, remember
from lamina.bench.ranking.scoring import DEPTHS, against
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.index.views import Views
from lamina.memory import Memory
from lamina.models.static import StaticEmbedder
from lamina.recall.learning import L2, Learner
from lamina.recall.recaller import Recaller
from lamina.records import Hit, Run
from lamina.scopes import make_scope

TOLD: Final = 20
"""How many hits are looked through."""
SPLITS: Final = 6
"""How often the questions are halved anew; a question counts once, with the mean over the splits in which it was left out."""
NO_PRIOR: Final = 1e-3
"""The ridge where there is no prior to speak of; at 0 equal features could not be told apart."""
SYSTEMS: Final = ("shipped", "learned", "unchecked", "no prior", "shuffled")


@dataclass(frozen=True)
class _Subject:
    """A collection in a memory of its own."""

    collection: Collection
    memory: Memory
    run: Run

    @property
    def scope(self) -> str:
        """Where its messages are."""
        return make_scope(user=self.collection.name)

    def hits(self, number: int) -> list[Hit]:
        """What a recall finds for a question."""
        return self.memory.search(self.collection.questions[number].text, k=TOLD, scope=self.scope)

    def tell(self, questions: Sequence[int], shuffle: np.random.Generator | None) -> None:
        """Tell of the hits of some questions; with `shuffle`, of as many taken at random."""
        for number in questions:
            asked, hits = self.collection.questions[number], self.hits(number)
            right = [hit.item.origin in asked.gold for hit in hits]
            if shuffle is not None:
                shuffle.shuffle(right)
            good = [hit for hit, answers in zip(hits, right, strict=True) if answers]
            bad = [hit for hit, answers in zip(hits, right, strict=True) if not answers][:1]
            for some, verdict in ((good, True), (bad, False)):
                if some:
                    self.memory.feedback(some, verdict)

    def learn(self, l2: float = L2, checked: bool = True) -> None:
        """Learn from what was told, with a pull of some strength."""
        embedder = StaticEmbedder()
        recaller = Recaller(self.memory.store, Views(self.memory.store), lambda: embedder, self.run)
        Learner(self.memory.store, recaller, self.run, l2=l2, checked=checked).learn(self.scope)

    def recalls(self, questions: Sequence[int]) -> NDArray[np.float64]:
        """Recall of some questions at every depth as recall ranks now, shape (questions, depths)."""
        rows = []
        for number in questions:
            gold = self.collection.questions[number].gold
            found = [hit.item.origin in gold for hit in self.hits(number)]
            rows.append([sum(found[:depth]) / len(gold) for depth in DEPTHS])
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
        sums["shipped"][left] += subject.recalls(left)
        subject.tell(told, None)
        for system, l2, checked in (("learned", L2, True), ("unchecked", L2, False), ("no prior", NO_PRIOR, False)):
            subject.learn(l2, checked)
            sums[system][left] += subject.recalls(left)
            subject.memory.unlearn(scope=subject.scope)
        subject.memory.unlearn(feedback=True, scope=subject.scope)
        subject.tell(told, generator)
        subject.learn()
        sums["shuffled"][left] += subject.recalls(left)
        subject.memory.unlearn(feedback=True, scope=subject.scope)
    seen = times > 0
    return {system: values[seen] / times[seen][:, None] for system, values in sums.items()}


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None], splits: int = SPLITS) -> Result:
    """Measure the packaged conversation, and LoCoMo where its data is there; `splits`: how often questions are halved anew."""
    progress("feedback: demo")
    values = {"demo": _measured([collection()], seed, splits)}
    file = find_data(data, "locomo", "locomo*.json")
    if file is not None:
        progress("feedback: locomo")
        values["locomo"] = _measured(collections_of(file), seed, splits)
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
        "questions": {name: len(found["shipped"]) for name, found in values.items()},
    }  # fmt: skip
    return Result("feedback", "the packaged conversation" + (f", {fingerprint(file)}" if file else ""), config, rows)


def _means(values: NDArray[np.float64]) -> dict[str, float]:
    return {f"recall@{depth}": float(values[:, place].mean()) for place, depth in enumerate(DEPTHS)}


def _measured(collections: Sequence[Collection], seed: int, splits: int) -> dict[str, NDArray[np.float64]]:
    """The recalls of all questions, each collection measured in a memory of its own."""
    found = []
    for one in collections:
        now = asked_at([one])
        run = Run(clock=lambda now=now: now)  # type: ignore[misc]
        with Memory(":memory:", embedder="wordllama", run=run) as memory:
            remember(memory, [one])
            found.append(measure(_Subject(one, memory, run), seed, splits))
    return {system: np.concatenate([part[system] for part in found]) for system in SYSTEMS}
