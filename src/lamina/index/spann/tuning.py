"""How far a search of lists goes: the cheapest rule, in bytes read, that reaches a wanted recall on queries set aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.index.spann.spann import SPANN
from lamina.index.tuning import Tuned, tune


@dataclass(frozen=True)
class Rule:
    """When a query stops reading lists before it has read `probes`; see `SPANN`."""

    ratio: float = 0.0
    patience: int = 0


FIXED = Rule()
RULES = (FIXED, *(Rule(ratio=ratio) for ratio in (1.2, 1.4, 1.7, 2.0)), *(Rule(patience=lists) for lists in (4, 8, 16, 32, 64)))


@dataclass(frozen=True)
class TunedLists:
    """What was found. Parameters: `rule`; `tuned`, its probes and recall; `lists` and `bytes` read for a query; `fixed`, those of a fixed number."""

    rule: Rule
    tuned: Tuned
    lists: float
    bytes: float
    fixed: tuple[float, float]


def tune_lists(
    index: SPANN,
    queries: NDArray[np.float32] | None = None,
    *,
    k: int = 10,
    target: float = 0.97,
    truth: NDArray[np.float32] | None = None,
    rules: tuple[Rule, ...] = RULES,
) -> TunedLists:
    """Set `probes`, `ratio` and `patience` of an index to what reads the fewest bytes at the wanted recall; see `tune` for the rest.

    >>> import tempfile
    >>> from pathlib import Path
    >>> rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> index = SPANN(8, Path(tempfile.mkdtemp()), metric="cosine"); index.build(np.arange(500), rows)
    >>> tune_lists(index, rows[:50], target=0.9).tuned.reached
    True
    """
    best: TunedLists | None = None
    fixed = (float("nan"), float("nan"))
    for rule in rules:
        index.ratio, index.patience = rule.ratio, rule.patience
        tuned = tune(index, queries, k=k, target=target, truth=truth, name="probes", most=len(index.heads))
        lists, size = _read(index, queries, k, tuned.ef)
        if rule == FIXED:
            fixed = (lists, size)
        found = TunedLists(rule, tuned, lists, size, fixed)
        if best is None or (tuned.reached, -size) > (best.tuned.reached, -best.bytes):
            best = found
    assert best is not None
    index.ratio, index.patience, index.probes = best.rule.ratio, best.rule.patience, best.tuned.ef
    return best


def _read(index: SPANN, queries: NDArray[np.float32] | None, k: int, probes: int) -> tuple[float, float]:
    """Lists and bytes read for a query."""
    if queries is None:
        queries = index.rows(np.flatnonzero(index.present)[:256])
    before = index.lists_read, index.bytes_read
    index.search(queries, k, probes=probes)
    return (index.lists_read - before[0]) / len(queries), (index.bytes_read - before[1]) / len(queries)
