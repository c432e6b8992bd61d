"""Files in the forms of other libraries, written by hand from a small layered graph: what the readers are tested on without those libraries."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

M = 3


@dataclass
class Layered:
    """Random vectors, levels, and random links between nodes of each layer, as lists."""

    count: int = 40
    dim: int = 5
    seed: int = 0
    vectors: Any = None
    labels: Any = None
    levels: list[int] = field(default_factory=list)
    lists: list[list[list[int]]] = field(default_factory=list)  # by node, by layer

    def __post_init__(self) -> None:
        generator = np.random.default_rng(self.seed)
        self.vectors = generator.normal(size=(self.count, self.dim)).astype(np.float32)
        self.labels = generator.permutation(10 * self.count)[: self.count].astype(np.uint64)
        self.levels = np.minimum(generator.geometric(1 - 1 / M, self.count) - 1, 3).tolist()
        for node, level in enumerate(self.levels):
            layers = []
            for layer in range(level + 1):
                others = [other for other in range(self.count) if other != node and self.levels[other] >= layer]
                size = min(len(others), int(generator.integers(1, M + 1 if layer else 2 * M + 1)))
                links = generator.permutation(others)[:size].tolist()
                if not layer:  # every node can be reached, also where one is deleted
                    ring = [(node - 1) % self.count, (node + 1) % self.count]
                    links = [*ring, *(other for other in links[: 2 * M - 2] if other not in ring)]
                layers.append(links)
            self.lists.append(layers)

    @property
    def top(self) -> int:
        return max(self.levels)

    @property
    def entry(self) -> int:
        return self.levels.index(self.top)


def hnswlib(graph: Layered, deleted: tuple[int, ...] = ()) -> bytes:
    below, width = 2 * M, 4 * graph.dim
    vector_at = 4 + 4 * below
    label_at = vector_at + width
    out = struct.pack(
        "<6QiI3QdQ",
        0,
        graph.count + 9,
        graph.count,
        label_at + 8,
        label_at,
        vector_at,
        graph.top,
        graph.entry,
        M,
        below,
        M,
        0.7,
        77,
    )
    for node in range(graph.count):
        links = graph.lists[node][0]
        mark = (1 << 16) if node in deleted else 0
        out += struct.pack("<I", len(links) | mark) + struct.pack(f"<{below}I", *links, *[0] * (below - len(links)))
        out += graph.vectors[node].tobytes() + struct.pack("<Q", int(graph.labels[node]))
    for node in range(graph.count):
        upper = graph.lists[node][1:]
        out += struct.pack("<I", len(upper) * 4 * (M + 1))
        for links in upper:
            out += struct.pack(f"<{M + 1}I", len(links), *links, *[0] * (M - len(links)))
    return out


def vector_of(values: Any, form: str) -> bytes:
    return struct.pack("<Q", len(values)) + struct.pack(f"<{len(values)}{form}", *values)


def faiss_head(kind: str, graph: Layered, metric: int) -> bytes:
    return kind.encode() + struct.pack("<iqqqBi", graph.dim, graph.count, 1 << 20, 1 << 20, 1, metric)


def faiss_flat(graph: Layered, metric: int = 0) -> bytes:
    kind = "IxFI" if metric == 0 else "IxF2"
    return faiss_head(kind, graph, metric) + struct.pack("<Q", graph.vectors.size) + graph.vectors.tobytes()


def faiss_hnsw(graph: Layered, metric: int = 1) -> bytes:
    ends = [0, 2 * M, 3 * M, 4 * M, 5 * M]
    offsets, neighbours = [0], list[int]()
    for layers in graph.lists:
        for layer, links in enumerate(layers):
            neighbours += links + [-1] * ((M if layer else 2 * M) - len(links))
        offsets.append(len(neighbours))
    out = faiss_head("IHNf", graph, metric) + vector_of([0.5, 0.25], "d") + vector_of(ends, "i")
    out += vector_of([level + 1 for level in graph.levels], "i") + vector_of(offsets, "Q") + vector_of(neighbours, "i")
    return out + struct.pack("<5i", graph.entry, graph.top, 55, 16, 1) + faiss_flat(graph, metric)


def faiss_mapped(graph: Layered, inner: bytes, metric: int, kind: str = "IxMp") -> bytes:
    return faiss_head(kind, graph, metric) + inner + vector_of(graph.labels.astype(np.int64).tolist(), "q")


def usearch(
    graph: Layered, metric: str = "e", scalar: int = 11, deleted: tuple[int, ...] = (), wide: bool = False, version: int = 2
) -> bytes:
    types = {11: np.float32, 12: np.float16, 10: np.float64}
    if scalar == 23:
        rows = np.trunc(graph.vectors / np.linalg.norm(graph.vectors, axis=1, keepdims=True) * 127).astype(np.int8)
    elif scalar == 4:
        rows = (graph.vectors.view(np.uint32) >> 16).astype(np.uint16)
    else:
        rows = graph.vectors.astype(types[scalar])
    out = struct.pack("<QQ" if wide else "<II", graph.count, rows.shape[1] * rows.itemsize) + rows.tobytes()
    out += b"usearch" + struct.pack(
        "<3H4B3QB", version, 26, 6, ord(metric), scalar, 14, 15, graph.count - len(deleted), len(deleted), graph.dim, 0
    )
    out += (
        bytes(22)
        + struct.pack("<5Q", graph.count, M, 2 * M, graph.top, graph.entry)
        + struct.pack(f"<{graph.count}h", *graph.levels)
    )
    for node in range(graph.count):
        out += struct.pack("<Qh", 0xFFFFFFFFFFFFFFFF if node in deleted else int(graph.labels[node]), graph.levels[node])
        for layer, links in enumerate(graph.lists[node]):
            room = M if layer else 2 * M
            out += struct.pack(f"<{room + 1}I", len(links), *links, *[0] * (room - len(links)))
    return out
