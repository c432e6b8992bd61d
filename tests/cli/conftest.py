"""What the tests of the command line share: calling it inside this process, and as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lamina
from lamina.cli import app

SOURCE = Path(lamina.__file__).resolve().parent.parent


class Shell:
    """Runs `lamina` in a folder. `out` and `err` are those of the last call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = self.err = ""

    def __call__(self, *words: object, code: int = 0, given: str | bytes | None = None) -> str:
        """Run a command in this process; its standard output. Fails the test where the exit code is another one."""
        result = CliRunner().invoke(app, [str(word) for word in words], input=given)
        self.out, self.err = result.stdout, result.stderr
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"exit code {result.exit_code}\n{self.out}\n{self.err}"
        return self.out

    def json(self, *words: object, code: int = 0) -> Any:
        """Run a command with --json; what it printed."""
        return json.loads(self(*words, "--json", code=code))

    def ids(self, *words: object) -> list[str]:
        """The ids that a search finds."""
        return self("search", *words, "--ids").split()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


def environment(**more: str) -> dict[str, str]:
    """The environment of a child process that finds this package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMINA_")}
    return {**kept, "PYTHONPATH": str(SOURCE), "COLUMNS": "100", **more}


Process = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    """Runs `python -m lamina` in a process of its own, in the test's folder."""

    def run(*words: object, given: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lamina", *(str(word) for word in words)]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, cwd=tmp_path, env=environment(**more), timeout=60, check=False
        )

    return run


ANSI = re.compile(r"\x1b\[")
