"""HNSW: a proximity graph in layers, searched from its sparse top down."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.arrays import damaged, read_arrays
from lamina.index.forms import Form
from lamina.index.graphs import checking, saving
from lamina.index.graphs.changing import ChangingGraph
from lamina.index.graphs.filing import KIND, FiledGraph
from lamina.index.graphs.searching import SearchedGraph
from lamina.index.sketches import guiding_bytes


class HNSW(ChangingGraph, SearchedGraph, FiledGraph):
    """Finds nearly all of the best slots while it looks at few of them; vectors come and go one at a time or in batches.

    Scores are inner products ("ip"), those of normalised vectors ("cosine") or negative squared distances ("l2"): larger is better.
    Adding a batch shuffles it, so that sorted vectors make as good a graph; the same calls give the same graph, whatever the number of threads.
    One thread may change the index while others search. Removed vectors are passed through but never returned; when they are more than `share` of
    all, the lists that name them are healed and their nodes used again.

    Parameters:
        dim: components of a vector.
        metric: "ip", "cosine" or "l2".
        M: links of a node in the upper layers, at least 2; twice as many in the bottom layer.
        ef_construction: candidates among which a node's links are chosen; never fewer than M.
        ef: candidates of a search; never fewer than k.
        form: of the vectors in memory: "float32", "float16", or "int8" (the best found are then ordered by float16 rows).
        full: int8 only: where the file of the float16 rows lies (its name is this with an id behind); without one they stay in memory. It belongs
            to the index file that is saved last, and one index alone may name it.
        rerank: int8 only: vectors that are ordered by their float16 rows (None: half as many again as are wanted, of no more than `ef`).
        seed: of the levels and of the order of linking.
        threads: for adding, repairing, and batches of queries; they end with the call.
        selection: "heuristic" (links in different directions) or "simple" (to the nearest; for comparison).
        flat: all nodes in the bottom layer alone (for comparison).
        share: of tombstones above which `repair` runs by itself.

    Source: Yu. A. Malkov and D. A. Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World
    graphs", 2018. Linking in batches, the forms, repair and re-use are additions.

    >>> index = HNSW(2)
    >>> index.add(np.array([0, 2]), np.array([[1, 0], [0, 1]], np.float32))
    >>> slots, scores = index.search(np.array([[0.0, 1.0]], np.float32), k=3)
    >>> slots.tolist(), scores.tolist()
    ([[2, 0, -1]], [[1.0, 0.0, -inf]])
    """

    @staticmethod
    def estimate(count: int, dim: int, *, M: int = 16, form: str = "float32", full: bool = False) -> int:
        """Bytes of memory of so many vectors; `full` says whether int8 vectors have their full rows in a file.

        >>> HNSW.estimate(1_000_000, 256) // 2**20, HNSW.estimate(1_000_000, 256, form="int8", full=True) // 2**20
        (1174, 442)
        """
        kept = Form(form, dim)
        row = kept.width * np.dtype(kept.dtype).itemsize + (2 * dim if form == "int8" and not full else 0)
        links, upper = 4 * (2 * M + 1), 4 * (M + 1) / (M - 1)
        own = (
            8 + 8 + 4 + 3 + 12
        )  # slot, place of upper lists, node of the slot; level, marks of dead and visited; table of hashes
        return math.ceil(count * (float(row) + links + upper + own + guiding_bytes(count, dim)))

    @classmethod
    def from_graph(
        cls,
        vectors: NDArray[np.float32],
        slots: NDArray[np.int64],
        links: NDArray[np.int32],
        levels: NDArray[np.int8],
        upper: NDArray[np.int32],
        entry: int,
        **settings: Any,  # those of the class
    ) -> HNSW:
        """An index of a graph that was made elsewhere.

        Parameters: `vectors` (nodes, dim); `slots` (nodes,), each once; `links` (nodes, 1 + 2M), how many neighbours a node has in the bottom
        layer, then which; `levels` (nodes,), the highest layer of each; `upper` (rows, 1 + M), the lists above the bottom, of each node in turn
        from layer 1 up; `entry`, a node of the highest layer.
        Raises `InputError` where these do not fit each other, and what `add` raises.
        """
        index = cls(vectors.shape[1] if vectors.ndim == 2 else 0, **settings)
        vectors = index._prepared(vectors, len(slots))
        tall = levels.astype(np.int64)
        index._full_file()
        index._fit(vectors)
        layers = index._layers
        try:
            checking.expect(links.shape == (len(slots), 2 * index.M + 1), f"the links are not those of M={index.M}")
            checking.expect(upper.shape == (int(tall.sum()), index.M + 1), "the upper lists are not as many as the levels say")
            checking.expect(
                len(slots) > 0 and len(np.unique(slots)) == len(slots) and int(slots.min()) >= 0,
                "the slots are not numbers, each once",
            )
            layers.reserve(len(slots), len(upper))
            layers.append(levels)
            layers.put(0, vectors, np.asarray(slots, np.int64))
            layers.graph.links[: len(slots)] = links
            layers.graph.upper[: len(upper)] = upper
            layers.entry, layers.top = entry, int(levels.max())
            index.grow(int(slots.max()) + 1)
            index._node_of[slots] = np.arange(len(slots))
            checking.check_structure(saving.packed(layers, index.node_of, index._free), layers.entry, layers.top)
        except (ValueError, IndexError) as error:
            raise InputError(f"that is no graph: {error}") from None
        index._live = len(slots)
        index._publish()
        return index

    @classmethod
    def open(cls, path: Path, mapped: bool = False, *, check: bool = True, full: Path | None = None, threads: int = 1) -> HNSW:
        """The index of a file, with the settings it was saved with.

        Parameters: `mapped` leaves the arrays in the file, from which they are read when needed (changes stay in memory until `save`); `check`
        compares checksums and looks for NaN, which reads all of the file (the links are checked in any case); `full`, the file of full rows
        (default: beside the index file).
        """
        meta, arrays = read_arrays(path, KIND, mapped=mapped, check=check)
        try:
            names = ("metric", "M", "ef_construction", "ef", "form", "seed", "selection", "flat", "share", "rerank")
            if full is None and meta["full"] is not None:
                full = path.parent / Path(str(meta["full"])).name.rpartition(".")[0]
            index = cls(meta["dim"], full=full, threads=threads, **{name: meta[name] for name in names})
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, str(error)) from None
        index._restore(path, meta, arrays, check)
        return index
