"""Finding things: vectors, terms, and the in-memory view of a scope that recall works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.index.approximate import UsearchIndex
    from lamina.index.collection import Collection
    from lamina.index.flat import FlatIndex
    from lamina.index.hnsw import HNSW
    from lamina.index.lsh import MultiProbeLSH
    from lamina.index.spann.spann import SPANN

__all__ = ["HNSW", "SPANN", "Collection", "FlatIndex", "MultiProbeLSH", "UsearchIndex"]

_HOMES = {
    "Collection": "lamina.index.collection",
    "FlatIndex": "lamina.index.flat",
    "HNSW": "lamina.index.hnsw",
    "MultiProbeLSH": "lamina.index.lsh",
    "SPANN": "lamina.index.spann.spann",
    "UsearchIndex": "lamina.index.approximate",
}


def __getattr__(name: str) -> Any:  # PEP 562: nothing is compiled or loaded before a name is used
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina.index' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
