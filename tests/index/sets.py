"""Sets of vectors for the tests of graphs: spread as those of texts are, in clusters of clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clustered(
    count: int, dim: int, seed: int = 0, clusters: int = 50, spread: float = 0.6
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Normalised vectors around some centres, and the cluster of each."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((clusters, dim))
    which = generator.integers(0, clusters, count)
    rows = centres[which] + spread * generator.standard_normal((count, dim)) * np.sqrt(2)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), which
