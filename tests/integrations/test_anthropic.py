"""Claude's memory tool: the commands, paths that lead nowhere else, and files that are searchable and have a history."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from anthropic.lib.tools import ToolError
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import Filter, Memory
from lamina.integrations.anthropic import AsyncLaminaMemoryTool, LaminaMemoryTool, MemoryFiles, checked


@pytest.fixture
def files() -> Any:
    with Memory(":memory:") as memory:
        yield MemoryFiles(memory, "/ana")


def test_what_the_model_writes_is_found_by_recall_and_keeps_its_history(files: MemoryFiles) -> None:
    memory = files.documents.memory
    files.create("/memories/people.md", "# People\n\nClara lives in Porto.\n")
    files.str_replace("/memories/people.md", "Porto", "Braga")
    hit = memory.search("where does Clara live?", user="ana")[0]
    assert "Braga" in hit.text
    assert [("Porto" in item.text) for item in memory.history(hit.id)] == [True, False]
    files.delete("/memories/people.md")
    assert memory.count(scope="*") == 0


def test_a_scope_sees_only_its_own_files() -> None:
    with Memory(":memory:") as memory:
        ana, ben = (LaminaMemoryTool(memory, user=user) for user in ("ana", "ben"))
        ana.call({"command": "create", "path": "/memories/a.txt", "file_text": "secret"})
        assert "a.txt" not in str(ben.call({"command": "view", "path": "/memories"}))
        with pytest.raises(ToolError, match="does not exist"):
            ben.call({"command": "view", "path": "/memories/a.txt"})


@pytest.mark.parametrize(
    "path",
    [
        "/memories/..", "/memories/../etc", "/memories/a/../../b", "/memories/%2e%2e/x", "/memories/%252e%252e/x", "/memories/..\\..\\x",
        "/etc/passwd", "memories/a", "/memoriesx", "", "/memories/a\0b", "//memories/a",
    ],
)  # fmt: skip
def test_paths_that_lead_out_are_refused(files: MemoryFiles, path: str) -> None:
    with pytest.raises(ToolError):
        files.create(path, "x")
    assert files.documents.memory.count(scope="*") == 0


@given(st.lists(st.sampled_from(["a", "b", ".", "..", "", "..."]), max_size=8))
def test_no_path_leaves_the_directory(parts: list[str]) -> None:
    try:
        found = checked("/memories/" + "/".join(parts))
    except ToolError:
        return
    assert found == "/memories" or found.startswith("/memories/")
    assert ".." not in found.split("/")


def test_directories_move_and_go_with_their_files(files: MemoryFiles) -> None:
    for name in ("a/1.txt", "a/b/2.txt", "c.txt"):
        files.create(f"/memories/{name}", f"text of {name}")
    files.rename("/memories/a", "/memories/z")
    assert files.view("/memories/z/b/2.txt").endswith("text of a/b/2.txt")
    with pytest.raises(ToolError, match="already exists"):
        files.rename("/memories/c.txt", "/memories/z")
    with pytest.raises(ToolError, match="lies inside"):
        files.rename("/memories/z", "/memories/z/y")
    files.delete("/memories/z")
    assert files.view("/memories").splitlines()[2:] == ["13B\t/memories/c.txt"]
    assert files.clear_all_memory() == "All memory cleared"


EDITS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 4), st.sampled_from(["one", "two\n", "three"])),
    st.tuples(st.just("str_replace"), st.sampled_from(["one", "two", "x"]), st.sampled_from(["", "four", "one"])),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(EDITS, max_size=6))
def test_edits_are_those_of_a_text_file(edits: list[tuple[str, Any, Any]]) -> None:
    with Memory(":memory:") as memory:
        files, text = MemoryFiles(memory), "one\ntwo\n"
        files.create("/memories/f", text)
        for kind, first, second in edits:
            before = text
            if kind == "insert":
                lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
                if first > len(lines):
                    with pytest.raises(ToolError):
                        files.insert("/memories/f", first, second)
                    continue
                text = "\n".join([*lines[:first], second.rstrip("\n"), *lines[first:]])
                text = text if text.endswith("\n") else text + "\n"
                files.insert("/memories/f", first, second)
            elif before.count(first) == 1:
                text = before.replace(first, second)
                files.str_replace("/memories/f", first, second)
            else:
                with pytest.raises(ToolError):
                    files.str_replace("/memories/f", first, second)
            found = files.documents.get("", "/memories/f")
            assert found is not None
            assert found.value == text


def test_it_works_asynchronously() -> None:
    async def work() -> str:
        with Memory(":memory:") as memory:
            tool = AsyncLaminaMemoryTool(memory, user="ana")
            await tool.call({"command": "create", "path": "/memories/a.txt", "file_text": "hello\n"})
            return str(await tool.call({"command": "view", "path": "/memories/a.txt", "view_range": [1, 1]}))

    assert asyncio.run(work()).endswith("     1\thello")


def test_an_empty_file_and_a_very_long_one_are_files_too(files: MemoryFiles) -> None:
    files.create("/memories/empty", "")
    files.create("/memories/long", "The log is quiet.\n" * 2000)
    assert files.view("/memories/empty").endswith("     1\t")
    assert len(files.view("/memories/long").splitlines()) == 2002
    files.rename("/memories/long", "/memories/longer")
    assert files.view("/memories/longer", [2000, -1]).splitlines()[1] == "  2000\tThe log is quiet."


def test_a_renamed_file_keeps_its_history_and_its_length(files: MemoryFiles) -> None:
    memory = files.documents.memory
    text = "The log is quiet.\n" * 1500
    files.create("/memories/a.txt", text)
    files.str_replace("/memories/a.txt", text, text + "Porto")
    files.rename("/memories/a.txt", "/memories/b/c.txt")
    files.str_replace("/memories/b/c.txt", "Porto", "Braga")
    document = files.documents.get("/ana", "/memories/b/c.txt")
    assert document is not None
    assert document.value == text + "Braga"
    assert [version.metadata["value"][-5:] for version in memory.history(document.item.id)] == [
        "iet.\n",
        "Porto",
        "Porto",
        "Braga",
    ]
    assert memory.search("Braga", user="ana")
    files.create("/memories/a.txt", "new")
    assert len(memory.history(files.documents.get("/ana", "/memories/a.txt").item.id)) == 1  # type: ignore[union-attr]
    files.clear_all_memory()
    assert memory.count(scope="*", where=Filter(retired=True, forgotten=True)) == 0


def test_no_path_leads_through_a_file(files: MemoryFiles) -> None:
    files.create("/memories/a", "a file")
    files.create("/memories/b", "another")
    with pytest.raises(ToolError, match="not a directory"):
        files.create("/memories/a/b.txt", "x")
    with pytest.raises(ToolError, match="not a directory"):
        files.rename("/memories/b", "/memories/a/c/b")
    assert len(files.view("/memories").splitlines()) == 4


@pytest.mark.parametrize(
    ("path", "text"),
    [("/memories/\ud800", "x"), ("/memories/a", "x\0"), ("/memories/" + "a" * 2000, "x"), ("/memories/b", "\udfff")],
)
def test_what_cannot_be_kept_is_refused_as_the_tool_refuses(files: MemoryFiles, path: str, text: str) -> None:
    with pytest.raises(ToolError):
        files.create(path, text)
    if not path.isascii():
        with pytest.raises(ToolError):
            files.view(path)
    assert files.documents.memory.count(scope="*") == 0


@pytest.mark.parametrize("gate", ["mark", "refuse"])
def test_a_write_gate_takes_no_file_away(gate: str) -> None:
    with Memory(":memory:", gate=gate) as memory:
        files = MemoryFiles(memory)
        files.create("/memories/a", "Thanks!")
        files.create("/memories/b", "ok")
        assert files.view("/memories/a").endswith("\tThanks!")
        assert len(files.view("/memories").splitlines()) == 4


def test_names_beside_a_directory_are_not_in_it(files: MemoryFiles) -> None:
    for name in ("a/1", "a.txt", "a0", "ab/2", "a-b"):
        files.create(f"/memories/{name}", "x")
    assert [row.split("\t")[1] for row in files.view("/memories/a").splitlines()[1:]] == ["/memories/a", "/memories/a/1"]
    files.documents.memory.add("not a file", session="/memories/zzz", user="ana")
    assert "zzz" not in files.view("/memories")
