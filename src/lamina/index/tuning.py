"""How many candidates a search needs: the least that reach a wanted recall on queries set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.flat import check_finite

TOLERANCE = 1e-5  # part of the k-th best score by which a found one may lie below it
BLOCK = 4096  # vectors read at a time
ASKED = 256  # stored vectors that stand in where no queries are given
STEP = 1.5  # of the ladder of settings
FINE = 1.06  # ratio of settings below which no finer one is looked for
RESAMPLES = 1000


class Tunable(Protocol):
    """What can be tuned: the parts of an approximate index that are used here."""

    dim: int

    @property
    def present(self) -> NDArray[np.bool_]: ...  # noqa: D102

    def rows(self, slots: NDArray[np.int64]) -> NDArray[np.float32]: ...  # noqa: D102


@dataclass(frozen=True)
class Tuned:
    """What was found.

    Parameters:
        ef: candidates: the fewest from which on the target was reached, or the most that were tried.
        recall: of the k best, by distance: a tie counts as found.
        interval: 95 % of resamplings of the queries lie here.
        distances: nodes looked at for each query, compared or spared that by their sketches; NaN where the index does not count them.
        queries: how many were asked.
        k, target: what was wanted.
        reached: whether the target was.
        curve: what was tried: (ef, recall, distances), ascending.
        own: the queries were stored vectors that leave themselves out; others than those are found less easily.
    """

    ef: int
    recall: float
    interval: tuple[float, float]
    distances: float
    queries: int
    k: int
    target: float
    reached: bool
    curve: tuple[tuple[int, float, float], ...]
    own: bool = False


def tune(
    index: Any,
    queries: NDArray[np.float32] | None = None,
    *,
    k: int = 10,
    target: float = 0.97,
    truth: NDArray[np.float32] | None = None,
    least: int = 1,
    most: int | None = None,
    name: str = "ef",
    seed: int = 0,
) -> Tuned:
    """The smallest setting of `index.search` that finds the wanted share of the k best.

    The settings rise by half until one reaches the target, then the gap below it is halved. Recall need not rise at every step: what counts is from
    where on all that was tried reaches the target. Vectors are read a block at a time.

    Parameters:
        index: anything with `dim`, `present`, `rows` and a `search(…, ef=)`, as `HNSW`; its `metric` is "ip", "cosine" or "l2".
        queries: not stored ones, of the kind that will be asked, shape (queries, dim). None: some stored vectors, each of which leaves itself out.
            That is optimistic where queries are of another kind (shorter texts, say).
        k, target: the recall of the k best that is wanted, above 0 and at most 1.
        truth: the scores of the k best for each query, shape (queries, k), where they are known.
        least, most: settings within which is looked (default: from k, or 1 for other names than "ef", up to all vectors).
        name: of the setting, where it is not called "ef".
        seed: of the choice of stored vectors and of the resampling.

    Raises `InputError` for an empty index, no queries, or settings out of range, `VectorError` for queries of another form.
    """
    stored = np.flatnonzero(index.present)
    own = queries is None
    _check(stored, queries, k, target, truth, index.dim)
    generator = np.random.default_rng(seed)
    left = np.full(0, -1, np.int64)
    if queries is None:
        left = np.sort(generator.choice(stored, min(ASKED, len(stored)), replace=False))
        queries = np.asarray(index.rows(left), np.float32)
    metric = getattr(index, "metric", "ip")
    prepared = _normalised(queries) if metric == "cosine" else np.ascontiguousarray(queries, np.float32)
    others = len(stored) - int(own)
    k = min(k, max(others, 1))
    edges = _kth(index, prepared, stored, left, k, metric) if truth is None else np.sort(truth, axis=1)[:, ::-1][:, k - 1]
    least = max(least, k if name == "ef" else 1)
    most = max(len(stored) if most is None else most, least)

    tried: dict[int, tuple[NDArray[np.float64], float]] = {}

    def reached(setting: int) -> bool:
        if setting not in tried:
            tried[setting] = _asked(index, prepared, left, k, edges, metric, {name: setting})
        return float(tried[setting][0].mean()) >= target

    _climb(reached, least, most)
    best = max(tried)
    for setting in sorted(tried, reverse=True):
        if not reached(setting):
            break
        best = setting
    shares, distances = tried[best]
    curve = tuple((setting, float(tried[setting][0].mean()), tried[setting][1]) for setting in sorted(tried))
    return Tuned(
        best, float(shares.mean()), _interval(shares, generator), distances, len(prepared), k, target, reached(best), curve, own
    )  # fmt: skip


def _climb(reached: Callable[[int], bool], least: int, most: int) -> None:
    """Try settings: rising until one does, then between the last that did not and it."""
    low, high = least - 1, least
    while not reached(high):
        low = high
        if high == most:
            return
        high = min(max(round(high * STEP), high + 1), most)
    while high - low > 1 and high > low * FINE:
        middle = (low + high) // 2
        if middle < least:
            return
        if reached(middle):
            high = middle
        else:
            low = middle


def _check(
    stored: NDArray[np.int64],
    queries: NDArray[np.float32] | None,
    k: int,
    target: float,
    truth: NDArray[np.float32] | None,
    dim: int,
) -> None:
    if not len(stored):
        raise InputError("an index without vectors cannot be tuned: add some first")
    if k < 1 or not 0 < target <= 1:
        raise InputError(f"k must be at least 1 and target above 0 and at most 1, not {k} and {target}")
    if queries is None:
        if truth is not None:
            raise InputError("truth belongs to queries: give these as well")
        return
    if queries.ndim != 2 or queries.shape[1] != dim or not len(queries):
        raise VectorError(f"expected at least one query of {dim} dimensions, shape (queries, {dim}), got {queries.shape}")
    check_finite(queries, "query")
    if truth is not None and (truth.ndim != 2 or truth.shape[0] != len(queries) or truth.shape[1] < min(k, len(stored))):
        raise InputError(f"truth holds the scores of the {k} best of {len(queries)} queries, not an array of shape {truth.shape}")


def _normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        raise VectorError(f"query {int(np.flatnonzero(lengths == 0)[0])} is zero: it has no direction, leave it out")
    return np.ascontiguousarray(rows / lengths, np.float32)


def _scores(queries: NDArray[np.float32], rows: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Scores of each query with rows of its own, (queries, many, dim), or with rows for all, (many, dim)."""
    products = queries @ rows.T if rows.ndim == 2 else np.einsum("qd,qmd->qm", queries, rows)
    if metric != "l2":
        return np.asarray(products, np.float32)
    lengths = np.einsum("...d,...d->...", rows, rows)
    return np.asarray(2 * products - lengths - np.einsum("qd,qd->q", queries, queries)[:, None], np.float32)


