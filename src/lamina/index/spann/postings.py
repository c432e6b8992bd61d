"""Lists of records in one paged file that is at any moment as its last commit left it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import CorruptStoreError, InputError, StoreError
from lamina.index.arrays import damaged
from lamina.index.spann.committing import CommittedFile
from lamina.index.spann.extents import PAGE, packed, whole_pages
from lamina.index.spann.table import read_at
from lamina.records import Run

BUFFER = 1 << 22  # bytes gathered before they are written
REPORTED = 1024  # lists between two reports of progress


class PostingFile(CommittedFile):
    """Lists of records of one width; none fills or touches more pages than it must when they are written together.

    What is changed is written beside what the last commit holds, and becomes its successor by `commit`: a process killed at any moment leaves the
    last commit. One object writes at a time; others, in any process, open the file to read and see what was committed when they opened it or last
    called `refresh`. Room that was freed is used again once a commit says so and nobody reads what lay there.

    `offsets` (int64, bytes), `counts` (int32) and `handle` are what compiled readers need; these arrays never change: another state has others,
    and as long as somebody holds them, what they point to stays.

    >>> import tempfile
    >>> from pathlib import Path
    >>> file = PostingFile.create(Path(tempfile.mkdtemp()) / "lists", width=8)
    >>> file.put(0, np.zeros((3, 8), np.uint8)); file.append(0, np.ones((1, 8), np.uint8)); file.commit({"made": 1})
    >>> again = PostingFile.open(file.path, read_only=True)
    >>> len(again.get(0)), again.meta, again.verify()
    (4, {'made': 1}, [])
    >>> again.close(); file.close()
    """

    # ------------------------------------------------------------------------------------------------- what there is
    def __len__(self) -> int:
        return len(self._counts)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each list begins, in bytes, shape (lists,)."""
        self._show()
        return self._offsets

    @property
    def counts(self) -> NDArray[np.int32]:
        """Records of each list, shape (lists,)."""
        self._show()
        return self._counts

    def count(self, number: int) -> int:
        """Records of one list."""
        return int(self._counts[number])

    @property
    def bytes_on_disk(self) -> int:
        """Size of the file."""
        return os.fstat(self._open_handle()).st_size

    def nbytes(self) -> int:
        """Bytes of memory held."""
        own: list[NDArray[Any]] = [self._offsets, self._counts, self._crcs, self._rooms]
        return sum(int(array.nbytes) for array in [*own, *self.arrays.values()])

    def pages_of(self, number: int) -> int:
        """Pages that reading a list touches."""
        start, size = int(self._offsets[number]), int(self._counts[number]) * self.width
        return (start + size - 1) // PAGE - start // PAGE + 1 if size else 0

    def get(self, number: int, *, check: bool = True) -> NDArray[np.uint8]:
        """The records of a list, shape (records, width); `check` compares its checksum and raises `CorruptStoreError` where it does not fit."""
        if not 0 <= number < len(self._counts):
            raise InputError(f"there is no list {number}: {self.path} has {len(self._counts)}")
        count = int(self._counts[number])
        raw = read_at(self._open_handle(), count * self.width, int(self._offsets[number]))
        self.bytes_read += len(raw)
        if len(raw) != count * self.width or (check and zlib.crc32(raw) != int(self._crcs[number])):
            raise damaged(self.path, f"the checksum of list {number} does not fit")
        return np.frombuffer(raw, np.uint8).reshape(count, self.width)

    # ------------------------------------------------------------------------------------------------------- changes
    def write_all(self, counts: NDArray[Any], records: Iterable[NDArray[np.uint8]]) -> None:
        """Put lists 0, 1, … in place of all there are, packed; `counts`, their lengths, must be those of `records`.

        Raises `InputError` where they are not, or a list is too long, `StoreFullError` where the disk is full: all is then as it was.
        """
        self._writable()
        counts = np.asarray(counts, np.int64)
        if len(counts) and (int(counts.min()) < 0 or int(counts.max()) > self.limit):
            raise InputError(f"a list holds up to {self.limit} records, not {int(counts.min())} to {int(counts.max())}")
        offsets, end = packed(counts * self.width, self._end)
        crcs = np.zeros(len(counts), np.uint32)
        gathered: dict[int, NDArray[np.uint8]] = {}
        size, number = 0, 0
        for number, one in enumerate(records, 1):
            if number > len(counts) or len(one) != counts[number - 1]:
                raise InputError(f"list {number - 1} has {len(one)} records, not as many as was said")
            raw = self._raw(one)
            crcs[number - 1] = zlib.crc32(raw.data)
            if len(raw):
                gathered[int(offsets[number - 1])] = raw
                size += len(raw)
            if size > BUFFER:
                self._write_gathered(gathered)
                gathered, size = {}, 0
        if number != len(counts):
            raise InputError(f"{number} lists came, not {len(counts)}")
        self._write_gathered(gathered)
        for place in np.flatnonzero(self._counts).tolist():
            self._release(place)
        self._offsets, self._counts, self._crcs = offsets, counts.astype(np.int32), crcs
        self._rooms, self._shown = (counts * self.width).astype(np.int32), False
        ends = offsets + counts * self.width
        order = np.argsort(offsets, kind="stable")
        begin = self._end
        for start, stop in zip(offsets[order].tolist(), ends[order].tolist(), strict=True):
            self._free.give(begin, start)
            begin = max(begin, stop)
        self._free.give(begin, end)
        self._end = end

    def _write_gathered(self, gathered: dict[int, NDArray[np.uint8]]) -> None:
        """Write stretches, those that touch in one go."""
        run: list[bytes] = []
        start = end = -1
        for at in sorted(gathered):
            if at != end and run:
                self._write(b"".join(run), start)
                run = []
            start = at if not run else start
            run.append(gathered[at].tobytes())
            end = at + len(gathered[at])
        if run:
            self._write(b"".join(run), start)

    def put(self, number: int, records: NDArray[np.uint8], *, room: int = 0) -> None:
        """Write a list anew, in place of what it held; `room`, records that it will likely hold soon.

        Raises `InputError` for records of another width or too many, `StoreFullError` where the disk is full: all is then as it was.
        """
        self._writable()
        raw = self._raw(records)
        self._check_number(number, len(records))
        if not len(raw):
            self.drop(number)
            return
        size = whole_pages(min(max(len(records), room), self.limit) * self.width)
        start = self._take(size)
        try:
            self._write(raw.tobytes(), start)
        except BaseException:
            self._free.give(start, start + size)
            raise
        self._own(number + 1)
        self._release(number)
        self._offsets[number], self._counts[number], self._crcs[number] = start, len(records), zlib.crc32(raw.data)
        self._rooms[number] = size

    def append(self, number: int, records: NDArray[np.uint8]) -> None:
        """Put records at the end of a list (a new one is empty); raises what `put` does."""
        self._writable()
        raw = self._raw(records)
        before = self.count(number) if 0 <= number < len(self._counts) else 0
        self._check_number(number, before + len(records))
        if not len(raw):
            self._own(number + 1)
        elif before and (before + len(records)) * self.width <= self._rooms[number]:
            self._write(raw.tobytes(), int(self._offsets[number]) + before * self.width)
            self._own(number + 1)
            self._crcs[number] = zlib.crc32(raw.data, int(self._crcs[number]))
            self._counts[number] += len(records)
        else:
            whole = np.concatenate([self.get(number), records]) if before else records
            self.put(number, whole)

    def drop(self, number: int) -> None:
        """Empty a list."""
        self._writable()
        self._check_number(number, 0)
        self._own(number + 1)
        self._release(number)
        self._offsets[number] = self._counts[number] = self._crcs[number] = self._rooms[number] = 0

    def _check_number(self, number: int, records: int) -> None:
        if not 0 <= number <= len(self._counts) + (1 << 20):
            raise InputError(
                f"there is no list {number}: lists have numbers from 0, new ones follow the {len(self._counts)} there are"
            )
        if records > self.limit:
            raise InputError(f"list {number} holds up to {self.limit} records, not {records}: split it first")

    def _raw(self, records: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if (
            not isinstance(records, np.ndarray)
            or records.dtype != np.uint8
            or records.ndim != 2
            or records.shape[1] != self.width
        ):
            raise InputError(
                f"expected records of shape (records, {self.width}) uint8, got {getattr(records, 'shape', type(records))}"
            )
        return np.ascontiguousarray(records).reshape(-1)

    def _own(self, lists: int) -> None:
        """Let the arrays be nobody else's, and as long as is needed."""
        more = max(lists - len(self._counts), 0)
        if not self._shown and not more:
            return
        self._offsets, self._counts, self._crcs, self._rooms = (
            np.concatenate([array, np.zeros(more, array.dtype)])
            for array in (self._offsets, self._counts, self._crcs, self._rooms)
        )
        self._shown = False

    # ------------------------------------------------------------------------------------------------------- upkeep
    def verify(self, run: Run | None = None, *, sample: int | None = None, seed: int = 0) -> list[str]:
        """What is wrong with the lists, in words; each is read and its checksum compared (`sample`: only so many, drawn at random)."""
        numbers = np.flatnonzero(self._counts)
        if sample is not None and sample < len(numbers):
            numbers = np.random.default_rng(seed).choice(numbers, sample, replace=False)
        problems = []
        for done, number in enumerate(numbers.tolist()):
            if run is not None and done % REPORTED == 0:
                run.report("verifying lists", done, len(numbers))
            try:
                self.get(number)
            except CorruptStoreError as error:
                problems.append(str(error))
        return problems

    def compact(self, run: Run | None = None) -> None:
        """Write all lists into a new file, packed, and commit: no byte of what was removed is left in it.

        Those who read the older file go on until they `refresh`. Raises `StoreFullError` where there is no room for both; all is then as it was.
        """
        self._writable()
        if self._target is not None:
            raise StoreError(f"{self._target} has no commit yet: commit first")

        def records() -> Iterable[NDArray[np.uint8]]:
            for number in range(len(self._counts)):
                if run is not None and number % REPORTED == 0:
                    run.report("compacting lists", number, len(self._counts))
                yield self.get(number)

        new = PostingFile.create(self.path, self.width, self.pages, write=self._write_at)
        try:
            new.write_all(self._counts, records())
            new.commits = self.commits
            new.commit(self.meta, self.arrays)
        except BaseException:
            new.close()
            raise
        olds = [*self._old_handles, (self.handle, self._held())]
        written, read = self.bytes_written + new.bytes_written, self.bytes_read + new.bytes_read
        self.__dict__.update({**new.__dict__, "_old_handles": olds, "bytes_written": written, "bytes_read": read})
        self._close_old()
