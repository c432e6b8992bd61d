"""The systems that are compared, and the settings each is asked at."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import lamina
from lamina.errors import InputError

EF: Final = tuple({"ef": ef} for ef in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512))
LISTS: Final = tuple({"lists": lists} for lists in (4, 8, 16, 32, 64, 128, 256, 512, 1024))
PROBES: Final = tuple(
    {"probes": probes, "patience": 0} for probes in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
)
PATIENCE: Final = tuple({"probes": 256, "patience": patience} for patience in (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96))
QUICK: Final = tuple({"probes": probes, "patience": 0, "candidates": 64} for probes in (3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96))
RATIO: Final = tuple(
    {"probes": 512, "patience": 0, "ratio": ratio} for ratio in (1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5)
)
BUCKETS: Final = tuple({"probes": probes} for probes in (1, 2, 4, 8, 16, 32, 64, 128))
COMPLEXITY: Final = tuple({"complexity": one} for one in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256))

OURS: Final = "lamina.bench.indexes.ours"
OTHERS: Final = "lamina.bench.indexes.others"
DISKANN: Final = "diskann"


@dataclass(frozen=True)
class System:
    """One index at one setting of building.

    Parameters: `name`; `module` and `kind`, the adapter; `parameters`, what it is made with; `settings`, what it is asked at, from quick to thorough;
    `package`, that has to be installed; `built_as`, the system whose files it opens; `python`, the interpreter where it is another one.
    """

    name: str
    module: str
    kind: str
    settings: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    package: str = "numba"
    built_as: str = ""
    python: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is of this library."""
        return self.module == OURS

    @property
    def version(self) -> str:
        """What was built is used again by the same version alone."""
        if self.ours:
            return lamina.__version__
        if self.python:
            return self.package
        return version(self.package)

    def command(self) -> list[str]:
        """How its process is started."""
        arguments = [self.module, self.kind, json.dumps(dict(self.parameters))]
        if self.python:
            return [self.python, str(Path(__file__).with_name("child.py")), *arguments]
        return [sys.executable, "-m", "lamina.bench.indexes.child", *arguments]

    def missing(self) -> str:
        """Why it cannot be measured here; nothing where it can."""
        if self.module == DISKANN:
            if not self.python:
                return "no interpreter named that has it (diskann=PYTHON)"
            return "" if Path(self.python).exists() else f"there is no {self.python}"
        try:
            version(self.package)
        except PackageNotFoundError:
            return "" if find_spec(self.package) is not None else f"{self.package} is not installed"
        return ""


def systems(
    M: int = 16, ef_construction: int = 200, diskann: str = "", diskann_memory: float = 0.14, diskann_codes: int = 32
) -> dict[str, System]:
    """All systems by name.

    >>> list(systems())[:3]
    ['lamina-exact', 'lamina-hnsw', 'lamina-hnsw-float16']
    """
    graph = {"M": M, "ef_construction": ef_construction}
    every = [
        System("lamina-exact", OURS, "Exact", ({},), package="numpy"),
        System("lamina-hnsw", OURS, "Graph", EF, {**graph, "form": "float32"}),
        System("lamina-hnsw-float16", OURS, "Graph", EF, {**graph, "form": "float16"}),
        System("lamina-hnsw-int8", OURS, "Graph", EF, {**graph, "form": "int8"}),
        System("lamina-spann", OURS, "Disk", PROBES),
        System("lamina-spann-pruned", OURS, "Disk", PATIENCE, built_as="lamina-spann"),
        System("lamina-spann-quick", OURS, "Disk", QUICK, built_as="lamina-spann"),
        System("lamina-spann-ratio", OURS, "Disk", RATIO, built_as="lamina-spann"),
        System("lamina-spann-single", OURS, "Disk", PROBES, {"replicas": 1}),
        System("lamina-spann-nearest", OURS, "Disk", PROBES, {"rule": False}),
        System("lamina-lsh", OURS, "Lsh", BUCKETS, package="numpy"),
        System("hnswlib", OTHERS, "Hnswlib", EF, graph, "hnswlib"),
        System("usearch", OTHERS, "Usearch", EF, graph, "usearch"),
        System("faiss-hnsw", OTHERS, "Faiss", EF, {**graph, "kind": "hnsw"}, "faiss-cpu"),
        System("faiss-ivf", OTHERS, "Faiss", LISTS, {"kind": "ivf"}, "faiss-cpu"),
        System(
            "diskann",
            DISKANN,
            "DiskANN",
            COMPLEXITY,
            {"share": diskann_memory, "codes": diskann_codes},
            "diskannpy",
            python=diskann,
        ),
    ]
    return {one.name: one for one in every}


USUAL: Final = (
    "lamina-exact", "lamina-hnsw", "lamina-hnsw-float16", "lamina-hnsw-int8", "lamina-spann", "lamina-spann-pruned", "lamina-lsh",
    "hnswlib", "usearch", "faiss-hnsw", "faiss-ivf", "diskann",
)  # fmt: skip
"""What is measured unless others are named."""


def chosen(names: Sequence[str], known: Mapping[str, System], peers: bool) -> tuple[list[System], list[str]]:
    """The systems of these names that can be measured here, and why others cannot; raises `InputError` for an unknown name."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"{', '.join(unknown)} is no system of this benchmark: use {', '.join(known)}")
    found, skipped = [], []
    for name in names:
        why = known[name].missing() if known[name].ours or peers else "not asked for"
        if why:
            skipped.append(f"{name}: {why}")
        else:
            found.append(known[name])
    return found, skipped
