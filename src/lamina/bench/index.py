"""Indexes of vectors: recall against speed, bytes read and memory, filters, growth and updates, beside hnswlib, usearch, faiss and DiskANN."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lamina.bench.indexes import curves, filters, growth, updates
from lamina.bench.indexes.processes import Kept
from lamina.bench.indexes.sets import NAMES, VectorSet, prepare
from lamina.bench.indexes.systems import USUAL, System, chosen, systems
from lamina.bench.prose import text_files
from lamina.bench.results import Result, Row
from lamina.errors import InputError

PARTS: Final = ("curves", "filters", "growth", "updates")
UNITS: Final = {"k": 1_000, "m": 1_000_000}


def run(
    *,
    data: Path | None,
    seed: int,
    peers: bool,
    progress: Callable[[str], None],
    sets: Sequence[str] | str = NAMES[:2],
    sizes: Sequence[int | str] | int | str = "30k",
    systems: Sequence[str] | str = USUAL,
    parts: Sequence[str] | str = ("curves",),
    texts: str | None = None,
    work: str | None = None,
    rounds: int = 5,
    asked: int = 1_000,
    M: int = 16,
    ef_construction: int = 200,
    two_threads: bool = True,
    diskann: str = "",
    diskann_memory: float = 0.14,
    diskann_codes: int = 32,
    steps: Sequence[int | str] | int | str = growth.STEPS,
    again: bool = False,
    rebuild: bool = False,
) -> Result:
    """Measure the parts named on each set and size, all systems in turns.

    Parameters: `sets`: tokens, windows, minilm, or paths of `.npy` files; `sizes` of those but the first (30k, 170k, 1m, 10m); `systems`, by name;
    `parts`: curves, filters, growth, updates; `texts`, a folder of `*.txt` for windows (default: made-up prose); `work`, a folder that keeps sets,
    indexes and rows, so that another run goes on where this one ended (default: none); `rounds`, of which medians are taken; `asked`, queries;
    `M` and `ef_construction` of all graphs; `two_threads`, whether ours are built with two as well; `diskann`, an interpreter that has diskannpy, and
    `diskann_memory`, the share of a float32 graph's memory it may take, `diskann_codes` of it bytes a vector for codes; `steps`, sizes of uniform
    data that distances are counted on; `again` and `rebuild`: measure, or build, what the work folder has. Raises `InputError` for what is unknown.
    """
    wanted = _names(parts)
    for part in wanted:
        if part not in PARTS:
            raise InputError(f"{part!r} is no part of this benchmark: use {', '.join(PARTS)}")
    if min(rounds, asked) < 1:
        raise InputError(f"rounds and asked must be at least 1, not {rounds} and {asked}")
    found, skipped = chosen(_names(systems), _known(M, ef_construction, diskann, diskann_memory, diskann_codes), peers)
    files = text_files(texts)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(work) if work else Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        kept = Kept(folder, rebuild, progress)
        measuring = Measuring(kept, found, rounds, two_threads, again, Path(made), progress)
        rows: list[Row] = []
        told = []
        for name in _names(sets):
            for size in [0] if name == "tokens" else numbers(sizes):
                if not set(wanted) - {"growth"}:
                    continue
                one = prepare(name, size, folder, texts=files, seed=seed, asked=asked, say=progress)
                told.append({"name": one.name, "count": one.count, "dim": one.dim, "checksum": one.checksum})
                rows += measuring.of(one, wanted, seed)
        if "growth" in wanted:
            rows += measuring.distances(numbers(steps), seed)
    config = {
        "sets": told, "parts": list(wanted), "systems": {one.name: {"version": one.version, **one.parameters} for one in found},
        "rounds": rounds, "asked": asked, "texts": [path.name for path in files] or "made-up prose", "k": 10, "threads": 1, "seed": seed, "skipped": skipped + kept.failed,
    }  # fmt: skip
    return Result(
        "index", ", ".join(f"{one['name']} {one['count']:,} ({one['checksum']})" for one in told) or "uniform", config, rows
    )


class Measuring:
    """Measures parts, and keeps their rows in the work folder by all that they depend on."""

    def __init__(
        self, kept: Kept, found: list[System], rounds: int, two: bool, again: bool, scratch: Path, say: Callable[[str], None]
    ) -> None:
        self.kept, self.found, self.rounds, self.two, self.again, self.scratch, self.say = (
            kept,
            found,
            rounds,
            two,
            again,
            scratch,
            say,
        )

    def of(self, one: VectorSet, wanted: Sequence[str], seed: int) -> list[Row]:
        """The rows of a set."""
        rows: list[Row] = []
        if "curves" in wanted:
            rows += self._once(
                "curves", one, lambda: curves.measure(
                    one, self.found, self.kept, rounds=self.rounds, two_threads=self.two, say=self.say, scratch=self.scratch
                )
            )  # fmt: skip
        if "filters" in wanted:
            rows += self._once(
                "filters", one, lambda: filters.measure(
                    one, self.found, self.kept, rounds=self.rounds, seed=seed, say=self.say, scratch=self.scratch
                )
            )  # fmt: skip
        if "updates" in wanted:
            rows += self._once(
                "updates", one, lambda: updates.measure(one, self.found, seed=seed, say=self.say, scratch=self.scratch)
            )
        return rows

    def distances(self, steps: list[int], seed: int) -> list[Row]:
        """The rows of growth on uniform data."""
        return self._once(f"growth {steps} {seed}", None, lambda: growth.measure(steps, seed=seed, say=self.say))

    def _once(self, part: str, one: VectorSet | None, measure: Callable[[], list[Row]]) -> list[Row]:
        systems = [[other.name, other.version, dict(other.parameters), list(map(dict, other.settings))] for other in self.found]
        key = json.dumps([part, one.checksum if one else "", systems, self.rounds, self.two], sort_keys=True)
        name = f"{part.split()[0]}-{one.name if one else 'uniform'}-{one.count if one else 'all'}"
        path = self.kept.work / "rows" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"
        if path.exists() and not self.again:
            self.say(f"index: {name} is there already ({path.name})")
            return curves.from_json(path.read_text())
        rows = measure()
        path.parent.mkdir(exist_ok=True)
        path.write_text(curves.as_json(rows))
        return rows


def _known(M: int, ef_construction: int, diskann: str, diskann_memory: float, diskann_codes: int) -> dict[str, System]:
    return systems(M, ef_construction, diskann, diskann_memory, diskann_codes)


def _names(given: Sequence[str] | str) -> list[str]:
    """Names from a list, or from text with commas."""
    return [one.strip() for one in given.split(",")] if isinstance(given, str) else list(given)


def numbers(given: Sequence[int | str] | int | str) -> list[int]:
    """Sizes in ascending order, from numbers or from words such as 30k and 1m.

    >>> numbers("170k,30k,1m")
    [30000, 170000, 1000000]
    """
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else given
    found = set()
    for part in parts:
        text = str(part).strip().lower()
        unit = UNITS.get(text[-1:], 1)
        try:
            found.add(int(float(text[:-1] if unit > 1 else text) * unit))
        except ValueError:
            raise InputError(f"sizes are numbers such as 30000, 30k or 1m, not {part!r}") from None
    if min(found, default=0) < 100:
        raise InputError(f"sizes are at least 100, not {given!r}")
    return sorted(found)
