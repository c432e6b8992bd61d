"""The one ranker: a linear score over the features, with weights that can be read, for two regimes; and its fitting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.newton import minimise
from lamina.errors import InputError
from lamina.index.flat import inner_products
from lamina.recall.features import FEATURES, Feature
from lamina.records import Reason


class Ranker(Protocol):
    """Scores candidates; the contributions of a row say why."""

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores, shape (candidates,), from features of shape (candidates, features)."""
        ...

    def reasons(self, row: NDArray[np.float32]) -> tuple[Reason, ...]:
        """The contributions of one candidate's features."""
        ...


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

    @cached_property
    def vector(self) -> NDArray[np.float32]:
        """The weights in the order of the features, shape (features,)."""
        return np.array([self.weights.get(feature.name, 0.0) for feature in self.features], np.float32)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of candidates, shape (candidates,), from features of shape (candidates, features)."""
        return inner_products(matrix, self.vector)

    def reasons(self, row: NDArray[np.float32]) -> tuple[Reason, ...]:
        """What each feature added to one candidate's score, the largest first; the parts sum to the score."""
        parts = [
            Reason(feature.name, value, part, feature.words)
            for feature, value, part in zip(self.features, row.tolist(), (row * self.vector).tolist(), strict=True)
            if part
        ]
        return tuple(sorted(parts, key=lambda part: -abs(part.contribution)))


@dataclass(frozen=True)
class Regimes:
    """One ranker for whatever is kept: what is said in turns is ranked otherwise than what stands by itself.

    Parameters: `turns`, for traces that somebody said or did, whose neighbours and sessions count; `documents`, for notes,
    passages and long documents.
    """

    turns: LinearRanker
    documents: LinearRanker

    def mixed(self, conversation: float) -> LinearRanker:
        """The ranker of a collection in which the share `conversation` of the traces are turns: weights in between.

        >>> shipped_regimes().mixed(0.0).weights == shipped_regimes().documents.weights
        True
        """
        if not 0 <= conversation <= 1:
            raise InputError(f"the share of turns lies between 0 and 1, not {conversation}")
        if conversation in (0, 1):
            return self.turns if conversation else self.documents
        names = dict.fromkeys((*self.turns.weights, *self.documents.weights))
        weights = {
            name: conversation * self.turns.weights.get(name, 0.0) + (1 - conversation) * self.documents.weights.get(name, 0.0)
            for name in names
        }
        return LinearRanker(weights, self.turns.provenance, self.turns.features)


@lru_cache(maxsize=1)
def shipped_regimes() -> Regimes:
    """The weights that come with the library.

    >>> shipped_regimes().turns.weights["soft"] > 0
    True
    """
    with resources.files("lamina.recall").joinpath("parameters.json").open(encoding="utf-8") as file:
        saved = json.load(file)
    turns, documents = (LinearRanker(saved["weights"][name], saved["provenance"]) for name in ("turns", "documents"))
    return Regimes(turns, documents)


def fit_listwise(
    groups: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    features: Sequence[Feature] = FEATURES,
    *,
    l2: float = 0.1,
    steps: int = 30,
    fixed: Mapping[str, float] | None = None,
    provenance: str = "",
) -> LinearRanker:
    """Fit weights so that the relevant candidates of each group get the largest share of a softmax over the group.

    `groups`: (matrix (candidates, features), relevance (candidates,)) of each query, with some relevance in each; `l2`:
    ridge on the standardised weights, above 0; `steps`: most Newton steps (the loss is convex, some ten are enough).
    `fixed` weights are set, not fitted.
    Source of the loss: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach (top-one form).
    """
    if l2 <= 0:
        raise InputError(f"l2 must be above 0, not {l2}: it also keeps equal features apart")
    loss = _ListwiseLoss(groups, np.array([feature.name not in (fixed or {}) for feature in features]), l2)
    weights = minimise(loss, len(features), steps=steps, tolerance=1e-10)
    fitted = {f.name: round(float(w), 5) for f, w in zip(features, weights / loss.spread * loss.live, strict=True)}
    return LinearRanker({**fitted, **(fixed or {})}, provenance, features)


class _ListwiseLoss:
    """The mean cross entropy of softmax shares over standardised features, with its first two derivatives."""

    def __init__(
        self, groups: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], free: NDArray[np.bool_], l2: float
    ) -> None:
        useful = [(matrix, relevance) for matrix, relevance in groups if relevance.sum() > 0]
        if not useful:
            raise InputError("there is nothing to fit: no query has a relevant candidate")
        matrix = np.concatenate([group[0] for group in useful]).T.astype(np.float64)  # (features, candidates of all groups)
        self._target = np.concatenate([group[1] / group[1].sum() for group in useful])
        ends = np.cumsum([len(group[0]) for group in useful])
        self._starts, self._sizes = np.concatenate([[0], ends[:-1]]), np.diff(np.concatenate([[0], ends]))
        spread = matrix.std(1)
        self.live = (spread > 1e-9) & free
        self.spread = np.where(spread > 1e-9, spread, 1.0)
        self._standard = (matrix - matrix.mean(1)[:, None]) / self.spread[:, None] * self.live[:, None]
        self._l2 = l2

    def _shares(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss, and each candidate's share of its group, shape (candidates,)."""
        scores = weights @ self._standard
        scores -= np.repeat(np.maximum.reduceat(scores, self._starts), self._sizes)
        share = np.exp(scores)
        total = np.add.reduceat(share, self._starts)
        loss = (np.log(total).sum() - self._target @ scores) / len(total) + self._l2 / 2 * weights @ weights
        return float(loss), share / np.repeat(total, self._sizes)

    def value(self, weights: NDArray[np.float64]) -> float:
        """The loss."""
        return self._shares(weights)[0]

    def derivatives(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Loss, gradient (features,) and Hessian (features, features)."""
        loss, share = self._shares(weights)
        weighted = self._standard * share
        means = np.add.reduceat(weighted, self._starts, axis=1)  # (features, groups)
        count = len(self._starts)
        gradient = self._standard @ (share - self._target) / count + self._l2 * weights
        curvature = (self._standard @ weighted.T - means @ means.T) / count + self._l2 * np.eye(len(weights))
        return loss, gradient, curvature
