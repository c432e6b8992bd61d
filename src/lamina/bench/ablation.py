"""What each group of the ranker's features is worth: recall without it, with it shuffled, and with it alone.

On LoCoMo (or on the conversations of `corpora/`, where `data` names that folder), counted as `locomo` counts, but with every turn of a conversation scored instead of proposed candidates. The
features are computed once; every row below looks at some of their columns. Equal scores are ranked by chance.

Rows, with differences in recall@10 from the whole, in points, with 95 % intervals over questions:

- `lamina-cv`: all features of turns, each conversation ranked by weights fitted on the others; `lamina`: the shipped weights.
- `without GROUP`: the group taken away, and the weights fitted anew. What other features say as well is not missed.
- `shuffled GROUP`, the control: the group's columns change places among the turns of a question, and the weights are fitted anew.
  The number of columns and their values stay, what they say is gone: this should do what taking them away does.
- `only GROUP`: that group alone, fitted anew.
- `shipped without GROUP`, `shipped with GROUP shuffled`: the shipped weights as they are, with the group silent, or misleading.
- `with GROUP`: a group that turns are not ranked by, added and fitted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.scorers import recall_at_k
from lamina.bench.corpora import read_folder
from lamina.bench.locomo import CROSS_VALIDATED, collections_of, data_file
from lamina.bench.ranking.collections import Asked, Collection
from lamina.bench.ranking.fitting import FIXED, RIDGES, TURNS, fit
from lamina.bench.ranking.ours import Group, Lamina, Workbench
from lamina.bench.ranking.scoring import DEPTHS, RECALLS, difference, row
from lamina.bench.results import Result, Row, fingerprint
from lamina.bench.table import AGAINST
from lamina.errors import InputError
from lamina.index.flat import top
from lamina.recall.features import FEATURES, Feature
from lamina.recall.ranker import LinearRanker, shipped_regimes

JUDGED: Final = "recall@10"

Folds = Sequence[Sequence[Group]]
"""For each conversation, the features of all its turns and which of them answer, for each of its questions."""
Values = NDArray[np.float64]


def groups_of(features: Sequence[Feature]) -> dict[str, list[str]]:
    """The names of the features of each group, in the order of the features.

    >>> "dense" in groups_of(FEATURES)["meaning"]
    True
    """
    found: dict[str, list[str]] = {}
    for feature in features:
        found.setdefault(feature.group, []).append(feature.name)
    return found


def columns_of(names: Sequence[str]) -> list[int]:
    """Where some features stand in a matrix of all."""
    return [column for column, feature in enumerate(FEATURES) if feature.name in names]


def unordered(folds: Folds, seed: int) -> list[list[Group]]:
    """The candidates of each question in random order.

    A workbench gives them in the order of the shipped ranking, and equal scores are ranked in the order of the candidates: a
    feature that is nearly always 0 would look as good as everything the shipped weights know.
    """
    generator = np.random.default_rng(seed)
    found = []
    for fold in folds:
        orders = [generator.permutation(len(relevance)) for _, relevance in fold]
        found.append([(matrix[order], relevance[order]) for order, (matrix, relevance) in zip(orders, fold, strict=True)])
    return found


def shuffled(folds: Folds, names: Sequence[str], seed: int) -> list[list[Group]]:
    """All features, some of which are (together) dealt out anew among the candidates of each question."""
    columns = columns_of(names)
    generator = np.random.default_rng(seed)
    found = []
    for fold in folds:
        dealt = []
        for matrix, relevance in fold:
            mixed = matrix.copy()
            mixed[:, columns] = matrix[generator.permutation(len(matrix))][:, columns]
            dealt.append((mixed, relevance))
        found.append(dealt)
    return found


def judge(ranker: LinearRanker, fold: Sequence[Group], asked: Sequence[Asked]) -> list[list[float]]:
    """Recall at each depth of one conversation's questions, all its turns scored."""
    found = []
    for (matrix, relevance), question in zip(fold, asked, strict=True):
        ranked = top(ranker.score(matrix), DEPTHS[-1]).tolist()
        gold = np.flatnonzero(relevance).tolist()
        gold += [-1 - missing for missing in range(len(question.gold) - len(gold))]  # a turn that was not added is never found
        found.append([recall_at_k(ranked, gold, depth) for depth in DEPTHS])
    return found


def refitted(folds: Folds, collections: Sequence[Collection], names: Sequence[str]) -> Values:
    """Recalls (questions, depths) of every conversation under weights of these features that were fitted on the others."""
    found: list[list[float]] = []
    for place, collection in enumerate(collections):
        ranker = fit([*folds[:place], *folds[place + 1 :]], RIDGES[0], names)
        found += judge(ranker, folds[place], collection.questions)
    return np.array(found)


