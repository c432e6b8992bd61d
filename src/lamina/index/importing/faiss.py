"""Index files of faiss (`faiss.write_index`): flat vectors, HNSW over flat vectors, and either of them under a map of ids.

The form was read off the library's public source (facebookresearch/faiss, `impl/index_write.cpp`): four letters say what follows, then a header,
then the fields one after another. Other kinds (inverted lists, quantised vectors, transforms) are refused by name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lamina.errors import InputError, TransferError
from lamina.index.importing.cursor import Cursor
from lamina.index.importing.foreign import HIGHEST, ForeignGraph, ForeignIndex, has_unit_length

FLAT = ("IxF2", "IxFI", "IxFl")
GRAPH = "IHNf"
MAPPED = ("IxMp", "IxM2")
METRICS = {0: "ip", 1: "l2"}
DEEPEST = 4  # maps within maps
WIDEST = 1 << 24  # dimensions, at most
MOST_LINKS = 1 << 20  # … of a node


def read_faiss(path: Path, metric: str | None = None) -> ForeignIndex:
    """What a file of faiss holds: its vectors, its ids, and its graph where it is one of HNSW.

    `metric` may be left out, or say "cosine" for inner products of vectors of length 1. Raises `InputError` for another metric than the file's,
    `NotFoundError` for no file, `TransferError` for a kind of index that is not read here, and for anything that faiss did not write.
    """
    cursor = Cursor(path, "faiss")
    found = _index(cursor, DEEPEST)
    cursor.end()
    if metric == "cosine" and found.metric == "ip":
        if not has_unit_length(found.vectors):
            raise TransferError(f"the vectors in {path} are not of length 1: read it with the metric 'ip'")
        return replace(found, metric="cosine")
    if metric not in (None, found.metric):
        raise InputError(f"{path} was made with the metric {found.metric!r}, not {metric!r}")
    return found


def _index(cursor: Cursor, deep: int) -> ForeignIndex:
    """The index that begins here."""
    kind = cursor.text(4, "the four letters of its kind")
    if kind not in (*FLAT, GRAPH, *MAPPED):
        raise cursor.damaged(f"kind {kind!r} is not read here: only IndexFlat, IndexHNSWFlat, and IndexIDMap around them are")
    dim, count, metric = _header(cursor)
    if kind in FLAT:
        codes = cursor.vector(np.float32, "its vectors")
        if len(codes) != dim * count:
            raise cursor.damaged(f"it holds {len(codes):,} numbers, not {count:,} vectors of {dim}")
        vectors = np.ascontiguousarray(codes, np.float32).reshape(count, dim)
        return ForeignIndex("faiss", metric, vectors, np.arange(count), np.zeros(count, np.bool_))
    if not deep:
        raise cursor.damaged("too many indexes lie within one another")
    graph = _graph(cursor, count) if kind == GRAPH else None
    inner = _index(cursor, deep - 1)
    if inner.vectors.shape != (count, dim) or inner.metric != metric or (kind == GRAPH and inner.graph is not None):
        raise cursor.damaged("what lies within it is of another size or metric")
    if kind == GRAPH:
        return replace(inner, graph=graph)
    labels = cursor.vector(np.int64, "its ids")
    if len(labels) != count:
        raise cursor.damaged(f"it has {len(labels):,} ids for {count:,} vectors")
    return replace(inner, labels=labels.copy())


def _header(cursor: Cursor) -> tuple[int, int, str]:
    """Dimensions, number of vectors, metric."""
    dim, count = cursor.number(np.int32, "the header"), cursor.number(np.int64, "the header")
    cursor.array(np.int64, 2, "the header")
    cursor.number(np.uint8, "the header")
    metric = cursor.number(np.int32, "the header")
    if metric not in METRICS:
        raise cursor.damaged(f"metric {metric} is not read here: only inner products (0) and squared Euclidean distances (1) are")
    if not 0 < dim <= WIDEST or count < 0:
        raise cursor.damaged(f"{count:,} vectors of {dim:,} dimensions cannot be")
    return dim, count, METRICS[metric]


def _graph(cursor: Cursor, count: int) -> ForeignGraph | None:
    cursor.vector(np.float64, "the chances of its layers")
    ends = cursor.vector(np.int32, "the room of its layers").astype(np.int64)
    layers = cursor.vector(np.int32, "its layers").astype(np.int64)
    offsets = cursor.vector(np.uint64, "where its lists begin")
    neighbours = cursor.vector(np.int32, "its lists")
    entry, top, efc, _, _ = (cursor.number(np.int32, "the end of its graph") for _ in range(5))
    if not count:
        return None
    room = np.diff(ends)
    good = len(layers) == count and len(offsets) == count + 1 and len(room) >= 2 and ends[0] == 0
    if not good or not (room[1:] == room[1]).all() or not 0 < min(room[0], room[1]) <= max(room[0], room[1]) < MOST_LINKS:
        raise cursor.damaged("its layers do not fit its nodes")
    if not 1 <= layers.min() <= layers.max() < len(ends) or layers.max() > HIGHEST:
        raise cursor.damaged("a node has more layers than there are")
    offsets = offsets.astype(np.int64)
    if offsets[0] != 0 or not (np.diff(offsets) == ends[layers]).all() or offsets[-1] != len(neighbours):
        raise cursor.damaged("its lists do not lie one behind another")
    most = max(int(room[1]), -(-int(room[0]) // 2))
    levels = (layers - 1).astype(np.int8)
    upper_at = np.cumsum(levels, dtype=np.int64) - levels
    links = _rows(neighbours, offsets[:-1], int(room[0]), 2 * most)
    rows = np.repeat(offsets[:-1] + room[0], levels)
    rows += room[1] * (np.arange(len(rows)) - np.repeat(upper_at, levels))
    upper = _rows(neighbours, rows, int(room[1]), most)
    return ForeignGraph(most, efc if efc > 0 else 0, links, upper, upper_at, levels, entry, top)


def _rows(
    neighbours: np.ndarray[tuple[int], np.dtype[np.int32]],
    starts: np.ndarray[tuple[int], np.dtype[np.int64]],
    room: int,
    width: int,
) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Lists that begin at `starts` and end with -1 or after `room` nodes, as rows of our form (the count first)."""
    rows = np.zeros((len(starts), 1 + width), np.int32)
    counts = np.full(len(starts), room, np.int32)
    for place in range(room - 1, -1, -1):
        here = neighbours[starts + place]
        counts[here < 0] = place
        rows[:, 1 + place] = here
    rows[:, 0] = counts
    rows[:, 1:][np.arange(width) >= counts[:, None]] = 0
    return rows
