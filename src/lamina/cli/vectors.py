"""Vectors and ids in files, as the index commands take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import NotFoundError, TransferError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HDF5 = frozenset({".hdf5", ".h5", ".hdf"})


def read_vectors(path: Path) -> tuple[NDArray[np.float32], str | None]:
    """What is to be indexed, (vectors, dim), and its metric where the file says it.

    Raises `NotFoundError` for no file, `TransferError` for one that is no table of numbers.
    """
    if path.suffix.lower() in HDF5:
        from lamina.index.importing.hdf5 import read_training

        found = read_training(path)
        return found.vectors, found.metric
    return _table(path), None


def read_queries(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    """Queries, (queries, dim), and their true neighbours where the file has them."""
    if path.suffix.lower() in HDF5:
        from lamina.index.importing.hdf5 import read_benchmark

        benchmark = read_benchmark(path)
        return benchmark.test, benchmark.neighbours
    return _table(path), None


def read_ids(path: Path, count: int | None = None) -> list[str]:
    """Ids, one a line. Raises `TransferError` for another number than `count`, an empty line, or what is no text."""
    try:
        ids = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise TransferError(f"{path} is no text in UTF-8: it should have an id a line") from None
    if count is not None and len(ids) != count:
        raise TransferError(f"{path} has {len(ids):,} ids for {count:,} vectors")
    if "" in ids:
        raise TransferError(f"line {ids.index('') + 1} of {path} is empty: it should have an id a line")
    return ids


def _table(path: Path) -> NDArray[np.float32]:
    import numpy as np

    try:
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except (OSError, ValueError, EOFError) as error:
        raise TransferError(f"{path} is no .npy file of numbers, or is damaged ({error})") from None
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind not in "fiu" or not found.shape[1]:
        raise TransferError(f"{path} must hold one table of numbers, of shape (vectors, dimensions)")
    return np.ascontiguousarray(found, np.float32)
