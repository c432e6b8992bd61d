"""Index files of hnswlib (`Index.save_index`): a header, one block with the bottom layer, then the lists of the layers above.

The form was read off the library's public source (nmslib/hnswlib, `HierarchicalNSW::saveIndex`). It has neither a name nor a version, does not
say its metric, and holds 32-bit floats where it was made from Python.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, TransferError
from lamina.index.importing.cursor import Cursor
from lamina.index.importing.foreign import HIGHEST, ForeignGraph, ForeignIndex, has_unit_length, padded

HEAD = np.dtype(
    [("offset", "<u8"), ("room", "<u8"), ("count", "<u8"), ("stride", "<u8"), ("label_at", "<u8"), ("vector_at", "<u8"), ("top", "<i4"),
     ("entry", "<u4"), ("most", "<u8"), ("most_below", "<u8"), ("M", "<u8"), ("scale", "<f8"), ("efc", "<u8")]
)  # fmt: skip
WIDEST = 1 << 26  # bytes of a node, at most: what is wider is no node
DELETED = 1  # the bit of the third byte of a node in the bottom layer
COUNT = 0xFFFF  # the bits of its first word that count its neighbours


def read_hnswlib(path: Path, metric: str | None) -> ForeignIndex:
    """What a file of hnswlib holds, with its graph, its labels and its deletions.

    `metric` is what it was made with ("cosine" is hnswlib's own: its vectors were normalised). Raises `InputError` where it is not given,
    `NotFoundError` for no file, `TransferError` for anything that hnswlib did not write.
    """
    if metric is None:
        raise InputError("a file of hnswlib does not say which metric it was made with: say 'ip', 'cosine' or 'l2'")
    cursor = Cursor(path, "hnswlib")
    head = cursor.array(HEAD, 1, "the header")[0]
    count, stride, vector_at, label_at, M = (int(head[name]) for name in ("count", "stride", "vector_at", "label_at", "M"))
    most, below = int(head["most"]), int(head["most_below"])
    width = label_at - vector_at
    if (
        head["offset"] != 0 or count > head["room"] or most != M or below != 2 * M or M < 1 or vector_at != 4 * below + 4
        or stride != label_at + 8 or width < 4 or width % 4 or stride > WIDEST
    ):  # fmt: skip
        raise cursor.damaged("its header does not agree with itself")
    if count * stride > cursor.left:
        raise cursor.damaged(f"it ends within the bottom layer ({count:,} nodes of {stride:,} bytes are announced)")
    node = np.dtype({"names": ["head", "links", "vector", "label"], "formats": ["<u4", ("<u4", below), ("<f4", width // 4), "<u8"],
                     "offsets": [0, 4, vector_at, label_at], "itemsize": stride})  # fmt: skip
    nodes = cursor.array(node, count, "the bottom layer")
    levels, upper = _layers_above(cursor, count, M)
    vectors = np.ascontiguousarray(nodes["vector"], np.float32).reshape(count, width // 4)
    dead = ((nodes["head"] >> 16) & DELETED).astype(np.bool_)
    graph = None
    if count:
        counts = nodes["head"] & COUNT
        if int(counts.max()) > below:
            raise cursor.damaged("a node has more neighbours than there is room for")
        upper_at = np.cumsum(levels, dtype=np.int64) - levels
        links = padded(nodes["links"], counts, 2 * M)
        graph = ForeignGraph(M, int(head["efc"]), links, upper, upper_at, levels, int(head["entry"]), int(head["top"]))
    if metric == "cosine" and not has_unit_length(vectors):
        raise TransferError(f"the vectors in {path} are not of length 1, so it was not made with the metric 'cosine'")
    return ForeignIndex("hnswlib", metric, vectors, nodes["label"].copy(), dead, graph)


def _layers_above(cursor: Cursor, count: int, M: int) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Levels (nodes,) and lists (rows, 1 + M) of the layers above: for each node the bytes of its lists (0: none), then these."""
    if cursor.left % 4:
        raise cursor.damaged("its last word is cut off")
    words = cursor.array(np.uint32, cursor.left // 4, "the layers above")
    filled = np.flatnonzero(words)
    levels = np.zeros(count, np.int8)
    rows: list[NDArray[np.uint32]] = []
    at = node = 0
    while node < count:
        place = int(np.searchsorted(filled, at))
        ahead = int(filled[place]) - at if place < len(filled) else len(words) - at
        if ahead >= count - node:
            at += count - node
            break
        if place == len(filled):
            raise cursor.damaged("it ends before the lists of its last nodes")
        node += ahead
        size = int(words[at + ahead])
        level, rest = divmod(size, 4 * (M + 1))
        at += ahead + 1
        if rest or level > HIGHEST or at + size // 4 > len(words):
            raise cursor.damaged(f"the lists of node {node:,} are cut off or of another form")
        rows.append(words[at : at + size // 4].reshape(level, M + 1))
        levels[node] = level
        at += size // 4
        node += 1
    if at != len(words):
        raise cursor.damaged("it does not end where its last list ends")
    if not rows:
        return levels, np.zeros((0, M + 1), np.int32)
    lists = np.concatenate(rows)
    counts = lists[:, 0] & COUNT
    if int(counts.max()) > M:
        raise cursor.damaged("a node has more neighbours than there is room for")
    return levels, padded(lists[:, 1:], counts, M)
