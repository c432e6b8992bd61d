"""How a search among allowed vectors is done: in the graph, in the graph by two hops, by sketches, or exactly, whichever is expected to cost least.

Costs are counted in distances: one is a row fetched and compared on the way through a graph. What else is done is weighed by the time it takes,
measured on the vectors themselves when an index is tuned. A search of the graph whose work comes to what a scan would have cost is given up for
the scan, so that a wrong estimate costs about twice the scan at most.

Sources: L. Patel, P. Kraft, C. Guestrin, M. Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and Structured Data",
2024, for the two hops; J. Gao and C. Long, "RaBitQ", 2024, for the sketches. The choice by cost is our own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.forms import halves
from lamina.index.sketches import planes

if TYPE_CHECKING:
    from lamina.index.graphs.layers import Snapshot
    from lamina.index.hnsw import HNSW
    from lamina.index.tuning import Tuned

SEEDS = 64  # allowed nodes whose best join the entry of a search, and from whose lists the local share is read
STARTS = 4  # … how many join it
HOPS = 32  # allowed nodes for each node looked at, beyond which no second hop is made
REMEMBERED = 4  # masks that are kept folded to nodes
PILOT = 4  # queries of a batch from which it is seen whether the graph will do for the rest
RUNS = 3  # of each measurement; the fastest counts
ROWS = 2048  # vectors of a measurement


@dataclass(frozen=True)
class Costs:
    """Nanoseconds of each kind of work. The defaults are those of `of`, for int8 vectors of 256 dimensions.

    Parameters:
        graph: one distance on the way through a graph, all its overhead included.
        scan: one distance of a scan of many allowed nodes, wherever they lie.
        sketch: one sketch compared.
        reading: one list of links read without comparing its nodes.
        setting: what a scan by sketches costs a query besides, from sampling and from comparing the likely best.
    """

    graph: float = 46.0
    scan: float = 17.5
    sketch: float = 7.0
    reading: float = 100.0
    setting: float = 25_000.0

    @staticmethod
    def of(width: int) -> Costs:
        """What rows of so many bytes cost where nothing was measured.

        >>> Costs.of(1024).graph > 2 * Costs.of(256).graph - 1 > Costs.of(256).scan
        True
        """
        graph = 26 + 0.078 * width
        return Costs(graph, 5 + 0.049 * width, 7.0, 100.0, 12_000 + 290 * graph)


@dataclass(frozen=True)
class Situation:
    """What a plan is chosen from.

    Parameters:
        count: nodes in use.
        allowed: how many of them are allowed and alive.
        local: the share of allowed ones among the neighbours of allowed nodes; far above allowed / count where they lie together.
        k: how many are wanted.
        ef: candidates of an unfiltered search.
        links: of a node in the bottom layer, at most.
        expected: distances of an unfiltered search with ef candidates.
        sketches: whether there may be sketches.
    """

    count: int
    allowed: int
    local: float
    k: int
    ef: int
    links: int
    expected: Callable[[float], float]
    sketches: bool = True

    @property
    def share(self) -> float:
        """Of the nodes that are allowed."""
        return self.allowed / max(self.count, 1)

    @property
    def kept(self) -> int:
        """Candidates of a search through all nodes: the more lie between the allowed ones, the fewer of these must be kept for each wanted."""
        return max(self.k, round(self.k * (1 + max(self.ef / self.k - 1, 0) * self.share**0.25)))

    @property
    def kept_by_hops(self) -> int:
        """Candidates of a search by two hops, which go farther than links do."""
        return min(self.allowed, round(self.ef * max(3.0, 0.4 / max(self.local, 1e-6))))

    @property
    def likely(self) -> int:
        """Nodes that are compared exactly after a scan of sketches."""
        return 16 * self.k + 80


@dataclass(frozen=True)
class Plan:
    """What was chosen, and why.

    Parameters: `name`: "graph", "two-hop", "sketches" or "exact"; `cost`: what a query was expected to cost, in distances of the graph; `costs`:
    that of each plan there was; `allowed`: nodes; `gave_up`: queries that ended in a scan because the graph's work passed its bound.

    >>> Plan("exact", 20.0, {"exact": 20.0, "graph": 900.0}, 50).describe()
    'exact: about 20 distances a query (exact 20, graph 900), 50 allowed'
    """

    name: str
    cost: float
    costs: dict[str, float]
    allowed: int
    gave_up: int = 0

    def describe(self) -> str:
        """In words."""
        others = ", ".join(f"{name} {cost:,.0f}" for name, cost in sorted(self.costs.items(), key=lambda pair: pair[1]))
        over = f", {self.gave_up} queries given up for a scan" if self.gave_up else ""
        return f"{self.name}: about {self.cost:,.0f} distances a query ({others}), {self.allowed:,} allowed{over}"


def choose(situation: Situation, costs: Costs) -> Plan:
    """The plan of the least expected cost.

    >>> expected = lambda ef: 45 * ef**0.83
    >>> few = Situation(170_000, 170, 0.001, 10, 40, 32, expected)
    >>> choose(few, Costs()).name, choose(replace(few, allowed=85_000, local=0.5), Costs()).name
    ('exact', 'graph')
    """
    here, unit = situation, costs.graph
    spent = {"exact": here.allowed * costs.scan / unit}
    if here.sketches and here.allowed > 4 * here.likely:
        spent["sketches"] = (here.allowed * costs.sketch + costs.setting) / unit
    if here.allowed >= here.k:
        spent["graph"] = min(here.expected(here.kept / here.share), here.count)
        looked = here.kept_by_hops
        lists = min(1.5 * looked / max(here.local, 1 / here.links), here.count)
        spent["two-hop"] = min(1.5 * here.expected(looked), here.allowed + SEEDS) + lists * costs.reading / unit
    name = min(spent, key=lambda plan: spent[plan])
    return Plan(name, spent[name], spent, here.allowed)


def expected_distances(ef: float, links: int, measured: tuple[float, float] | None = None) -> float:
    """Distances of an unfiltered search with ef candidates; `measured`: an ef and what it took.

    The power was fitted to 31,000 and 170,000 vectors of 256 dimensions (ef 24 to 240).

    >>> round(expected_distances(40, 32)), round(expected_distances(80, 32, (40, 1000)))
    (961, 1778)
    """
    at, took = measured or (1.0, 45.0 * links / 32)
    return float(took * (ef / at) ** 0.83)


@dataclass(frozen=True, eq=False)
class Allowance:
    """A mask over slots folded to nodes: `mask` (capacity,) uint8, `nodes` (allowed,) int32, `seeds` some of these, `local` as in `Situation`."""

    mask: NDArray[np.uint8]
    nodes: NDArray[np.int32]
    seeds: NDArray[np.int32]
    local: float

    @classmethod
    def of(cls, now: Snapshot, allow: NDArray[np.bool_]) -> Allowance:
        """Fold a mask over slots; what lies beyond it, and what is dead, is not allowed."""
        from lamina.index.kernels.filtered import fold

        mask, nodes = np.zeros(len(now.slot_of), np.uint8), np.empty(now.count, np.int32)
        allow = np.ascontiguousarray(allow, np.bool_)
        nodes = nodes[: fold(now.slot_of, now.dead.view(np.uint8), allow.view(np.uint8), now.count, mask, nodes)].copy()
        seeds = nodes[np.arange(min(SEEDS, len(nodes))) * len(nodes) // max(min(SEEDS, len(nodes)), 1)]
        lists = now.graph.links[seeds]
        there = np.arange(lists.shape[1] - 1) < lists[:, :1]
        passing = mask[np.where(there, lists[:, 1:], 0)].astype(np.bool_) & there
        return cls(mask, nodes, seeds, float(passing.sum() / max(int(there.sum()), 1)))


@dataclass
class Planner:
    """Chooses and runs the plans of one index; it remembers the last masks and what was measured.

    Parameters: `sketches`, whether a sixteenth to a thirtieth of the vectors' memory may be spent on sketches of them, once they would pay.
    """

    sketches: bool = True
    costs: Costs | None = None
    measured: tuple[float, float] | None = None  # ef, distances a query
    last: Plan | None = None
    _remembered: tuple[tuple[Any, int, NDArray[np.bool_], Allowance], ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def learn(self, tuned: Tuned) -> None:
        """Take over how many distances a search takes."""
        if np.isfinite(tuned.distances) and tuned.distances > 0:
            self.measured = (float(tuned.ef), float(tuned.distances))

    def allowance(self, now: Snapshot, allow: NDArray[np.bool_]) -> Allowance:
        """A mask folded to nodes, or what is remembered of it: comparing masks is far cheaper."""
        layers, changes = now.layers, now.layers.changes
        for owner, at, mask, known in self._remembered:
            if owner is layers and at == changes and len(known.mask) == len(now.slot_of) and np.array_equal(mask, allow):
                return known
        made = Allowance.of(now, allow)
        with self._lock:
            fresh = [entry for entry in self._remembered if entry[0] is layers and entry[1] == changes]
            self._remembered = ((layers, changes, np.array(allow, np.bool_), made), *fresh[: REMEMBERED - 1])
        return made

    def nbytes(self) -> int:
        """Bytes of the masks that are remembered."""
        return sum(mask.nbytes + made.mask.nbytes + made.nodes.nbytes for _, _, mask, made in self._remembered)

    def plan(self, now: Snapshot, allowance: Allowance, k: int, ef: int) -> Plan:
        """What would be done."""
        links = now.graph.links.shape[1] - 1
        situation = self._situation(now, allowance, k, ef, links)
        return choose(situation, self.costs or Costs.of(now.graph.vectors.shape[1] * now.graph.vectors.itemsize))

    def _situation(self, now: Snapshot, allowance: Allowance, k: int, ef: int, links: int) -> Situation:
        def expected(ef: float) -> float:
            return expected_distances(ef, links, self.measured)

        return Situation(now.count, len(allowance.nodes), allowance.local, k, ef, links, expected, self.sketches)


def search_filtered(
    index: HNSW, now: Snapshot, queries: NDArray[np.float32], k: int, allow: NDArray[np.bool_], ef: int, plan: str | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k allowed nodes for each query with their scores, -1 and -inf where there are fewer, each of shape (queries, k).

    `queries` are normalised where the metric asks for it; `allow` is a mask over slots; `plan` names one instead of the cheapest. Sets
    `index.plan`, `index.computed` and `index.planner.last`.
    """
    planner = index.planner
    allowance = planner.allowance(now, allow)
    chosen = planner.plan(now, allowance, k, ef)
    if plan is not None:
        chosen = replace(chosen, name=plan, cost=chosen.costs.get(plan, float("nan")))
    run = _Run(index, now, queries, k, allowance)
    if len(allowance.nodes):
        everything = np.arange(len(queries))
        scan = "sketches" if chosen.costs.get("sketches", np.inf) < chosen.costs["exact"] else "exact"
        if chosen.name in ("graph", "two-hop"):
            left = run.through_graph(everything, chosen, chosen.costs[scan], ef)
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

    def __init__(self, index: HNSW, now: Snapshot, queries: NDArray[np.float32], k: int, allowance: Allowance) -> None:
        self.index, self.now, self.queries, self.k, self.allowance = index, now, queries, k, allowance
        self.euclidean = now.graph.norms.shape[0] > 0
        self.encoded = now.form.encode_queries(queries, self.euclidean)
        self.norms = now.form.norms(self.encoded) if self.euclidean else np.zeros(len(queries), np.float32)
        self.rerank = max(index.rerank or k + index.reranked, k) if now.full is not None else 0
        want = max(min(max(k, self.rerank), len(allowance.nodes)), 1)
        self.keys = np.zeros((len(queries), want), np.uint64)
        self.counts = np.zeros((len(queries), 3), np.int64)
        self.computed = 0

    def _part(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.uint64], NDArray[np.int64]]:
        return self.encoded[rows], self.norms[rows], self.keys[rows], self.counts[rows]

    def _done(self, rows: NDArray[np.int64], keys: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
        self.keys[rows], self.counts[rows] = keys, counts
        self.computed += int(counts[:, 1].sum())

    def scanned(self, rows: NDArray[np.int64], plan: str) -> None:
        """Compare everything that is allowed, or its sketches first."""
        from lamina.index.kernels.scan import scan_nodes, scan_sketches

        encoded, norms, keys, counts = self._part(rows)
        if plan == "sketches":
            sketches = self.now.layers.sketched(self.now.count)
            likely = max(_likely(self.k), keys.shape[1])
            bits, steps, sums = planes(encoded)
            scan_sketches(
                self.now.graph, sketches.bits, sketches.factors, encoded, norms, bits, steps, sums, 0, len(rows), self.allowance.nodes, likely,
                keys, counts,
            )  # fmt: skip
        else:
            scan_nodes(self.now.graph, encoded, norms, 0, len(rows), self.allowance.nodes, keys, counts)
        self._done(rows, keys, counts)

    def through_graph(self, rows: NDArray[np.int64], plan: Plan, bound: float, ef: int) -> NDArray[np.int64]:
        """Search the graph; returns the queries that are still to be answered. Where most of the first ones fail, the rest is not tried."""
        pilot = rows[: PILOT if len(rows) > 2 * PILOT else len(rows)]
        left = self._through_graph(pilot, plan, bound, ef)
        rest = rows[len(pilot) :]
        if not len(rest):
            return left
        if 2 * len(left) > len(pilot):
            return np.concatenate([left, rest])
        return np.concatenate([left, self._through_graph(rest, plan, bound, ef)])

    def _through_graph(self, rows: NDArray[np.int64], plan: Plan, bound: float, ef: int) -> NDArray[np.int64]:
        from lamina.index.kernels.filtered import search_allowed

        now, allowance, planner = self.now, self.allowance, self.index.planner
        situation = planner._situation(now, allowance, self.k, ef, now.graph.links.shape[1] - 1)
        hops = HOPS if plan.name == "two-hop" else 0
        ef = max(situation.kept_by_hops if hops else situation.kept, self.keys.shape[1])
        costs = planner.costs or Costs.of(now.graph.vectors.shape[1] * now.graph.vectors.itemsize)
        weight = costs.reading / costs.graph if hops else 0.0
        encoded, norms, keys, counts = self._part(rows)
        with self.index.marks(now) as marks:
            marks.epoch = search_allowed(
                now.graph, now.top, now.entry, encoded, norms, 0, len(rows), allowance.mask, allowance.seeds, STARTS if hops else 0, hops, ef,
                weight, max(bound, 2.0 * self.k), marks.array, marks.epoch, keys, counts,
            )  # fmt: skip
        self._done(rows, keys, counts)
        left: NDArray[np.int64] = rows[counts[:, 0] < min(self.keys.shape[1], len(allowance.nodes))]
        return left

    def finished(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Nodes and scores, after the best were ordered by their full rows where there are some."""
        from lamina.index.kernels.filtered import answers

        now, full, dim = self.now, self.now.full, self.queries.shape[1]
        nodes = np.full((len(self.queries), self.k), -1, np.int64)
        near = np.full((len(self.queries), self.k), np.inf, np.float32)
        none = np.zeros((0, dim), np.uint16)
        exact = halves(np.clip(self.queries, -65504, 65504)) if full is not None else none
        whole = answers(
            self.keys, self.counts, self.rerank, none if full is None else full.array, -1 if full is None else full.handle,
            0 if full is None else full.start, exact, self.euclidean, nodes, near,
        )  # fmt: skip
        if not whole:
            assert full is not None
            raise full.short()
        if not self.euclidean:
            return nodes, self._unscaled(-near)
        return nodes, self._unscaled(-np.maximum(near, 0))

    def _unscaled(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores


def _likely(k: int) -> int:
    return 16 * k + 80


def measured_costs(now: Snapshot, seed: int = 0) -> Costs:
    """What the kinds of work cost with these vectors on this machine, by the time of this thread; takes some milliseconds once compiled.

    Too few vectors to tell (below a thousand) give the defaults.
    """
    from lamina.index.kernels.filtered import search_allowed
    from lamina.index.kernels.scan import scan_nodes, scan_sketches

    graph, width = now.graph, now.graph.vectors.shape[1] * now.graph.vectors.itemsize
    living = np.flatnonzero(~now.dead[: now.count])
    if len(living) < 1000:
        return Costs.of(width)
    drawn = np.random.default_rng(seed).choice(living, min(ROWS, len(living)), replace=False)
    nodes, few = np.sort(drawn).astype(np.int32), drawn[:32]
    queries, norms = graph.vectors[few], graph.norms[few] if len(graph.norms) else np.zeros(len(few), np.float32)
    keys, counts = np.zeros((len(few), 10), np.uint64), np.zeros((len(few), 3), np.int64)
    mask, marks = np.ones(len(now.slot_of), np.uint8), np.zeros(len(now.slot_of), np.uint8)
    sketches = now.layers.sketched(now.count)
    bits, steps, sums = planes(queries)

    def one_by_one(scan: Callable[[int], None]) -> Callable[[], None]:
        return lambda: [scan(row) for row in range(len(few))] and None  # type: ignore[func-returns-value]

    def through() -> None:
        marks[:] = 0
        search_allowed(graph, now.top, now.entry, queries, norms, 0, len(few), mask, nodes[:0], 0, 0, 64, 0.0, 1e9, marks, 0, keys, counts)

    def sketched(part: NDArray[np.int32]) -> Callable[[], None]:
        return one_by_one(
            lambda row: scan_sketches(
                graph, sketches.bits, sketches.factors, queries, norms, bits, steps, sums, row, row + 1, part, _likely(10), keys, counts
            )
        )

    took = _fastest(through)
    per_distance = took / max(int(counts[:, 1].sum()), 1)
    scan = _fastest(one_by_one(lambda row: scan_nodes(graph, queries, norms, row, row + 1, nodes, keys, counts))) / (len(few) * len(nodes))
    half = nodes[: len(nodes) // 2]
    whole, part = _fastest(sketched(nodes)) / len(few), _fastest(sketched(half)) / len(few)
    sketch = max((whole - part) / (len(nodes) - len(half)), 1.0)
    return Costs(per_distance, scan, sketch, Costs.reading, max(whole - sketch * len(nodes), 0.0))


def _fastest(work: Callable[[], None]) -> float:
    """Nanoseconds of this thread; the first run, which may compile, does not count."""
    work()
    best = np.inf
    for _ in range(RUNS):
        start = time.thread_time_ns()
        work()
        best = min(best, time.thread_time_ns() - start)
    return float(best)
