"""How saved numbers are written: eight bits and a scale for each vector, or the sixteen bits of a bfloat16 as they are. numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

Coding = Literal["int8", "bfloat16"]
CODINGS: Final[tuple[Coding, ...]] = get_args(Coding)
LARGEST: Final = 127  # of the whole numbers that int8 takes, so that both signs reach as far
LEAST: Final = float(np.finfo(np.float16).smallest_subnormal)  # a scale below it would be written as 0


@dataclass(frozen=True, slots=True)
class Coded:
    """Vectors as they are written.

    `data`: int8, or the bits of bfloat16 as uint16 (…, tokens, width); `scales`: float16 (…, tokens), None for bfloat16.
    """

    data: NDArray[Any]
    scales: NDArray[np.float16] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes that they take."""
        return self.data.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def decoded(self) -> NDArray[np.float32]:
        """The vectors again: float32 (…, tokens, width)."""
        if self.scales is None:
            return (self.data.astype(np.uint32) << 16).view(np.float32)
        return self.data.astype(np.float32) * self.scales.astype(np.float32)[..., None]


def coded(vectors: NDArray[np.float32], coding: Coding) -> Coded:
    """Write vectors, float32 (…, tokens, width).

    With int8 each vector of a token has one scale, its largest component / 127, so that no component is off by more than half of
    that (and what rounding the scale to float16 adds). Raises `InputError` for another coding, for numbers that are not finite and
    for those whose scale float16 does not hold.

    >>> one = coded(np.array([[0.5, -1.27]], np.float32), "int8")
    >>> one.data.tolist(), one.decoded().astype(np.float64).round(2).tolist()
    ([[50, -127]], [[0.5, -1.27]])
    """
    if coding not in CODINGS:
        raise InputError(f"{coding!r} is not a way to write keys and values: use one of {', '.join(CODINGS)}")
    if not np.isfinite(vectors).all():
        raise InputError("keys and values must be finite: the model's weights may be damaged, or its precision too low")
    if coding == "bfloat16":
        return Coded(_bfloat16(vectors))
    steps = np.maximum(np.abs(vectors).max(axis=-1) / LARGEST, LEAST)
    if (steps > np.finfo(np.float16).max).any():
        raise InputError("keys and values are too large for int8: use bfloat16")
    scales = steps.astype(np.float16)
    data = np.rint(vectors / scales.astype(np.float32)[..., None]).clip(-LARGEST, LARGEST).astype(np.int8)
    return Coded(data, scales)


def bytes_of(coding: Coding, vectors: int, width: int) -> int:
    """Bytes of so many vectors of a width.

    >>> bytes_of("int8", 90, 64), bytes_of("bfloat16", 90, 64)
    (5940, 11520)
    """
    return vectors * (width + 2 if coding == "int8" else 2 * width)


def _bfloat16(vectors: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper halves of float32, rounded to the nearest, ties to even; exact for what comes from bfloat16."""
    bits = np.ascontiguousarray(vectors, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
