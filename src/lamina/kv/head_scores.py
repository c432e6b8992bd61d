"""A number for every head of a model, measured once and used again: who reads the context, who counts on."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lamina.errors import InputError, TransferError
from lamina.kv.shape import ModelShape

Head = tuple[int, int]


@dataclass(frozen=True, eq=False)
class HeadScores:
    """Scores of all heads of queries of one model.

    `name`: what was measured ("retrieval"). `model`: the fingerprint of the model (`ModelShape.fingerprint`). `kv_heads`: heads
    of keys in a layer. `instances` (instances, layers, heads): the scores of each measurement; `scores` is their mean.

    Source: "Retrieval Head Mechanistically Explains Long-Context Factuality" (Wenhao Wu et al., 2024), whose heads of a mean of
    0.1 and more are retrieval heads.

    >>> scores = HeadScores("copying", "0" * 32, 1, [[[0.0, 0.9], [0.2, 0.1]], [[0.0, 0.7], [0.4, 0.0]]])
    >>> scores.top(2), scores.threshold(0.1), scores.kv_heads_of(scores.threshold(0.5))
    ([(0, 1), (1, 0)], [(0, 1), (1, 0)], [(0, 0)])
    """

    name: str
    model: str
    kv_heads: int
    instances: ArrayLike

    def __post_init__(self) -> None:
        measured = np.asarray(self.instances, np.float64).copy()
        if measured.ndim != 3 or not measured.size or not np.isfinite(measured).all():
            raise InputError(f"scores must be finite numbers (instances, layers, heads), not {measured.shape}")
        if self.kv_heads < 1 or measured.shape[2] % self.kv_heads:
            raise InputError(f"{measured.shape[2]} heads of queries cannot share {self.kv_heads} heads of keys")
        measured.flags.writeable = False
        object.__setattr__(self, "instances", measured)

    @property
    def scores(self) -> NDArray[np.float64]:
        """The mean of each head over the instances (layers, heads)."""
        found: NDArray[np.float64] = np.asarray(self.instances).mean(axis=0)
        return found

    def active(self) -> NDArray[np.float64]:
        """The share of instances in which a head scores above 0 (layers, heads)."""
        found: NDArray[np.float64] = (np.asarray(self.instances) > 0).mean(axis=0)
        return found

    def top(self, n: int) -> list[Head]:
        """The n heads that score highest, best first; equal ones in the order of layers and heads."""
        order = np.argsort(-self.scores, axis=None, kind="stable")[:n]
        return [(int(layer), int(head)) for layer, head in zip(*np.unravel_index(order, self.scores.shape), strict=True)]

    def threshold(self, least: float) -> list[Head]:
        """The heads that score as much at least, best first."""
        return self.top(int((self.scores >= least).sum()))

    def kv_heads_of(self, heads: Iterable[Head]) -> list[Head]:
        """The heads of keys that these heads of queries read: as (layer, head of keys), in order, each once."""
        groups = self.scores.shape[1] // self.kv_heads
        return sorted({(layer, head // groups) for layer, head in heads})

    def rank_correlation(self, other: HeadScores) -> float:
        """Spearman's correlation with other scores of equally many heads; 0 where either are all the same."""
        if self.scores.shape != other.scores.shape:
            raise InputError(f"{self.scores.shape} heads cannot be compared with {other.scores.shape}")
        a, b = _ranks(self.scores), _ranks(other.scores)
        spread = math.sqrt(float(a.var() * b.var()))
        return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread else 0.0

    def save(self, path: str | Path) -> None:
        """Write everything into a JSON file."""
        said = {"name": self.name, "model": self.model, "kv_heads": self.kv_heads}
        target = Path(path)
        beside = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            beside.write_text(json.dumps({**said, "instances": np.asarray(self.instances).tolist()}), encoding="utf-8")
            os.replace(beside, target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise InputError(f"{target} cannot be written ({error}): name a file in a folder that can be") from error

    @classmethod
    def load(cls, path: str | Path, shape: ModelShape | None = None) -> Self:
        """The scores in a file of `save`. `shape`: of the model they are to be used with.

        Raises `TransferError` for a damaged file, `InputError` where there is none, or where it belongs to another model.
        """
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            scores = cls(str(found["name"]), str(found["model"]), int(found["kv_heads"]), found["instances"])
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error}): name a file of HeadScores.save") from error
        except (ValueError, KeyError, TypeError) as error:
            raise TransferError(f"{path} holds no scores of heads ({error}): measure them again") from error
        if shape is not None and scores.model != shape.fingerprint:
            raise InputError(f"{path} was measured on another model: measure the heads of this one")
        return scores


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0; equal scores share the mean of theirs."""
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts + 1) / 2)[which.reshape(-1)]
    return means