def as_shipped(folds: Folds, collections: Sequence[Collection], silent: Sequence[str] = ()) -> Values:
    """Recalls (questions, depths) under the shipped weights, without those of some features."""
    weights = {name: weight for name, weight in shipped_regimes().turns.weights.items() if name not in silent}
    ranker = LinearRanker(weights)
    return np.array(
        [recall for fold, one in zip(folds, collections, strict=True) for recall in judge(ranker, fold, one.questions)]
    )


def _conversations(data: Path | None) -> tuple[list[Collection], str]:
    """LoCoMo, or the conversations of the folder of the project's corpora; and what they are called."""
    if data is not None and (data / "conversations").is_dir():
        return read_folder(data / "conversations"), f"the conversations of {data.name}"
    file = data_file(data)
    return collections_of(file), fingerprint(file)


def run(*, data: Path | None, seed: int, peers: bool, progress: Callable[[str], None]) -> Result:
    """Compute the features of every turn for every question once, then judge each group of them."""
    collections, measured_on = _conversations(data)
    if len(collections) < 2:
        raise InputError(
            f"{measured_on} has {len(collections)} conversation: an ablation fits on all but one, so it needs two or more"
        )
    progress("ablation: computing the features")
    with Workbench(collections) as bench:
        folds = unordered([bench.groups(collection) for collection in collections], seed)
    table = Table(folds, collections, seed)
    groups, ranked_by = groups_of(FEATURES), groups_of([feature for feature in FEATURES if feature.name in TURNS])
    varied = [group for group, names in groups.items() if _varies(folds, names)]
    for group in varied:
        progress(f"ablation: {group}")
        if group in ranked_by:
            table.judge_part(group, ranked_by[group])
        else:
            table.judge_more(group, groups[group])
    config = {
        "k": list(DEPTHS), "seed": seed, "ridge": RIDGES[0], "fixed_weights": dict(FIXED),
        "shipped": shipped_regimes().turns.provenance, "groups": ranked_by,
        "groups_beside": {group: groups[group] for group in varied if group not in ranked_by},
        "groups_that_never_vary": [group for group in groups if group not in varied],
        "questions": sum(len(one.questions) for one in collections),
    }  # fmt: skip
    return Result("ablation", measured_on, config, table.rows)


class Table:
    """The rows of an ablation, each compared with the whole it is a part of."""

    def __init__(self, folds: Folds, collections: Sequence[Collection], seed: int) -> None:
        self._folds = folds
        self._collections = collections
        self._seed = seed
        self._whole = {CROSS_VALIDATED: refitted(folds, collections, TURNS), Lamina.name: as_shipped(folds, collections)}
        self.rows = [row(name, values, collections) for name, values in self._whole.items()]

    def judge_part(self, group: str, names: Sequence[str]) -> None:
        """The rows of a group that turns are ranked by."""
        folds, collections = self._folds, self._collections
        rest = [name for name in TURNS if name not in names]
        mixed = shuffled(folds, names, self._seed)
        self._row(f"without {group}", CROSS_VALIDATED, refitted(folds, collections, rest))
        self._row(f"shuffled {group}", CROSS_VALIDATED, refitted(mixed, collections, TURNS))
        self._row(f"only {group}", CROSS_VALIDATED, refitted(folds, collections, names))
        self._row(f"shipped without {group}", Lamina.name, as_shipped(folds, collections, names))
        self._row(f"shipped with {group} shuffled", Lamina.name, as_shipped(mixed, collections))

    def judge_more(self, group: str, names: Sequence[str]) -> None:
        """The rows of a group that turns are not ranked by."""
        self._row(f"with {group}", CROSS_VALIDATED, refitted(self._folds, self._collections, [*TURNS, *names]))
        self._row(f"only {group}", CROSS_VALIDATED, refitted(self._folds, self._collections, names))

    def _row(self, name: str, whole: str, values: Values) -> None:
        made = row(name, values, self._collections)
        judged = list(RECALLS).index(JUDGED)
        from_whole = difference(JUDGED, values[:, judged], self._whole[whole][:, judged], self._seed)
        self.rows.append(Row(name, made.metrics, {**made.by, f"{AGAINST}{whole}": from_whole}))


def _varies(folds: Folds, names: Sequence[str]) -> bool:
    """Whether some feature tells some candidates of a question apart."""
    columns = columns_of(names)
    return any(bool((np.ptp(matrix[:, columns], axis=0) > 0).any()) for fold in folds for matrix, _ in fold if len(matrix))
