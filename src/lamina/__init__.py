"""Lamina: the memory hierarchy of language models and agents, in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.asynchronous import AsyncMemory
    from lamina.memory import Memory
    from lamina.records import Filter, Hit, Item, Recall

__version__ = "0.1.0"
__all__ = ["AsyncMemory", "Filter", "Hit", "Item", "Memory", "Recall", "__version__"]

_HOMES = {
    "AsyncMemory": "lamina.asynchronous",
    "Filter": "lamina.records",
    "Hit": "lamina.records",
    "Item": "lamina.records",
    "Memory": "lamina.memory",
    "Recall": "lamina.records",
}


def __getattr__(name: str) -> Any:  # PEP 562: `import lamina` costs nothing until a name is used
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
