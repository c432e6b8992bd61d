"""Cutting a sequence into events: where it surprises, then where its graph of similarities says.

Boundaries are the indices of the first row of each event but the first: of T rows, strictly increasing within 1 to T
- 1.

Source: "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios Fountas et al., 2024; ICLR 2025), with
modularity after "Finding and evaluating community structure in networks" (M. E. J. Newman and M. Girvan, 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Measure = Literal["modularity", "conductance", "conductance-code"]

_ROUNDING: Final = 1e-9
"""Differences below this share of the data's spread are rounding, not signal."""


@dataclass(frozen=True)
class SurpriseBoundaries:
    """A row opens an event where its surprise exceeds mean + gamma * standard deviation of the rows before it.

    Parameters:
        gamma: standard deviations above the mean (source: 1.0).
        window: how many rows before a row its mean and deviation are taken over (source: the local window, 4096
            tokens).
        history: how many rows must have gone before the first boundary. The source takes statistics per block of
            tokens; here they trail each row, so that cutting the input into other blocks gives the same boundaries.

    Raises `InputError` for values out of range.

    >>> SurpriseBoundaries(window=8).boundaries([1.0, 1.2, 0.9, 1.1, 5.0, 1.0, 1.1])
    array([4])
    """

    gamma: float = 1.0
    window: int = 4096
    history: int = 2

    def __post_init__(self) -> None:
        if not math.isfinite(self.gamma):
            raise InputError(f"gamma must be finite, not {self.gamma!r}")
        if not 1 <= self.history <= self.window:
            raise InputError(f"history must lie between 1 and window ({self.window}), not {self.history!r}")

    def boundaries(self, surprise: Sequence[float] | FloatArray) -> IntArray:
        """The boundaries of rows whose surprises, in nats, are `surprise` (T,); the first one may be NaN (it has none).

        A surprise belongs to the row it was met at: that of token t comes from the prediction made at t - 1. O(T)
        time. Raises `InputError` where `surprise` is not a row of finite numbers.
        """
        values = np.array(surprise, dtype=np.float64)  # (rows,)
        if values.ndim != 1:
            raise InputError(f"surprise must be one row of numbers, not an array of shape {values.shape}")
        first = int(values.size > 0 and math.isnan(values[0]))
        if not np.isfinite(values[first:]).all():
            raise InputError("surprise must be finite; only the first row may lack one (NaN)")
        known = values[first:]
        if known.size == 0:
            return np.empty(0, dtype=np.int64)
        centred = known - known.mean()  # (known,)
        scale = float(np.abs(centred).max())
        ends = np.arange(known.size)
        starts = np.maximum(ends - self.window, 0)
        counts = np.maximum(ends - starts, 1)
        sums, squares = _prefix(centred), _prefix(centred**2)  # (known + 1,)
        means = (sums[ends] - sums[starts]) / counts
        variances = np.maximum((squares[ends] - squares[starts]) / counts - means**2, 0.0)
        high = centred - means > self.gamma * np.sqrt(variances) + _ROUNDING * scale
        return np.flatnonzero(high & (ends >= self.history)).astype(np.int64) + first


def _prefix(values: FloatArray) -> FloatArray:
    return np.concatenate(([0.0], np.cumsum(values)))


def merge_close(boundaries: Sequence[int] | IntArray, min_size: int, rows: int) -> IntArray:
    """Drop every boundary less than `min_size` rows after the one kept before it (or after the start).

    Only the last event may then be shorter. Raises `InputError` for boundaries out of place.

    >>> merge_close([2, 10, 13, 20], min_size=8, rows=24)
    array([10, 20])
    """
    if min_size < 1:
        raise InputError(f"min_size must be at least 1 row, not {min_size!r}")
    kept: list[int] = []
    previous = 0
    for boundary in check_boundaries(boundaries, rows).tolist():
        if boundary - previous >= min_size:
            kept.append(boundary)
            previous = boundary
    return np.array(kept, dtype=np.int64)


def check_boundaries(boundaries: Sequence[int] | IntArray, rows: int) -> IntArray:
    """The boundaries as an array; `InputError` where they do not increase strictly within 1 to rows - 1.

    >>> check_boundaries([3, 7], rows=10)
    array([3, 7])
    """
    given = np.asarray(boundaries)
    if given.size == 0:
        return np.empty(0, dtype=np.int64)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise InputError(f"boundaries must be one row of whole numbers, not {boundaries!r}")
    if given[0] < 1 or given[-1] >= rows or (np.diff(given) <= 0).any():
        raise InputError(f"boundaries must increase strictly within 1 to {rows - 1}, not {given.tolist()}")
    return given.astype(np.int64)