def _kth(
    index: Tunable, queries: NDArray[np.float32], stored: NDArray[np.int64], left: NDArray[np.int64], k: int, metric: str
) -> NDArray[np.float32]:
    """The k-th best score of each query, without the slot that is its own."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(stored), BLOCK):
        slots = stored[start : start + BLOCK]
        scores = _scores(queries, np.asarray(index.rows(slots), np.float32), metric)
        if len(left):
            scores[slots[None] == left[:, None]] = -np.inf
        both = np.concatenate([best, scores], axis=1)
        best = np.partition(both, both.shape[1] - k, axis=1)[:, -k:]
    edges: NDArray[np.float32] = best.min(axis=1)
    return edges


def _asked(
    index: Any,
    queries: NDArray[np.float32],
    left: NDArray[np.int64],
    k: int,
    edges: NDArray[np.float32],
    metric: str,
    setting: dict[str, int],
) -> tuple[NDArray[np.float64], float]:
    """Which share of the k best each query finds, and how many distances it takes."""
    before = _looked(index)
    found, _ = index.search(queries, k + int(len(left) > 0), **setting)
    took = (_looked(index) - before) / len(queries)
    shares = np.zeros(len(queries))
    wide = max(BLOCK // found.shape[1], 1)
    for start in range(0, len(queries), wide):
        slots, part = found[start : start + wide], queries[start : start + wide]
        rows = np.asarray(index.rows(np.maximum(slots, 0).ravel()), np.float32).reshape(*slots.shape, -1)
        edge = edges[start : start + wide, None]
        good = (slots >= 0) & (_scores(part, rows, metric) >= edge - TOLERANCE * np.maximum(np.abs(edge), 1))
        if len(left):
            good &= slots != left[start : start + wide, None]
        shares[start : start + wide] = np.minimum(good.sum(axis=1), k) / k
    return shares, float(took)


def _looked(index: Any) -> float:
    """Nodes looked at by all searches so far, compared or spared that; NaN for an index that does not count them."""
    return float(getattr(index, "computed", np.nan)) + getattr(index, "spared", 0)


def _interval(shares: NDArray[np.float64], generator: np.random.Generator) -> tuple[float, float]:
    """95 % of the means of resampled queries (B. Efron, 1979); without a single miss the lower end is that of the rule of three."""
    if shares.min() == 1:
        return max(0.0, 1 - 3 / len(shares)), 1.0
    counts = generator.multinomial(len(shares), np.full(len(shares), 1 / len(shares)), size=RESAMPLES)
    low, high = np.quantile(counts @ shares / len(shares), [0.025, 0.975])
    return float(low), float(high)
