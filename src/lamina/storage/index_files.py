"""The folder of index files beside a store: caches that can be made anew, thrown away whenever what they hold may have to go."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from lamina.errors import NotFoundError, StoreFullError

SUFFIX: Final = ".index"
LOCK: Final = "lock"
"""The file in the folder that whoever writes there holds locked."""
WORK: Final = ".work"
"""How the names of folders end in which one process works."""
LISTS: Final = ".lists"
"""How the names of folders end that hold lists on disk."""
IN_USE: Final = "in-use"
"""The file in such a folder that whoever reads there holds locked."""
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
    remove_workplaces(folder, every=True)
    for place in folder.glob("*" + LISTS):
        remove_lists(place)
    return len(files)


def remove_lists(place: Path) -> None:
    """Remove a folder of lists; where nobody reads there, what lay in it is overwritten."""
    try:
        with (place / IN_USE).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in place.iterdir():
                if path.name != IN_USE:
                    remove_file(path)
    except OSError:  # in use, or gone
        pass
    shutil.rmtree(place, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, for its owner alone, whole or not at all. Raises `StoreFullError`, `NotFoundError`."""
    try:
        with source.open("rb") as old, open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as new:
            shutil.copyfileobj(old, new, _BLOCK)
            new.flush()
            os.fsync(new.fileno())
    except FileNotFoundError:
        raise NotFoundError(f"there is no index file {source}") from None
    except OSError as error:
        target.unlink(missing_ok=True)
        raise StoreFullError(f"{target} could not be written: {error.strerror}") from error


def workplace(folder: Path) -> Path:
    """A new folder below the folder of index files, for what this process alone works with; it bears the process's number."""
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / f"{secrets.token_hex(8)}.{os.getpid()}{WORK}"
    place.mkdir(mode=0o700)
    return place


def remove_workplace(place: Path, process: int) -> None:
    """Remove a workplace with all that is in it; not in a child of the process that it belongs to."""
    if os.getpid() == process:
        shutil.rmtree(place, ignore_errors=True)


def remove_workplaces(folder: Path, *, every: bool = False) -> None:
    """Remove the workplaces of processes that are no more; `every` one, and what lay in it is overwritten where nobody can be using it."""
    for place in folder.glob("*" + WORK):
        alive = _alive(place.name.removesuffix(WORK).rpartition(".")[2])
        if alive and not every:
            continue
        if not alive:
            for path in place.rglob("*"):
                if path.is_file():
                    remove_file(path)
        shutil.rmtree(place, ignore_errors=True)


def _alive(number: str) -> bool:
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
