"""Writing, searching, memory and file size, and how they grow with the number of messages.

Messages are sentences of LoCoMo recombined (of the packaged conversation where that data is absent), with a vocabulary that
goes on growing; cues are its questions. Everything is seeded. Times are medians; on a busy machine compare processor times
and ratios, which were taken in turns.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from lamina.bench.peers import is_installed
from lamina.bench.peers.mem0 import Mem0
from lamina.bench.ranking.collections import Collection
from lamina.bench.results import Result, Row, find_data, fingerprint
from lamina.bench.speed import peer, reading, writing
from lamina.bench.speed.corpus import Corpus
from lamina.errors import InputError

SIZES: Final = (1_000, 6_000, 20_000, 100_000)
FILLED: Final = 5_882
"""Messages in the file that single writes and mem0 are measured on: as many as all ten conversations of LoCoMo have."""


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    sizes: Sequence[int] | int | str = SIZES,
    adds: int = 600,
    searches: int = 200,
    filled: int = FILLED,
    scopes: int = 1_000,
    questions: int = 300,
) -> Result:
    """Measure everything at several sizes; parts that cannot be measured here are named under `skipped` in the config."""
    steps = _sizes(sizes)
    if min(adds, searches, filled, scopes, questions) < 1:
        raise InputError("adds, searches, filled, scopes and questions must be at least 1")
    collections, name = _collections(data)
    corpus = Corpus([(p.speaker or "somebody", p.text) for one in collections for p in one.passages], seed)
    cues = [asked.text for one in collections for asked in one.questions]
    random.Random(seed).shuffle(cues)
    cues = (cues * (searches // len(cues) + 1))[:searches]
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        messages = list(corpus.messages(max(*steps, filled + adds, 20 * scopes)))
        rows = [_growth(folder, messages, steps, cues, progress)]
        progress("speed: single adds")
        rows += writing.single_adds(folder, messages[:filled], messages[filled : filled + adds])
        rows += _syncs(folder, skipped)
        progress(f"speed: {scopes:,} scopes")
        rows.append(reading.many_scopes(folder / "scopes.db", messages[: 20 * scopes], scopes, cues, seed))
        rows += reading.pruning(folder / f"{steps[-1]}.db", collections, questions, seed, progress)
        if peers and is_installed(Mem0()):
            rows += peer.beside_mem0(folder / "peer.db", messages[:filled], cues, min(adds, filled // 2), progress)
        else:
            skipped.append("mem0: not installed" if peers else "mem0: not asked for")
    config = {
        "sizes": list(steps), "adds": adds, "searches": searches, "filled": filled, "scopes": scopes, "seed": seed, "skipped": skipped,
        "words": len({word for message in messages for word in message["content"].lower().split()}), "embedder": "wordllama",
    }  # fmt: skip
    return Result("speed", name, config, rows)


def _sizes(sizes: Sequence[int] | int | str) -> list[int]:
    """The sizes in ascending order; from a command line they come as one number or as text with commas."""
    parts = sizes.split(",") if isinstance(sizes, str) else [sizes] if isinstance(sizes, int) else sizes
    try:
        steps = sorted({int(part) for part in parts})
    except ValueError:
        steps = []
    if not steps or steps[0] < 1:
        raise InputError(f"sizes must be whole numbers of at least 1, such as 1000,6000, not {sizes!r}")
    return steps


def _collections(data: Path | None) -> tuple[list[Collection], str]:
    """LoCoMo where it is there, else the packaged conversation; and what to call it."""
    file = find_data(data, "locomo", "locomo*.json")
    if file is None:
        from lamina.bench.demo import collection

        return [collection()], "recombined sentences of the packaged conversation"
    from lamina.bench.locomo import collections_of

    return collections_of(file), f"recombined sentences of {fingerprint(file)}"


def _growth(
    folder: Path, messages: Sequence[dict[str, Any]], steps: Sequence[int], cues: Sequence[str], progress: Callable[[str], None]
) -> Row:
    """Bulk writing, file, memory and search at each size; the files stay in the folder."""
    by: dict[str, dict[str, float]] = {}
    for size in steps:
        path = folder / f"{size}.db"
        progress(f"speed: {size:,} messages")
        found = {"messages": float(size), **writing.bulk(path, messages[:size])}
        found |= reading.footprint(path, cues)
        by[f"{size:,} messages"] = found | reading.warm_search(path, cues)
    return Row("lamina", {"import_seconds": reading.import_seconds(), **by[f"{steps[-1]:,} messages"]}, by)


def _syncs(folder: Path, skipped: list[str]) -> list[Row]:
    """Syncs of each commit at durability "power"."""
    count, why = writing.syncs_per_commit(folder)
    if count is None:
        skipped.append(f"syncs: {why}")
        return []
    return [Row("lamina commit, durability power", {"syncs_per_commit": count})]
