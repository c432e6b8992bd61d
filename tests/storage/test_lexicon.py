"""Entries of the lexicon: names and terms, and files of earlier versions that are only read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lamina import Memory
from lamina.names import name_hash
from lamina.records import Item
from lamina.storage.sqlite.lexicon import lexicon_entry, read_entry
from lamina.terms import term_hashes

TEXT = "Marta Quill founded the Lantern Society in 1911."


def test_an_entry_is_read_as_it_was_written() -> None:
    item = Item("1", "trace", TEXT, 0, 0)
    _, names, terms = read_entry(lexicon_entry(item))
    assert names.tolist() == [name_hash(name) for name in ("Marta Quill", "Lantern Society", "1911")]
    assert terms.tolist() == term_hashes(TEXT).tolist()
    assert all(len(part) == 0 for entry in (b"", None) for part in read_entry(entry)[1:])


def test_listed_names_take_the_place_of_spelled_ones() -> None:
    _, names, _ = read_entry(lexicon_entry(Item("1", "fact", TEXT, 0, 0, data={"names": ["the river vess", 7]})))
    assert names.tolist() == [name_hash("the river vess")]


def test_a_file_of_an_earlier_version_is_read_without_names_and_written_anew_when_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with Memory(path) as memory:
        memory.add(TEXT)
        memory.flush()
    with sqlite3.connect(path) as file:  # as the version before wrote it
        [(entry,)] = file.execute("SELECT terms FROM lexicon").fetchall()
        count = int.from_bytes(entry[4:8], "little")
        file.execute("UPDATE lexicon SET terms = ?", (entry[:4] + entry[8 + 4 * count :],))
        file.execute("UPDATE meta SET value = 'snowball-english/4' WHERE name = 'analyser'")
    file.close()
    with Memory(path, read_only=True) as memory:
        assert memory.search("who founded a society?")[0].text == TEXT
        assert memory.connections("Marta Quill").count == 0
    with Memory(path) as memory:
        assert memory.connections("Marta Quill").count == 1
        assert memory.doctor() == []
