"""Of a long prompt, only what its last tokens attended to is kept, head by head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention, lower
from lamina.kv.layers import LayeredCache
from lamina.kv.policy import CachePolicy
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor
Pooling = Literal["average", "maximum"]
POOLING: Final[tuple[Pooling, ...]] = get_args(Pooling)


@dataclass(frozen=True)
class SnapKV(CachePolicy):
    """Keep `budget` tokens of a prompt in each head of keys: the last `observed`, and those they attended to most.

    What a token received is the sum of the weights that the queries of the observed tokens gave it, averaged over the heads of
    queries that share a head of keys, then pooled over `kernel` neighbours, so that what is kept comes in runs. Keys stay at
    their positions.

    `streaming` False, as in the source: a prompt is read whole and then cut down, at the end of each call that reads as many
    tokens as are observed, or more; what is said token by token afterwards is kept besides. True: it is cut down after every
    block of so many tokens, so memory never holds more than `budget` and a block. `quantised`: whether keys and values are held in
    8 bits.

    Source: "SnapKV: LLM Knows What You are Looking for Before Generation" (Yuhong Li et al., 2024): 32 observed tokens, a
    kernel of 5; it leaves the heads of queries apart, as its models share no heads of keys.
    """

    budget: int = 1024
    observed: int = 32
    kernel: int = 5
    pooling: Pooling = "average"
    streaming: bool = False
    quantised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.observed < self.budget:
            raise InputError(f"observed must lie between 1 and budget ({self.budget}), not {self.observed}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise InputError(f"kernel must be an odd number of tokens, not {self.kernel}")
        if self.pooling not in POOLING:
            raise InputError(f"pooling must be one of {', '.join(POOLING)}, not {self.pooling!r}")

    def begin(self, shape: ModelShape) -> SnapKVCache:
        """See `CachePolicy`."""
        return SnapKVCache(self, shape)


class SnapKVCache(LayeredCache):
    """What is kept of each layer, and the queries of the newest tokens. `_cut`: how much had been read when it was last cut
    down; `_saw`: how many tokens the newest one saw."""

    def __init__(self, policy: SnapKV, shape: ModelShape) -> None:
        super().__init__(policy, shape, policy.quantised)
        self._how = policy
        none = torch.empty(1, shape.heads, 0, shape.head_dim, dtype=shape.torch_dtype, device=shape.device)
        self._queries = [none] * shape.layers  # (1, heads, observed, dim) at most
        self._cut = self._saw = 0

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        rows, observed = self._rows[layer], self._how.observed
        rows.append(k, v)
        self._queries[layer] = torch.cat((self._queries[layer], q), dim=2)[:, :, -observed:].clone()
        return attention(q, rows.keys, rows.values, self.shape.scaling, causal=True)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return np.full(self.shape.layers, float(self._saw))

    def _finished(self, ids: Any, surprises: Any) -> None:
        self._saw = len(self._rows[0])
        if self._how.streaming and len(ids) >= self._how.observed:
            self._compress()

    def _settled(self, n: int) -> None:
        if n >= self._how.observed:
            self._compress()
        self._queries = [one[:, :, :0] for one in self._queries]  # of use within one call

    def _compress(self) -> None:
        if len(self._rows[0]) <= self._how.budget or self._queries[0].shape[2] < self._how.observed:
            return
        for rows, queries in zip(self._rows, self._queries, strict=True):
            rows.choose(self._chosen(rows.keys, queries))
        self._cut = self.length

    def _chosen(self, keys: Tensor, queries: Tensor) -> Tensor:
        """The places (kv_heads, budget) of what is to stay, in order."""
        how, m = self._how, keys.shape[2]
        received = received_attention(queries, keys, self.shape.scaling)[:, : m - how.observed]  # (kv_heads, earlier)
        pool = torch.nn.functional.max_pool1d if how.pooling == "maximum" else torch.nn.functional.avg_pool1d
        pooled = pool(received[None], how.kernel, stride=1, padding=how.kernel // 2)[0]
        best = pooled.topk(how.budget - how.observed, dim=-1).indices
        newest = torch.arange(m - how.observed, m, device=keys.device).expand(len(best), -1)
        return torch.cat((best.sort(dim=-1).values, newest), dim=-1)

    def _crop(self, length: int) -> None:
        if length < self._cut:
            raise StateError(
                f"of the first {self._cut} tokens only some were kept, and the text cannot go back to {length}: fork before reading on, or read it again"
            )
        for rows in self._rows:
            rows.crop(len(rows) - (self.length - length))

    def _forked(self) -> None:
        super()._forked()
        self._queries = list(self._queries)

    def _nbytes(self) -> tuple[int, int]:
        held = super()._nbytes()[0] + sum(int(one.nbytes) for one in self._queries)
        return held, held

    def _state(self) -> dict[str, Any]:
        return {"cut": self._cut, "saw": self._saw}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        super()._restore(arrays, state)
        self._cut, self._saw = int(state["cut"]), int(state["saw"])


def received_attention(queries: Tensor, keys: Tensor, scaling: float) -> Tensor:
    """The attention (kv_heads, m) that m keys receive from the queries of the last n of them: summed over these, and averaged
    over the heads of queries that share a head of keys.

    `queries` (1, heads, n, dim), `keys` (1, kv_heads, m, dim).

    >>> received_attention(torch.zeros(1, 2, 2, 4), torch.zeros(1, 1, 3, 4), 0.5)
    tensor([[0.8333, 0.8333, 0.3333]])
    """
    n, m, heads = queries.shape[2], keys.shape[2], keys.shape[1]
    grouped = queries.reshape(heads, -1, n, queries.shape[3])  # (kv_heads, groups, n, dim)
    scores = (grouped @ keys[0, :, None].mT).to(torch.promote_types(keys.dtype, torch.float32)) * scaling
    return scores.masked_fill(~lower(n, m, str(keys.device)), -torch.inf).softmax(dim=-1).sum(dim=-2).mean(dim=1)
