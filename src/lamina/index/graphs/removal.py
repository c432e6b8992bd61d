"""Taking dead nodes out of all lists, finding ways to nodes that cannot be reached, and packing the arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.index.arrays import aligned_zeros
from lamina.index.graphs.construction import Linker
from lamina.index.graphs.full import FullFile, FullRows
from lamina.index.graphs.layers import Layers
from lamina.index.kernels.removal import repair, spread

BLOCK = 1 << 14  # rows copied at a time
ROUNDS = 3


def heal(layers: Layers, linker: Linker) -> int:
    """Choose all lists that name dead nodes anew, and a living entry; returns how many lists there were."""
    promote(layers, linker)
    layers.table = None
    graph, dead = layers.graph, layers.dead.view(np.uint8)

    def work(part: int) -> int:
        visited = np.zeros(layers.capacity, np.uint8)
        _, healed = repair(graph, layers.count, dead, linker.simple, visited, 0, part, linker.threads)
        return int(healed)

    healed = sum(linker.each(work, linker.threads))
    living = np.flatnonzero(~layers.dead[: layers.count] & ~layers.behind())
    if len(living) and layers.dead[layers.entry]:
        layers.entry = int(living[graph.levels[living].argmax()])
        layers.top = int(graph.levels[layers.entry])
    return healed


def promote(layers: Layers, linker: Linker) -> None:
    """Take the dead out of the lists of equal vectors; where it is the one in the graph, the next takes its place."""
    behind = np.flatnonzero(layers.behind())
    if not len(behind):
        return
    heads = layers.head[behind] - 1
    order = np.lexsort((behind, heads))
    names, starts = np.unique(heads[order], return_index=True)
    layers.head, layers.twins = np.zeros_like(layers.head), np.zeros_like(layers.twins)  # searches under way keep the older ones
    for head, members in zip(names.tolist(), np.split(behind[order], starts[1:]), strict=True):
        living = members[~layers.dead[members]].tolist()
        if layers.dead[head] and living:
            head = living.pop(0)
            linker.link(head, head + 1)
        for node in reversed(living):
            layers.pair(node, head)


def chained(head: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each node the next one with its vector, plus 1, from what `head` says of all: in the order of their numbers."""
    twins = np.zeros_like(head)
    behind = np.flatnonzero(head)
    order = np.lexsort((behind, head[behind]))
    ordered, heads = behind[order], head[behind][order] - 1
    first = np.ones(len(ordered), np.bool_)
    first[1:] = heads[1:] != heads[:-1]
    twins[heads[first]] = ordered[first] + 1
    follows = np.flatnonzero(~first)
    twins[ordered[follows - 1]] = ordered[follows] + 1
    return twins


def reached(layers: Layers) -> NDArray[np.bool_]:
    """Which nodes can be reached from the entry in the bottom layer, shape (count,)."""
    marks = np.zeros(layers.capacity, np.uint8)
    if layers.count:
        spread(layers.graph.links, layers.entry, marks, np.empty(layers.capacity, np.int32))
    return marks[: layers.count].view(np.bool_)


def reconnect(layers: Layers, linker: Linker) -> int:
    """Let every living node be reached from the entry; returns how many were not."""
    missing = 0
    for _ in range(ROUNDS):
        marks = np.zeros(layers.capacity, np.uint8)
        queue = np.empty(layers.capacity, np.int32)
        spread(layers.graph.links, layers.entry, marks, queue)
        lost = np.flatnonzero((marks[: layers.count] == 0) & ~layers.dead[: layers.count] & ~layers.behind())
        if not len(lost):
            break
        missing = missing or len(lost)
        for node in lost.tolist():
            if not marks[node]:
                linker.attach(node, marks)
                spread(layers.graph.links, node, marks, queue)
    return missing


def packed(layers: Layers, keep: NDArray[np.int64]) -> Layers:
    """The same graph with the nodes `keep` (ascending) only, which no list but those of others may leave; rows are copied."""
    graph = layers.graph
    number = np.zeros(layers.capacity, np.int32)
    number[keep] = np.arange(len(keep), dtype=np.int32)
    full = _packed_full(layers.full, keep)
    new = Layers(layers.form, layers.M, layers.euclidean, full)
    new.reserve(len(keep), int(graph.levels[keep].sum(dtype=np.int64)))
    new.append(graph.levels[keep])
    for start in range(0, len(keep), BLOCK):
        part = keep[start : start + BLOCK]
        stop = start + len(part)
        new.graph.vectors[start:stop] = graph.vectors[part]
        new.graph.links[start:stop, 0] = graph.links[part, 0]
        new.graph.links[start:stop, 1:] = number[graph.links[part, 1:]]
    if layers.euclidean:
        new.graph.norms[: len(keep)] = graph.norms[keep]
    tall = graph.levels[keep].astype(np.int64)
    within = np.arange(new.rows) - np.repeat(np.cumsum(tall) - tall, tall)
    rows = np.repeat(graph.upper_at[keep], tall) + within
    new.graph.upper[: new.rows, 0] = graph.upper[rows, 0]
    new.graph.upper[: new.rows, 1:] = number[graph.upper[rows, 1:]]
    new.slot_of[: len(keep)] = layers.slot_of[keep]
    if len(layers.head):
        heads = layers.head[keep]
        new.head = np.zeros(new.capacity, np.int32)
        new.head[: len(keep)] = np.where(heads > 0, number[np.maximum(heads - 1, 0)] + 1, 0)
        new.twins = chained(new.head)
    if len(keep):
        new.entry, new.top = int(number[layers.entry]), layers.top
    return new


def _packed_full(full: FullRows | None, keep: NDArray[np.int64]) -> FullRows | None:
    if full is None:
        return None
    new: FullRows
    if full.path is None:
        new = FullRows(full.dim, aligned_zeros((len(keep), full.dim), np.uint16))
    else:
        new = FullFile.fresh(full.path.with_suffix(""), full.dim)
    for start in range(0, len(keep), BLOCK):
        new.write(start, full.read(keep[start : start + BLOCK]))
    return new
