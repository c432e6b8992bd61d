"""Listwise fitting around a prior: how far to move the weights of a linear ranking, and no farther than the data carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.newton import minimise
from lamina.errors import InputError

STEPS: Final = 50  # Newton steps at most; the loss is convex, some ten are enough
LEAST_SPREAD: Final = 0.2
"""What a feature's spread is taken to be at least: one that hardly varied among a few lists must not swing out for it elsewhere.
Features are shares or standard deviations, so most have a larger one where lists are many."""
_FLAT: Final = 1e-9  # spread below which a feature says nothing


@dataclass(frozen=True, eq=False)
class RankedList:
    """The candidates of one query: `features` (candidates, features), `scores` under the prior (candidates,), and `target`
    (candidates,), the share of the attention each should get; targets are not negative and sum to 1."""

    features: NDArray[np.float32]
    scores: NDArray[np.float32]
    target: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.features)
        if self.features.ndim != 2 or self.scores.shape != (count,) or self.target.shape != (count,):
            raise InputError(
                f"a list has features (candidates, features), scores and targets (candidates,), not {self.features.shape}, "
                f"{self.scores.shape} and {self.target.shape}"
            )
        if not all(np.isfinite(part).all() for part in (self.features, self.scores, self.target)):
            raise InputError("a list to fit on has NaN or infinity in it")
        if (self.target < 0).any() or abs(float(self.target.sum(dtype=np.float64)) - 1) > 1e-3:
            raise InputError(f"targets are shares: not negative, with a sum of 1, not {float(self.target.sum()):.3g}")


def fit_shift(lists: Sequence[RankedList], l2: float, *, steps: int = STEPS) -> NDArray[np.float64]:
    """How far each feature's weight should move from the prior, shape (features,).

    Minimises Σ over lists of the cross entropy between the targets and a softmax of scores + features · shift, plus
    l2/2 · |shift · spread|², with the spread (standard deviation) of each feature over all lists, at least `LEAST_SPREAD`. The
    first term is a sum and not a mean, so that little data moves little; `l2` is about how many lists the prior is worth. A
    feature that never varies is not moved.

    Source of the loss: Cao et al. 2007, Learning to Rank: From Pairwise Approach to Listwise Approach (top-one form).

    >>> sure = RankedList(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), np.array([1, 0], np.float32))
    >>> one, many = fit_shift([sure], l2=1.0), fit_shift([sure] * 50, l2=1.0)
    >>> bool(0 < one[0] < many[0])
    True
    """
    if not lists:
        raise InputError("there is nothing to fit on: no list was given")
    if not (np.isfinite(l2) and l2 > 0):
        raise InputError(f"l2 must be a number above 0, not {l2}: it also keeps equal features apart")
    loss = _Loss(lists, l2)
    shift = minimise(loss, loss.width, steps=steps, tolerance=1e-9)
    return shift * loss.scale


def mean_loss(lists: Sequence[RankedList], shift: NDArray[np.float64]) -> float:
    """The mean cross entropy of some lists under shifted weights (0 shift: under the prior).

    >>> even = RankedList(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), np.array([1, 0], np.float32))
    >>> round(mean_loss([even], np.zeros(2)), 4)  # the logarithm of 2: both are equally likely
    0.6931
    """
    total = 0.0
    for one in lists:
        scores = one.scores.astype(np.float64) + one.features.astype(np.float64) @ shift
        top = scores.max()
        total += top + float(np.log(np.exp(scores - top).sum())) - float(one.target @ scores)
    return float(total / max(len(lists), 1))


class _Loss:
    """The loss over standardised shifts, with its first two derivatives."""

    def __init__(self, lists: Sequence[RankedList], l2: float) -> None:
        matrix = np.concatenate([one.features for one in lists]).astype(np.float64)  # (all candidates, features)
        self._prior = np.concatenate([one.scores for one in lists]).astype(np.float64)
        self._target = np.concatenate([one.target for one in lists]).astype(np.float64)
        self._sizes = np.array([len(one.scores) for one in lists])
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        spread = matrix.std(0)
        self.scale = np.where(spread > _FLAT, 1 / np.maximum(spread, LEAST_SPREAD), 0.0)
        self._standard = (matrix - matrix.mean(0)) * self.scale
        self._l2 = l2

    @property
    def width(self) -> int:
        """How many features there are."""
        return len(self.scale)

    def _shares(self, shift: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """The loss, and each candidate's share of its list, shape (candidates,)."""
        scores = self._prior + self._standard @ shift
        scores -= np.repeat(np.maximum.reduceat(scores, self._starts), self._sizes)
        share = np.exp(scores)
        total = np.add.reduceat(share, self._starts)
        loss = np.log(total).sum() - self._target @ scores + self._l2 / 2 * shift @ shift
        return float(loss), share / np.repeat(total, self._sizes)

    def value(self, shift: NDArray[np.float64]) -> float:
        """The loss."""
        return self._shares(shift)[0]

    def derivatives(self, shift: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Loss, gradient (features,) and Hessian (features, features)."""
        loss, share = self._shares(shift)
        weighted = self._standard * share[:, None]
        means = np.add.reduceat(weighted, self._starts, axis=0)  # (lists, features)
        gradient = self._standard.T @ (share - self._target) + self._l2 * shift
        curvature = self._standard.T @ weighted - means.T @ means + self._l2 * np.eye(self.width)
        return loss, gradient, curvature
