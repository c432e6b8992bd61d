"""Equal vectors: found by a table of hashes, listed behind the one among them that stands in the graph.

A node has its twin's number plus one in `twins` (nodes,) int32, 0 at the end of the list. Linked like others they would name each other only, and
neither they nor what lies behind them could be reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.index.kernels.intrinsics import as_distance, as_key
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.search import LOW, ONE

START = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
FOLD = np.uint64(29)


@compiled
def place_of(row: Any, mask: int) -> int:
    """Where to look for a row (width,) uint16 first, in a table of mask + 1 places."""
    hash = START
    for j in range(row.shape[0]):
        hash = (hash ^ np.uint64(row[j])) * PRIME
    hash ^= hash >> FOLD
    return np.int64(hash & np.uint64(mask))


@compiled
def find(rows: Any, vectors: Any, table: Any, out: Any) -> None:
    """Which nodes have the vectors `rows` (count, width), or -1; `table` (a power of two,) int32 holds nodes, -1 where it is empty."""
    mask = table.shape[0] - 1
    for i in range(rows.shape[0]):
        at = place_of(rows[i], mask)
        out[i] = -1
        while table[at] >= 0:
            node = table[at]
            same = True
            for j in range(rows.shape[1]):
                if vectors[node, j] != rows[i, j]:
                    same = False
                    break
            if same:
                out[i] = node
                break
            at = (at + 1) & mask


@compiled
def enter(vectors: Any, nodes: Any, table: Any) -> None:
    """Put nodes into the table, which must have room for them."""
    mask = table.shape[0] - 1
    for i in range(nodes.shape[0]):
        at = place_of(vectors[nodes[i]], mask)
        while table[at] >= 0:
            at = (at + 1) & mask
        table[at] = nodes[i]


@compiled
def shut(barred: Any, twins: Any, node: int) -> bool:
    """Whether a node and all of its twins are barred."""
    if not barred[node]:
        return False
    if twins.shape[0]:
        twin = np.int64(twins[node])
        while twin > 0:
            if not barred[twin - 1]:
                return False
            twin = np.int64(twins[twin - 1])
    return True


@compiled
def unfold(pool: Any, count: int, barred: Any, twins: Any, wide: Any) -> int:
    """Write the keys of a sorted pool with those of the nodes' twins into `wide`, without barred ones; returns how many there are."""
    m = 0
    for j in range(count):
        node = np.int64((pool[j] & LOW) >> ONE)
        twin = node + 1
        while twin > 0 and m < wide.shape[0]:
            if barred.shape[0] == 0 or not barred[twin - 1]:
                wide[m] = as_key(as_distance(pool[j]), np.uint32((twin - 1) << 1))
                m += 1
            twin = np.int64(twins[twin - 1])
    return m


@compiled
def unfold_all(keys: Any, counts: Any, barred: Any, twins: Any) -> None:
    """The same for many queries in place: `keys` (queries, want), `counts` (queries, any) whose first column says how many there are."""
    wide = np.empty(keys.shape[1], np.uint64)
    for q in range(keys.shape[0]):
        if counts[q, 0] > 0:
            counts[q, 0] = unfold(keys[q], counts[q, 0], barred, twins, wide)
            for j in range(counts[q, 0]):
                keys[q, j] = wide[j]
