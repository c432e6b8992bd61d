"""A paged file of lists that is at any moment as its last commit left it: opening, room that is free again, commits."""

from __future__ import annotations

import os
import weakref
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lamina.errors import ClosedError, InputError, ReadOnlyError, StoreError
from lamina.index.arrays import damaged, failed_write
from lamina.index.spann.extents import PAGE, FreeSpace, whole_pages
from lamina.index.spann.locks import lock_commit, lock_for_writing, read_before, unlock_commit
from lamina.index.spann.table import (
    HEADERS,
    MOST_PAGES,
    OWN,
    Commit,
    header_of,
    is_at,
    last_commit,
    opened,
    read_table,
    sync_folder,
    table_of,
)  # fmt: skip

Write = Callable[[int, bytes, int], int]


class CommittedFile:
    """What is changed is written beside what the last commit holds, and becomes its successor by `commit`: a process killed at any moment leaves the
    last commit. One object writes at a time; others, in any process, open the file to read and see what was committed when they opened it or last
    called `refresh`. Room that was freed is used again once a commit says so and nobody reads what lay there.
    """

    def __init__(self, path: Path, handle: int, width: int, pages: int, read_only: bool, write: Write) -> None:
        self.path, self.handle, self.width, self.pages, self.read_only = path, handle, width, pages, read_only
        self.limit = pages * PAGE // width  # records of a list, at most
        self.meta: dict[str, Any] = {}
        self.arrays: dict[str, NDArray[Any]] = {}  # the caller's, of the last commit
        self.commits = 0
        self.bytes_written = self.bytes_read = 0
        self._write_at = write
        self._target: Path | None = None  # where a new file goes with its first commit
        self._table = (0, 0)
        self._offsets, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int32)
        self._crcs, self._rooms = np.zeros(0, np.uint32), np.zeros(0, np.int32)  # rooms: bytes that a list may fill where it is
        self._shown = False  # whether somebody may hold the arrays
        self._shows: list[weakref.ref[NDArray[np.int64]]] = []  # offsets that somebody may hold
        self._free = FreeSpace()
        self._end = HEADERS
        # freed: start, end, the commit from which on it is not needed, and the states that were held then
        self._limbo: list[tuple[int, int, int, list[weakref.ref[NDArray[np.int64]]]]] = []
        self._old_handles: list[tuple[int, list[weakref.ref[NDArray[np.int64]]]]] = []  # of files that were replaced
        self._old_commits: list[
            tuple[int, list[weakref.ref[NDArray[np.int64]]]]
        ] = []  # that are locked for those who read them still

    # -------------------------------------------------------------------------------------------- creating and opening
    @classmethod
    def create(cls, path: Path, width: int, pages: int = 8, *, write: Write = os.pwrite) -> Self:
        """A new file; it takes the place of an older one, and can be opened, from its first commit on.

        Parameters: `width`, bytes of a record; `pages`, of 4096 bytes, that a list may fill.
        Raises `InputError` where not even one record fits, `StoreBusyError` where such a file is being made already.
        """
        if not 1 <= pages <= MOST_PAGES or not 1 <= width <= pages * PAGE:
            raise InputError(
                f"a list of {pages} pages of {PAGE} bytes cannot hold a record of {width} bytes: allow it more pages"
            )
        path = Path(path)
        part = path.with_name(path.name + ".new")
        while True:
            handle = opened(part, os.O_CREAT | os.O_RDWR)
            try:
                lock_for_writing(handle, part)
                if is_at(handle, part):
                    os.ftruncate(handle, 0)
                    break
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # it was finished or given up meanwhile
        file = cls(part, handle, width, pages, False, write)
        file._target = path
        return file

    @classmethod
    def open(cls, path: Path, read_only: bool = False, *, width: int | None = None, write: Write = os.pwrite) -> Self:
        """The file as of its last commit.

        Parameters: `width`, what a record must have (None: any).
        Raises `NotFoundError`, `CorruptStoreError` for what is no such file or is damaged, `SchemaError` for a newer form, `StoreError` for another
        width, `StoreBusyError` where another object writes to it.
        """
        path = Path(path)
        while True:
            handle = opened(path, os.O_RDONLY if read_only else os.O_RDWR)
            try:
                if not read_only:
                    lock_for_writing(handle, path)
                if not is_at(handle, path):  # another took its place meanwhile
                    os.close(handle)
                    continue
                now = last_commit(path, handle)
                if width is not None and now.width != width:
                    raise StoreError(
                        f"{path} has records of {now.width} bytes, not {width}: it belongs to another index, delete it"
                    )
                file = cls(path, handle, now.width, now.pages, read_only, write)
                file._read(file._locked(now) if read_only else now)
                if not read_only:
                    file._find_free()
                return file
            except BaseException:
                os.close(handle)
                raise

    def _locked(self, now: Commit) -> Commit:
        """The last commit, of which the writer knows that it is being read."""
        while True:
            lock_commit(self.handle, self.path, now.number)
            later = last_commit(self.path, self.handle)
            if later.number == now.number:
                return now
            unlock_commit(self.handle, now.number)
            now = later

    def _read(self, now: Commit) -> None:
        meta, arrays = read_table(self.path, self.handle, now)
        self._check_lists(now, *(arrays[name] for name in OWN))
        self._offsets, self._counts, self._crcs = (arrays.pop(name) for name in OWN)
        self._rooms = self._counts * np.int32(self.width)
        self.meta, self.arrays, self.commits = meta, arrays, now.number
        self._table = (now.at, now.at + whole_pages(now.size))
        self._shown = False

    def _check_lists(self, now: Commit, offsets: NDArray[Any], counts: NDArray[Any], crcs: NDArray[Any]) -> None:
        shapes = {array.shape for array in (offsets, counts, crcs)}
        kinds = [array.dtype.name for array in (offsets, counts, crcs)]
        if shapes != {(now.lists,)} or kinds != ["int64", "int32", "uint32"]:
            raise damaged(self.path, "its table is not one of lists")
        size = os.fstat(self.handle).st_size
        if len(counts) and (counts.min() < 0 or counts.max() > self.limit or offsets.min() < 0 or offsets.max() > size):
            raise damaged(self.path, "a list is longer than lists may be, or lies outside of the file")
        there = np.flatnonzero(counts)
        order = there[np.argsort(offsets[there])]
        ends = offsets[order] + counts[order].astype(np.int64) * self.width
        if len(order) and (offsets[order[0]] < HEADERS or (ends[:-1] > offsets[order[1:]]).any() or ends[-1] > size):
            raise damaged(self.path, "lists lie upon each other, or it is cut off")

    def _find_free(self) -> None:
        """What lies between lists, table and the end is free."""
        there = np.flatnonzero(self._counts)
        starts = np.concatenate([self._offsets[there], [self._table[0], 0]])
        ends = np.concatenate(
            [self._offsets[there] + self._counts[there].astype(np.int64) * self.width, [self._table[1], HEADERS]]
        )
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], ends[order]
        self._end = max(int(ends.max()), whole_pages(os.fstat(self.handle).st_size))
        gaps = zip(ends.tolist(), [*starts[1:].tolist(), self._end], strict=True)
        for start, end in gaps:
            if start < end:
                self._limbo.append((start, end, self.commits, []))

    def close(self) -> None:
        """Let the file go; what was not committed is lost. Nobody may be reading."""
        for handle in [self.handle, *(old for old, _ in self._old_handles)]:
            if handle >= 0:
                os.close(handle)
        self.handle, self._old_handles = -1, []
        if self._target is not None:
            self.path.unlink(missing_ok=True)
            self._target = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------- who holds what
    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._shows = [*self._held(), weakref.ref(self._offsets)]

    def _held(self) -> list[weakref.ref[NDArray[np.int64]]]:
        return [one for one in self._shows if one() is not None]

    def _writable(self) -> None:
        self._open_handle()
        if self.read_only:
            raise ReadOnlyError(f"{self.path} was opened to read: open it without read_only=True")

    def _open_handle(self) -> int:
        if self.handle < 0:
            raise ClosedError(f"{self.path} was closed: open it again")
        return self.handle

    # ---------------------------------------------------------------------------------------------------------- room
    def _release(self, number: int) -> None:
        size = max(int(self._rooms[number]), int(self._counts[number]) * self.width)
        self._free_later(int(self._offsets[number]), int(self._offsets[number]) + size)

    def _free_later(self, start: int, end: int) -> None:
        if start < end:
            self._shows = self._held()
            self._limbo.append((start, end, self.commits + 1, self._shows))

    def _tidy(self) -> None:
        """Free what nobody needs any more."""
        unread = 0  # nobody reads a commit before this one
        for since in sorted({since for _, _, since, _ in self._limbo if since <= self.commits}):
            if read_before(self.handle, since):
                break
            unread = since
        kept = []
        for start, end, since, holders in self._limbo:
            if since > unread or any(one() is not None for one in holders):
                kept.append((start, end, since, holders))
            else:
                self._free.give(start, end)
        self._limbo = kept

    def _close_old(self) -> None:
        """Let go of files that were replaced, and of older commits, that nobody reads any more."""
        remaining = []
        for handle, holders in self._old_handles:
            if any(one() is not None for one in holders):
                remaining.append((handle, holders))
            else:
                os.close(handle)
        self._old_handles = remaining
        locked = []
        for number, holders in self._old_commits:
            if any(one() is not None for one in holders):
                locked.append((number, holders))
            else:
                unlock_commit(self.handle, number)
        self._old_commits = locked

    def _take(self, size: int) -> int:
        start = self._free.take(size)
        if start is None:
            start, self._end = self._end, self._end + size
        return start

    def _write(self, data: bytes, at: int) -> None:
        try:
            while data:
                written = self._write_at(self.handle, data, at)
                self.bytes_written += written
                data, at = data[written:], at + written
        except OSError as error:
            raise failed_write(self.path, error) from error

    # -------------------------------------------------------------------------------------------------------- commits
    def commit(self, meta: Mapping[str, Any] | None = None, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Make what was changed what the file holds.

        Parameters: `meta` (what JSON holds) and `arrays`, kept with it (None: those of the last commit).
        Raises `StoreFullError` where the disk is full: the last commit stays, and one may try again.
        """
        self._writable()
        meta = dict(self.meta if meta is None else meta)
        arrays = dict(self.arrays if arrays is None else arrays)
        if taken := set(arrays) & set(OWN):
            raise InputError(f"the file has arrays named {', '.join(sorted(taken))} itself: choose other names")
        table = table_of(self.path, meta, {**arrays, "offsets": self._offsets, "counts": self._counts, "crcs": self._crcs})
        size = whole_pages(len(table))
        start = self._take(size)
        try:
            self._write(table, start)
            if self._end > os.fstat(self.handle).st_size:
                self._write(b"\0", self._end - 1)
            self._sync()
        except BaseException:
            self._free.give(start, start + size)
            raise
        number = self.commits + 1
        header = header_of(Commit(number, start, len(table), zlib.crc32(table), self.width, self.pages, len(self._counts)))
        try:
            self._write(header, number % 2 * PAGE)
            self._sync()
            if self._target is not None:
                os.replace(self.path, self._target)
                self.path, self._target = self._target, None
                sync_folder(self.path.parent)
        except OSError as error:  # whether it counts is not known: its table is left alone
            raise failed_write(self.path, error) from error
        self._free_later(*self._table)
        self._table = (start, start + size)
        self.meta, self.arrays, self.commits = meta, arrays, number
        self._tidy()
        self._close_old()

    def _sync(self) -> None:
        try:
            os.fsync(self.handle)
        except OSError as error:
            raise failed_write(self.path, error) from error

    def refresh(self) -> bool:
        """Look at the last commit (of a file opened to read); returns whether there was a later one."""
        if not self.read_only:
            return False
        self._close_old()
        if not is_at(self._open_handle(), self.path):
            later = type(self).open(self.path, read_only=True, width=self.width)
            olds = [*self._old_handles, (self.handle, self._held())]
            self.__dict__.update({**later.__dict__, "_old_handles": olds})
        else:
            now = last_commit(self.path, self.handle)
            if now.number == self.commits:
                return False
            before, holders = self.commits, self._held()
            self._read(self._locked(now))
            self._old_commits.append((before, holders))
        self._close_old()
        return True
