"""Reranking: a slower judge looks at the best hits once more. What it says joins the score as one more reason."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import Cancelled, ConfigError, InputError, MissingExtraError
from lamina.models.protocols import Reranker, check_scores
from lamina.records import Hit, Reason
from lamina.text import index_text

log = logging.getLogger("lamina.recall")

FIRST: Final = 50
"""How many hits are judged again unless a number is given."""
RERANKER: Final = "reranker"
"""The feature under which a hit's reasons show it."""
WORDS: Final = "the reranker judged it against the others"


@dataclass(frozen=True)
class Reranking:
    """Judges the first hits again.

    Parameters: `reranker`; `first`, how many. Their scores by the reranker, in standard deviations above their mean, times the
    reranker's weight, are added to what the ranker gave them; what comes after them keeps its score. Nothing is replaced: a
    hit that all features speak for is not lost to one judge.
    """

    reranker: Reranker
    first: int = FIRST

    def __post_init__(self) -> None:
        if not math.isfinite(self.reranker.weight):
            raise InputError(f"the weight of a reranker must be a finite number, not {self.reranker.weight}")

    def apply(self, cue: str, hits: Sequence[Hit]) -> tuple[list[Hit], bool]:
        """The hits in their new order, best first, and whether they were judged: a reranker that fails changes nothing."""
        judged, rest = hits[: self.first], list(hits[self.first :])
        if not judged:
            return rest, True
        texts = [index_text(hit.text, hit.speaker, hit.item.captions) for hit in judged]
        try:
            scores = check_scores(self.reranker.rerank(cue, texts), len(texts), self.reranker.name)
        except Cancelled:
            raise
        except Exception as error:
            told = error if isinstance(error, (ConfigError, MissingExtraError)) else type(error).__name__
            log.warning("the reranker failed, the hits keep the order of the ranker: %s", told)
            log.debug("how the reranker failed", exc_info=error)  # apart, since other errors may quote memories
            return list(hits), False
        raised = [self._raise(hit, value) for hit, value in zip(judged, _standardised(scores), strict=True)]
        return sorted([*raised, *rest], key=lambda hit: -hit.score), True

    def _raise(self, hit: Hit, value: float) -> Hit:
        part = Reason(RERANKER, value, self.reranker.weight * value, WORDS)
        return replace(hit, score=hit.score + part.contribution, reasons=(*hit.reasons, part))


def _standardised(scores: NDArray[np.float32]) -> list[float]:
    """Standard deviations above the mean; 0 where all are equal."""
    exact = scores.astype(np.float64)
    spread = float(exact.std())
    values: list[float] = ((exact - exact.mean()) / spread).tolist() if spread > 1e-9 else [0.0] * len(exact)
    return values


def reranking(reranker: Reranker | None, first: int | None) -> Reranking | None:
    """How a search reranks: with the memory's reranker, where it has one, and `first` hits, where that is said (0: not at all).

    Raises `InputError` for hits to rerank without a reranker, and for a number below 0.
    """
    if first is not None and (isinstance(first, bool) or not isinstance(first, int) or first < 0):
        raise InputError(f"rerank must be a whole number of at least 0, not {first!r}")
    if reranker is None:
        if first:
            raise InputError(f"there is no reranker to judge {first} hits: open the memory with Memory(…, reranker=…)")
        return None
    return None if first == 0 else Reranking(reranker, FIRST if first is None else first)
