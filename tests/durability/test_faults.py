"""An operation that fails at any of its writes has done nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lamina import Memory
from lamina.errors import StoreFullError
from lamina.records import Run
from lamina.storage.sqlite.connection import Connection
from tests.conftest import Clock
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import derived, derived_at_once, everything, links, unsourced


class Fault:
    """Counts writes, and lets the chosen one fail as on a full disk."""

    def __init__(self) -> None:
        self.count = 0
        self.failing: int | None = None

    def step(self) -> None:
        self.count += 1
        if self.count == self.failing:
            raise StoreFullError("the fault of this test")


@contextmanager
def faulty() -> Iterator[Fault]:
    fault = Fault()
    execute, execute_many = Connection.execute, Connection.execute_many
    with pytest.MonkeyPatch.context() as patch:

        def one(self: Connection, statement: str, parameters: Sequence[Any] = ()) -> Any:
            fault.step()
            return execute(self, statement, parameters)

        def many(self: Connection, statement: str, parameters: Any) -> int:
            rows = list(parameters)
            if rows:
                fault.step()
            return execute_many(self, statement, rows)

        patch.setattr(Connection, "execute", one)
        patch.setattr(Connection, "execute_many", many)
        yield fault


def _prepared(embedder: WordEmbedder) -> tuple[Memory, list[str]]:
    memory = Memory(":memory:", embedder=embedder, run=Run(clock=Clock(1_767_268_800_000_000)))
    ids = memory.add([f"line {number} about butter and rain" for number in range(6)], user="ana", session="s")
    memory.forget(ids[5])
    ids[4] = memory.update(ids[4], "corrected")
    memory.consolidate()
    return memory, ids


OPERATIONS: dict[str, Callable[[Memory, list[str], Path], Any]] = {
    "add": lambda memory, ids, export: memory.add(["one", "two", "three"], user="ana", session="s", origin="o"),
    "add a long message": lambda memory, ids, export: memory.add("word " * 5000, user="ana", session="s"),
    "delete": lambda memory, ids, export: memory.delete([ids[0], ids[2], ids[4]]),
    "delete all": lambda memory, ids, export: memory.delete_all(user="ana"),
    "delete an episode": lambda memory, ids, export: memory.delete(sorted(derived(memory))[0]),
    "forget": lambda memory, ids, export: memory.forget(ids[:3], reason="asked to"),
    "restore": lambda memory, ids, export: memory.restore(ids[5]),
    "update": lambda memory, ids, export: memory.update(ids[1], "word " * 5000),
    "import": lambda memory, ids, export: memory.import_(export),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_done_wholly_or_not_at_all_wherever_it_fails(tmp_path: Path, name: str) -> None:
    export = tmp_path / "other.jsonl"
    with Memory(":memory:", embedder=WordEmbedder(instant=False)) as other:
        other.add(["we sang", "we danced"], user="ben", session="s")
        other.consolidate()
        other.export(export)
    embedder = WordEmbedder(instant=False)
    memory, ids = _prepared(embedder)
    embedder.seconds = 0.05  # the background thread is not to write in between
    before, before_links = everything(memory), links(memory)
    failing = 0
    while True:
        failing += 1
        with faulty() as fault:
            fault.failing = failing
            try:
                OPERATIONS[name](memory, ids, export)
            except StoreFullError:
                pass
            else:
                break
        assert everything(memory) == before, f"it failed at write {failing} and left something behind"
        assert links(memory) == before_links
        assert memory.doctor() == []
    assert failing > 2
    assert everything(memory) != before
    assert memory.doctor() == []
    assert unsourced(memory) == []
    memory.consolidate()
    assert derived(memory) == derived_at_once(memory)
    memory.close()


@pytest.mark.parametrize("name", ["consolidate", "rebuild"])
def test_a_stage_that_fails_anywhere_is_run_again_without_doubling_anything(name: str) -> None:
    failing = 0
    while True:
        failing += 1
        memory, ids = _prepared(WordEmbedder())
        memory.add(["a train to Porto", "it was late"], user="ana", session="s")
        memory.add(["a train to Porto", "it was late"], user="ben", session="s")
        memory.delete(ids[0])
        memory.flush()
        with faulty() as fault:
            fault.failing = failing
            failed = True
            try:
                memory.consolidate() if name == "consolidate" else memory.rebuild()
                failed = False
            except StoreFullError:
                pass
        assert unsourced(memory) == []
        assert memory.doctor() == []
        memory.consolidate()
        assert derived(memory) == derived_at_once(memory)
        memory.close()
        if not failed:
            break
    assert failing > 5
