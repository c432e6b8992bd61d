"""What every benchmark gives: rows of metrics, with what they were measured on and how."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lamina
from lamina.errors import InputError

Metrics = Mapping[str, float]
"""Fractions in [0, 1], or with the unit in the key (`seconds`, `bytes`, `per_second`, `points`)."""


@dataclass(frozen=True)
class Row:
    """One system's metrics; `by` has the same for slices of the data."""

    system: str
    metrics: Metrics
    by: Mapping[str, Metrics] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A benchmark's outcome in the common form; `config` is plain JSON, so its values are of any type."""

    benchmark: str
    data: str
    config: Mapping[str, Any]
    rows: Sequence[Row]
    environment: Mapping[str, Any] = field(default_factory=lambda: environment())

    def row(self, system: str) -> Row:
        """The row of a system; raises `InputError` where there is none."""
        for row in self.rows:
            if row.system == system:
                return row
        raise InputError(f"there is no row {system!r}: the rows are {', '.join(row.system for row in self.rows)}")

    def as_json(self) -> dict[str, Any]:
        """The result as plain JSON."""
        form = asdict(self)
        return {name: form[name] for name in ("benchmark", "data", "config", "environment", "rows")}

    def write(self, path: Path) -> None:
        """Write the result as a JSON file."""
        path.write_text(json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def environment() -> dict[str, Any]:
    """What the figures depend on beside the code: versions and the kind of machine, no names of it."""
    import numpy as np

    return {
        "lamina": lamina.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "numpy": np.__version__,
        "system": sys.platform,
        "machine": platform.machine(),
        "cores": os.cpu_count() or 1,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def fingerprint(path: Path) -> str:
    """A data file's name and the start of its SHA-256: what was measured on, without where it lies."""
    return f"{path.name} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]})"


def find_data(data: Path | None, folder: str, pattern: str) -> Path | None:
    """The one file that matches a pattern in `data` or `LAMINA_DATA` (a file, a folder, or a folder with `folder` in it).

    None where neither is given, or nothing matches; raises `InputError` where a given path does not exist or several match.
    """
    named = data if data is not None else Path(os.environ["LAMINA_DATA"]) if os.environ.get("LAMINA_DATA") else None
    if named is None:
        return None
    if named.is_file():
        return named
    if not named.is_dir():
        raise InputError(f"the data {named} is not there: check --data or LAMINA_DATA")
    for place in (named, named / folder):
        found = sorted(place.glob(pattern)) if place.is_dir() else []
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"{place} has {len(found)} files {pattern}: name one of them")
    return None
