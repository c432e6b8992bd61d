"""How the vectors of a view are held and searched, chosen from estimates of bytes before anything is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from lamina.errors import BudgetError
from lamina.index.sketches import guiding_bytes
from lamina.records import Run

EXACT: Final = "exact"
GRAPH: Final = "graph"
LISTS: Final = "lists"

WIDE: Final = 64  # components of a code are filled up to a multiple of this
LINKS: Final = 160  # bytes of a node's links and of its place in the graph, with M = 16
HEADS: Final = 0.16  # of the vectors stand for lists
LISTED: Final = 11  # bytes of memory for each vector in lists
PLACE: Final = 17
"""Bytes that a vector on disk takes in memory: its place, whether it is there, whether it is linked."""


@dataclass(frozen=True)
class Means:
    """What an index of a view may use.

    Parameters: `budget`, bytes for views in memory; `taken`, how many of them are not the given index's; `folder`, where vectors may lie on disk
    (None: nowhere); `run`, the seed, and the cancellation of the memory's work; `background`, whether graphs are built in threads.
    """

    budget: int = 2 * 10**9
    taken: Callable[[object], int] = field(default=lambda index: 0)
    folder: Path | None = None
    run: Run = field(default_factory=Run)
    background: bool = True


@dataclass(frozen=True)
class Plan:
    """How vectors are held and searched.

    `method`: "exact", "graph" or "lists"; `on_disk`: the vectors lie in a file; `nbytes`: what that takes in memory, estimated; `room`: what there is
    for it; `notice`: why the memory's budget is not kept, empty where it is.
    """

    method: str
    on_disk: bool
    nbytes: int
    room: int
    notice: str = ""

    @property
    def name(self) -> str:
        """What `stats` calls it.

        >>> Plan("graph", True, 0, 0).name
        'graph, vectors on disk'
        """
        return self.method + (", vectors on disk" if self.on_disk else "")

    def require(self) -> Plan:
        """The same plan; raises `BudgetError` where it exceeds the budget."""
        if self.notice:
            raise BudgetError(self.notice)
        return self


def has_kernels() -> bool:
    """Whether the packages that graphs need are installed (extra "index")."""
    return find_spec("numba") is not None


def choose(count: int, dim: int, means: Means, taken: int, *, method: str, disk: bool = True) -> Plan:
    """The quickest plan for `count` vectors that the budget has room for: in memory, else with the vectors on disk, else lists on disk.

    `method` is what is wanted ("exact", "graph", "lists"); a graph gives way to lists only where `disk` allows it. Where nothing fits, it is the plan
    that takes least, with a notice.

    >>> choose(1000, 256, Means(budget=2_000_000), 0, method="exact").name
    'exact'
    """
    room = means.budget - taken
    rows = 4 * dim * count
    options: list[Plan] = []
    for one in {EXACT: (EXACT,), GRAPH: (GRAPH, LISTS) if disk else (GRAPH,), LISTS: (LISTS,)}[method]:
        if one == LISTS and means.folder is None:
            continue
        if one != LISTS:
            options.append(Plan(one, False, rows + estimate(count, dim, one), room))
        if means.folder is not None:
            options.append(Plan(one, True, PLACE * count + estimate(count, dim, one, on_disk=True), room))
    fitting = [plan for plan in options if plan.nbytes <= room]
    if fitting:
        return fitting[0]
    least = min(options, key=lambda plan: plan.nbytes) if options else Plan(EXACT, False, rows, room)
    why = "" if means.folder is not None else " (nothing is kept on disk here: the memory is in RAM, read-only or encrypted)"
    return Plan(
        least.method, least.on_disk, least.nbytes, room,
        f"{count:,} vectors of {dim} dimensions need at least {least.nbytes:,} bytes in memory, and the memory budget of {means.budget:,} has room for "
        f"{max(room, 0):,}{why}: give a larger one (memory_budget=, LAMINA_MEMORY_BUDGET)",
    )  # fmt: skip


def estimate(count: int, dim: int, method: str, *, on_disk: bool = False) -> int:
    """Bytes in memory that searching by a method takes beside the vectors that are compared while it is built.

    What `HNSW.estimate` and `SPANN.estimate` say, reckoned here so that asking does not load the compiler.
    """
    codes = -(-dim // WIDE) * WIDE
    if method == GRAPH:
        return count * (codes + LINKS + guiding_bytes(count, dim) + (0 if on_disk else 2 * dim))
    if method == LISTS:
        return int(count * (HEADS * (2 * codes + LINKS + guiding_bytes(int(count * HEADS), dim)) + LISTED))
    return 0
