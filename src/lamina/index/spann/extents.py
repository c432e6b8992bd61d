"""Where things lie in a paged file: packing lists of known sizes, and room that is free again."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

import numpy as np
from numpy.typing import NDArray

PAGE = 4096
LOOKED_AT = 64  # free stretches of about the right size that are tried before a far larger one is taken


def whole_pages(size: int) -> int:
    """Bytes of the pages that so many bytes fill.

    >>> whole_pages(0), whole_pages(1), whole_pages(4096)
    (0, 4096, 4096)
    """
    return -(-size // PAGE) * PAGE


def packed(sizes: NDArray[np.int64], start: int) -> tuple[NDArray[np.int64], int]:
    """Offsets of stretches of these sizes from the page boundary `start` on, and where the last page ends; no stretch touches more pages than it must.

    Stretches follow each other as long as what one has beyond full pages fits into the rest of the page that the one before it began: the largest
    that fits comes next (best fit). Source: Q. Chen et al., "SPANN", 2021 (its published code).

    >>> offsets, end = packed(np.array([5000, 3000, 100, 3192]), 0)
    >>> offsets.tolist(), end
    ([3192, 8192, 11192, 0], 12288)
    """
    over = (sizes - 1) % PAGE + 1  # what fills its pages begins with one
    offsets = np.full(len(sizes), start, np.int64)
    there = np.flatnonzero(sizes)
    order = there[np.argsort(over[there], kind="stable")]
    kinds, first = np.unique(over[order], return_index=True)
    groups = (
        {int(kind): part.tolist() for kind, part in zip(kinds, np.split(order, first[1:]), strict=True)} if len(order) else {}
    )
    left = sorted(groups)
    at = start
    while left:
        room = PAGE - at % PAGE if at % PAGE else 0
        place = bisect_right(left, room) - 1 if room else -1
        if place < 0:  # nothing fits: a new page, begun by the stretch of which most is beyond full pages
            at, place = start + whole_pages(at - start), len(left) - 1
        kind = left[place]
        one = groups[kind].pop()
        if not groups[kind]:
            left.pop(place)
        offsets[one] = at
        at += int(sizes[one])
    return offsets, start + whole_pages(at - start)


class FreeSpace:
    """Stretches of a file that nothing needs; neighbours are joined.

    >>> free = FreeSpace()
    >>> free.give(0, 5000); free.give(5000, 12000)
    >>> free.take(8192), free.take(8192), free.total
    (0, None, 3808)
    """

    def __init__(self) -> None:
        self._size_at: dict[int, int] = {}
        self._start_of_end: dict[int, int] = {}
        self._by_size: list[tuple[int, int]] = []  # (size, start)
        self.total = 0

    def _put(self, start: int, size: int) -> None:
        self._size_at[start] = size
        self._start_of_end[start + size] = start
        insort(self._by_size, (size, start))
        self.total += size

    def _cut(self, start: int) -> int:
        size = self._size_at.pop(start)
        del self._start_of_end[start + size]
        del self._by_size[bisect_left(self._by_size, (size, start))]
        self.total -= size
        return size

    def give(self, start: int, end: int) -> None:
        """Free the bytes from `start` to `end`."""
        if end <= start:
            return
        if start in self._start_of_end:
            start = self._start_of_end[start]
            self._cut(start)
        if end in self._size_at:
            end += self._cut(end)
        self._put(start, end - start)

    def take(self, size: int) -> int | None:
        """Where `size` bytes lie that begin with a page and are now no longer free; None where there are no such."""
        at = bisect_left(self._by_size, (size, 0))
        fits = None
        for place in range(at, min(at + LOOKED_AT, len(self._by_size))):
            if self._aligned(self._by_size[place]) >= size:
                fits = place
                break
        if fits is None:
            fits = bisect_left(self._by_size, (size + PAGE, 0))
            if fits == len(self._by_size):
                return None
        start = self._by_size[fits][1]
        end = start + self._cut(start)
        first = whole_pages(start)
        self._give_back(start, first)
        self._give_back(first + size, end)
        return first

    def _give_back(self, start: int, end: int) -> None:
        if end > start:
            self._put(start, end - start)

    @staticmethod
    def _aligned(stretch: tuple[int, int]) -> int:
        size, start = stretch
        return start + size - whole_pages(start)
