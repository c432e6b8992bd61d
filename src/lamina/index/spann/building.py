"""Building SPANN's files out of vectors: rows, tree, heads, lists."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lamina.errors import InputError, VectorError
from lamina.index.flat import check_finite
from lamina.index.forms import Form
from lamina.index.graphs.full import FullFile
from lamina.index.hnsw import HNSW
from lamina.index.kernels.lists import HEADER, Heads
from lamina.index.spann.closure import Copies, copies
from lamina.index.spann.heads import choose_heads
from lamina.index.spann.postings import PostingFile
from lamina.index.spann.rebalancing import APART
from lamina.index.spann.saving import LISTS, ROWS
from lamina.records import Run

if TYPE_CHECKING:
    from lamina.index.spann.spann import SPANN

BLOCK = 1 << 14  # vectors looked at together
ALIKE = 1e-2  # how much squared lengths may differ where inner products are to order like distances


class Built(NamedTuple):
    """What building made.

    Parameters: `heads`, `postings` (written, not committed), `full`, `codes` with its step; `length`, the squared length of a vector; `facts`, what
    was found on the way.
    """

    heads: HNSW
    postings: PostingFile
    full: FullFile
    codes: Form
    length: float
    facts: dict[str, Any]


def build(index: SPANN, vectors: Any, run: Run) -> Built:
    """Build the files in the folder of an index whose settings are as they shall be; where that fails, nothing of them is left.

    Row i of the vectors becomes row i of the files. Raises `VectorError`, `InputError` where the lists have no room for all, `StoreFullError`,
    `Cancelled`.
    """
    index.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    full = FullFile.fresh(index.folder / ROWS, index.dim)
    postings = None
    try:
        codes, length = _read(index, vectors, full, run)
        count = vectors.shape[0]
        chosen = choose_heads(index.tree.grow(count, full.read, run), index.share)
        wanted = max(1, round(index.share * count))
        if wanted * index.limit < count:
            raise InputError(
                f"{wanted} lists of up to {index.limit} vectors cannot hold {count}: allow lists more pages than {index.pages}, or a share of heads "
                f"above {index.share}"
            )
        points = full.read(chosen)
        points = points[_first(points)]  # of equal heads the graph shows one: the lists of the others would stay empty
        alike = len(points) * index.limit < count
        if alike:  # many vectors are alike: their cluster is not split any more
            chosen = np.union1d(chosen, np.linspace(0, count - 1, wanted).astype(np.int64))
            points = _moved_apart(full.read(chosen), index.seed)
        heads = HNSW(index.dim, metric="l2", ef_construction=100, form="float16", seed=index.seed, threads=index.tree.threads)
        heads.add(np.arange(len(points)), points, run)
        if alike:
            heads.repair()
        dealt = copies(
            count, full.read, graph_of(heads), partial(heads.guide.guess, heads.snapshot()), Form("float16", index.dim), index.closure, len(points),
            index.limit, index.record, index.tree.threads, run,
        )  # fmt: skip
        postings = PostingFile.create(index.folder / LISTS, index.record, index.pages)
        postings.write_all(dealt.counts, _lists(codes, full, dealt, run))
    except BaseException:
        if postings is not None:
            postings.close()
        assert full.path is not None
        full.path.unlink(missing_ok=True)
        raise
    facts = {
        "heads": len(points), "mean_replicas": len(dealt.points) / count, "filled": dealt.filled, "cut": dealt.cut, "orphans": dealt.orphans,
        "mean_list": float(dealt.counts.mean()), "longest_list": int(dealt.counts.max()),
        "evenness": float(dealt.counts.std() / max(dealt.counts.mean(), 1e-9)),
    }  # fmt: skip
    return Built(heads, postings, full, codes, length, facts)


def _first(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which points (points, dim) no earlier one is equal to, as float16 holds them, ascending."""
    rows = np.ascontiguousarray(points.astype(np.float16) + np.float16(0))  # one zero, not two
    _, first = np.unique(rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))), return_index=True)
    return np.sort(first)


