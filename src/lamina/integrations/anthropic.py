"""Claude's memory tool on a memory: the files that the model writes are documents, searchable and with a history. Needs the extra "anthropic"."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Unpack
from urllib.parse import unquote

from lamina.errors import InputError, MissingExtraError
from lamina.integrations.documents import Document, Documents
from lamina.keeping.arguments import ScopeArguments, read_scope
from lamina.memory import Memory
from lamina.text import check_text

try:
    from anthropic.lib.tools import BetaAbstractMemoryTool, BetaAsyncAbstractMemoryTool, ToolError
except ImportError:
    raise MissingExtraError.for_extra("anthropic", "Claude's memory tool", "anthropic") from None

ROOT: Final = "/memories"
MAX_LINES: Final = 999_999
WIDTH: Final = len(str(MAX_LINES))
DEPTH: Final = 2  # levels of a directory that a view shows
AROUND: Final = 2  # lines shown on each side of a change

Command = Any  # the commands of the tool, whose classes differ between releases; their fields are read by name


class MemoryFiles:
    """Files under /memories, each a document of a memory, with the six commands of the tool and the answers that Claude knows.

    A directory is there as long as a file is in it. Changing or renaming a file corrects its document, so every version stays in the history; deleting takes them all.

    >>> files = MemoryFiles(Memory(":memory:"), "/ana")
    >>> files.create("/memories/notes.txt", "Ana likes sardines.\\n")
    'File created successfully at: /memories/notes.txt'
    >>> print(files.view("/memories/notes.txt"))
    Here's the content of /memories/notes.txt with line numbers:
         1	Ana likes sardines.
         2
    """

    def __init__(self, memory: Memory, scope: str = "") -> None:
        self.documents = Documents(memory)
        self.scope = scope

    # ------------------------------------------------------------------------------------------------ looking
    def view(self, path: str, view_range: list[int] | None = None) -> str:
        """The lines of a file with their numbers, or what a directory holds."""
        name = checked(path)
        found = self._get(name)
        if found is not None:
            return self._lines(path, found, view_range)
        below = self._below(name)
        if not below and name != ROOT:
            raise ToolError(f"The path {path} does not exist. Please provide a valid path.")
        sizes: dict[str, int] = {}
        for document in below:
            parts = document.name[len(name) + 1 :].split("/")
            if any(part.startswith(".") for part in parts):
                continue
            for depth in range(1, min(len(parts), DEPTH) + 1):
                shown = "/".join(parts[:depth]) + ("/" if depth < len(parts) else "")
                sizes[shown] = sizes.get(shown, 0) + _bytes(document)
        rows = [f"{_size(size)}\t{path}/{shown}" for shown, size in sorted(sizes.items())]
        head = f"Here're the files and directories up to 2 levels deep in {path}, excluding hidden items:"
        return "\n".join([head, f"{_size(sum(_bytes(one) for one in below))}\t{path}", *rows])

    def _lines(self, path: str, document: Document, view_range: list[int] | None) -> str:
        lines = document.value.split("\n")
        if len(lines) > MAX_LINES:
            raise ToolError(f"File {path} exceeds maximum line limit of 999,999 lines.")
        start, end = 0, len(lines)
        if view_range and len(view_range) == 2:
            start = max(1, view_range[0]) - 1
            end = len(lines) if view_range[1] == -1 else view_range[1]
        numbered = [f"{number:>{WIDTH}}\t{line}" for number, line in enumerate(lines[start:end], start + 1)]
        return f"Here's the content of {path} with line numbers:\n" + "\n".join(numbered)

    # ------------------------------------------------------------------------------------------------ changing
    def create(self, path: str, file_text: str) -> str:
        """Write a new file."""
        name = checked(path)
        with self.documents.memory.store.transaction():
            if name == ROOT or self._get(name) is not None or self._below(name):
                raise ToolError(f"File {path} already exists")
            self._check_directories(name)
            self._put(name, file_text)
        return f"File created successfully at: {path}"

    def str_replace(self, path: str, old_str: str, new_str: str = "") -> str:
        """Replace the only occurrence of a text in a file."""
        with self.documents.memory.store.transaction():
            name, content = self._read(path)
            places = [match.start() for match in re.finditer(f"(?={re.escape(old_str)})", content)] if old_str else []
            if not places:
                raise ToolError(f"No replacement was performed, old_str `{old_str}` did not appear verbatim in {path}.")
            if len(places) > 1:
                lines = ", ".join(str(content.count("\n", 0, place) + 1) for place in places)
                raise ToolError(
                    f"No replacement was performed. Multiple occurrences of old_str `{old_str}` in lines: {lines}. Please ensure it is unique"
                )
            changed = content.replace(old_str, new_str)
            self._put(name, changed)
        at = content.count("\n", 0, places[0])
        lines_now = changed.split("\n")
        shown = range(max(0, at - AROUND), min(len(lines_now), at + AROUND + 1))
        snippet = "\n".join(f"{number + 1:>{WIDTH}}\t{lines_now[number]}" for number in shown)
        return f"The memory file has been edited. Here is the snippet showing the change (with line numbers):\n{snippet}"

    def insert(self, path: str, insert_line: int, insert_text: str) -> str:
        """Insert text after a line of a file (0: before the first)."""
        with self.documents.memory.store.transaction():
            name, content = self._read(path)
            lines = content.split("\n")
            if lines[-1] == "":
                lines.pop()
            if not 0 <= insert_line <= len(lines):
                raise ToolError(
                    f"Invalid `insert_line` parameter: {insert_line}. It should be within the range [0, {len(lines)}]."
                )
            lines.insert(insert_line, insert_text.rstrip("\n"))
            changed = "\n".join(lines)
            self._put(name, changed if changed.endswith("\n") else changed + "\n")
        return f"The file {path} has been edited."

    def delete(self, path: str) -> str:
        """Delete a file, or a directory with everything in it, in every version."""
        name = checked(path)
        if name == ROOT:
            raise ToolError("Cannot delete the /memories directory itself")
        with self.documents.memory.store.transaction():
            if not self.documents.delete(self.scope, name):
                below = self._below(name)
                if not below:
                    raise ToolError(f"The path {path} does not exist")
                for document in below:
                    self.documents.delete(self.scope, document.name)
        return f"Successfully deleted {path}"

    def rename(self, old_path: str, new_path: str) -> str:
        """Move a file or a directory."""
        old, new = checked(old_path), checked(new_path)
        if old == ROOT:
            raise ToolError("Cannot rename the /memories directory itself")
        with self.documents.memory.store.transaction():
            if new == ROOT or self._get(new) is not None or self._below(new):
                raise ToolError(f"The destination {new_path} already exists")
            found = self._get(old)
            moved = [old] if found is not None else [document.name for document in self._below(old)]
            if not moved or new.startswith(old + "/"):
                raise ToolError(f"The path {old_path} does not exist" if not moved else f"{new_path} lies inside {old_path}")
            self._check_directories(new)
            for name in moved:
                with _refusing():
                    self.documents.rename(self.scope, name, new + name[len(old) :])
        return f"Successfully renamed {old_path} to {new_path}"

    def clear_all_memory(self) -> str:
        """Delete every file."""
        with self.documents.memory.store.transaction():
            for document in self._below(ROOT):
                self.documents.delete(self.scope, document.name)
        return "All memory cleared"

    # ------------------------------------------------------------------------------------------------ inside
    def _get(self, name: str) -> Document | None:
        return self.documents.get(self.scope, name) if name != ROOT else None

    def _below(self, name: str) -> list[Document]:
        """The files in a directory and the directories in it."""
        return self.documents.within(self.scope, name + "/", name + "0")  # '0' is the character after '/'

    def _check_directories(self, name: str) -> None:
        """Refuse a path that leads through a file."""
        while (name := name.rpartition("/")[0]) != ROOT:
            if self._get(name) is not None:
                raise ToolError(f"The path {name} is not a directory.")

    def _read(self, path: str) -> tuple[str, str]:
        name = checked(path)
        found = self._get(name)
        if found is None:
            if name == ROOT or self._below(name):
                raise ToolError(f"The path {path} is not a file.")
            raise ToolError(f"The path {path} does not exist. Please provide a valid path.")
        return name, found.value

    def _put(self, name: str, text: str) -> None:
        with _refusing():
            self.documents.put(self.scope, name, text, text if text.strip() else name, searchable=bool(text.strip()))


class LaminaMemoryTool(BetaAbstractMemoryTool):
    """The memory tool for `client.beta.messages.run_tools(tools=[…])`, with a memory behind it.

    Parameters: `memory`, and whose memory it is (`tenant`, `user`, `agent` or `scope`).

    >>> tool = LaminaMemoryTool(Memory(":memory:"), user="ana")
    >>> tool.call({"command": "create", "path": "/memories/a.txt", "file_text": "hello"})
    'File created successfully at: /memories/a.txt'
    """

    def __init__(self, memory: Memory, *, cache_control: Any = None, **whose: Unpack[ScopeArguments]) -> None:  # theirs
        super().__init__(cache_control=cache_control)
        self.files = MemoryFiles(memory, read_scope(whose))

    def view(self, command: Command) -> str:
        """Look at a file or a directory."""
        return self.files.view(command.path, command.view_range)

    def create(self, command: Command) -> str:
        """Write a new file."""
        return self.files.create(command.path, command.file_text)

    def str_replace(self, command: Command) -> str:
        """Replace a text in a file."""
        return self.files.str_replace(command.path, command.old_str, command.new_str or "")

    def insert(self, command: Command) -> str:
        """Insert text into a file."""
        return self.files.insert(command.path, command.insert_line, command.insert_text)

    def delete(self, command: Command) -> str:
        """Delete a file or a directory."""
        return self.files.delete(command.path)

    def rename(self, command: Command) -> str:
        """Move a file or a directory."""
        return self.files.rename(command.old_path, command.new_path)

    def clear_all_memory(self) -> str:
        """Delete every file."""
        return self.files.clear_all_memory()


class AsyncLaminaMemoryTool(BetaAsyncAbstractMemoryTool):
    """The same for the asynchronous client; every command runs in a thread."""

    def __init__(self, memory: Memory, *, cache_control: Any = None, **whose: Unpack[ScopeArguments]) -> None:  # theirs
        super().__init__(cache_control=cache_control)
        self.sync = LaminaMemoryTool(memory, **whose)

    async def view(self, command: Command) -> str:
        """Look at a file or a directory."""
        return await self._call(self.sync.view, command)

    async def create(self, command: Command) -> str:
        """Write a new file."""
        return await self._call(self.sync.create, command)

    async def str_replace(self, command: Command) -> str:
        """Replace a text in a file."""
        return await self._call(self.sync.str_replace, command)

    async def insert(self, command: Command) -> str:
        """Insert text into a file."""
        return await self._call(self.sync.insert, command)

    async def delete(self, command: Command) -> str:
        """Delete a file or a directory."""
        return await self._call(self.sync.delete, command)

    async def rename(self, command: Command) -> str:
        """Move a file or a directory."""
        return await self._call(self.sync.rename, command)

    async def clear_all_memory(self) -> str:
        """Delete every file."""
        return await asyncio.to_thread(self.sync.clear_all_memory)

    @staticmethod
    async def _call(run: Callable[[Command], str], command: Command) -> str:
        return await asyncio.to_thread(run, command)


def checked(path: str) -> str:
    """A path under /memories in plain form. Raises the tool's error for anything else, and for what leads out of it in any spelling.

    >>> checked("/memories/a//b/../c/")
    '/memories/a/c'
    """
    if not isinstance(path, str) or not (path == ROOT or path.startswith(ROOT + "/")):
        raise ToolError(f"Path must start with {ROOT}, got: {path}")
    with _refusing():
        check_text(path, "the path")
    parts: list[str] = []
    for part in path[len(ROOT) :].split("/"):
        plain = unquote(unquote(part)).replace("\\", "/")
        if (part == ".." and not parts) or (part != ".." and ".." in plain.split("/")) or "\0" in plain:
            raise ToolError(f"Path {path} would escape {ROOT} directory")
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join([ROOT, *parts])


@contextmanager
def _refusing() -> Iterator[None]:
    """What the memory cannot keep is refused in the way that Claude is told of errors."""
    try:
        yield
    except InputError as error:
        raise ToolError(str(error)) from error


def _bytes(document: Document) -> int:
    return len(str(document.value).encode())


def _size(count: int) -> str:
    for unit in ("B", "K", "M"):
        if count < 1024:
            return f"{count:g}{unit}" if count == int(count) else f"{count:.1f}{unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:.1f}G"
