"""Several processes write and read one file at once: nothing is lost or doubled, nobody is locked out, everybody hears of it."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from lamina import Memory
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import everything

MARKER = "zeppelin rendezvous at the observatory"


def _write(path: str, writer: int, count: int, seen: list[Event]) -> None:
    """Adds its messages one by one, and a marker that it deletes once both readers have seen it."""
    with Memory(path, embedder=WordEmbedder(), patience=60) as memory:
        marker = memory.add(f"{MARKER} {writer}", user=f"writer {writer}", session="marker")
        for number in range(count):
            memory.add(f"writer {writer} says line {number} about apples", user=f"writer {writer}", session=f"s{number // 100}")
        for event in seen:
            assert event.wait(120), "a reader never saw the marker"
        memory.delete(marker)


def _read(path: str, writers: int, seen: list[Event], report: multiprocessing.Queue[int]) -> None:
    """Searches until it has seen every writer's marker come and go."""
    searches = 0
    with Memory(path, embedder=WordEmbedder(), patience=60) as memory:
        waiting, deadline = set(range(writers)), time.monotonic() + 240
        while waiting and time.monotonic() < deadline:
            for writer in sorted(waiting):
                hits = memory.search(MARKER, k=3, user=f"writer {writer}")
                searches += 1
                there = any(hit.text == f"{MARKER} {writer}" for hit in hits)
                if there:
                    seen[writer].set()
                elif seen[writer].is_set():
                    waiting.discard(writer)
            memory.search("who spoke of apples?", k=5, scope="*")
        report.put(searches if not waiting else -1)


def _all_at_once(path: Path, writers: int, readers: int, count: int) -> float:
    context = multiprocessing.get_context("spawn")
    with Memory(path, embedder=WordEmbedder()) as memory:
        memory.add("the first line of all")
    seen = [[context.Event() for _ in range(writers)] for _ in range(readers)]
    report: multiprocessing.Queue[int] = context.Queue()
    processes = [
        context.Process(target=_write, args=(str(path), writer, count, [row[writer] for row in seen]))
        for writer in range(writers)
    ] + [context.Process(target=_read, args=(str(path), writers, row, report)) for row in seen]
    began = time.monotonic()
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    seconds = time.monotonic() - began
    assert [process.exitcode for process in processes] == [0] * len(processes)
    assert all(report.get(timeout=5) > 0 for _ in range(readers)), "a reader did not see a marker go"
    return seconds


def _check(path: Path, writers: int, count: int) -> None:
    with Memory(path, embedder=WordEmbedder()) as memory:
        texts = sorted(item.text for item in everything(memory).values())
        wanted = [f"writer {writer} says line {number} about apples" for writer in range(writers) for number in range(count)]
        assert texts == sorted([*wanted, "the first line of all"]), "a message was lost, or doubled, or a deleted one stayed"
        assert memory.doctor() == []
        assert memory.flush() == 0 or memory.flush() == 0
        for writer in range(writers):
            in_order = [item.text for item in memory.get_all(limit=count, user=f"writer {writer}")]
            assert in_order == [text for text in wanted if text.startswith(f"writer {writer} ")]


def test_four_processes_write_while_two_search(tmp_path: Path) -> None:
    _all_at_once(tmp_path / "a.db", writers=4, readers=2, count=200)
    _check(tmp_path / "a.db", 4, 200)


@pytest.mark.slow
def test_four_processes_write_two_thousand_messages_each_while_two_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = _all_at_once(tmp_path / "a.db", writers=4, readers=2, count=2000)
    with capsys.disabled():
        print(f"\n4 x 2000 messages by 4 processes, 2 searching: {seconds:.1f} s")
    _check(tmp_path / "a.db", 4, 2000)


def _add_the_same(path: str, start: Event) -> None:
    with Memory(path, embedder=WordEmbedder(), patience=60) as memory:
        start.wait(60)
        for number in range(50):
            memory.add(["one", "two"], origin=f"call {number}")
            memory.add("long " * 4000, origin=f"document {number % 5}")


def test_the_same_origins_added_by_many_processes_at_once_are_stored_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    Memory(path, embedder=WordEmbedder()).close()
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    processes = [context.Process(target=_add_the_same, args=(str(path), start)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with Memory(path, embedder=WordEmbedder()) as memory:
        items = list(everything(memory).values())
        assert sum(item.text == "one" for item in items) == 50
        assert len(items) == 100 + 5 * 3
        assert memory.doctor() == []