def _moved_apart(points: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Points of which those that are equal to an earlier one are moved a little."""
    generator, apart = np.random.default_rng(seed), APART
    length = np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-3)
    moved = points.copy()
    while len(again := np.setdiff1d(np.arange(len(points)), _first(moved))):
        noise = generator.normal(size=(len(again), points.shape[1])).astype(np.float32)
        noise *= np.float32(apart) * length[again] / np.linalg.norm(noise, axis=1, keepdims=True)
        moved[again] = points[again] + noise
        apart *= 2
    return moved


def _read(index: SPANN, vectors: Any, full: FullFile, run: Run) -> tuple[Form, float]:
    """Check the vectors and write their rows; returns the form of the records and a squared length."""
    count = vectors.shape[0]
    lengths = np.empty(count, np.float32)
    sample = []
    for start in range(0, count, BLOCK):
        block = prepared(vectors[start : start + BLOCK], index.metric)
        index.codes.check(block)
        full.write(start, block)
        lengths[start : start + len(block)] = np.einsum("ij,ij->i", block, block)
        sample.append(block[:: max(1, count // BLOCK)])
        run.report("reading", start + len(block), count)
    if index.metric == "ip":
        check_lengths(lengths)
    return index.codes.fitted(np.concatenate(sample), euclidean=True), float(lengths[0])


def _lists(codes: Form, full: FullFile, dealt: Copies, run: Run) -> Iterator[NDArray[np.uint8]]:
    """The records of each list in turn."""
    ends = np.cumsum(dealt.counts)
    first = 0
    while first < len(ends):
        begin = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, begin + BLOCK, "right")), first + 1)
        points = dealt.points[begin : int(ends[last - 1])]
        block = records(codes, points, full.read(points), np.zeros(len(points), np.uint8))
        yield from np.split(block, ends[first : last - 1] - begin)
        run.report("writing lists", last, len(ends))
        first = last


def records(codes: Form, nodes: NDArray[np.int64], rows: NDArray[np.float32], versions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Records (rows, bytes) of vectors: row, squared length in units of the code, version, code."""
    encoded = codes.encode(rows)
    out = np.zeros((len(nodes), HEADER + encoded.shape[1] * encoded.itemsize), np.uint8)
    out[:, 0:4] = nodes.astype(np.int32)[:, None].view(np.uint8)
    out[:, 4:8] = codes.norms(encoded)[:, None].view(np.uint8)
    out[:, 8:12] = versions.astype(np.int32)[:, None].view(np.uint8)
    out[:, HEADER:] = encoded.view(np.uint8)
    return out


def graph_of(heads: HNSW) -> Heads:
    """The graph of heads as compiled searches take it; changes to come leave it useful."""
    now = heads.snapshot()
    return Heads(now.graph, now.top, now.entry, now.slot_of.copy(), now.dead.copy())


def prepared(vectors: Any, metric: str) -> NDArray[np.float32]:
    """Vectors as they are kept: finite, under "cosine" of length 1."""
    block = np.ascontiguousarray(vectors, np.float32)
    check_finite(block)
    if metric == "cosine":
        lengths = np.linalg.norm(block.astype(np.float64), axis=1, keepdims=True)  # float32 ends at squares of 1e19
        if (lengths == 0).any():
            raise VectorError(f"vector {int(np.flatnonzero(lengths[:, 0] == 0)[0])} is zero: it has no direction, leave it out")
        block = np.asarray(block / lengths, np.float32)
    return block


def check_lengths(lengths: NDArray[np.float32]) -> None:
    """Refuse squared lengths that differ: inner products would not order like distances."""
    if len(lengths) and float(lengths.max() - lengths.min()) > ALIKE * float(lengths.max()):
        raise VectorError(
            f"the squared lengths of vectors lie between {lengths.min():.3g} and {lengths.max():.3g}: lists are chosen by distance, which orders "
            "like the inner product for vectors of one length only; take metric='cosine'"
        )
