"""The command `lamina demo`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.errors import InputError

if TYPE_CHECKING:
    from lamina import Memory
    from lamina.cli.demo.material import Material


def demo(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Where to keep the demo's memory. [default: nowhere]", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what comes back for all questions.")] = False,
    budget: Annotated[int, typer.Option("--budget", "-b", min=50, help="Tokens of the context that is shown.")] = 300,
    compare: Annotated[
        bool, typer.Option("--compare/--no-compare", help="Measure all questions against other ways, or only show some.")
    ] = True,
) -> None:
    """Show what a memory does, on a conversation that ships with the package.

    Reads in 403 messages of several people over nine months, builds the layers above them, asks questions and marks whether the
    messages that hold the answers come back, and counts what that costs. No key, no network, no language model.
    """
    began = time.monotonic()
    from lamina.cli.demo.material import load_material
    from lamina.cli.demo.telling import Telling
    from lamina.cli.output import console

    material = load_material()
    out = console()
    with _memory(file, material) as memory:
        telling = Telling(memory, material, console(width=min(out.width, 110)), began)
        telling.opening()
        telling.reading()
        telling.layers()
        telling.questions(everything)
        telling.change()
        telling.context(budget)
        if compare:
            telling.recall()
            telling.tokens()
        telling.closing(file)


@contextmanager
def _memory(file: str | None, material: Material) -> Iterator[Memory]:
    """The memory of the demo: in FILE, or in a folder that goes again."""
    from lamina.memory import Memory

    if file is not None:
        with Memory(file) as memory:
            _check_free(memory, file)
            yield memory
        return
    with tempfile.TemporaryDirectory(prefix="lamina-demo-") as folder, Memory(Path(folder) / "demo.db") as memory:
        yield memory


def _check_free(memory: Memory, file: str) -> None:
    """Refuse a file in which something else is remembered."""
    from lamina.cli.demo.material import ORIGIN
    from lamina.records import Filter

    where = Filter(scope="*", kinds=("trace",), forgotten=True, stale=True, retired=True)
    if any(not (item.origin or "").startswith(ORIGIN) for item in memory.store.items.each(where)):
        raise InputError(f"{file} holds other memories: name a new file for the demo")
