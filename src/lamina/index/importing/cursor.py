"""Reading a binary file of another program: nothing is taken that is not there."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import NotFoundError, TransferError


class Cursor:
    """A place in a file that is mapped into memory (little-endian numbers).

    Raises `NotFoundError` for no file, and `TransferError` wherever the file ends before what it announces.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind, self.at = path, kind, 0
        try:
            with path.open("rb") as file:
                self.size = os.fstat(file.fileno()).st_size
                self._raw: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else b""
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {path}") from None

    @property
    def left(self) -> int:
        """Bytes that are still to come."""
        return self.size - self.at

    def array(self, dtype: Any, count: int, what: str) -> NDArray[Any]:
        """`count` numbers from here on: a view of the file."""
        number = np.dtype(dtype).newbyteorder("<")
        if count < 0 or count > self.left // number.itemsize:
            raise self.damaged(
                f"it ends within {what} ({count:,} of {number.itemsize} bytes are announced, {self.left:,} bytes are left)"
            )
        found = np.frombuffer(self._raw, number, count, self.at) if count else np.empty(0, number)
        self.at += count * number.itemsize
        return found

    def number(self, dtype: Any, what: str) -> Any:
        """One number."""
        return self.array(dtype, 1, what)[0].item()

    def vector(self, dtype: Any, what: str) -> NDArray[Any]:
        """Numbers behind their count (8 bytes)."""
        return self.array(dtype, self.number(np.uint64, f"the length of {what}"), what)

    def text(self, count: int, what: str) -> str:
        """So many characters of one byte."""
        return self.array(np.uint8, count, what).tobytes().decode("latin-1")

    def end(self) -> None:
        """There must be nothing more."""
        if self.left:
            raise self.damaged(f"{self.left:,} bytes follow where it should end")

    def damaged(self, why: str) -> TransferError:
        """The error that says what is wrong with the file."""
        return TransferError(f"{self.path} is no file of {self.kind} that can be read, or is damaged: {why}")
