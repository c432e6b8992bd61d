"""An embedder whose vectors are checked and whose failures are all of our family, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.errors import LaminaError, ModelError
from lamina.models.protocols import check_vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lamina.models.protocols import Embedder, TextKind


@dataclass(frozen=True)
class GuardedEmbedder:
    """The same embedder; what it raises besides `LaminaError` becomes a `ModelError`, and NaN a `VectorError`.

    Parameters: `inner`, the embedder itself.
    """

    inner: Embedder

    @property
    def name(self) -> str:
        """The embedder's name."""
        return self.inner.name

    @property
    def dim(self) -> int:
        """Components of a vector."""
        return self.inner.dim

    @property
    def fingerprint(self) -> str:
        """What tells this vector space from others."""
        return self.inner.fingerprint

    @property
    def instant(self) -> bool:
        """Whether a query may be embedded inline."""
        return self.inner.instant

    def embed(self, texts: Sequence[str], kind: TextKind = "document") -> NDArray[np.float32]:
        """Vectors of `texts`: float32 (n, dim)."""
        try:
            return check_vectors(self.inner.embed(texts, kind), len(texts), self.dim, self.name)
        except LaminaError:
            raise
        except Exception as error:
            raise ModelError(
                f"the embedder {self.name} failed ({error!r}): nothing is lost, what waits for a vector stays pending; "
                "see to the embedder, then call flush (or just go on)"
            ) from error
