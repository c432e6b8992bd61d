"""The cache of EM-LLM: a window, the first tokens, and a store of events, from which every layer fetches for each block.

Source: "Human-like Episodic Memory for Infinite Context LLMs" (Zafeirios Fountas et al., 2024; ICLR 2025).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import InputError, StateError
from lamina.kv.attending import attention_mass
from lamina.kv.blocks import BlockStore
from lamina.kv.merging import combine
from lamina.kv.offloading import BlockFile, LoadedBlocks
from lamina.kv.policy import Cache
from lamina.kv.positions import turn
from lamina.kv.recent import RecentTokens
from lamina.kv.selecting import likeness
from lamina.kv.shape import ModelShape
from lamina.kv.summaries import MostAttended

if TYPE_CHECKING:
    from lamina.kv.policies.episodic import EpisodicCache

_NAMES: Final = ("keys", "values")
_CHOOSING: Final = ("n_mem", "contiguity", "likeness", "cue", "retrieval", "overshoot", "seed")
_UNKNOWN: Final = -1  # the id of a token of which only keys and values are known


class EventMemory(Cache):
    """See `EpisodicCache`. `store`: the events, their keys at position 0.

    What a token received of attention, by which the tokens that stand for an event are chosen, is the sum over the queries of
    its time in the window, in a softmax over the window alone: so it does not depend on what was fetched, nor on the blocks in
    which the text was read.
    """

    wants_surprises = False
    policy: EpisodicCache

    def __init__(self, policy: EpisodicCache, shape: ModelShape) -> None:
        super().__init__(policy, shape)
        self.wants_surprises = policy.boundaries == "surprise"
        self.store = BlockStore(
            MostAttended(policy.representatives, each=policy.standing == "each"), file=BlockFile() if policy.offload else None
        )
        self._loaded = [LoadedBlocks(policy.n_mem) for _ in range(shape.layers if policy.offload else 0)]
        self._cutter, self._marker = policy.cutter(), policy.marker()
        self._selectors = [policy.selector(layer) for layer in range(shape.layers)]
        self._recent = RecentTokens(shape)
        self._first: dict[str, Tensor] = {}  # keys at position 0 and values of the tokens that are always seen
        self._ids = np.empty(0, np.int64)
        self._surprises = np.empty(0, np.float64)
        self._marks = np.empty(0, np.int64)
        self._last = policy.n_init  # the newest mark that was kept
        self._recalled: list[list[int]] = [[] for _ in range(shape.layers)]
        self._seen = [0] * shape.layers
        self._asked: list[Tensor] = []  # a layer's newest queries (heads, at most policy.cue, dim), at the distance n_local

    # -------------------------------------------------------------------------------------------------------- reports
    def events(self) -> list[tuple[int, int]]:
        """The positions of each stored event's first token and of the one after its last."""
        return [(int(start), int(start + size)) for start, size in zip(self.store.starts, self.store.sizes, strict=True)]

    def recalled(self, layer: int) -> list[tuple[int, int]]:
        """The events that a layer fetched for the last block, as in `events`."""
        events = self.events()
        return [events[place] for place in self._recalled[layer]]

    def surprises(self) -> NDArray[np.float64]:
        """How unexpected each token read was, in nats; NaN where that is not known."""
        return self._surprises.copy()

    def attended(self) -> NDArray[np.float64]:
        """See `Cache.attended`."""
        return np.array(self._seen, np.float64)

    def recall_by(self, **fields: Any) -> None:
        """Choose events in another way from now on, with these fields of the policy (`n_mem`, `contiguity`, `likeness`, `cue`,
        `retrieval`, `overshoot`, `seed`): more of them for one question, say, asked of a fork.

        Raises `InputError` for other fields, and for values the policy refuses.
        """
        others = fields.keys() - _CHOOSING
        if others:
            raise InputError(f"{', '.join(sorted(others))} cannot be changed while a text is read: only {', '.join(_CHOOSING)}")
        self.policy = replace(self.policy, **fields)
        self._selectors = [self.policy.selector(layer) for layer in range(self.shape.layers)]
        for loaded in self._loaded:
            loaded.tokens = self.policy.n_mem

    # ------------------------------------------------------------------------------------------------------ attention
    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """See `Cache.attend`."""
        places = torch.arange(start, start + q.shape[2], device=q.device)
        self._recent.write(layer, start, k[0], v[0])
        afar = turn(q, self.policy.n_local - places, self.shape.frequencies)
        parts = [self._window(layer, q, places), self._passed(layer, afar, places), self._past(layer, afar)]
        outputs, masses = zip(*(one for one in parts if one is not None), strict=True)
        return combine(outputs, masses).to(q.dtype)

    def _window(self, layer: int, q: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to the window, at its own positions; what its tokens receive is noted."""
        start, end = int(places[0]), int(places[-1]) + 1
        low = max(self._recent.base, start - self.policy.n_local + 1)
        distance = places[:, None] - torch.arange(low, end, device=places.device)  # (n, m)
        seen = (distance >= 0) & (distance < self.policy.n_local)
        keys, values = self._recent.keys(layer, low, end)[None], self._recent.values(layer, low, end)[None]
        out, mass = attention_mass(q, keys, values, self.shape.scaling, seen)
        packed = q.reshape(1, self.shape.kv_heads, -1, q.shape[-1])  # (1, kv_heads, groups * n, dim)
        scores = (packed @ keys.mT).to(mass.dtype).reshape(self.shape.heads, *distance.shape)
        weights = (scores * self.shape.scaling - mass[0, :, :, None]).masked_fill(~seen, -torch.inf).exp()
        self._recent.credit(layer, low, weights.sum(dim=1).to(torch.float32))
        return out, mass

    def _passed(self, layer: int, q: Tensor, places: Tensor) -> tuple[Tensor, Tensor] | None:
        """Attention to what has left the window and is in no event yet; the first queries of a block may still have it in theirs."""
        recent, end = self._recent, int(places[-1]) + 1 - self.policy.n_local
        if end <= recent.base:
            return None
        seen = places[:, None] - torch.arange(recent.base, end, device=places.device) >= self.policy.n_local  # (n, m)
        keys, values = recent.plain(layer, recent.base, end)[None], recent.values(layer, recent.base, end)[None]
        return attention_mass(q, keys, values, self.shape.scaling, seen)

    def _past(self, layer: int, q: Tensor) -> tuple[Tensor, Tensor] | None:
        """Attention to the first tokens and the events that are fetched; all queries see all of them."""
        parts = [(self._first["keys"][layer], self._first["values"][layer])] if self._first else []
        chosen = self._recalled[layer] = self._recall(layer, q[0])
        if chosen:
            found = self._fetched(layer, chosen)
            parts.append((found["keys"], found["values"]))
        self._seen[layer] = len(self._recent) + sum(keys.shape[-2] for keys, _ in parts)
        if not parts:
            return None
        keys, values = (torch.cat(one, dim=-2)[None] for one in zip(*parts, strict=True))
        return attention_mass(q, keys, values, self.shape.scaling)

    def _fetched(self, layer: int, chosen: list[int]) -> dict[str, Tensor]:
        """Keys and values of events in one layer: from memory, or from the file where they are not loaded."""
        if not self._loaded:
            return self.store.gather(_NAMES, chosen, (layer,)).arrays
        return self._loaded[layer].fetch(chosen, lambda one: {name: self.store.part(name, one, (layer,)) for name in _NAMES})

    def _recall(self, layer: int, queries: Tensor) -> list[int]:
        """The events a layer fetches for the queries of the block and, where that is short, of what came before."""
        if layer == len(self._asked):
            self._asked.append(queries[:, :0])
        asked = torch.cat([self._asked[layer], queries], dim=1)
        self._asked[layer] = asked[:, -self.policy.cue :]
        if not len(self.store) or not self.policy.n_mem:
            return []
        summaries = self.store.summaries()[layer]  # (heads, events, dim), or (key heads, representatives, events, dim)
        cue = asked[:, -max(self.policy.cue, queries.shape[1]) :]
        scores = likeness(cue, summaries, self.shape.scaling, self.policy.likeness)
        return self._selectors[layer].select(scores, self.store.sizes)

    # --------------------------------------------------------------------------------------------------------- events
    def _finished(self, ids: Sequence[int], surprises: NDArray[np.float32] | None) -> None:
        before = len(self._ids)
        new = np.full(self.length - before, _UNKNOWN, np.int64)
        new[: len(ids)] = ids
        felt = np.full(len(new), np.nan)
        if surprises is not None:
            felt[:] = surprises
        self._ids = np.concatenate([self._ids, new])
        self._surprises = np.concatenate([self._surprises, felt])
        self._marks = np.concatenate([self._marks, self._marker.marks(self._ids, self._surprises, before)])
        self._hand_on(self.length - self.policy.n_local)

    def _hand_on(self, ready: int) -> None:
        """Tokens before position `ready` leave the window: the first ones to be seen always, the others into events."""
        recent, n_init = self._recent, self.policy.n_init
        if recent.base == 0 < n_init:
            if ready < n_init:
                return
            everywhere = slice(None)
            self._first = {
                "keys": recent.plain(everywhere, 0, n_init),
                "values": recent.values(everywhere, 0, n_init).clone(),
            }
            recent.drop(n_init)
        ends, self._last = self._cutter.cut(recent.base, self._last, self._marks, ready, self._similarity, n_init)
        for end in ends:
            self._store(end)

    def _store(self, end: int) -> None:
        recent, start = self._recent, self._recent.base
        everywhere = slice(None)
        arrays = {
            "keys": recent.plain(everywhere, start, end),  # (layers, kv_heads, tokens, dim)
            "values": recent.values(everywhere, start, end).clone(),
        }
        self.store.append(start, arrays, recent.received(start, end))
        recent.drop(end)

    def _similarity(self, start: int, end: int) -> NDArray[np.float64]:
        """Products of the keys at position 0, summed over heads and the layers from refine_from_layer on: (n, n).

        Tokens that are in the store already are read from it.
        """
        layers = slice(self.policy.refine_from_layer, None)
        at = max(start, self._recent.base)
        parts = [self._recent.plain(layers, at, end)]
        number = self.store.first + len(self.store)
        while at > start:
            number -= 1
            keys = self.store.block(number)["keys"][layers]
            parts.insert(0, keys)
            at -= keys.shape[-2]
        keys = torch.cat(parts, dim=-2)[..., max(start - at, 0) :, :].to(torch.float32)  # (layers, kv_heads, n, dim)
        flat = keys.permute(2, 0, 1, 3).reshape(end - start, -1).to(torch.float64)
        found: NDArray[np.float64] = (flat @ flat.T).cpu().numpy()
        return found

    # ---------------------------------------------------------------------------------------------------------- state
    def _append(self, layer: int, k: Tensor, v: Tensor, start: int) -> None:
        self._recent.write(layer, start, k[0], v[0])

    def _crop(self, length: int) -> None:
        if length < self._recent.base:
            raise StateError(
                f"tokens up to {self._recent.base} are in events already and cannot be forgotten one by one: "
                f"cut back to {self._recent.base} at least, or fork before reading on"
            )
        self._recent.crop(length)
        gone = self.length - length
        self._asked = [one[:, : max(one.shape[1] - gone, 0)] for one in self._asked]
        self._ids, self._surprises = self._ids[:length], self._surprises[:length]
        self._marks = self._marks[self._marks < length]
        self._last = min(self._last, length)

    def _forked(self) -> None:
        self._recent = self._recent.fork()
        self.store = self.store.fork()
        self._selectors = [one.fork() for one in self._selectors]
        self._loaded = [one.fork() for one in self._loaded]
        self._recalled, self._seen, self._asked = list(self._recalled), list(self._seen), list(self._asked)

    def _nbytes(self) -> tuple[int, int]:
        parts = [*self._asked, *self._first.values(), self._recent, *self._loaded]
        held = sum(one.nbytes for one in parts)
        loaded = sum(one.nbytes for one in self._loaded)  # lies in the file too
        return held - loaded + self.store.nbytes, held + self.store.resident

    def _header(self) -> dict[str, Any]:
        header: dict[str, Any] = json.loads(json.dumps(super()._header()))  # tuples as a file gives them back
        return header

    def _arrays(self) -> dict[str, Tensor]:
        arrays = {f"recent.{name}": one for name, one in self._recent.arrays().items()}
        arrays |= {f"first.{name}": one for name, one in self._first.items()}
        arrays |= {f"store.{name}": one for name, one in self.store.arrays().items()}
        if self._asked:
            arrays["asked"] = torch.stack(self._asked)
        told = {"ids": self._ids, "surprises": self._surprises, "marks": self._marks}
        return arrays | {name: torch.from_numpy(one.copy()) for name, one in told.items() if len(one)}

    def _state(self) -> dict[str, Any]:
        selectors = [one.state() for one in self._selectors]
        return {
            "base": self._recent.base,
            "last": self._last,
            "selectors": selectors,
            "recalled": self._recalled,
            "seen": self._seen,
            "loaded": [one.numbers for one in self._loaded],
        }

    def _restore(self, arrays: dict[str, Tensor], state: dict[str, Any]) -> None:
        def under(group: str) -> dict[str, Tensor]:
            return {name.removeprefix(group): one for name, one in arrays.items() if name.startswith(group)}

        self._recent.restore(under("recent."), int(state["base"]))
        self._first = under("first.")
        self._asked = list(arrays["asked"]) if "asked" in arrays else []
        self.store.restore(under("store."))
        told = {name: arrays[name].cpu().numpy() for name in ("ids", "surprises", "marks") if name in arrays}
        self._ids, self._surprises = told.get("ids", self._ids), told.get("surprises", self._surprises)
        self._marks = told.get("marks", self._marks)
        self._last, self._recalled, self._seen = int(state["last"]), state["recalled"], state["seen"]
        for selector, one in zip(self._selectors, state["selectors"], strict=True):
            selector.restore(one)
        for layer, numbers in enumerate(state["loaded"]):
            if numbers:
                self._fetched(layer, numbers)
