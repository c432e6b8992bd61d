"""The folder of index files beside a store: caches that can be made anew, thrown away whenever what they hold may have to go."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

SUFFIX: Final = ".index"
LOCK: Final = "lock"
"""The file in the folder that whoever writes there holds locked."""
_BLOCK: Final = 1 << 20


def index_folder(store: Path) -> Path:
    """Where the index files of a store lie.

    >>> index_folder(Path("agent.db")).name
    'agent.db.index'
    """
    return store.with_name(store.name + SUFFIX)


def remove_file(path: Path) -> None:
    """Overwrite a file with zeros and remove it; one that somebody reads (and holds locked for that) is removed as it is."""
    try:
        with path.open("r+b") as file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for start in range(0, os.fstat(file.fileno()).st_size, _BLOCK):
                    file.write(bytes(min(_BLOCK, os.fstat(file.fileno()).st_size - start)))
                file.flush()
                os.fsync(file.fileno())
            path.unlink(missing_ok=True)
    except FileNotFoundError:  # somebody else was quicker
        return


def remove_index_files(folder: Path) -> int:
    """Remove everything in the folder but its lock; returns how many files there were."""
    if not folder.is_dir():
        return 0
    files = [path for path in folder.iterdir() if path.name != LOCK and path.is_file()]
    for path in files:
        remove_file(path)
    return len(files)
