"""An array that grows at its end; old views of it stay valid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowingArray:
    """Rows appended in amortised constant time.

    A view taken before an append goes on showing what it showed: rows are only ever written past its end, or in place.

    >>> rows = GrowingArray(np.int64)
    >>> rows.extend(np.array([1, 2])); before = rows.view
    >>> rows.extend(np.array([3])); before.tolist(), rows.view.tolist()
    ([1, 2], [1, 2, 3])
    """

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._tail: tuple[int, ...] = () if width is None else (width,)
        self._rows: NDArray[Any] = np.empty((0, *self._tail), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def view(self) -> NDArray[Any]:
        """The rows so far."""
        return self._rows[: self._count]

    def reserve(self, count: int) -> None:
        """Make room for `count` rows in all (room that is never written takes no memory)."""
        if count > len(self._rows):
            grown = np.zeros((count, *self._tail), self._rows.dtype)
            grown[: self._count] = self.view
            self._rows = grown

    def extend(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        needed = self._count + len(rows)
        if needed > len(self._rows):
            self.reserve(max(needed, needed + needed // 8, 64))
        self._rows[self._count : needed] = rows
        self._count = needed

    def fill(self, count: int, value: Any = 0) -> None:
        """Append `count` rows of one value."""
        self.extend(np.full((count, *self._tail), value, self._rows.dtype))

    def adopt(self, rows: NDArray[Any]) -> None:
        """Take an array over as the rows there are, in place of those before."""
        self._rows, self._count = rows if rows.flags.writeable else rows.copy(), len(rows)

    def nbytes(self) -> int:
        """Bytes held, with the room ahead."""
        return int(self._rows.nbytes)
