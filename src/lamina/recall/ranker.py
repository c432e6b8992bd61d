"""The one ranker: a linear score over the features, with weights that can be read, and its fitting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.recall.features import FEATURES, Feature
from lamina.records import Reason


class Ranker(Protocol):
    """Scores candidates; the contributions of a row say why."""

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]: ...
    def reasons(self, row: NDArray[np.float32]) -> tuple[Reason, ...]: ...


@dataclass(frozen=True)
class LinearRanker:
    """score = features · weights.

    Parameters: `weights` by feature name (a feature without one weighs nothing); `provenance`, what they were fitted on.
    """

    weights: Mapping[str, float]
    provenance: str = ""
    features: Sequence[Feature] = field(default=FEATURES, repr=False)

    def __post_init__(self) -> None:
        unknown = set(self.weights) - {feature.name for feature in self.features}
        if unknown:
            raise InputError(f"the ranker has weights for unknown features: {', '.join(sorted(unknown))}")

    @property
    def vector(self) -> NDArray[np.float32]:
        """The weights in the order of the features, shape (features,)."""
        return np.array([self.weights.get(feature.name, 0.0) for feature in self.features], np.float32)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of candidates, shape (candidates,), from features of shape (candidates, features)."""
        return np.asarray(matrix @ self.vector, np.float32)

    def reasons(self, row: NDArray[np.float32]) -> tuple[Reason, ...]:
        """What each feature added to one candidate's score, the largest first; the parts sum to the score."""
        parts = [
            Reason(feature.name, float(value), float(value * weight), feature.words)
            for feature, value, weight in zip(self.features, row, self.vector, strict=True)
            if value * weight != 0
        ]
        return tuple(sorted(parts, key=lambda part: -abs(part.contribution)))


@lru_cache(maxsize=1)
def shipped_ranker() -> LinearRanker:
    """The ranker that comes with the library.

    >>> shipped_ranker().weights["bm25"] > 0
    True
    """
    with resources.files("lamina.recall").joinpath("parameters.json").open(encoding="utf-8") as file:
        saved = json.load(file)
    return LinearRanker(saved["weights"], saved["provenance"])


def fit_listwise(
    groups: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    features: Sequence[Feature] = FEATURES,
    *,
    l2: float = 1e-3,
    steps: int = 300,
    rate: float = 0.05,
    fixed: Mapping[str, float] | None = None,
    provenance: str = "",
) -> LinearRanker:
    """Fit weights so that the relevant candidates of each group get the largest share of a softmax over the group.

    `groups`: (matrix (candidates, features), relevance (candidates,)) of each query, with some relevance in each; `l2`:
    ridge on the standardised weights; `steps`, `rate`: of full-batch Adam. `fixed` weights are set, not fitted.
    Source of the loss: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach (top-one form).
    """
    useful = [(matrix, relevance) for matrix, relevance in groups if relevance.sum() > 0]
    if not useful:
        raise InputError("there is nothing to fit: no query has a relevant candidate")
    matrix = np.concatenate([group[0] for group in useful]).astype(np.float64)
    target = np.concatenate([group[1] / group[1].sum() for group in useful])
    ends = np.cumsum([len(group[0]) for group in useful])
    starts, sizes = np.concatenate([[0], ends[:-1]]), np.diff(np.concatenate([[0], ends]))
    mean, spread = matrix.mean(0), matrix.std(0)
    live = (spread > 1e-9) & np.array([feature.name not in (fixed or {}) for feature in features])
    spread = np.where(spread > 1e-9, spread, 1.0)
    standard = (matrix - mean) / spread * live
    weights, first, second = (np.zeros(matrix.shape[1]) for _ in range(3))
    for step in range(1, steps + 1):
        scores = standard @ weights
        scores = np.exp(scores - np.repeat(np.maximum.reduceat(scores, starts), sizes))
        share = scores / np.repeat(np.add.reduceat(scores, starts), sizes)
        gradient = standard.T @ (share - target) / len(useful) + l2 * weights
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        weights = weights - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    fitted = {f.name: round(float(w), 5) for f, w in zip(features, weights / spread * live, strict=True)}
    return LinearRanker({**fitted, **(fixed or {})}, provenance, features)
