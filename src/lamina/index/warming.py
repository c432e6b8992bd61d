"""Compiling the kernels ahead of time, and throwing away what was kept of them."""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lamina.records import Run

WIDTH: Final = 64  # of the vectors that are searched for the sake of it
COUNT: Final = 300  # … how many: enough for a graph of several layers


def warm(run: Run | None = None, methods: Sequence[str] | None = None, *, anew: bool = False) -> list[str]:
    """Have the kernels of some methods compiled, or read from what was kept of an earlier time; returns the names of the methods.

    Parameters: `run`, progress, and cancellation between two methods; `methods`, names out of `METHODS` (default: all); `anew` throws away first what was
    kept: after a change in the kernels that the compiler does not see. Raises `MissingExtraError` without the extra "index".
    """
    run = run or Run()
    if anew:
        forget_compiled()
    chosen = [name for name in METHODS if methods is None or name in methods]
    for done, name in enumerate(chosen):
        run.report("compiling", done, len(chosen))
        METHODS[name]()
    run.report("compiling", len(chosen), len(chosen))
    return chosen


def kernels() -> Iterator[Any]:
    """The compiled functions of the kernels."""
    package = importlib.import_module("lamina.index.kernels")
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        module = importlib.import_module(found.name)
        for one in vars(module).values():
            if hasattr(one, "py_func") and getattr(one.py_func, "__module__", None) == found.name:
                yield one


def forget_compiled() -> int:
    """Throw away what was kept of compiled kernels on disk; returns how many files that were."""
    count = 0
    for kernel in kernels():
        folder = Path(kernel._cache.cache_path)
        source = kernel.py_func.__module__.rsplit(".", 1)[-1]
        for ending in ("nbi", "nbc"):
            for file in folder.glob(f"{source}.{kernel.py_func.__qualname__}-*.{ending}"):
                file.unlink(missing_ok=True)
                count += 1
    return count


def _graph(form: str) -> None:
    from lamina.index.graphs.guiding import guess
    from lamina.index.hnsw import HNSW

    vectors = _vectors()
    index = HNSW(WIDTH, form=form)
    slots = np.arange(COUNT)
    index.add(slots, vectors)
    for share in (None, 0.5, 0.05):
        allow = None if share is None else np.random.default_rng(0).random(COUNT) < share
        index.search(vectors[:2], 5, allow)
    now = index.snapshot()
    queries = now.form.encode_queries(vectors[:2], False)
    guess(now.form, now.layers.sketched(now.used), queries)  # which only many vectors are searched by
    index.remove(slots[::7])
    index.compact()


def _lists() -> None:
    from lamina.index.spann.spann import SPANN

    vectors = _vectors()
    with tempfile.TemporaryDirectory() as folder:
        index = SPANN(WIDTH, Path(folder))
        index.build(np.arange(COUNT), vectors)
        for allow in (None, np.arange(COUNT) % 2 == 0):
            index.search(vectors[:2], 5, allow)


def _vectors() -> Any:  # float32 (COUNT, WIDTH)
    vectors = np.random.default_rng(0).normal(size=(COUNT, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


METHODS: Final[dict[str, Callable[[], None]]] = {
    "graph of a memory": lambda: _graph("int8"),
    "graph, float32": lambda: _graph("float32"),
    "graph, float16": lambda: _graph("float16"),
    "lists on disk": _lists,
}
"""What can be compiled, by the name of the method that needs it; a view's graph comes first."""
