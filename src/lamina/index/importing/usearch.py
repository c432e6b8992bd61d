"""Index files of usearch, version 2 of their form: a matrix of vectors, a header of 64 bytes, the graph.

The form was read off the library's public description (unum-cloud/usearch, `docs/format.md`) and its files: after the header stand five numbers,
the level of each node (16 bits), then the nodes: key, level, and for each layer a count and room for its links.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.importing.cursor import Cursor
from lamina.index.importing.foreign import HIGHEST, ForeignGraph, ForeignIndex, unit_length

MAGIC = b"usearch"
HEAD = np.dtype(
    [("magic", "S7"), ("version", "<u2", 3), ("metric", "u1"), ("scalar", "u1"), ("key", "u1"), ("slot", "u1"), ("present", "<u8"),
     ("deleted", "<u8"), ("dim", "<u8"), ("multi", "u1"), ("rest", "V22")]
)  # fmt: skip
METRICS = {ord("i"): "ip", ord("c"): "cosine", ord("e"): "l2"}
BRAINS, DOUBLES, SINGLES, HALVES, BYTES = 4, 10, 11, 12, 23  # kinds of numbers: bfloat16, float64, float32, float16, int8
WIDTHS = {BRAINS: np.uint16, DOUBLES: np.float64, SINGLES: np.float32, HALVES: np.float16, BYTES: np.int8}
KEY_64, SLOT_32 = 14, 15  # kinds of keys and of links that are read
FREE = np.uint64(0xFFFFFFFFFFFFFFFF)  # the key of a node whose vector was removed
EIGHT_BITS = 127.0  # what stands for 1 where vectors of length 1 are kept in 8 bits
MOST_LINKS = 1 << 20


def read_usearch(path: Path, metric: str | None = None) -> ForeignIndex:
    """What a file of usearch holds: its vectors (from float32, float16, bfloat16, float64 or int8), its keys, its graph.

    `metric` may be left out. Raises `InputError` for another metric than the file's, `NotFoundError` for no file, `TransferError` for another
    version of the form, other metrics and kinds of numbers, a file without vectors, and anything that usearch did not write.
    """
    cursor = Cursor(path, "usearch")
    raw, head = _matrix(cursor)
    kind = METRICS.get(int(head["metric"]))
    scalar, dim, count = int(head["scalar"]), int(head["dim"]), len(raw)
    if int(head["version"][0]) != 2:
        raise cursor.damaged(f"its form has version {int(head['version'][0])}, and version 2 is read")
    if kind is None:
        raise cursor.damaged(
            f"its metric {chr(int(head['metric']))!r} is none of inner product, cosine and squared Euclidean distance"
        )
    if metric not in (None, kind):
        raise InputError(f"{path} was made with the metric {kind!r}, not {metric!r}")
    if scalar not in WIDTHS or raw.shape[1] != dim * np.dtype(WIDTHS.get(scalar, np.int8)).itemsize or dim < 1:
        raise cursor.damaged("its vectors are not of float32, float16, bfloat16, float64 or int8")
    if int(head["key"]) != KEY_64 or int(head["slot"]) != SLOT_32:
        raise cursor.damaged("its keys are not of 64 bits, or its links not of 32")
    vectors = _decoded(raw, scalar)
    keys, graph = _graph(cursor, count)
    cursor.end()
    dead = keys == FREE
    if int(head["present"]) + int(dead.sum()) != count:
        raise cursor.damaged(f"it announces {int(head['present']):,} vectors and has {count - int(dead.sum()):,}")
    found = ForeignIndex("usearch", kind, vectors, keys, dead, graph)
    return unit_length(found) if kind == "cosine" else found


def _matrix(cursor: Cursor) -> tuple[NDArray[np.uint8], Any]:
    """The bytes of the vectors, shape (vectors, bytes), and the header that follows: sizes have 32 bits, or 64."""
    for dtype in (np.uint32, np.uint64):
        cursor.at = 0
        rows, columns = (int(size) for size in cursor.array(dtype, 2, "the size of its matrix"))
        if rows * columns + HEAD.itemsize > cursor.left:
            continue
        matrix = cursor.array(np.uint8, rows * columns, "its vectors")
        head = cursor.array(HEAD, 1, "the header")[0]
        if bytes(head["magic"]) == MAGIC:
            return matrix.reshape(rows, columns), head
    cursor.at = 0
    if cursor.text(min(len(MAGIC), cursor.left), "its beginning").encode("latin-1") == MAGIC:
        raise cursor.damaged("it was saved without its vectors")
    raise cursor.damaged("the name 'usearch' does not stand behind its vectors")


def _decoded(raw: NDArray[np.uint8], scalar: int) -> NDArray[np.float32]:
    """Vectors as float32, shape (vectors, dim)."""
    if not raw.size:
        return np.empty((0, raw.shape[1] // np.dtype(WIDTHS[scalar]).itemsize), np.float32)
    values = raw.view(np.dtype(WIDTHS[scalar]).newbyteorder("<"))
    if scalar == BRAINS:
        return (values.astype(np.uint32) << 16).view(np.float32)
    if scalar == BYTES:
        return values.astype(np.float32) / np.float32(EIGHT_BITS)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, np.float32)


def _graph(cursor: Cursor, count: int) -> tuple[NDArray[np.uint64], ForeignGraph | None]:
    """The keys of all nodes, and the graph (None where there is no node)."""
    nodes, above, below, top, entry = (cursor.number(np.uint64, "the size of its graph") for _ in range(5))
    if nodes != count:
        raise cursor.damaged(f"its graph has {nodes:,} nodes for {count:,} vectors")
    if not nodes:
        return np.empty(0, np.uint64), None
    if not 0 < min(above, below) <= max(above, below) < MOST_LINKS:
        raise cursor.damaged("its nodes cannot have so many links")
    levels = cursor.array(np.int16, count, "the levels of its nodes").astype(np.int64)
    if not 0 <= levels.min() <= levels.max() <= HIGHEST:
        raise cursor.damaged("a node lies in a layer that cannot be")
    size = 10 + 4 * (1 + below) + levels * 4 * (1 + above)
    if int(size.sum()) != cursor.left:
        raise cursor.damaged(f"its nodes take {int(size.sum()):,} bytes and {cursor.left:,} are left")
    raw = cursor.array(np.uint8, cursor.left, "its nodes")
    starts = np.cumsum(size) - size
    keys = _taken(raw, starts, 8).view("<u8").ravel().copy()
    if not (_taken(raw, starts + 8, 2).view("<i2").ravel() == levels).all():
        raise cursor.damaged("its nodes are not where their levels say")
    most = max(above, -(-below // 2))
    upper_at = np.cumsum(levels) - levels
    rows = np.repeat(starts + 10 + 4 * (1 + below), levels)
    rows += 4 * (1 + above) * (np.arange(len(rows)) - np.repeat(upper_at, levels))
    links, upper = _rows(cursor, raw, starts + 10, below, 2 * most), _rows(cursor, raw, rows, above, most)
    return keys, ForeignGraph(most, 0, links, upper, upper_at, levels.astype(np.int8), entry, top)


def _taken(raw: NDArray[np.uint8], starts: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """So many bytes from each start, shape (starts, size)."""
    found = np.empty((len(starts), size), np.uint8)
    for place in range(size):
        found[:, place] = raw[starts + place]
    return found


def _rows(cursor: Cursor, raw: NDArray[np.uint8], starts: NDArray[np.int64], room: int, width: int) -> NDArray[np.int32]:
    """Lists (a count, then room for links) that begin at `starts`, as rows of our form."""
    lists = _taken(raw, starts, 4 * (1 + room)).view("<u4")
    counts = lists[:, 0]
    if len(counts) and int(counts.max()) > room:
        raise cursor.damaged("a node has more neighbours than there is room for")
    rows = np.zeros((len(starts), 1 + width), np.int32)
    rows[:, 0] = counts
    used = np.arange(room) < counts[:, None]
    rows[:, 1 : 1 + room] = np.where(used, np.minimum(lists[:, 1:], np.uint32(0x7FFFFFFF)), 0)
    return rows
