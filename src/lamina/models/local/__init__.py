"""Language models that run in this process, on weights that lie on this machine (extra "local"); nothing heavy is imported until one is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.models.local.model import LocalModel

__all__ = ["LocalModel"]


def __getattr__(name: str) -> Any:  # PEP 562: the type depends on the name
    if name not in __all__:
        raise AttributeError(f"module 'lamina.models.local' has no attribute {name!r}")
    from lamina.models.local import model

    return getattr(model, name)
