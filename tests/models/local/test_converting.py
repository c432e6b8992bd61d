"""Converted models appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import ConfigError
from lamina.models.local.converting import cache_folder, converted


def write(file: Path, folder: Path) -> None:
    (folder / "config.json").write_text(file.read_text())


def test_a_file_is_converted_once_and_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_text("one")
    calls = []

    def counted(file: Path, folder: Path) -> None:
        calls.append(folder)
        write(file, folder)

    first = converted(file, tmp_path / "cache", counted)
    assert converted(file, tmp_path / "cache", counted) == first
    assert len(calls) == 1
    file.write_text("two")
    second = converted(file, tmp_path / "cache", counted)
    assert second != first
    assert (second / "config.json").read_text() == "two"
    assert sorted((tmp_path / "cache" / "models").iterdir()) == sorted([first, second])


def test_a_crash_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_text("one")

    def crash(file: Path, folder: Path) -> None:
        write(file, folder)
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        converted(file, tmp_path, crash)
    assert list((tmp_path / "models").iterdir()) == []


def test_another_process_may_be_faster(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_text("one")
    inner = []

    def slow(file: Path, folder: Path) -> None:
        if not inner:
            inner.append(True)
            inner.append(converted(file, tmp_path, slow))
        write(file, folder)

    assert converted(file, tmp_path, slow) == inner[1]
    assert list((tmp_path / "models").iterdir()) == [inner[1]]


def test_a_cache_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_text("one")
    with pytest.raises(ConfigError, match="set LAMINA_CACHE"):
        converted(file, file / "cache", write)


def test_the_cache_lies_where_the_environment_says(tmp_path: Path) -> None:
    assert cache_folder({"LAMINA_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/lamina")
    assert cache_folder({}) == Path.home() / ".cache" / "lamina"
