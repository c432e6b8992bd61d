"""Readers of the index files of other libraries: hnswlib, faiss, usearch, and the HDF5 files of ann-benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from lamina.errors import InputError
from lamina.index.importing.foreign import ForeignIndex

SOURCES: Final = ("hnswlib", "faiss", "usearch", "hdf5")


def read_index(path: Path, source: str, metric: str | None = None) -> ForeignIndex:
    """What a file of another library holds.

    Parameters:
        path: the file.
        source: "hnswlib", "faiss", "usearch" or "hdf5" (of ann-benchmarks: its training vectors).
        metric: "ip", "cosine" or "l2". A file of hnswlib does not say, so it must be given; the others say it, and another one is refused.

    Raises `InputError` for another source or metric, `NotFoundError` for no file, `TransferError` for a damaged file or one of another kind.
    """
    if source not in SOURCES:
        raise InputError(f"an index is read from a file of {', '.join(SOURCES)}, not of {source!r}")
    if metric not in (None, "ip", "cosine", "l2"):
        raise InputError(f"metric must be 'ip', 'cosine' or 'l2', not {metric!r}")
    return _reader(source)(Path(path), metric)


def _reader(source: str) -> Callable[[Path, str | None], ForeignIndex]:
    if source == "hnswlib":
        from lamina.index.importing.hnswlib import read_hnswlib

        return read_hnswlib
    if source == "faiss":
        from lamina.index.importing.faiss import read_faiss

        return read_faiss
    if source == "usearch":
        from lamina.index.importing.usearch import read_usearch

        return read_usearch
    from lamina.index.importing.hdf5 import read_training

    return read_training
