"""A portrait under a budget: lines that between them stand for all the others, so that a short description leaves no side of a person out.

Sources: J. Wei et al. 2025, AI-native Memory 2.0: Second Me (L1 covers the topics of a life, where retrieval finds single facts). The choice is the greedy one for facility location
(G. Cornuéjols, M. Fisher, G. Nemhauser 1977, Location of Bank Accounts to Optimize Float), on static vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.algorithms.rows import unit_rows
from lamina.errors import InputError
from lamina.models.protocols import Embedder, TokenCounter
from lamina.models.registry import load_embedder
from lamina.profile.lines import Line
from lamina.profile.portrait import rendered


def describe(person: str, lines: Sequence[Line], budget: int, counter: TokenCounter, *, embedder: Embedder | None = None) -> str:
    """A portrait in at most `budget` tokens, counted as a whole; empty where not one line fits. What no longer holds is left out.

    Each line that joins is the one by which those chosen become most like all lines together, a sure line before one that is less so. Raises
    `InputError` for a budget below 0.
    """
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
        raise InputError(f"budget must be a whole number of tokens from 0, not {budget!r}")
    holding = [line for line in lines if line.until is None]
    chosen: list[Line] = []
    for line in (holding[place] for place in _order(holding, embedder or load_embedder())):
        if counter.count(rendered(person, [*chosen, line])) <= budget:
            chosen.append(line)
    return rendered(person, chosen) if chosen else ""


def _order(lines: Sequence[Line], embedder: Embedder) -> list[int]:
    """The places of lines in the order of the greedy choice."""
    if not lines:
        return []
    vectors = embedder.embed([line.text for line in lines])
    centred = unit_rows(vectors - vectors.mean(0))
    alike = np.maximum(centred @ centred.T, 0.0)  # (line, line it stands for)
    sure = np.array([line.confidence for line in lines])
    best = np.zeros(len(lines), alike.dtype)
    order: list[int] = []
    left = np.ones(len(lines), bool)
    while left.any():
        gains = np.where(left, sure * np.maximum(alike - best, 0.0).sum(1), -1.0)
        place = int(np.argmax(gains))
        order.append(place)
        left[place] = False
        best = np.maximum(best, alike[place])
    return order
