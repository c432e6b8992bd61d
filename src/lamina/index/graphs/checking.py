"""What must hold of a graph's arrays: before they are handed to kernels, and for `verify`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.forms import Form
from lamina.index.graphs.construction import HIGHEST
from lamina.index.graphs.layers import MOST_NODES, Layers
from lamina.index.graphs.removal import reached

Arrays = Mapping[str, NDArray[Any]]


def expect(holds: bool | np.bool_, what: str) -> None:
    """Raise `ValueError` where something does not hold."""
    if not holds:
        raise ValueError(what)


def check_shapes(arrays: Arrays, form: Form, M: int, euclidean: bool, inside: bool) -> None:
    """Refuse arrays of other types or shapes; `inside` says whether full rows lie in the same file."""
    count = len(arrays["slot_of"])
    expected: dict[str, tuple[Any, tuple[int, ...]]] = {
        "vectors": (form.dtype, (count, form.width)),
        "norms": (np.float32, (count if euclidean else 0,)),
        "links": (np.int32, (count, 2 * M + 1)),
        "upper": (np.int32, (len(arrays["upper"]), M + 1)),
        "upper_at": (np.int64, (count,)),
        "levels": (np.int8, (count,)),
        "dead": (np.bool_, (count,)),
        "slot_of": (np.int64, (count,)),
        "node_of": (np.int32, (len(arrays["node_of"]),)),
        "free": (np.int32, (len(arrays["free"]),)),
        "head": (np.int32, (count if len(arrays["head"]) else 0,)),
        "full": (np.uint16, (count if inside else 0, form.dim)),
    }
    expect(count <= MOST_NODES, "there are too many nodes")
    for name, (dtype, shape) in expected.items():
        expect(arrays[name].dtype == dtype and arrays[name].shape == shape, f"the array {name!r} is of another type or shape")


def check_structure(arrays: Arrays, entry: int, top: int) -> None:
    """Raise `ValueError` where a kernel that follows these arrays would leave them, or where slots and nodes do not fit each other."""
    count, levels = len(arrays["slot_of"]), arrays["levels"]
    if count:
        expect(levels.min() >= 0 and levels.max() <= HIGHEST, "a level is out of range")
        expect(0 <= entry < count and 0 <= top <= levels[entry], "the entry is out of range")
    else:
        expect(entry == 0 and top == 0, "the entry is out of range")
    check_lists(arrays["links"], count, "the bottom layer")
    check_lists(arrays["upper"], count, "the upper layers")
    check_upper(arrays["upper"], arrays["upper_at"], levels)
    dead, slot_of, node_of, free = arrays["dead"], arrays["slot_of"], arrays["node_of"], arrays["free"]
    expect(dead.view(np.uint8).max(initial=0) <= 1, "a mark of a dead node is neither 0 nor 1")
    expect(len(node_of) == 0 or (node_of.min() >= -1 and node_of.max() < count), "a slot names a node that is not there")
    slots = np.flatnonzero(node_of >= 0)
    nodes = node_of[slots]
    expect(np.array_equal(slot_of[nodes], slots) and not dead[nodes].any(), "slots and nodes do not fit each other")
    expect(len(slots) == count - int(dead.sum()), "there are nodes without a slot")
    check_heads(arrays["head"], count)
    if len(free):
        expect(free.min() >= 0 and free.max() < count, "a free node is out of range")
        expect((np.diff(free) > 0).all() and dead[free].all(), "the free nodes are not in order, or alive")


def check_lists(lists: NDArray[np.int32], count: int, where: str) -> None:
    """Refuse lists of neighbours that are too long or name nodes that are not there."""
    if lists.size:
        sizes = lists[:, 0]
        expect(sizes.min() >= 0 and sizes.max() < lists.shape[1], f"a list of {where} is longer than it can be")
        named = lists[:, 1:]
        expect(named.min() >= 0 and named.max() < max(count, 1), f"a list of {where} names a node that is not there")


def check_heads(head: NDArray[np.int32], count: int) -> None:
    """Refuse equal vectors that are listed behind a node that is not there, or is listed itself."""
    if len(head):
        expect(head.min() >= 0 and head.max() <= count, "an equal vector is listed behind a node that is not there")
        expect(not head[head[head > 0] - 1].any(), "an equal vector is listed behind one that is listed itself")


def check_upper(upper: NDArray[np.int32], upper_at: NDArray[np.int64], levels: NDArray[np.int8]) -> None:
    """Refuse upper lists that lie elsewhere, are shared, or name nodes that are not in their layer."""
    tall = np.flatnonzero(levels > 0)
    heights = levels[tall].astype(np.int64)
    starts = upper_at[tall]
    expect(not len(tall) or (starts.min() >= 0 and starts.max() <= len(upper)), "an upper list lies elsewhere")
    within = np.arange(int(heights.sum())) - np.repeat(np.cumsum(heights) - heights, heights)
    rows = np.repeat(starts, heights) + within
    expect(not len(rows) or int(rows.max()) < len(upper), "an upper list lies elsewhere")
    layer = np.zeros(len(upper), np.int64)
    np.add.at(layer, rows, 1)
    expect(layer.max(initial=0) <= 1, "two nodes share an upper list")
    layer[rows] = within + 1
    named = np.arange(1, upper.shape[1]) <= upper[:, :1]
    if len(levels):
        expect((~named | (levels[upper[:, 1:]] >= layer[:, None])).all(), "an upper list names a node that is not in its layer")


def in_degrees(links: NDArray[np.int32]) -> NDArray[np.int64]:
    """How many lists name each node, shape (nodes,)."""
    named = np.arange(1, links.shape[1]) <= links[:, :1]
    return np.bincount(links[:, 1:][named], minlength=len(links))


def shape_of(layers: Layers) -> dict[str, Any]:
    """Figures of a graph: nodes, living ones, tombstones, degrees, layers, and the share of the living that can be reached."""
    links, living = layers.graph.links[: layers.count], ~layers.dead[: layers.count]
    behind = layers.behind()
    linked = living & ~behind
    levels = layers.graph.levels[: layers.count][linked]
    there = max(int(linked.sum()), 1)
    return {
        "nodes": layers.count, "living": int(living.sum()), "twins": int((living & behind).sum()), "tombstones": layers.tombstones, "entry": layers.entry, "top": layers.top,
        "mean_degree": float(links[linked, 0].mean()) if linked.any() else 0.0,
        "nodes_by_layer": [int((levels >= layer).sum()) for layer in range(int(levels.max(initial=0)) + 1)],
        "unnamed": int((in_degrees(links)[linked] == 0).sum()) if layers.count > 1 else 0,
        "reachable": float((reached(layers) & linked).sum() / there) if linked.any() else 1.0,
    }  # fmt: skip


def problems(layers: Layers, arrays: Arrays) -> list[str]:
    """What is wrong with a graph."""
    found = []
    try:
        check_structure(arrays, layers.entry, layers.top)
        check_vectors(arrays, layers)
    except ValueError as error:
        return [str(error)]
    living = ~layers.dead[: layers.count] & ~layers.behind()
    if not living.any():
        return []
    lost = int((living & ~reached(layers)).sum())
    if lost:
        found.append(f"{lost} vectors cannot be reached from the entry: repair() finds ways to them")
    if layers.count > 1:
        alone = (in_degrees(layers.graph.links[: layers.count]) == 0) & living
        alone[layers.entry] = False
        if alone.any():
            found.append(f"{int(alone.sum())} vectors are named by no list: repair() finds ways to them")
    return found


def check_vectors(arrays: Arrays, layers: Layers) -> None:
    """Refuse vectors that are no numbers, squared lengths that are not theirs, and int8 vectors that are not those of their full rows."""
    form = layers.form
    for start in range(0, layers.count, 1 << 14):
        nodes = np.arange(start, min(start + (1 << 14), layers.count))
        nodes = nodes[~layers.dead[nodes]]
        encoded = arrays["vectors"][nodes]
        expect(np.isfinite(form.widened(encoded)).all(), "a vector has NaN or infinite values")
        if layers.euclidean:
            expect(
                np.allclose(arrays["norms"][nodes], form.norms(encoded), rtol=1e-4), "a squared length is not that of its vector"
            )
        if layers.full is not None:
            near = np.abs(form.encode(layers.full.read(nodes)).astype(np.int16) - encoded) <= 1
            expect(near.all(), "a vector is not that of its full row")
