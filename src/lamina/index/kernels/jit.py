"""How kernels are compiled: once, kept on disk beside their source or in the user's cache folder, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from lamina.errors import MissingExtraError

try:
    import numba
except ImportError:
    raise MissingExtraError.for_extra("index", "searching in graphs and in lists on disk", "numba") from None

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """A function compiled when it is first called with arguments of some type.

    Sums of floating-point numbers may be reordered. Compiled code is kept by the state of the file that the function stands in alone: after a
    change in another file that it calls into, `lamina warm --anew` throws the kept code away.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": True, "boundscheck": False, "error_model": "numpy"}
    made: F
    try:
        made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # nowhere to keep it: compiled anew by every process
        made = numba.njit(**options)(function)
    return made
