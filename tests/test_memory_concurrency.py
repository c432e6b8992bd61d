"""One memory used by many threads, by asyncio, and across a fork."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from lamina import AsyncMemory, Memory
from lamina.errors import ClosedError
from lamina.records import Run
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import everything


@pytest.mark.parametrize("kind", ["file", "ram"])
def test_many_threads_use_one_memory(tmp_path: Path, kind: str) -> None:
    failures: list[BaseException] = []
    with Memory(tmp_path / "a.db" if kind == "file" else ":memory:", embedder=WordEmbedder()) as memory:

        def work(number: int) -> None:
            try:
                for line in range(25):
                    id = memory.add(f"thread {number} line {line} about pears", user=f"u{number % 2}", session=f"s{number}")[0]
                    memory.search("pears", user=f"u{number % 2}")
                    if line % 5 == 0:
                        memory.forget(id)
                        memory.restore(id)
                    if line % 7 == 0:
                        memory.delete(id)
                    if line % 10 == 0:
                        memory.consolidate()
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert memory.count(scope="*", kinds="trace") == 8 * (25 - 4)
        assert memory.doctor() == []


def test_asyncio_tasks_write_and_read_together(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncMemory(tmp_path / "a.db", embedder=WordEmbedder()) as memory:
            ids = await asyncio.gather(*(memory.add(f"line {number} about pears", session="s") for number in range(60)))
            assert len({id for some in ids for id in some}) == 60
            found = await asyncio.gather(*(memory.search(f"line {number} about pears", k=60) for number in range(10)))
            assert all(len(hits) == 60 for hits in found)
            await asyncio.gather(memory.consolidate(), memory.add("one more"), memory.stats(), memory.doctor())
            assert await memory.count(kinds="trace") == 61
            assert await memory.doctor() == []
        await memory.close()
        with pytest.raises(ClosedError):
            await memory.add("x")

    asyncio.run(main())


def test_the_event_loop_goes_on_while_a_memory_works(tmp_path: Path) -> None:
    async def main() -> int:
        turns = 0
        async with AsyncMemory(tmp_path / "a.db", embedder=WordEmbedder(instant=False, seconds=0.3)) as memory:
            await memory.add("hello")
            flush = asyncio.create_task(memory.flush())
            while not flush.done():
                await asyncio.sleep(0.01)
                turns += 1
        return turns

    assert asyncio.run(main()) >= 5


def test_every_method_of_a_memory_can_be_awaited() -> None:
    methods = {name for name, value in vars(Memory).items() if callable(value) and not name.startswith("_")}
    assert methods <= set(vars(AsyncMemory))


def test_a_forked_child_and_its_parent_go_on_with_ids_of_their_own(tmp_path: Path, clock: Clock) -> None:
    """The clock stands still, so that ids made after the fork would be the same if they were simply counted on."""
    with Memory(tmp_path / "a.db", embedder=WordEmbedder(), run=Run(clock=clock)) as memory:
        memory.add("before the fork")
        memory.search("fork")
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                memory.add_many([f"child {number}" for number in range(20)])
                memory.search("fork")
                memory.flush()
                status = 0 if memory.count() >= 21 else 2
                memory.close()
            finally:
                os._exit(status)
        memory.add_many([f"parent {number}" for number in range(20)])
        _, status = os.waitpid(pid, 0)
        assert status == 0
        assert len(everything(memory)) == 41
        assert len(memory.search("child", k=50)) >= 20
        assert memory.doctor() == []


def test_a_fork_while_the_embedder_is_at_work_leaves_the_child_able_to_embed(tmp_path: Path) -> None:
    embedder = WordEmbedder(instant=False, seconds=0.5)
    with Memory(tmp_path / "a.db", embedder=embedder) as memory:
        memory.add("before the fork")
        assert embedder.called.wait(10)  # the parent's thread holds its lock now
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                signal.alarm(5)  # waiting for a thread that is not there would last for ever
                embedder.seconds = 0
                memory.add("in the child")
                memory.search("the child")
                memory.flush()
                status = 0 if not memory.stats()["pending_embeddings"] else 3
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert status == 0
