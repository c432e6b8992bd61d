"""Every block of Python in the documentation runs as it stands, one namespace a page, in an empty folder."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, pages

PAGES = {str(page.relative_to(ROOT)): list(blocks(page.read_text(encoding="utf-8"))) for page in pages()}
PYTHON = {name: [block for block in found if block.language == "python"] for name, found in PAGES.items()}
SHELL = {
    name: [block for block in found if block.language in ("bash", "sh", "console", "shell")] for name, found in PAGES.items()
}


def first_lines() -> list[str]:
    """Names of the pages that have Python in them."""
    return [name for name, found in PYTHON.items() if found]


@pytest.mark.parametrize("name", first_lines())
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in PYTHON[name]:
        if block.not_run is None:
            code = compile("\n" * (block.line - 1) + block.text, str(ROOT / name), "exec")  # tracebacks name the page's line
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, namespace)
    for value in list(namespace.values()):
        close = getattr(value, "close", None)
        if type(value).__name__ == "Memory" and callable(close):
            close()


@pytest.mark.parametrize("name", first_lines())
def test_code_that_is_not_run_is_valid_python(name: str) -> None:
    for block in PYTHON[name]:
        compile(block.text, f"{name}:{block.line}", "exec", flags=0x2000)  # top-level await is allowed


def commands(block: Block) -> list[list[str]]:
    """The calls of `lamina` in a block of shell, as words."""
    text = block.text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ").strip() for line in text.splitlines()]
    calls = [re.split(r"\s[|>&]", line)[0] for line in lines if re.match(r"lamina\s", line)]
    return [shlex.split(call, comments=True) for call in calls]


@pytest.mark.parametrize("name", [name for name, found in SHELL.items() if any(commands(block) for block in found)])
def test_the_commands_of_a_page_exist(name: str) -> None:
    """Every `lamina …` in a block of shell names a command that exists, with options that it has."""
    from tests.docs.cli import options, tree

    known = tree()
    for block in SHELL[name]:
        for words in commands(block):
            path = 2 if " ".join(words[1:3]) in known else 1
            command = " ".join(words[1 : 1 + path])
            if words[1].startswith("--"):
                command, path = "", 0
            assert command in known, f"{name}:{block.line}: no command {shlex.join(words)!r}"
            used = {word.split("=")[0] for word in words[1 + path :] if re.match(r"--?[A-Za-z]", word)}
            assert used <= options(known[command]), f"{name}:{block.line}: {shlex.join(words)!r}"
