"""Which lists a vector is copied into, and searching lists on disk.

Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021. A record of a list is 16 bytes and a
vector: its row (int32), the squared length of the vector in its own units (float32), its version (int32), 4 bytes of nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from lamina.index.kernels.distances import Graph, select
from lamina.index.kernels.guessing import Guess
from lamina.index.kernels.intrinsics import as_distance, as_key, inner_product, move
from lamina.index.kernels.jit import compiled
from lamina.index.kernels.linking import LAST_EPOCH
from lamina.index.kernels.search import LOW, ONE, WORST, descend, grow

pread = types.ExternalFunction("pread", types.int64(types.int32, types.intp, types.uint64, types.int64))
fadvise = types.ExternalFunction("posix_fadvise", types.int32(types.int32, types.int64, types.int64, types.int32))
WILL_NEED = 3
PAGE = 4096
HEADER = 16  # bytes of a record before its vector
AHEAD = 8  # lists that the system is told of before they are read


class Heads(NamedTuple):
    """A graph of heads. Parameters: `graph`, `top`, `entry`; `number` (nodes,) int64, the list of each node; `dead` (nodes,) bool."""

    graph: Graph
    top: int
    entry: int
    number: Any
    dead: Any


class Lists(NamedTuple):
    """Lists in a file. Parameters: `handle`; `offset` (lists,) int64, bytes; `count` (lists,) int32; `record`, bytes of one."""

    handle: int
    offset: Any
    count: Any
    record: int


class Probing(NamedTuple):
    """How far a search goes.

    Parameters: `most`, lists, at most; `ef`, candidates among the heads; `ratio`, times the squared distance of the nearest head beyond which no
    list is read (0: all are); `guard`, the squared distance up to which that does not hold; `ahead`, whether the system is told what will be read.
    """

    most: int
    ef: int
    ratio: float
    guard: float
    patience: int
    margin: float
    ahead: bool


@compiled
def near_heads(
    heads: Heads,
    query: int,
    norm: float,
    pool: Any,
    ef: int,
    visited: Any,
    epoch: int,
    fresh: Any,
    guess: Guess,
    q: int,
    near: Any,
    nodes: Any,
) -> tuple[int, int]:
    """The living heads nearest to a query with their squared distances, nearest first; returns how many, and how many distances were computed.

    `guess` has sketches of the heads or none, and the query at place `q`.
    """
    current, best, computed = descend(heads.graph, heads.top, heads.entry, query, norm, 0)
    visited[current] = np.uint8(epoch)
    pool[0] = as_key(best, np.uint32(current << 1))
    if guess.bits.shape[0]:
        count, more = grow(heads.graph, query, norm, pool, 1, ef, visited, np.uint8(epoch), fresh, guess, q)
    else:
        count, more = grow(heads.graph, query, norm, pool, 1, ef, visited, np.uint8(epoch), fresh)
    living = 0
    for j in range(count):
        node = np.int64((pool[j] & LOW) >> ONE)
        if not heads.dead[node]:
            near[living] = as_distance(pool[j])
            nodes[living] = node
            living += 1
    return living, computed + more


@compiled
def closure(
    heads: Heads, guess: Guess, queries: Any, norms: Any, candidates: int, replicas: int, factor: float, reach: float, simple: bool, visited: Any,
    epoch: int, lists: Any, distances: Any,
) -> int:  # fmt: skip
    """Choose up to `replicas` lists for each query (a row of the heads' type); returns the epoch used last.

    Of the `candidates` nearest heads those not farther than `reach` times the nearest (squared), and in different directions (`simple`: just the
    nearest). Written: `lists` (queries, replicas or more) int32, -1 where there are fewer, and the squared `distances`; columns beyond the replicas
    have the nearest of those that were not chosen.
    """
    pool, fresh = np.empty(candidates, np.uint64), np.empty(heads.graph.links.shape[1] + 1, np.int32)
    near, nodes, out = np.empty(candidates, np.float32), np.empty(candidates, np.int32), np.empty(replicas, np.int32)
    stride = queries.shape[1] * queries.itemsize
    for q in range(queries.shape[0]):
        if epoch == LAST_EPOCH:
            visited[:] = 0
            epoch = 0
        epoch += 1
        count, _ = near_heads(
            heads, queries.ctypes.data + q * stride, norms[q], pool, candidates, visited, epoch, fresh, guess, q, near, nodes
        )
        within = 0
        while within < count and near[within] <= reach * max(near[0], np.float32(1e-12)):
            within += 1
        within = max(within, min(count, 1))
        if simple:
            kept = min(within, replicas)
            for j in range(kept):
                out[j] = nodes[j]
        else:
            kept = select(heads.graph, near, nodes, within, replicas, factor, out)
        at = 0
        for j in range(kept):
            while nodes[at] != out[j]:
                at += 1
            lists[q, j] = heads.number[out[j]]
            distances[q, j] = near[at]
        for j in range(kept, replicas):
            lists[q, j] = -1
        at, passed = 0, 0  # both are in order of distance
        for j in range(replicas, lists.shape[1]):
            while at < within and passed < kept and nodes[at] == out[passed]:
                at += 1
                passed += 1
            lists[q, j] = heads.number[nodes[at]] if at < within else -1
            distances[q, j] = near[min(at, within - 1)] if within else np.float32(0)
            at += 1
    return epoch


@compiled
def put_once(pool: Any, count: int, room: int, key: int) -> int:
    """Put a key into a sorted pool unless it is there; returns how many it then holds. The key must belong there."""
    at, size = 0, count
    while size > 0:
        half = (size + 1) >> 1
        at += half * np.int64(pool[at + half - 1] <= key)
        size -= half
    if at > 0 and pool[at - 1] == key:
        return count
    last = count if count < room else room - 1
    start = pool.ctypes.data
    move(start + (at + 1) * 8, start + at * 8, (last - at) * 8)
    pool[at] = key
    return last + 1


@compiled
def probe(
    heads: Heads, guess: Guess, lists: Lists, probing: Probing, queries: Any, norms: Any, codes: Any, code_norms: Any, unit: float, slots: Any, versions: Any,
    barred: Any, handle: int, start: int, full_queries: Any, keep: int, visited: Any, epoch: int, buffer: Any, found: Any, near: Any, counts: Any,
    work: Any,
) -> int:  # fmt: skip
    """Search the lists for many queries; returns the epoch used last, or -1 where a list could not be read.

    `queries` as the heads are kept (and in `guess`, which has sketches of the heads or none), `codes` as the records are, with their squared lengths; `unit` is what one unit of squared distance between
    codes stands for. `slots` (rows,) int32, -1 where a row is dead; `versions` (rows,) uint8; `barred` (slots,) uint8, or of shape (0,). The best
    `keep` are ordered by the float16 rows in the file `handle` from byte `start` on, against `full_queries` (-1: they are not).
    Written: the rows `found` (queries, k) with squared distances `near`, how many (queries,), and `work` (queries, 4) int64: heads and records
    compared, lists and bytes read (in pages).
    """
    k = found.shape[1]
    ef = probing.ef
    unit = np.float32(unit)
    graph = heads.graph
    head_pool, fresh = np.empty(ef, np.uint64), np.empty(graph.links.shape[1] + 1, np.int32)
    head_near, head_nodes = np.empty(ef, np.float32), np.empty(ef, np.int32)
    pool = np.empty(keep + 1, np.uint64)
    floats, words = buffer.view(np.float32), buffer.view(np.int32)
    at_buffer, width, record = buffer.ctypes.data, codes.shape[1], lists.record
    step, row_size = record // 4, full_queries.shape[1] * 2
    row = np.empty(full_queries.shape[1], np.uint16)
    for q in range(queries.shape[0]):
        if epoch == LAST_EPOCH:
            visited[:] = 0
            epoch = 0
        epoch += 1
        at_query = queries.ctypes.data + q * queries.shape[1] * queries.itemsize
        living, computed = near_heads(
            heads, at_query, norms[q], head_pool, ef, visited, epoch, fresh, guess, q, head_near, head_nodes
        )
        chosen = min(living, probing.most)
        limit = probing.ratio * head_near[0] if living else np.float32(0)
        limit = limit if limit > probing.guard else np.float32(np.inf)
        count, compared, pages, read, idle = 0, 0, 0, 0, 0
        code, code_norm = codes.ctypes.data + q * width * codes.itemsize, code_norms[q]
        worst = WORST
        for j in range(chosen):
            if count >= k:
                if head_near[j] > limit:
                    break
                if probing.patience and idle >= probing.patience and head_near[j] > probing.margin * as_distance(pool[k - 1]):
                    break
            last = pool[k - 1] if count >= k else WORST
            if probing.ahead and j % AHEAD == 0:
                for t in range(j, min(j + AHEAD, chosen)):
                    number = heads.number[head_nodes[t]]
                    if number < lists.count.shape[0]:
                        fadvise(lists.handle, lists.offset[number], lists.count[number] * record, WILL_NEED)
            number = heads.number[head_nodes[j]]
            if number >= lists.count.shape[0]:  # it came after these lists were taken
                continue
            size = lists.count[number] * record
            if size == 0:
                continue
            if pread(lists.handle, at_buffer, size, lists.offset[number]) != size:
                return -1
            pages += (lists.offset[number] + size - 1) // PAGE - lists.offset[number] // PAGE + 1
            compared += lists.count[number]
            read += 1
            for i in range(lists.count[number]):
                product = inner_product(codes, at_buffer + i * record + HEADER, code, width)
                key = as_key(unit * (code_norm + floats[i * step + 1] - 2 * product), np.uint32(words[i * step] << 1))
                if key >= worst:
                    continue
                one = words[i * step]
                if one < 0 or one >= slots.shape[0] or slots[one] < 0 or words[i * step + 2] != versions[one]:
                    continue
                if barred.shape[0] and (slots[one] >= barred.shape[0] or barred[slots[one]]):
                    continue
                count = put_once(pool, count, keep, key)
                if count == keep:
                    worst = pool[count - 1]
            idle = 0 if count < k or pool[k - 1] < last else idle + 1
        if handle >= 0:
            at_full = full_queries.ctypes.data + q * row_size
            norm = inner_product(full_queries, at_full, at_full, full_queries.shape[1])
            for j in range(count):
                one = np.int64((pool[j] & LOW) >> ONE)
                if pread(handle, row.ctypes.data, row_size, start + one * row_size) != row_size:
                    return -1
                d = norm - 2 * inner_product(full_queries, row.ctypes.data, at_full, full_queries.shape[1])
                d += inner_product(full_queries, row.ctypes.data, row.ctypes.data, full_queries.shape[1])
                put_once(pool, j, j + 1, as_key(max(d, np.float32(0)), np.uint32(one << 1)))
        counts[q] = min(k, count)
        for j in range(min(k, count)):
            found[q, j] = np.int64((pool[j] & LOW) >> ONE)
            near[q, j] = as_distance(pool[j])
        work[q, 0], work[q, 1], work[q, 2], work[q, 3] = computed, compared, read, pages * PAGE
    return epoch
