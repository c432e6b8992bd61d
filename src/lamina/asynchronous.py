"""The facade for asyncio: the methods of `Memory`, each run in a thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from lamina.memory import Memory

P = ParamSpec("P")
R = TypeVar("R")


def _threaded(method: Callable[Concatenate[Memory, P], R]) -> Callable[Concatenate[AsyncMemory, P], Coroutine[Any, Any, R]]:
    """The same method, run in a thread."""

    async def call(self: AsyncMemory, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self.memory, *args, **kwargs)

    call.__name__, call.__doc__ = method.__name__, method.__doc__
    return call


class AsyncMemory:
    """`Memory` for asyncio: every call runs in a thread, writes one after another.

    Parameters are those of `Memory`. The file is opened at once, in the calling thread.

    >>> async def main():
    ...     async with AsyncMemory(":memory:") as memory:
    ...         await memory.add("The kettle is blue.")
    ...         return (await memory.search("what colour is the kettle?"))[0].text
    >>> asyncio.run(main())
    'The kettle is blue.'
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, **settings: Any) -> None:  # those of Memory
        self.memory = Memory(path, **settings)

    add = _threaded(Memory.add)
    add_many = _threaded(Memory.add_many)
    update = _threaded(Memory.update)
    search = _threaded(Memory.search)
    context = _threaded(Memory.context)
    get = _threaded(Memory.get)
    get_all = _threaded(Memory.get_all)
    count = _threaded(Memory.count)
    zoom = _threaded(Memory.zoom)
    history = _threaded(Memory.history)
    explain = _threaded(Memory.explain)
    connections = _threaded(Memory.connections)
    explain_history = _threaded(Memory.explain_history)
    topics = _threaded(Memory.topics)
    portraits = _threaded(Memory.portraits)
    biographies = _threaded(Memory.biographies)
    facts = _threaded(Memory.facts)
    read_command = _threaded(Memory.read_command)
    feedback = _threaded(Memory.feedback)
    learn = _threaded(Memory.learn)
    unlearn = _threaded(Memory.unlearn)
    ranker = _threaded(Memory.ranker)
    forget = _threaded(Memory.forget)
    restore = _threaded(Memory.restore)
    reinforce = _threaded(Memory.reinforce)
    delete = _threaded(Memory.delete)
    delete_all = _threaded(Memory.delete_all)
    erase = _threaded(Memory.erase)
    consent = _threaded(Memory.consent)
    consents = _threaded(Memory.consents)
    scrub = _threaded(Memory.scrub)
    consolidate = _threaded(Memory.consolidate)
    rebuild = _threaded(Memory.rebuild)
    undo = _threaded(Memory.undo)
    build_index = _threaded(Memory.build_index)
    flush = _threaded(Memory.flush)
    export = _threaded(Memory.export)
    import_ = _threaded(Memory.import_)
    backup = _threaded(Memory.backup)
    doctor = _threaded(Memory.doctor)
    stats = _threaded(Memory.stats)
    profile = _threaded(Memory.profile)
    scopes = _threaded(Memory.scopes)
    close = _threaded(Memory.close)

    async def __aenter__(self) -> AsyncMemory:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()
