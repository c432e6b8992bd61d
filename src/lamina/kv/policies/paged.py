"""A long text is read whole, then lies in pages on disk; each question fetches those that may hold what it looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention
from lamina.kv.layers import empty_rows
from lamina.kv.mapping import mapped
from lamina.kv.policy import Cache, CachePolicy
from lamina.kv.quantising import dequantise, quantise
from lamina.kv.rows import Rows
from lamina.kv.shape import ModelShape

Tensor: TypeAlias = torch.Tensor


@dataclass(frozen=True)
class PagedRetrieval(CachePolicy):
    """Store everything, in pages of `page` tokens in a mapped file; hold the newest `window` tokens and a summary of each page.

    Text that comes in blocks of `dense` tokens or more sees everything before it, and afterwards all but the window goes into pages. What comes in
    fewer tokens (a question, an answer) sees the window, what came after it, and in each layer and head of keys as many pages
    as hold `retrieved` tokens: the first one, and those with the highest bound on the attention that any of the queries gives.
    A summary has the least and the largest number of each channel of a page's keys, and the bound is that of a key that lies
    between them. `quantised`: pages and summaries in 8 bits. Tokens stay at their positions.

    Resident are the window and what came after it, the summaries, and `retrieved` tokens of all layers, though only those of one layer
    are needed at a time. When `dense` tokens wait behind the window, they go into pages too.

    Source: "Quest: Query-Aware Sparsity for Efficient Long-Context LLM Inference" (Jiaming Tang et al., 2024): pages of 16 and the
    bound. There every head of queries has its own pages and the first two layers see everything; here heads that share keys
    share pages, chosen by the best place that a page has in the softmax over bounds of any query, and all layers fetch.
    """

    page: int = 16
    window: int = 64
    retrieved: int = 1024
    dense: int = 128
    quantised: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.page < 1 or self.window < 1 or self.dense < 1 or self.retrieved < self.page:
            raise InputError(
                f"page, window and dense must be 1 or more and retrieved a page at least, not {self.page}, {self.window}, "
                f"{self.dense} and {self.retrieved}"
            )

    def begin(self, shape: ModelShape) -> PagedCache:
        """See `CachePolicy`."""
        return PagedCache(self, shape)


class PagedCache(Cache):
    """`_pages`: stretches of pages, the oldest first; `_rows`: of each layer what is not in a page."""

    def __init__(self, policy: PagedRetrieval, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self._how = policy
        self._rows = [empty_rows(shape) for _ in range(shape.layers)]
        self._pages: list[_Pages] = []
        self._saw = 0

    @property
    def _count(self) -> int:
        return sum(len(one) for one in self._pages)

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache`."""
        rows = self._rows[layer]
        rows.append(k, v)
        keys, values = rows.keys, rows.values
        if self._pages:
            fetched = self._fetched(layer, q)
            keys, values = torch.cat((fetched[0], keys), dim=2), torch.cat((fetched[1], values), dim=2)
        self._saw = int(keys.shape[2])
        return attention(q, keys, values, self.shape.scaling, causal=True)

    def attended(self) -> NDArray[np.float64]:
        """See `Cache`."""
        return np.full(self.shape.layers, float(self._saw))

    def _fetched(self, layer: int, q: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (1, kv_heads, n, dim) of the pages that a layer's queries are to see."""
        places = torch.arange(self._count, device=q.device).expand(self.shape.kv_heads, -1)
        wanted = self._how.retrieved // self._how.page
        if q.shape[2] < self._how.dense and self._count > wanted:
            places = self._chosen(layer, q, wanted)
        keys = torch.empty(*places.shape, self._how.page, self.shape.head_dim, dtype=q.dtype, device=q.device)
        values, first = torch.empty_like(keys), 0
        for one in self._pages:
            heads, at = ((places >= first) & (places < first + len(one))).nonzero(as_tuple=True)
            keys[heads, at], values[heads, at] = one.at(layer, heads, places[heads, at] - first, q.dtype)
            first += len(one)
        return keys.flatten(1, 2)[None], values.flatten(1, 2)[None]

    def _chosen(self, layer: int, q: Tensor, wanted: int) -> Tensor:
        """The pages (kv_heads, wanted) that may be attended to most."""
        queries = q.reshape(self.shape.kv_heads, -1, self.shape.head_dim).float()  # (kv_heads, groups * n, dim)
        bounds = torch.cat([one.bounds(layer, queries) for one in self._pages], dim=-1) * self.shape.scaling
        bounds[..., 0] = -torch.inf  # the first page is always seen: what is left is shared among the others
        shares = bounds.softmax(dim=-1).amax(dim=1)  # (kv_heads, pages)
        shares[:, 0] = torch.inf
        return shares.topk(wanted, dim=-1).indices

    def _settled(self, n: int) -> None:
        waiting = len(self._rows[0]) - self._how.window
        if waiting >= max(self._how.dense, self._how.page):
            whole = waiting // self._how.page * self._how.page
            self._pages = [
                *self._pages,
                _Pages.of([(rows.keys[0, :, :whole], rows.values[0, :, :whole]) for rows in self._rows], self._how),
            ]
            for rows in self._rows:
                rows.take(slice(whole, None))

    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        self._rows[layer].append(k, v)

    def _crop(self, length: int) -> None:
        whole, rest = divmod(length, self._how.page)
        if whole >= self._count:
            for rows in self._rows:
                rows.crop(length - self._count * self._how.page)
            return
        for layer, (keys, values) in enumerate([self._page(layer, whole) for layer in range(self.shape.layers)]):
            self._rows[layer] = Rows(keys[None, :, :rest].clone(), values[None, :, :rest].clone())
        left, kept = whole, list[_Pages]()
        for one in self._pages:
            if left > 0:
                kept.append(one.upto(left))
                left -= len(one)
        self._pages = kept

    def _page(self, layer: int, number: int) -> tuple[Tensor, Tensor]:
        """Keys and values (kv_heads, page, dim) of a page."""
        heads = torch.arange(self.shape.kv_heads, device=self.shape.device)
        for one in self._pages:
            if number < len(one):
                return one.at(layer, heads, torch.full_like(heads, number), self.shape.torch_dtype)
            number -= len(one)
        raise StateError(f"there is no page {number} beyond the last")

    def _forked(self) -> None:
        self._rows = [rows.fork() for rows in self._rows]

    def _nbytes(self) -> tuple[int, int]:
        near = sum(rows.nbytes for rows in self._rows)
        summaries, stored = sum(one.summary_bytes for one in self._pages), sum(one.page_bytes for one in self._pages)
        fetched = min(self._how.retrieved // self._how.page, self._count) * self._how.page * self.shape.token_bytes
        return near + summaries + stored, near + summaries + fetched

    def _arrays(self) -> dict[str, Tensor]:
        arrays = {
            "keys": torch.cat([rows.keys for rows in self._rows]),
            "values": torch.cat([rows.values for rows in self._rows]),
        }
        for name in _Pages.NAMES if self._pages else ():
            arrays[f"pages.{name}"] = torch.cat([one.arrays[name] for one in self._pages], dim=2)
        return arrays

    def _state(self) -> dict[str, Any]:
        return {"saw": self._saw}

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        expected = (self.shape.layers, self.shape.kv_heads, arrays["keys"].shape[2], self.shape.head_dim)
        if arrays["keys"].shape != expected or arrays["values"].shape != expected:
            raise ValueError(f"keys and values must be {expected}")
        self._rows = [Rows(k[None], v[None]) for k, v in zip(arrays["keys"], arrays["values"], strict=True)]
        self._saw = int(state["saw"])
        if "pages.keys" in arrays:
            self._pages = [_Pages.mapped({name: arrays[f"pages.{name}"] for name in _Pages.NAMES})]


class _Pages:
    """Pages of all layers: keys and values (layers, kv_heads, pages, page, dim) in a file, and what is the least and the largest in
    their keys (layers, kv_heads, pages, 2, dim). In 8 bits all have scales; else these are empty.
    """

    NAMES: Final = ("keys", "key_scales", "values", "value_scales", "ends", "end_scales")

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        self.arrays = arrays

    @classmethod
    def mapped(cls, arrays: dict[str, Tensor]) -> _Pages:
        """With keys and values in a file, summaries in memory."""
        return cls({name: one if name.startswith("end") else mapped(one) for name, one in arrays.items()})

    @classmethod
    def of(cls, layers: list[tuple[Tensor, Tensor]], how: PagedRetrieval) -> _Pages:
        """Of the keys and values (kv_heads, pages * page, dim) of all layers."""
        keys, values = (torch.stack(part).unflatten(2, (-1, how.page)) for part in zip(*layers, strict=True))
        ends = torch.stack((keys.amin(dim=-2), keys.amax(dim=-2)), dim=-2)
        arrays = {}
        for name, scales, one in (("keys", "key_scales", keys), ("values", "value_scales", values), ("ends", "end_scales", ends)):
            arrays[name], arrays[scales] = quantise(one) if how.quantised else (one, one[..., :0])
        return cls.mapped(arrays)

    def upto(self, count: int) -> _Pages:
        """The first so many pages."""
        return _Pages({name: one[:, :, :count] for name, one in self.arrays.items()})

    def __len__(self) -> int:
        return int(self.arrays["keys"].shape[2])

    @property
    def summary_bytes(self) -> int:
        return sum(int(one.nbytes) for name, one in self.arrays.items() if name.startswith("end"))

    @property
    def page_bytes(self) -> int:
        return sum(int(one.nbytes) for name, one in self.arrays.items() if not name.startswith("end"))

    def at(self, layer: int, heads: Tensor, places: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys and values (n, page, dim) of n pages, each of a head."""
        found = {name: self.arrays[name][layer][heads, places] for name in self.NAMES[:4]}
        return _wide(found["keys"], found["key_scales"], kind), _wide(found["values"], found["value_scales"], kind)

    def bounds(self, layer: int, queries: Tensor) -> Tensor:
        """What a key between the ends of each page could get of each query (kv_heads, n, dim) at most: (kv_heads, n, pages)."""
        ends = _wide(self.arrays["ends"][layer], self.arrays["end_scales"][layer], queries.dtype)  # (kv_heads, pages, 2, dim)
        return queries.clamp(max=0) @ ends[..., 0, :].mT + queries.clamp(min=0) @ ends[..., 1, :].mT


def _wide(array: Tensor, scales: Tensor, kind: torch.dtype) -> Tensor:
    return dequantise(array, scales, kind) if scales.numel() else array.to(kind)
