"""Rows as float16 beside a graph of int8 vectors: in memory, or in a file of their own that is read row by row."""

from __future__ import annotations

import glob
import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError, NotFoundError
from lamina.index.arrays import aligned_zeros, damaged, failed_write
from lamina.index.forms import halves

MAGIC = b"LAMINAFR"
HEADER = struct.Struct("<8sIIq16sI")  # magic, version, dim, oldest save that the rows still fit, id, CRC-32 of what stands before
START = 4096  # bytes: where the rows begin
ID = 16  # bytes of an id


class FullRows:
    """Rows in memory, one for each node.

    Parameters: `dim`; `rows`, the array (nodes, dim) uint16 to begin with.
    """

    path: Path | None = None
    handle = -1
    start = 0

    def __init__(self, dim: int, rows: NDArray[np.uint16] | None = None) -> None:
        self.dim = dim
        self.array: NDArray[np.uint16] = aligned_zeros((0, dim), np.uint16) if rows is None else rows

    def grown(self, nodes: int) -> FullRows:
        """The same with room for more nodes."""
        wider = aligned_zeros((nodes, self.dim), np.uint16)
        wider[: len(self.array)] = self.array
        return FullRows(self.dim, wider)

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        """Set the rows of the nodes from `first` on."""
        self.array[first : first + len(rows)] = halves(rows)

    def read(self, nodes: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of some nodes."""
        return np.asarray(self.array[nodes].view(np.float16), np.float32)

    def nbytes(self) -> int:
        """Bytes of memory."""
        return int(self.array.nbytes)

    def sync(self) -> None:
        """Let what was written outlast a loss of power."""


class FullFile(FullRows):
    """Rows in a file that only its owner can read. A row is written before a graph names it; the file is closed with the last reference.

    Parameters: `path`; `dim`; `new` makes an empty one of a new id.
    Raises `NotFoundError` and `CorruptStoreError` where there is no file, or another.
    """

    start = START

    def __init__(self, path: Path, dim: int, *, new: bool) -> None:
        super().__init__(dim)
        self.path, self.oldest = path, 0
        if new:
            self.id = os.urandom(ID)
            self.handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            self.keep_from(0)
            return
        try:
            self.handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            raise NotFoundError(f"the file of full rows {path} is missing: build the index anew") from None
        raw = os.pread(self.handle, HEADER.size, 0)
        if len(raw) < HEADER.size or not raw.startswith(MAGIC) or zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
            raise damaged(path, "it does not begin like a file of full rows")
        _, version, width, self.oldest, self.id, _ = HEADER.unpack(raw)
        if version != 1 or width != dim:
            raise damaged(path, f"its form is {version} and its rows have {width} dimensions, not {dim}")

    @classmethod
    def fresh(cls, base: Path, dim: int) -> FullFile:
        """A new file, named after `base` with an id behind; older ones stay for the index that names them."""
        return cls(base.with_name(f"{base.name}.{os.urandom(4).hex()}"), dim, new=True)

    def remove_others(self) -> None:
        """Remove the files of the same base: no saved index names them any more."""
        assert self.path is not None
        for other in self.path.parent.glob(glob.escape(self.path.stem) + "." + 8 * "[0-9a-f]"):
            if other.name != self.path.name:
                other.unlink(missing_ok=True)

    def __del__(self) -> None:
        if self.handle >= 0:
            os.close(self.handle)

    def grown(self, nodes: int) -> FullRows:
        """The file itself: it grows as it is written."""
        return self

    def keep_from(self, save: int) -> None:
        """From now on rows may be overwritten that saves before this one name."""
        self.oldest = save
        head = HEADER.pack(MAGIC, 1, self.dim, save, self.id, 0)[:-4]
        self._put(head + zlib.crc32(head).to_bytes(4, "little"), 0)
        self.sync()

    def _put(self, raw: bytes, at: int) -> None:
        assert self.path is not None
        try:
            while raw:
                done = os.pwrite(self.handle, raw, at)
                raw, at = raw[done:], at + done
        except OSError as error:
            raise failed_write(self.path, error) from error

    def write(self, first: int, rows: NDArray[np.float32]) -> None:
        """Set the rows of the nodes from `first` on."""
        self._put(halves(rows).tobytes(), START + first * self.dim * 2)

    def read(self, nodes: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows of some nodes."""
        from lamina.index.kernels.querying import read_rows

        out = np.empty((len(nodes), self.dim), np.uint16)
        nodes = np.ascontiguousarray(nodes, np.int64)
        if read_rows(self.handle, START, nodes, out) != len(nodes):
            raise self.short()
        return np.asarray(out.view(np.float16), np.float32)

    def short(self) -> CorruptStoreError:
        """The error for a row that cannot be read."""
        return CorruptStoreError(f"the file of full rows {self.path} is cut off or cannot be read: build the index anew")

    def fits(self, nodes: int) -> bool:
        """Whether the file holds rows for so many nodes."""
        return os.fstat(self.handle).st_size >= (START + nodes * self.dim * 2 if nodes else HEADER.size)

    def sync(self) -> None:
        """Let what was written outlast a loss of power."""
        assert self.path is not None
        try:
            os.fdatasync(self.handle)
        except OSError as error:
            raise failed_write(self.path, error) from error
