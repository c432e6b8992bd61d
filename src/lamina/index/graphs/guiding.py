"""Whether sketches guide a search through a graph, and queries taken apart for it.

A node whose sketch says that it lies beyond what is kept is not compared: its vector is not even read. What a sketch is wrong by is measured on
neighbours in the graph itself; where sketches would leave most of them to be compared all the same, searches do without.

Source of the estimate: J. Gao and C. Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for Approximate Nearest
Neighbor Search", 2024. Its use for leaving out neighbours, and the margin, are additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.forms import Form
from lamina.index.graphs.layers import Snapshot
from lamina.index.kernels.guessing import PLANES, Guess, split
from lamina.index.sketches import LEAST, NARROW, Sketches, sketched_rows, words

ASKED = 32  # nodes whose surroundings are looked at
KEPT = 40  # of the nodes there, that a search would keep
STEPS = 3  # to the neighbours of these
MARGIN = 0.75  # standard errors by which a guess may be too far
SMALL = 24  # candidates below which the margin grows as they become fewer: where little is kept, little makes up for what was left out
WORTH = 0.55  # share of nodes left to be compared, up to which guessing saves more than it takes


@dataclass(frozen=True)
class Guidance:
    """What was measured of an index.

    Parameters: `error`, the standard error of a guess, as a share of the query's length times the sketch's factor; `left`, the share of the nodes in
    the surroundings of a query that guesses leave to be compared; `good`, whether searches are guided.
    """

    error: float
    left: float
    good: bool


class Guide:
    """Guides the searches of one index; it measures anew when there are twice as many vectors."""

    def __init__(self) -> None:
        self._known: tuple[Any, Any, int, Guidance | None] = (None, None, 0, None)

    def of(self, now: Snapshot) -> Guidance | None:
        """What was measured; None for few nodes, or narrow vectors."""
        if now.used < LEAST or now.form.dim < NARROW:
            return None
        owner, form, used, found = self._known
        if owner is not now.layers or form is not now.form or now.used > 2 * used:
            found = measured(now)
            self._known = (now.layers, now.form, now.used, found)
        return found

    def guess(self, now: Snapshot, encoded: NDArray[Any], ef: int = SMALL) -> Guess:
        """For queries as they are compared, shape (queries, width), and `ef` candidates; without sketches where searches are not guided."""
        found = self.of(now)
        if found is None or not found.good:
            return unguided(words(now.graph.vectors.shape[1]))
        return guess(now.form, now.layers.sketched(now.used), encoded, MARGIN * max(SMALL / ef, 1.0) * found.error)


def guess(form: Form, sketches: Sketches, encoded: NDArray[Any], margin: float = 0.0) -> Guess:
    """Queries, shape (queries, width), and sketches; `margin` as in `Guidance.error`, by which guesses are made lower."""
    queries = form.widened(encoded)
    count, bits = len(queries), sketches.bits
    planes = np.zeros((count, bits.shape[1], PLANES), np.uint64)
    scales, wholes, bases = np.empty((3, count), np.float32)
    split(queries, sketches.middle, margin, planes, scales, wholes, bases)
    return Guess(bits, sketches.factors, planes, scales, wholes, bases, np.zeros(1, np.int64))


@cache
def unguided(words: int) -> Guess:
    """Nothing to guess from."""
    none = np.zeros(0, np.float32)
    return Guess(
        np.zeros((0, words), np.uint64), none, np.zeros((0, words, PLANES), np.uint64), none, none, none, np.zeros(1, np.int64)
    )


def measured(now: Snapshot, seed: int = 0) -> Guidance:
    """How far guesses are off, and what they leave to be compared: in the surroundings of some nodes that ask for themselves."""
    generator = np.random.default_rng(seed)
    living = np.flatnonzero(~now.dead[: now.used])
    links, vectors = now.graph.links, now.graph.vectors
    middle = now.layers.middle(now.used)
    offs, lefts = [], []
    for node in generator.choice(living, min(ASKED, len(living)), replace=False).tolist():
        query, around = now.form.widened(vectors[node : node + 1])[0], np.array([node])
        for _ in range(STEPS):  # as a search would: to the neighbours of the best so far
            nearest = np.argsort(-_order(now, around, query))[:KEPT]
            around = _around(links, around[nearest], now.used)
        around = around[around != node]
        if len(around) <= KEPT:
            continue
        rows = now.form.widened(vectors[around])
        signs, factors = sketched_rows(rows - middle)
        scale = factors * float(np.linalg.norm(query)) + np.float32(1e-30)
        products, guesses = rows @ query, factors * (signs @ query) + middle @ query
        order = _order(now, around, query)
        near = np.argpartition(-order, KEPT - 1)[:KEPT]
        offs.append((products - guesses)[near] / scale[near])
        lefts.append((guesses + order - products, scale, float(order[near].min())))
    if not offs:
        return Guidance(0.0, 1.0, False)
    error = float(np.sqrt(np.mean(np.square(np.concatenate(offs)))))
    left = float(np.mean([np.mean(guesses + MARGIN * error * scale > edge) for guesses, scale, edge in lefts]))
    return Guidance(error, left, left <= WORTH)


def _order(now: Snapshot, nodes: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """What orders nodes by their nearness to a query: larger is nearer, as large as inner products are."""
    products = now.form.widened(now.graph.vectors[nodes]) @ query
    return np.asarray(products - now.graph.norms[nodes] / 2 if len(now.graph.norms) else products, np.float32)


def _around(links: NDArray[np.int32], nodes: NDArray[np.int64], used: int) -> NDArray[np.int64]:
    """Some nodes and their neighbours."""
    lists = links[nodes]
    there = np.arange(1, lists.shape[1]) <= lists[:, :1]
    around = np.union1d(nodes, lists[:, 1:][there])
    return around[around < used].astype(np.int64)
