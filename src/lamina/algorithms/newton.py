"""Newton's method with a backtracking line search, for smooth convex losses of a few dozen weights."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 1e-6  # of a step, below which the search along it is given up
SUFFICIENT = 1e-4  # share of the gain that the slope promises which a step must bring (Armijo's condition)


class Loss(Protocol):
    """A convex loss with two derivatives."""

    def value(self, weights: NDArray[np.float64]) -> float:
        """The loss at some weights, shape (weights,)."""
        ...

    def derivatives(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """The loss, its gradient (weights,) and its Hessian (weights, weights)."""
        ...


def minimise(loss: Loss, width: int, *, steps: int, tolerance: float) -> NDArray[np.float64]:
    """The `width` weights at which a loss is least, from zeros, after at most so many steps.

    It ends where a step promises less than `tolerance`, or brings nothing.
    Source: J. Nocedal and S. Wright 2006, Numerical Optimization, chapter 3.

    >>> class Bowl:
    ...     def value(self, weights): return float(((weights - 3) ** 2).sum())
    ...     def derivatives(self, weights): return self.value(weights), 2 * (weights - 3), 2 * np.eye(len(weights))
    >>> minimise(Bowl(), 2, steps=5, tolerance=1e-9).tolist()
    [3.0, 3.0]
    """
    weights = np.zeros(width)
    for _ in range(steps):
        value, gradient, curvature = loss.derivatives(weights)
        step = np.linalg.solve(curvature, gradient)
        gain = float(gradient @ step)
        share = 1.0
        while share > LEAST_SHARE and loss.value(weights - share * step) > value - SUFFICIENT * share * gain:
            share /= 2
        if gain < tolerance * max(abs(value), 1.0) or share <= LEAST_SHARE:
            break
        weights = weights - share * step
    return weights
