"""How vectors lie in memory: float32, float16, or int8 with one step for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError

HALF = float(np.finfo(np.float16).max)
LANES = 64  # components of int8 that one step of a kernel takes; rows are filled up with zeros
SAMPLE = 1 << 14  # rows whose components are looked at when the step is fitted
QUANTILES = (0.999, 0.9999, 0.99999, 1.0)  # of the sizes of components: where the largest int8 may stand
TRIED, ASKED, NEAREST = 1024, 256, 32  # rows and queries of them among which steps are tried, and neighbours that count
SMALLEST = 1e-30  # step
FORMS = ("float32", "float16", "int8")


@dataclass(frozen=True)
class Form:
    """What a vector is kept as.

    Parameters:
        name: "float32", "float16" (kept as its bits in uint16) or "int8".
        dim: components of a vector.
        step: int8 only: what one unit stands for; 0 before it is fitted.

    >>> form = Form("int8", 2).fitted(np.array([[1.0, -0.5]], np.float32))
    >>> form.encode(np.array([[0.5, 1]], np.float32))[0, :3].tolist()
    [64, 127, 0]
    """

    name: str
    dim: int
    step: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in FORMS:
            raise InputError(f"form must be one of {', '.join(FORMS)}, not {self.name!r}")

    @property
    def dtype(self) -> Any:
        """Of the array of vectors."""
        return {"float32": np.float32, "float16": np.uint16, "int8": np.int8}[self.name]

    @property
    def width(self) -> int:
        """Components of a row in memory."""
        return -(-self.dim // LANES) * LANES if self.name == "int8" else self.dim

    def fitted(self, rows: NDArray[np.float32], euclidean: bool = False) -> Form:
        """The same with the step for these vectors: that by which the distances of neighbours come out best.

        A small step cuts large components off, a large one says little of small ones; which is worse depends on the vectors.
        """
        if self.name != "int8" or not len(rows):
            return self
        some = rows[:: max(len(rows) // SAMPLE, 1)]
        sizes = np.quantile(np.abs(some), QUANTILES) / 127
        forms = [replace(self, step=max(float(size), SMALLEST)) for size in np.unique(sizes)]
        some = some[:: max(len(some) // TRIED, 1)]
        queries = some[:: max(len(some) // ASKED, 1)]
        right = _distances(queries, some, euclidean)
        near = np.argsort(right, axis=1, kind="stable")[:, :NEAREST]
        errors = [form._error(queries, some, near, np.take_along_axis(right, near, 1), euclidean) for form in forms]
        return forms[int(np.argmin(errors))]

    def _error(
        self,
        queries: NDArray[np.float32],
        rows: NDArray[np.float32],
        near: NDArray[np.int64],
        right: NDArray[np.float32],
        euclidean: bool,
    ) -> float:
        """How far the differences of distances are off, in the mean of the squares."""
        asked = self.widened(self.encode_queries(queries, euclidean))
        largest = np.float32(self.step) if euclidean else np.abs(queries).max(axis=1, keepdims=True) / np.float32(127)
        found = _distances(asked * largest, self.widened(self.encode(rows)) * np.float32(self.step), euclidean)
        off = np.take_along_axis(found, near, 1) - right
        return float(np.mean((off - off.mean(axis=1, keepdims=True)) ** 2))

    def check(self, rows: NDArray[np.float32]) -> None:
        """Refuse what float16 cannot hold."""
        if self.name != "float32" and len(rows) and float(np.abs(rows).max()) > HALF:
            row = int(np.abs(rows).max(axis=1).argmax())
            raise VectorError(
                f"vector {row} has a component beyond {HALF:g}, which float16 cannot hold: scale the vectors, or take form='float32'"
            )

    def encode(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """Vectors (count, dim) as rows in memory (count, width)."""
        if self.name == "float32":
            return np.ascontiguousarray(rows, np.float32)
        if self.name == "float16":
            return halves(rows)
        out = np.zeros((len(rows), self.width), np.int8)
        out[:, : self.dim] = np.clip(np.rint(rows / np.float32(self.step or 1.0)), -127, 127)
        return out

    def encode_queries(self, rows: NDArray[np.float32], euclidean: bool) -> NDArray[Any]:
        """Queries as rows: for inner products each int8 query may have a step of its own, the order of its answers is the same."""
        if self.name != "int8" or euclidean:
            return self.encode(np.clip(rows, -HALF, HALF) if self.name == "float16" else rows)
        largest = np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        out = np.zeros((len(rows), self.width), np.int8)
        out[:, : self.dim] = np.rint(rows / largest * np.float32(127))
        return out

    def norms(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Squared lengths of rows in memory, in the units of the kernels."""
        wide = self.widened(encoded)
        return np.asarray(np.einsum("ij,ij->i", wide, wide), np.float32)

    def widened(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Rows in memory as float32 in the units of the kernels."""
        return np.asarray(encoded.view(np.float16) if self.name == "float16" else encoded, np.float32)

    def decode(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors (count, dim) from rows in memory."""
        wide = self.widened(encoded)[:, : self.dim]
        return wide * np.float32(self.step) if self.name == "int8" else wide


def _distances(queries: NDArray[np.float32], rows: NDArray[np.float32], euclidean: bool) -> NDArray[np.float32]:
    """Negative inner products, or squared distances without what is the same for all rows."""
    products: NDArray[np.float32] = queries @ rows.T
    return np.asarray(np.einsum("ij,ij->i", rows, rows) - 2 * products if euclidean else -products, np.float32)


def halves(rows: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The bits of vectors in float16, shape (count, dim)."""
    return np.ascontiguousarray(rows, np.float32).astype(np.float16).view(np.uint16)
