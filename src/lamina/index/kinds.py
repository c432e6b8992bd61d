"""The kinds of vector index by name: how one is made, recognised and opened. Nothing is imported before a kind is wanted."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lamina.errors import InputError


@dataclass(frozen=True)
class Kind:
    """Where a kind of index lives, and which of its settings are needed to make it again before its file is loaded.

    Of these `arrays` stand in its file and are not told beside it. `opens` says that the class opens a file by itself (`open(path, mapped)`),
    settings and all; `snapshots`, that searches and one writer need not wait for each other.
    """

    home: str
    name: str
    settings: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    opens: bool = False
    snapshots: bool = False

    def load(self) -> Any:  # Any: a class that fulfils VectorIndex
        """The class."""
        return getattr(importlib.import_module(self.home), self.name)


KINDS: Final[Mapping[str, Kind]] = {
    "exact": Kind("lamina.index.flat", "FlatIndex"),
    "hnsw": Kind("lamina.index.hnsw", "HNSW", opens=True, snapshots=True),
    "spann": Kind("lamina.index.spann.spann", "SPANN", opens=True, snapshots=True),
    "lsh": Kind(
        "lamina.index.lsh", "MultiProbeLSH", ("buckets", "probes", "tables", "seed", "limit", "fingerprint"), ("centre",)
    ),
    "usearch": Kind(
        "lamina.index.approximate",
        "UsearchIndex",
        ("crossover", "connectivity", "expansion_add", "expansion_search", "reach", "threads"),
    ),
}
"""Every kind of index, by the name that files and commands know it by."""


def make_index(kind: str, dim: int, **options: Any) -> Any:  # Any: what fulfils VectorIndex, and more by its kind
    """An empty index of a kind. Raises `InputError` for another kind, or options that it does not have.

    >>> make_index("exact", 3).dim
    3
    """
    found = _kind(kind).load()
    try:
        return found(dim, **options)
    except TypeError as error:
        raise InputError(f"an index of kind {kind!r} cannot be made with {', '.join(sorted(options))}: {error}") from None


def open_index(kind: str, dim: int, settings: Mapping[str, Any], path: Path, mapped: bool = False) -> Any:  # Any: as above
    """The index in a file that its `save` wrote."""
    found = _kind(kind)
    if found.opens:
        return found.load().open(path, mapped=mapped)
    index = make_index(kind, dim, **settings)
    index.load(path)
    return index


def kind_of(index: object) -> str:
    """The name of an index's kind. Raises `InputError` for anything else.

    >>> kind_of(make_index("exact", 3))
    'exact'
    """
    for name, kind in KINDS.items():
        if (type(index).__module__ + ".").startswith(kind.home + ".") and type(index).__name__ == kind.name:
            return name
    raise InputError(f"{type(index).__name__} is none of the kinds of index: {', '.join(KINDS)}")


def settings_of(index: object) -> dict[str, Any]:
    """What `make_index` is to be given to make an index like this one (nothing where a file says it all)."""
    return {name: getattr(index, name) for name in KINDS[kind_of(index)].settings}


def empty_like(index: Any) -> Any:  # Any: as above
    """An empty index of the same kind and settings (of kinds whose settings are known here)."""
    arrays = {name: getattr(index, name) for name in KINDS[kind_of(index)].arrays}
    return make_index(kind_of(index), index.dim, **settings_of(index), **arrays)


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise InputError(f"an index is of kind {', '.join(KINDS)}, not {name!r}")
    return KINDS[name]
