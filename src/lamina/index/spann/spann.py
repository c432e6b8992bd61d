"""SPANN: short lists of vectors on disk, and the points that stand for them in memory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, StateError, VectorError
from lamina.index.flat import whole_slots
from lamina.index.forms import Form
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.kernels.lists import HEADER, PAGE, Heads, Lists
from lamina.index.spann.building import build, check_lengths, graph_of, prepared, records
from lamina.index.spann.closure import Closure
from lamina.index.spann.clustering import BalancedTree
from lamina.index.spann.postings import PostingFile
from lamina.index.spann.saving import problems, restore, save
from lamina.index.spann.searching import ListSearch, State
from lamina.index.spann.updating import Updater
from lamina.records import Run

METRICS = ("cosine", "ip", "l2")
LISTED = 118  # vectors of a list, at least
PAGES = 3  # pages of a list, at least


class SPANN(ListSearch):
    """Finds nearly all of the best slots by reading a few short lists from disk; in memory stand the heads of the lists alone.

    Scores are negative squared distances ("l2"), or inner products of vectors of one length ("cosine" makes them so, "ip" refuses others):
    larger is better. All lies in a folder: `lists`, `rows` (the vectors as float16, by which the best found are ordered), `heads`.
    One thread may change the index while others search.

    Parameters:
        dim: components of a vector.
        folder: where the files lie; made if it is not there.
        metric: "cosine", "ip" or "l2".
        share: of the points that stand for lists.
        closure: how points are copied into lists.
        form: of the vectors in the lists: "int8", "float16" or "float32".
        probes: lists read for a query, at most. ratio: no list whose head is farther than so many times the squared distance of the nearest is
            read (0: all are), unless that is below `guard`. Fewer than k found: lists are read all the same.
        patience: lists that bring nothing for the best k, after which no list is read whose head is farther than `margin` times the squared distance
            of the k-th best (0: any number).
        candidates: heads looked at in memory to find the nearest (None: twice `probes`, at least 256).
        keep: the best found that are ordered by their float16 rows (None: 2k + 10).
        pages: of 4096 bytes, that a list may fill (0: as many as 118 vectors need, at least 3).
        tree: how clusters are made; its threads are those of building.
        seed: of the heads' graph.

    Source: Q. Chen et al., "SPANN: Highly-efficient Billion-scale Approximate Nearest Neighbor Search", 2021. Heads that stand in their own lists,
    and the order by float16 rows, are our choices.

    >>> import tempfile
    >>> rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> index = SPANN(8, Path(tempfile.mkdtemp()), metric="l2")
    >>> index.build(np.arange(500), rows)
    >>> index.search(rows[7:8], k=1)[0].tolist()
    [[7]]
    """

    def __init__(
        self,
        dim: int,
        folder: Path,
        *,
        metric: str = "ip",
        share: float = 0.16,
        closure: Closure | None = None,
        form: str = "int8",
        probes: int = 256,
        ratio: float = 0.0,
        guard: float = 0.1,
        patience: int = 64,
        margin: float = 1.2,
        candidates: int | None = None,
        keep: int | None = None,
        pages: int = 0,
        tree: BalancedTree | None = None,
        seed: int = 0,
    ) -> None:
        if dim < 1:
            raise InputError(f"a vector has at least 1 dimension, not {dim}")
        if metric not in METRICS:
            raise InputError(f"metric is one of {METRICS}, not {metric!r}")
        if not 0 < share <= 1:
            raise InputError(f"the share of heads lies above 0 and up to 1, not {share}")
        if probes < 1 or ratio < 0 or guard < 0 or (keep is not None and keep < 1):
            raise InputError(
                f"probes and keep must be at least 1, ratio and guard not below 0, not {probes}, {keep}, {ratio}, {guard}"
            )
        self.dim, self.folder, self.metric, self.share, self.form = dim, Path(folder), metric, share, form
        self.closure, self.tree, self.seed = closure or Closure(), tree or BalancedTree(), seed
        self.probes, self.ratio, self.guard, self.keep = probes, ratio, guard, keep
        self.patience, self.margin, self.candidates, self.length = patience, margin, candidates, 1.0
        self.codes = Form(form, dim)
        self.record = HEADER + self.codes.width * np.dtype(self.codes.dtype).itemsize
        self.pages = pages or max(PAGES, math.ceil(LISTED * self.record / PAGE))
        self.limit = self.pages * PAGE // self.record
        if self.limit < 2:
            raise InputError(f"a list of {pages} pages holds {self.limit} vectors of {self.record} bytes: allow it more pages")
        self.heads_read = self.compared = self.lists_read = self.bytes_read = 0  # by searches so far
        self.plan = "lists"
        self.read_only = False  # whether `load` leaves the writing of the lists to others
        self.built: dict[str, Any] = {}  # what building found
        self._node_of = np.full(0, -1, np.int32)  # (slots,): the row, or -1
        self._spare: list[tuple[NDArray[np.uint8], int, NDArray[np.uint8]]] = []
        self._heads: HNSW | None = None
        self._state: State | None = None
        self.postings: PostingFile | None = None
        self.full: FullFile | None = None
        self._updater: Updater | None = None

    # ------------------------------------------------------------------------------------------------------- memory
    def nbytes(self) -> int:
        """Bytes of memory held."""
        held = int(self._node_of.nbytes) + sum(int(one.nbytes) + int(two.nbytes) for one, _, two in self._spare)
        if self._state is not None and self._heads is not None and self.postings is not None:
            held += (
                self._heads.nbytes() + self.postings.nbytes() + int(self._state.slots.nbytes) + int(self._state.versions.nbytes)
            )
        return held

    @staticmethod
    def estimate(count: int, dim: int, *, share: float = 0.16) -> int:
        """Bytes of memory of so many vectors.

        >>> SPANN.estimate(1_000_000, 256) // 2**20
        120
        """
        return HNSW.estimate(math.ceil(count * share), dim, form="float16") + math.ceil(count * (9 + share * 12))

    # ------------------------------------------------------------------------------------------------------ building
    def build(self, slots: NDArray[np.int64], vectors: Any, run: Run | None = None) -> None:
        """Build from vectors (slots, dim): an array, or one that is mapped from a file; they are read in blocks, several times.

        Raises `VectorError` for vectors that are not of this form, `InputError` for slots that are not numbers, each once, and
        `StateError` where there is something already.
        """
        if self._state is not None:
            raise StateError("the index has been built already: add to it, or build another one in another folder")
        slots = whole_slots(slots)
        count = len(slots)
        if vectors.shape != (count, self.dim) or not count:
            raise VectorError(
                f"expected {count} vectors of {self.dim} dimensions, at least one, got an array of shape {vectors.shape}"
            )
        if slots.min() < 0 or slots.max() >= 1 << 30 or len(np.unique(slots)) != count:
            raise InputError(f"slots are numbers from 0 up to {(1 << 30) - 1:,}, each once")
        made = build(self, vectors, run or Run())
        self.codes, self.length, self.built = made.codes, made.length, made.facts
        self.take(made.heads, made.postings, made.full, slots.astype(np.int32), np.zeros(count, np.uint8), count)
        self.save()

    def take(
        self, heads: HNSW, postings: PostingFile, full: FullFile, slots: NDArray[np.int32], versions: NDArray[np.uint8], used: int
    ) -> None:
        """Work with these from now on."""
        living = np.flatnonzero(slots >= 0)
        node_of = np.full(int(slots.max(initial=-1)) + 1, -1, np.int32)
        node_of[slots[living]] = living
        self._node_of, self._heads, self.postings, self.full = node_of, heads, postings, full
        self.publish(slots, versions, used)

    def publish(self, slots: NDArray[np.int32], versions: NDArray[np.uint8], used: int) -> None:
        """Let searches see heads, lists and rows as they are now."""
        postings = self.postings
        assert postings is not None
        lists = Lists(postings.handle, postings.offsets, postings.counts, self.record)
        self._state = State(graph_of(self.heads), lists, slots, versions, used)

    def encoded(self, nodes: NDArray[np.int64], rows: NDArray[np.float32], versions: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Records (rows, record) of vectors: row, squared length in units of the code, version, code."""
        return records(self.codes, nodes, rows, versions)

    @staticmethod
    def graph_of(heads: HNSW) -> Heads:
        """What kernels need of the heads as they are now; changes to come leave it useful."""
        return graph_of(heads)

    def prepared(self, vectors: Any) -> NDArray[np.float32]:
        """Vectors as they are kept: finite, and of length 1 under "cosine"."""
        return prepared(vectors, self.metric)

    def check_lengths(self, lengths: NDArray[np.float32]) -> None:
        """Refuse vectors of different squared lengths where that would matter."""
        if self.metric == "ip":
            check_lengths(lengths)

    # ------------------------------------------------------------------------------------------------------- changes
    @property
    def updater(self) -> Updater:
        """What adds and removes, with its figures."""
        self.state()
        if self._updater is None or self._updater.postings is not self.postings:
            self._updater = Updater(self)
        return self._updater

    def add(self, slots: NDArray[np.int64], vectors: NDArray[np.float32], run: Run | None = None) -> None:
        """Set the vectors of slots, shape (slots, dim), while others search; the first ones build the index. `save` makes it last.

        Raises what `build` and `Updater.add` do.
        """
        slots = whole_slots(slots)
        if slots.ndim != 1 or np.shape(vectors) != (len(slots), self.dim):
            raise VectorError(
                f"expected a vector of {self.dim} dimensions for each slot, got an array of shape {np.shape(vectors)}"
            )
        if self._state is None:
            _, last = np.unique(slots[::-1], return_index=True)
            order = np.sort(len(slots) - 1 - last)
            if len(order):
                self.build(slots[order], np.asarray(vectors)[order], run)
        else:
            self.updater.add(slots, vectors, run)

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Take the vectors of slots away, while others search; `save` makes it last."""
        if self._state is not None:
            self.updater.remove(whole_slots(slots))

    def compact(self, run: Run | None = None) -> None:
        """Write the lists anew, packed, and commit: of removed vectors nothing is left in the files."""
        self.updater.collect(run)
        self.updater.renew_heads()
        self.save()
        self.updater.erase()
        assert self.postings is not None
        self.postings.compact(run)
        self.updater.publish()

    # --------------------------------------------------------------------------------------------------------- files
    def save(self) -> None:
        """Commit what there is to the folder; a kill before the end leaves what was committed before.

        Raises `StoreFullError` where the disk is full; the last commit is then unharmed.
        """
        self.state()
        save(self)

    def load(self) -> None:
        """Take over what the folder holds, in place of what the index has; another object that works with the folder must be closed first.

        Raises `NotFoundError` for an empty folder, `VectorError` for vectors of another width, `StoreError` for another metric or form,
        `CorruptStoreError` for files that are damaged or do not belong together; the index then stays as it was.
        """
        restore(self)

    def close(self) -> None:
        """Let the files go, so that another object or process may open them; what was not saved is lost. The index is then empty."""
        if self.postings is not None:
            self.postings.close()
        self._state, self._heads, self.postings, self.full, self._updater = None, None, None, None, None
        self._node_of, self._spare = np.full(0, -1, np.int32), []

    def verify(self, run: Run | None = None) -> list[str]:
        """What is wrong with the index, in words (nothing: all is well); reads all of it."""
        return problems(self, run or Run())

    def stats(self) -> dict[str, Any]:
        """Figures: settings, lists and their lengths, copies, bytes of memory and on disk."""
        settings = {"dim": self.dim, "metric": self.metric, "form": self.form, "probes": self.probes, "ratio": self.ratio}
        if self.postings is None:
            return {**settings, "vectors": 0, "bytes": self.nbytes()}
        counts = self.postings.counts[self.postings.counts > 0]
        return {
            **settings, "vectors": len(self), "lists": len(counts), "copies": int(counts.sum()), "longest_list": int(counts.max(initial=0)),
            "evenness": float(counts.std() / max(counts.mean(), 1e-9)) if len(counts) else 0.0, "bytes": self.nbytes(),
            "bytes_on_disk": self.postings.bytes_on_disk, **{f"built_{name}": value for name, value in self.built.items()},
        }  # fmt: skip
