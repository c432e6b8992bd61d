"""Searches among allowed vectors, run as planned; see `lamina.index.planning`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.forms import halves
from lamina.index.graphs.full import FullFile
from lamina.index.graphs.guiding import Guide, guess
from lamina.index.graphs.layers import Snapshot
from lamina.index.kernels.filtered import answers, search_allowed
from lamina.index.kernels.scan import scan_nodes, scan_sketches
from lamina.index.kernels.twins import unfold_all
from lamina.index.planning import LIKELY, Allowance, Costs, Situation
from lamina.index.sketches import words

if TYPE_CHECKING:
    from lamina.index.graphs.searching import SearchedGraph
    from lamina.index.tuning import Tuned

STARTS = 4  # allowed nodes that join the entry of a search by two hops
HOPS = 32  # allowed nodes for each node looked at, beyond which no second hop is made
PILOT = 4  # queries of a batch from which it is seen whether the graph will do for the rest
RUNS = 3  # of each measurement; the fastest counts
ROWS = 8192  # vectors of a measurement
ASKED = 32  # queries of a measurement


def search_filtered(
    index: SearchedGraph,
    now: Snapshot,
    queries: NDArray[np.float32],
    k: int,
    allow: NDArray[np.bool_],
    ef: int,
    plan: str | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k allowed nodes for each query with their scores, -1 and -inf where there are fewer, each of shape (queries, k).

    `queries` are normalised where the metric asks for it; `allow` is a mask over slots; `plan` names one instead of the cheapest. Sets
    `index.plan`, `index.computed` and `index.planner.last`.
    """
    planner = index.planner
    allowance = planner.allowance(now, allow)
    situation = planner.situation(now, allowance, k, ef)
    chosen = planner.choose(now, situation)
    if plan is not None:
        chosen = replace(chosen, name=plan, cost=chosen.costs.get(plan, float("nan")))
    run = _Run(index, now, queries, situation, allowance)
    if len(allowance.nodes):
        everything = np.arange(len(queries))
        scan = "sketches" if chosen.costs.get("sketches", np.inf) < chosen.costs["exact"] else "exact"
        if chosen.name in ("graph", "two-hop"):
            left = run.through_graph(everything, chosen.name, chosen.costs[scan])
            if len(left):
                run.scanned(left, scan)
                chosen = replace(chosen, gave_up=len(left))
        else:
            run.scanned(everything, chosen.name)
    index.plan, planner.last = chosen.name, chosen
    index.computed += run.computed
    return run.finished()


