"""The HDF5 files of ann-benchmarks: vectors to index, queries, and the true neighbours of these.

Source of the form: M. Aumüller, E. Bernhardsson and A. Faithfull, "ANN-Benchmarks: A benchmarking tool for approximate nearest neighbor
algorithms", 2018. Read by h5py (extra "index"); a damaged file is refused by the HDF5 library itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, MissingExtraError, NotFoundError, TransferError
from lamina.index.importing.foreign import ForeignIndex, unit_length

METRICS = {"angular": "cosine", "euclidean": "l2", "dot": "ip", "ip": "ip"}
SPELLED = {metric: name for name, metric in METRICS.items() if name != "dot"}


@dataclass(frozen=True)
class AnnBenchmark:
    """A set of ann-benchmarks.

    Parameters:
        metric: "ip", "cosine" or "l2".
        train: what is to be indexed, (vectors, dim) float32.
        test: the queries, (queries, dim) float32.
        neighbours: the true neighbours of each query, nearest first, (queries, k) int64: numbers of rows of `train`.
        distances: theirs as the file has them, (queries, k) float32; None where it has none.
    """

    metric: str
    train: NDArray[np.float32]
    test: NDArray[np.float32]
    neighbours: NDArray[np.int64]
    distances: NDArray[np.float32] | None = None


def read_benchmark(path: Path) -> AnnBenchmark:
    """Read a set: `train`, `test`, `neighbors`, `distances` and the attribute `distance`.

    Raises `MissingExtraError` without h5py, `NotFoundError` for no file, `TransferError` for a damaged file, one of another form, or a distance
    that is not searched by here (Hamming, Jaccard).
    """
    path = Path(path)
    with _opened(path) as file:
        metric = _metric(path, file)
        train, test = _vectors(path, file, "train"), _vectors(path, file, "test")
        neighbours = _numbers(path, file, "neighbors", np.int64)
        distances = _numbers(path, file, "distances", np.float32) if "distances" in file else None
    if test.shape[1] != train.shape[1]:
        raise TransferError(f"{path} has vectors of {train.shape[1]} dimensions and queries of {test.shape[1]}")
    if len(neighbours) != len(test) or (distances is not None and distances.shape != neighbours.shape):
        raise TransferError(f"{path} has {len(test):,} queries, and neighbours or distances of another number")
    if neighbours.size and not 0 <= int(neighbours.min()) <= int(neighbours.max()) < len(train):
        raise TransferError(f"{path} names neighbours that are none of its {len(train):,} vectors")
    return AnnBenchmark(metric, train, test, neighbours, distances)


def read_training(path: Path, metric: str | None = None) -> ForeignIndex:
    """The training vectors of a set, labelled by their rows. `metric` may be left out; another one than the file's is refused."""
    path = Path(path)
    with _opened(path) as file:
        kind = _metric(path, file)
        if metric not in (None, kind):
            raise InputError(f"{path} is for the metric {kind!r}, not {metric!r}")
        train = _vectors(path, file, "train")
    found = ForeignIndex("hdf5", kind, train, np.arange(len(train)), np.zeros(len(train), np.bool_))
    return unit_length(found) if kind == "cosine" else found


def write_benchmark(path: Path, benchmark: AnnBenchmark) -> None:
    """Write a set, so that other programs can be measured on it."""
    with _h5py().File(path, "w") as file:
        file.attrs["distance"] = SPELLED[benchmark.metric]
        file["train"], file["test"], file["neighbors"] = benchmark.train, benchmark.test, benchmark.neighbours.astype(np.int32)
        if benchmark.distances is not None:
            file["distances"] = benchmark.distances


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError.for_extra("index", "reading HDF5 files", "h5py") from None
    return h5py


def _opened(path: Path) -> Any:
    h5py = _h5py()
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    try:
        return h5py.File(path, "r")
    except (OSError, RuntimeError) as error:
        raise _damaged(path, error) from None


def _metric(path: Path, file: Any) -> str:
    try:
        name = file.attrs.get("distance")
    except Exception as error:  # noqa: BLE001 - what the library raises for a damaged file is not to be foreseen
        raise _damaged(path, error) from None
    name = name.decode(errors="replace") if isinstance(name, bytes) else name
    if not isinstance(name, str) or name not in METRICS:
        raise TransferError(f"{path} has the distance {name!r}, and only {', '.join(METRICS)} are searched by")
    return METRICS[name]


def _vectors(path: Path, file: Any, name: str) -> NDArray[np.float32]:
    vectors = _numbers(path, file, name, np.float32)
    if not vectors.shape[1] or not np.isfinite(vectors).all():
        raise TransferError(f"{name!r} in {path} has vectors of no dimension, or NaN or infinite values")
    return vectors


def _numbers(path: Path, file: Any, name: str, dtype: Any) -> NDArray[Any]:
    try:
        found = file[name]
        rows = np.asarray(found[()]) if hasattr(found, "shape") else None
    except KeyError:
        raise TransferError(f"{path} has no {name!r}: it is no file of ann-benchmarks") from None
    except Exception as error:  # noqa: BLE001 - as above
        raise _damaged(path, error) from None
    if rows is None or rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise TransferError(f"{name!r} in {path} is no table of numbers")
    return np.ascontiguousarray(rows, dtype)


def _damaged(path: Path, error: Exception) -> TransferError:
    return TransferError(f"{path} is no HDF5 file that can be read, or is damaged ({error})")
