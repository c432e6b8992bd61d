"""Other libraries' indexes as the child process holds them; everything with one thread unless it is told otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError


class Other:
    """What they have in common."""

    plan = "own filter"

    def __init__(self, M: int = 16, ef_construction: int = 200) -> None:
        self.M, self.ef_construction = M, ef_construction
        self.index: Any = None

    def mask(self, allow: NDArray[np.bool_]) -> Any:
        """A filter in the form that the library takes."""
        raise InputError("this library has no filters")

    def counts(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}


class Hnswlib(Other):
    """hnswlib (Yu. A. Malkov and D. A. Yashunin)."""

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Add all vectors, and save."""
        import hnswlib

        index = hnswlib.Index("ip", base.shape[1])
        index.init_index(len(base), M=self.M, ef_construction=self.ef_construction, random_seed=1)
        index.add_items(np.asarray(base, np.float32), num_threads=threads)
        index.save_index(str(folder / "index"))

    def open(self, base: Path, folder: Path) -> None:
        """Read what was saved."""
        import hnswlib

        self.index = hnswlib.Index("ip", int(np.load(base, mmap_mode="r").shape[1]))
        self.index.load_index(str(folder / "index"))

    def mask(self, allow: NDArray[np.bool_]) -> Any:
        """A function of Python that is asked about each vector: the library has no other way."""
        return allow.tolist().__getitem__

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k); -1 throughout for a query of which the library found fewer."""
        self.index.set_ef(setting["ef"])
        try:
            return np.asarray(self.index.knn_query(queries, k, num_threads=1, filter=allow)[0], np.int64)
        except RuntimeError:  # it refuses to return fewer than k
            if len(queries) == 1:
                return np.full((1, k), -1, np.int64)
            return np.concatenate([self.search(queries[i : i + 1], k, setting, allow) for i in range(len(queries))])


class Usearch(Other):
    """usearch (A. Vardanian); no filters in its Python interface."""

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Add all vectors, and save."""
        from usearch.index import Index

        index = Index(ndim=base.shape[1], metric="ip", dtype="f32", connectivity=self.M, expansion_add=self.ef_construction)
        index.add(np.arange(len(base)), np.asarray(base, np.float32), threads=threads)
        index.save(str(folder / "index"))

    def open(self, base: Path, folder: Path) -> None:
        """Read what was saved."""
        from usearch.index import Index

        self.index = Index.restore(str(folder / "index"))

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k)."""
        self.index.expansion_search = setting["ef"]
        matches = self.index.search(queries, k, threads=1)
        return np.asarray(matches.keys, np.uint64).reshape(len(queries), -1).astype(np.int64)


class Faiss(Other):
    """faiss (Meta): `kind` "hnsw" or "ivf" (lists: four times the root of the number of vectors, a power of two)."""

    def __init__(self, kind: str = "hnsw", M: int = 16, ef_construction: int = 200) -> None:
        super().__init__(M, ef_construction)
        self.kind = kind
        self._kept: Any = None

    def build(self, base: NDArray[Any], folder: Path, threads: int) -> None:
        """Train where that is needed, add all vectors, and save."""
        import faiss

        faiss.omp_set_num_threads(threads)
        rows = np.asarray(base, np.float32)
        if self.kind == "hnsw":
            index: Any = faiss.IndexHNSWFlat(rows.shape[1], self.M, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = self.ef_construction
        else:
            lists = max(2 ** int(np.log2(4 * len(rows) ** 0.5)), 4)
            index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
            index.train(rows[: 100 * lists])
            (folder / "lists.json").write_text(json.dumps(lists))
        index.add(rows)
        faiss.write_index(index, str(folder / "index"))

    def open(self, base: Path, folder: Path) -> None:
        """Read what was saved."""
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(folder / "index"))

    def mask(self, allow: NDArray[np.bool_]) -> Any:
        """A bitmap."""
        import faiss

        self._kept = np.packbits(allow, bitorder="little")
        return faiss.IDSelectorBitmap(len(allow), faiss.swig_ptr(self._kept))

    def search(self, queries: NDArray[np.float32], k: int, setting: dict[str, Any], allow: Any) -> NDArray[np.int64]:
        """The places found, shape (queries, k)."""
        import faiss

        some: dict[str, Any] = {} if allow is None else {"sel": allow}
        library: Any = faiss  # its types do not tell of parameters of searches
        if self.kind == "hnsw":
            parameters = library.SearchParametersHNSW(efSearch=setting["ef"], **some)
        else:
            parameters = library.SearchParametersIVF(nprobe=min(setting["lists"], self.index.nlist), **some)
        return np.asarray(self.index.search(queries, k, params=parameters)[1], np.int64)
