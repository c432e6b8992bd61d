"""Opening the memory that a command names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli.output import clean
from lamina.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from lamina import Memory
    from lamina.records import Run


def path_of(file: str | None) -> str:
    """The path of FILE: the word itself, else the setting `LAMINA_PATH`, else "lamina.db"."""
    from lamina.config import load_config

    return load_config(path=file).path


@contextmanager
def opened(file: str | None, *, make: bool = False, run: Run | None = None, **settings: Any) -> Iterator[Memory]:
    """The memory in FILE, closed afterwards. Only with `make` is a file made that is not there; `settings` are those of `Memory`."""
    from lamina.memory import Memory

    path = path_of(file)
    if path == ":memory:":
        raise InputError("':memory:' is gone when the command ends: name a file")
    if not make and not Path(path).exists():
        raise NotFoundError(
            f"{clean(path)} does not exist: name the memory file first, or make one with 'lamina add FILE TEXT' or 'lamina ingest FILE PATH'"
        )
    with Memory(path, run=run, **settings) as memory:
        yield memory


def elsewhere(memory: Memory, scope: str) -> str:
    """What to say when nothing is found in a scope, so that nobody looks for what is in another one."""
    from lamina.scopes import covers

    others = [one for one in memory.scopes() if not covers(scope, one)]
    if not others:
        return "nothing found"
    named = ", ".join(repr(one) if one else "no scope" for one in others[:3]) + (", …" if len(others) > 3 else "")
    return f"nothing found here; there is something in other scopes ({named}): use --user, --tenant or --agent, or --scope '*' for everything"
