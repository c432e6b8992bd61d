"""Nodes linked in batches by several threads; what comes out is the same for any number of them.

Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
graphs", 2018. The batches, in which all look for neighbours before any is linked, are an addition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.graphs.layers import Layers
from lamina.index.kernels.linking import join, plan
from lamina.index.kernels.removal import attach, unnamed

BATCH = 512  # nodes that look for neighbours before any of them is linked, at most
SHARE = 16  # … and at most this part of the nodes there are
HIGHEST = 30

Each = Callable[[Callable[[int], Any], int], list[Any]]


def levels_of(generator: np.random.Generator, count: int, M: int, flat: bool = False) -> NDArray[np.int8]:
    """The highest layers of new nodes: at least l with the probability M^-l."""
    drawn = np.floor(-np.log1p(-generator.random(count)) / np.log(M))
    return np.zeros(count, np.int8) if flat else np.minimum(drawn, HIGHEST).astype(np.int8)


@contextmanager
def workers(threads: int) -> Iterator[Each]:
    """Something that calls a function with 0, 1, … on several threads, which end with the block."""
    if threads == 1:
        yield lambda work, parts: [work(part) for part in range(parts)]
        return
    with ThreadPoolExecutor(threads) as pool:
        yield lambda work, parts: list(pool.map(work, range(parts)))


@dataclass
class Linker:
    """Links stretches of new nodes.

    Parameters: `layers`; `efc`, candidates of a node; `simple`, whether a node links to the nearest instead of in different directions;
    `threads`; `each`, of `workers`.
    """

    layers: Layers
    efc: int
    simple: bool
    threads: int
    each: Each

    def __post_init__(self) -> None:
        self.visited = [np.zeros(0, np.uint8) for _ in range(self.threads)]
        self.epochs = [0] * self.threads
        self.chosen_upper = np.zeros((0, 0), np.int32)

    def size(self, linked: int) -> int:
        """Nodes of the next batch when so many are linked."""
        return min(BATCH, max(1, linked // SHARE))

    def link(self, start: int, stop: int) -> None:
        """Link the nodes from `start` up to `stop`, whose vectors and levels are set; only the last one may be higher than the graph."""
        layers = self.layers
        graph, M = layers.graph, layers.M
        if len(self.visited[0]) != layers.capacity:
            self.visited = [np.zeros(layers.capacity, np.uint8) for _ in range(self.threads)]
            self.epochs = [0] * self.threads
        if self.chosen_upper.shape != graph.upper.shape:
            self.chosen_upper = np.zeros_like(graph.upper)
        chosen = np.zeros((stop - start, M + 1), np.int32)
        mates = self._mates(start, stop)
        threads = min(self.threads, stop - start)
        cuts = np.linspace(start, stop, threads + 1).astype(int).tolist()

        def look(part: int) -> None:
            self.epochs[part] = plan(
                graph, start, cuts[part], cuts[part + 1], layers.top, layers.entry, M, self.efc, self.simple, mates,
                self.visited[part], self.epochs[part], chosen, self.chosen_upper,
            )  # fmt: skip

        self.each(look, threads)
        self.each(lambda part: join(graph, start, stop, self.simple, chosen, self.chosen_upper, part, threads), threads)
        self._name(start, stop, chosen)
        if graph.levels[stop - 1] > layers.top:
            layers.entry, layers.top = stop - 1, int(graph.levels[stop - 1])

    def _mates(self, start: int, stop: int) -> NDArray[np.float32]:
        """Distances within the batch."""
        layers = self.layers
        if stop - start == 1:
            return np.zeros((0, 0), np.float32)
        rows = layers.form.widened(layers.graph.vectors[start:stop])
        products: NDArray[np.float32] = rows @ rows.T
        if not layers.euclidean:
            return -products
        norms = layers.graph.norms[start:stop]
        return np.asarray(norms[:, None] + norms - 2 * products, np.float32)

    def _name(self, start: int, stop: int, chosen: NDArray[np.int32]) -> None:
        """See to it that some list names each new node."""
        out = np.zeros(stop - start, np.int32)
        count = unnamed(self.layers.graph, start, stop, chosen, out)
        for node in out[:count].tolist():
            self.attach(node, np.zeros(0, np.uint8))

    def attach(self, node: int, reached: NDArray[np.uint8]) -> None:
        """Let a near node that is `reached` (empty: any) name this one."""
        layers = self.layers
        if len(self.visited[0]) != layers.capacity:
            self.visited[0], self.epochs[0] = np.zeros(layers.capacity, np.uint8), 0
        self.epochs[0] = attach(
            layers.graph, layers.top, layers.entry, node, self.efc, self.simple, layers.dead.view(np.uint8), reached,
            self.visited[0], self.epochs[0],
        )  # fmt: skip
