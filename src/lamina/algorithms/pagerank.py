"""Personalized PageRank of an undirected graph: how much of a walk that keeps returning to where it starts is spent at each node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError

Floats = NDArray[np.float64]
Places = NDArray[np.integer[Any]]

BLOCK = 32_768  # entries that are summed at a time
FEW = 8  # one entry in so many, or fewer, are read one by one


@dataclass(frozen=True, eq=False)
class Graph:
    """An undirected weighted graph in compressed rows.

    Parameters: `starts`, where the neighbours of each node begin, shape (nodes + 1,); `ends`, the neighbours, shape (2 × edges,), in
    the width of places in memory, since numpy would widen others at every step; `weights` of the same, more than 0. Each edge stands in both
    of its rows.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.intp]
    weights: Floats

    @classmethod
    def of(cls, nodes: int, left: Places, right: Places, weights: Floats | None = None) -> Graph:
        """The graph of some edges, each named once, in either direction; weights of an edge that is named again add up.

        A loop is left out: it would only slow the walk down. Raises `InputError` for ends outside the nodes and weights that are not
        finite and more than 0.

        >>> graph = Graph.of(3, np.array([0, 1, 1]), np.array([1, 2, 0]))
        >>> len(graph), graph.ends.tolist(), graph.weights.tolist()
        (3, [1, 0, 2, 1], [2.0, 2.0, 1.0, 1.0])
        """
        one, other = np.asarray(left, np.int64), np.asarray(right, np.int64)
        worth = np.ones(len(one)) if weights is None else np.asarray(weights, np.float64)
        if not len(one) == len(other) == len(worth):
            raise InputError(f"edges need two ends and a weight each, not {len(one)}, {len(other)} and {len(worth)} of them")
        if len(one) and not (min(one.min(), other.min()) >= 0 and max(one.max(), other.max()) < nodes):
            raise InputError(f"the ends of edges must lie between 0 and {nodes - 1}")
        if not (np.isfinite(worth).all() and (worth > 0).all()):
            raise InputError("the weights of edges must be finite and more than 0")
        kept = one != other
        one, other, worth = one[kept], other[kept], worth[kept]
        pairs = np.concatenate([one * nodes + other, other * nodes + one])
        unique, place = np.unique(pairs, return_inverse=True)
        rows = unique // max(nodes, 1)
        return cls(
            np.searchsorted(rows, np.arange(nodes + 1)).astype(np.int64),
            (unique - rows * nodes).astype(np.intp),
            np.bincount(place, np.concatenate([worth, worth]), len(unique)).astype(np.float64),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def degrees(self) -> Floats:
        """The weight at each node, shape (nodes,); 0 for one without edges."""
        return self._sums(self.weights)

    @cached_property
    def _full(self) -> NDArray[np.int64]:
        """The nodes that have edges."""
        return np.flatnonzero(np.diff(self.starts))

    @cached_property
    def _roots(self) -> Floats:
        """1 / √degree, 0 where there is none."""
        return np.divide(1, np.sqrt(self.degrees), out=np.zeros(len(self)), where=self.degrees > 0)

    @cached_property
    def _even(self) -> bool:
        """Whether all weights are 1."""
        return bool((self.weights == 1).all())

    def _sums(self, values: Floats) -> Floats:
        """Sums over the rows of a value for each of their entries, shape (nodes,)."""
        found = np.zeros(len(self))
        if len(self._full):
            found[self._full] = np.add.reduceat(values, self.starts[self._full])
        return found

    @cached_property
    def _blocks(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], slice]]:
        """The nodes that have edges in runs of about `BLOCK` entries: the nodes, where each begins in the run, and where the run lies."""
        found, first = [], 0
        begins = np.append(self.starts[self._full], len(self.ends))
        while first < len(self._full):
            last = max(int(np.searchsorted(begins, begins[first] + BLOCK, side="right")) - 1, first + 1)
            found.append(
                (self._full[first:last], begins[first:last] - begins[first], slice(int(begins[first]), int(begins[last])))
            )
            first = last
        return found

    def _gathered(self, values: Floats) -> Floats:
        """For each node the sum of its neighbours' values times the edges' weights, run by run, so that what is between stays in the processor's cache."""
        found = np.zeros(len(self))
        buffer = np.empty(max((run.stop - run.start for _, _, run in self._blocks), default=0))
        for nodes, begins, run in self._blocks:
            part = buffer[: run.stop - run.start]
            np.take(values, self.ends[run], out=part, mode="clip")  # "clip" alone writes into the buffer; all ends are nodes
            if not self._even:
                part *= self.weights[run]
            found[nodes] = np.add.reduceat(part, begins)
        return found

    def spread(self, mass: Floats) -> Floats:
        """Each node's mass handed to its neighbours by the symmetric normalisation 1/√degree · weight · 1/√degree, shape (nodes,).

        Where few nodes have any, as at the beginning of a walk, only their edges are read.
        """
        scaled = mass * self._roots
        if int(np.count_nonzero(scaled)) * FEW > len(self):
            return self._gathered(scaled) * self._roots
        some = np.flatnonzero(scaled)
        counts = self.starts[some + 1] - self.starts[some]
        total = int(counts.sum())
        if total * FEW > len(self.ends):
            return self._gathered(scaled) * self._roots
        entries = np.repeat(self.starts[some] - np.cumsum(counts) + counts, counts) + np.arange(total)
        sent = np.repeat(scaled[some], counts) * self.weights[entries]
        return np.bincount(self.ends[entries], sent, len(self)) * self._roots


