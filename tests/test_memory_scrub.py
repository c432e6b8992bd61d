"""After a deletion and a scrub no byte is left of what was deleted, wherever it had come to lie."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import string
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from lamina import Memory
from tests.keeping.embedders import WordEmbedder
from tests.keeping.seen import everything

TALK = ["We bought bread and butter this morning.", "The butter was rather salty, she said.", "Then the rain came."]


def random_word(seed: int) -> str:
    chance = random.Random(seed)
    return "".join(chance.choice(string.ascii_lowercase) for _ in range(18))


def files_with(folder: Path, word: str) -> list[str]:
    """The files anywhere below a folder that hold a word, in UTF-8 or UTF-16, in either case."""
    forms = {word.encode(), word.encode("utf-16-le"), word.upper().encode(), word[:9].encode()}
    return [str(file) for file in folder.rglob("*") if file.is_file() and any(form in file.read_bytes() for form in forms)]


def memory_at(folder: Path) -> Memory:
    folder.mkdir(exist_ok=True)
    return Memory(folder / "a.db", embedder=WordEmbedder())


def in_text(memory: Memory, word: str) -> list[str]:
    return memory.add([f"the secret {word} was told", f"and {word} again"], session="s", user="ana")


def in_a_summary(memory: Memory, word: str) -> list[str]:
    ids = in_text(memory, word)
    memory.consolidate()
    assert any(word in item.text for item in everything(memory).values() if item.kind == "episode")
    return ids


def in_metadata(memory: Memory, word: str) -> list[str]:
    return memory.add({"content": "harmless", "metadata": {word: [word]}, "captions": [word], "tool_calls": [{"name": word}]})


def in_names(memory: Memory, word: str) -> list[str]:
    ids = memory.add("harmless", session=word, origin=word, speaker=word, place=word, role=word, user=word)
    memory.consolidate()
    (episode,) = [item.id for item in everything(memory).values() if item.kind == "episode" and item.session == word]
    memory.delete(episode)  # leaves a retraction in the session
    return ids


def in_a_corrected_trace(memory: Memory, word: str) -> list[str]:
    first = in_text(memory, word)[0]
    memory.consolidate()
    second = memory.update(first, "corrected once")
    memory.consolidate()
    return [
        *(item.id for item in memory.history(second) if item.role != "event"),
        *(h.id for h in memory.search(word, user="ana")),
    ]


def in_a_reason(memory: Memory, word: str) -> list[str]:
    ids = memory.add(["harmless", "also harmless", "this one stays"], session="s")
    memory.forget(ids[:2], reason=f"because of {word}")
    return ids[:2]


def in_a_long_message(memory: Memory, word: str) -> list[str]:
    return memory.add(f"{word} and more. " * 2000, session="s")


def in_an_artifact(memory: Memory, word: str) -> list[str]:
    ids = memory.add("harmless")
    with memory.store.transaction():
        key = memory.store.items.keys_of(ids)[ids[0]]
        memory.store.artifacts.put(key, "blob", word.encode() * 40_000)
        memory.store.artifacts.put(key, "blob", word.encode())
    return ids


def imported(memory: Memory, word: str) -> list[str]:
    with Memory(":memory:", embedder=WordEmbedder()) as other:
        ids = in_a_summary(other, word)
        assert memory.store.path is not None
        export = memory.store.path.parent.parent / "export.jsonl"  # an export is its owner's, and not part of the store
        other.export(export)
    memory.import_(export)
    return ids


@pytest.mark.parametrize(
    "hide",
    [
        in_text,
        in_a_summary,
        in_metadata,
        in_names,
        in_a_corrected_trace,
        in_a_reason,
        in_a_long_message,
        in_an_artifact,
        imported,
    ],
)
def test_a_deleted_word_is_in_no_file_after_a_scrub(tmp_path: Path, hide: Callable[[Memory, str], list[str]]) -> None:
    folder, word = tmp_path / "store", random_word(len(hide.__name__))
    with memory_at(folder) as memory:
        memory.add(TALK, session="other")
        memory.flush()
        ids = hide(memory, word)
        memory.flush()
        assert files_with(folder, word)
        memory.delete(list(dict.fromkeys(ids)))
        report = memory.scrub()
        assert not report.pending
        assert files_with(folder, word) == []
        memory.consolidate()
        assert files_with(folder, word) == []
        assert set(TALK) <= {item.text for item in memory.get_all()}
        assert memory.doctor() == []
    assert files_with(folder, word) == []


def test_a_deleted_scope_leaves_no_trace_of_its_name(tmp_path: Path) -> None:
    folder, word = tmp_path / "store", random_word(7)
    with memory_at(folder) as memory:
        memory.add(TALK, session="other", user="ana")
        memory.add(TALK, session="s", user=word)
        memory.consolidate()
        memory.delete_all(user=word)
        memory.scrub()
        memory.consolidate()
    assert files_with(folder, word) == []


def test_an_episode_that_keeps_other_sources_is_told_without_the_deleted_word(tmp_path: Path) -> None:
    folder, word = tmp_path / "store", random_word(8)
    with memory_at(folder) as memory:
        ids = memory.add([*TALK, f"The {word} and the butter were bought together with bread."], session="s")
        memory.consolidate()
        memory.delete(ids[-1])
        assert not any(word in item.text for item in everything(memory).values())
        memory.scrub()
        assert files_with(folder, word) == []
        memory.consolidate()
        episodes = [item for item in everything(memory).values() if item.kind == "episode"]
        assert episodes
        assert not any(item.stale for item in episodes)


def _read_for_a_while(path: str, reading: Event, enough: Event) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM item").fetchone()
    reading.set()
    enough.wait(60)
    connection.execute("COMMIT")
    connection.close()


@pytest.mark.parametrize("later", ["scrub", "close", "open"])
def test_with_an_open_reader_a_scrub_is_pending_and_done_later(tmp_path: Path, later: str) -> None:
    folder, word = tmp_path / "store", random_word(9)
    context = multiprocessing.get_context("spawn")
    reading, enough = context.Event(), context.Event()
    memory = memory_at(folder)
    ids = in_a_summary(memory, word)
    reader = context.Process(target=_read_for_a_while, args=(str(folder / "a.db"), reading, enough))
    reader.start()
    try:
        assert reading.wait(30)
        memory.delete(ids)
        assert memory.scrub().pending
        if later == "open":
            memory.close()
        enough.set()
        reader.join(30)
        if later == "scrub":
            assert not memory.scrub().pending
        elif later == "open":
            memory = memory_at(folder)
        else:
            memory.close()
        assert files_with(folder, word) == []
    finally:
        enough.set()
        reader.join(30)
        memory.close()
