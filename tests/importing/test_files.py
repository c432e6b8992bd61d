"""Folders of notes: which files are read, when their passages are dated, and under which origin."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamina import Memory
from lamina.errors import InputError, NotFoundError
from lamina.importing import Skipped, readers_of


def read(path: Path, *, strict: bool = False) -> tuple[list[dict[str, object]], Skipped]:
    skipped = Skipped()
    return [message for reader in readers_of(path, skipped, strict=strict) for message in reader], skipped


def test_the_front_matter_dates_a_file_then_its_name_then_its_change(tmp_path: Path) -> None:
    (tmp_path / "2026-01-02 a.md").write_text("---\ndate: 2026-03-04T10:00\n---\nFirst.")
    (tmp_path / "2026-01-02 b.md").write_text("---\ndate: someday\n---\nSecond.")
    (tmp_path / "2026-13-45 c.md").write_text("Third.")
    os.utime(tmp_path / "2026-13-45 c.md", (1_000_000, 1_000_000))
    messages, _ = read(tmp_path)
    assert [message["at"] for message in messages] == ["2026-03-04T10:00", "2026-01-02", datetime.fromtimestamp(1_000_000, UTC)]


def test_naive_dates_are_in_the_zone_of_the_memory(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ndate: 2026-07-04T10:00\n---\nText.")
    with Memory(":memory:", zone="Europe/Lisbon") as memory:
        for reader in readers_of(tmp_path, Skipped()):
            memory.add_many(reader)
        assert memory.search("text")[0].when == "2026-07-04T10:00:00+01:00"


def test_origins_do_not_depend_on_what_stands_before(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\n\ntwo\n\none")
    before = [message["origin"] for message in read(tmp_path)[0]]
    file.write_text("zero\n\none\n\ntwo\n\none")
    after = [message["origin"] for message in read(tmp_path)[0]]
    assert len(set(before)) == 3
    assert after[1:] == before


def test_a_file_alone_has_the_origins_it_has_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\ntext")
    assert read(tmp_path / "a.md")[0] == read(tmp_path)[0]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(b"a\0b", "binary"), (b"caf\xe9", "not UTF-8 text"), (b"  \n", "empty"), (b"\xff\xfea", "not UTF-8 text")],
)
def test_what_cannot_be_read_is_counted_or_raised(tmp_path: Path, raw: bytes, reason: str) -> None:
    (tmp_path / "a.txt").write_bytes(raw)
    messages, skipped = read(tmp_path)
    assert messages == []
    assert skipped.counts == {reason: 1}
    if reason != "empty":
        with pytest.raises(InputError, match=reason):
            read(tmp_path, strict=True)


def test_byte_order_marks_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffone\r\n\r\ntwo".encode())
    (tmp_path / "b.txt").write_bytes("ünï".encode("utf-16"))
    assert [message["content"] for message in read(tmp_path)[0]] == ["one", "two", "ünï"]


def test_linked_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("one")
    (tmp_path / "notes" / "loop").symlink_to(tmp_path / "notes", target_is_directory=True)
    assert [message["content"] for message in read(tmp_path / "notes")[0]] == ["one"]


def test_names_that_cannot_be_stored_are_mended(tmp_path: Path) -> None:
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))).write_text("one")
    except OSError:
        pytest.skip("this file system has no such names")
    deep = tmp_path
    for _ in range(8):
        deep = deep / ("d" * 120)
        deep.mkdir()
    (deep / "a.txt").write_text("two")
    with Memory(":memory:") as memory:
        assert sum(memory.add_many(reader) for reader in readers_of(tmp_path, Skipped())) == 2


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="check the path"):
        read(tmp_path / "nowhere")


def test_reasons_without_end_are_put_together() -> None:
    skipped = Skipped()
    for number in range(100):
        skipped.add(f"reason {number}", "here")
    assert skipped.total == 100
    assert len(skipped.counts) == 21
