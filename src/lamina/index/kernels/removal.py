"""Lists of neighbours without their dead, and ways to nodes that no list names any more.

A list that names dead nodes is chosen anew among its living neighbours and those of its dead (and of their dead, until there are enough). Source of
the rule: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
2018, with the neighbours of neighbours as its authors' library takes them when an element is updated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.distances import Graph, between
from lamina.index.kernels.intrinsics import as_distance, as_key
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH, add_link, choose
from lamina.index.kernels.search import LOW, ONE, descend, grow

MOST_CANDIDATES = 256
MOST_DEAD = 64


@compiled
def heal(
    graph: Graph, row: Any, layer: int, node: int, most: int, dead: Any, simple: bool, visited: Any, epoch: int,
    queue: Any, near: Any, nodes: Any, out: Any,
) -> None:  # fmt: skip
    """Choose the list `row` of a node anew, without dead ones."""
    visited[node] = epoch
    count, first, last = 0, 0, 0
    current = row
    while True:
        for j in range(1, current[0] + 1):
            neighbour = current[j]
            if visited[neighbour] == epoch:
                continue
            visited[neighbour] = epoch
            if dead[neighbour]:
                if last < MOST_DEAD:
                    queue[last] = neighbour
                    last += 1
                continue
            if count < MOST_CANDIDATES:
                d = between(graph, neighbour, node)
                at = count
                while at > 0 and near[at - 1] > d:
                    near[at], nodes[at] = near[at - 1], nodes[at - 1]
                    at -= 1
                near[at], nodes[at] = d, neighbour
                count += 1
        if first == last or count == MOST_CANDIDATES:
            break
        through = np.int64(queue[first])
        first += 1
        current = graph.upper[graph.upper_at[through] + layer - 1] if layer else graph.links[through]
    kept = choose(graph, near, nodes, count, most, simple, out)
    for j in range(kept):
        row[j + 1] = out[j]
    row[0] = kept


@compiled
def repair(graph: Graph, count: int, dead: Any, simple: bool, visited: Any, epoch: int, part: int, parts: int) -> tuple[int, int]:
    """Heal the lists of the living nodes in `part` of `parts` that name dead ones; returns the epoch used last and how many lists were healed."""
    links, upper = graph.links, graph.upper
    queue, out = np.empty(MOST_DEAD, np.int32), np.empty(links.shape[1], np.int32)
    near, nodes = np.empty(MOST_CANDIDATES, np.float32), np.empty(MOST_CANDIDATES, np.int32)
    healed = 0
    for node in range(part, count, parts):
        if dead[node]:
            continue
        for layer in range(graph.levels[node] + 1):
            row = upper[graph.upper_at[node] + layer - 1] if layer else links[node]
            hurt = False
            for j in range(1, row[0] + 1):
                hurt = hurt or dead[row[j]] != 0
            if not hurt:
                continue
            if epoch == LAST_EPOCH:
                visited[:] = 0
                epoch = 0
            epoch += 1
            most = row.shape[0] - 1
            heal(graph, row, layer, node, most, dead, simple, visited, np.uint8(epoch), queue, near, nodes, out)
            healed += 1
    return epoch, healed


@compiled
def spread(links: Any, start: int, reached: Any, queue: Any) -> int:
    """Mark what can be reached from a node in the bottom layer and was not reached yet; returns how many. `queue` (nodes,) int32 is room."""
    if reached[start]:
        return 0
    reached[start] = 1
    queue[0] = start
    first, last = 0, 1
    while first < last:
        node = np.int64(queue[first])
        first += 1
        for j in range(1, links[node, 0] + 1):
            neighbour = links[node, j]
            if not reached[neighbour]:
                reached[neighbour] = 1
                queue[last] = neighbour
                last += 1
    return last


@compiled
def unnamed(graph: Graph, start: int, stop: int, chosen: Any, out: Any) -> int:
    """Which nodes of a batch were taken into no list of those they chose; returns how many stand in `out`."""
    links = graph.links
    count = 0
    for node in range(start, stop):
        named = False
        for i in range(1, chosen[node - start, 0] + 1):
            target = np.int64(chosen[node - start, i])
            for j in range(1, links[target, 0] + 1):
                named = named or links[target, j] == node
        if not named:
            out[count] = node
            count += 1
    return count


@compiled
def attach(
    graph: Graph, top: int, entry: int, node: int, efc: int, simple: bool, barred: Any, reached: Any, visited: Any, epoch: int
) -> int:
    """Let a node be named by a near one that is `reached` (uint8; shape (0,): all are), and name near ones itself; returns the epoch used last."""
    links = graph.links
    widest = links.shape[1] - 1
    most = widest // 2
    pool, fresh = np.empty(efc, np.uint64), np.empty(widest + 2, np.int32)
    near, nodes, out = np.empty(efc, np.float32), np.empty(efc, np.int32), np.empty(widest + 1, np.int32)
    if epoch == LAST_EPOCH:
        visited[:] = 0
        epoch = 0
    epoch += 1
    query = graph.vectors.ctypes.data + np.intp(node) * graph.vectors.shape[1] * graph.vectors.itemsize
    norm = graph.norms[node] if graph.norms.shape[0] else np.float32(0)
    current, best, _ = descend(graph, top, entry, query, norm, 0)
    visited[current] = np.uint8(epoch)
    pool[0] = as_key(best, np.uint32(current << 1))
    found, _ = grow(graph, query, norm, pool, 1, efc, visited, np.uint8(epoch), fresh)
    count = 0
    for j in range(found):
        other = np.int64((pool[j] & LOW) >> ONE)
        if other != node and not barred[other] and (reached.shape[0] == 0 or reached[other]):
            near[count], nodes[count] = as_distance(pool[j]), other
            count += 1
    if count == 0 and entry != node:
        near[0], nodes[0] = between(graph, entry, node), entry
        count = 1
    if count == 0:
        return epoch
    target = np.int64(nodes[0])
    for j in range(count):
        if links[nodes[j], 0] < widest:
            target = np.int64(nodes[j])
            break
    if links[target, 0] < widest:
        links[target, links[target, 0] + 1] = node
        links[target, 0] += 1
    else:
        links[target, widest] = node
    kept = choose(graph, near, nodes, count, most, simple, out)
    chosen = out[:kept].copy()
    near_list, node_list = np.empty(widest + 1, np.float32), np.empty(widest + 1, np.int32)
    for j in range(kept):
        add_link(graph, links[node], widest, node, np.int64(chosen[j]), simple, near_list, node_list, out)
    return epoch