@dataclass(frozen=True)
class PersonalizedPageRank:
    """The stationary mass of a walk that follows an edge with probability `damping` and else starts again.

    Solves x = damping · W x + (1 − damping) · restart, W the weights of each node's edges divided by their sum. A node without edges keeps
    its mass, so x sums to 1. The symmetric form of the system is solved by conjugate gradients, which need half the steps of iterating it.

    Parameters: `damping`; `residual`, the L1 norm of what is left of the equation at the end (of a mass of 1); `steps`, at most.

    Sources: L. Page, S. Brin, R. Motwani and T. Winograd, "The PageRank Citation Ranking", 1999; T. Haveliwala, "Topic-Sensitive PageRank",
    2002; M. Hestenes and E. Stiefel, "Methods of Conjugate Gradients for Solving Linear Systems", 1952.

    >>> line = Graph.of(4, np.array([0, 1]), np.array([1, 2]))
    >>> mass = PersonalizedPageRank(residual=1e-12).of(line, np.array([1.0, 0, 0, 0]))
    >>> mass.round(4).tolist(), round(float(mass.sum()), 9)
    ([0.5833, 0.3333, 0.0833, 0.0], 1.0)
    """

    damping: float = 0.5
    residual: float = 1e-6
    steps: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.damping < 1:
            raise InputError(f"damping must lie between 0 and 1, not be {self.damping}")
        if not self.residual > 0 or self.steps < 1:
            raise InputError(f"residual and steps must be more than 0, not {self.residual} and {self.steps}")

    def of(self, graph: Graph, restart: Floats) -> Floats:
        """The mass of each node, shape (nodes,), for where the walk starts: any weights of at least 0, shape (nodes,), of which one is more.

        Raises `InputError` for weights that are none, since there is then nowhere to start.
        """
        start = np.asarray(restart, np.float64)
        if start.shape != (len(graph),):
            raise InputError(f"restart must have shape ({len(graph)},), not {start.shape}")
        total = float(start.sum())
        if not np.isfinite(start).all() or (start < 0).any() or total <= 0:
            raise InputError("restart must hold finite weights of at least 0, and one of more: a walk must start somewhere")
        start = start / total
        alone = graph.degrees == 0
        mass = self._solve(graph, np.where(alone, 0, start) * (1 - self.damping))
        mass[alone] = start[alone]
        return mass

    def _solve(self, graph: Graph, right: Floats) -> Floats:
        roots = graph._roots
        scale = np.sqrt(graph.degrees)
        solution, left = np.zeros(len(graph)), right * roots
        direction, size = left.copy(), float(left @ left)
        for _ in range(self.steps):
            if float(np.abs(left) @ scale) <= self.residual:
                break
            image = direction - self.damping * graph.spread(direction)
            step = size / float(direction @ image)
            solution += step * direction
            left -= step * image
            before, size = size, float(left @ left)
            direction *= size / before
            direction += left
        return np.maximum(solution * scale, 0)
