"""The exact answers, and how many of them a system found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.sets import VectorSet

K: Final = 10
BLOCK: Final = 1 << 15
TIE: Final = 1e-5  # by which the score of a found vector may lie below the k-th best


def truth(data: VectorSet, kind: str, allow: NDArray[np.bool_] | None = None, name: str = "all") -> NDArray[np.float32]:
    """The score of the tenth best (allowed) vector for each query, shape (queries,); -1 where there are fewer. Kept beside the set."""
    path = data.folder / f"truth-{kind}-{name}.npy"
    if path.exists():
        return np.asarray(np.load(path))
    queries, base = np.load(data.asked(kind)), data.vectors()
    chosen = None if allow is None else np.flatnonzero(allow)
    total = len(base) if chosen is None else len(chosen)
    best = np.full((len(queries), K), -1, np.float32)
    for start in range(0, total, BLOCK):
        rows = base[start : start + BLOCK] if chosen is None else base[chosen[start : start + BLOCK]]
        scores = queries @ np.asarray(rows, np.float32).T
        if scores.shape[1] > K:
            scores = np.partition(scores, scores.shape[1] - K, axis=1)[:, -K:]
        best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -K:]
    np.save(path, best[:, 0])
    return np.asarray(best[:, 0])


def recall(
    base: NDArray[Any],
    queries: NDArray[np.float32],
    found: NDArray[np.int64],
    edge: NDArray[np.float32],
    allow: NDArray[np.bool_] | None = None,
) -> float:
    """Which share of the ten best (allowed) was found; by score, so that a tie counts.

    Parameters: `base`, the vectors; `found` (queries, 10), places in it or -1; `edge` (queries,), the score of the tenth best; `allow`, which vectors
    count (default: all). A vector that is named twice counts once; of fewer than ten allowed ones, all are wanted.

    >>> base = np.eye(12, dtype=np.float32)
    >>> recall(base, base[:1], np.array([[0] * 10]), np.zeros(1, np.float32))
    0.1
    """
    good, wanted = 0, K if allow is None else max(min(K, int(allow.sum())), 1)
    for row in range(len(queries)):
        slots = np.unique(found[row][found[row] >= 0])
        slots = slots if allow is None else slots[allow[slots]]
        scores = np.asarray(base[slots], np.float32) @ queries[row]
        good += min(int((scores >= edge[row] - TIE).sum()), wanted)
    return good / (wanted * len(queries))


def region(base: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """The vectors nearest to one of them: so large a share of all, lying together, shape (vectors,)."""
    centre = np.asarray(base[np.random.default_rng([seed, 7]).integers(len(base))], np.float32)
    scores = np.concatenate([np.asarray(base[at : at + BLOCK], np.float32) @ centre for at in range(0, len(base), BLOCK)])
    count = max(int(share * len(base)), 1)
    allow = np.zeros(len(base), np.bool_)
    allow[np.argpartition(-scores, count - 1)[:count]] = True
    return allow


def size_on_disk(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
