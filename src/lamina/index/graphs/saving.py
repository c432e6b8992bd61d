"""A graph as named arrays and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.arrays import damaged
from lamina.index.forms import Form
from lamina.index.graphs.checking import check_shapes, check_structure, expect
from lamina.index.graphs.full import FullFile, FullRows
from lamina.index.graphs.layers import Layers
from lamina.index.graphs.removal import chained
from lamina.index.kernels.distances import Graph

Arrays = dict[str, NDArray[Any]]


def packed(layers: Layers, node_of: NDArray[np.int32], free: NDArray[np.int32]) -> Arrays:
    """The arrays without the room ahead; nothing is left in them of the nodes that are `free`."""
    graph, count = layers.graph, layers.count
    vectors = graph.vectors[:count]
    if len(free) and vectors[free].any():
        vectors = vectors.copy()
        vectors[free] = 0
    full = layers.full.array[:count] if layers.full is not None else np.zeros((0, layers.form.dim), np.uint16)
    return {
        "vectors": vectors, "norms": graph.norms[: count if layers.euclidean else 0], "links": graph.links[:count],
        "upper": graph.upper[: max(layers.rows, 1)], "upper_at": graph.upper_at[:count], "levels": graph.levels[:count],
        "dead": layers.dead[:count], "slot_of": layers.slot_of[:count], "node_of": node_of, "free": free, "full": full,
        "head": layers.head[:count],
    }  # fmt: skip


def unpacked(
    path: Path, meta: dict[str, Any], arrays: Arrays, form: Form, M: int, euclidean: bool, full: Path | None, finite: bool
) -> Layers:
    """The graph of a file; raises `CorruptStoreError` for one that is not whole. `full` is the file of full rows, if the index names one."""
    try:
        inside = form.name == "int8" and full is None
        check_shapes(arrays, form, M, euclidean, inside)
        entry, top, count = meta["entry"], meta["top"], len(arrays["slot_of"])
        expect(type(entry) is int and type(top) is int, "the entry is no number")
        check_structure(arrays, entry, top)
        if finite:
            check_finite(arrays, form)
        rows = _full_rows(meta, arrays, form, full, count)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise damaged(path, str(error)) from None
    layers = Layers(form, M, euclidean, rows)
    names = ("vectors", "norms", "links", "upper", "upper_at", "levels")
    layers.graph = Graph(*(arrays[name] for name in names))
    layers.slot_of, layers.dead = arrays["slot_of"], arrays["dead"]
    layers.head, layers.twins = arrays["head"], chained(arrays["head"])
    layers.count, layers.rows = count, int(arrays["levels"].sum(dtype=np.int64))
    layers.entry, layers.top = entry, top
    return layers


def check_finite(arrays: Arrays, form: Form) -> None:
    """Refuse vectors that are no numbers."""
    vectors = arrays["vectors"].view(np.float16) if form.name == "float16" else arrays["vectors"]
    expect(form.name == "int8" or np.isfinite(vectors).all(), "a vector has NaN or infinite values")
    expect(
        np.isfinite(arrays["norms"]).all() and np.isfinite(arrays["full"].view(np.float16)).all(),
        "a vector has NaN or infinite values",
    )


def _full_rows(meta: dict[str, Any], arrays: Arrays, form: Form, full: Path | None, count: int) -> FullRows | None:
    if form.name != "int8":
        return None
    expect(
        type(form.step) is float and 0 <= form.step < 1e38 and (form.step > 0 or not count),
        "the step of its int8 vectors is no number",
    )
    if full is None:
        return FullRows(form.dim, arrays["full"])
    file = FullFile(full, form.dim, new=False)
    if file.id.hex() != meta["full_id"] or file.oldest > meta["save"] or not file.fits(_rows_needed(arrays)):
        raise ValueError(f"the full rows in {full} belong to another save of it")
    return file


def _rows_needed(arrays: Arrays) -> int:
    living = np.flatnonzero(~arrays["dead"])
    return int(living[-1]) + 1 if len(living) else 0
