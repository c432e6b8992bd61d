"""Puts our memory tool in the place of the SDK's tool of local files.

Their tests put files on disk and look at them there. So this tool reads what is on disk before each command and writes what it has after it; what a command
does in between is ours.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from anthropic.lib.tools import _beta_builtin_memory_tool as theirs
from anyio import Path as AsyncPath

from lamina import Memory
from lamina.integrations.anthropic import ROOT, AsyncLaminaMemoryTool, LaminaMemoryTool


class OnDisk:
    """A folder that shows the files of a memory."""

    def __init__(self, files: Any, base: str) -> None:
        self.files, self.root = files, Path(base) / "memories"
        self.root.mkdir(parents=True, exist_ok=True)

    def read(self) -> None:
        """Take over what is on disk."""
        on_disk = {ROOT + "/" + str(path.relative_to(self.root)): path for path in self.root.rglob("*") if path.is_file()}
        for document in self.files._below(ROOT):
            if document.name not in on_disk:
                self.files.documents.delete("", document.name)
        for name, path in on_disk.items():
            text = path.read_bytes().decode()
            known = self.files._get(name)
            if known is None or known.value != text:
                self.files._put(name, text)

    def write(self) -> None:
        """Show what is in the memory."""
        shutil.rmtree(self.root)
        self.root.mkdir()
        for document in self.files._below(ROOT):
            path = self.root / document.name[len(ROOT) + 1 :]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(document.value.encode())


COMMANDS = ("view", "create", "str_replace", "insert", "delete", "rename")


class Local(LaminaMemoryTool):
    """The SDK's constructor."""

    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(Memory(":memory:"))
        self.base_path, self.memory_root = Path(base_path), Path(base_path) / "memories"
        self.disk = OnDisk(self.files, base_path)


class AsyncLocal(AsyncLaminaMemoryTool):
    """… and the asynchronous one."""

    def __init__(self, base_path: str = "./memory") -> None:
        super().__init__(Memory(":memory:"))
        self.base_path, self.memory_root = AsyncPath(base_path), AsyncPath(base_path) / "memories"
        self.disk = OnDisk(self.sync.files, base_path)


def _on_disk(name: str) -> tuple[Any, Any]:
    def call(self: Any, command: Any) -> Any:
        self.disk.read()
        result = getattr(LaminaMemoryTool, name)(self, command)
        self.disk.write()
        return result

    async def acall(self: Any, command: Any) -> Any:
        self.disk.read()
        result = await getattr(AsyncLaminaMemoryTool, name)(self, command)
        self.disk.write()
        return result

    return call, acall


for name in COMMANDS:
    call, acall = _on_disk(name)
    setattr(Local, name, call)
    setattr(AsyncLocal, name, acall)

theirs.BetaLocalFilesystemMemoryTool = Local  # type: ignore[misc, assignment]
theirs.BetaAsyncLocalFilesystemMemoryTool = AsyncLocal  # type: ignore[misc, assignment]
