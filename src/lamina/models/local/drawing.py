"""Which token comes next: the likeliest one, or one drawn from the likely ones.

Source of `top_p`: A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi 2020, The Curious Case of Neural Text Degeneration (nucleus sampling).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError


@dataclass(frozen=True, slots=True)
class Drawing:
    """How tokens are chosen: at `temperature` 0 the likeliest; above it, drawn by the softmax of logits / temperature among the
    fewest tokens whose probabilities come to `top_p` (1: all of them), with `seed`. Raises `InputError` for values out of range.

    >>> import numpy as np
    >>> logits = np.log(np.array([0.1, 0.2, 0.7], np.float32))
    >>> Drawing().chooser()(logits)
    2
    >>> nucleus = Drawing(temperature=1.0, top_p=0.9, seed=3).chooser()
    >>> sorted({nucleus(logits) for _ in range(200)})
    [1, 2]
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not math.isfinite(self.temperature) or self.temperature < 0:
            raise InputError(f"temperature must be a number of at least 0, not {self.temperature!r}")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be a number above 0 and at most 1, not {self.top_p!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"seed must be a whole number of at least 0, not {self.seed!r}")

    def chooser(self) -> Chooser:
        """What chooses the tokens of one answer, one after another."""
        return Chooser(self)


class Chooser:
    """Chooses tokens from logits, float32 (vocabulary,); what is forbidden has -inf."""

    def __init__(self, how: Drawing) -> None:
        self._how, self._draw = how, np.random.default_rng(how.seed)

    def __call__(self, logits: NDArray[np.float32]) -> int:
        """The next token."""
        if self._how.temperature == 0:
            return int(logits.argmax())
        scaled = (logits - logits.max()).astype(np.float64) / self._how.temperature
        if self._how.top_p < 1:
            scaled = np.where(nucleus(scaled, self._how.top_p), scaled, -np.inf)
        return int((scaled + self._draw.gumbel(size=scaled.shape)).argmax())  # the largest with Gumbel noise is a draw


def nucleus(scaled: NDArray[np.float64], top_p: float) -> NDArray[np.bool_]:
    """Which tokens belong to the fewest whose probabilities come to `top_p`: bool, as `scaled` (log weights).

    >>> nucleus(np.log([0.5, 0.3, 0.2]), 0.6).tolist()
    [True, True, False]
    """
    weights = np.exp(scaled - scaled.max())
    order = np.argsort(-weights, kind="stable")
    before = np.cumsum(weights[order]) - weights[order]
    kept: NDArray[np.bool_] = np.zeros(len(weights), bool)
    kept[order] = before < top_p * weights.sum()
    return kept