@dataclass(frozen=True)
class BoundaryRefinement:
    """Moves each boundary to where rows within events are most similar and rows across it least.

    From left to right, a boundary e with refined predecessor p is moved within the window that reaches half the
    event, (e - p) // 2, beyond both: every row t from p + min_size on is scored as a split of the window into two
    communities, and the best one is taken (among equals the nearest to e). The number of boundaries changes only by
    merging beforehand those closer than min_size.

    Parameters:
        measure: "modularity" (largest), "conductance" (smallest: cut over the smaller side's total similarity, as in
            the paper), or "conductance-code" (the released code's volumes: a side's inner similarity, and the rest).
        min_size: the smallest event in rows (source: 8).
        keep_original: let e itself be chosen. False is the source: a boundary always moves left, even from the right
            place. With True a good boundary stays, and refining a refined sequence changes little.

    Raises `InputError` for values out of range.

    >>> keys = np.repeat(np.eye(2), [12, 12], axis=0)  # (rows, dim): two events of 12 rows
    >>> BoundaryRefinement(min_size=4).refine(keys @ keys.T, [16])
    array([12])
    """

    measure: Measure = "modularity"
    min_size: int = 8
    keep_original: bool = False

    def __post_init__(self) -> None:
        if self.measure not in get_args(Measure):
            raise InputError(f"measure must be one of {', '.join(get_args(Measure))}, not {self.measure!r}")
        if self.min_size < 1:
            raise InputError(f"min_size must be at least 1 row, not {self.min_size!r}")

    def refine(self, similarity: FloatArray, boundaries: Sequence[int] | IntArray) -> IntArray:
        """The refined boundaries of rows with pairwise `similarity` (T, T), symmetric; below 0 it is clipped to 0.

        Clipping is needed because negative weights turn modularity round. A window without any similarity leaves its
        boundary in place. O(T^2) time and memory once, then O(1) per candidate. Raises `InputError` for a matrix that
        is not square, symmetric and finite, and for boundaries out of place.
        """
        sums = similarity_sums(similarity)  # (rows + 1, rows + 1)
        rows = sums.shape[0] - 1
        refined: list[int] = []
        previous = 0
        for boundary in merge_close(boundaries, self.min_size, rows).tolist():
            previous = self.move(sums, previous, boundary)
            refined.append(previous)
        return np.array(refined, dtype=np.int64)

    def move(self, sums: FloatArray, previous: int, boundary: int) -> int:
        """Where one boundary goes, given the refined one before it (or 0) and the `similarity_sums` of the rows around both.

        What `refine` does step by step, for rows that arrive one after another.

        >>> keys = np.repeat(np.eye(2), [12, 12], axis=0)
        >>> BoundaryRefinement(min_size=4).move(similarity_sums(keys @ keys.T), 0, 16)
        12
        """
        if boundary - previous <= self.min_size:
            return boundary
        half = (boundary - previous) // 2
        start, end = max(0, previous - half), min(sums.shape[0] - 1, boundary + half)
        candidates = np.arange(previous + self.min_size, boundary + self.keep_original)  # (candidates,)
        scores = split_scores(sums, start, end, candidates, self.measure)  # (candidates,)
        best = scores.max()
        if not math.isfinite(best):
            return boundary
        return int(candidates[scores >= best - _ROUNDING * max(1.0, abs(best))][-1])


def similarity_sums(similarity: FloatArray) -> FloatArray:
    """2-D prefix sums (T + 1, T + 1) of `similarity` (T, T), clipped at 0: the sum of any block is four look-ups.

    >>> similarity_sums(np.array([[1.0, -2.0], [-2.0, 3.0]]))[-1, -1]
    np.float64(4.0)
    """
    given = np.asarray(similarity, dtype=np.float64)
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise InputError(f"similarity must be a square matrix, not an array of shape {given.shape}")
    if not np.isfinite(given).all():
        raise InputError("similarity must be finite in every place")
    if not np.allclose(given, given.T, rtol=1e-4, atol=1e-5 * float(np.abs(given).max(initial=0.0))):
        raise InputError("similarity must be symmetric: that of i and j is that of j and i")
    sums = np.zeros((given.shape[0] + 1, given.shape[0] + 1))
    np.cumsum(np.cumsum(np.maximum(given, 0.0), axis=0), axis=1, out=sums[1:, 1:])
    return sums


def split_scores(sums: FloatArray, start: int, end: int, splits: IntArray, measure: Measure = "modularity") -> FloatArray:
    """How well each of `splits` (n,) parts the rows start to end - 1 into two communities; more is better, shape (n,).

    `sums` comes from `similarity_sums`. Modularity is Q = (1/4m) sum over communities of sum (A_ij - k_i k_j / 2m)
    with 2m = sum A over the window; a conductance is returned as its negative. -inf where a measure is undefined.

    >>> sums = similarity_sums(np.kron(np.eye(2), np.ones((2, 2))))
    >>> split_scores(sums, 0, 4, np.array([1, 2, 3]))
    array([0.0625, 0.25  , 0.0625])
    """
    if not 0 <= start < end <= sums.shape[0] - 1:
        raise InputError(f"the window {start} to {end} does not lie within {sums.shape[0] - 1} rows")
    if splits.size and not (start < splits.min() and splits.max() < end):
        raise InputError(f"splits must lie inside the window {start} to {end}, not {splits.tolist()}")
    total = sums[end, end] - sums[start, end] - sums[end, start] + sums[start, start]
    left = sums[splits, splits] - sums[start, splits] - sums[splits, start] + sums[start, start]  # (n,)
    right = sums[end, end] - sums[splits, end] - sums[end, splits] + sums[splits, splits]  # (n,)
    if not total > 0:
        return np.full(splits.shape, -np.inf)
    cut = np.maximum(total - left - right, 0.0) / 2  # one direction
    left_volume, right_volume = left + cut, right + cut
    if measure == "modularity":
        scores: FloatArray = (left + right - (left_volume**2 + right_volume**2) / total) / (2 * total)
        return scores
    if measure == "conductance":
        smaller = np.minimum(left_volume, right_volume)
    else:  # min over both sides S of cut / min(inner similarity of S, the rest): the larger denominator wins
        smaller = np.maximum(np.minimum(left, total - left), np.minimum(right, total - right))
    return np.where(smaller > 0, -cut / np.where(smaller > 0, smaller, 1.0), -np.inf)