class _Run:
    """The work of one call."""

    def __init__(
        self, index: SearchedGraph, now: Snapshot, queries: NDArray[np.float32], situation: Situation, allowance: Allowance
    ) -> None:
        self.index, self.now, self.queries, self.situation, self.allowance = index, now, queries, situation, allowance
        self.k = k = situation.k
        self.euclidean = now.graph.norms.shape[0] > 0
        self.encoded = now.form.encode_queries(queries, self.euclidean)
        self.norms = now.form.norms(self.encoded) if self.euclidean else np.zeros(len(queries), np.float32)
        self.rerank = index.reranked(k) if now.full is not None else 0
        want = max(min(max(k, self.rerank), len(allowance.nodes)), 1)
        self.keys = np.zeros((len(queries), want), np.uint64)
        self.counts = np.zeros((len(queries), 3), np.int64)
        self.computed = 0

    def _part(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.uint64], NDArray[np.int64]]:
        if len(rows) == len(self.queries):
            return self.encoded, self.norms, self.keys, self.counts
        return self.encoded[rows], self.norms[rows], self.keys[rows], self.counts[rows]

    def _done(self, rows: NDArray[np.int64], keys: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
        if keys is not self.keys:
            self.keys[rows], self.counts[rows] = keys, counts
        self.computed += int(counts[:, 1].sum())

    def scanned(self, rows: NDArray[np.int64], plan: str) -> None:
        """Compare everything that is allowed, or its sketches first."""
        encoded, norms, keys, counts = self._part(rows)
        if plan == "sketches":
            likely = max(self.situation.likely, keys.shape[1])
            taken = guess(self.now.form, self.now.layers.sketched(self.now.used), encoded)
            scan_sketches(self.now.graph, taken, encoded, norms, 0, len(rows), self.allowance.nodes, likely, keys, counts)
        else:
            scan_nodes(self.now.graph, encoded, norms, 0, len(rows), self.allowance.nodes, keys, counts)
        self._done(rows, keys, counts)

    def through_graph(self, rows: NDArray[np.int64], plan: str, bound: float) -> NDArray[np.int64]:
        """Search the graph; returns the queries that are still to be answered. Where most of the first ones fail, the rest is not tried."""
        pilot = rows[: PILOT if len(rows) > 2 * PILOT else len(rows)]
        left = self._through_graph(pilot, plan, bound)
        rest = rows[len(pilot) :]
        if not len(rest):
            return left
        if 2 * len(left) > len(pilot):
            return np.concatenate([left, rest])
        return np.concatenate([left, self._through_graph(rest, plan, bound)])

    def _through_graph(self, rows: NDArray[np.int64], plan: str, bound: float) -> NDArray[np.int64]:
        now, allowance, situation = self.now, self.allowance, self.situation
        costs = self.index.planner.costs_of(now)
        hops, starts, weight = (HOPS, STARTS, costs.reading / costs.graph) if plan == "two-hop" else (0, 0, 0.0)
        ef = max(situation.kept_by_hops if hops else situation.kept, self.keys.shape[1])
        encoded, norms, keys, counts = self._part(rows)
        marks, epoch = self.index.room(now)
        taken = self.index.guide.guess(now, encoded)
        epoch = search_allowed(
            now.graph, now.top, now.entry, encoded, norms, 0, len(rows), allowance.closed, allowance.seeds, starts, hops, ef, weight,
            max(bound, 2.0 * self.k), taken, marks, epoch, keys, counts,
        )  # fmt: skip
        self.index.give_back(marks, epoch)
        self.index.spared += int(taken.spared[0])
        self.computed -= int(taken.spared[0])
        if len(allowance.barred):
            unfold_all(keys, counts, allowance.barred, now.twins)
        self._done(rows, keys, counts)
        left: NDArray[np.int64] = rows[counts[:, 0] < min(self.keys.shape[1], len(allowance.nodes))]
        return left

    def finished(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Nodes and scores, after the best were ordered by their full rows where there are some."""
        full, dim = self.now.full, self.queries.shape[1]
        nodes = np.full((len(self.queries), self.k), -1, np.int64)
        near = np.full((len(self.queries), self.k), np.inf, np.float32)
        none = np.zeros((0, dim), np.uint16)
        exact = halves(np.clip(self.queries, -65504, 65504)) if full is not None else none
        whole = answers(
            self.keys, self.counts, self.rerank, none if full is None else full.array, -1 if full is None else full.handle,
            0 if full is None else full.start, exact, self.euclidean, nodes, near,
        )  # fmt: skip
        if not whole:
            assert isinstance(full, FullFile)
            raise full.short()
        return nodes, -np.maximum(near, 0) if self.euclidean else -near


def adopt(index: SearchedGraph, tuned: Tuned) -> None:
    """Search with what tuning found from now on, and plan by what it and the kinds of work were measured to take."""
    index.ef = tuned.ef
    index.planner.learn(tuned)
    if len(index):
        index.planner.costs = measured_costs(index.snapshot(), index.guide)


def measured_costs(now: Snapshot, guide: Guide, seed: int = 0) -> Costs:
    """What the kinds of work cost with these vectors on this machine, by the time of this thread; takes some milliseconds once compiled.

    Too few vectors to tell (below a thousand) give the defaults.
    """
    graph, width = now.graph, now.graph.vectors.shape[1] * now.graph.vectors.itemsize
    living = np.flatnonzero(~now.dead[: now.used])
    if len(living) < 1000:
        return Costs.of(width, words(graph.vectors.shape[1]))
    generator = np.random.default_rng(seed)
    drawn = [np.sort(generator.choice(living, min(ROWS, len(living)), replace=False)).astype(np.int32) for _ in range(ASKED)]
    few = generator.choice(living, ASKED)
    queries, norms = graph.vectors[few], graph.norms[few] if len(graph.norms) else np.zeros(ASKED, np.float32)
    keys, counts = np.zeros((ASKED, 10), np.uint64), np.zeros((ASKED, 3), np.int64)
    none, marks = np.zeros(len(now.slot_of), np.uint8), np.zeros(len(now.slot_of), np.uint8)  # barred, visited
    taken, guided = guess(now.form, now.layers.sketched(now.used), queries), guide.guess(now, queries)

    def through() -> None:
        marks[:] = 0
        search_allowed(
            graph, now.top, now.entry, queries, norms, 0, ASKED, none, drawn[0][:0], 0, 0, 64, 0.0, 1e9, guided, marks, 0, keys, counts,
        )  # fmt: skip

    def scanned() -> None:
        for row, nodes in enumerate(drawn):
            scan_nodes(graph, queries, norms, row, row + 1, nodes, keys, counts)

    def sketched(share: int) -> None:
        for row, nodes in enumerate(drawn):
            scan_sketches(graph, taken, queries, norms, row, row + 1, nodes[: len(nodes) // share], LIKELY, keys, counts)

    took = _fastest(through)
    distance = took / max(int(counts[:, 1].sum()), 1)
    rows = len(drawn[0])
    scan = _fastest(scanned) / (ASKED * rows)
    whole, part = _fastest(lambda: sketched(1)) / ASKED, _fastest(lambda: sketched(2)) / ASKED
    sketch = max((whole - part) / (rows - rows // 2), 1.0)
    return Costs(distance, scan, sketch, Costs.reading, max(whole - sketch * rows, 0.0))


def _fastest(work: Callable[[], None]) -> float:
    """Nanoseconds of this thread; the first run, which may compile, does not count."""
    work()
    best = np.inf
    for _ in range(RUNS):
        start = time.thread_time_ns()
        work()
        best = min(best, time.thread_time_ns() - start)
    return float(best)
