"""A text is read twice; what the second reading needed of the first is kept, head by head, in 8 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention, lower
from lamina.kv.layers import empty_rows
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.quantising import dequantise, quantise
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

if TYPE_CHECKING:
    from lamina.kv.session import Session

Tensor: TypeAlias = torch.Tensor

_QUERIES: Final = 128  # queries whose scores are laid out at once
_BEFORE: Final = 8  # tokens of the stretch before that stand in front of each stretch but the first (source)


@dataclass(frozen=True)
class Rehearsed(CachePolicy):
    """Keep `budget` tokens of a text in a head of keys on average: those that `rehearse` found to be needed to say the text again.

    A token's score in a head of keys is the largest share of attention that any query of the second reading gave it, in any of the
    heads of queries that share the head of keys. All layers and heads compete for the whole budget, so some keep much and others
    little; the first `sinks` tokens always stay. No question is needed to know what to keep. Until it is rehearsed everything
    is kept as it is; what is read afterwards is kept besides. `quantised`: what is kept is in 8 bits. `stretch`: how many tokens are said again at a time. Tokens stay at their
    positions.

    Source: "KVzip: Query-Agnostic KV Cache Compression with Context Reconstruction" (Jang-Hyun Kim et al., 2025). There the shares are
    those among the stretch that is said again, the sinks and the second reading; here among everything, and what is kept is in 8 bits, which
    lets twice as many tokens stay in equal memory.
    """

    budget: int = 1024
    sinks: int = 4
    stretch: int = 2048
    quantised: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sinks < 0 or self.budget <= self.sinks or self.stretch < 1:
            raise InputError(
                f"budget must be above sinks, sinks 0 or more and stretch 1 or more, not {self.budget}, {self.sinks} and {self.stretch}"
            )

    def begin(self, shape: ModelShape) -> RehearsedCache:
        """See `CachePolicy`."""
        return RehearsedCache(self, shape)


def rehearse(session: Session, ids: Sequence[int], prompt: Sequence[int], start: int = 0) -> None:
    """Read the text of a session of `Rehearsed` again, and keep what that needed.

    `ids`: what is said again, the session's tokens from `start` on; `prompt`: tokens that ask for it, up to where the model is to answer. The
    session is then where it was. Raises `StateError` where it was rehearsed before, `InputError` for another policy, and where
    text, prompt and a stretch together are more than the model was made for.
    """
    cache, length = session.cache, session.length
    if not isinstance(cache, RehearsedCache):
        raise InputError(f"only a session of Rehearsed can be rehearsed, not one of {type(session.policy).__name__}")
    cache.listen()
    size = cache.how.stretch
    for first in range(0, len(ids), size):
        before = ids[max(0, first - _BEFORE) : first]
        session.encode([*prompt, *before, *ids[first : first + size]])
        session.crop(length)
    cache.compress(start)


class RehearsedCache(Cache):
    """`_rows`: of each layer the tokens that are as they were made; `_kept`: what stays of those before, of each layer and head."""

    def __init__(self, policy: Rehearsed, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self.how = policy
        self._rows = [empty_rows(shape) for _ in range(shape.layers)]
        self._kept: list[list[_Kept]] | None = None
        self._scores: Tensor | None = None  # (layers, kv_heads, tokens), while a text is rehearsed
        self._cut = 0

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        rows = self._rows[layer]
        rows.append(k, v)
        if self._scores is not None:
            known = self._scores.shape[2]
            shares = largest_shares(q, rows.keys, self.shape.scaling, known)
            self._scores[layer] = torch.maximum(self._scores[layer], shares)
        if self._kept is None:
            return attention(q, rows.keys, rows.values, self.shape.scaling, causal=True)
        groups, outputs = self.shape.groups, []
        for head, kept in enumerate(self._kept[layer]):
            keys, values = kept.wide(q.dtype)
            keys = torch.cat((keys[None, None], rows.keys[:, head : head + 1]), dim=2)
            values = torch.cat((values[None, None], rows.values[:, head : head + 1]), dim=2)
            queries = q[:, head * groups : (head + 1) * groups]
            outputs.append(attention(queries, keys, values, self.shape.scaling, causal=True))
        return torch.cat(outputs, dim=1)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        near = float(len(self._rows[0]))
        if self._kept is None:
            return np.full(self.shape.layers, near)
        return np.array([near + float(np.mean([len(one) for one in layer])) for layer in self._kept])

    def listen(self) -> None:
        """From now on note what each token is attended to."""
        if self._kept is not None:
            raise StateError("this text was rehearsed before, and only a part of it is left: begin a new session")
        if not self.length:
            raise StateError("nothing has been read that could be rehearsed: encode a text first")
        self._scores = torch.zeros(self.shape.layers, self.shape.kv_heads, self.length, device=self.shape.device)

    def compress(self, start: int = 0) -> None:
        """Keep what was attended to most; tokens before `start` and the sinks in any case."""
        scores = self._scores
        if scores is None:
            raise StateError("nothing was rehearsed: call rehearse")
        scores[:, :, : max(start, self.how.sinks)] = torch.inf
        wanted = min(self.how.budget * self.shape.layers * self.shape.kv_heads, scores.numel())
        chosen = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
        chosen[scores.flatten().topk(wanted).indices] = True
        chosen = chosen.reshape(scores.shape)
        self._kept = [
            [_Kept.of(rows.keys[0, head, one], rows.values[0, head, one], self.how.quantised) for head, one in enumerate(layer)]
            for rows, layer in zip(self._rows, chosen, strict=True)
        ]
        self._rows, self._scores, self._cut = [empty_rows(self.shape) for _ in self._rows], None, self.length

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        self._rows[layer].append(k, v)

    def _crop(self, length: int) -> None:
        if length < self._cut:
            raise StateError(
                f"of the first {self._cut} tokens only some were kept, and the text cannot go back to {length}: "
                "fork before rehearsing, or read it again"
            )
        for rows in self._rows:
            rows.crop(length - self._cut)

    def _forked(self) -> None:
        self._rows = [rows.fork() for rows in self._rows]
        self._scores = None if self._scores is None else self._scores.clone()

    def _nbytes(self) -> tuple[int, int]:
        held = sum(rows.nbytes for rows in self._rows)
        held += sum(one.nbytes for layer in self._kept or () for one in layer)
        return held, held

    def _arrays(self) -> dict[str, Tensor]:
        arrays = {
            "keys": torch.cat([rows.keys for rows in self._rows]),
            "values": torch.cat([rows.values for rows in self._rows]),
        }
        if self._kept is not None:
            every = [one for layer in self._kept for one in layer]
            arrays |= {f"kept.{name}": torch.cat([one.arrays[name] for one in every]) for name in _Kept.NAMES}
            arrays["kept.counts"] = torch.tensor([len(one) for one in every])
        return arrays

    def _state(self) -> dict[str, Any]:
        return {"cut": self._cut}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        expected = (self.shape.layers, self.shape.kv_heads, arrays["keys"].shape[2], self.shape.head_dim)
        if arrays["keys"].shape != expected or arrays["values"].shape != expected:
            raise ValueError(f"keys and values must be {expected}")
        self._rows = [Rows(k[None], v[None]) for k, v in zip(arrays["keys"], arrays["values"], strict=True)]
        self._cut = int(state["cut"])
        if "kept.counts" in arrays:
            counts = [int(one) for one in arrays["kept.counts"]]
            parts = zip(*(arrays[f"kept.{name}"].split(counts) for name in _Kept.NAMES), strict=True)
            every = [_Kept(dict(zip(_Kept.NAMES, part, strict=True))) for part in parts]
            heads = self.shape.kv_heads
            self._kept = [every[at : at + heads] for at in range(0, len(every), heads)]
            if len(self._kept) != self.shape.layers:
                raise ValueError(f"{len(every)} heads were kept, and the model has {self.shape.layers * heads}")


class _Kept:
    """What stays of a head of keys: keys and values (n, dim), with scales (n, 1) where they are in 8 bits, else empty ones (n, 0)."""

    NAMES: Final = ("keys", "key_scales", "values", "value_scales")

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self.arrays = arrays

    @classmethod
    def of(cls, keys: Tensor, values: Tensor, quantised: bool) -> _Kept:
        """Of keys and values that are copied."""
        arrays = {}
        for name, scales, one in (("keys", "key_scales", keys), ("values", "value_scales", values)):
            arrays[name], arrays[scales] = quantise(one) if quantised else (one, one[:, :0])
        return cls(arrays)

    def __len__(self) -> int:
        return len(self.arrays["keys"])

    @property
    def nbytes(self) -> int:
        return sum(int(one.nbytes) for one in self.arrays.values())

    def wide(self, kind: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys and values of this type."""
        keys, values = (
            dequantise(self.arrays[name], self.arrays[scales], kind)
            if self.arrays[scales].numel()
            else self.arrays[name].to(kind)
            for name, scales in (("keys", "key_scales"), ("values", "value_scales"))
        )
        return keys, values


def largest_shares(q: Tensor, keys: Tensor, scaling: float, known: int) -> Tensor:
    """The largest share of attention (kv_heads, known) that each of the first `known` keys gets of any query, in any head of queries.

    `q` (1, heads, n, dim), the queries of the last n of `keys` (1, kv_heads, m, dim).

    >>> largest_shares(torch.zeros(1, 2, 2, 4), torch.zeros(1, 1, 4, 4), 0.5, 2)
    tensor([[0.3333, 0.3333]])
    """
    heads, m, n = keys.shape[1], keys.shape[2], q.shape[2]
    grouped = q[0].unflatten(0, (heads, -1))  # (kv_heads, groups, n, dim)
    found = torch.zeros(heads, known, device=q.device)
    for first in range(0, n, _QUERIES):
        some = grouped[:, :, first : first + _QUERIES]
        end = m - n + first + some.shape[2]  # no query of these sees a later key
        scores = (some @ keys[0, :, None, :end].mT).to(torch.float32) * scaling
        scores = scores.masked_fill(~lower(some.shape[2], end, str(q.device)), -torch.inf).softmax(dim=-1)
        found = torch.maximum(found, scores[..., :known].amax(dim=(1, 2)))
    return found
