"""Sets of vectors with queries that are not in them, each in a folder of files that processes map into memory.

- `tokens`: rows of the packaged token table, 1000 held out as queries. Hard: nearly without clusters.
- `windows`: means of token vectors over windows of texts. Queries are windows of 12 words (`short`), and windows of 20 words from places at which
  none of the set begins (`held-out`: like the set itself). Small sets take every n-th word as a beginning; large ones all of them, and a second
  length; where that does not suffice, passages of two spans of the texts (`recombined`), which can be had without end.
- `minilm`: windows of 20 words as MiniLM sees them (extra "minilm"; what was embedded once is kept in the work folder).
- a path of a `.npy` file: vectors of one's own, the last 1000 held out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamina.bench.indexes.windows import HELD, SHORT, Words, embedded
from lamina.errors import InputError
from lamina.models.static import StaticEmbedder

Say = Callable[[str], None]
SHORT_KIND: Final = "short"
NAMES: Final = ("tokens", "windows", "minilm")
BLOCK: Final = 1 << 16
GROUPS: Final = 64  # parts of the texts that stand for scopes
WIDE: Final = 3_000_000  # vectors from which on they are kept as float16


@dataclass(frozen=True)
class VectorSet:
    """A set in a folder.

    Parameters: `name`; `folder`; `checksum` of the vectors (SHA-256, its start); `count`; `dim`; `queries`, the kinds of queries there are.
    """

    name: str
    folder: Path
    checksum: str
    count: int
    dim: int
    queries: tuple[str, ...]

    @property
    def base(self) -> Path:
        """The file of the vectors, (count, dim), float32 (float16 from three million on), each of length 1."""
        return self.folder / "base.npy"

    def vectors(self) -> NDArray[Any]:
        """The vectors, mapped."""
        return np.asarray(np.load(self.base, mmap_mode="r"))

    def groups(self) -> NDArray[np.int32]:
        """Which part of the texts each vector comes from, shape (count,)."""
        return np.asarray(np.load(self.folder / "groups.npy"))

    def asked(self, kind: str) -> Path:
        """The file of the queries of a kind, float32 (queries, dim)."""
        return self.folder / f"queries-{kind}.npy"


def prepare(name: str, size: int, work: Path, *, texts: Sequence[Path], seed: int, asked: int, say: Say) -> VectorSet:
    """The set of a name with about `size` vectors, made where the work folder has not got it; raises `InputError` for an unknown one."""
    if name not in NAMES and not name.endswith(".npy"):
        raise InputError(f"{name!r} is no set of vectors: use {', '.join(NAMES)}, or the path of a .npy file")
    sources = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in texts)
    if name.endswith(".npy"):
        if not Path(name).is_file():
            raise InputError(f"there is no file {name}: name a .npy file of vectors")
        sources = f"{Path(name).stat().st_size} {Path(name).stat().st_mtime_ns}".encode()
    if name == "tokens":
        sources, size = StaticEmbedder().fingerprint.encode(), 0
    key = hashlib.sha256(sources + f"{name} {size} {seed} {asked} 1".encode()).hexdigest()[:12]
    short = Path(name).stem if name.endswith(".npy") else name
    folder = work / "sets" / f"{short}-{size or 'all'}-{key}"
    if not (folder / "set.json").exists():
        say(f"index: making the set {short} of {size:,}" if size else f"index: making the set {short}")
        folder.mkdir(parents=True, exist_ok=True)
        makers = {"tokens": _tokens, "windows": _windows, "minilm": _minilm}
        makers.get(name, _own)(name, folder, size, Source(tuple(texts), seed, asked, work, say))
        _describe(short, folder)
    told = json.loads((folder / "set.json").read_text())
    return VectorSet(told["name"], folder, told["checksum"], told["count"], told["dim"], tuple(told["queries"]))


@dataclass(frozen=True)
class Source:
    """What a set is made from."""

    texts: tuple[Path, ...]
    seed: int
    asked: int
    work: Path
    say: Say


def normalised(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1.

    >>> normalised(np.array([[3.0, 4.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _describe(name: str, folder: Path) -> None:
    base = np.load(folder / "base.npy", mmap_mode="r")
    digest = hashlib.sha256()
    for start in range(0, len(base), BLOCK):
        digest.update(np.ascontiguousarray(base[start : start + BLOCK]).tobytes())
    queries = sorted(path.stem.removeprefix("queries-") for path in folder.glob("queries-*.npy"))
    told = {"name": name, "checksum": digest.hexdigest()[:16], "count": len(base), "dim": base.shape[1], "queries": queries}
    (folder / "set.json").write_text(json.dumps(told))


def _keep(folder: Path, blocks: Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]], count: int, dim: int) -> None:
    """Write vectors and their groups, a block at a time."""
    kind = np.float16 if count >= WIDE else np.float32
    out = np.lib.format.open_memmap(folder / "base.npy", mode="w+", dtype=kind, shape=(count, dim))
    groups = np.zeros(count, np.int32)
    start = 0
    for rows, group in blocks:
        out[start : start + len(rows)], groups[start : start + len(rows)] = rows, group
        start += len(rows)
    out.flush()
    np.save(folder / "groups.npy", groups)


def _tokens(name: str, folder: Path, size: int, source: Source) -> None:
    embedder = StaticEmbedder()
    rows = normalised(embedder.token_rows(np.arange(embedder.size)))
    rows = rows[np.random.default_rng(source.seed).permutation(len(rows))]
    _write_all(folder, rows[source.asked :], rows[: source.asked])


def _own(name: str, folder: Path, size: int, source: Source) -> None:
    rows = np.load(name, mmap_mode="r")
    if rows.ndim != 2 or len(rows) <= source.asked or rows.dtype.kind != "f":
        raise InputError(
            f"{name} must hold floats of shape (vectors, dimensions), more than {source.asked}, not {rows.dtype} {rows.shape}"
        )
    most = min(size, len(rows) - source.asked) if size else len(rows) - source.asked
    held = normalised(np.asarray(rows[len(rows) - source.asked :], np.float32))
    _write_all(folder, normalised(np.asarray(rows[:most], np.float32)), held)


def _write_all(folder: Path, rows: NDArray[np.float32], held: NDArray[np.float32]) -> None:
    np.save(folder / f"queries-{HELD}.npy", held)
    groups = (np.arange(len(rows)) * GROUPS // len(rows)).astype(np.int32)
    _keep(folder, iter([(rows, groups)]), len(rows), rows.shape[1])


def _windows(name: str, folder: Path, size: int, source: Source) -> None:
    words = Words.of(source.texts, source.seed, size)
    random = np.random.default_rng(source.seed)
    short = words.starts(SHORT)
    np.save(folder / f"queries-{SHORT_KIND}.npy", normalised(words.sums(random.choice(short, source.asked), SHORT)))
    plan = words.plan(size)
    if plan is None:
        held = words.recombined(source.asked, np.random.default_rng([source.seed, 1]))
        np.save(folder / f"queries-{HELD}.npy", normalised(held[0]))
        _keep(folder, ((normalised(a), b) for a, b in _recombined(words, size, source)), size, words.dim)
        return
    places, lengths = plan
    held_starts = random.choice(words.starts(20), min(source.asked, len(words.starts(20)) // 4), replace=False)
    np.save(folder / f"queries-{HELD}.npy", normalised(words.sums(held_starts, 20)))
    free = ~np.isin(places, held_starts) | (lengths != 20)
    order = random.permutation(np.flatnonzero(free))[:size]
    places, lengths = places[order], lengths[order]

    def blocks() -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
        for start in range(0, len(places), BLOCK):
            part = places[start : start + BLOCK]
            yield normalised(words.sums(part, lengths[start : start + BLOCK])), words.group(part, GROUPS)

    _keep(folder, blocks(), len(places), words.dim)


def _recombined(words: Words, size: int, source: Source) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    for start in range(0, size, BLOCK):
        if start % (16 * BLOCK) == 0:
            source.say(f"index: {start:,} of {size:,} vectors made")
        yield words.recombined(min(BLOCK, size - start), np.random.default_rng([source.seed, 2, start]))


def _minilm(name: str, folder: Path, size: int, source: Source) -> None:
    words = Words.of(source.texts, source.seed, size)
    random = np.random.default_rng(source.seed)
    every = words.starts(20)
    if len(every) < 2 * source.asked:
        raise InputError(f"the texts have {len(every)} windows, too few for {source.asked} queries: name more of them")
    held = random.choice(every, source.asked, replace=False)
    grid = np.setdiff1d(every[:: max(1, len(every) // (size + source.asked))], held)
    places = random.permutation(grid)[:size]
    rows = embedded(words, np.concatenate([held, places]), source.work / "embedded", source.say)
    np.save(folder / f"queries-{HELD}.npy", rows[: len(held)])
    groups = words.group(places, GROUPS)
    _keep(folder, iter([(normalised(rows[len(held) :]), groups)]), len(places), rows.shape[1])
