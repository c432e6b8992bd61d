"""DiskANN (diskannpy 0.7.0) as the child process holds it, in an environment of its own: it wants numpy 1.25, so nothing of lamina is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

PREFIX = "ann"


class DiskANN:
    """Codes of vectors in memory, with the nodes that searches pass most; the graph and the vectors on disk.

    Parameters: `degree` of the graph; `candidates` when building; `codes`, bytes of a vector's code; `share`, how much of the vectors' size (as
    float32, with the links of a graph) a search may take of memory, where another index takes as much: what codes leave of it holds nodes.
    """

    plan = ""

    def __init__(self, degree: int = 32, candidates: int = 64, codes: int = 32, share: float = 0.14) -> None:
        self.degree, self.candidates, self.codes, self.share = degree, candidates, codes, share
        self.index: Any = None

    def warm(self, dim: int, setting: dict[str, Any]) -> None:
        """Load the library."""
        import diskannpy  # noqa: F401

    def build(self, base: Any, folder: Path, threads: int) -> None:
        """Build the disk index, with codes of the size that was asked for."""
        import diskannpy

        limit = (self.codes + 0.5) * len(base) / (1 << 30)
        diskannpy.build_disk_index(
            data=np.ascontiguousarray(base, np.float32),
            distance_metric="l2",
            index_directory=str(folder),
            complexity=self.candidates,
            graph_degree=self.degree,
            search_memory_maximum=limit,
            build_memory_maximum=8.0,
            num_threads=threads,
            pq_disk_bytes=0,
            index_prefix=PREFIX,
        )

    def open(self, base: Path, folder: Path) -> None:
        """Open the files. With room for one thread alone this version waits for itself for ever."""
        import diskannpy

        count, dim = np.load(base, mmap_mode="r").shape
        size = dim * 4 + (self.degree + 1) * 4
        nodes = max(int(count * (self.share * (dim * 4 + 132) - self.codes) / size), 0)
        self.index = diskannpy.StaticDiskIndex(str(folder), 2, nodes, 1, "l2", np.float32, dim, PREFIX)

    def mask(self, allow: Any) -> Any:
        """There are no filters."""
        raise ValueError("this library has no filters")

    def search(self, queries: Any, k: int, setting: dict[str, Any], allow: Any) -> Any:
        """The places found, shape (queries, k)."""
        found = self.index.batch_search(queries, k, setting["complexity"], 1, setting.get("beam", 2))
        return np.asarray(found.identifiers).astype(np.int64)

    def counts(self) -> dict[str, float]:
        """Bytes asked of the system by this process (through the kernel's own interface of reading: not counted everywhere)."""
        try:
            told = dict(line.split(": ") for line in Path(f"/proc/{os.getpid()}/io").read_text().splitlines())
        except (OSError, ValueError):
            return {}
        return {"bytes_from_disk": float(told["read_bytes"])}
