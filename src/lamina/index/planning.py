"""How a search among allowed vectors is done: in the graph, in the graph by two hops, by sketches, or exactly, whichever is expected to cost least.

Costs are counted in distances: one is a row fetched and compared on the way through a graph. What else is done is weighed by the time it takes,
measured on the vectors themselves when an index is tuned. A search of the graph whose work comes to what a scan would have cost is given up for
the scan, so that a wrong estimate costs about twice the scan at most.

Sources: L. Patel, P. Kraft, C. Guestrin, M. Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and Structured Data",
2024, for the two hops; J. Gao and C. Long, "RaBitQ", 2024, for the sketches. The choice by cost is our own.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.sketches import kept, words

if TYPE_CHECKING:
    from lamina.index.graphs.layers import Snapshot
    from lamina.index.tuning import Tuned

SEEDS = 64  # allowed nodes whose best join the entry of a search, and from whose lists the local share is read
TOGETHER = 2.0  # local share over the share of all, from which on allowed vectors are taken to lie together
FAR = 2.2  # what the graph then costs more, for queries that lie elsewhere
UNSURE = 1.15  # … and otherwise: that of a scan is certain
TRIED, ASKED = 4096, 64  # vectors, and those that ask for them, by which it is seen whether sketches are any good
LIKELY = 240  # … of which so many are kept …
KEPT = 0.975  # … and must hold this share of the 10 best
WIDE = 4  # … or this many times the candidates of a search of the graph, so that asking for more of these finds more
REMEMBERED = 4  # masks that are kept folded to nodes


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
    def of(width: int, words: int = 4) -> Costs:
        """What rows of so many bytes, and sketches of so many words, cost where nothing was measured.

        >>> Costs.of(1024).graph > 2 * Costs.of(256).graph - 1 > Costs.of(256).scan
        True
        """
        graph = 26 + 0.078 * width
        return Costs(graph, 5 + 0.049 * width, 4 + 0.75 * words, 100.0, 12_000 + 290 * graph)


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
        return max(self.k, math.ceil(self.k + max(self.ef - self.k, 0) * math.pow(self.share, 0.25)))

    @property
    def kept_by_hops(self) -> int:
        """Candidates of a search by two hops, which go farther than links do."""
        return min(self.allowed, math.ceil(self.ef * max(3.0, 0.4 / max(self.local, 1e-6))))

    @property
    def likely(self) -> int:
        """Nodes that are compared exactly after a scan of sketches (of vectors of texts, 99 of 100 of a query's 10 best are among its 240 likeliest)."""
        return max(16 * self.k + LIKELY - 160, WIDE * self.ef)


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
    >>> half = Situation(170_000, 85_000, 0.5, 10, 40, 32, expected)
    >>> choose(few, Costs()).name, choose(half, Costs()).name
    ('exact', 'graph')
    """
    here, unit = situation, costs.graph
    spent = {"exact": here.allowed * costs.scan / unit}
    if here.sketches and here.allowed > 4 * here.likely:
        spent["sketches"] = (here.allowed * costs.sketch + costs.setting * max(here.likely / LIKELY, 1)) / unit
    if here.allowed >= here.k:
        together = here.local > TOGETHER * here.share
        spent["graph"] = min(here.expected(here.kept / here.share) * (FAR if together else UNSURE), here.count)
        looked = here.kept_by_hops
        lists = min(looked * (8 + 1.2 / max(here.local, 1 / here.links)), here.count)
        spent["two-hop"] = min(2 * here.expected(looked), here.allowed + SEEDS) + lists * costs.reading / unit
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
    """A mask over slots folded to nodes.

    Parameters:
        mask: (capacity,) uint8, not 0 for what is allowed and alive.
        nodes: (allowed,) int32, the same as a list.
        closed: (capacity,) uint8, not 0 for what a search of the graph does not take, where one node stands for all that have its vector.
        barred: the opposite of `mask`, where there are such nodes; else of shape (0,).
        seeds: some allowed nodes that stand in the graph.
        local: as in `Situation`.
    """

    mask: NDArray[np.uint8]
    nodes: NDArray[np.int32]
    closed: NDArray[np.uint8]
    barred: NDArray[np.uint8]
    seeds: NDArray[np.int32]
    local: float

    @classmethod
    def of(cls, now: Snapshot, allow: NDArray[np.bool_]) -> Allowance:
        """Fold a mask over slots, contiguous; what lies beyond it, and what is dead, is not allowed."""
        from lamina.index.kernels.filtered import fold

        mask, nodes = np.zeros(len(now.slot_of), np.uint8), np.empty(now.used, np.int32)
        nodes = nodes[: fold(now.slot_of, now.dead.view(np.uint8), allow.view(np.uint8), now.used, mask, nodes)].copy()
        seeds = nodes[np.arange(min(SEEDS, len(nodes))) * len(nodes) // max(min(SEEDS, len(nodes)), 1)]
        ways, barred = mask, np.zeros(0, np.uint8)
        if len(now.twins):
            ways, barred = mask.copy(), (mask == 0).view(np.uint8)
            behind = nodes[now.head[nodes] > 0]
            ways[now.head[behind] - 1] = 1
            seeds = np.unique(np.where(now.head[seeds] > 0, now.head[seeds] - 1, seeds)).astype(np.int32)
        lists = now.graph.links[seeds]
        there = np.arange(lists.shape[1] - 1) < lists[:, :1]
        passing = ways[np.where(there, lists[:, 1:], 0)].astype(np.bool_) & there
        closed = (ways == 0).view(np.uint8)
        return cls(mask, nodes, closed, barred, seeds, float(passing.sum() / max(int(there.sum()), 1)))

    def nbytes(self) -> int:
        """Bytes held."""
        return self.mask.nbytes + self.nodes.nbytes + self.barred.nbytes + self.closed.nbytes


@dataclass
class Planner:
    """Chooses and runs the plans of one index; it remembers the last masks and what was measured.

    Parameters: `sketches`, whether a sixteenth to a thirtieth of the vectors' memory may be spent on sketches of them, once they would pay.
    """

    sketches: bool = True
    costs: Costs | None = None
    measured: tuple[float, float] | None = None  # ef, distances a query
    last: Plan | None = None
    _trust: tuple[Any, int, bool] = (None, 0, False)
    _remembered: tuple[tuple[Any, int, Any, NDArray[np.bool_], Allowance], ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def learn(self, tuned: Tuned) -> None:
        """Take over how many distances a search takes."""
        if np.isfinite(tuned.distances) and tuned.distances > 0:
            self.measured = (float(tuned.ef), float(tuned.distances))

    def allowance(self, now: Snapshot, allow: NDArray[np.bool_]) -> Allowance:
        """A mask folded to nodes, or what is remembered of it: comparing masks is far cheaper, and one that is not writeable stays as it was."""
        layers, changes = now.layers, now.layers.changes
        for owner, at, heads, mask, known in self._remembered:
            if (
                owner is layers
                and at == changes
                and heads is now.head
                and len(known.mask) == len(now.slot_of)
                and _same(mask, allow)
            ):
                return known
        copied = np.array(allow, np.bool_)  # a kernel is compiled once more for an array that is not writeable
        made = Allowance.of(now, copied)
        kept = allow if _settled(allow) else copied
        with self._lock:
            fresh = [entry for entry in self._remembered if entry[0] is layers and entry[1] == changes]
            self._remembered = ((layers, changes, now.head, kept, made), *fresh[: REMEMBERED - 1])
        return made

    def nbytes(self) -> int:
        """Bytes of the masks that are remembered."""
        return sum(int(mask.nbytes) + made.nbytes() for *_, mask, made in self._remembered)

    def situation(self, now: Snapshot, allowance: Allowance, k: int, ef: int) -> Situation:
        """What a plan is chosen from."""
        links = now.graph.links.shape[1] - 1

        def expected(ef: float) -> float:
            return expected_distances(ef, links, self.measured)

        return Situation(now.used, len(allowance.nodes), allowance.local, k, ef, links, expected, self.sketches)

    def costs_of(self, now: Snapshot) -> Costs:
        """What was measured, or what is usual for rows of this size."""
        vectors = now.graph.vectors
        return self.costs or Costs.of(vectors.shape[1] * vectors.itemsize, words(vectors.shape[1]))

    def choose(self, now: Snapshot, situation: Situation) -> Plan:
        """The cheapest plan. Before sketches are used, it is looked at whether they are good for these vectors."""
        plan = choose(situation, self.costs_of(now))
        if "sketches" in plan.costs and plan.costs["sketches"] < plan.costs["exact"] and not self._trusted(now):
            return choose(replace(situation, sketches=False), self.costs_of(now))
        return plan

    def _trusted(self, now: Snapshot) -> bool:
        """Whether sketches of these vectors keep nearly all of the best; looked at anew when there are twice as many."""
        owner, used, good = self._trust
        if owner is not now.layers or now.used > 2 * used:
            living = np.flatnonzero(~now.dead[: now.used])
            drawn = np.random.default_rng(0).choice(living, min(TRIED + ASKED, len(living)), replace=False)
            rows, norms = now.graph.vectors[drawn], now.graph.norms[drawn[ASKED:]] if len(now.graph.norms) else now.graph.norms
            good = len(rows) > 2 * LIKELY + ASKED and kept(rows[ASKED:], norms, rows[:ASKED], LIKELY) >= KEPT
            self._trust = (now.layers, now.used, good)
        return good


def _settled(mask: NDArray[Any]) -> bool:
    """Whether nobody changes a mask any more: it is not writeable, and no view of another array."""
    return mask.dtype == np.bool_ and mask.flags.c_contiguous and not mask.flags.writeable and mask.base is None


def _same(known: NDArray[np.bool_], mask: NDArray[Any]) -> bool:
    """Whether a mask is the one that is remembered, or says the same."""
    if known is mask:
        return True
    if mask.dtype != np.bool_ or mask.shape != known.shape or not mask.flags.c_contiguous:
        return mask.shape == known.shape and bool(np.array_equal(known, mask))
    whole = len(mask) // 8 * 8
    words = known[:whole].view(np.uint64) == mask[:whole].view(np.uint64)
    return bool(words.all()) and bool((known[whole:] == mask[whole:]).all())
