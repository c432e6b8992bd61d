"""Into which lists each point is copied: those of the nearest heads that lie in different directions, as far as there is room.

Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021 (and its published code). Additions: lists
are cut to the pages that the mean one touches with copies that are not much farther off than the nearest, since a page is read whole; what goes
first are the copies that are farthest in terms of their own nearest head, not those farthest from the head of the list; shorter lists are filled up
with the nearest points that the rule had left out; points which every full list turned away get a place after all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError
from lamina.index.forms import Form
from lamina.index.kernels.guessing import Guess
from lamina.index.kernels.lists import Heads
from lamina.index.kernels.lists import closure as choose_lists
from lamina.index.spann.extents import PAGE
from lamina.records import Run

BLOCK = 1 << 13  # points whose lists are chosen together
SPARE = 8  # of the nearest lists that the rule left out, those that a point may fill up
WORTH = 1.5  # how many times farther than the nearest head others may be for copies to be worth a page; those beyond fill pages

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
Guides = Callable[[NDArray[Any]], Guess]
"""What guides the search for heads of rows as the heads are kept."""


@dataclass(frozen=True)
class Closure:
    """Chooses lists.

    Parameters: `replicas`, lists of a point by the rule, at most (it may fill up others besides); `candidates`, heads looked at; `factor`, how strict the rule of relative neighbourhood is
    (larger: more copies); `reach`, how many times farther than the nearest head others may be (the source's 1 + ε); `rule`: without it the nearest
    lists are taken; `even`: without it a list is cut only to the most that it may hold, and none is filled up (both for comparison).
    """

    replicas: int = 8
    candidates: int = 56
    factor: float = 1.0
    reach: float = 11.0
    rule: bool = True
    even: bool = True

    def __post_init__(self) -> None:
        if self.replicas < 1 or self.candidates < self.replicas:
            raise InputError(
                f"replicas must be at least 1 and candidates no fewer than replicas, not {self.replicas} and {self.candidates}"
            )
        if not self.factor > 0 or not self.reach >= 1:
            raise InputError(f"factor must be above 0 and reach at least 1, not {self.factor} and {self.reach}")

    def of(
        self, heads: Heads, guess: Guess, queries: NDArray[Any], norms: NDArray[np.float32], spare: int = 0
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The lists of rows in the heads' type, shape (rows, replicas + spare), -1 where there are fewer, with their squared distances.

        `guess` has the rows and sketches of the heads, or none of these. Behind the replicas stand the nearest lists that were not chosen.
        """
        shape = len(queries), self.replicas + spare
        lists, near = np.empty(shape, np.int32), np.zeros(shape, np.float32)
        visited = np.zeros(heads.graph.links.shape[0], np.uint8)
        wide = min(self.candidates, heads.graph.links.shape[0])
        choose_lists(
            heads, guess, queries, norms, wide, self.replicas, self.factor, self.reach**2, not self.rule, visited, 0,
            lists, near,
        )  # fmt: skip
        return lists, near


@dataclass(frozen=True)
class Copies:
    """Which points each list holds, those first for which it is most nearly the nearest.

    Parameters: `points` (copies,), list after list; `counts` (lists,); `filled`, records that lists were cut to, and filled up to; `cut`, copies that
    did not fit; `orphans`, points that no list had kept and that were put where there was room.
    """

    points: NDArray[np.int64]
    counts: NDArray[np.int64]
    filled: int
    cut: int
    orphans: int


def copies(
    count: int,
    rows: Rows,
    heads: Heads,
    guide: Guides,
    form: Form,
    closure: Closure,
    lists: int,
    limit: int,
    record: int,
    threads: int,
    run: Run,
) -> Copies:
    """Deal `count` points into `lists` lists of up to `limit`, records of `record` bytes; no point is lost.

    Where points that no list kept are more than there is room for, all points get fewer copies. There must be room for one of each.
    """
    spare = SPARE if closure.even and closure.replicas > 1 else 0
    shape = count, closure.replicas + spare
    chosen, near = np.empty(shape, np.int32), np.empty(shape, np.float32)

    def work(start: int) -> int:
        stop = min(start + BLOCK, count)
        encoded = form.encode(rows(np.arange(start, stop)))
        chosen[start:stop], near[start:stop] = closure.of(heads, guide(encoded), encoded, form.norms(encoded), spare)
        return stop

    with ThreadPoolExecutor(threads) as pool:
        for done in pool.map(work, range(0, count, BLOCK)):
            run.report("assigning", done, count)
    near /= np.maximum(near[:, :1], np.float32(1e-12))
    ruled = chosen[:, : closure.replicas]
    close = int(((ruled >= 0) & (near[:, : closure.replicas] <= WORTH**2)).sum())
    most = min(limit, page_records(close / lists, record)) if closure.even else limit
    for replicas in range(closure.replicas, 0, -1):
        owners, points, kept = _dealt(chosen[:, :replicas], near[:, :replicas], lists, most, limit)
        held = np.bincount(points[kept], minlength=count)
        orphans, counts = np.flatnonzero(held == 0), np.bincount(owners[kept], minlength=lists)
        if len(orphans) <= lists * limit - int(counts.sum()):  # otherwise copies took the room of points that have none
            break
    cut = int((~kept).sum())
    owners, points = owners[kept], points[kept]
    if len(orphans):
        more = _places(orphans, rows, heads, guide, form, closure, counts, limit)
        owners, points = np.concatenate([owners, more]), np.concatenate([points, orphans])
        order = np.argsort(owners, kind="stable")
        owners, points = owners[order], points[order]
    if spare:
        held[orphans] = -1
        owners, points = _filled(owners, points, chosen, near, closure.replicas, np.maximum(most - counts, 0), held >= 0)
    return Copies(points, np.bincount(owners, minlength=lists), most, cut, len(orphans))


def page_records(mean: float, record: int) -> int:
    """Records that lists are cut to: what the whole pages hold that `mean` records of `record` bytes touch.

    >>> page_records(11.4, 272), page_records(24.5, 272), page_records(39.7, 272)
    (15, 30, 45)
    """
    return max(max(math.ceil(mean * record / PAGE), 1) * PAGE // record, 1)


def _dealt(
    chosen: NDArray[np.int32], far: NDArray[np.float32], lists: int, most: int, limit: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
    """The copies list after list: list and point of each, and which of them are kept.

    `far`, in terms of the nearest head of the point: what is least comes first. A list keeps `most`; of points whose nearest it is, up to `limit`.
    """
    points, column = np.nonzero(chosen >= 0)
    owners = chosen[points, column]
    order = np.lexsort((far[points, column], owners))
    owners, points, column = owners[order], points[order], column[order]
    sizes = np.bincount(owners, minlength=lists)
    within = np.arange(len(owners)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return owners, points, (within < most) | ((within < limit) & (column == 0))


def _filled(
    owners: NDArray[Any],
    points: NDArray[np.int64],
    chosen: NDArray[np.int32],
    far: NDArray[np.float32],
    replicas: int,
    free: NDArray[np.int64],
    fit: NDArray[np.bool_],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Copies in order of their lists, and beside them the nearest points of those that the rule left out, up to the room that is `free` (lists,); of
    points that are `fit` (points,) for it: orphans may lie in such a list already.
    """
    found = []
    for column in range(replicas, chosen.shape[1]):
        some = np.flatnonzero(chosen[:, column] >= 0)
        some = some[(free[chosen[some, column]] > 0) & fit[some]]
        found.append((chosen[some, column], some, far[some, column]))
    more, places, away = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((away, more))
    more, places = more[order], places[order]
    sizes = np.bincount(more, minlength=len(free))
    kept = np.arange(len(more)) - np.repeat(np.cumsum(sizes) - sizes, sizes) < free[more]
    owners, points = np.concatenate([owners, more[kept]]), np.concatenate([points, places[kept]])
    order = np.argsort(owners, kind="stable")
    return owners[order], points[order]


def _places(
    orphans: NDArray[np.int64],
    rows: Rows,
    heads: Heads,
    guide: Guides,
    form: Form,
    closure: Closure,
    counts: NDArray[np.int64],
    limit: int,
) -> NDArray[np.int32]:
    """A list with room for each orphan, the nearest there is; `counts` grows."""
    wide = Closure(replicas=min(512, len(heads.number)), candidates=min(512, len(heads.number)), rule=False)
    out = np.empty(len(orphans), np.int32)
    for start in range(0, len(orphans), BLOCK):
        part = orphans[start : start + BLOCK]
        encoded = form.encode(rows(part))
        lists, _ = wide.of(heads, guide(encoded), encoded, form.norms(encoded))
        for place, row in enumerate(lists, start):
            free = [one for one in row.tolist() if one >= 0 and counts[one] < limit]
            out[place] = free[0] if free else int(np.argmin(counts))
            counts[out[place]] += 1
    return out
