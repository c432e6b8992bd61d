"""Locality-sensitive hashing by random projections: vectors with a large cosine are likely to fall into one bucket.

Sources: A. Andoni, P. Indyk, T. Laarhoven, I. Razenshteyn, L. Schmidt, "Practical and Optimal LSH for Angular Distance", 2015 (the
hash); L. Liu et al., "Think-in-Memory: Recalling and Post-thinking Enable LLMs with Long-Term Memory", 2023 (its use for thoughts).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError


@dataclass(frozen=True)
class ProjectionHash:
    """F(x) = argmax of [xR; -xR]: one of `buckets` numbers for each vector.

    Parameters: `dim`, the width of a vector; `buckets`, how many there are (even, at least 2); `seed`, from which R (dim, buckets / 2) is
    drawn with standard normal entries. The same numbers give the same hash on every machine that draws the same normal numbers.

    >>> hash = ProjectionHash(dim=3, buckets=4)
    >>> ranked = hash.ranked(np.eye(3, dtype=np.float32))
    >>> ranked.shape, bool((ranked[:, 0] == hash.of(np.eye(3, dtype=np.float32))).all())
    ((3, 4), True)
    >>> ProjectionHash(dim=3, buckets=5)
    Traceback (most recent call last):
        ...
    lamina.errors.InputError: buckets must be an even number of at least 2, not 5
    """

    dim: int
    buckets: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        if not _whole(self.dim) or self.dim < 1:
            raise InputError(f"dim must be a whole number of at least 1, not {self.dim!r}")
        if not _whole(self.buckets) or self.buckets < 2 or self.buckets % 2:
            raise InputError(f"buckets must be an even number of at least 2, not {self.buckets!r}")
        if not _whole(self.seed) or self.seed < 0:
            raise InputError(f"seed must be a whole number of at least 0, not {self.seed!r}")

    @cached_property
    def projection(self) -> NDArray[np.float32]:
        """R, shape (dim, buckets / 2)."""
        drawn = np.random.default_rng(self.seed).standard_normal((self.dim, self.buckets // 2))
        return drawn.astype(np.float32)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """[xR; -xR] of each vector, shape (vectors, buckets).

        Raises `VectorError` for another width, NaN, infinity, and for a zero vector, which has no direction.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.dim:
            raise VectorError(f"expected vectors of {self.dim} dimensions, shape (vectors, {self.dim}), got {vectors.shape}")
        norms = np.abs(vectors).max(axis=1, initial=0)
        if not np.isfinite(norms).all():
            raise VectorError(
                f"vector {int(np.flatnonzero(~np.isfinite(norms))[0])} has NaN or infinite values: check the embedder"
            )
        if not norms.all():
            raise VectorError(f"vector {int(np.flatnonzero(norms == 0)[0])} is zero and falls into no bucket: leave it out")
        half = vectors.astype(np.float32) @ self.projection
        return np.concatenate([half, -half], axis=1)

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """The bucket of each vector, shape (vectors,)."""
        return np.asarray(self.scores(vectors).argmax(axis=1), np.int64)

    def ranked(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """All buckets for each vector, the likeliest first: what multi-probe looks into in turn, shape (vectors, buckets)."""
        return np.asarray(np.argsort(-self.scores(vectors), axis=1, kind="stable"), np.int64)


def buckets_for(count: int) -> int:
    """How many buckets suit so many vectors: 2·ceil(√n / 2), at least 8.

    >>> buckets_for(0), buckets_for(100), buckets_for(20_000)
    (8, 10, 142)
    """
    return max(8, 2 * int(np.ceil(np.sqrt(max(count, 0)) / 2)))


def _whole(value: Any) -> bool:
    """Whether it is a whole number (anything may be handed in)."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
