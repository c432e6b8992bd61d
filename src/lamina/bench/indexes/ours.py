"""Our indexes as the child process holds them; compiled code is loaded for those alone that have it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.index.flat import FlatIndex
from lamina.index.lsh import MultiProbeLSH

if TYPE_CHECKING:
    from lamina.index.hnsw import HNSW
    from lamina.index.spann.spann import SPANN


class Ours:
    """What they have in common."""

    plan = ""

    def __init__(self) -> None:
        self.index: Any = None

    def mask(self, allow: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A filter in the form that `search` takes: one that does not change any more need not be compared with the last."""
        kept = allow.copy()
        kept.setflags(write=False)
        return kept

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k)."""
        found: NDArray[np.int64] = self.index.search(queries, k, allow, **setting)[0]
        self.plan = getattr(self.index, "plan", "")
        return found

    def counts(self) -> dict[str, float]:
        """Everything counted so far."""
        return {}


class Exact(Ours):
    """Every vector is compared."""

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Nothing has to be built."""

    def open(self, base: Path, folder: Path) -> None:
        """Take the vectors into memory."""
        rows = np.load(base, mmap_mode="r")
        self.index = FlatIndex(rows.shape[1])
        self.index.reserve(len(rows))
        self.index.add(np.arange(len(rows)), np.asarray(rows, np.float32))


class Lsh(Ours):
    """Buckets of random projections, as many as our rule says."""

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Hash all vectors, and save."""
        index = MultiProbeLSH(base.shape[1], buckets=32, probes=1)
        index.add(np.arange(len(base)), np.asarray(base, np.float32))
        index.rehash(centre=index.centred())
        index.save(folder / "index")

    def open(self, base: Path, folder: Path) -> None:
        """Read what was saved."""
        self.index = MultiProbeLSH(int(np.load(base, mmap_mode="r").shape[1]), buckets=32, probes=1)
        self.index.load(folder / "index")

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k)."""
        self.index.probes = min(setting["probes"], self.index.buckets)
        found: NDArray[np.int64] = self.index.search(queries, k, allow)[0]
        return found

    def counts(self) -> dict[str, float]:
        """Vectors compared."""
        return {"distances": self.index.compared}


class Graph(Ours):
    """HNSW; `form` of the vectors in memory, int8 ones with their float16 rows in a file."""

    def __init__(self, form: str = "float32", M: int = 16, ef_construction: int = 200) -> None:
        super().__init__()
        self.form, self.M, self.ef_construction = form, M, ef_construction

    def compile(self) -> None:
        """Load what larger indexes and filters need besides."""
        from lamina.index.warming import warm

        warm(methods=["graph of a memory" if self.form == "int8" else f"graph, {self.form}"])

    def _new(self, dim: int, folder: Path, threads: int = 1) -> HNSW:
        from lamina.index.hnsw import HNSW

        full = folder / "full" if self.form == "int8" else None
        return HNSW(dim, M=self.M, ef_construction=self.ef_construction, form=self.form, full=full, threads=threads)

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Add all vectors, and save."""
        index = self._new(base.shape[1], folder, threads)
        index.reserve(len(base))
        index.add(np.arange(len(base)), np.asarray(base, np.float32))
        index.save(folder / "index")

    def open(self, base: Path, folder: Path) -> None:
        """Read what was saved."""
        from lamina.index.hnsw import HNSW

        self.index = HNSW.open(folder / "index")

    def counts(self) -> dict[str, float]:
        """Distances computed, and nodes that were spared it by their sketches."""
        return {"distances": self.index.computed, "spared": self.index.spared}


class Disk(Ours):
    """SPANN: heads in memory, lists and rows on disk. `replicas` and `rule`, of the closure."""

    def __init__(self, replicas: int = 8, rule: bool = True, form: str = "int8") -> None:
        super().__init__()
        self.replicas, self.rule, self.form = replicas, rule, form

    def compile(self) -> None:
        """Load what larger indexes and filters need besides."""
        from lamina.index.warming import warm

        warm(methods=["lists on disk", "graph, float16"])

    def _new(self, dim: int, folder: Path, threads: int = 1) -> SPANN:
        from lamina.index.spann.closure import Closure
        from lamina.index.spann.clustering import BalancedTree
        from lamina.index.spann.spann import SPANN

        closure = Closure(replicas=self.replicas, rule=self.rule)
        return SPANN(dim, folder, metric="ip", closure=closure, form=self.form, tree=BalancedTree(threads=threads))

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Cluster, copy and write all vectors."""
        index = self._new(base.shape[1], folder / "index", threads)
        index.build(np.arange(len(base)), base)
        self.index = index
        self.close()

    def close(self) -> None:
        """Let go of the files, of which one object at a time may be the writer."""
        self.index.postings.close()
        self.index = None

    def open(self, base: Path, folder: Path) -> None:
        """Open the files."""
        self.index = self._new(int(np.load(base, mmap_mode="r").shape[1]), folder / "index")
        self.index.load()

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k); `candidates`, heads looked at, is a setting of the index."""
        self.index.candidates = setting.get("candidates")
        return super().search(queries, k, {name: value for name, value in setting.items() if name != "candidates"}, allow)

    def counts(self) -> dict[str, float]:
        """Lists and bytes read, records and heads compared."""
        index = self.index
        return {
            "lists_read": index.lists_read,
            "bytes_read": index.bytes_read,
            "distances": index.compared,
            "heads_compared": index.heads_read,
        }
