"""Embedders for tests: small, quick, and able to fail in every way a real one does."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lamina.models.protocols import TextKind
from lamina.terms import terms


class WordEmbedder:
    """Sums a pseudo-random direction for each term. `seconds` to sleep a call; `broken`, what to raise; `poison`, gives NaN."""

    def __init__(self, dim: int = 16, *, instant: bool = True, seconds: float = 0.0, fingerprint: str | None = None) -> None:
        self.name = "words"
        self.dim = dim
        self.instant = instant
        self.seconds = seconds
        self.fingerprint = fingerprint or f"words/{dim}"
        self.broken: Exception | None = None
        self.poison = False
        self.embedded = 0
        self.called = threading.Event()

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        self.called.set()
        if self.seconds:
            time.sleep(self.seconds)
        if self.broken is not None:
            raise self.broken
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for term in terms(text):
                vectors[row] += direction(term, self.dim)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths == 0, 1, lengths)
        if self.poison:
            vectors[0, 0] = np.nan
        self.embedded += len(texts)
        return vectors


_known: dict[tuple[str, int], NDArray[np.float32]] = {}


def direction(term: str, dim: int) -> NDArray[np.float32]:
    found = _known.get((term, dim))
    if found is None:
        found = np.random.default_rng(zlib.crc32(term.encode())).standard_normal(dim).astype(np.float32)
        _known[term, dim] = found
    return found
