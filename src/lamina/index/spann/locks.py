"""One writer of a file at a time, and readers that say which commit they read."""

from __future__ import annotations

import errno
import os
import struct
import time
from pathlib import Path

from lamina.errors import StoreBusyError

try:
    import fcntl
except ImportError:  # a system without these locks: one process alone may open the file
    fcntl = None  # type: ignore[assignment]

WRITER = 1 << 60  # bytes far beyond the file's end are locked, never written
READERS = 1 << 61
PATIENCE = 5.0  # seconds that a reader waits while the writer looks for readers


def _lock(handle: int, kind: str, start: int, size: int) -> bool:
    if fcntl is None:
        return True
    number = {"write": fcntl.F_WRLCK, "read": fcntl.F_RDLCK, "none": fcntl.F_UNLCK}[kind]
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):  # locks of this open file, not of the process
            fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", number, os.SEEK_SET, start, size, 0))
        else:
            how = {"write": fcntl.LOCK_EX, "read": fcntl.LOCK_SH, "none": fcntl.LOCK_UN}[kind]
            fcntl.lockf(handle, how | (fcntl.LOCK_NB if kind != "none" else 0), size, start)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def lock_for_writing(handle: int, path: Path) -> None:
    """Be the one writer, until the handle is closed; raises `StoreBusyError` where there is one."""
    if not _lock(handle, "write", WRITER, 1):
        raise StoreBusyError(f"another process or object writes to {path}: close it first, or open the file with read_only=True")


def lock_commit(handle: int, path: Path, commit: int) -> None:
    """Say that what this commit holds is being read."""
    until = time.monotonic() + PATIENCE
    while not _lock(handle, "read", READERS + commit, 1):
        if time.monotonic() > until:
            raise StoreBusyError(f"{path} cannot be locked for reading: try again")
        time.sleep(0.001)


def unlock_commit(handle: int, commit: int) -> None:
    """Say that it is no longer read."""
    _lock(handle, "none", READERS + commit, 1)


def read_before(handle: int, commit: int) -> bool:
    """Whether anybody else reads an earlier commit."""
    if commit == 0 or not _lock(handle, "write", READERS, commit):
        return commit > 0
    _lock(handle, "none", READERS, commit)
    return False
