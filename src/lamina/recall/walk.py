"""Walks over names: what answers a cue only by way of something else that its answer names.

Items and the names in them are the nodes of a graph, and an item has an edge to each of its names. A walk starts at the names in the cue and
at the items that answer it best by themselves, follows edges, and keeps returning to where it started; where it spends its time is what hangs
together with the cue, however many steps away. No step of it waits for a language model: the graph is the index of names, so an item
is part of it as soon as it is stored and no longer than it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lamina.algorithms.pagerank import Graph, PersonalizedPageRank
from lamina.index.flat import top
from lamina.index.view import TRACE, ScopeView
from lamina.storage.protocol import Store

Slots = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Walk:
    """Personalized PageRank around the best candidates of a cue.

    Of the graph, only what can matter is looked at: the best candidates, and what shares a name with the very best of them or with the cue.
    What it costs does therefore not grow with the memory.

    Parameters: `ranking`, how the walk goes; `on_names`, the weight with which it starts at a name of the cue that one item has, where all candidates
    together have 1; `looked`, candidates that are part of the graph; `seeds`, the best of them, whose names lead on; `common`, items with a
    name beyond which it leads nowhere in particular; `reached`, items that come in by way of names, and `followed`, names that
    are looked up for that, at most.

    Sources: B. J. Gutiérrez et al., "HippoRAG: Neurobiologically Inspired Long-Term Memory for Large Language Models", 2024 (node specificity:
    a name starts walks by one over the number of items that have it); B. J. Gutiérrez et al., "From RAG to Memory", 2025 (items as nodes, and
    as places to start from). Here the names are found by spelling instead of a language model, and candidates start walks by their scores.
    """

    ranking: PersonalizedPageRank = field(default_factory=lambda: PersonalizedPageRank(damping=0.5, residual=1e-6))
    on_names: float = 1.0
    looked: int = 100
    seeds: int = 20
    common: int = 30
    reached: int = 200
    followed: int = 300

    def reach(
        self, view: ScopeView, cue: Sequence[int], slots: Slots, scores: Scores, passable: NDArray[np.bool_], store: Store,
    ) -> Slots:  # fmt: skip
        """Items beyond the candidates that share a name with the cue or with one of the best, ascending.

        `cue`: the hashes of its names; `passable`, shape (slots,): what the walk may touch.
        """
        seeds = slots[top(scores, self.seeds)]
        found, _ = view.names.gather(seeds)
        worth = np.zeros(len(view))
        for name in list(dict.fromkeys([*cue, *found.tolist()]))[: self.followed]:
            have = view.names.postings(name)[0]
            have = have[passable[have]]
            if 0 < len(have) <= self.common:
                worth[have] += 1 / len(have)
        worth[slots] = 0
        others = np.flatnonzero(worth)
        near = others[top(worth[others].astype(np.float32), self.reached)]
        derived = near[view.kind[near] != TRACE]
        if len(derived):  # they lead on to what they rest on
            cited = view.slots_of([edge.dst for edge in store.edges.out(view.keys[derived].tolist(), ["cites"])])
            near = np.union1d(near, np.setdiff1d(cited[passable[cited]], slots))
        return np.sort(near)

    def lift(
        self, view: ScopeView, cue: Sequence[int], slots: Slots, scores: Scores, passable: NDArray[np.bool_], store: Store,
    ) -> NDArray[np.float32]:  # fmt: skip
        """How much more a walk spends at each item than its own score accounts for, in nats of that score, shape (slots,); at least 0.

        `slots`: candidates and what was reached, ascending; `scores` of them, in units in which a difference of 1 means e times as likely; −∞ for what the walk may
        only pass through.
        """
        chosen = top(scores, self.looked)
        near = np.unique(np.concatenate([chosen, np.flatnonzero(~np.isfinite(scores)), self._sharing(view, cue, slots, scores)]))
        start = np.where(np.isfinite(scores[near]), scores[near], -np.inf)
        start = np.exp(start - start.max()).astype(np.float64)
        start /= start.sum()
        hashes, begins = view.names.gather(slots[near])
        unique, place = np.unique(hashes, return_inverse=True)
        owner = np.repeat(np.arange(len(near)), np.diff(begins))
        one, other = self._cited(view, slots[near], store)
        graph = Graph.of(
            len(near) + len(unique), np.concatenate([owner, one]), np.concatenate([len(near) + place, other])
        )  # fmt: skip
        restart = np.concatenate([start, self._specific(view, cue, unique, passable)])
        restart[len(near) :] *= self.on_names
        restart /= restart.sum()
        own = (1 - self.ranking.damping) * restart[: len(near)]  # what is spent there without any step
        spent = np.maximum(self.ranking.of(graph, restart)[: len(near)], own)
        out = np.zeros(len(slots), np.float32)
        starting = own > 0
        out[near[starting]] = np.log(spent[starting] / own[starting])
        return out

    def _sharing(self, view: ScopeView, cue: Sequence[int], slots: Slots, scores: Scores) -> Slots:
        """The places of slots that share a name with the cue or with the best of them."""
        hashes, begins = view.names.gather(slots)
        best, _ = view.names.gather(slots[top(scores, self.seeds)])
        owner = np.repeat(np.arange(len(slots)), np.diff(begins))
        return np.unique(owner[np.isin(hashes, np.union1d(best, np.array(list(cue), np.uint32)))])

    def _specific(
        self, view: ScopeView, cue: Sequence[int], unique: NDArray[np.uint32], passable: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Where the cue's names start the walk, shape (names,): one over the number of items that have each."""
        found = np.zeros(len(unique))
        for name in cue:
            place = int(np.searchsorted(unique, np.uint32(name)))
            if place < len(unique) and unique[place] == name:
                found[place] = 1 / max(int(passable[view.names.postings(name)[0]].sum()), 1)
        return found

    def _cited(self, view: ScopeView, slots: Slots, store: Store) -> tuple[Slots, Slots]:
        """Edges between derived statements and what they cite, as places among some slots."""
        derived = np.flatnonzero(view.kind[slots] != TRACE)
        if not len(derived):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        place = {int(key): number for number, key in enumerate(view.keys[slots].tolist())}
        edges = store.edges.out(view.keys[slots[derived]].tolist(), ["cites"])
        pairs = [(place[edge.src], place[edge.dst]) for edge in edges if edge.src in place and edge.dst in place]
        found = np.array(pairs, np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]
