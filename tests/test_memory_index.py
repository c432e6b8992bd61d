"""Large scopes under `Memory`: a graph in the background, files beside the store, a budget of bytes, deletion that reaches them all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import AsyncMemory, Memory
from lamina.errors import BudgetError, Cancelled, ConfigError
from lamina.index import background, beside, planned
from lamina.index.planned import PlannedIndex
from lamina.index.scattered import FileRows
from lamina.records import Run
from lamina.storage.index_files import LOCK, index_folder
from tests.index.test_beside import bytes_of, holds
from tests.keeping.embedders import WordEmbedder

ROOT = Path(__file__).resolve().parents[1]
WORDS = (
    "boat sea storm port sail mast rope tide gull crew map star wind salt deck oar bell lamp crate fog reef dock wave net".split()
)
FEW = 100  # vectors from which these tests have a graph


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that takes large scopes happens in small ones."""
    monkeypatch.setattr(planned, "CROSSOVER", FEW)
    monkeypatch.setattr(beside, "LEAST", 50)
    monkeypatch.setattr(background, "LINGER", 0.0)
    monkeypatch.setattr(planned, "LEAST_PENDING", 20)


def messages(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    chance = np.random.default_rng(seed)
    for number in range(count):
        yield {"content": " ".join(chance.choice(WORDS, 6)) + f" number {seed}x{number}", "session": f"s{number // 20}"}


def memory_at(folder: Path, count: int = 0, **settings: Any) -> Memory:
    memory = Memory(folder / "a.db", embedder=WordEmbedder(), **settings)
    if count:
        memory.add_many(messages(count))
        memory.flush()
    return memory


def found(memory: Memory, cue: str = "a storm at sea near the reef", k: int = 10) -> list[str]:
    return [hit.text for hit in memory.search(cue, k=k)]


def plan(memory: Memory, scope: str = "") -> dict[str, Any]:
    (one,) = [one for one in memory.stats(scope=scope)["index"] if one["scope"] == scope]
    return one


def files(folder: Path) -> list[str]:
    place = index_folder(folder / "a.db")
    return sorted(path.suffix for path in place.iterdir() if path.name != LOCK) if place.exists() else []


# ---------------------------------------------------------------------------------------------------------- a graph
def test_below_the_crossover_recall_is_what_exact_recall_is(tmp_path: Path) -> None:
    with memory_at(tmp_path, FEW - 1) as memory:
        auto = [(hit.text, hit.score) for hit in memory.search("a storm at sea", k=30)]
        assert plan(memory)["plan"] == "exact"
    with Memory(tmp_path / "a.db", embedder=WordEmbedder(), index="exact") as memory:
        assert [(hit.text, hit.score) for hit in memory.search("a storm at sea", k=30)] == auto


def test_a_large_scope_gets_a_graph_in_the_background_and_answers_at_once(tmp_path: Path) -> None:
    with memory_at(tmp_path, 300) as memory:
        first = found(memory)
        assert memory._views.wait()
        told = plan(memory)
        assert (told["plan"], told["state"], told["vectors"], told["pending"]) == ("graph", "ready", 300, 0)
        assert told["recall"] > 0.9
        assert told["bytes"] > 0
        assert memory._views.get("").flat.approximate
        assert len(set(found(memory)) & set(first)) >= 9
        memory.add("the newest thing is a purple heron")
        assert found(memory, "purple heron", 1) == ["the newest thing is a purple heron"]


def test_consolidate_and_build_index_leave_nothing_waiting(tmp_path: Path) -> None:
    with memory_at(tmp_path, 150) as memory:
        told = memory.build_index()
        assert (told["state"], told["pending"], told["kept"]) == ("ready", 0, True)
        memory.add_many(messages(40, seed=1))
        memory.flush()
        found(memory)
        memory.consolidate()
        assert plan(memory)["pending"] == 0
    assert files(tmp_path) == [".graph", ".view"]


def test_building_can_be_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LINGER", 60.0)
    monkeypatch.setattr(planned, "CHUNK", 20)
    with memory_at(tmp_path, 150) as memory:
        with pytest.raises(Cancelled):
            memory.build_index(run=Run(cancelled=lambda: True))
        assert plan(memory)["state"] == "exact"
        seen: list[tuple[str, int, int]] = []
        memory.build_index(run=Run(progress=lambda *told: seen.append(told)))
        assert ("indexing", 150, 150) in seen


def test_the_methods_can_be_chosen(tmp_path: Path) -> None:
    with memory_at(tmp_path, 150, index="exact") as memory:
        found(memory)
        assert plan(memory)["plan"] == "exact"
        assert plan(memory, "acme")["state"] == "not opened"
    with memory_at(tmp_path, index="hnsw") as memory:
        assert memory.build_index()["plan"] == "graph"
    with pytest.raises(ConfigError, match="index must be"):
        Memory(tmp_path / "a.db", embedder=WordEmbedder(), index="annoy")


async def _threaded(folder: Path) -> dict[str, Any]:
    async with AsyncMemory(folder / "a.db", embedder=WordEmbedder()) as memory:
        return await memory.build_index()


def test_the_asynchronous_memory_builds_too(tmp_path: Path) -> None:
    import asyncio

    memory_at(tmp_path, 120).close()
    assert asyncio.run(_threaded(tmp_path))["state"] == "ready"


def test_scopes_have_an_index_each(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        memory.add_many(messages(150), user="ana")
        memory.add_many(messages(30, seed=1), user="ben")
        memory.flush()
        assert memory.build_index(user="ana")["plan"] == "graph"
        assert memory.build_index(user="ben")["plan"] == "exact"
        assert memory.build_index(scope="*")["vectors"] == 180
        assert all("1x" in hit.text for hit in memory.search("storm", user="ben"))


def test_forgetting_hides_and_restoring_shows_without_touching_the_graph(tmp_path: Path) -> None:
    with memory_at(tmp_path, 150) as memory:
        memory.build_index()
        hit = memory.search("a storm at sea", k=1)[0]
        memory.forget(hit.id)
        assert hit.text not in found(memory, "a storm at sea", 150)
        assert plan(memory)["pending"] == 0
        memory.restore(hit.id)
        assert found(memory, "a storm at sea", 1) == [hit.text]


# ---------------------------------------------------------------------------------------------------------- files
def test_opened_again_the_view_and_its_graph_come_from_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with memory_at(tmp_path, 300) as memory:
        memory.build_index()
        before = found(memory)
    read: list[str] = []
    monkeypatch.setattr("lamina.index.view.ScopeView._read_vectors", lambda self, upto: read.append("vectors"))
    monkeypatch.setattr(PlannedIndex, "_tune", lambda self, run: read.append("tuned"))
    with memory_at(tmp_path) as memory:
        assert found(memory) == before
        assert memory._views.wait()
        told = plan(memory)
        assert (told["state"], told["pending"]) == ("ready", 0)
        assert told["recall"] is not None
        assert found(memory) == before
    assert read == []


def test_several_processes_share_the_files(tmp_path: Path) -> None:
    with memory_at(tmp_path, 300) as writer, memory_at(tmp_path, read_only=True) as reader:
        writer.build_index()
        assert found(reader) == found(writer)
        assert reader._views.wait()
        assert plan(reader)["state"] == "ready"
        writer.add("a purple heron on the mast")
        writer.flush()
        for one in (writer, reader):
            assert found(one, "purple heron", 1) == ["a purple heron on the mast"]
        ids = [hit.id for hit in writer.search("a storm at sea", k=40)]
        writer.delete(ids)
        assert not set(ids) & {hit.id for hit in reader.search("a storm at sea", k=300)}
        names = files(tmp_path)
    assert files(tmp_path) == names


def test_read_only_memories_write_nothing(tmp_path: Path) -> None:
    memory_at(tmp_path, 30).close()
    assert files(tmp_path) == []
    with memory_at(tmp_path) as memory:
        memory.add_many(messages(200, seed=3))
    before = files(tmp_path)
    with memory_at(tmp_path, read_only=True) as memory:
        found(memory)
        assert memory.build_index()["state"] == "ready"
    assert files(tmp_path) == before


def test_nothing_is_kept_of_memories_in_ram_and_of_encrypted_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Memory(":memory:", embedder=WordEmbedder()) as memory:
        memory.add_many(messages(150))
        assert memory.build_index()["state"] == "ready"
        memory.consolidate()
    assert list(tmp_path.iterdir()) == []
    pytest.importorskip("sqlcipher3")
    with memory_at(tmp_path, 150, key="a passphrase") as memory:
        assert memory.build_index()["state"] == "ready"
        found(memory)
    assert not index_folder(tmp_path / "a.db").exists()


def test_encrypting_a_file_takes_its_index_files_away(tmp_path: Path) -> None:
    pytest.importorskip("sqlcipher3")
    from lamina.storage.sqlite.recrypting import recrypt

    with memory_at(tmp_path, 150) as memory:
        memory.build_index()
    assert files(tmp_path) == [".graph", ".view"]
    recrypt(tmp_path / "a.db", None, "a passphrase")
    assert files(tmp_path) == []


def test_backups_and_exports_leave_index_files_out(tmp_path: Path) -> None:
    with memory_at(tmp_path, 150) as memory:
        memory.build_index()
        before = found(memory)
        memory.backup(tmp_path / "b.db")
        memory.export(tmp_path / "a.jsonl")
    assert not index_folder(tmp_path / "b.db").exists()
    with Memory(tmp_path / "b.db", embedder=WordEmbedder()) as memory:
        assert found(memory) == before


# ---------------------------------------------------------------------------------------------------------- deletion
def test_after_a_scrub_no_byte_of_a_deleted_vector_is_left_in_any_file(tmp_path: Path) -> None:
    with memory_at(tmp_path, 200) as memory:
        (secret,) = memory.add("hushhush xylophone quincunx was told", session="hushsession", speaker="Hushspeaker", user=None)
        memory.flush()
        memory.build_index()
        vector = WordEmbedder().embed(["Hushspeaker: hushhush xylophone quincunx was told"])[0]
        space = memory.store.vectors.active()
        assert space is not None
        key = memory.store.items.keys_of([secret])[secret]
        vector = memory.store.vectors.get(space, [key])[key]
        wanted = [*bytes_of(vector), b"hushsession", b"Hushspeaker"]
        assert {Path(name).suffix for name in holds(index_folder(tmp_path / "a.db"), wanted[:1])} == {".view", ".graph"}
        memory.delete(secret)
        memory.scrub()
        assert not holds(tmp_path, wanted)
        found(memory)
        memory.build_index()
        memory.scrub()
        memory.build_index()
        assert not holds(tmp_path, wanted)
    assert not holds(tmp_path, wanted)
    assert files(tmp_path) == [".graph", ".view"]


def _hold_and_keep(folder: str, ready: Any, go: Any) -> None:
    memory = Memory(Path(folder) / "a.db", embedder=WordEmbedder())
    memory.build_index()
    ready.set()
    go.wait(60)
    for view in memory._views._views.values():
        memory._views.beside.keep(view)  # without having looked at the store once more
    memory.close()


def test_another_process_does_not_bring_a_deleted_vector_back(tmp_path: Path) -> None:
    with memory_at(tmp_path, 200) as memory:
        (secret,) = memory.add("hushhush xylophone quincunx was told")
        memory.flush()
        context = multiprocessing.get_context("spawn")
        ready, go = context.Event(), context.Event()
        environment = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        assert environment is not None
        child = context.Process(target=_hold_and_keep, args=(str(tmp_path), ready, go))
        child.start()
        assert ready.wait(60)
        space = memory.store.vectors.active()
        assert space is not None
        key = memory.store.items.keys_of([secret])[secret]
        wanted = bytes_of(memory.store.vectors.get(space, [key])[key])
        memory.delete(secret)
        memory.scrub()
        go.set()
        child.join(60)
        assert child.exitcode == 0
        memory.scrub()
        assert not holds(index_folder(tmp_path / "a.db"), wanted)


def test_erasing_somebody_reaches_index_files(tmp_path: Path) -> None:
    with memory_at(tmp_path) as memory:
        memory.add_many(messages(120), user="ana")
        memory.add_many(messages(120, seed=1), user="ben")
        memory.flush()
        for scope in ("*", "/ana", "/ben"):
            memory.build_index(scope=scope)
        assert len(files(tmp_path)) == 6
        assert memory.erase(user="ana").complete
        assert files(tmp_path) == []
        assert memory.build_index(scope="*")["vectors"] == 120


# ---------------------------------------------------------------------------------------------------------- budget
def test_with_too_little_memory_vectors_lie_on_disk(tmp_path: Path) -> None:
    with memory_at(tmp_path, FEW - 10) as memory:
        before = found(memory)
        rest = memory._views.get("").nbytes() - memory._views.get("").flat.nbytes()
    with memory_at(tmp_path, memory_budget=rest + 3000) as memory:
        assert found(memory) == before
        assert plan(memory)["plan"] == "exact, vectors on disk"
        assert isinstance(memory._views.get("").flat._flat, FileRows)  # type: ignore[attr-defined]
        assert memory.stats()["memory_budget"] == rest + 3000


def test_with_still_less_its_lists_lie_on_disk_and_every_process_reads_them(tmp_path: Path) -> None:
    with memory_at(tmp_path, 400, index="spann") as memory:
        told = memory.build_index()
        assert (told["plan"], told["state"], told["kept"]) == ("lists, vectors on disk", "ready", True)
        before = found(memory)
        assert files(tmp_path) == [".lists", ".view"]
        with memory_at(tmp_path, read_only=True, index="spann") as reader:
            assert found(reader) == before
        with memory_at(tmp_path, index="spann") as other:
            assert found(other) == before
            assert other._views.wait()
            assert plan(other)["state"] == "ready"
            (secret,) = other.search("a storm at sea near the reef", k=1)
            other.delete(secret.item.id)
            assert secret.text not in found(other) + found(memory)
            space = memory.store.vectors.active()
            assert space is not None
        names = files(tmp_path)
    assert files(tmp_path) == names
    with memory_at(tmp_path, index="spann") as memory:
        memory.scrub()
        assert files(tmp_path) == []
        assert memory.build_index()["vectors"] == 399


def test_where_nothing_fits_search_goes_on_and_building_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with memory_at(tmp_path, 150, memory_budget="1kB") as memory:
        assert len(found(memory)) == 10
        assert "memory budget of 1,000" in caplog.text
        assert "memory_budget=" in plan(memory)["notice"]
        with pytest.raises(BudgetError, match="150 vectors of 16 dimensions need at least"):
            memory.build_index()


# ---------------------------------------------------------------------------------------------------------- processes
CHILD = """
import sys
from pathlib import Path
from lamina.index import background, beside, planned
planned.CROSSOVER, beside.LEAST, background.LINGER, planned.LEAST_PENDING = 100, 50, 0.0, 5
from tests.test_memory_index import memory_at, messages
memory = memory_at(Path(sys.argv[1]))
memory.search("storm")
print("ready", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    ids = memory.add([m["content"] for m in messages(30, seed=number)])
    print(ids[-1], flush=True)
    memory.delete(ids[0])
    memory.build_index()
"""


def test_killed_at_any_moment_it_opens_with_what_was_acknowledged(tmp_path: Path) -> None:
    with memory_at(tmp_path, 300) as memory:
        memory.build_index()
    chance = np.random.default_rng(0)
    for number in range(4):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(lamina.__file__).parents[1])])}
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(1000 * (number + 1))], stdout=subprocess.PIPE, text=True, env=environment
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        last = child.stdout.readline().strip()
        time.sleep(float(chance.uniform(0, 0.5)))
        os.kill(child.pid, signal.SIGKILL)
        last = [last, *child.stdout.read().split()][-1]
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        with memory_at(tmp_path) as memory:
            item = memory.get(last)
            if item is not None:  # a line may have been cut
                memory.flush()
                assert memory.search(item.text, k=1)[0].text == item.text
            exact = {hit.id for hit in memory.search("a storm at sea", k=2000)}
            assert memory._views.wait()
            assert memory.build_index()["pending"] == 0
            assert {hit.id for hit in memory.search("a storm at sea", k=2000)} == exact
            assert len(exact) == memory.count()
    assert len([name for name in files(tmp_path) if name == ".view"]) == 1


def _ask_in_child(memory: Memory, answers: Any) -> None:
    answers.put(found(memory, "purple heron", 1))


def test_a_forked_child_answers_by_itself(tmp_path: Path) -> None:
    with memory_at(tmp_path, 200) as memory:
        memory.add("a purple heron on the mast")
        memory.build_index()
        context = multiprocessing.get_context("fork")
        answers: Any = context.Queue()
        child = context.Process(target=_ask_in_child, args=(memory, answers))
        child.start()
        assert answers.get(timeout=60) == ["a purple heron on the mast"]
        child.join(60)
        assert child.exitcode == 0


def test_a_process_ends_cleanly_while_a_graph_is_built(tmp_path: Path) -> None:
    memory_at(tmp_path, 2000).close()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from lamina.index import background, planned\nplanned.CROSSOVER, planned.CHUNK, background.LINGER = 100, 20, 0.0\n"
        "from tests.test_memory_index import memory_at\n"
        "memory = memory_at(Path(sys.argv[1]))\nmemory.search('storm')\nprint('done', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(lamina.__file__).parents[1])])}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert time.monotonic() - begin < 40
